"""Supervision over a real broker: last wills, silence, many at once, our own broker's restart. A press passes by all of it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from outside.harness import Button, Desk, Events, Server, eventually
from outside.mqtt import Mqtt
from outside.places import Village, close_all, district, station, village

PEOPLE = 14


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Village]]:
    """A server of its own: fourteen buttons with last wills, and one that beats every second."""
    place = village(people=PEOPLE, near=station(600))
    document = district(**{key: place.document[key] for key in ("areas", "residents", "devices")})
    document["stations"] += place.document["stations"]
    document["devices"].append({"id": "beats", "resident": place.resident, "heartbeat": 1})
    running = Server(tmp_path_factory.mktemp("watched"), district=document)
    try:
        running.start()
        yield running, place
    finally:
        running.end()


@pytest.fixture
async def desk(watched: tuple[Server, Village]) -> AsyncIterator[Desk]:
    """An operator there."""
    async with Desk(watched[0]) as desk:
        yield desk
        await close_all(desk, await desk.all("/calls", state="open"))


async def fault_of(events: Events, name: str, fault: str, device: str | None, within: float = 15.0) -> Any:
    """The next such fact."""
    event = await events.until(
        lambda event: event.name == name and event.data["fault"] == fault and event.data["device"] == device,
        f"{name} {fault} of {device}",
        within=within,
    )
    return event.data


class Wearers:
    """Buttons that say `online`, and have left a last will that says `offline`."""

    def __init__(self, server: Server, devices: list[str]) -> None:
        self._server = server
        self._devices = devices
        self._connections: list[Mqtt] = []

    async def connect(self) -> None:
        """All of them, one after the other, once the broker is there."""
        for device in self._devices:
            topic = f"yijian/v1/{device}/status"
            will = (topic, b'{"state":"offline"}', True)

            async def once(device: str = device, will: Any = will) -> Mqtt | None:
                try:
                    return await Mqtt.connect(self._server.mqtt_port, f"{device}-s", will=will, within=2)
                except (OSError, TimeoutError):
                    return None

            connection = await eventually(once, f"{device} to connect", within=20, every=0.2)
            await connection.publish_and_wait(topic, b'{"state":"online"}', retain=True)
            self._connections.append(connection)

    def vanish(self) -> None:
        """Without a word: the broker says their last will."""
        for connection in self._connections:
            connection.abort()
        self._connections.clear()


async def test_a_fault_has_an_owner_a_deadline_and_an_end(
    watched: tuple[Server, Village], desk: Desk
) -> None:
    server, place = watched
    events = await desk.events()
    button = await Button.on(server, place.device)
    # Whoever has the receipt has it on disk: it is in the list once the desk has come to it.
    assert (await button.say("battery_low", battery=9))["result"] == "stored"
    told = await fault_of(events, "device.fault", "battery", place.device)
    [fault] = await desk.all("/faults", device=place.device)
    assert fault["id"] == told["id"]
    assert (fault["station"], fault["area"], fault["resident"]) == (
        place.station("near"),
        place.community,
        place.resident,
    )
    assert fault["deadline"] is not None
    assert (fault["overdue"], fault["ended"]) == (False, None)
    await button.say("battery_ok")
    assert (await fault_of(events, "device.restored", "battery", place.device))["id"] == fault["id"]
    assert await desk.all("/faults", device=place.device) == []
    [over] = await desk.all("/faults", device=place.device, state="ended")
    assert over["ended"] is not None
    await button.close()


async def test_a_press_of_a_device_in_every_kind_of_fault_is_a_press(
    watched: tuple[Server, Village], desk: Desk
) -> None:
    server, place = watched
    events = await desk.events()
    button = await Button.on(server, place.device)
    for kind in ("battery_low", "mains_lost", "tamper"):
        await button.say(kind)
    for fault in ("battery", "mains", "tamper"):
        await fault_of(events, "device.fault", fault, place.device)
    receipt = await button.press()
    call = await desk.call(receipt["call"])
    assert [one["station"] for one in call["dispatches"]] == [place.station("near")]
    await button.say("battery_ok")
    await button.say("mains_restored")
    [opened] = await eventually(
        lambda: _only(desk, place.device), "the tampering alone to be left", within=5, every=0.1
    )
    ended = (await desk.post(f"/faults/{opened['id']}/end", {"note": "lid closed"})).ok(200)
    assert (ended["because"], ended["by"], ended["note"]) == ("by_hand", "admin", "lid closed")
    assert await fault_of(events, "device.restored", "tamper", place.device)
    await button.close()


async def _only(desk: Desk, device: str) -> list[Any] | None:
    found = await desk.all("/faults", device=device)
    return found if [one["fault"] for one in found] == ["tamper"] else None


async def test_three_missed_heartbeats_are_offline_and_the_next_one_ends_it(
    watched: tuple[Server, Village], desk: Desk
) -> None:
    server, place = watched
    events = await desk.events()
    button = await Button.on(server, "beats")
    await eventually(lambda: _beaten(button, desk), "it to be well", within=20, every=0.7)
    known = await desk.all("/faults", device="beats", state="all")
    for _ in range(12):
        await button.say("heartbeat")
        await asyncio.sleep(0.9)
    assert await desk.all("/faults", device="beats", state="all") == known
    await fault_of(events, "device.fault", "offline", "beats", within=20)
    await button.say("heartbeat")
    await fault_of(events, "device.restored", "offline", "beats")
    await button.close()
    (await desk.put("/devices/beats", {"resident": place.resident})).ok(200)  # it beats no more


async def _beaten(button: Button, desk: Desk) -> bool:
    await button.say("heartbeat")
    return not await desk.all("/faults", device="beats")


async def test_all_last_wills_at_once_are_one_fault(watched: tuple[Server, Village], desk: Desk) -> None:
    server, place = watched
    devices = [f"{place.name}-b{n}" for n in range(1, PEOPLE + 1)]
    events = await desk.events()
    wearers = Wearers(server, devices)
    await wearers.connect()
    wearers.vanish()
    told = await fault_of(events, "device.fault", "offline_many", None)
    assert sorted(told["devices"]) == sorted(devices)
    # One of them is pressed all the same.
    button = await Button.on(server, devices[3])
    assert (await button.press())["result"] == "stored"
    await button.close()
    await wearers.connect()
    await fault_of(events, "device.restored", "offline_many", None)
    facts = [
        event.name
        for event in events.seen
        if event.name.startswith("device.") and event.data["device"] != "beats"
    ]
    assert facts == ["device.fault", "device.restored"]
    wearers.vanish()
    await fault_of(events, "device.fault", "offline_many", None)
    await wearers.connect()
    await fault_of(events, "device.restored", "offline_many", None)


async def test_our_brokers_restart_is_at_most_one_fault_and_it_ends(
    watched: tuple[Server, Village], desk: Desk
) -> None:
    server, place = watched
    devices = [f"{place.name}-b{n}" for n in range(1, PEOPLE + 1)]
    events = await desk.events()
    wearers = Wearers(server, devices)
    await wearers.connect()
    await asyncio.sleep(1)
    (broker,) = server.brokers()
    os.kill(broker, signal.SIGTERM)
    await eventually(lambda: server.brokers() not in ([], [broker]), "a new broker", within=15)
    await asyncio.sleep(8)  # they come back slowly: whatever was to be told has been told
    await wearers.connect()
    await asyncio.sleep(8)
    faults = [event.data for event in events.seen if event.name == "device.fault"]
    told = [fault["fault"] for fault in faults if fault["device"] != "beats"]
    assert told in ([], ["offline_many"]), told
    assert [one for one in await desk.all("/faults") if one["device"] != "beats"] == []
    [covered] = await desk.all("/coverage")
    assert (covered["area"], covered["state"], covered["count"]) == (place.community, "covered", 1)
    wearers.vanish()
