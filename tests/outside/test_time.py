"""What happens by itself when nobody does anything, or not soon enough: watched in real time, with policies in seconds.

Lower bounds are exact (nothing may come early); upper bounds leave room for a busy machine.
"""

from __future__ import annotations

from datetime import datetime

from patience import PATIENCE

from outside.harness import Event
from outside.places import DESK, Town, offers, station, steps

SLACK = 1.0 * PATIENCE


def seconds_between(first: str, second: str) -> float:
    return (datetime.fromisoformat(second) - datetime.fromisoformat(first)).total_seconds()


def patient(seconds: float) -> float:
    """The seconds that a policy here really has: to the millisecond, as times are told."""
    return round(seconds * PATIENCE, 3)


def since_opening(event: Event) -> float:
    return seconds_between(event.state["opened_at"], event.data["at"])


async def test_unanswered_it_goes_to_the_next_the_next_tier_everyone_and_never_gives_up(town: Town) -> None:
    await town.policy(
        steps=steps((0, "nearest"), (0.6, "next"), (1.2, "next_tier"), (1.8, "everyone")), repeat=0.5
    )
    place = await town.village(
        near=station(600),
        day=station(1200, "day_care"),
        far=station(5000),
        centre=station(3000, "street_centre"),
    )
    near, day, centre = place.station("near"), place.station("day"), place.station("centre")
    _, call = await town.open_call(place)

    expected = [(0, 0.0, [near]), (1, 0.6, [near, day]), (2, 1.2, [near, day, centre])]
    for step, due, asked in expected:
        dispatched = await town.events.fact(
            "call.dispatched", call, where=lambda e, s=step: e.state["step"] == s
        )
        assert offers(dispatched.state, "offered") == asked
        assert patient(due) <= since_opening(dispatched) <= patient(due) + SLACK
    everyone = await town.events.fact("call.dispatched", call, where=lambda e: e.state["step"] == 3)
    asked = offers(everyone.state, "offered")
    assert {near, day, centre, place.station("far"), DESK} <= set(asked)
    assert len(asked) <= 5 + 3, "the street's stations, three beyond it and the desk"
    assert since_opening(everyone) >= patient(1.8)

    third = await town.events.fact(
        "call.dispatched",
        call,
        where=lambda e: any(d["offers"] >= 4 for d in e.state["dispatches"]),
        within=6,
    )
    assert sorted(offers(third.state)) == sorted(asked), "a repeat counts up; it adds no entries"
    kinds = [name for name in town.events.facts(call) if name in {"call.dispatched", "call.escalated"}]
    assert kinds[0] == "call.dispatched"
    assert kinds[1:5] == ["call.escalated", "call.dispatched"] * 2, kinds
    for once in (1, 2, 3):
        found = [
            e
            for e in town.events.seen
            if e.call == call and e.name == "call.escalated" and e.state["step"] == once
        ]
        if once < 3:
            assert len(found) == 1, f"step {once} happened {len(found)} times"
        assert found, f"step {once} never happened"


async def test_a_step_that_finds_nobody_is_skipped_at_once_and_the_later_ones_move_forward(
    town: Town,
) -> None:
    await town.policy(steps=steps((0, "nearest"), (1.0, "contacts"), (5.0, "volunteers"), (5.6, "next")))
    place = await town.village(near=station(600), far=station(2000))
    _, call = await town.open_call(place)

    skipped = await town.events.fact("call.skipped", call, within=3)
    assert since_opening(skipped) >= patient(1.0)
    second = await town.events.fact("call.skipped", call, after=skipped, within=1)
    dispatched = await town.events.fact("call.dispatched", call, after=second, within=2)
    assert place.station("far") in offers(dispatched.state, "offered")
    # contacts (due at 1.0) has nobody: volunteers at once, 4 s early; nobody either: the next at once
    assert since_opening(dispatched) <= patient(1.0) + SLACK


