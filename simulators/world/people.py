"""Who lives in the world: wearers, lamps that only beat, staff, consoles that vanish, mischief, a clerk."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import Awaitable, Callable, Collection
from typing import Any

import aiomqtt

from config.doors import Clock, from_us
from simulators.api import ApiError
from simulators.buttons import Fleet
from simulators.temper import Temper
from simulators.world.broker import Broker
from simulators.world.client import WireClient
from simulators.world.hearing import Wires
from simulators.world.place import CODE, GHOST, HUB, LAMPS, NATIVE, RADIO, STRANGER, district
from simulators.world.weather import Weather
from simulators.world.wires import Cable, WireApi

_KEYS = ("emergency",) * 5 + ("service", "service", "family")
_STATIONS = ("st-01", "st-02", "st-03", "cen-1", "far-1")


class WireFleet(Fleet):
    """The town's native buttons on the broker in memory."""

    def __init__(
        self, broker: Broker, chance: random.Random, clock: Clock, sloppy: Collection[str] = ()
    ) -> None:
        self._sloppy = sloppy
        super().__init__(
            (*NATIVE, STRANGER),
            host="",
            port=0,
            chance=chance,
            boot="w",
            carriers=3,
            heartbeat_seconds=40.0,
            clock=clock,
        )
        self._broker = broker

    def client(self, name: str) -> aiomqtt.Client:
        """A connection to the broker, not yet open."""
        devices = next(one.devices for one in self._carriers if one.name == name)
        client: Any = WireClient(self._broker, name, devices, self._sloppy)
        made: aiomqtt.Client = client
        return made


class Lamps:
    """Devices with a connection of their own each: who is there and who is gone is known by their status and last wills."""

    def __init__(self, broker: Broker, chance: random.Random) -> None:
        self._broker, self._chance = broker, chance
        self.dead: dict[str, float] = {}  #: for good, and since when

    async def live(self) -> None:
        """Beat, for ever."""
        async with asyncio.TaskGroup() as group:
            for lamp in LAMPS:
                group.create_task(self._one(lamp), name=lamp)

    async def _one(self, lamp: str) -> None:
        beats = itertools.count(1)
        while lamp not in self.dead:
            try:
                async with WireClient(self._broker, lamp, (lamp,)) as client:
                    while True:
                        await client.stay(self._chance.uniform(20, 40))
                        beat = f'{{"id":"w-{next(beats)}","type":"heartbeat"}}'.encode()
                        await client.publish(f"yijian/v1/{lamp}/up", beat, 1)
            except (aiomqtt.MqttError, OSError):
                await asyncio.sleep(self._chance.uniform(0.3, 5))

    def power_cut(self) -> None:
        """Most of the community is dark for a while; one of them may never come back."""
        lamps = self._chance.sample(LAMPS, self._chance.randrange(1, len(LAMPS) + 1))
        self._broker.dark(lamps, self._chance.uniform(5, 90))
        if self._chance.random() < 0.3:
            self.dead.setdefault(lamps[0], asyncio.get_running_loop().time())


def temper(chance: random.Random) -> Temper:
    """Tonight's people: quick enough for the short deadlines, and some nights hardly anybody answers."""
    bad = chance.random() < 0.5
    return Temper(
        look=(0.5, 6),
        accept=(1, 14),
        decline=(1, 14),
        desk=(4, 20),
        telephone=(1, 6),
        talk=(2, 15),
        set_out=(1, 25),
        travel_share=0.1,
        travel=(5, 60),
        on_site=(4, 40),
        abandoned=100,
        declines=chance.uniform(0, 0.4) if bad else 0.08,
        forgets=chance.uniform(0, 0.8) if bad else 0.1,
        never_sets_out=chance.uniform(0, 0.5) if bad else 0.03,
        gives_back=chance.uniform(0, 0.3) if bad else 0.02,
        sees_second_press=chance.uniform(0.2, 0.9),
        helper_key=0.3,
        absent=0.2 if bad else 0.05,
    )


