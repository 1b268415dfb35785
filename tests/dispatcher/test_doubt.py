"""The connection is lost while a commit is under way, and nobody can say whether it happened: the journal can."""

from __future__ import annotations

from collections import Counter

import pytest
from harness import MORNING, Town, play, story
from stories.places import town as places

from dispatcher.core.commands import Accept, Close, Note, SetOut
from dispatcher.store import OutcomeUnknown, StoreUnavailable

BOTH = pytest.mark.parametrize("moment", ["before", "after"])


def quiet(**how):
    return story(picture=False, **how)


def lose_the_desks_commit(town, moment, *, which="fact"):
    """The next commit of the desk loses its answer; the list gets a word when it has."""
    write, lost = town.store._beneath.write, []

    async def flaky(work):
        if lost or not any(which in row for do in work for row in do.rows):
            return await write(work)
        lost.append(moment)
        if moment == "after":
            await write(work)
        raise OutcomeUnknown("the connection was lost")

    town.store._beneath.write = flaky
    return lost


@BOTH
def test_a_press_in_a_doubtful_commit_is_one_call_told_once_and_its_receipt_names_it(moment):
    @quiet()
    async def tell(town):
        lost = lose_the_desks_commit(town, moment)
        call = await town.press("btn-01")
        assert lost
        assert call == town.calls[0]
        town.expect_offer("st-01")
        town.expect_wearer("btn-01", "received")
        # It goes on with the right numbers and the right memory.
        await town.press("btn-02")
        town.expect_offer("st-01")
        town.expect_wearer("btn-02", "received")
        await town.accept("st-01", call)
        town.expect_wearer("btn-01", "accepted")
        await town.advance(minutes=1)
        town.expect_offer("st-02")

    tell()


@BOTH
def test_while_the_database_is_away_the_doubt_waits_and_nothing_is_told(moment):
    @quiet()
    async def tell(town):
        lost = lose_the_desks_commit(town, moment)
        beneath = town.store._beneath
        write, beneath_write = beneath.write, []

        async def gone(work):
            if lost:
                beneath_write.append(1)
                raise StoreUnavailable("away")
            return await write(work)

        beneath.write = gone
        kept = await town.send("btn-01")
        await town.advance(seconds=8)
        assert beneath_write, "it asked again and again"
        assert not town.desk.healthy
        town.expect_silence()
        beneath.write = write
        await town.advance(seconds=3)
        assert town.desk.healthy
        assert await town.inbox.call_of(kept.id) == town.calls[0]
        town.expect_offer("st-01")
        await town.advance(seconds=15)  # in doubt for long, the word to her comes by its lease
        town.expect_wearer("btn-01", "received")

    tell()


@BOTH
def test_a_doubtful_deadline_is_taken_once(moment):
    @quiet()
    async def tell(town):
        await town.press("btn-01")
        town.expect_offer("st-01")
        town.expect_wearer("btn-01", "received")
        await town.advance(seconds=59)
        lost = lose_the_desks_commit(town, moment)
        await town.advance(seconds=3)
        assert lost
        town.expect_offer("st-02")
        await town.advance(seconds=58)
        town.expect_offer("cen-1")

    tell()


@BOTH
def test_a_refusal_without_any_fact_is_settled_by_its_mark(moment):
    @quiet()
    async def tell(town):
        call = await town.press("btn-01")
        lost = lose_the_desks_commit(town, moment, which="b_result")
        await town.close("st-01", call=call, refused="not_now")
        assert lost
        town.out.clear()

    tell()


@BOTH
def test_a_test_in_a_doubtful_commit_uses_test_mode_up_once(moment):
    @quiet()
    async def tell(town):
        await town.register.test_mode(["btn-01"], town.clock.now_us() + 600 * 10**6, "op")
        lose_the_desks_commit(town, moment)
        await town.press("btn-01")
        assert town.look().test
        town.expect_wearer("btn-01", "received", "closed")
        assert not town.roll.test_until_us
        await town.press("btn-01")
        assert not town.look().test, "the next one is real"
        town.out.clear()

    tell()


@BOTH
def test_a_press_whose_storing_is_in_doubt_is_refused_and_repeated(moment):
    @quiet()
    async def tell(town):
        town.store.doubt_at = (town.store.changes + 1, moment)
        with pytest.raises(StoreUnavailable):
            await town.send("btn-01", id="n-9")
        await town.advance(seconds=6)
        kept = await town.send("btn-01", id="n-9")
        assert (kept.result == "duplicate") == (moment == "after")
        assert await town.inbox.call_of(kept.id) == town.calls[0]
        assert len(town.calls) == 1
        town.out.clear()

    tell()


@BOTH
def test_a_change_of_the_register_in_doubt_is_done_again_until_it_is_known(moment):
    @quiet()
    async def tell(town):
        town.store.doubt_at = (town.store.changes + 1, moment)
        await town.change("stations", "st-01", name="新名字")
        assert town.roll.stations["st-01"].name == "新名字"
        await town.dark(seconds=1)
        assert town.roll.stations["st-01"].name == "新名字", "memory and rows are in step"

    tell()


async def _until_done(town, what):
    for _ in range(6):
        try:
            return await what()
        except StoreUnavailable:
            await town.advance(seconds=1)
    raise AssertionError("never done")


def _life(doubt_at) -> tuple[int, list]:
    seen: dict[str, int] = {}

    async def tell(town: Town) -> None:
        begun = town.store.changes
        town.store.doubt_at = (begun + doubt_at[0], doubt_at[1]) if doubt_at is not None else None
        call = await _until_done(town, lambda: town.press("btn-01", id="p-1"))
        await town.advance(seconds=65)
        await _until_done(town, lambda: town.press("btn-01", id="p-2"))
        for ref, command in (
            ("k-1", Accept(by="n2", station="st-02")),
            ("k-2", SetOut(by="n2", station="st-02")),
            ("k-3", Note(by="n2", text="door is open")),
            ("k-4", Close(by="n2", station="st-02", outcome="helped", evidence="on_site")),
        ):
            await _until_done(town, lambda command=command, ref=ref: town.ask(command, call, ref=ref))
        await town.advance(seconds=90)
        seen["changes"] = town.store.changes - begun
        words = Counter(out.what for out in town.out if out.kind == "wearer")
        for state in ("received", "accepted", "en_route", "closed"):
            assert words[state] >= 1, f"she was never told {state}"
        town.out.clear()
        town.expect_state("closed")
        assert len(town.calls) == 1

    entries = play(tell, MORNING, places(), 1.0)
    return seen["changes"], entries


def test_whichever_commit_is_in_doubt_each_thing_happened_exactly_once():
    changes, calm = _life(None)
    expected = Counter(entry.name for entry in calm)
    assert changes > 12
    for number in range(1, changes + 1):
        for moment in ("before", "after"):
            _, entries = _life((number, moment))
            assert Counter(entry.name for entry in entries) == expected, f"in doubt {moment} write {number}"
