"""Stored, then acknowledged; a repeat is recognised; who waits is told."""

from __future__ import annotations

import asyncio

import pytest
from harness import story

from devices.family import Result
from devices.signal import Key, Signal, SignalType
from dispatcher.core.commands import Accept, Note
from dispatcher.core.reports import Faulty
from dispatcher.inbox import KeyReused, Undecided
from dispatcher.store import StoreUnavailable


def quiet(**how):
    return story(picture=False, **how)


def press(device="btn-01", ref="1", key=None):
    return Signal("native", device, SignalType.PRESS, ref, key=key)


def rows(town, what="count(*)"):
    return town.store.connection.execute(
        f"SELECT {what} FROM (SELECT * FROM inbox ORDER BY seq) AS inputs"
    ).fetchall()


@quiet()
async def test_when_put_returns_it_is_on_disk_whether_or_not_the_desk_is_there(town):
    await town.kill()
    await town.inbox.put([(press(), town.clock.now_us(), "l")])
    assert rows(town) == [(1,)]
    await town.boot()
    town.expect_offer("st-01")
    town.expect_wearer("btn-01", "received")


@quiet()
async def test_a_batch_is_one_commit_and_keeps_its_order(town):
    await town.kill()
    before = town.store.changes
    kept = await town.inbox.put([(press(ref=str(n)), town.clock.now_us(), "l") for n in range(50)])
    assert town.store.changes == before + 1
    assert [ref for (ref,) in rows(town, "ref")] == [str(n) for n in range(50)]
    assert len({one.id for one in kept}) == 50
    await town.boot()
    assert town.look().presses == 50
    town.out.clear()


@quiet()
async def test_a_repeat_is_the_same_whoever_brings_it_and_in_one_batch_too(town):
    first, second = await town.inbox.put(
        [(press(), town.clock.now_us(), "a"), (press(), town.clock.now_us(), "b")]
    )
    assert (first.result, second.result) == (Result.STORED, Result.DUPLICATE)
    assert first.id == second.id
    await town.settle()
    assert town.look().presses == 1
    # The same number of another device is another press.
    [other] = await town.inbox.put([(press("btn-02"), town.clock.now_us(), "a")])
    assert other.result is Result.STORED
    await town.settle()
    town.out.clear()


@quiet()
async def test_a_heartbeat_is_a_row_of_the_device_and_asks_nothing(town):
    for number in range(3):
        signal = Signal(
            "native", "btn-01", SignalType.HEARTBEAT, f"h{number}", details={"battery": 80 - number}
        )
        [kept] = await town.inbox.put([(signal, town.clock.now_us(), "l")])
        assert (kept.id, kept.result) == ("", Result.STORED)
    states = town.store.connection.execute("SELECT source, body FROM device_states").fetchall()
    assert len(states) == 1
    assert '"battery":78' in states[0][1]
    assert rows(town) == [(0,)]


@quiet()
async def test_strangers_grow_no_table_of_states(town):
    await town.inbox.put([(Signal("native", f"x{n}", SignalType.HEARTBEAT, "h"), 0, "l") for n in range(20)])
    assert town.store.connection.execute("SELECT count(*) FROM device_states").fetchone() == (0,)


@quiet()
async def test_nothing_waits_before_an_emergency(town):
    await town.kill()
    await town.inbox.put([(press("btn-02", "1", Key.SERVICE), 0, "l"), (press("btn-01", "2"), 0, "l")])
    await town.boot()
    assert [town.look(call).key for call in town.calls] == ["emergency", "service"]
    town.out.clear()


@quiet()
async def test_a_command_is_decided_once_and_the_same_key_gives_the_same_outcome(town):
    await town.press("btn-01")
    first = await town.ask(Accept(by="n", station="st-01"), ref="k-1")
    again = await town.ask(Accept(by="n", station="st-01"), ref="k-1")
    assert first == again
    assert len(town.told("call.accepted")) == 1
    with pytest.raises(KeyReused):
        await town.ask(Accept(by="n", station="st-02"), ref="k-1")
    town.out.clear()


@quiet()
async def test_an_unknown_call_is_404(town):
    decided = await town.ask(Note(by="n", text="x"), "c-nothing", refused="unknown_call")
    assert decided.status == 404


@quiet()
async def test_who_waits_too_long_is_told_so_and_the_command_is_kept(town):
    await town.press("btn-01")
    await town.advance(seconds=1)
    await town.kill()
    with pytest.raises(Undecided):
        await town.ask(Accept(by="n", station="st-01"), ref="k-1")
    assert await town.inbox.call_of("s-unknown", within_seconds=0.1) is None
    await town.boot()
    assert town.expect_state("accepted")
    assert (await town.ask(Accept(by="n", station="st-01"), ref="k-1")).status == 200
    town.out.clear()


@quiet()
async def test_who_goes_away_while_waiting_leaves_nothing_behind(town):
    await town.kill()
    asking = asyncio.create_task(town.ask(Accept(by="n", station="st-01"), "c-x", ref="k-1"))
    await asyncio.sleep(0.1)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await town.boot()
    assert rows(town, "ref, decided_us IS NOT NULL") == [("k-1", 1)]


@quiet()
async def test_an_input_whose_wake_was_lost_is_found_by_the_poll(town):
    town.inbox.wake = lambda: None
    town.inbox._hand_on = lambda _row: None
    await town.inbox.put([(press(), town.clock.now_us(), "l")])
    await town.advance(seconds=5)
    town.expect_offer("st-01")
    town.expect_wearer("btn-01", "received")


@quiet()
async def test_an_input_whose_wake_was_lost_is_found_though_the_clock_was_put_back(town):
    await town.advance(seconds=1)
    town.clock._start_us -= 3600 * 10**6
    town.inbox._hand_on = lambda _row: None
    await town.inbox.put([(press(), town.clock.now_us(), "l")])
    await town.advance(seconds=6)
    assert len(town.calls) == 1
    town.out.clear()


@quiet()
async def test_a_full_disk_is_said_at_once_and_nothing_is_kept(town):
    town.store.fail = lambda _work: StoreUnavailable("full")
    with pytest.raises(StoreUnavailable):
        await town.inbox.put([(press(), town.clock.now_us(), "l")])
    town.store.fail = lambda _work: None
    await town.advance(seconds=3)
    assert rows(town) == [(0,)]
    assert town.inbox.waiting == 0


@quiet()
async def test_a_fault_is_reported_once_and_is_no_call(town):
    for _ in range(2):
        report = Faulty(fault="retained", source="native/btn-01")
        await town.inbox.report(report, source="native/btn-01", ref="ref-1")
    await town.advance(seconds=5)
    [fault] = town.told("device.fault")
    assert fault.fault == "retained"
    town.expect_fault("btn-01", "retained", "st-01")
    assert town.events[-1].entry.device == "btn-01"


@quiet()
async def test_the_short_cut_past_the_table_decides_nothing_twice(town):
    """Presses and polls at every distance: the row is read from the table, handed on, or both at once."""
    for number in range(40):
        town.desk._poll_us = 0 if number % 2 else town.desk._poll_us
        await asyncio.gather(
            *(
                town.inbox.put([(press(f"btn-0{1 + n % 2}", f"{number}-{n}"), town.clock.now_us(), "l")])
                for n in range(4)
            )
        )
        await asyncio.sleep(0)
    await town.settle()
    assert sum(town.look(call).presses for call in town.calls) == 160
    assert not town.inbox._held
    assert not town.inbox._fresh
    town.out.clear()
