"""Who is asked, when, and why not the nearer ones (contract, section 4: steps, able)."""

from __future__ import annotations

import itertools

from harness import Town, story

from dispatcher.core.commands import OpenByHand, Place
from dispatcher.core.district import Location
from stories.places import EVERYBODY, OFFICE
from stories.places import town as places

NIGHT = "2026-11-24T23:00:00+08:00"


async def pressed(town: Town, device: str = "btn-01", asks: str = "st-01") -> str:
    call = await town.press(device)
    town.expect_offer(asks)
    town.expect_wearer(device, "received")
    return call


@story
async def test_the_nearest_is_asked_at_once_then_the_next_then_the_tier_above_then_everyone(town):
    await pressed(town)
    town.expect_next("step", 60)
    await town.advance(seconds=60)
    town.expect_offer("st-02", why="next")
    await town.advance(seconds=60)
    town.expect_offer("cen-1", why="next_tier")
    await town.advance(seconds=60)
    town.expect_offer(*EVERYBODY, why="")
    assert set(town.offers().values()) == {"offered"}, "earlier offers stay open"
    await town.advance(seconds=60)
    town.expect_offer(*EVERYBODY)
    assert [fact.repeat for fact in town.told("call.escalated")] == [0, 0, 0, 1]


@story
async def test_everyone_is_one_fact(town):
    await pressed(town)
    await town.advance(minutes=3)
    town.expect_offer("st-02", "cen-1", *EVERYBODY)
    [everyone] = [fact for fact in town.told("call.dispatched") if len(fact.asked) > 1]
    assert {one.to for one in everyone.asked} == set(EVERYBODY)


@story(at=NIGHT, district=places(stations={"st-01": {"hours": OFFICE}, "st-02": {"hours": OFFICE}}))
async def test_a_closed_station_is_passed_over_and_it_says_so(town):
    await pressed(town, asks="st-03")
    assert town.passed_over() == {"st-01": "closed", "st-02": "closed"}
    # The only other one of the tier lies beyond the street: nearest able is nearest able.
    await town.advance(minutes=1)
    town.expect_offer("far-1", why="next")


@story(
    at=NIGHT,
    district=places(
        stations={
            "st-01": {"hours": OFFICE, "on_call": {"phone": "1", "prepare_seconds": 900}},
            "st-02": {"hours": OFFICE, "on_call": {"phone": "1", "prepare_seconds": 60}},
            "st-03": {"hours": OFFICE},
            "far-1": {"hours": OFFICE},
        }
    ),
)
async def test_who_is_on_call_at_home_needs_time_to_get_ready(town):
    await pressed(town, asks="st-02")
    [offer] = town.look().offers
    assert offer.reason == "nearest+on_call"
    assert round(offer.travel_seconds) == 667  # 606.7 on foot and a minute for the shoes
    await town.advance(minutes=1)
    town.expect_offer("st-01", why="on_call")


@story(
    at=NIGHT,
    district=places(
        stations={name: {"hours": OFFICE} for name in ("st-01", "st-02", "st-03", "cen-1", "far-1")}
    ),
)
async def test_at_night_with_everything_closed_the_desk_is_asked_at_once(town):
    town.expect_lost("c1", "c2", "c3")
    await pressed(town, asks="desk")
    assert town.passed_over()["st-01"] == "closed"
    await town.advance(seconds=59)
    town.expect_silence()
    # `next` and `next_tier` find nobody beyond the desk: skipped at once, and everyone is the desk again.
    await town.advance(seconds=1)
    town.expect_offer("desk")
    assert [fact.reason for fact in town.told("call.skipped")] == ["no_further_tier", "no_further_tier"]
    await town.advance(seconds=60)
    town.expect_offer("desk")


@story(district=places(stations={"st-02": {"closed": {"reason": "burst pipe"}}}))
async def test_a_temporarily_closed_station_is_not_asked(town):
    await pressed(town)
    await town.advance(minutes=1)
    town.expect_offer("st-03")
    assert town.passed_over() == {"st-02": "temporarily_closed"}


@story(
    district=places(
        stations={
            "st-02": {"hours": {"tue": ["08:00-10:00"]}},
            "st-03": {"hours": {}},
            "far-1": {"hours": {}},
        }
    )
)
async def test_a_step_that_finds_nobody_is_not_waited_for_and_the_later_ones_move_forward(town):
    await pressed(town)
    await town.advance(minutes=1)
    # Nobody else in the first tier: the tier above, planned for two minutes, is asked now …
    town.expect_offer("cen-1", why="next_tier")
    assert [fact.reason for fact in town.told("call.skipped")] == ["nobody_able"]
    # … and everyone at two minutes instead of three.
    town.expect_next("step", 60)
    await town.advance(minutes=1)
    town.expect_offer("st-01", "cen-1", "desk")