async def test_accepted_but_not_under_way_in_time_it_lapses_and_the_next_is_asked(town: Town) -> None:
    await town.policy(en_route_within=0.8)
    place = await town.village(near=station(600), far=station(2000))
    button, call = await town.open_call(place)
    accepted = (await town.desk.step(call, "accept", station=place.station("near"))).ok()

    lapsed = await town.events.fact("call.lapsed", call)

    assert (
        patient(0.8) <= seconds_between(accepted["accepted"]["at"], lapsed.data["at"]) <= patient(0.8) + SLACK
    )
    assert lapsed.state["state"] == "received"
    assert lapsed.data["cause"]["kind"] == "deadline"
    dispatched = await town.events.fact("call.dispatched", call, after=lapsed, within=2)
    assert place.station("far") in offers(dispatched.state, "offered")
    assert (await town.desk.call(call))["accepted"] is None
    assert button.progress, "the wearer was told of the call"


async def test_the_late_holders_en_route_counts_as_a_fresh_accept(town: Town) -> None:
    await town.policy(en_route_within=0.5)
    place = await town.village(near=station(600), far=station(2000))
    _, call = await town.open_call(place)
    (await town.desk.step(call, "accept", station=place.station("near"))).ok()
    await town.events.fact("call.lapsed", call)

    under_way = (await town.desk.step(call, "en-route")).ok()

    assert under_way["state"] == "en_route"
    assert under_way["accepted"]["station"] == place.station("near")
    assert offers(under_way, "offered") == [], "all others are withdrawn as with any accept"


async def test_nobody_answered_and_nobody_set_out_still_lapses(town: Town) -> None:
    await town.policy(en_route_within=0.8)
    place = await town.village(near=station(600))
    _, call = await town.open_call(place)
    accepted = (await town.desk.step(call, "accept", station=place.station("near"))).ok()
    (await town.desk.step(call, "spoke", result="no_answer")).ok()
    lapsed = await town.events.fact("call.lapsed", call)
    assert seconds_between(accepted["accepted"]["at"], lapsed.data["at"]) <= patient(0.8) + SLACK


async def test_pressed_again_while_the_helper_is_on_the_way_is_heard(town: Town) -> None:
    """Another press must reach whoever holds the call, or the call goes to others."""
    await town.policy(repress_within=0.8)
    place = await town.village(near=station(600), far=station(2000))
    button, call = await town.open_call(place)
    (await town.desk.step(call, "accept", station=place.station("near"))).ok()
    (await town.desk.step(call, "en-route")).ok()

    again = await button.press()
    assert again["call"] == call
    joined = await town.events.fact("call.joined", call)
    assert joined.state["state"] == "en_route"

    lapsed = await town.events.fact("call.lapsed", call, after=joined)
    assert patient(0.8) <= seconds_between(joined.data["at"], lapsed.data["at"]) <= patient(0.8) + SLACK
    assert lapsed.state["state"] == "received"
    dispatched = await town.events.fact("call.dispatched", call, after=lapsed, within=2)
    assert place.station("far") in offers(dispatched.state, "offered")


async def test_pressed_again_and_seen_by_the_holder_the_call_stays(town: Town) -> None:
    await town.policy(repress_within=0.8)
    place = await town.village(near=station(600))
    button, call = await town.open_call(place)
    (await town.desk.step(call, "accept", station=place.station("near"))).ok()
    (await town.desk.step(call, "en-route")).ok()
    await button.press()
    joined = await town.events.fact("call.joined", call)

    (await town.desk.step(call, "seen")).ok()

    await town.events.fact("call.seen", call)
    await town.events.none(
        lambda e: e.call == call and e.name == "call.lapsed",
        "the call lapsed although its holder has seen the press",
        during=patient(0.8) + 0.5,
        after=joined,
    )
    assert (await town.desk.call(call))["state"] == "en_route"


async def test_pressed_again_on_scene_rings_at_the_desk_too(town: Town) -> None:
    await town.policy(repress_within=0.6)
    place = await town.village(near=station(600))
    button, call = await town.open_call(place)
    for verb, body in [("accept", {"station": place.station("near")}), ("en-route", {}), ("on-scene", {})]:
        (await town.desk.step(call, verb, **body)).ok()
    again = await button.press()
    assert again["call"] == call
    joined = await town.events.fact("call.joined", call)
    assert (joined.state["state"], joined.state["presses"]) == ("on_scene", 2)


