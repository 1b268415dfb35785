"""Killed at any moment, nothing that was stored is lost and nothing happens twice (contract, 8.1 to 8.3; design, 1)."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from harness import MORNING, Killed, Town, play, story

from dispatcher.core.commands import Accept, Close, SetOut
from dispatcher.inbox import Undecided
from dispatcher.store import StoreUnavailable
from stories.places import EVERYBODY
from stories.places import town as places


@story
async def test_after_a_power_cut_the_call_goes_on_where_it_was(town):
    await town.press("btn-01")
    town.expect_offer("st-01")
    town.expect_wearer("btn-01", "received")
    await town.advance(seconds=30)
    await town.dark(seconds=10)
    town.expect_silence()
    town.expect_next("step", 20)
    await town.advance(seconds=20)
    town.expect_offer("st-02")


@story
async def test_after_eight_hours_in_the_dark_each_step_is_taken_once_without_a_burst(town):
    await town.press("btn-01")
    town.expect_offer("st-01")
    town.expect_wearer("btn-01", "received")
    await town.dark(hours=8)
    # What fell due meanwhile, each once and at once: two stations, everyone, the limits. Not 480 repeats.
    town.expect_offer("st-03", "desk", why="arrive_limit")
    town.expect_offer("st-02", "cen-1", *EVERYBODY)
    town.expect_ring("desk", why="arrive_goal")
    town.expect_ring("desk", why="arrive_limit")
    town.expect_ring("desk", why="close_within")
    town.expect_silence()
    town.expect_next("step", 60)
    await town.advance(seconds=60)
    town.expect_offer(*EVERYBODY)


@story
async def test_what_a_holder_let_pass_in_the_dark_lapses_once(town):
    await town.press("btn-01")
    town.expect_offer("st-01")
    await town.accept("st-01")
    town.expect_wearer("btn-01", "received", "accepted")
    await town.dark(minutes=10)
    town.expect_wearer("btn-01", "received")
    town.expect_offer("st-02", "cen-1", *EVERYBODY)
    assert len(town.told("call.lapsed")) == 1


@story
async def test_a_press_stored_while_the_desk_is_away_is_decided_when_it_is_back(town):
    await town.kill()
    kept = await town.send("btn-01")
    assert await town.inbox.call_of(kept.id, within_seconds=2) is None, "the receipt goes out without a call"
    await town.boot()
    town.expect_offer("st-01")
    town.expect_wearer("btn-01", "received")
    again = await town.send("btn-01", id="n1")
    assert again.result == "duplicate"
    assert await town.inbox.call_of(again.id) == town.calls[0], "a repeat brings it"


@story
async def test_a_command_given_while_the_desk_is_away_is_answered_when_asked_again(town):
    await town.press("btn-01")
    town.expect_offer("st-01")
    await town.advance(seconds=1)
    await town.kill()
    with pytest.raises(Undecided):
        await town.accept("st-01", ref="k-7")
    await town.boot()
    decided = await town.accept("st-01", ref="k-7")
    assert decided.status == 200
    town.expect_wearer("btn-01", "received", "accepted")
    assert len(town.told("call.accepted")) == 1


@story
async def test_with_the_disk_full_nothing_is_told_and_everything_happens_when_there_is_room(town):
    await town.press("btn-01")
    town.expect_offer("st-01")
    town.expect_wearer("btn-01", "received")
    town.store.fail = lambda _work: StoreUnavailable("disk full")
    with pytest.raises(StoreUnavailable):
        await town.send("btn-02")
    await town.advance(minutes=3)
    town.expect_silence()
    assert not town.desk.healthy
    town.store.fail = lambda _work: None
    await town.advance(seconds=3)
    assert town.desk.healthy
    town.expect_offer("st-02", "cen-1", *EVERYBODY)


@story
async def test_a_wearer_who_was_out_of_reach_is_told_the_newest_word_only(town):
    town.line_up = False
    await town.press("btn-01")
    town.expect_offer("st-01")
    await town.accept("st-01")
    await town.set_out("st-01")
    await town.advance(seconds=30)
    town.expect_silence()
    town.line_up = True
    await town.advance(seconds=70)
    town.expect_wearer("btn-01", "en_route")
    town.expect_silence()


# ── every moment there is ────────────────────────────────────────────────────────────────────────────────────────


async def _life(town: Town) -> None:
    """A device that repeats until it has its receipt, people who press their button again until it took."""

    async def until_done(what) -> None:
        for _ in range(6):
            try:
                return await what()
            except (Killed, Undecided):
                await town.kill()
                await asyncio.sleep(5)
                await town.boot()
        raise AssertionError("never done")

    async def send(device: str, press_id: str) -> None:
        kept = await town.send(device, id=press_id)
        if await town.inbox.call_of(kept.id) is None:
            raise Undecided  # the receipt named no call: the device is content, but we want to know
        await revive()

    async def revive() -> None:
        if town.store.dead:
            await town.kill()
            await asyncio.sleep(5)
            await town.boot()

    async def ask(command, ref: str) -> None:
        decided = await town.ask(command, ref=ref)
        assert decided.status == 200
        await revive()

    async def wait(seconds: float) -> None:
        for _ in range(round(seconds)):
            await town.advance(seconds=1)
            await revive()

    await until_done(lambda: send("btn-01", "p-1"))
    await wait(70)
    await until_done(lambda: send("btn-01", "p-2"))
    await until_done(lambda: ask(Accept(by="n2", station="st-02"), "k-1"))
    await until_done(lambda: ask(SetOut(by="n2", station="st-02"), "k-2"))
    await until_done(
        lambda: ask(Close(by="n2", station="st-02", outcome="helped", evidence="on_site"), "k-3")
    )
    await wait(60)


def _run_life(kill_at: tuple[int, str] | None) -> tuple[int, list]:
    seen: dict[str, int] = {}

    async def tell(town: Town) -> None:
        begun = town.store.changes
        town.store.kill_at = (begun + kill_at[0], kill_at[1]) if kill_at is not None else None
        await _life(town)
        seen["changes"] = town.store.changes - begun
        words = Counter((out.to, out.what) for out in town.out if out.kind == "wearer")
        for state in ("accepted", "en_route", "closed"):
            assert words[("btn-01", state)] >= 1, f"she was never told {state}"
        town.out.clear()
        assert len(town.calls) == 1
        town.expect_state("closed")

    entries = play(tell, MORNING, places(), 30.0)
    return seen["changes"], entries


def test_killed_before_or_after_any_write_each_thing_happened_exactly_once():
    changes, calm = _run_life(None)
    expected = Counter(_essence(entry) for entry in calm)
    assert changes > 12
    for number in range(1, changes + 1):
        for moment in ("before", "after"):
            _, entries = _run_life((number, moment))
            assert Counter(_essence(entry) for entry in entries) == expected, (
                f"killed {moment} write {number}"
            )


def _essence(entry) -> tuple:
    asked = tuple(one.to for one in getattr(entry.fact, "asked", ()))
    return entry.name, getattr(entry.fact, "step", None), asked, getattr(entry.fact, "by", "")
