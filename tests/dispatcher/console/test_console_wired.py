"""The console on the real rooms: a press by HTTP, seen on the stream, accepted, gone to, and closed with evidence."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer
from console_rooms import World

from dispatcher.board import Board
from dispatcher.console.app import Options, make_app
from dispatcher.console.shapes import CallView
from dispatcher.desk import Desk
from dispatcher.feed import Feed
from dispatcher.inbox import Inbox
from dispatcher.journal import Journal
from dispatcher.ledger import Ledger
from dispatcher.outbox import Outbox


@pytest.fixture
async def client(world: World, tokens):
    ledger, journal = Ledger(), Journal(world.store)
    heads = await journal.open(world.ids)
    board = Board(world.store, ledger, journal, world.rolls)
    feed = Feed(journal, board, world.rolls)
    feed.start(heads)
    inbox = Inbox(world.store, world.rolls, world.clock, world.ids)
    desk = Desk(
        world.store,
        world.rolls,
        ledger,
        inbox,
        board,
        feed,
        Outbox(world.store, world.clock),
        world.clock,
        world.ids,
    )
    await desk.open(heads)

    async def routing(resident_id: str, at_us: int):
        roll = world.rolls.roll_of("residents", resident_id)
        return desk.sight.routing(roll, roll.residents[resident_id], at_us)

    rooms = replace(world.rooms, inbox=inbox, board=board, feed=feed, routing=routing)
    running = asyncio.create_task(desk.run(), name="desk")
    async with TestClient(TestServer(make_app(rooms, Options(tokens=tokens)))) as made:
        yield made
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def events(response, wanted: str):
    """Read the stream up to a fact; every event on the way."""
    text, found = "", []
    while True:
        async with asyncio.timeout(20):
            text += (await response.content.readany()).decode()
        while "\n\n" in text:
            block, text = text.split("\n\n", 1)
            lines = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
            if "event" in lines:
                found.append((lines["event"], json.loads(lines["data"])))
                if lines["event"] == wanted:
                    return found


async def test_a_press_is_settled_by_http(client, api, world):
    await api("POST", "/staff/s-1/duty", {"on": True}, who="station")
    async with client.get("/api/v1/events", headers={"Authorization": "Bearer secret-station"}) as stream:
        press = {"device": "btn-r-1", "id": "p-1", "type": "press"}
        status, receipt = await api("POST", "/signals", press)
        assert (status, receipt["result"]) == (201, "stored")
        call_id = receipt["call"]
        assert call_id
        assert await api("POST", "/signals", press) == (200, receipt | {"result": "duplicate"})

        heard = await events(stream, "call.dispatched")
        assert [name for name, _ in heard] == ["call.opened", "call.dispatched"]
        [dispatch] = heard[-1][1]["state"]["dispatches"]
        assert (dispatch["station"], dispatch["state"]) == ("st-1", "offered")

        first = await api("POST", f"/calls/{call_id}/accept", who="station")
        assert (first[0], first[1]["state"]) == (200, "accepted")
        assert first[1]["accepted"] | {"at": ""} == {
            "by": "s-1",
            "station": "st-1",
            "at": "",
            "name": "王护理",
            "station_name": "站st-1",
        }
        status, problem = await api("POST", f"/calls/{call_id}/accept", {"station": "st-2"})
        assert (status, problem["state"], problem["accepted"]["station"]) == (409, "accepted", "st-1")

        for step, body, state in (
            ("spoke", {"result": "answered"}, "accepted"),
            ("en-route", {}, "en_route"),
            ("on-scene", {"proof": "manual"}, "on_scene"),
            ("note", {"text": "door code 12"}, "on_scene"),
            ("close", {"outcome": "helped", "evidence": "on_site", "note": "slipped, unhurt"}, "closed"),
            ("close", {"outcome": "helped", "evidence": "on_site", "note": "slipped, unhurt"}, "closed"),
        ):
            status, answer = await api("POST", f"/calls/{call_id}/{step}", body, who="station")
            assert (status, answer["state"]) == (200, state), answer
        assert answer["closed"]["note"] == "slipped, unhurt"
        heard = await events(stream, "call.closed")
        assert "call.on_scene" in [name for name, _ in heard]

    status, journal = await api("GET", f"/calls/{call_id}/journal")
    assert [fact["fact"] for fact in journal["items"]][:3] == [
        "call.opened",
        "call.dispatched",
        "call.accepted",
    ]
    assert not any("state" in fact for fact in journal["items"])
    assert (await api("GET", "/calls?state=open"))[1]["items"] == []
    assert (await api("POST", f"/calls/{call_id}/reopen", {"reason": "again"}, who="station"))[1][
        "state"
    ] == "received"


async def test_a_call_looks_as_it_is_described(client, api):
    _, receipt = await api("POST", "/signals", {"device": "btn-r-1", "id": "p-1", "type": "fall"})
    _, answer = await api("GET", f"/calls/{receipt['call']}")
    msgspec.convert(answer, CallView)
    described = {field.encode_name for field in msgspec.structs.fields(CallView)}
    assert set(answer) == described


async def test_one_key_one_step(client, api):
    _, opened = await api(
        "POST", "/calls", {"resident": "r-1", "note": "fell"}, headers={"Idempotency-Key": "hand-1"}
    )
    again = await api(
        "POST", "/calls", {"resident": "r-1", "note": "fell"}, headers={"Idempotency-Key": "hand-1"}
    )
    assert again[1]["id"] == opened["id"]
    assert again[1]["presses"] == 1
    status, _ = await api("POST", "/calls", {"resident": "r-2"}, headers={"Idempotency-Key": "hand-1"})
    assert status == 422
    status, joined = await api("POST", "/calls", {"resident": "r-1"})
    assert (status, joined["id"], joined["presses"]) == (200, opened["id"], 2)


async def test_cursors_that_are_none(client, api):
    for bad in ("x", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTku", "1" * 900, "LQ", "Lg"):
        status, problem = await api("GET", f"/calls?cursor={bad}")
        assert (status, problem["field"]) == (400, "cursor"), bad


async def test_who_would_be_asked(client, api):
    status, answer = await api("GET", "/residents/r-1/routing?at=2026-11-24T03:00:00%2B08:00")
    assert status == 200
    assert answer["items"][0]["station"] in {"st-1", "st-2", "st-3"}
    assert {"able", "reason", "tier", "travel_seconds", "distance_m"} <= set(answer["items"][0])
    named = {one["station"]: (one["station_name"], one["kind"]) for one in answer["items"]}
    assert all(name for name, _ in named.values()), "whoever asks may not see the area where it stands"
    assert named["st-1"][1] == "care_station"
