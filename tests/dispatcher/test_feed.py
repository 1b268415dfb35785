"""Nothing missed, nothing twice, whoever reads from wherever."""

from __future__ import annotations

import asyncio
import json

import pytest
from harness import Town, story

from dispatcher import feed as feed_room
from dispatcher.feed import PositionUnknown


def quiet(**how):
    return story(picture=False, **how)


async def some_life(town: Town, rounds: int = 3) -> None:
    for _ in range(rounds):
        await town.press("btn-01")
        await town.accept("st-01")
        await town.note("a word")
        await town.close("st-01", text="went well")
    town.out.clear()


async def read_all(town: Town, after: str | None, page: int = 7) -> list:
    reader = await town.feed.reader("d1", after)
    events = []
    while town.feed._behind("d1", reader._seq):
        events += await reader.next(page)
    return events


@quiet()
async def test_from_the_ring_and_from_the_journal_it_is_the_same(town):
    await some_life(town)
    live = [(event.id, event.data) for event in town.events]
    assert [(event.id, event.data) for event in await read_all(town, "0")] == live
    town.feed._rings.clear()
    assert [(event.id, event.data) for event in await read_all(town, "0")] == live


@quiet()
async def test_every_position_resumes_right_behind_it(town):
    await some_life(town, 2)
    ids = [event.id for event in town.events]
    for ring in (True, False):
        if not ring:
            town.feed._rings.clear()
        for index, position in enumerate(ids):
            assert [event.id for event in await read_all(town, position)] == ids[index + 1 :]


@quiet()
async def test_after_a_restart_a_reader_resumes_and_a_new_one_starts_now(town):
    await some_life(town, 1)
    last = town.events[2].id
    await town.dark(seconds=1)
    assert next(event.entry.seq for event in await read_all(town, last)) == 4
    assert await read_all(town, None) == []


@quiet()
async def test_a_reader_across_the_rings_edge_misses_nothing(town):
    size, feed_room.RING_EVENTS = feed_room.RING_EVENTS, 5
    try:
        await some_life(town, 4)
    finally:
        feed_room.RING_EVENTS = size
    assert len(town.feed._rings["d1"]) == 5
    assert [event.entry.seq for event in await read_all(town, "0", page=3)] == list(
        range(1, len(town.events) + 1)
    )


@quiet()
async def test_positions_of_another_journal_are_unknown(town):
    await some_life(town, 1)
    own, seq = town.journal.id, town.events[-1].entry.seq
    for position in (
        f"j-other.d1.{seq}",
        f"{own}.d2.{seq}",
        f"{own}.d1.{seq + 1}",
        f"{own}.d1.x",
        "",
        "nonsense",
        f"{own}.d1.-1",
    ):
        with pytest.raises(PositionUnknown):
            await town.feed.reader("d1", position)
    assert await town.feed.reader("d1", f"{own}.d1.{seq}")


@quiet()
async def test_a_reader_that_waits_is_woken_by_the_next_fact(town):
    reader = await town.feed.reader("d1", None)
    waiting = asyncio.create_task(reader.next())
    await town.settle()
    assert not waiting.done()
    await town.press("btn-01")
    assert [event.name for event in await waiting] == ["call.opened", "call.dispatched"]
    town.out.clear()


@quiet()
async def test_the_state_in_an_event_is_the_call_right_after_that_fact(town):
    await some_life(town, 1)
    states = [json.loads(event.data)["state"] for event in town.events]
    assert [state["state"] for state in states] == ["received", "received", "accepted", "accepted", "closed"]
    assert [state["seq"] for state in states] == [1, 2, 3, 4, 5]
    assert states[-1]["closed"]["note"] == "went well"
    assert json.loads(town.events[3].data)["note"] == "a word"


@quiet()
async def test_a_note_on_a_closed_call_still_shows_how_it_was_closed(town):
    await some_life(town, 1)
    await town.note("later")
    state = json.loads(town.events[-1].data)["state"]
    assert state["closed"]["note"] == "went well"


@quiet()
async def test_when_the_texts_cannot_be_read_nothing_is_committed_and_nothing_is_missed(town):
    from dispatcher.store import StoreUnavailable

    await some_life(town, 1)
    texts, failed = town.board.texts, []

    async def flaky(wanted):
        if wanted and not failed:
            failed.append(1)
            raise StoreUnavailable("read failed")
        return await texts(wanted)

    town.board.texts = flaky
    asked = asyncio.create_task(town.note("later"))
    await town.advance(seconds=2)
    assert (await asked).status == 200
    assert failed
    assert town.events[-1].name == "call.noted"


@quiet()
async def test_the_facts_name_people_by_id_only(town):
    await some_life(town, 1)
    journal = town.store.connection.execute("SELECT body, cause FROM journal").fetchall()
    told = " ".join(body + cause for body, cause in journal)
    for personal in ("王秀英", "13800000001", "went well", "a word"):
        assert personal not in told
