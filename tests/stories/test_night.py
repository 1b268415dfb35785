"""Clocks that change, stations that open and close, a register that moves under open calls."""

from __future__ import annotations

from harness import story

from stories.places import EVERYBODY, OFFICE
from stories.places import town as places

BERLIN = {"code": "d1", "name": "Mitte", "timezone": "Europe/Berlin", "locale": "de-DE"}


def berlin(**hours):
    made = places(stations={station: {"hours": spans} for station, spans in hours.items()})
    made["district"] = BERLIN
    return made


@story(
    at="2026-10-25T01:59:00+02:00",
    poll=5,
    district=berlin(**{"st-01": {"sat": ["22:00-02:30"]}, "st-02": {"sun": ["02:30-08:00"]}}),
)
async def test_in_the_hour_that_is_struck_twice_the_wall_clock_counts(town):
    # 02:00-02:30 comes twice: st-01 is open both times, st-02 opens at the first 02:30, shuts at the second 02:00.
    await town.press("btn-01")
    town.expect_offer("st-01")
    await town.accept("st-01")
    await town.set_out("st-01")
    await town.arrive("st-01")
    await town.close("st-01")
    town.expect_wearer("btn-01", "received", "accepted", "en_route", "on_scene", "closed")
    for minutes, asked in ((32, "st-02"), (30, "st-01"), (30, "st-02")):
        await town.advance(minutes=minutes)
        await town.press("btn-01")
        town.expect_offer(asked)
        await town.accept(asked)
        await town.close(asked)
        town.expect_wearer("btn-01", "received", "accepted", "closed")
    assert town.wall == "02:31"


@story(
    at="2026-03-29T01:59:30+01:00",
    poll=1,
    district=berlin(**{"st-01": {"sat": ["22:00-02:30"]}, "st-02": {"sun": ["03:00-08:00"]}}),
)
async def test_in_the_hour_that_is_left_out_the_shift_ends_when_the_clock_jumps(town):
    await town.press("btn-01")
    town.expect_offer("st-01")
    town.expect_wearer("btn-01", "received")
    await town.advance(seconds=31)  # 03:00 on the wall: the shift until 02:30 is over, the morning has begun
    town.expect_offer("st-02", why="next")
    assert town.offers()["st-01"] == "expired"
    # Deadlines are in real time: the hour that is left out takes nothing from them.
    town.expect_next("step", 59)


@story(at="2026-10-25T02:30:00+02:00", district=berlin())
async def test_deadlines_are_real_time_while_the_clock_is_put_back(town):
    await town.press("btn-01")
    town.expect_offer("st-01")
    await town.accept("st-01")
    town.expect_wearer("btn-01", "received", "accepted")
    await town.spoke("st-01", "answered")
    town.expect_next("en_route_within", 300)
    await town.set_out("st-01")
    town.expect_wearer("btn-01", "en_route")
    await town.advance(minutes=15)
    town.expect_ring("st-01", "desk", why="arrive_goal")


@story(poll=1)
async def test_a_clock_that_is_put_back_makes_nobody_wait_longer(town):
    await town.press("btn-01")
    town.expect_offer("st-01")
    town.expect_wearer("btn-01", "received")
    await town.advance(seconds=50)
    town.clock.set(-3600)
    await town.advance(seconds=9)
    town.expect_silence()
    # Fifty seconds of the minute had passed, and ten are left, whatever the clock says.
    await town.advance(seconds=2)
    town.expect_offer("st-02")
    await town.accept("st-02")
    town.expect_wearer("btn-01", "accepted")
    await town.advance(seconds=100)
    town.clock.set(-3600)
    await town.advance(seconds=18)
    assert not town.told("call.lapsed")
    await town.advance(seconds=4)
    assert town.told("call.lapsed")
    town.expect_wearer("btn-01", "received")
    town.expect_offer("cen-1")
    # Those set since go by the clock again.
    await town.advance(seconds=60)
    town.expect_offer(*EVERYBODY)


@story(
    at="2026-11-24T11:59:50+08:00",
    poll=1,
    district=places(stations={"st-01": {"hours": OFFICE}, "st-02": {"hours": OFFICE}}),
)
async def test_over_lunch_both_close_and_the_third_is_asked(town):
    await town.press("btn-01")
    town.expect_offer("st-01")
    town.expect_wearer("btn-01", "received")
    await town.advance(seconds=11)
    town.expect_offer("st-03")
    assert town.passed_over() == {"st-02": "closed"}
    assert town.offers() == {"st-01": "expired", "st-03": "offered"}


@story(poll=1)
async def test_a_station_taken_off_the_register_is_not_waited_for(town):
    await town.press("btn-01")
    town.expect_offer("st-01")
    town.expect_wearer("btn-01", "received")
    await town.register.delete("stations", "st-01")
    await town.advance(seconds=1)
    town.expect_offer("st-02")
    assert town.offers()["st-01"] == "expired"


@story(poll=1)
async def test_a_resident_who_moves_while_her_call_is_open_is_looked_for_at_the_new_place(town):
    await town.press("btn-01")
    town.expect_offer("st-01")
    town.expect_wearer("btn-01", "received")
    await town.change("residents", "r-01", location={"lat": 34.0198, "lon": 113.8})
    await town.advance(seconds=59)
    town.expect_offer("far-1", why="next")


@story(poll=1)
async def test_a_station_that_stops_being_able_does_not_disturb_who_is_already_on_the_way(town):
    await town.press("btn-01")
    town.expect_offer("st-01")
    await town.accept("st-01")
    await town.set_out("st-01")
    town.expect_wearer("btn-01", "received", "accepted", "en_route")
    await town.change("stations", "st-01", closed={"reason": "everybody is out"})
    await town.advance(minutes=5)
    town.expect_state("en_route")


@story
async def test_many_at_once_each_get_their_own_call(town):
    import asyncio

    await asyncio.gather(*(town.press(f"btn-0{n}") for n in (1, 2, 3, 4) for _ in range(3)))
    assert len(town.calls) == 4
    assert {town.look(call).presses for call in town.calls} == {3}
    town.out.clear()
