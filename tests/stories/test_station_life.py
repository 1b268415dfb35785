"""Stations that close for a while, have it on call, go off duty and come back; a district file loaded over open calls."""

from __future__ import annotations

from harness import story

from stories.places import OFFICE, _at
from stories.places import town as places

NURSES = [
    {"id": "s-1", "role": "station", "station": "st-01"},
    {"id": "s-2", "role": "station", "station": "st-02"},
]


def quiet(**how):
    return story(picture=False, poll=1, **how)


async def pressed(town, device="btn-01", asks="st-01"):
    call = await town.press(device)
    town.expect_offer(asks)
    town.expect_wearer(device, "received")
    return call


def goes_on(town):
    """Every open call has somebody who holds it, or a next step with a time."""
    for call in town.calls:
        now = town.look(call)
        if now.open:
            assert now.due is not None
            assert now.accepted is not None or "step" in now.deadlines


# ── one station ──────────────────────────────────────────────────────────────────────────────────────────────────────


@story(poll=1)
async def test_closed_for_ten_minutes_it_is_not_waited_for_and_is_asked_again_afterwards(town):
    await pressed(town)
    await town.change(
        "stations", "st-01", closed={"until": "2026-11-24T10:10:00+08:00", "reason": "fire drill"}
    )
    town.expect_offer("st-02", why="next")
    assert town.offers() == {"st-01": "expired", "st-02": "offered"}
    await town.accept("st-02")
    await town.close("st-02")
    town.expect_wearer("btn-01", "accepted", "closed")
    await town.advance(minutes=9)
    await pressed(town, "btn-02", asks="st-02")
    assert town.passed_over() == {"st-01": "temporarily_closed"}
    await town.accept("st-02")
    await town.close("st-02")
    town.expect_wearer("btn-02", "accepted", "closed")
    await town.advance(minutes=1)
    await pressed(town, "btn-02", asks="st-01")


@story(
    at="2026-11-24T19:50:00+08:00",
    poll=1,
    district=places(
        stations={
            "st-01": {
                "hours": OFFICE,
                "on_call": {
                    "hours": {"tue": ["18:00-20:00"]},
                    "phone": "13800000021",
                    "prepare_seconds": 120,
                },
            },
            "cen-1": {"hours": OFFICE},
            "far-1": {"hours": OFFICE},
            "st-03": {"hours": OFFICE},
        }
    ),
)
async def test_out_of_hours_it_is_on_call_until_that_ends_too(town):
    call = await pressed(town)
    [offer] = town.look(call).offers
    assert offer.reason == "nearest+on_call"
    assert offer.travel_seconds is not None
    assert 300 < offer.travel_seconds < 400  # the way of 238 s, and 120 s to get ready
    await town.accept("st-01")
    await town.set_out("st-01")
    await town.arrive("st-01")
    await town.close("st-01")
    town.expect_wearer("btn-01", "accepted", "en_route", "on_scene", "closed")
    await town.advance(minutes=9, seconds=30)
    await pressed(town)
    await town.advance(seconds=31)  # eight o'clock: nobody has the phone any more
    town.expect_offer("st-02", why="next")
    assert town.offers() == {"st-01": "expired", "st-02": "offered"}


@story(poll=1, district=places(staff=NURSES))
async def test_the_last_nurse_leaves_while_it_rings_there_and_is_back_for_the_next_call(town):
    for nurse in ("s-1", "s-2"):
        await town.register.duty(nurse, True, nurse)
    await pressed(town)
    await town.register.duty("s-1", False, "s-1")
    await town.advance(seconds=1)
    town.expect_offer("st-02", why="next")
    assert town.offers()["st-01"] == "expired"
    await town.register.duty("s-1", True, "s-1")
    await town.advance(seconds=5)
    town.expect_silence()  # who was passed is not rung again before a step says so
    await town.accept("st-01")  # but may take it
    town.expect_wearer("btn-01", "accepted")
    await town.close("st-01")
    town.expect_wearer("btn-01", "closed")
    await pressed(town)


@quiet(district=places(stations={"st-01": {"capacity": 1}, "st-02": {"capacity": 1}}))
async def test_a_station_that_is_given_less_room_keeps_what_it_has(town):
    await pressed(town)
    await pressed(town, "btn-02", asks="st-02")
    await town.load(
        stations=[{"id": "st-01", "kind": "care_station", "area": "c1", "location": _at(220), "capacity": 0}]
    )
    await town.advance(seconds=30)
    assert town.offers(town.calls[0]) == {"st-01": "offered"}
    await pressed(town, "btn-04", asks="st-03")
    assert town.passed_over() == {"st-01": "full", "st-02": "full"}
    await town.accept("st-01", town.calls[0])
    town.expect_wearer("btn-01", "accepted")
    goes_on(town)


