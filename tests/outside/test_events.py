"""The stream of facts: resumed with nothing missed and nothing twice, and no reader can hurt the house."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import pytest

from outside.harness import ADMIN_TOKEN, BASE, Desk, Events, eventually
from outside.places import Town, station


async def read_to(stream: Events, event_id: str) -> list[str]:
    """The ids a fresh stream gave, up to that one."""
    last = await stream.until(lambda e: e.id == event_id, f"event {event_id} on a resumed stream")
    return [event.id for event in stream.seen[: last.place + 1]]


async def test_a_resumed_reader_misses_nothing_and_gets_nothing_twice(town: Town) -> None:
    place = await town.village(near=station(600))
    button, call = await town.open_call(place)
    for _ in range(5):
        await button.press()
    last = await town.events.fact("call.joined", call, where=lambda e: e.state["presses"] == 6)
    ids = [event.id for event in town.events.seen[: last.place + 1]]
    assert len(ids) == len(set(ids))

    for cut in (0, 1, len(ids) // 2, len(ids) - 2):
        by_header = await town.desk.events(last_event_id=ids[cut])
        by_query = await town.desk.events(after=ids[cut])
        assert await read_to(by_header, ids[-1]) == ids[cut + 1 :]
        assert await read_to(by_query, ids[-1]) == ids[cut + 1 :]


async def test_from_the_beginning_every_fact_comes_once_in_order(town: Town) -> None:
    place = await town.village(near=station(600))
    _, call = await town.open_call(place)
    last = await town.events.fact("call.dispatched", call)

    stream = await town.desk.events(after="0")
    ids = await read_to(stream, last.id)

    assert len(ids) == len(set(ids))
    seen = [event.id for event in town.events.seen[: last.place + 1]]
    assert ids[-len(seen) :] == seen
    seqs = [event.data["seq"] for event in stream.seen if event.data.get("district") == "411099"]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs))), "one gapless sequence"
    assert stream.seen[0].name != "reset"


async def test_facts_that_happen_while_a_reader_resumes_are_in_order(town: Town) -> None:
    place = await town.village(near=station(600))
    button, call = await town.open_call(place)
    start = (await town.events.fact("call.dispatched", call)).id

    async def press_on() -> None:
        for _ in range(30):
            await button.press()

    async def resume_again_and_again() -> list[Events]:
        streams = []
        for _ in range(6):
            streams.append(await town.desk.events(last_event_id=start))
            await asyncio.sleep(0.02)  # so that they join at different moments
        return streams

    _, streams = await asyncio.gather(press_on(), resume_again_and_again())
    last = await town.events.fact("call.joined", call, where=lambda e: e.state["presses"] == 31)
    expected = await read_to(streams[0], last.id)
    for stream in streams[1:]:
        assert await read_to(stream, last.id) == expected


@pytest.mark.parametrize("position", ["no-such-position", "999999999999", "-1", "0x10", "' OR 1=1"])
async def test_a_position_nobody_knows_gives_reset(town: Town, position: str) -> None:
    stream = await town.desk.events(last_event_id=position)
    first = await stream.until(lambda _: True, "the event reset")
    assert first.name == "reset"
    place = await town.village(near=station(600))
    _, call = await town.open_call(place)
    await stream.fact("call.opened", call)  # and the stream goes on from now


async def test_a_reader_that_does_not_read_is_cut_off_and_hurts_nobody(town: Town) -> None:
    place = await town.village(near=station(600))
    button, call = await town.open_call(place)
    start = (await town.events.fact("call.dispatched", call)).id
    loop = asyncio.get_running_loop()
    lazy = socket.socket()
    lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    lazy.connect(("127.0.0.1", town.server.http_port))
    lazy.sendall(
        f"GET {BASE}/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\n\r\n".encode()
    )
    try:
        total = 4000
        for n in range(total):
            button.send({"id": f"flood-{n}", "type": "press"})
            if n % 200 == 199:
                await button.receipt(f"flood-{n}", within=15)
        await town.events.fact(
            "call.joined", call, where=lambda e: e.state["presses"] == total + 1, within=20
        )
        lazy.setblocking(False)

        async def drain() -> int:
            got = 0
            while chunk := await loop.sock_recv(lazy, 2**20):
                got += len(chunk)
            return got

        try:
            async with asyncio.timeout(20):
                await drain()
        except ConnectionResetError:
            pass
        except TimeoutError as still:
            events = len(town.events.seen)
            raise AssertionError(f"a reader that read nothing of {events} events is still served") from still
        resumed = await town.desk.events(last_event_id=start)
        joined = await resumed.fact(
            "call.joined", call, where=lambda e: e.state["presses"] == total + 1, within=20
        )
        assert len({event.id for event in resumed.seen}) == len(resumed.seen)
        assert len([e for e in resumed.seen[: joined.place + 1] if e.name == "call.joined"]) == total
    finally:
        lazy.close()


async def test_many_readers_all_get_it(town: Town) -> None:
    place = await town.village(near=station(600))
    async with Desk(town.server) as crowd:
        streams = [await crowd.events() for _ in range(40)]
        _, call = await town.open_call(place)
        for stream in streams:
            await stream.fact("call.dispatched", call)


async def test_a_reader_who_hangs_up_is_forgotten(town: Town) -> None:
    async with Desk(town.server) as crowd:
        for _ in range(20):
            await crowd.events()

    def open_ends() -> int:
        return sum(1 for row in _connections(town.server.http_port))

    await eventually(lambda: open_ends() <= 8, "the ends of readers who hung up to be closed", within=20)


def _connections(port: int) -> list[str]:
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [row[1] for row in rows if int(row[1].split(":")[1], 16) == port and row[3] in {"01", "08"}]


async def test_the_data_of_an_event_is_one_json_line_with_what_the_contract_names(town: Town) -> None:
    place = await town.village(near=station(600))
    _, call = await town.open_call(place)
    opened = await town.events.fact("call.opened", call)
    for name in ("seq", "at", "fact", "district", "cause", "call", "state"):
        assert name in opened.data, name
    assert opened.data["fact"] == opened.name == "call.opened"
    assert json.loads(json.dumps(opened.state)) == opened.state
    assert opened.state["id"] == call
