"""The fleet of native buttons, on a real broker with a small giver of receipts on the other side."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import Callable
from typing import Any

import aiomqtt
import pytest
from sim_tools import Mosquitto, running, until

from simulators import buttons
from simulators.buttons import Fleet
from simulators.presses import Memory, Said

Body = dict[str, Any]


class Centre:
    """Gives receipts, as told; remembers what it heard."""

    def __init__(self, port: int, answer: Callable[[str, Body, int], Body | None]) -> None:
        self.heard: list[tuple[str, Body]] = []
        self.ready = asyncio.Event()
        self._port, self._answer = port, answer
        self._client: aiomqtt.Client | None = None

    async def run(self) -> None:
        async with aiomqtt.Client("127.0.0.1", self._port, identifier="centre") as client:
            self._client = client
            await client.subscribe("yijian/v1/+/up", qos=1)
            self.ready.set()
            async for message in client.messages:
                device = message.topic.value.split("/")[2]
                body = json.loads(message.payload)
                self.heard.append((device, body))
                times = sum(d == device and b["id"] == body["id"] for d, b in self.heard)
                if (receipt := self._answer(device, body, times)) is not None:
                    await self.tell(device, {"type": "receipt", "id": body["id"], **receipt})

    async def tell(self, device: str, body: Body) -> None:
        assert self._client is not None
        await self._client.publish(f"yijian/v1/{device}/down", json.dumps(body), qos=1)

    def of(self, id_: str) -> list[Body]:
        return [body for _, body in self.heard if body["id"] == id_]


def fleet_of(mosquitto: Mosquitto, count: int = 3, **options: Any) -> Fleet:
    names = [f"btn-{number}" for number in range(count)]
    settings = {"carriers": 2, "heartbeat_seconds": 0} | options
    return Fleet(names, host="127.0.0.1", port=mosquitto.port, chance=random.Random(1), boot="b7", **settings)


def stored(_device: str, body: Body, _times: int) -> Body:
    return {"result": "stored", "call": f"c-{body['id']}", "at": "2026-11-24T01:15:02Z"}


async def test_a_press_is_receipted_and_its_call_followed(mosquitto: Mosquitto) -> None:
    centre = Centre(mosquitto.port, stored)
    news: list[str] = []
    fleet = fleet_of(
        mosquitto, on_state=lambda said, message: news.append(f"{said.device} {message['state']}")
    )
    async with running(centre.run(), fleet.run()):
        await centre.ready.wait()
        await fleet.connected()
        said = fleet.press("btn-1", "service")
        async with asyncio.timeout(5):
            await said.receipted()
        assert said.call == "c-b7-1"
        assert said.receipt is not None
        assert said.receipt["result"] == "stored"
        await centre.tell("btn-1", {"type": "state", "call": "c-b7-1", "state": "accepted", "text": "已受理"})
        await centre.tell("btn-2", {"type": "state", "call": "c-b7-1", "state": "accepted"})
        await until(lambda: said.states == ["accepted"])
    (body,) = centre.of("b7-1")
    assert body["type"] == "press"
    assert body["key"] == "service"
    assert body["age"] < 1
    assert 0 <= body["battery"] <= 100
    assert fleet.pending == 0
    assert news == ["btn-1 accepted"]


async def test_repeats_have_the_same_id_and_a_growing_age(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buttons, "_REPEAT_FIRST_SECONDS", 0.1)

    def late(device: str, body: Body, times: int) -> Body | None:
        return None if times < 3 else {"result": "busy"} if times == 3 else stored(device, body, times)

    centre = Centre(mosquitto.port, late)
    fleet = fleet_of(mosquitto)
    async with running(centre.run(), fleet.run()):
        await centre.ready.wait()
        said = fleet.press("btn-0")
        async with asyncio.timeout(8):
            await said.receipted()
        await asyncio.sleep(0.5)
    tries = centre.of(said.id)
    assert len(tries) == said.tries == 4
    ages = [body["age"] for body in tries]
    assert ages == sorted(ages)
    gaps = [later - earlier for earlier, later in itertools.pairwise(ages)]
    assert gaps[0] < gaps[1] < gaps[2]
    assert fleet.tally.repeated == 3


async def test_a_rejected_press_is_not_repeated(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buttons, "_REPEAT_FIRST_SECONDS", 0.3)
    centre = Centre(mosquitto.port, lambda _d, _b, _t: {"result": "rejected", "why": "type"})
    fleet = fleet_of(mosquitto)
    async with running(centre.run(), fleet.run()):
        await centre.ready.wait()
        said = fleet.say("btn-0", "wave")
        await until(lambda: said.settled)
        await asyncio.sleep(1.0)
    assert len(centre.of(said.id)) == 1


async def test_a_press_survives_a_broker_that_goes_away(mosquitto: Mosquitto) -> None:
    fleet = fleet_of(mosquitto)
    async with running(fleet.run()):
        await fleet.connected()
        await mosquitto.stop()
        await asyncio.sleep(0.1)
        said = fleet.press("btn-0")
        await asyncio.sleep(0.3)
        await mosquitto.start()
        centre = Centre(mosquitto.port, stored)
        async with running(centre.run()), asyncio.timeout(15):
            await said.receipted()
    assert said.tries >= 1


async def test_heartbeats_are_spread_and_said_once(mosquitto: Mosquitto) -> None:
    centre = Centre(mosquitto.port, lambda *_: None)
    fleet = fleet_of(mosquitto, 40, heartbeat_seconds=1.0)
    async with running(centre.run(), fleet.run()):
        await centre.ready.wait()
        await asyncio.sleep(2.2)
    beats = [body for _, body in centre.heard if body["type"] == "heartbeat"]
    assert 50 < len(beats) < 120
    assert len({body["id"] for body in beats}) == len(beats)
    assert fleet.tally.repeated == 0


async def test_batteries(mosquitto: Mosquitto) -> None:
    fleet = fleet_of(mosquitto)
    low = fleet.drain_battery("btn-0")
    assert low.type == "battery_low"
    assert low.fields["battery"] < 20
    assert fleet.battery("btn-0") < 20
    fleet.replace_battery("btn-0")
    assert fleet.battery("btn-0") >= 99
    with pytest.raises(KeyError):
        fleet.press("nobody")


async def test_what_waits_is_bounded_and_presses_are_never_shed(mosquitto: Mosquitto) -> None:
    fleet = fleet_of(mosquitto, pending_max=5)
    for _ in range(5):
        fleet.say("btn-0", "tamper")
    fleet.say("btn-0", "tamper")
    assert fleet.pending == 5
    assert fleet.tally.shed == 1
    fleet.press("btn-0")
    assert fleet.pending == 6


async def test_memory_forgets_the_oldest_receipts_only() -> None:
    memory = Memory(remembered_max=3)
    for number in range(10):
        memory.add(Said("btn-0", str(number), "press", "emergency", 0.0))
    assert memory.pending == 10
    for number in range(9):
        memory.receipt("btn-0", {"id": str(number), "result": "stored", "call": f"c-{number}"}, 1.0)
    assert memory.pending == 1
    assert len(memory) == 4
    # A progress message that comes before the receipt with the call: the newest press is meant.
    said = memory.progress("btn-0", "c-new", "received")
    assert said is not None
    assert said.id == "9"
    assert memory.progress("btn-0", "c-0", "closed") is None
