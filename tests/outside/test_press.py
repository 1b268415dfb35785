"""What becomes of what a button says over MQTT: on disk, in exactly one call, and the wearer knows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from outside.harness import eventually
from outside.places import DESK, NEVER, PERSONAL, Town, offers, reason_of, station


def moment(text: str) -> datetime:
    """A time of the contract: RFC 3339 with an offset."""
    when = datetime.fromisoformat(text)
    assert when.tzinfo is not None, f"{text} has no offset"
    return when


async def test_a_press_is_receipted_with_its_call_and_the_nearest_able_station_has_it_with_the_reason(
    town: Town,
) -> None:
    place = await town.village(shut=station(200, hours=NEVER), near=station(600), far=station(2000))
    button = await town.button(place)

    receipt = await button.press()

    assert receipt["result"] == "stored"
    assert abs(moment(receipt["at"]) - datetime.now(UTC)) < timedelta(seconds=30)
    await button.told("received", receipt["call"])
    call = await town.desk.call(receipt["call"])
    assert call["state"] == "received"
    assert (call["key"], call["kind"], call["presses"], call["test"]) == ("emergency", "press", 1, False)
    assert call["device"] == place.device
    assert call["resident"]["id"] == place.resident
    assert call["district"] == "411099"
    assert call["accepted"] is call["en_route"] is call["on_scene"] is call["closed"] is None
    assert (call["step"], offers(call)) == (0, [place.station("near")])
    (dispatch,) = call["dispatches"]
    assert dispatch["state"] == "offered"
    assert dispatch["offers"] == 1
    assert dispatch["reason"]
    assert 600 <= dispatch["distance_m"] <= 1200
    assert dispatch["travel_seconds"] >= 600 / 3  # nobody walks 3 m/s
    assert "clos" in reason_of(call, place.station("shut"))
    assert place.station("far") not in [p["station"] for p in call["passed_over"]], (
        "only nearer ones are explained"
    )
    assert moment(call["deadline"]["at"]) - moment(call["opened_at"]) == timedelta(seconds=60)
    facts = town.events.facts(receipt["call"])
    assert facts[:2] == ["call.opened", "call.dispatched"]


async def test_the_fact_names_its_cause_and_the_call_right_after_it(town: Town) -> None:
    place = await town.village(near=station(600))
    button = await town.button(place)

    receipt = await button.press(id="boot7-41")

    opened = await town.events.fact("call.opened", receipt["call"])
    assert opened.data["cause"]["kind"] == "signal"
    assert opened.data["cause"]["id"] == "boot7-41"
    assert opened.data["cause"]["device"] == place.device
    assert opened.data["district"] == "411099"
    assert opened.state["state"] == "received"
    dispatched = await town.events.fact("call.dispatched", receipt["call"], after=opened)
    assert dispatched.data["seq"] > opened.data["seq"]
    assert offers(dispatched.state) == [place.station("near")]
    journal = await town.desk.journal(receipt["call"])
    assert [fact["fact"] for fact in journal][:2] == ["call.opened", "call.dispatched"]


async def test_a_repeat_of_the_same_id_is_answered_with_the_same_call_and_counts_once(town: Town) -> None:
    place = await town.village(near=station(600))
    button = await town.button(place)
    first = await button.press(id="same-1")

    second = await button.press(id="same-1", age=2.1)
    third = await button.press(id="same-1", age=6.2)

    assert second["call"] == third["call"] == first["call"]
    assert second["result"] == third["result"] == "duplicate"
    assert (await town.desk.call(first["call"]))["presses"] == 1
    assert town.events.facts(first["call"]).count("call.joined") == 0


async def test_a_second_press_joins_the_open_call(town: Town) -> None:
    place = await town.village(near=station(600))
    button, call = await town.open_call(place)

    again = await button.press()

    assert again["call"] == call
    joined = await town.events.fact("call.joined", call)
    assert joined.state["presses"] == 2


async def test_the_same_id_of_two_buttons_is_two_presses(town: Town) -> None:
    place = await town.village(people=2, near=station(600))
    one = await (await town.button(f"{place.name}-b1")).press(id="1")
    other = await (await town.button(f"{place.name}-b2")).press(id="1")
    assert one["call"] != other["call"]
    assert {one["result"], other["result"]} == {"stored"}


async def test_the_three_keys_are_three_calls(town: Town) -> None:
    place = await town.village(near=station(600))
    button = await town.button(place)
    calls = {key: (await button.press(key))["call"] for key in ("service", "family", "emergency")}
    assert len(set(calls.values())) == 3
    for key, call in calls.items():
        assert (await town.desk.call(call))["key"] == key


async def test_a_key_nobody_knows_is_an_emergency(town: Town) -> None:
    place = await town.village(near=station(600))
    button = await town.button(place)
    receipt = await button.press("purple")
    assert receipt["result"] == "stored"
    assert (await town.desk.call(receipt["call"]))["key"] == "emergency"


async def test_a_fall_and_an_emergency_press_on_two_devices_of_one_resident_are_one_call(town: Town) -> None:
    place = await town.village(devices_each=2, near=station(600))
    pendant = await town.button(f"{place.name}-b1")
    wrist = await town.button(f"{place.name}-b2")

    fall = await wrist.say("fall")
    press = await pendant.press()

    assert press["call"] == fall["call"]
    call = await town.desk.call(press["call"])
    assert (call["kind"], call["key"], call["presses"]) == ("fall", "emergency", 2)


@pytest.mark.parametrize("kind", ["fall", "inactivity", "hazard"])
async def test_what_a_sensor_reports_opens_an_emergency_call(town: Town, kind: str) -> None:
    place = await town.village(near=station(600))
    button = await town.button(place)
    receipt = await button.say(kind, details={"sensor": "gas"})
    call = await town.desk.call(receipt["call"])
    assert (call["kind"], call["key"]) == (kind, "emergency")


async def test_an_emergency_beside_an_open_service_call_opens_its_own(town: Town) -> None:
    place = await town.village(near=station(600))
    button = await town.button(place)
    service = await button.press("service")
    emergency = await button.press("emergency")
    assert emergency["call"] != service["call"]
    assert (await town.desk.call(service["call"]))["state"] == "received"


async def test_a_press_after_the_close_opens_a_new_call(town: Town) -> None:
    place = await town.village(near=station(600))
    button, first = await town.open_call(place)
    (await town.desk.step(first, "accept", station=place.station("near"))).ok()
    (await town.desk.step(first, "close", outcome="false_alarm", evidence="spoke_to_resident")).ok()

    again = await button.press()

    assert again["call"] != first
    assert (await town.desk.call(first))["state"] == "closed"
    assert (await town.desk.call(again["call"]))["state"] == "received"


async def test_a_cancel_key_is_a_request_and_closes_nothing(town: Town) -> None:
    place = await town.village(near=station(600))
    button, call = await town.open_call(place)

    receipt = await button.say("cancel")

    assert receipt["result"] == "stored"
    await town.events.fact("call.cancel_requested", call)
    now = await town.desk.call(call)
    assert now["cancel_requested"] is True
    assert now["state"] == "received"
    assert now["deadline"] is not None, "it goes on escalating"


async def test_a_cancel_with_no_call_open_is_receipted_and_opens_none(town: Town) -> None:
    place = await town.village(near=station(600))
    button = await town.button(place)
    receipt = await button.say("cancel")
    assert receipt["result"] == "stored"
    assert await town.desk.all("/calls", device=place.device) == []


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("heartbeat", {"battery": 87, "rssi": -61}),
        ("location", {"lat": 34.02, "lon": 113.82}),
        ("battery_low", {"battery": 9}),
        ("battery_ok", {"battery": 90}),
        ("mains_lost", {}),
        ("mains_restored", {}),
        ("tamper", {}),
        ("online", {}),
        ("offline", {}),
    ],
)
async def test_what_is_no_call_is_receipted_and_opens_none(
    town: Town, kind: str, more: dict[str, Any]
) -> None:
    place = await town.village(near=station(600))
    button = await town.button(place)
    receipt = await button.say(kind, **more)
    assert receipt["result"] == "stored"
    assert await town.desk.all("/calls", device=place.device) == []


async def test_a_test_of_the_button_is_a_fact_and_no_call(town: Town) -> None:
    place = await town.village(near=station(600))
    button = await town.button(place)
    receipt = await button.say("test")
    assert receipt["result"] == "stored"
    await town.events.fact("test.passed", where=lambda e: e.data.get("device") == place.device)
    assert await town.desk.all("/calls", device=place.device, state="open") == []


async def test_in_test_mode_the_first_press_is_the_test_and_the_second_is_real(town: Town) -> None:
    place = await town.village(near=station(600))
    button = await town.button(place)
    (await town.desk.post(f"/devices/{place.device}/test", {"for": 600})).ok(200, 201, 202, 204)

    test = await button.press()
    passed = await town.events.fact("test.passed", where=lambda e: e.data.get("device") == place.device)
    real = await button.press()

    assert real["call"] != test["call"]
    assert (await town.desk.call(real["call"]))["test"] is False
    assert offers(await town.desk.call(real["call"])) == [place.station("near")]
    ended = await town.desk.call(test["call"])
    assert (ended["test"], ended["state"], ended["closed"]["outcome"]) == (True, "closed", "test")
    assert offers(ended) == [], "nobody is sent to a test"
    assert passed.data["seq"] < (await town.events.fact("call.opened", real["call"])).data["seq"]


async def test_test_mode_ends_by_itself(town: Town) -> None:
    place = await town.village(near=station(600))
    button = await town.button(place)
    (await town.desk.post(f"/devices/{place.device}/test", {"for": 0.2})).ok(200, 201, 202, 204)
    began = datetime.now(UTC)
    await eventually(lambda: datetime.now(UTC) - began > timedelta(seconds=0.4), "test mode to run out")
    receipt = await button.press()
    assert (await town.desk.call(receipt["call"]))["test"] is False


async def test_an_unknown_device_opens_a_call_without_a_resident_for_the_district(town: Town) -> None:
    button = await town.button("nobody-knows-me")

    receipt = await button.press()

    assert receipt["result"] == "unknown_device"
    call = await town.desk.call(receipt["call"])
    assert call["resident"] is None
    assert call["area"] is None
    assert DESK in offers(call)
    await button.told("received", receipt["call"])
    (await town.desk.step(call["id"], "accept", station=DESK)).ok()
    await button.told("accepted", receipt["call"])
    (await town.desk.step(call["id"], "close", outcome="other", evidence="relative_confirmed")).ok()


async def test_a_late_press_says_how_late_it_is(town: Town) -> None:
    place = await town.village(near=station(600))
    button = await town.button(place)

    receipt = await button.press(age=300.0)

    call = await town.desk.call(receipt["call"])
    late = moment(call["opened_at"]) - moment(call["pressed_at"])
    assert timedelta(seconds=299) < late < timedelta(seconds=310)
    assert 299 < call["late_seconds"] < 310
    assert moment(call["deadline"]["at"]) > moment(call["opened_at"]), "steps count from the opening"


@pytest.mark.parametrize("at", ["1970-01-01T00:00:07Z", "2099-12-31T23:59:59+08:00", "99:99", 12, ""])
async def test_an_impossible_time_never_suppresses_a_press(town: Town, at: Any) -> None:
    place = await town.village(near=station(600))
    button = await town.button(place)
    receipt = await button.press(at=at)
    call = await town.desk.call(receipt["call"])
    assert abs(moment(call["pressed_at"]) - moment(call["opened_at"])) < timedelta(seconds=10)


async def test_a_believable_time_of_the_device_counts(town: Town) -> None:
    place = await town.village(near=station(600))
    button = await town.button(place)
    when = datetime.now(UTC) - timedelta(seconds=50)
    receipt = await button.press(at=when.isoformat())
    call = await town.desk.call(receipt["call"])
    assert abs(moment(call["pressed_at"]) - when) < timedelta(seconds=0.1)


async def test_a_helper_at_the_bedside_is_on_scene_with_the_device_as_proof(town: Town) -> None:
    place = await town.village(near=station(600))
    button, call = await town.open_call(place)

    await button.say("helper_arrived")  # nobody accepted yet: noted, and the steps go on
    early = await town.desk.call(call)
    assert (early["state"], early["on_scene"]) == ("received", None)
    assert early["deadline"] is not None
    (await town.desk.step(call, "accept", station=place.station("near"))).ok()
    await button.say("helper_arrived")

    await town.events.fact("call.on_scene", call)
    there = await town.desk.call(call)
    assert (there["state"], there["on_scene"]["proof"]) == ("on_scene", "device")
    await button.told("on_scene", call)


async def test_the_wearer_is_told_at_each_step_and_never_of_a_person(town: Town) -> None:
    place = await town.village(near=station(600))
    button, call = await town.open_call(place)
    for verb, state, body in [
        ("accept", "accepted", {"station": place.station("near")}),
        ("en-route", "en_route", {}),
        ("on-scene", "on_scene", {"proof": "code"}),
        ("close", "closed", {"outcome": "helped", "evidence": "on_site", "note": "起身后无恙"}),
    ]:
        (await town.desk.step(call, verb, **body)).ok()
        assert (await button.told(state, call))["text"]
    assert [told["state"] for told in button.progress] == [
        "received",
        "accepted",
        "en_route",
        "on_scene",
        "closed",
    ]
    for told in [*button.progress, *button.receipts]:
        assert not [text for text in PERSONAL if text in str(told)], (
            "the device plane carries no personal data"
        )


async def test_the_status_topic_is_no_signal(town: Town) -> None:
    place = await town.village(near=station(600))
    button = await town.button(place)
    await button.mqtt.publish_and_wait(f"yijian/v1/{place.device}/status", b'{"state":"online"}', retain=True)
    await button.mqtt.publish_and_wait(
        f"yijian/v1/{place.device}/status", b'{"state":"offline"}', retain=True
    )
    assert (await button.press())["result"] == "stored"
    assert len(button.receipts) == 1


async def test_a_message_without_call_counts_nothing_twice_when_two_devices_speak_for_one_hub(
    town: Town,
) -> None:
    place = await town.village(people=2, near=station(600))
    hub = await town.button(f"{place.name}-b1")
    other = await town.button(f"{place.name}-b2")
    message = b'{"id":"h-1","type":"press","via":"hub-07"}'
    hub.mqtt.publish(f"yijian/v1/{place.name}-b1/up", message)
    hub.mqtt.publish(
        f"yijian/v1/{place.name}-b2/up", message
    )  # a radio button behind the hub, under its own name
    assert (await hub.receipt("h-1"))["call"] != (await other.receipt("h-1"))["call"]
