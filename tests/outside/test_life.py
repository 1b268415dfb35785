"""The life of a call in an operator's hands: every step, who may do it when, and what it does to everybody else."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from outside.harness import Desk, eventually
from outside.places import Town, offers, reason_of, station, steps


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def test_from_the_press_to_the_close_with_evidence(town: Town) -> None:
    place = await town.village(near=station(600), far=station(2000))
    _, call = await town.open_call(place)
    near = place.station("near")

    accepted = (await town.desk.step(call, "accept", station=near)).ok()
    assert accepted["id"] == call
    assert (accepted["state"], accepted["accepted"]["station"]) == ("accepted", near)
    assert accepted["accepted"]["by"]
    assert moment(accepted["deadline"]["at"]) - moment(accepted["accepted"]["at"]) == timedelta(seconds=120)

    under_way = (await town.desk.step(call, "en-route")).ok()
    assert under_way["state"] == "en_route"
    assert under_way["en_route"]["at"]

    there = (await town.desk.step(call, "on-scene", proof="code")).ok()
    assert (there["state"], there["on_scene"]["proof"]) == ("on_scene", "code")

    closed = (
        await town.desk.step(call, "close", outcome="hospital", evidence="on_site", note="120 送医")
    ).ok()
    assert closed["state"] == "closed"
    assert (closed["closed"]["outcome"], closed["closed"]["evidence"]) == ("hospital", "on_site")
    assert closed["deadline"] is None

    ended = await town.events.fact("call.closed", call)
    assert ended.data["cause"]["kind"] == "command"
    assert ended.data["cause"]["by"]
    own = ["call.opened", "call.dispatched", "call.accepted", "call.en_route", "call.on_scene", "call.closed"]
    assert [fact for fact in town.events.facts(call) if fact.startswith("call.")] == own
    assert [fact["fact"] for fact in await town.desk.journal(call) if fact["fact"].startswith("call.")] == own


async def test_settled_by_telephone_without_losing_the_call(town: Town) -> None:
    """Accepted, spoken to, and left: the deadline starts again with 300 s, and the close needs no visit."""
    await town.policy(en_route_within=1.0)
    place = await town.village(near=station(600))
    _, call = await town.open_call(place)
    accepted = (await town.desk.step(call, "accept", station=place.station("near"))).ok()

    spoke = (await town.desk.step(call, "spoke", result="answered")).ok()

    assert spoke["state"] == "accepted", "talking ends nothing"
    assert spoke["spoke"]
    left = moment(spoke["deadline"]["at"]) - datetime.now(UTC)
    assert timedelta(seconds=280) < left < timedelta(seconds=310)
    past_the_old_deadline = 1.6 - (datetime.now(UTC) - moment(accepted["accepted"]["at"])).total_seconds()
    await town.events.none(
        lambda e: e.call == call and e.name in {"call.lapsed", "call.escalated"},
        "the call lapsed although its holder is on the telephone",
        during=max(past_the_old_deadline, 0.2),
    )
    closed = (await town.desk.step(call, "close", outcome="false_alarm", evidence="spoke_to_resident")).ok()
    assert closed["state"] == "closed"
    assert closed["accepted"]["station"] == place.station("near")


async def test_nobody_answered_the_telephone_changes_no_deadline(town: Town) -> None:
    place = await town.village(near=station(600))
    _, call = await town.open_call(place)
    accepted = (await town.desk.step(call, "accept", station=place.station("near"))).ok()
    spoke = (await town.desk.step(call, "spoke", result="no_answer")).ok()
    assert spoke["deadline"] == accepted["deadline"]
    assert spoke["state"] == "accepted"


async def test_accepting_withdraws_all_other_offers_and_stops_the_steps(town: Town) -> None:
    await town.policy(steps=steps((0, "nearest"), (0.3, "next"), (60, "everyone")))
    place = await town.village(near=station(600), far=station(2000))
    _, call = await town.open_call(place)
    second = await town.events.fact("call.dispatched", call, where=lambda e: e.state["step"] == 1)
    assert offers(second.state, "offered") == [place.station("near"), place.station("far")]

    accepted = (await town.desk.step(call, "accept", station=place.station("far"))).ok()

    assert offers(accepted, "withdrawn") == [place.station("near")]
    assert offers(accepted, "accepted") == [place.station("far")]


async def test_a_station_that_was_never_asked_may_accept(town: Town) -> None:
    place = await town.village(near=station(600), far=station(2000))
    _, call = await town.open_call(place)
    accepted = (await town.desk.step(call, "accept", station=place.station("far"))).ok()
    assert accepted["accepted"]["station"] == place.station("far")
    assert offers(accepted, "withdrawn") == [place.station("near")]


async def test_two_accept_at_once_and_one_of_them_is_told_who_won(town: Town) -> None:
    place = await town.village(near=station(600), far=station(700))
    tokens = [
        town.server.cli("token", "create", "--role", "station", "--station", place.station(name)).out.strip()
        for name in ("near", "far")
    ]
    async with Desk(town.server, tokens[0]) as near, Desk(town.server, tokens[1]) as far:
        await eventually(lambda: _knows(near, far), "the server to know both fresh tokens")
        for turn in range(4):
            button = town.buttons[0] if town.buttons else await town.button(place)
            call = (await button.press())["call"]
            await town.desk.step(call, "transfer", station=place.station("far"))  # so that both are asked
            both = [
                near.step(call, "accept", station=place.station("near")),
                far.step(call, "accept", station=place.station("far")),
            ]
            replies = await asyncio.gather(*(both if turn % 2 else both[::-1]))
            won = [reply for reply in replies if reply.status == 200]
            lost = [reply for reply in replies if reply.status == 409]
            assert (len(won), len(lost)) == (1, 1), [reply.status for reply in replies]
            winner = won[0].body["accepted"]["station"]
            assert lost[0].headers["content-type"].startswith("application/problem+json")
            assert winner in str(lost[0].body), "the loser is told who won"
            assert (await town.desk.call(call))["accepted"]["station"] == winner
            assert town.events.facts(call).count("call.accepted") == 1
            (await town.desk.step(call, "close", outcome="false_alarm", evidence="spoke_to_resident")).ok()


async def _knows(*desks: Desk) -> bool:
    return all([(await desk.ask("GET", "/calls")).status == 200 for desk in desks])


async def test_a_declined_offer_goes_to_the_next_at_once(town: Town) -> None:
    place = await town.village(near=station(600), far=station(2000))
    _, call = await town.open_call(place)

    (await town.desk.step(call, "decline", station=place.station("near"), reason="人手都在外面")).ok()

    declined = await town.events.fact("call.declined", call)
    escalated = await town.events.fact("call.escalated", call, within=2, after=declined)
    assert escalated.state["step"] == 1
    dispatched = await town.events.fact("call.dispatched", call, after=escalated)
    assert offers(dispatched.state, "declined") == [place.station("near")]
    assert offers(dispatched.state, "offered") == [place.station("far")]


async def test_who_declined_is_not_asked_again(town: Town) -> None:
    await town.policy(steps=steps((0, "nearest"), (0.3, "everyone")), repeat=0.3)
    place = await town.village(near=station(600), far=station(2000))
    _, call = await town.open_call(place)
    (await town.desk.step(call, "decline", station=place.station("near"), reason="没人")).ok()
    third = await town.events.fact(
        "call.dispatched", call, where=lambda e: any(d["offers"] >= 3 for d in e.state["dispatches"])
    )
    entry = next(d for d in third.state["dispatches"] if d.get("station") == place.station("near"))
    assert (entry["state"], entry["offers"]) == ("declined", 1)


async def test_release_gives_the_call_back_and_the_next_is_asked_at_once(town: Town) -> None:
    place = await town.village(near=station(600), far=station(2000))
    _, call = await town.open_call(place)
    (await town.desk.step(call, "accept", station=place.station("near"))).ok()

    released = (await town.desk.step(call, "release", reason="车坏了")).ok()

    assert released["state"] == "received"
    assert released["accepted"] is None
    lapsed = await town.events.fact("call.lapsed", call)
    dispatched = await town.events.fact("call.dispatched", call, within=2, after=lapsed)
    assert place.station("far") in offers(dispatched.state, "offered")


async def test_transfer_asks_the_other_and_the_holder_keeps_the_call_until_it_accepts(town: Town) -> None:
    place = await town.village(near=station(600), far=station(2000))
    _, call = await town.open_call(place)
    before = (await town.desk.step(call, "accept", station=place.station("near"))).ok()

    asked = (await town.desk.step(call, "transfer", station=place.station("far"))).ok()

    await town.events.fact("call.transferred", call)
    assert (asked["state"], asked["accepted"]["station"]) == ("accepted", place.station("near"))
    assert asked["deadline"] == before["deadline"], "the holder's deadlines go on"
    assert place.station("far") in offers(asked, "offered")
    taken = (await town.desk.step(call, "accept", station=place.station("far"))).ok()
    assert taken["accepted"]["station"] == place.station("far")


async def test_the_same_person_repeats_a_step_and_gets_the_call_again(town: Town) -> None:
    place = await town.village(near=station(600))
    _, call = await town.open_call(place)
    for verb, body in [
        ("accept", {"station": place.station("near")}),
        ("en-route", {}),
        ("on-scene", {"proof": "code"}),
        ("close", {"outcome": "helped", "evidence": "on_site"}),
    ]:
        first = (await town.desk.step(call, verb, **body)).ok()
        second = (await town.desk.step(call, verb, **body)).ok()
        assert second["state"] == first["state"]
    facts = town.events.facts(call)
    assert [facts.count(f"call.{fact}") for fact in ("accepted", "en_route", "on_scene", "closed")] == [
        1,
        1,
        1,
        1,
    ]


@pytest.mark.parametrize("verb", ["en-route", "on-scene", "release", "close", "spoke", "reopen"])
async def test_a_step_that_does_not_fit_is_409_with_the_present_state(town: Town, verb: str) -> None:
    place = await town.village(near=station(600))
    _, call = await town.open_call(place)
    body = {
        "close": {"outcome": "no_contact", "evidence": "on_site"},
        "spoke": {"result": "answered"},
        "reopen": {"reason": "?"},
        "release": {"reason": "?"},
    }
    reply = await town.desk.step(call, verb, **body.get(verb, {}))
    if verb in {"close", "spoke"} and reply.status == 200:  # a desk may settle what nobody had accepted yet
        return
    assert reply.status == 409
    assert reply.headers["content-type"].startswith("application/problem+json")
    assert "received" in str(reply.body)
    assert (await town.desk.call(call))["state"] == "received"


@pytest.mark.parametrize(
    ("body", "closes"),
    [
        ({"outcome": "helped"}, False),
        ({"outcome": "helped", "evidence": None}, False),
        ({"outcome": "helped", "evidence": "a feeling"}, False),
        ({"outcome": "no_contact", "evidence": "spoke_to_resident"}, False),
        ({"outcome": "no_contact", "evidence": "relative_confirmed"}, False),
        ({"outcome": "duplicate", "evidence": "spoke_to_resident"}, False),
        ({"outcome": "duplicate", "evidence": "spoke_to_resident", "of": "no-such-call"}, False),
        ({"outcome": "gone_home", "evidence": "on_site"}, False),
        ({"evidence": "on_site"}, False),
        ({"outcome": 7, "evidence": "on_site"}, False),
        ({"outcome": "no_contact", "evidence": "on_site"}, True),
        ({"outcome": "false_alarm", "evidence": "relative_confirmed"}, True),
        ({"outcome": "other", "evidence": "spoke_to_resident", "note": "忘了按的"}, True),
    ],
)
async def test_an_emergency_closes_only_with_an_outcome_and_evidence(
    town: Town, body: dict[str, Any], closes: bool
) -> None:
    place = await town.village(near=station(600))
    _, call = await town.open_call(place)
    (await town.desk.step(call, "accept", station=place.station("near"))).ok()

    reply = await town.desk.step(call, "close", **body)

    state = (await town.desk.call(call))["state"]
    if closes:
        assert (reply.status, state) == (200, "closed")
    else:
        assert reply.status in {400, 404, 409, 422}, reply.body
        assert reply.headers["content-type"].startswith("application/problem+json")
        assert state == "accepted"


async def test_a_duplicate_names_the_call_it_is_a_duplicate_of(town: Town) -> None:
    place = await town.village(people=2, near=station(600))
    first = (await (await town.button(f"{place.name}-b1")).press())["call"]
    second = (await (await town.button(f"{place.name}-b2")).press())["call"]
    (await town.desk.step(second, "accept", station=place.station("near"))).ok()
    body = {"outcome": "duplicate", "of": first, "evidence": "spoke_to_resident"}
    closed = (await town.desk.step(second, "close", **body)).ok()
    assert closed["closed"]["outcome"] == "duplicate"
    assert (await town.desk.call(first))["state"] == "received"


async def test_a_service_call_closes_without_evidence(town: Town) -> None:
    place = await town.village(near=station(600))
    _, call = await town.open_call(place, "service")
    (await town.desk.step(call, "accept", station=place.station("near"))).ok()
    assert (await town.desk.step(call, "close", outcome="service_done")).ok()["state"] == "closed"


async def test_reopened_within_five_minutes_it_rings_again(town: Town) -> None:
    place = await town.village(near=station(600))
    button, call = await town.open_call(place)
    (await town.desk.step(call, "accept", station=place.station("near"))).ok()
    (await town.desk.step(call, "close", outcome="false_alarm", evidence="spoke_to_resident")).ok()

    reopened = (await town.desk.step(call, "reopen", reason="关错了")).ok()

    assert reopened["state"] != "closed"
    assert reopened["closed"] is None
    assert reopened["deadline"] is not None, "an open call has an owner with a deadline or a next step"
    await town.events.fact("call.reopened", call)
    assert (await button.press())["call"] == call


async def test_notes_and_seen_are_facts_and_change_no_state(town: Town) -> None:
    place = await town.village(near=station(600))
    _, call = await town.open_call(place)
    before = (await town.desk.step(call, "accept", station=place.station("near"))).ok()

    (await town.desk.step(call, "note", text="门锁着,邻居有钥匙")).ok()
    after = (await town.desk.step(call, "seen")).ok()

    await town.events.fact("call.noted", call)
    assert (after["state"], after["deadline"]) == (before["state"], before["deadline"])


async def test_a_step_done_offline_keeps_its_time(town: Town) -> None:
    place = await town.village(near=station(600))
    _, call = await town.open_call(place)
    (await town.desk.step(call, "accept", station=place.station("near"))).ok()
    (await town.desk.step(call, "en-route")).ok()
    done = datetime.now(UTC)

    there = (await town.desk.step(call, "on-scene", proof="code", at=done.isoformat())).ok()

    assert abs(moment(there["on_scene"]["at"]) - done) < timedelta(milliseconds=2)


async def test_a_step_done_offline_that_no_longer_fits_is_kept_as_a_note(town: Town) -> None:
    place = await town.village(near=station(600))
    _, call = await town.open_call(place)
    (await town.desk.step(call, "accept", station=place.station("near"))).ok()
    (await town.desk.step(call, "close", outcome="helped", evidence="spoke_to_resident")).ok()
    late = (datetime.now(UTC) - timedelta(seconds=20)).isoformat()

    (await town.desk.step(call, "on-scene", proof="code", at=late)).ok()

    assert (await town.desk.call(call))["state"] == "closed"
    await town.events.fact("call.noted", call)


async def test_a_call_opened_by_hand_is_routed_like_any_press(town: Town) -> None:
    place = await town.village(near=station(600))
    body = {"resident": place.resident, "key": "emergency", "note": "打 12349 说头晕"}
    opened = (await town.desk.post("/calls", body)).ok(200, 201)
    call = await town.desk.call(opened["id"])
    assert (call["kind"], call["state"]) == ("manual", "received")
    dispatched = await town.events.fact("call.dispatched", call["id"])
    assert offers(dispatched.state) == [place.station("near")]


async def test_a_call_opened_by_hand_for_somebody_unknown_is_routed_from_where_they_are(town: Town) -> None:
    place = await town.village(near=station(600))
    body = {
        "name": "路人",
        "phone": "13900000000",
        "address": "人民路口",
        "area": place.community,
        "location": place.at(100),
        "key": "emergency",
        "note": "摔倒",
    }
    opened = (await town.desk.post("/calls", body)).ok(200, 201)
    dispatched = await town.events.fact("call.dispatched", opened["id"])
    assert offers(dispatched.state) == [place.station("near")]


async def test_a_station_that_is_full_is_passed_over(town: Town) -> None:
    place = await town.village(people=2, near=station(600, capacity=1), far=station(2000))
    await (await town.button(f"{place.name}-b1")).press()
    receipt = await (await town.button(f"{place.name}-b2")).press()
    call = await town.desk.call(receipt["call"])
    assert offers(call) == [place.station("far")]
    assert "full" in reason_of(call, place.station("near"))
