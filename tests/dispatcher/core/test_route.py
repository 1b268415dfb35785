"""Who is asked next, and why not the nearer ones."""

from __future__ import annotations

import random

import pytest
from small_town import NOW_US, SECOND, SmallTown, place

from dispatcher.core.call import OfferState
from dispatcher.core.district import Closure, OnCall, Role, Staff, StationKind, Target, Travel
from dispatcher.core.geo import GreatCircle
from dispatcher.core.route import BEYOND_STREET, Atlas, choose, explain, lost


def asked(choice):
    return [one.to for one in choice.asked]


def over(choice):
    return {one.station: one.reason for one in choice.passed_over}


def test_nearest_is_by_travel_time_not_by_distance():
    town = SmallTown(("on-foot", "care", 600), SmallTown.station("by-car", "care", 900, travel=Travel.CAR))
    choice = choose(Target.NEAREST, town.pressed(), town.world())
    assert asked(choice) == ["by-car"]
    assert choice.asked[0].travel_seconds < 600 * 1.3 / 1.2


@pytest.mark.parametrize(
    ("why", "fields"),
    [
        ("closed", {"hours": {}}),
        ("closed", {"hours": {"tue": ["14:00-18:00"]}}),
        ("temporarily_closed", {"closed": Closure()}),
        ("temporarily_closed", {"closed": Closure(until="2026-11-24T10:00:01+08:00")}),
        ("full", {"capacity": 0}),
    ],
)
def test_each_nearer_one_passed_over_says_why(why, fields):
    town = SmallTown(SmallTown.station("near", "care", 100, **fields), ("next", "care", 500))
    choice = choose(Target.NEAREST, town.pressed(), town.world())
    assert (asked(choice), over(choice)) == (["next"], {"near": why})


def test_farther_ones_are_not_passed_over():
    town = SmallTown(("near", "care", 100), SmallTown.station("far", "care", 500, hours={}))
    assert over(choose(Target.NEAREST, town.pressed(), town.world())) == {}


def test_a_closure_that_has_ended_is_none():
    town = SmallTown(
        SmallTown.station("near", "care", 100, closed=Closure(until="2026-11-24T10:00:00+08:00"))
    )
    assert asked(choose(Target.NEAREST, town.pressed(), town.world())) == ["near"]


def test_on_call_counts_with_the_time_to_get_ready():
    ready = OnCall(prepare_seconds=60)
    town = SmallTown(SmallTown.station("home", "care", 100, hours={}, on_call=ready), ("open", "care", 150))
    choice = choose(Target.NEAREST, town.pressed(), town.world())
    # 108 s on foot and 60 s for the shoes, against 162 s.
    assert asked(choice) == ["open"]
    assert over(choice) == {}, "able, only later: nothing to excuse"


def test_capacity_counts_other_calls_only():
    town = SmallTown(SmallTown.station("near", "care", 100, capacity=1), ("next", "care", 500))
    call = town.pressed()
    town.load = {"near": {call.id}}
    assert asked(choose(Target.NEAREST, call, town.world())) == ["near"]
    town.load = {"near": {"c-other"}}
    assert asked(choose(Target.NEAREST, call, town.world())) == ["next"]


def test_nobody_in_the_tier_means_the_tier_above_at_once_and_the_desk_last():
    town = SmallTown(SmallTown.station("near", "care", 100, hours={}), ("centre", "centre", 900))
    call = town.pressed()
    assert asked(choose(Target.NEAREST, call, town.world())) == ["centre"]
    town.roll.put(SmallTown.station("centre", "centre", 900, hours={}))
    choice = choose(Target.NEAREST, call, town.world())
    assert asked(choice) == ["desk"]
    assert over(choice) == {"near": "closed", "centre": "closed"}