async def test_not_there_in_time_it_is_overdue_and_then_others_are_asked_too(town: Town) -> None:
    await town.policy(arrive_goal=1.0, arrive_limit=2.0)
    place = await town.village(near=station(600), far=station(2000))
    _, call = await town.open_call(place)
    (await town.desk.step(call, "accept", station=place.station("near"))).ok()
    (await town.desk.step(call, "en-route")).ok()

    goal = await town.events.fact("call.overdue", call)
    assert patient(1.0) <= since_opening(goal) <= patient(1.0) + SLACK
    assert goal.state["state"] == "en_route"
    limit = await town.events.fact("call.overdue", call, after=goal)
    assert patient(2.0) <= since_opening(limit) <= patient(2.0) + SLACK
    asked = await town.events.until(
        lambda e: e.call == call and {place.station("far"), DESK} <= set(offers(e.state, "offered")),
        "the next able and the desk are offered the call too",
        within=2,
    )
    assert asked.state["state"] == "en_route", "the state is kept"
    assert asked.state["accepted"]["station"] == place.station("near")


async def test_not_closed_in_time_it_is_overdue_again_and_again_and_never_closed(town: Town) -> None:
    await town.policy(close_within=1.0)
    place = await town.village(near=station(600))
    _, call = await town.open_call(place)
    for verb, body in [("accept", {"station": place.station("near")}), ("en-route", {}), ("on-scene", {})]:
        (await town.desk.step(call, verb, **body)).ok()
    first = await town.events.fact("call.overdue", call)
    assert since_opening(first) >= patient(1.0)
    after = await town.desk.call(call)
    assert after["state"] == "on_scene"
    assert after["deadline"] is not None, "an open call always has a next time"


async def test_a_call_keeps_the_policy_it_was_opened_with(town: Town) -> None:
    place = await town.village(near=station(600), far=station(2000))
    _, call = await town.open_call(place)
    await town.policy(steps=steps((0, "nearest"), (0.2, "next")), repeat=0.2)
    await town.events.none(
        lambda e: e.call == call and e.name == "call.escalated",
        "an older call followed a newer policy",
        during=0.7,
    )


async def test_the_last_open_offer_expires_when_its_station_stops_being_able(town: Town) -> None:
    place = await town.village(near=station(600), far=station(2000))
    _, call = await town.open_call(place)
    register = await town.desk.get(f"/stations/{place.station('near')}")
    (await town.desk.put(f"/stations/{place.station('near')}", {**register, "hours": {"mon": []}})).ok(
        200, 201, 204
    )
    dispatched = await town.events.fact(
        "call.dispatched", call, where=lambda e: place.station("far") in offers(e.state, "offered"), within=5
    )
    entry = next(d for d in dispatched.state["dispatches"] if d["station"] == place.station("near"))
    assert entry["state"] == "expired"


async def test_the_family_key_asks_relatives_first_and_then_the_nearest(town: Town) -> None:
    await town.policy("family", steps=steps((0, "contacts"), (0.6, "nearest")))
    place = await town.village(near=station(600))
    resident = await town.desk.get(f"/residents/{place.resident}")
    contact = {
        "name": "欧阳小满",
        "relation": "daughter",
        "phone": "13803740000",
        "on": ["opened", "unanswered"],
    }
    (await town.desk.put(f"/residents/{place.resident}", {**resident, "contacts": [contact]})).ok(
        200, 201, 204
    )
    _, call = await town.open_call(place, "family")
    nearest = await town.events.fact(
        "call.dispatched", call, where=lambda e: offers(e.state) == [place.station("near")], within=3
    )
    if "call.skipped" in town.events.facts(call):  # there is no way to reach relatives: then at once
        skipped = await town.events.fact("call.skipped", call)
        assert skipped.data["reason"]
        assert since_opening(nearest) < patient(0.6)
        return
    first = await town.events.fact("call.dispatched", call)
    assert [d["person"] for d in first.state["dispatches"]]
    assert offers(first.state) == []
    assert since_opening(nearest) >= patient(0.6)
