"""Every emergency is asked after on the next day: by whom, until when, and what becomes of it."""

from __future__ import annotations

from datetime import datetime

import pytest
from harness import MORNING, Killed, Town, play, story

from config.doors import from_us
from dispatcher.core.commands import Accept, Close, FollowUp
from dispatcher.follow_ups import FollowUps
from dispatcher.inbox import Undecided
from stories.places import town as places
from stories.test_holding import accepted

#: A story of days: an idle desk looks as often as a person would.
DAYS = 600.0


async def of(town: Town, call: str | None = None):
    """The follow-up of a call, as it is on disk."""
    return await FollowUps(town.store).get(call or town.calls[-1])


def clock(town: Town, us: int) -> str:
    """A moment as the clock on the district's wall shows it."""
    return from_us(us).astimezone(town.roll.zone).strftime("%m-%d %H:%M")


async def ask_after(town: Town, result: str, by: str = "n1", **more: str) -> None:
    await town.ask(FollowUp(by=by, result=result, text=more.pop("text", "")), **more)


async def over(town: Town, station: str = "st-01", **more: str) -> None:
    """Accepted and closed."""
    await accepted(town)
    await town.close(station, **more)
    town.expect_wearer("btn-01", "closed")


@story(poll=DAYS)
async def test_who_took_it_asks_on_the_next_day_how_she_is(town):
    await over(town)
    found = await of(town)
    assert (found.station, found.resident, found.state) == ("st-01", "r-01", "waiting")
    assert (clock(town, found.from_us), clock(town, found.due_us)) == ("11-25 10:00", "11-25 18:00")
    await town.advance(hours=25)
    await ask_after(town, "well", text="walks again")
    [fact] = town.told("call.followed_up")
    assert (fact.result, fact.attempt, fact.due_us) == ("well", 1, None)
    found = await of(town)
    assert (found.state, found.result) == ("done", "well")
    assert list((await FollowUps(town.store).notes([found])).values()) == ["walks again"]
    await ask_after(town, "needs_care", refused="no_follow_up")


@story(poll=DAYS)
async def test_who_is_not_reached_is_tried_on_three_days(town):
    await over(town)
    for day in (25, 26):
        await town.advance(hours=24)
        await ask_after(town, "not_reached")
        found = await of(town)
        assert (found.state, clock(town, found.due_us)) == ("waiting", f"11-{day + 1} 18:00")
    await town.advance(hours=24)
    await ask_after(town, "not_reached", by="n2")
    found = await of(town)
    assert (found.state, found.result) == ("done", "not_reached")
    assert [one.by for one in found.tries] == ["n1", "n1", "n2"]


@story
async def test_a_reopened_call_is_not_asked_after_until_it_is_over_again(town):
    await over(town)
    await town.reopen("st-01")
    town.expect_offer("st-01")
    town.expect_wearer("btn-01", "received")
    assert (await of(town)).state == "withdrawn"
    await ask_after(town, "well", refused="no_follow_up")
    await town.accept("st-01")
    await town.close("st-01")
    town.expect_wearer("btn-01", "accepted", "closed")
    found = await of(town)
    assert (found.state, found.tries) == ("waiting", ())


@story
async def test_what_was_no_need_is_not_asked_after(town):
    first = await accepted(town)
    await town.press("btn-02")
    town.expect_offer("st-01")
    await town.accept("")
    await town.close("", "duplicate", of=first)
    town.expect_wearer("btn-02", "received", "accepted", "closed")
    assert await of(town) is None, "the call that it is one of is asked after"
    await town.press("btn-03", "service")
    town.expect_offer("st-03")
    await town.accept("st-03")
    await town.close("st-03", "service_done", evidence=None)
    town.expect_wearer("btn-03", "received", "accepted", "closed")
    assert await of(town) is None


@story
async def test_who_came_from_another_area_hands_her_back_to_her_own_station(town):
    """A station sees a call elsewhere only until it is closed: her follow-up is her own community's."""
    await town.press("btn-03")
    town.expect_offer("st-03")
    await town.accept("far-1")
    await town.close("far-1")
    town.expect_wearer("btn-03", "received", "accepted", "closed")
    assert (await of(town)).station == "st-03"


@story
async def test_who_has_no_station_below_the_desk_is_asked_after_by_the_desk(town):
    await town.press("nobodys")
    town.expect_offer("desk")
    await town.accept("")
    await town.close("")
    town.expect_wearer("nobodys", "received", "accepted", "closed")
    found = await of(town)
    assert (found.station, found.resident, found.area) == ("desk", None, "")


@pytest.mark.parametrize(
    ("begins", "zone", "due"),
    [
        ("2026-11-24T23:58:00+08:00", "Asia/Shanghai", "2026-11-25T18:00:00+08:00"),
        ("2026-11-25T00:02:00+08:00", "Asia/Shanghai", "2026-11-26T18:00:00+08:00"),
        # The clocks go back in the night between: 18:00 is what the wall shows.
        ("2026-10-24T15:00:00+02:00", "Europe/Berlin", "2026-10-25T18:00:00+01:00"),
    ],
)
def test_the_next_day_is_the_districts(begins: str, zone: str, due: str):
    seen: list[int] = []

    async def tell(town: Town) -> None:
        await over(town)
        seen.append((await of(town)).due_us)

    play(tell, begins, places(district={"timezone": zone}), 5.0)
    assert from_us(seen[0]) == datetime.fromisoformat(due)


# ── killed at the close ──────────────────────────────────────────────────────────────────────────────────────────


async def _closed_and_asked(town: Town, kill_at: tuple[int, str] | None) -> int:
    """Pressed, taken, closed, and asked after on the next day, by people who press their button until it took."""

    async def ask(command, ref: str) -> None:
        for _ in range(6):
            try:
                await town.ask(command, ref=ref)
            except (Killed, Undecided):
                pass
            else:
                if not town.store.dead:
                    return
            await town.kill()
            await town.advance(seconds=5)
            await town.boot()
        raise AssertionError("never done")

    await town.press("btn-01")
    await ask(Accept(by="n1", station="st-01"), "k-1")
    begun = town.store.changes
    town.store.kill_at = (begun + kill_at[0], kill_at[1]) if kill_at is not None else None
    await ask(Close(by="n1", station="st-01", outcome="helped", evidence="on_site"), "k-2")
    assert (await of(town)).state == "waiting"
    await ask(FollowUp(by="n1", result="not_reached"), "k-3")
    await ask(FollowUp(by="n1", result="well", text="she is fine"), "k-4")
    town.out.clear()
    return town.store.changes - begun


def test_killed_before_or_after_any_write_she_is_asked_after_exactly_once():
    def run(kill_at: tuple[int, str] | None) -> tuple[int, list[str]]:
        seen: list[int] = []

        async def tell(town: Town) -> None:
            seen.append(await _closed_and_asked(town, kill_at))
            found = await of(town)
            assert (found.state, found.result, len(found.tries)) == ("done", "well", 2), kill_at
            notes = await FollowUps(town.store).notes([found])
            assert list(notes.values()) == ["she is fine"], kill_at

        entries = play(tell, MORNING, places(), 30.0)
        return seen[0], [entry.name for entry in entries]

    changes, calm = run(None)
    assert calm.count("call.followed_up") == 2
    assert changes >= 6
    for number in range(1, changes + 1):
        for moment in ("before", "after"):
            _, names = run((number, moment))
            assert names == calm, f"killed {moment} write {number}"