def test_staff_on_duty_decide_only_where_there_are_staff():
    town = SmallTown(("near", "care", 100))
    call = town.pressed()
    town.roll.put(Staff(id="n", role=Role.STATION, station="near"))
    assert over(choose(Target.NEAREST, call, town.world())) == {"near": "nobody_on_duty"}
    town.roll.on_duty.add("n")
    assert asked(choose(Target.NEAREST, call, town.world())) == ["near"]


def test_everyone_is_the_street_and_three_beyond_it_and_the_desk():
    far = [SmallTown.station(f"far-{n}", "care", 3000 + n * 100, area="s2") for n in range(5)]
    inside = [("in-1", "care", 100), ("in-2", "centre", 9000)]
    town = SmallTown(*inside, SmallTown.station("in-3", "care", 200, hours={}), *far)
    choice = choose(Target.EVERYONE, town.pressed(), town.world())
    assert asked(choice) == ["in-1", "in-2", "far-0", "far-1", "far-2", "desk"]
    assert BEYOND_STREET == 3
    assert over(choice) == {"in-3": "closed"}


def test_everyone_does_not_mind_a_full_house():
    town = SmallTown(SmallTown.station("near", "care", 100, capacity=0))
    assert "near" in asked(choose(Target.EVERYONE, town.pressed(), town.world()))


def test_without_a_place_the_area_decides_and_the_reason_says_so():
    town = SmallTown(
        SmallTown.station("same-street", "care", 10, area="s1"),
        SmallTown.station("same-community", "care", 9000, area="c1"),
        SmallTown.station("elsewhere", "care", 5, area="s2"),
    )
    call = town.pressed()
    choice = choose(Target.NEAREST, call, town.world(at=None))
    assert asked(choice) == ["same-community"]
    assert choice.asked[0].reason == "nearest+by_area"


def test_a_station_without_a_location_is_reckoned_by_area_too():
    town = SmallTown(("nowhere", "care", None))
    [one] = choose(Target.NEAREST, town.pressed(), town.world()).asked
    assert (one.to, one.reason, one.distance_m) == ("nowhere", "nearest+by_area", None)


def test_of_a_hundred_stations_the_nearest_able_is_found_beyond_those_at_hand():
    near = [SmallTown.station(f"near-{n:02}", "care", 100 + n, hours={}) for n in range(60)]
    town = SmallTown(*near, ("able", "care", 4000))
    choice = choose(Target.NEAREST, town.pressed(), town.world())
    assert asked(choice) == ["able"]
    assert len(choice.passed_over) == 20, "as many as a person reads"


def test_where_nearly_all_are_full_few_ways_are_reckoned_and_the_choice_is_the_same(monkeypatch):
    """In a bad night the district is full: each press must not reckon the way to every station of it."""
    chance, ranked, reckon, ways = random.Random(5), Atlas.ranked, GreatCircle.leg, []
    monkeypatch.setattr(GreatCircle, "leg", lambda *asked: ways.append(asked) or reckon(*asked))
    for able in [0, 1, 3, 40] * 8:
        free = set(chance.sample(range(80), able))
        town = SmallTown(
            *(
                SmallTown.station(
                    f"st-{n:02}",
                    chance.choice(("care", "centre")),
                    chance.randrange(100, 9000),
                    capacity=int(n in free),
                    travel=chance.choice(list(Travel)),
                )
                for n in range(80)
            )
        )
        call = town.pressed()
        ways.clear()
        choice = choose(Target.NEAREST, call, town.world())
        assert len(ways) <= 50 + able
        with monkeypatch.context() as plain:
            plain.setattr(Atlas, "ranked", lambda *asked: ranked(*asked[:4]))
            assert choose(Target.NEAREST, call, town.world()) == choice


def test_the_map_is_looked_at_anew_when_a_station_moves():
    town = SmallTown(("a", "care", 100), ("b", "care", 200))
    call, world = town.pressed(), town.world()
    assert asked(choose(Target.NEAREST, call, world)) == ["a"]
    town.roll.put(SmallTown.station("b", "care", 50))
    world.standings.clear()
    assert asked(choose(Target.NEAREST, call, world)) == ["b"]


