"""The one place where calls change: a bug costs one decision, a crash none, and nothing sleeps."""

from __future__ import annotations

import pytest
from harness import Killed, story

from devices.signal import SignalType
from dispatcher import desk as desk_room
from dispatcher.core.commands import Accept, Close, Note
from dispatcher.store import StoreUnavailable


def quiet(**how):
    return story(picture=False, **how)


def failing(monkeypatch, name, when):
    """Let a decision of the core fail when it is told to."""
    real = getattr(desk_room, name)

    def decide(*args, **more):
        if when(*args):
            raise RuntimeError("a bug of ours")
        return real(*args, **more)

    monkeypatch.setattr(desk_room, name, decide)


def test_a_press_whose_decision_fails_is_still_a_call_and_those_behind_it_go_on(monkeypatch):
    failing(monkeypatch, "decide_signal", lambda heard, *_: heard.source == "native/btn-01")

    @quiet()
    async def tell(town):
        call = await town.press("btn-01")
        assert town.look(call).resident is None, "for the desk, since routing failed"
        await town.press("btn-02")
        assert town.look().resident == "r-02"
        assert town.desk.faults == 1
        town.desk.faults = 0
        town.out.clear()

    tell()


def test_a_command_whose_decision_fails_is_answered_with_our_fault(monkeypatch):
    failing(monkeypatch, "decide_command", lambda command, *_: isinstance(command, Note))

    @quiet()
    async def tell(town):
        await town.press("btn-01")
        decided = await town.ask(Note(by="n", text="x"), refused="our_fault")
        assert decided.status == 500
        await town.accept("st-01")
        town.desk.faults = 0
        town.out.clear()

    tell()


def test_a_deadline_whose_decision_fails_is_tried_again_and_holds_up_nobody(monkeypatch):
    ill = [True]
    failing(monkeypatch, "decide_due", lambda draft, *_: ill[0] and draft.now.resident == "r-01")

    @quiet(poll=1)
    async def tell(town):
        await town.press("btn-01")
        await town.press("btn-02")
        town.out.clear()
        await town.advance(minutes=1)
        town.expect_offer("st-02")
        await town.advance(seconds=30)
        assert town.desk.faults > 1
        ill[0] = False
        await town.advance(seconds=6)
        town.expect_offer("st-02")
        assert not town.desk._ill
        town.desk.faults = 0

    tell()


def test_a_call_that_is_ill_and_closed_by_somebody_leaves_nothing_behind(monkeypatch):
    failing(monkeypatch, "decide_due", lambda *_: True)

    @quiet(poll=1)
    async def tell(town):
        await town.press("btn-01")
        await town.advance(seconds=61)
        await town.accept("st-01")
        await town.close("st-01")
        await town.advance(seconds=6)
        assert not town.desk._ill
        town.desk.faults = 0
        town.out.clear()

    tell()


@quiet()
async def test_a_read_that_fails_while_deciding_is_the_worlds_fault_and_is_asked_again(town):
    await town.press("btn-01")
    await town.accept("st-01")
    await town.close("st-01")
    town.out.clear()
    get, failed = town.board.get, []

    async def flaky(call_id):
        if not failed:
            failed.append(1)
            raise StoreUnavailable("read failed")
        return await get(call_id)

    town.board.get = flaky
    decided = await town.ask(Note(by="n", text="later"))
    assert failed
    assert decided.status == 200


@quiet()
async def test_a_commit_that_fails_leaves_no_trace_and_test_mode_as_it_was(town):
    await town.register.test_mode(["btn-01"], town.clock.now_us() + 600 * 10**6, "op")
    armed = []

    def fail(work):
        facts = [row for do in work for row in do.rows if "fact" in row]
        if facts and not armed:
            armed.append(1)
            return StoreUnavailable("disk full")
        return None

    town.store.fail = fail
    await town.press("btn-01")
    assert armed
    assert town.look().test, "decided again, it is still the test"
    town.expect_wearer("btn-01", "received", "closed")


