"""What must hold once all the stories were told on the shared server. The name makes it the last file."""

from __future__ import annotations

import json
import time

from patience import PATIENCE

from outside.harness import ADMIN_TOKEN, Desk, Server, eventually
from outside.listener import Listener
from outside.places import PERSONAL, Town, station


async def test_the_stream_of_the_whole_day_has_every_fact_once(town: Town, listener: Listener) -> None:
    place = await town.village(near=station(600))
    _, call = await town.open_call(place)
    last = await town.events.fact("call.dispatched", call)
    await eventually(lambda: last.id in listener.ids, "the listener to have read the last fact")
    heard = listener.ids[: listener.ids.index(last.id) + 1]
    assert len(heard) == len(set(heard)), "nothing twice"
    stream = await town.desk.events(after="0")
    end = await stream.until(lambda e: e.id == last.id, "the journal's last fact", within=20)
    everything = [event.id for event in stream.seen[: end.place + 1]]
    assert everything[-len(heard) :] == heard, "nothing missed"


async def test_a_silent_stream_is_kept_alive(listener: Listener) -> None:
    began = time.monotonic()
    await eventually(lambda: listener.comments, "a comment line on a silent stream", within=18)
    assert max(listener.pauses) < 17, "a comment line every 15 s"
    assert time.monotonic() - began < 20 * PATIENCE


def test_no_log_line_names_a_person(server: Server) -> None:
    log = server.log
    assert len(PERSONAL) > 100
    assert not [text for text in PERSONAL if text in log or json.dumps(text)[1:-1] in log]
    for note in ("门锁着", "打 12349", "120 送医", "想喝水", "欧阳", "13803", "桃源胡同", "钥匙在门垫下"):
        assert note not in log, note
        assert json.dumps(note)[1:-1] not in log, note
    assert ADMIN_TOKEN not in log
    assert "Traceback" not in log


async def test_each_line_about_a_call_carries_its_id(town: Town) -> None:
    place = await town.village(near=station(600))
    before = len(town.server.lines)
    _, call = await town.open_call(place)
    (await town.desk.step(call, "accept", station=place.station("near"))).ok()
    about = [line for line in town.server.lines[before:] if "accepted" in line or "dispatched" in line]
    assert all(call in line for line in about), about


async def test_every_open_call_has_a_next_moment(server: Server) -> None:
    async with Desk(server) as desk:
        for call in await desk.all("/calls", state="open"):
            assert call["deadline"] is not None, call["id"]


def test_the_journal_of_all_stories_verifies(server: Server) -> None:
    verified = server.cli("db", "verify", within=60)
    assert verified.code == 0, verified.said
