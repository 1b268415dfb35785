"""Who could come, before anybody calls: lost when nobody below the desk is able, restored when somebody is again."""

from __future__ import annotations

from harness import story

from dispatcher.core.coverage import CoverState
from stories.places import OFFICE
from stories.places import town as places

NURSE = [{"id": "s-1", "role": "station", "station": "st-01"}]


def alone(**fields):
    """Only st-01 is left below the desk."""
    gone = dict.fromkeys(("st-02", "st-03", "cen-1", "far-1"))
    return places(stations={"st-01": fields, **gone})


def quiet(**how):
    return story(picture=False, poll=1, **how)


def cover(town, area="c1"):
    return town.coverage.of(town.roll)[area].cover


@story(
    at="2026-11-24T11:58:30+08:00",
    poll=5,
    district=places(
        stations={name: {"hours": OFFICE} for name in ("st-01", "st-02", "st-03", "cen-1", "far-1")}
    ),
)
async def test_over_lunch_nobody_is_there_and_it_is_said_once_and_taken_back_once(town):
    assert cover(town).able[0].station == "st-01"
    await town.advance(minutes=2)
    town.expect_lost("c1", "c2", "c3")
    assert cover(town).state is CoverState.LOST
    await town.press("btn-01")
    town.expect_offer("desk")
    await town.accept("")
    await town.close("")
    town.expect_wearer("btn-01", "received", "accepted", "closed")
    await town.advance(minutes=118)
    town.expect_silence()
    await town.advance(minutes=2)
    town.expect_covered("c1", "c2", "c3")
    assert {fact.area: fact.station for fact in town.told("coverage.restored")} == {
        "c1": "st-01",
        "c2": "st-03",
        "c3": "far-1",
    }


@quiet(district=alone(capacity=1))
async def test_the_last_station_that_fills_up_leaves_nobody(town):
    await town.press("btn-01")
    town.expect_offer("st-01")
    await town.advance(seconds=2)
    town.expect_lost("c1", "c2", "c3")
    assert [(over.station, over.reason) for over in cover(town).passed_over] == [("st-01", "full")]
    await town.accept("st-01")
    await town.close("st-01")
    town.expect_wearer("btn-01", "received", "accepted", "closed")
    await town.advance(seconds=2)
    town.expect_covered("c1", "c2", "c3")


@quiet(district={**alone(), "staff": NURSE})
async def test_the_only_nurse_on_duty_is_the_coverage(town):
    town.expect_lost("c1", "c2", "c3")
    await town.register.duty("s-1", True, "s-1")
    await town.advance(seconds=2)
    town.expect_covered("c1", "c2", "c3")
    await town.register.duty("s-1", False, "s-1")
    await town.advance(seconds=2)
    town.expect_lost("c1", "c2", "c3")


@quiet(district=alone())
async def test_a_closure_until_a_time_ends_at_that_time(town):
    await town.change(
        "stations", "st-01", closed={"until": "2026-11-24T10:20:00+08:00", "reason": "burst pipe"}
    )
    await town.advance(seconds=1)
    town.expect_lost("c1", "c2", "c3")
    # Nothing else changes: it is looked at by the minute all the same.
    await town.advance(minutes=19, seconds=50)
    town.expect_silence()
    await town.advance(seconds=15)
    town.expect_covered("c1", "c2", "c3")


@quiet(district=alone(hours={"mon": []}))
async def test_what_is_lost_is_still_lost_after_a_power_cut_and_not_said_again(town):
    town.expect_lost("c1", "c2", "c3")
    since_us = town.desk.reports.uncovered["c1"].since_us
    await town.dark(minutes=30)
    await town.advance(minutes=1)
    town.expect_silence()
    assert town.coverage.of(town.roll)["c1"].since_us == since_us
    await town.change("stations", "st-01", hours="always")
    await town.advance(seconds=1)
    town.expect_covered("c1", "c2", "c3")


@quiet(district=alone(hours={"mon": []}))
async def test_a_community_that_is_no_more_is_not_lost(town):
    town.expect_lost("c1", "c2", "c3")
    await town.register.delete("areas", "c3")
    await town.advance(seconds=2)
    town.expect_covered("c3")
    assert set(town.desk.reports.uncovered) == {"c1", "c2"}


@quiet()
async def test_the_nearest_of_each_community_and_who_has_it_on_call(town):
    # The middle of c1 is that of its residents; c3 has none, so it is its station's place.
    assert [one.station for one in cover(town).able] == ["st-01", "cen-1", "st-02", "st-03", "far-1"]
    assert cover(town).count == 5
    assert cover(town, "c3").able[0].station == "far-1"
    assert cover(town, "c3").able[0].travel_seconds == 0
    on_call = {"hours": "always", "prepare_seconds": 600}
    await town.change("stations", "st-01", hours={"mon": []}, on_call=on_call)
    await town.advance(seconds=1)
    first = cover(town).able[0]
    assert first.station == "cen-1"  # nearer than st-01 whose people must get ready first
    assert next(one for one in cover(town).able if one.station == "st-01").on_call
    for station in ("st-01", "cen-1", "st-02", "st-03"):
        await town.change("stations", station, hours={"mon": []}, on_call=None)
    await town.advance(seconds=1)
    thin = cover(town)
    assert (thin.state, thin.count, thin.able[0].station) == (CoverState.THIN, 1, "far-1")
    assert {over.reason for over in thin.passed_over} == {"closed"}