# ── the district file again, while calls are open ────────────────────────────────────────────────────────────────────


@story(poll=1)
async def test_the_same_file_again_changes_nothing(town):
    await pressed(town)
    await town.register.merge(town.file)
    await town.advance(seconds=30)
    town.expect_next("step", 30)
    assert town.offers() == {"st-01": "offered"}
    await town.accept("st-01")
    await town.set_out("st-01")
    town.expect_wearer("btn-01", "accepted", "en_route")
    await town.register.merge(town.file)
    await town.advance(minutes=5)
    town.expect_state("en_route")


@story(poll=1)
async def test_a_resident_who_is_moved_to_another_street_is_looked_for_there(town):
    call = await pressed(town)
    await town.load(residents=[{"id": "r-01", "name": "王秀英", "area": "c3", "location": _at(2190)}])
    await town.advance(seconds=59)
    town.expect_offer("far-1", why="next")
    assert town.offers(call) == {"st-01": "offered", "far-1": "offered"}
    # A further press of hers is the same call still, wherever she is.
    assert await town.press("belt-01") == call
    town.expect_ring("st-01", "far-1")
    town.expect_wearer("belt-01", "received")
    await town.accept("far-1")
    town.expect_wearer("btn-01", "accepted")
    town.expect_wearer("belt-01", "accepted")


@story(poll=1)
async def test_who_has_no_place_on_the_map_is_looked_for_in_the_area_she_moved_to(town):
    await pressed(town, "btn-03", asks="st-03")
    await town.load(residents=[{"id": "r-03", "name": "张建国", "area": "c3"}])
    await town.advance(seconds=59)
    town.expect_offer("far-1", why="next")
    assert town.look().offers[-1].travel_seconds == 600  # as within one community


@story(poll=1)
async def test_stations_that_close_for_good_in_the_file_hand_on_what_they_were_asked(town):
    await pressed(town)
    never = {"mon": []}
    await town.load(
        stations=[
            {"id": name, "kind": "care_station", "area": "c1", "location": _at(metres), "hours": never}
            for name, metres in (("st-01", 220), ("st-02", 560), ("st-03", 1100), ("far-1", 2200))
        ]
    )
    # `next` finds nobody of the tier, the step after it the centre.
    town.expect_offer("cen-1", why="next_tier")
    assert [fact.reason for fact in town.told("call.skipped")] == ["nobody_able"]
    goes_on(town)
    await town.load(stations=[{"id": "cen-1", "kind": "street_centre", "area": "s1", "hours": never}])
    town.expect_offer("desk", why="everyone")
    town.expect_lost("c1", "c2", "c3")
    goes_on(town)


@story(poll=1)
async def test_the_holders_station_that_is_gone_keeps_its_call_until_it_does_not_move(town):
    call = await pressed(town)
    await town.accept("st-01")
    town.expect_wearer("btn-01", "accepted")
    await town.register.delete("stations", "st-01")
    await town.advance(seconds=60)
    town.expect_state("accepted")
    await town.advance(seconds=60)
    town.expect_offer("st-02", "cen-1")  # the steps it is behind with, at once
    assert town.told("call.lapsed")[-1].station == "st-01"
    goes_on(town)
    # Whoever set out before the register was changed arrives all the same.
    await town.accept("st-02")
    await town.set_out("st-02")
    town.expect_wearer("btn-01", "received", "accepted", "en_route")
    await town.register.delete("stations", "st-02")
    await town.arrive("st-02")
    await town.close("st-02")
    town.expect_wearer("btn-01", "on_scene", "closed")
    assert town.look(call).closed is not None


@story(poll=1)
async def test_a_button_that_is_given_to_somebody_else_calls_for_the_new_one_from_now_on(town):
    first = await pressed(town)
    await town.load(devices=[{"id": "btn-01", "resident": "r-02"}])
    second = await town.press("btn-01")
    assert second != first
    town.expect_offer("st-01")
    town.expect_wearer("btn-01", "received")
    assert (town.look(first).resident, town.look(second).resident) == ("r-01", "r-02")
    # The belt is hers still, and joins her call.
    assert await town.press("belt-01") == first
    town.expect_ring("st-01")
    town.expect_wearer("belt-01", "received")
    await town.accept("st-01", first)
    town.expect_wearer("belt-01", "accepted")
    town.expect_wearer("btn-01", "accepted")
    goes_on(town)


