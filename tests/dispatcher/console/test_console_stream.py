"""The event stream: resume with nothing missed and nothing twice, reset, scope, slow readers, and an end."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from console_rooms import COMMUNITY, NEXT_COMMUNITY, NOW, OTHER_COMMUNITY, call, held, offered, over

from dispatcher.console.app import Options, make_app
from dispatcher.console.metering import CUT_OFF, READERS
from dispatcher.console.stream import StreamOptions
from dispatcher.core.call import OfferState, State
from dispatcher.core.district import Role


class Listening:
    """A reader of the stream: its events one by one."""

    def __init__(self, response) -> None:
        self.response = response
        self.comments = 0
        self._text = ""

    async def block(self) -> dict[str, str]:
        while "\n\n" not in self._text:
            async with asyncio.timeout(20):
                piece = await self.response.content.readany()
            if not piece:
                raise EOFError
            self._text += piece.decode()
        block, self._text = self._text.split("\n\n", 1)
        found: dict[str, str] = {}
        for line in block.split("\n"):
            if line.startswith(":"):
                self.comments += 1
                continue
            name, _, value = line.partition(": ")
            found[name] = value
        return found

    async def event(self) -> tuple[str, str, dict[str, Any]]:
        while True:
            block = await self.block()
            if "event" in block:
                return block.get("id", ""), block["event"], json.loads(block["data"])


@pytest.fixture
def listen(client):
    @asynccontextmanager
    async def listening(who: str = "admin", query: str = "", **headers: str):
        headers = {"Authorization": f"Bearer secret-{who}"} | headers
        async with client.get(f"/api/v1/events{query}", headers=headers) as response:
            assert response.status == 200
            assert response.content_type == "text/event-stream"
            reader = Listening(response)
            await reader.block()  # the retry line: now it is open
            yield reader

    return listening


async def names(reader: Listening, count: int) -> list[str]:
    return [(await reader.event())[1] for _ in range(count)]


async def test_news_as_they_come_and_nothing_from_before(world, listen):
    world.feed.tell("call.opened", call())
    async with listen() as reader:
        world.feed.tell("call.noted", call())
        event_id, name, data = await reader.event()
        assert (event_id, name, data["seq"]) == ("j.2", "call.noted", 2)
        assert data["state"]["resident"]["name"] == "老人r-1"


async def test_an_event_makes_no_task_for_each_reader(world, listen, monkeypatch):
    """They were two thirds of what five hundred readers cost."""
    async with listen() as first, listen() as second:
        world.feed.tell("call.opened", call())
        await names(first, 1)
        made = []
        loop = asyncio.get_running_loop()
        create = loop.create_task

        def counted(coro, **more):
            made.append(coro.__qualname__)
            return create(coro, **more)

        monkeypatch.setattr(loop, "create_task", counted)
        for _ in range(20):
            world.feed.tell("call.noted", call())
            await asyncio.sleep(0)
        assert await names(first, 20) == ["call.noted"] * 20
        assert (await names(second, 21))[1:] == ["call.noted"] * 20
        assert set(made) <= {"StreamReader.readany"}, "the listeners' own"


@pytest.mark.parametrize("way", ["header", "query", "both"])
async def test_resume_with_nothing_missed_and_nothing_twice(world, listen, way):
    for _ in range(5):
        world.feed.tell("call.noted", call())
    query = {"header": "", "query": "?after=j.3", "both": "?after=j.1"}[way]
    headers = {"Last-Event-ID": "j.3"} if way != "query" else {}
    async with listen(query=query, **headers) as reader:
        assert [(await reader.event())[0] for _ in range(2)] == ["j.4", "j.5"]
        world.feed.tell("call.closed", call())
        assert (await reader.event())[0] == "j.6"


async def test_from_the_beginning(world, listen):
    for _ in range(450):
        world.feed.tell("call.noted", call())
    async with listen(query="?after=0") as reader:
        assert [(await reader.event())[0] for _ in range(450)] == [f"j.{seq}" for seq in range(1, 451)]


async def test_an_unknown_position_is_a_reset_and_then_news(world, listen):
    world.feed.tell("call.opened", call())
    async with listen(**{"Last-Event-ID": "other.7"}) as reader:
        assert (await reader.event())[1] == "reset"
        world.feed.tell("call.noted", call())
        assert (await reader.event())[:2] == ("j.2", "call.noted")


async def test_a_position_that_was_archived_is_a_reset_too(world, listen):
    async with listen() as reader:
        world.feed.archived = True
        world.feed.tell("call.opened", call())
        assert (await reader.event())[1] == "reset"
        world.feed.tell("call.noted", call())
        assert (await reader.event())[1] == "call.noted"


@pytest.mark.parametrize("bad", ["x" * 300, "a\tb"])
async def test_a_position_that_is_none_is_refused(api, bad):
    status, problem = await api("GET", "/events", params={"after": bad})
    assert (status, problem["field"]) == (400, "after")
    assert (await api("GET", "/events?after=0&colour=red"))[0] == 400


async def test_a_token_in_the_address_opens_nothing(client):
    async with client.get("/api/v1/events?access_token=secret-admin") as response:
        assert response.status == 401


async def test_it_is_kept_alive(listen):
    async with listen() as reader:
        await reader.block()
        await reader.block()
        assert reader.comments == 2


async def test_each_reader_sees_its_scope(world, listen):
    async with (
        listen("admin") as admin,
        listen("street") as street,
        listen("station_3") as far,
        listen("volunteer") as helper,
    ):
        world.feed.tell("call.opened", call("c-1", area=COMMUNITY))
        world.feed.tell("call.opened", call("c-2", area=OTHER_COMMUNITY))
        world.feed.tell("call.opened", call("c-3", area=""))
        world.feed.tell(
            "call.dispatched",
            call("c-4", area=NEXT_COMMUNITY, offers=(offered("st-3"), offered("v-1", person=True))),
        )
        world.feed.tell("device.fault", None, area=OTHER_COMMUNITY)
        world.feed.tell(
            "call.noted", call("c-5", area=COMMUNITY, offers=(offered("st-3"), offered("v-1", person=True)))
        )
        assert [(await admin.event())[0] for _ in range(6)] == [f"j.{seq}" for seq in range(1, 7)]
        assert [(await street.event())[0] for _ in range(3)] == ["j.1", "j.4", "j.6"]
        assert [(await far.event())[0] for _ in range(4)] == ["j.2", "j.4", "j.5", "j.6"]
        assert [(await helper.event())[0] for _ in range(2)] == ["j.4", "j.6"]


async def test_who_loses_sight_hears_that_it_is_over_and_no_more(world, listen):
    gone = (offered("st-3", OfferState.WITHDRAWN), offered("st-1", OfferState.ACCEPTED))
    taken = call("c-1", state=State.ACCEPTED, accepted=held("st-1", at_us=NOW + 5), offers=gone)
    world.board.put(call("c-1", offers=(offered("st-3"),)))
    async with listen("station_3") as reader:
        world.feed.tell("call.dispatched", call("c-1", offers=(offered("st-3"),)))
        world.feed.tell("call.accepted", taken)
        world.feed.tell("call.noted", taken)
        world.feed.tell(
            "call.closed",
            call(
                "c-1",
                state=State.CLOSED,
                accepted=held("st-1", at_us=NOW + 5),
                closed=over(),
                deadlines={},
                offers=gone,
            ),
        )
        world.feed.tell("call.opened", call("c-9", area=OTHER_COMMUNITY))
        assert (await reader.event())[2]["state"]["resident"]["name"] == "老人r-1"
        _, name, data = await reader.event()
        assert name == "call.accepted"
        assert data["state"]["accepted"]["station"] == "st-1"
        assert data["state"]["resident"] is None
        assert "note" not in data
        assert "老人" not in json.dumps(data, ensure_ascii=False)
        assert (await reader.event())[2]["call"] == "c-9"


async def test_the_holder_hears_the_end(world, listen):
    async with listen("station_3") as reader:
        done = call("c-1", state=State.CLOSED, accepted=held("st-3"), closed=over(), deadlines={})
        world.feed.tell("call.closed", done)
        assert (await reader.event())[1] == "call.closed"


async def test_the_bytes_of_an_event_are_made_once(world, listen):
    async with listen() as one, listen() as two:
        event = world.feed.tell("call.opened", call())
        assert await one.event() == await two.event()
        event.data = b"{}"
        async with listen(query="?after=0") as three:
            assert (await three.event())[2]["seq"] == 1


async def test_a_revoked_token_ends_the_stream(world, client, tokens):
    issued = await tokens.create(Role.DISTRICT)
    async with client.get("/api/v1/events", headers={"Authorization": f"Bearer {issued.secret}"}) as response:
        reader = Listening(response)
        await reader.block()
        await tokens.revoke(issued.id)
        with pytest.raises(EOFError):
            await reader.event()


async def test_a_slow_reader_is_cut_off_and_disturbs_nobody(world, tokens):
    before = CUT_OFF._value.get()
    options = Options(tokens=tokens, stream=StreamOptions(alive_seconds=5, still_seconds=0.3))
    async with TestClient(TestServer(make_app(world.rooms, options))) as client:
        port = client.server.port
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(
            f"GET /api/v1/events?after=0 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer secret-admin\r\n\r\n".encode()
        )
        await asyncio.sleep(0.2)
        big = call("c-1", passed_over=())
        for _ in range(400):
            world.feed.tell("call.noted", big, padding="x" * 50_000)
        async with client.get(
            "/api/v1/events?after=0", headers={"Authorization": "Bearer secret-admin"}
        ) as response:
            listening = Listening(response)
            await listening.block()
            assert [(await listening.event())[0] for _ in range(400)] == [f"j.{seq}" for seq in range(1, 401)]
        await asyncio.sleep(0.6)
        assert CUT_OFF._value.get() == before + 1
        assert READERS._value.get() == 0
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            async with asyncio.timeout(20):
                await reader.readexactly(400 * 50_000)
        writer.close()


async def test_stopping_ends_every_stream_at_once(world, tokens):
    client = TestClient(TestServer(make_app(world.rooms, Options(tokens=tokens))))
    await client.start_server()
    response = await client.get("/api/v1/events", headers={"Authorization": "Bearer secret-admin"})
    reader = Listening(response)
    await reader.block()
    started = asyncio.get_running_loop().time()
    await client.server.close()
    assert asyncio.get_running_loop().time() - started < 2
    with pytest.raises(EOFError):
        await reader.block()
    await client.close()


async def test_many_readers_hold_nothing(world, tokens):
    async with TestClient(TestServer(make_app(world.rooms, Options(tokens=tokens)))) as client:
        headers = {"Authorization": "Bearer secret-admin"}
        responses = [await client.get("/api/v1/events", headers=headers) for _ in range(50)]
        readers = [Listening(response) for response in responses]
        for reader in readers:
            await reader.block()
        world.feed.tell("call.opened", call())
        assert {(await reader.event())[0] for reader in readers} == {"j.1"}
        for response in responses:
            response.close()