@story(
    district=places(
        staff=[
            {"id": "n-1", "role": "station", "station": "st-01"},
            {"id": "n-2", "role": "station", "station": "st-02"},
        ]
    )
)
async def test_a_station_with_nobody_on_duty_is_not_asked(town):
    await town.register.duty("n-2", on=True, by="n-2")
    await pressed(town, asks="st-02")
    assert town.passed_over() == {"st-01": "nobody_on_duty"}


@story(district=places(stations={"st-01": {"capacity": 1}}))
async def test_a_full_station_is_passed_over_but_everyone_reaches_it_too(town):
    await pressed(town, "btn-02")
    first = town.calls[0]
    await town.accept("st-01", first)
    town.expect_wearer("btn-02", "accepted")
    await pressed(town, "btn-01", asks="st-02")
    assert town.passed_over() == {"st-01": "full"}
    await town.advance(minutes=2)  # the first holder does not set out: that call goes on as well
    town.expect_wearer("btn-02", "received")
    town.expect_offer("st-03", "cen-1")  # of the second call
    await town.accept("st-03", first, by="s3")
    assert "st-02" in town.offers(first)
    town.expect_offer("st-02", "cen-1")
    town.expect_wearer("btn-02", "accepted")
    await town.set_out("st-03", first, by="s3")
    town.expect_wearer("btn-02", "en_route")
    await town.advance(minutes=1)
    town.expect_offer(*EVERYBODY)
    assert "full" not in town.passed_over().values()


@story(district=places(stations={"st-01": {"capacity": 2}}))
async def test_two_residents_fill_one_station_and_the_third_goes_on_to_the_next(town):
    for device in ("btn-01", "btn-02"):
        await pressed(town, device)
    await pressed(town, "btn-04", asks="st-02")
    assert town.passed_over() == {"st-01": "full"}
    # One of the two is settled: there is room again.
    await town.accept("st-01", town.calls[0])
    await town.close("st-01", call=town.calls[0], evidence="spoke_to_resident")
    town.expect_wearer("btn-01", "accepted", "closed")
    await pressed(town, "btn-01")


@story
async def test_a_decline_asks_the_next_at_once_and_who_declined_is_not_asked_again(town):
    await pressed(town)
    await town.advance(seconds=10)
    await town.decline("st-01", text="alone with six guests")
    town.expect_offer("st-02", why="next")
    await town.decline("st-02")
    town.expect_offer("cen-1", why="next_tier")
    await town.decline("cen-1")
    town.expect_offer("st-03", "far-1", "desk", why="everyone")
    assert {name: state for name, state in town.offers().items() if state == "declined"} == dict.fromkeys(
        ("st-01", "st-02", "cen-1"), "declined"
    )
    assert town.passed_over()["st-01"] == "declined"
    await town.advance(minutes=1)
    town.expect_offer("st-03", "far-1", "desk")
    await town.decline("st-01", refused="")  # said twice is said once


@story
async def test_only_who_was_asked_can_decline(town):
    await pressed(town)
    await town.decline("st-03", refused="not_offered")


@story
async def test_when_everyone_declined_the_desk_is_asked_again_and_again(town):
    await pressed(town)
    for station in ("st-01", "st-02", "cen-1"):
        await town.decline(station)
    town.expect_offer("st-02", "cen-1", "st-03", "far-1", "desk")
    await town.decline("st-03")
    town.expect_offer("far-1", "desk")
    await town.decline("far-1")
    town.expect_offer("desk")
    await town.advance(minutes=1)
    town.expect_offer("desk")


@story
async def test_a_desk_that_declined_is_rung_all_the_same_while_others_do_not_answer(town):
    await pressed(town)
    await town.advance(minutes=3)
    town.expect_offer("st-02", "cen-1", *EVERYBODY)
    await town.decline("desk")
    town.expect_offer(*EVERYBODY)  # a decline is the next step at once: after the last one, the next ringing
    await town.advance(minutes=1)
    town.expect_offer(*EVERYBODY)


@story(at="2026-11-24T17:59:30+08:00", district=places(stations={"st-01": {"hours": OFFICE}}))
async def test_a_station_that_closes_while_it_has_the_open_offer_is_not_waited_for(town):
    await pressed(town)
    await town.advance(seconds=29)
    town.expect_silence()
    await town.advance(seconds=2)
    assert town.wall == "18:00"
    town.expect_offer("st-02", why="next")
    assert town.offers() == {"st-01": "expired", "st-02": "offered"}
    assert town.told("call.escalated")[0].because == "expired"