class Wearers:
    """Six people with eight buttons, and one that nobody knows."""

    def __init__(
        self, fleet: WireFleet, cable: Cable, api: WireApi, wires: Wires, chance: random.Random, clock: Clock
    ) -> None:
        self._fleet, self._cable, self._api, self._wires = fleet, cable, api, wires
        self._chance, self._clock = chance, clock
        self._count = 0

    async def live(self, every_seconds: float) -> None:
        """Press, for ever."""
        while True:
            await asyncio.sleep(self._chance.expovariate(1 / every_seconds))
            device = self._chance.choice((*NATIVE, *NATIVE, *RADIO, STRANGER))
            self.say(device, *self._what())
            while self._chance.random() < 0.3:  # once more: of fear, or because nobody came
                await asyncio.sleep(self._chance.uniform(0.05, 20))
                self.say(device, "press", self._chance.choice(_KEYS))

    def _what(self) -> tuple[str, str]:
        draw = self._chance.random()
        if draw < 0.66:
            return "press", self._chance.choice(_KEYS)
        return self._chance.choice(
            (
                ("fall", ""),
                ("fall", ""),
                ("hazard", ""),
                ("cancel", ""),
                ("cancel", "emergency"),
                ("helper_arrived", ""),
                ("test", ""),
                ("battery_low", ""),
                ("tamper", ""),
            )
        )

    def say(self, device: str, kind: str, key: str = "") -> None:
        """Somebody's button says something."""
        if device in RADIO:
            event = self._cable.say(device, kind, key)
            self._wires.hub_said[event.seq] = kind
            return
        if self._chance.random() < 0.1:
            self._count += 1
            self._wires.said[f"native/{device}", f"http-{self._count}"] = kind
            asyncio.get_running_loop().create_task(
                self._by_http(device, f"http-{self._count}", kind, key), name="wearer:http"
            )
            return
        fields: dict[str, Any] = {}
        if self._chance.random() < 0.1:
            # A clock of 1970, of next century, or none at all.
            fields["at"] = self._chance.choice(("1970-01-01T00:00:00Z", "2099-01-01T00:00:00Z", "when?"))
            fields["age"] = self._chance.choice((-5.0, 1e12, 3.0))
        said = self._fleet.say(device, kind, key, **fields)
        self._wires.said[f"native/{device}", said.id] = kind

    async def _by_http(self, device: str, ref: str, kind: str, key: str) -> None:
        fields = {"key": key} if key else {}
        while True:
            try:
                await self._api.signal(device, ref, kind, **fields)
            except ApiError:
                await asyncio.sleep(self._chance.uniform(1, 5))
            else:
                return

    def pending(self) -> list[str]:
        """What has no receipt."""
        at_hub = [f"{HUB} {event.seq}" for event in self._cable.line._queue.values()]  # noqa: SLF001
        return [f"{said.device} {said.id} {said.type}" for said in self._fleet.memory.unreceipted()] + at_hub

    def press_helper_key(self, device: str) -> bool:
        """The helper at the door presses the resident's button."""
        if device not in NATIVE:
            return False
        self.say(device, "helper_arrived")
        return True


class Mischief:
    """Steps that do not fit, come twice, or race; consoles that take a call and are never heard of again."""

    def __init__(self, api: WireApi, chance: random.Random, weather: Weather) -> None:
        self._api, self._chance, self._weather = api, chance, weather

    async def live(self) -> None:
        """For ever."""
        group: set[asyncio.Task[None]] = set()
        while True:
            if not self._weather.mischief_a_minute:
                return
            await asyncio.sleep(self._chance.expovariate(self._weather.mischief_a_minute / 60))
            task = asyncio.get_running_loop().create_task(self._once(), name="mischief")
            group.add(task)
            task.add_done_callback(group.discard)

    async def _once(self) -> None:
        chance, api = self._chance, self._api
        try:
            who = f"s-{chance.choice(_STATIONS)}-{chance.choice('12')}"
            seen = await api._ask("GET", "/calls", params={"state": "open", "limit": 50}, headers=_as(who))  # noqa: SLF001
            calls = [call async for call in api.items("/calls", state="open")] or seen[1]["items"]
            if not calls:
                return
            call = chance.choice(calls)
            await chance.choice((self._race, self._twice, self._wrong, self._wander, self._hear))(call)
        except ApiError:
            return

    async def _try(self, call: str, step: str, by: str = "", **fields: Any) -> None:
        try:
            await self._api.step(call, step, by=by, **fields)
        except ApiError:
            return

    async def _race(self, call: dict[str, Any]) -> None:
        """Two stations take it at the same moment, and perhaps nobody does anything after."""
        pair = self._chance.sample((*_STATIONS, "desk"), 2)
        await _all(*(self._try(call["id"], "accept", f"s-{one}-1", station=one) for one in pair))

    async def _twice(self, call: dict[str, Any]) -> None:
        station = self._chance.choice(_STATIONS)
        step = self._chance.choice(("accept", "decline", "seen", "release"))
        fields = {"station": station} if step in {"accept", "decline", "seen"} else {}
        for _ in range(2):
            await self._try(call["id"], step, f"s-{station}-1", **fields)

    async def _wrong(self, call: dict[str, Any]) -> None:
        """Whatever comes to mind."""
        holder = (call["accepted"] or {}).get("station") or self._chance.choice((*_STATIONS, "desk"))
        step, fields = self._chance.choice(
            (
                ("en-route", {}),
                ("on-scene", {"proof": "manual"}),
                ("release", {"reason": "x"}),
                ("spoke", {"result": self._chance.choice(("answered", "no_answer"))}),
                ("close", {"outcome": "helped"}),
                ("close", {"outcome": "helped", "evidence": "on_site"}),
                ("close", {"outcome": "no_contact", "evidence": "spoke_to_resident"}),
                ("note", {"text": "门口有狗"}),
            )
        )
        by = f"s-{holder}-1" if holder in (*_STATIONS, "desk") else ""
        await self._try(call["id"], step, by, **fields)
        if step == "close" and self._chance.random() < 0.6:
            await asyncio.sleep(self._chance.uniform(0, 20))
            await self._try(call["id"], "reopen", "", reason="还没结束")

    async def _wander(self, call: dict[str, Any]) -> None:
        await self._try(call["id"], "transfer", "", station=self._chance.choice((*_STATIONS, "desk")))

    async def _hear(self, call: dict[str, Any]) -> None:
        """The holder sets out late, perhaps after it lapsed."""
        station = self._chance.choice(_STATIONS)
        await self._try(call["id"], "accept", f"s-{station}-2", station=station)
        await asyncio.sleep(self._chance.uniform(0, 40))
        await self._try(call["id"], "en-route", f"s-{station}-2")


