"""The simulated staff, against a small stand-in for the API."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from datetime import UTC, datetime
from typing import Any

import pytest
from fake_api import FakeApi
from sim_tools import running, until

from config.doors import to_us
from simulators import api as apis
from simulators.api import STARTED, Api, Away, Conflict, Refused
from simulators.rota import Rota
from simulators.staff import Crew
from simulators.temper import DEMO, Temper


class StandingClock:
    def __init__(self, moment: datetime) -> None:
        self.us = to_us(moment)

    def now_us(self) -> int:
        return self.us


#: A Tuesday, half past nine in the morning in Weidu.
MORNING = StandingClock(datetime(2026, 11, 24, 1, 30, tzinfo=UTC))
DISTRICT: dict[str, Any] = {
    "district": {"code": "411002", "timezone": "Asia/Shanghai", "holidays": []},
    "stations": [
        {"id": "st-desk", "kind": "district_desk", "hours": "always"},
        {"id": "st-1", "kind": "care_station", "hours": {"tue": ["08:00-12:00"]}},
        {"id": "st-2", "kind": "care_station", "hours": {"tue": ["14:00-18:00"]}},
        {"id": "st-3", "kind": "care_station", "hours": {}, "on_call": {"hours": "always"}},
    ],
    "staff": [
        {"id": f"s-{station}-{number}", "role": "station", "station": f"st-{station}"}
        for station in ("desk", "1", "2", "3")
        for number in (1, 2)
    ]
    + [{"id": f"v-{number}", "role": "volunteer"} for number in range(9)],
}
WILLING = dataclasses.replace(
    DEMO, forgets=0, declines=0, never_sets_out=0, gives_back=0, absent=0, helper_key=0
)


def crew_of(
    api: Api, temper: Temper = WILLING, *, speed: float = 100.0, seed: int = 1, **options: Any
) -> Crew:
    return Crew(
        api, DISTRICT, chance=random.Random(seed), temper=temper, speed=speed, clock=MORNING, **options
    )


def steps_of(fake: FakeApi, call: str) -> list[str]:
    return [step for id_, step, _ in fake.steps if id_ == call]


async def test_duty_by_hours_and_rota(fake_api: FakeApi) -> None:
    async with Api(fake_api.url, "t") as api, running(crew_of(api).run()):
        await until(lambda: len(fake_api.duty) == len(DISTRICT["staff"]))
    on = {person for person, there in fake_api.duty.items() if there}
    assert sum(person.startswith("s-desk") for person in on) == 1
    assert sum(person.startswith("s-1") for person in on) == 1
    assert not any(person.startswith("s-2") for person in on)
    assert sum(person.startswith("s-3") for person in on) == 1  # on call
    assert sum(person.startswith("v-") for person in on) == 3


def test_shifts_change_with_the_clock() -> None:
    clock = StandingClock(datetime(2026, 11, 24, 1, 30, tzinfo=UTC))
    rota = Rota(Api("http://x", ""), DISTRICT, chance=random.Random(1), clock=clock, absent=0.0)
    morning = rota.wanted()
    assert rota.wanted() == morning  # one draw a shift
    clock.us = to_us(datetime(2026, 11, 24, 7, 0, tzinfo=UTC))
    assert sum(rota.wanted()[f"s-2-{n}"] for n in (1, 2)) == 1
    assert not any(rota.wanted()[f"s-1-{n}"] for n in (1, 2))
    clock.us = to_us(datetime(2026, 11, 24, 16, 0, tzinfo=UTC))
    assert not any(on for person, on in rota.wanted().items() if person.startswith("v-"))


async def test_a_call_goes_from_offer_to_close(fake_api: FakeApi) -> None:
    async with Api(fake_api.url, "t") as api:
        crew = crew_of(api)
        async with running(crew.run()):
            await until(lambda: fake_api.resumed)
            for number in range(30):
                fake_api.open(f"c-{number}", "st-1")
            await until(lambda: len(fake_api.closings) == 30, 20)
            assert crew.open_calls == 0
    for number in range(30):
        steps = steps_of(fake_api, f"c-{number}")
        assert steps[-1] == "close"
        assert "accept" in steps
        if "en-route" in steps:
            assert steps.index("en-route") < steps.index("on-scene") < steps.index("close")
    by_telephone = [c for c in fake_api.closings if c["evidence"] == "spoke_to_resident"]
    on_site = [c for c in fake_api.closings if c["evidence"] == "on_site"]
    assert len(by_telephone) + len(on_site) == 30
    assert len(by_telephone) > len(on_site) > 2
    assert all(c["outcome"] == "false_alarm" for c in by_telephone)
    assert all(c["from"] == "on-scene" for c in on_site)


async def test_a_service_call_ends_as_one(fake_api: FakeApi) -> None:
    async with Api(fake_api.url, "t") as api, running(crew_of(api).run()):
        await until(lambda: fake_api.resumed)
        fake_api.open("c-1", "st-1", key="service")
        await until(lambda: fake_api.closings)
    assert fake_api.closings[0]["outcome"] == "service_done"


async def test_one_person_of_the_station_takes_every_step_of_it(fake_api: FakeApi) -> None:
    persons = {person["id"]: f"token of {person['id']}" for person in DISTRICT["staff"]}
    slow = dataclasses.replace(WILLING, telephones=0.0)
    async with (
        Api(fake_api.url, "everybody's", persons=persons) as api,
        running(crew_of(api, slow).run()),
    ):
        await until(lambda: len(fake_api.duty) == len(DISTRICT["staff"]))
        for number in range(8):
            fake_api.open(f"c-{number}", "st-1" if number % 2 else "st-9")
        await until(lambda: len(fake_api.closings) == 8, 20)
    at_work = {f"Bearer {persons[name]}" for name, on in fake_api.duty.items() if on and "s-1-" in name}
    assert len(at_work) == 1
    for number in range(8):
        by = {bearer for call, step, bearer in fake_api.bearers if call == f"c-{number}"}
        # A station that has nobody in the register acts with the one token.
        assert by == (at_work if number % 2 else {"Bearer everybody's"})
    assert fake_api.bearers_of_duty["s-desk-1"] == "Bearer token of s-desk-1"


async def test_out_of_sight_is_somebody_elses(fake_api: FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    async with Api(fake_api.url, "t") as api:
        crew = crew_of(api)
        async with running(crew.run()):
            await until(lambda: fake_api.resumed)
            fake_api.out_of_sight = True
            fake_api.open("c-1", "st-1")
            await until(lambda: crew.deeds.late)
    assert "staff.refused" not in capsys.readouterr().out


async def test_somebody_else_was_first(fake_api: FakeApi) -> None:
    async with Api(fake_api.url, "t") as api:
        crew = crew_of(api, speed=20)
        async with running(crew.run()):
            await until(lambda: fake_api.resumed)
            fake_api.somebody_first = True
            fake_api.open("c-1", "st-1")
            await until(lambda: crew.deeds.late)
    assert "accept" not in steps_of(fake_api, "c-1")


async def test_forgotten_by_the_station_and_taken_by_the_desk(fake_api: FakeApi) -> None:
    forgetful = dataclasses.replace(WILLING, forgets=1.0)
    async with Api(fake_api.url, "t") as api:
        crew = crew_of(api, forgetful)
        async with running(crew.run()):
            await until(lambda: fake_api.resumed)
            call = fake_api.open("c-1", "st-1")
            await until(lambda: crew.deeds.forgotten)
            assert call["state"] == "received"
            call["dispatches"].append({"station": "st-desk", "offers": 1, "state": "offered"})
            fake_api.tell("call.dispatched", call)
            await until(lambda: fake_api.closings)
    assert call["accepted"]["station"] == "st-desk"


async def test_declined_with_a_reason_and_asked_again_afresh(fake_api: FakeApi) -> None:
    async with Api(fake_api.url, "t") as api:
        crew = crew_of(api, dataclasses.replace(WILLING, declines=1.0))
        async with running(crew.run()):
            await until(lambda: fake_api.resumed)
            call = fake_api.open("c-1", "st-1")
            await until(lambda: crew.deeds.declined == 1)
            call["dispatches"][0] |= {"state": "offered", "offers": 2}
            fake_api.tell("call.dispatched", call)
            await until(lambda: crew.deeds.declined == 2)
    declines = [body for _, step, body in fake_api.steps if step == "decline"]
    assert all(body["reason"] and body["station"] == "st-1" for body in declines)


async def test_a_second_press_on_the_way_is_seen(fake_api: FakeApi) -> None:
    slow = dataclasses.replace(
        WILLING, telephones=0.0, travel=(2000, 2000), sees_second_press=1.0, look=(1, 1)
    )
    async with Api(fake_api.url, "t") as api, running(crew_of(api, slow).run()):
        await until(lambda: fake_api.resumed)
        call = fake_api.open("c-1", "st-1")
        await until(lambda: call["state"] == "en_route")
        seen = steps_of(fake_api, "c-1").count("seen")
        call["presses"] = 2
        fake_api.tell("call.joined", call)
        await until(lambda: steps_of(fake_api, "c-1").count("seen") == seen + 1)


async def test_the_helpers_key_proves_the_arrival(fake_api: FakeApi) -> None:
    pressed: list[str] = []

    def press(device: str) -> bool:
        pressed.append(device)
        fake_api.calls["c-1"]["state"] = "on_scene"
        fake_api.tell("call.on_scene", fake_api.calls["c-1"])
        return True

    proving = dataclasses.replace(WILLING, telephones=0.0, helper_key=1.0)
    async with Api(fake_api.url, "t") as api, running(crew_of(api, proving, press_helper_key=press).run()):
        await until(lambda: fake_api.resumed)
        fake_api.open("c-1", "st-1")
        await until(lambda: fake_api.closings, 12)
    assert pressed == ["btn-00001"]
    assert "on-scene" not in steps_of(fake_api, "c-1")


async def test_open_before_we_came_and_abandoned_is_ended_by_the_desk(
    fake_api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulators.staff._SWEEP_SECONDS", 10.0)
    monkeypatch.setattr("simulators.staff._STEPS_SECONDS", 0.0)
    for number in range(5):  # more than one page
        fake_api.open(f"c-{number}", "st-1")
    fake_api.open("c-held", state="en_route", accepted={"by": "a visitor", "station": "st-9"})
    fake_api.open("c-test", test=True, state="closed")
    left = dataclasses.replace(WILLING, forgets=1.0, abandoned=100.0)
    async with Api(fake_api.url, "t") as api:
        crew = crew_of(api, left)
        async with running(crew.run()):
            await until(lambda: (crew.deeds.tidied, crew.open_calls) == (6, 0), 15)
            assert len(fake_api.closings) == 6
    assert {c["evidence"] for c in fake_api.closings} == {"relative_confirmed"}


async def test_a_busy_server_is_asked_again_with_the_same_key(
    fake_api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apis, "_PAUSES_SECONDS", (0.01,))
    fake_api.open("c-1", "st-1")
    async with Api(fake_api.url, "t") as api:
        fake_api.away = 2
        call = await api.step("c-1", "accept", station="st-1")
        assert call["state"] == "accepted"
        assert steps_of(fake_api, "c-1") == ["accept"]
        with pytest.raises(Conflict):
            await api.step("c-1", "accept", station="st-2")
        with pytest.raises(Refused, match="404"):
            await api.duty("s-unknown", on=True)
        fake_api.away = 9
        with pytest.raises(Away):
            await api.step("c-1", "note", text="x")


async def test_the_stream_resumes_after_a_restart(fake_api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apis, "_PAUSES_SECONDS", (0.05,))
    seen: list[str] = []

    async def read(api: Api) -> None:
        async for event in api.events():
            seen.append(event.data.get("call", event.fact))  # noqa: PERF401 - it never ends

    async with Api(fake_api.url, "t") as api, running(read(api)):
        await until(lambda: seen == [STARTED])
        fake_api.open("c-1")
        await until(lambda: "c-1" in seen)
        await fake_api.stop()
        fake_api.open("c-2")
        await asyncio.sleep(0.2)
        await fake_api.start()
        fake_api.open("c-3")
        await until(lambda: len(seen) == 4)
    assert seen == [STARTED, "c-1", "c-2", "c-3"]
    assert fake_api.resumed == [None, "1"]


async def test_a_server_that_goes_away_ends_nothing(
    fake_api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apis, "_PAUSES_SECONDS", (0.05,))
    async with Api(fake_api.url, "t", timeout_seconds=2) as api:
        crew = crew_of(api)
        async with running(crew.run()):
            await until(lambda: fake_api.resumed)
            await fake_api.stop()
            await asyncio.sleep(0.3)
            await fake_api.start()
            fake_api.open("c-1", "st-1")
            await until(lambda: fake_api.closings, 12)