@quiet()
async def test_several_inputs_of_one_call_in_one_batch(town):
    await town.kill()
    for ref, kind in (
        ("1", SignalType.PRESS),
        ("2", SignalType.CANCEL),
        ("3", SignalType.PRESS),
        ("4", SignalType.FALL),
    ):
        await town.send("btn-01", kind, id=ref)
    await town.boot()
    call = town.look()
    assert (call.presses, call.kind, call.cancel_requested) == (
        3,
        "fall",
        True,
    )  # the cancel waits behind emergencies
    assert len(town.calls) == 1
    town.out.clear()


@quiet()
async def test_accept_close_and_press_again_in_one_batch_are_two_calls(town):
    import asyncio

    call = await town.press("btn-01")
    common = {"call": call, "district": "d1", "source": "api/x"}
    results = await asyncio.gather(
        town.inbox.ask(Accept(by="n", station="st-01"), **common, ref="1"),
        town.inbox.ask(Accept(by="m", station="st-02"), **common, ref="2"),
        town.inbox.ask(
            Close(by="n", station="st-01", outcome="helped", evidence="on_site"), **common, ref="3"
        ),
        town.press("btn-01"),
    )
    assert [decided.status for decided in results[:3]] == [200, 409, 200]
    assert results[3] != call
    town.out.clear()


@quiet()
async def test_an_input_for_a_district_that_is_gone_goes_to_the_default_one(town):
    await town.kill()
    await town.send("stranger")
    town.store.connection.execute("UPDATE inbox SET district = 'gone'")
    await town.boot()
    assert town.look().district == "d1"
    town.out.clear()


@quiet()
async def test_a_place_looked_up_for_a_closed_call_is_not_kept(town):
    from dispatcher.core.commands import Place

    await town.telephone(area="c1", place=Place(name="x"))
    await town.accept("")
    await town.close("")
    await town.note("later")
    await town.accept("st-01", refused="not_now")
    assert town.ledger.places == {}
    town.out.clear()


@quiet(poll=60)
async def test_memory_does_not_grow_with_calls_that_are_over(town):
    for _ in range(60):
        await town.press("btn-01")
        await town.advance(minutes=2)
        await town.accept("st-01")
        await town.close("st-01")
    assert (town.ledger.open, town.ledger.places, town.ledger._armed, list(town.ledger.loaded())) == (
        {},
        {},
        {},
        [],
    )
    assert len(town.ledger._due) < 300
    assert not town.inbox._waiting
    town.out.clear()


@quiet()
async def test_the_desk_reads_its_open_calls_at_the_start(town):
    from dispatcher.core.commands import Place

    await town.telephone(area="c1", place=Place(name="x"))
    await town.press("btn-01")
    await town.advance(seconds=1)
    before = (town.ledger.open, town.ledger.places, town.ledger.next_due_us())
    town.out.clear()
    await town.dark(seconds=1)
    assert (town.ledger.open, town.ledger.places, town.ledger.next_due_us()) == before


@quiet()
async def test_a_second_desk_on_the_same_journal_is_fenced_off(town):
    """The primary key of the journal: whoever lost the race commits nothing."""
    import sqlite3

    from dispatcher.store.postgres import DeskElsewhere

    await town.press("btn-01")
    town.out.clear()
    town.desk._heads["d1"] -= 1
    with pytest.raises((sqlite3.IntegrityError, DeskElsewhere)):
        await _turn(town)
    assert len(town.look().offers) == 1


async def _turn(town):
    await town.kill()
    town.desk._inbox.wake = lambda: None
    await town.send("btn-01", id="x")
    try:
        await town.desk.turn()
    finally:
        await town.boot()
        town.out.clear()


def test_killed_is_no_exception_that_a_desk_could_swallow():
    assert not issubclass(Killed, Exception)