@story(at="2026-11-24T17:58:30+08:00", district=places(stations={"st-01": {"hours": OFFICE}}))
async def test_a_station_that_closes_while_another_still_has_the_offer_changes_nothing(town):
    await pressed(town)
    await town.advance(minutes=1)
    town.expect_offer("st-02")
    await town.advance(seconds=45)  # 18:00:15: st-01 has closed, st-02 may still come
    town.expect_silence()
    await town.advance(seconds=15)
    town.expect_offer("cen-1")
    assert town.offers() == {"st-01": "expired", "st-02": "offered", "cen-1": "offered"}


@story(district=places(staff=[{"id": "n-1", "role": "station", "station": "st-01"}]))
async def test_the_only_nurse_goes_off_duty_and_the_next_is_asked_at_once(town):
    await town.register.duty("n-1", on=True, by="n-1")
    await pressed(town)
    await town.register.duty("n-1", on=False, by="n-1")
    await town.advance(seconds=5)
    town.expect_offer("st-02")


@story
async def test_a_resident_without_a_location_is_routed_by_area_and_it_says_so(town):
    await pressed(town, "btn-03", asks="st-03")
    [offer] = town.look().offers
    assert offer.reason == "nearest+by_area"
    assert offer.distance_m is None
    assert offer.travel_seconds is not None


@story
async def test_an_unknown_device_opens_a_call_for_the_district(town):
    kept = await town.send("stranger")
    assert kept.result == "unknown_device"
    town.expect_offer("desk", why="place_unknown")
    town.expect_wearer("stranger", "received")
    call = town.look()
    assert (call.resident, call.area, call.key, call.device) == (None, "", "emergency", "stranger")
    await town.send("stranger")
    town.expect_ring("desk")
    town.expect_wearer("stranger", "received")
    assert len(town.calls) == 1


@story
async def test_an_unknown_device_that_knows_where_it_is_gets_the_nearest_station(town):
    await town.send("watch", details={"lat": 34.0098, "lon": 113.8})
    town.expect_offer("st-03")
    town.expect_wearer("watch", "received")


@story
async def test_who_presses_again_somewhere_else_is_looked_for_there(town):
    await town.send("btn-01", details={"lat": 34.0, "lon": 113.8})
    town.expect_offer("st-01")
    await town.send("btn-01", details={"lat": 34.0098, "lon": 113.8})
    town.expect_ring("st-01")
    town.expect_wearer("btn-01", "received", "received")
    shown = await town.board.view(town.look())
    assert shown["location"] == {"lat": 34.0098, "lon": 113.8}
    await town.advance(seconds=60)
    # The second step begins from where she is now.
    town.expect_offer("st-03")


@story
async def test_a_call_by_telephone_is_routed_like_any_press(town):
    await town.telephone(area="c1", place=Place(name="赵", location=Location(34.0, 113.8)))
    town.expect_offer("st-01")
    assert town.look().kind == "manual"
    # For a resident it joins her open call of that key.
    await pressed(town, "btn-02")
    assert await town.telephone(resident="r-02") == town.calls[1]
    town.expect_ring("st-01")
    await town.ask(OpenByHand(by="op", key="emergency", resident="nobody"), refused="unknown_resident")


@story(
    poll=60,
    picture=False,
    at="2026-11-24T19:00:00+08:00",
    district=places(stations={name: {"hours": OFFICE} for name in ("st-01", "st-02", "st-03")}),
)
async def test_it_rings_all_night_slower_from_the_eleventh_time_and_its_list_does_not_grow(town):
    await pressed(town, asks="far-1")
    await town.advance(minutes=2)
    town.expect_offer("cen-1", "cen-1", "far-1", "desk")  # next: nobody, so the tier above; then everyone
    asked = list(town.offers())
    await town.advance(hours=12)
    rounds = [fact for fact in town.told("call.escalated") if fact.repeat]
    times = [e.entry.at_us for e in town.events if e.name == "call.escalated" and e.entry.fact.repeat]
    pauses = [round((b - a) / 1e6) for a, b in itertools.pairwise(times)]
    assert pauses[:9] == [60] * 9
    assert set(pauses[9:]) == {300}
    assert [fact.repeat for fact in rounds] == list(range(1, len(rounds) + 1))
    night = len(rounds)
    assert 140 <= night <= 160
    call = town.look()
    assert [offer.to for offer in call.offers][:3] == asked
    assert call.offer_to("desk").offers == night + 2  # everyone, each round, and the arrival limit
    town.out.clear()