def test_lost_are_those_with_an_open_offer_that_can_no_longer_come_and_never_the_desk():
    town = SmallTown(("near", "care", 100))
    call = town.pressed()
    assert lost(call, town.world()) == ()
    town.roll.put(SmallTown.station("near", "care", 100, capacity=0))
    assert lost(call, town.world()) == (), "a full house can still come"
    town.roll.put(SmallTown.station("near", "care", 100, hours={}))
    assert lost(call, town.world()) == ("near",)
    town.roll.remove("stations", "near")
    assert lost(call, town.world()) == ("near",)


def test_a_district_whose_desk_is_made_up_still_has_one_that_is_able():
    town = SmallTown()
    town.roll.remove("stations", "desk")
    call = town.pressed()
    assert [offer.to for offer in call.offers] == ["desk-d"]
    assert lost(call, town.world()) == ()


def test_a_volunteer_is_asked_by_person_when_on_duty_and_near():
    town = SmallTown()
    for name, area in (("v-1", "s1"), ("v-2", "s2"), ("v-3", "c1")):
        town.roll.put(Staff(id=name, role=Role.VOLUNTEER, area=area))
    call = town.pressed()
    assert choose(Target.VOLUNTEERS, call, town.world()).nobody == "nobody_on_duty"
    town.roll.on_duty |= {"v-1", "v-2", "v-3"}
    choice = choose(Target.VOLUNTEERS, call, town.world())
    assert asked(choice) == ["v-1", "v-3"]
    assert all(one.person for one in choice.asked)


def test_contacts_are_asked_only_where_they_can_be_reached():
    from dispatcher.core.district import Contact, Resident

    town = SmallTown()
    call = town.pressed()
    assert choose(Target.CONTACTS, call, town.world()).nobody == "no_contacts"
    town.roll.put(
        Resident(id="r-1", area="c1", location=place(0), contacts=[Contact(name="x"), Contact(phone="1")])
    )
    assert choose(Target.CONTACTS, call, town.world()).nobody == "no_channel"
    world = town.world()
    world.sms = True
    assert asked(choose(Target.CONTACTS, call, world)) == ["r-1/1"]


def test_explain_lists_all_in_order_the_unable_with_the_reason():
    town = SmallTown(
        ("b", "care", 500), SmallTown.station("a", "care", 100, hours={}), ("centre", "centre", 50)
    )
    rows = explain(town.pressed(), town.world())
    assert [(row["station"], row["tier"], row["reason"]) for row in rows] == [
        ("b", 0, "able"),
        ("a", 0, "closed"),
        ("centre", 1, "able"),
        ("desk", 2, "able"),
    ]


def test_the_minute_decides_whether_it_is_open():
    town = SmallTown(SmallTown.station("near", "care", 100, hours={"tue": ["08:00-10:01"]}))
    call = town.pressed()
    assert call.offers[0].to == "near"
    town.now_us = NOW_US + 59 * SECOND
    assert lost(call, town.world()) == ()
    town.now_us = NOW_US + 60 * SECOND
    assert lost(call, town.world()) == ("near",)


def test_a_transfer_to_one_who_is_not_able_is_somebodys_choice():
    town = SmallTown(SmallTown.station("shut", "care", 100, hours={}))
    one = town.world().reach_of("shut", town.pressed())
    assert (one.to, one.reason) == ("shut", "transfer")
    assert one.travel_seconds is not None


def test_kinds_of_the_first_tier_are_one_tier():
    town = SmallTown(("a", "care", 500))
    town.roll.put(SmallTown.station("b", "care", 100))
    from msgspec.structs import replace

    town.roll.put(replace(town.roll.stations["b"], kind=StationKind.DAY_CARE))
    call = town.pressed()
    assert call.offers[0].to == "b"
    assert asked(choose(Target.NEXT, call, town.world())) == ["a"]
    assert call.offers[0].state is OfferState.OFFERED
