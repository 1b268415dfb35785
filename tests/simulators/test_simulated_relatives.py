"""Relatives who read and answer, against a small stand-in for the API and the real sink."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from typing import Any

from fake_api import FakeApi
from sim_tools import running, until

from simulators.api import Api
from simulators.messages import Channel, Message, State
from simulators.relatives import KIN_DEMO, KinTemper, Relatives
from simulators.sink import Sink

PHONE, APP = "+99913800000001", "wh-1"
DISTRICT: dict[str, Any] = {
    "residents": [
        {
            "id": "r-1",
            "name": "李秀英",
            "contacts": [
                {"name": "王丽", "relation": "daughter", "phone": PHONE, "webhook": APP},
                {"name": "王强", "relation": "son", "phone": "+99913800000002"},
            ],
        }
    ],
    "staff": [{"id": "s-1", "name": "张三", "phone": "+99913800000009"}],
    "webhooks": [{"id": APP, "url": "http://x", "secret": "whsec_MTIz"}],
}
DUTIFUL = dataclasses.replace(
    KIN_DEMO, never_reads=0.0, rings=1.0, answered=1.0, cancels=0.0, answers_family=1.0
)


class Family:
    """The relatives, and a sink where messages can be put by hand."""

    def __init__(self, api: Api, temper: KinTemper = DUTIFUL, *, seed: int = 1, speed: float = 400.0) -> None:
        self.sink = Sink()
        self.sink.know(DISTRICT)
        self.relatives = Relatives(
            api,
            self.sink,
            operator=lambda: ("st-desk", "s-desk-1"),
            chance=random.Random(seed),
            seed=seed,
            temper=temper,
            speed=speed,
        )
        self.sink.on_message = self.relatives.hear
        self._number = 0

    def text(self, to: str = PHONE, **fields: Any) -> None:
        self._number += 1
        channel = Channel.WEBHOOK if to == APP else Channel.SMS
        self.sink._take(Message(channel, to, f"a-{self._number}", **fields))

    def states(self) -> list[State]:
        return [one.state for one in self.sink.messages]


def opened(fake: FakeApi, id_: str, **fields: Any) -> dict[str, Any]:
    about = {"resident": {"id": "r-1"}, "opened_at": id_, **fields}
    return fake.open(id_, "st-1", **about)


def asked(*targets: str) -> list[dict[str, Any]]:
    return [{"person": target, "state": "offered", "offers": 1} for target in targets]


def steps_of(fake: FakeApi, call: str) -> list[tuple[str, dict[str, Any]]]:
    return [(step, body) for id_, step, body in fake.steps if id_ == call]


async def test_an_emergency_that_nobody_took_is_rung_about_and_noted_by_the_desk(fake_api: FakeApi) -> None:
    async with Api(fake_api.url, "t", persons={"s-desk-1": "desk"}) as api:
        family = Family(api)
        async with running(family.relatives.run()):
            await asyncio.sleep(0)
            opened(fake_api, "c-1")
            family.text(text="李秀英按下紧急呼叫")
            await until(lambda: family.relatives.deeds.noted)
    [(step, body)] = steps_of(fake_api, "c-1")
    assert step == "note"
    assert body["text"].startswith("女儿来电：已与老人通话")
    assert "王丽" not in body["text"]
    assert fake_api.bearers == [("c-1", "note", "Bearer desk")]
    assert fake_api.calls["c-1"]["state"] == "received"  # an emergency is not closed on her word
    assert family.states() == [State.TOLD]


async def test_who_does_not_answer_at_home_is_said_so(fake_api: FakeApi) -> None:
    async with Api(fake_api.url, "t") as api:
        family = Family(api, dataclasses.replace(DUTIFUL, answered=0.0))
        async with running(family.relatives.run()):
            await asyncio.sleep(0)
            opened(fake_api, "c-1")
            family.text(text="x")
            await until(lambda: family.relatives.deeds.noted)
    assert "无人接听" in steps_of(fake_api, "c-1")[0][1]["text"]


async def test_some_ask_to_call_it_off_and_it_stays_open(fake_api: FakeApi) -> None:
    async with Api(fake_api.url, "t") as api:
        family = Family(api, dataclasses.replace(DUTIFUL, cancels=1.0))
        async with running(family.relatives.run()):
            await asyncio.sleep(0)
            opened(fake_api, "c-1")
            family.text(text="x")
            await until(lambda: family.relatives.deeds.cancelled and steps_of(fake_api, "c-1"))
    assert [step for step, _ in steps_of(fake_api, "c-1")] == ["note"]
    assert "要求取消" in steps_of(fake_api, "c-1")[0][1]["text"]


async def test_the_yellow_key_is_answered_by_ringing_her(fake_api: FakeApi) -> None:
    async with Api(fake_api.url, "t") as api:
        family = Family(api)
        async with running(family.relatives.run()):
            await asyncio.sleep(0)
            opened(fake_api, "c-0")  # another call of hers, that the family is not asked about
            opened(fake_api, "c-1", key="family", dispatches=asked("r-1/0"))
            opened(fake_api, "c-2")
            family.text(text="老人想和您说话")
            await until(lambda: fake_api.closings)
    assert [step for step, _ in steps_of(fake_api, "c-1")] == ["note", "accept", "close"]
    [closing] = fake_api.closings
    assert closing["outcome"] == "service_done"
    assert closing["evidence"] == "relative_confirmed"
    assert steps_of(fake_api, "c-1")[1][1]["station"] == "st-desk"


async def test_who_is_not_asked_by_the_yellow_key_leaves_it_to_those_who_are(fake_api: FakeApi) -> None:
    async with Api(fake_api.url, "t") as api:
        family = Family(api)
        async with running(family.relatives.run()):
            await asyncio.sleep(0)
            opened(fake_api, "c-1", key="family", dispatches=asked("r-1/1"))
            family.text(text="x")
            await until(lambda: family.relatives.deeds.read)
            await asyncio.sleep(0.1)
    assert steps_of(fake_api, "c-1") == []
    assert family.states() == [State.READ]


async def test_a_family_call_that_a_station_took_meanwhile_is_closed_by_who_holds_it(
    fake_api: FakeApi,
) -> None:
    async with Api(fake_api.url, "t", persons={"s-1": "of s-1"}) as api:
        family = Family(api, dataclasses.replace(DUTIFUL, talk=(80, 80)))
        async with running(family.relatives.run()):
            await asyncio.sleep(0)
            call = opened(fake_api, "c-1", key="family", dispatches=asked("r-1/0"))
            family.text(text="x")
            await until(lambda: family.relatives.deeds.rang)
            call |= {"state": "accepted", "accepted": {"by": "s-1", "station": "st-1"}}
            await until(lambda: fake_api.closings)
    assert fake_api.bearers[-1] == ("c-1", "close", "Bearer of s-1")
    assert [step for step, _ in steps_of(fake_api, "c-1")] == ["note", "close"]


async def test_the_app_names_the_call_and_nobody_telephones_twice_for_one(fake_api: FakeApi) -> None:
    async with Api(fake_api.url, "t") as api:
        family = Family(api)
        async with running(family.relatives.run()):
            await asyncio.sleep(0)
            opened(fake_api, "c-1")
            opened(fake_api, "c-2")
            family.text(APP, fact="call.opened", call="c-1")
            await until(lambda: family.relatives.deeds.noted)
            family.text(APP, fact="call.escalated", call="c-1")
            await until(lambda: family.relatives.deeds.read == 2)
            await asyncio.sleep(0.1)
    assert len(steps_of(fake_api, "c-1")) == 1
    assert steps_of(fake_api, "c-2") == []


async def test_some_never_read_and_staff_are_no_relatives(fake_api: FakeApi) -> None:
    async with Api(fake_api.url, "t") as api:
        family = Family(api, dataclasses.replace(DUTIFUL, never_reads=1.0))
        async with running(family.relatives.run()):
            await asyncio.sleep(0)
            opened(fake_api, "c-1")
            family.text(text="x")
            family.text("+99913800000009", text="请受理")
            family.text("+99913800000777", text="谁？")
            await asyncio.sleep(0.3)
    assert family.states() == [State.ARRIVED] * 3
    assert fake_api.steps == []


async def test_a_call_that_is_gone_or_closed_ends_it_calmly(fake_api: FakeApi) -> None:
    async with Api(fake_api.url, "t") as api:
        family = Family(api)
        async with running(family.relatives.run()):
            await asyncio.sleep(0)
            opened(fake_api, "c-1", state="closed")
            family.text(APP, call="c-1")
            family.text(APP, call="c-nowhere")
            family.text(text="已办结")
            await until(lambda: family.relatives.deeds.read == 3)
            await asyncio.sleep(0.05)
    assert fake_api.steps == []


async def test_too_much_at_once_lies_unread(fake_api: FakeApi) -> None:
    async with Api(fake_api.url, "t") as api:
        family = Family(api, dataclasses.replace(DUTIFUL, read=(1e6, 1e6)))
        async with running(family.relatives.run()):
            await asyncio.sleep(0)
            for _ in range(300):
                family.text(text="x")
            await asyncio.sleep(0)
            assert len(family.relatives._tasks) == 200


def test_before_they_are_there_nothing_happens() -> None:
    family = Family(Api("http://x", ""))
    family.text(text="x")
    assert family.states() == [State.ARRIVED]