@story(poll=1)
async def test_a_device_that_speaks_from_another_address_is_the_same_call(town):
    call = await pressed(town)
    await town.load(devices=[{"id": "btn-01", "address": "000317", "resident": "r-01"}])
    assert await town.press("000317") == call
    town.expect_ring("st-01")
    town.expect_wearer("000317", "received")
    # The old address is a stranger's now: a call for the district, not nothing.
    strange = await town.press("btn-01")
    assert strange != call
    town.expect_offer("desk")
    town.expect_wearer("btn-01", "received")
    goes_on(town)


@story(poll=1)
async def test_a_new_policy_is_for_new_calls(town):
    await pressed(town)
    emergency = {"steps": [{"after": 0, "to": "district"}], "repeat": 300}
    await town.load(policies={"emergency": emergency})
    await town.advance(seconds=59)
    town.expect_offer("st-02", why="next")
    await town.press("btn-02")
    town.expect_offer("desk", why="district")
    town.expect_wearer("btn-02", "received")
    town.expect_next("step", 300)
    goes_on(town)


@story(poll=1)
async def test_areas_that_are_put_under_another_street_are_that_streets_from_now_on(town):
    await pressed(town)
    await town.load(
        areas=[
            {"code": "s3", "name": "新街道", "kind": "street", "parent": "d1"},
            {"code": "c1", "name": "改名社区", "kind": "community", "parent": "s3"},
        ],
        stations=[
            {"id": "cen-3", "kind": "street_centre", "area": "s3", "location": _at(700), "travel": "car"}
        ],
    )
    await town.advance(seconds=59)
    town.expect_offer("st-02", why="next")
    await town.advance(seconds=60)
    town.expect_offer("cen-3", why="next_tier")
    await town.advance(seconds=60)
    town.expect_offer("st-01", "st-02", "cen-3", "st-03", "cen-1", "far-1", "desk", why="everyone")
    goes_on(town)


@story(poll=1)
async def test_an_area_that_is_gone_leaves_its_calls_to_the_one_above(town):
    call = await pressed(town, "btn-03", asks="st-03")  # r-03 has no location: reckoned by her area
    await town.register.delete("areas", "c2")
    await town.advance(seconds=60)
    town.expect_offer("st-01", why="next+by_area")  # of the street that c2 was in
    goes_on(town)
    await town.accept("st-03", call)
    town.expect_wearer("btn-03", "accepted")


@quiet(district=places(staff=NURSES))
async def test_who_is_on_duty_is_on_duty_after_the_file(town):
    for nurse in ("s-1", "s-2"):
        await town.register.duty(nurse, True, nurse)
    await town.register.merge(town.file)
    assert town.roll.on_duty == {"s-1", "s-2"}
    # A nurse who is moved takes her duty along: her old station has nobody now.
    await pressed(town)
    await town.load(
        staff=[
            {"id": "s-1", "role": "station", "station": "st-03"},
            {"id": "s-3", "role": "station", "station": "st-01"},
        ]
    )
    town.expect_offer("st-02", why="next")
    assert town.offers()["st-01"] == "expired"
    await town.dark(seconds=10)
    assert town.roll.on_duty == {"s-1", "s-2"}


@quiet()
async def test_a_file_of_a_whole_town_in_the_middle_of_everything(town):
    """Calls in every state, then everybody and everything in the file has moved by a kilometre and to the next street."""
    calls = {}
    for device, station in (("btn-01", "st-01"), ("btn-02", "st-01"), ("btn-04", "st-02")):
        calls[device] = await town.press(device)
        town.expect_offer(station)
    await town.accept("st-01", calls["btn-02"])
    await town.accept("st-02", calls["btn-04"])
    await town.set_out("st-02", calls["btn-04"])
    town.out.clear()
    moved = {"areas": [{"code": code, "kind": "community", "parent": "s2"} for code in ("c1", "c2")]}
    moved["stations"] = [
        {"id": f"new-{n}", "kind": "care_station", "area": "c3", "location": _at(3000 + 100 * n)}
        for n in range(3)
    ]
    moved["residents"] = [
        {"id": f"r-0{n}", "area": "c3", "location": _at(3000 + 10 * n)} for n in (1, 2, 3, 4)
    ]
    moved["devices"] = [{"id": "btn-01", "resident": "r-04"}, {"id": "btn-04", "resident": "r-01"}]
    await town.load(**moved)
    goes_on(town)
    await town.advance(minutes=30)
    goes_on(town)
    assert set(town.offers(calls["btn-01"])) >= {"st-01", "new-0", "new-1", "new-2", "desk"}
    await town.dark(minutes=3)
    goes_on(town)
    assert town.look(calls["btn-04"]).state == "en_route"
    town.out.clear()