class Ghosts:
    """Consoles that take what they see and are never heard of again: a flat battery, a torn line, somebody gone home."""

    def __init__(self, api: WireApi, chance: random.Random, weather: Weather) -> None:
        self._api, self._chance, self._weather = api, chance, weather

    async def live(self) -> None:
        """For ever."""
        while self._weather.console_deaths_a_minute:
            await asyncio.sleep(self._chance.expovariate(self._weather.console_deaths_a_minute / 60))
            try:
                await self._once()
            except ApiError:
                continue

    async def _once(self) -> None:
        station = self._chance.choice(_STATIONS)
        who = f"s-{station}-{GHOST}"
        seen = await self._api._ask("GET", "/calls", params={"state": "open"}, headers=_as(who))  # noqa: SLF001
        for call in seen[1]["items"][: self._chance.randrange(1, 4)]:
            if call["state"] == "received":
                with contextlib.suppress(ApiError):
                    await self._api.step(call["id"], "accept", by=who, station=station)


class Clerk:
    """The register is changed while calls are open."""

    def __init__(
        self, api: WireApi, wires: Wires, chance: random.Random, weather: Weather, clock: Clock
    ) -> None:
        self._api, self._wires, self._chance, self._weather, self._clock = api, wires, chance, weather, clock
        self._file = district()

    def _item(self, section: str, item_id: str) -> dict[str, Any]:
        return next(dict(item) for item in self._file[section] if item["id"] == item_id)

    async def live(self) -> None:
        """For ever."""
        while self._weather.register_changes_a_minute:
            await asyncio.sleep(self._chance.expovariate(self._weather.register_changes_a_minute / 60))
            try:
                await self._change()
            except ApiError:
                continue

    async def _change(self) -> None:
        chance = self._chance
        match chance.randrange(6):
            case 0:
                station = self._item("stations", chance.choice(_STATIONS))
                until = from_us(self._clock.now_us() + chance.randrange(5, 90) * 1_000_000).isoformat()
                await self._put("stations", {**station, "closed": {"until": until, "reason": "停电"}})
            case 1:
                device = self._item("devices", chance.choice(NATIVE))
                await self._put(
                    "devices", {**device, "resident": chance.choice(("r-01", "r-02", "r-04", "r-06"))}
                )
            case 2:
                await self._api.post("/residents/r-06/erase")
                await self._put("residents", self._item("residents", "r-06"))
            case 3:
                device_id = chance.choice(NATIVE)
                await self._api._ask("DELETE", f"/devices/{device_id}", headers={})  # noqa: SLF001
                await asyncio.sleep(chance.uniform(0.5, 8))
                await self._put("devices", self._item("devices", device_id))
            case 4:
                await self._put(
                    "stations",
                    {**self._item("stations", chance.choice(_STATIONS)), "capacity": chance.randrange(1, 4)},
                )
            case _:
                device_id = chance.choice(NATIVE)
                self._wires.armed[device_id] += 1
                await self._api.post(f"/devices/{device_id}/test", {"for": chance.choice((20, 600))})

    async def _put(self, section: str, item: dict[str, Any]) -> None:
        while True:
            try:
                await self._api._ask("PUT", f"/{section}/{item['id']}", json=item, headers={})  # noqa: SLF001
            except ApiError as error:
                if "40" in str(error)[:3]:
                    return
                await asyncio.sleep(1.0)
            else:
                return


def _as(person: str) -> dict[str, str]:
    return {"Authorization": f"Bearer token-{person}"}


async def _all(*works: Awaitable[None]) -> None:
    await asyncio.gather(*works)


PEOPLE = {person["id"]: f"token-{person['id']}" for person in district()["staff"]}
Step = Callable[[dict[str, Any]], Awaitable[None]]
__all__ = ["CODE", "PEOPLE", "Clerk", "Ghosts", "Lamps", "Mischief", "Wearers", "WireFleet", "temper"]
