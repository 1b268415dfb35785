"""Storms against a running system: thousands of devices at once, with red presses in between, and what became of those.

    reconnect   every device comes back within the time, says `online` and beats once
    power       one community says `mains_lost` and falls silent, comes back, goes again, comes back for good
    broker      every connection breaks in the same moment: the broker says every last will at once; then all come back
    overload    every device beats once a second

Presses are what is measured: each is repeated until it is receipted, as a button does, and looked for on the stream.
They are real calls of a real system and stay open. A process has only so many sockets: beyond that, several devices
share a connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import resource
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import aiohttp

from simulators.api import Api, ApiError
from simulators.light_mqtt import LightMqtt, Login

KINDS = ("reconnect", "power", "broker", "overload")
DEVICES_MAX = 100_000

_PREFIX = "yijian/v1/"
_ONLINE, _OFFLINE = b'{"state":"online"}', b'{"state":"offline"}'
#: Sockets left to everything else this process does.
_SPARE_SOCKETS = 500
#: So many connections are being made at a time; beyond, the broker's own backlog refuses them.
_CONNECTING_MAX = 200
_REPEAT_SECONDS = (2.0, 4.0, 8.0, 16.0, 30.0)
#: What a socket may hold of an overload before its devices skip a beat: the generator must not grow either.
_UNSENT_BYTES_MAX = 1 << 20
_TICK_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """What is to happen: `seconds` it lasts, and the red presses spread over it."""

    kind: str
    devices: int
    seconds: float
    presses: int = 50
    settle_seconds: float = 20.0
    seed: int = 1


@dataclass(slots=True)
class Press:
    """One press: when it went out, was receipted and seen on the stream (seconds of one clock; 0: never)."""

    id: str
    device: str
    sent: float
    receipted: float = 0.0
    streamed: float = 0.0
    calls: set[str] = field(default_factory=set)
    times: int = 1


@dataclass(slots=True)
class Figures:
    """What was measured. Memory in MB is that of the serving process, as it says itself (0: it does not)."""

    devices: int = 0
    connections: int = 0
    connected_seconds: float = 0.0
    heartbeats: int = 0
    skipped: int = 0  #: heartbeats that the generator could not even send
    busy: int = 0
    shed: int = 0
    refused: int = 0
    memory_before_mb: float = 0.0
    memory_max_mb: float = 0.0
    memory_after_mb: float = 0.0
    facts: Counter[str] = field(default_factory=Counter)
    areas: set[str] = field(default_factory=set)
    presses: list[Press] = field(default_factory=list)

    @property
    def lost(self) -> int:
        """Presses without a receipt, or that never came on the stream."""
        return sum(not press.receipted or not press.streamed for press in self.presses)

    @property
    def doubled(self) -> int:
        """Presses in more than one call."""
        return sum(len(press.calls) > 1 for press in self.presses)

    def ms(self, share: float, *, of: str = "streamed") -> float:
        """Milliseconds from the first sending until it was `streamed` or `receipted`, that this share stayed below."""
        took = sorted(
            (getattr(press, of) - press.sent) * 1000 for press in self.presses if getattr(press, of)
        )
        return took[min(len(took) - 1, int(len(took) * share))] if took else float("nan")


class Play:
    """One storm, under way."""

    def __init__(self, storm: Storm, login: Login, api: Api, http: str, token: str) -> None:
        self.storm = storm
        self.figures = Figures()
        self._login = login
        self._api = api
        self._http = http.rstrip("/")
        self._token = token
        self._chance = random.Random(f"{storm.seed}/storm")
        self._run = f"storm{int(time.time() * 1000):x}"
        self._numbers = itertools.count(1)
        self._carriers: list[list[str]] = []
        self._lines: dict[int, LightMqtt] = {}
        self._by_id: dict[str, Press] = {}
        self._calls_of: dict[str, set[str]] = defaultdict(set)
        self._connecting = asyncio.Semaphore(_CONNECTING_MAX)
        self._struck: list[int] = []
        self._struck_count = 0
        self._somebody = asyncio.Event()  #: is connected

    async def play(self) -> Figures:
        """The whole storm. Raises ApiError, OSError, ValueError where the register has too few devices."""
        devices = await self._devices()
        each = -(-len(devices) // max(1, self._sockets()))
        self._carriers = [devices[start : start + each] for start in range(0, len(devices), each)]
        self.figures.devices, self.figures.connections = len(devices), len(self._carriers)
        acts: Mapping[str, Callable[[], Awaitable[None]]] = {
            "reconnect": self._reconnect,
            "power": self._power,
            "broker": self._broker,
            "overload": self._overload,
        }
        self.figures.memory_before_mb = await self._memory()
        shed = await self._metric("yijian_shed_total")
        listening = asyncio.Event()
        watchers = [
            asyncio.create_task(self._listen(listening), name="storm:stream"),
            asyncio.create_task(self._weigh(), name="storm:memory"),
        ]
        try:
            async with asyncio.timeout(20):
                await listening.wait()
            await acts[self.storm.kind]()
            await self._settle()
        finally:
            for watcher in watchers:
                watcher.cancel()
            await asyncio.gather(*watchers, return_exceptions=True)
            for line in list(self._lines.values()):
                line.leave()
        self.figures.memory_after_mb = await self._memory()
        self.figures.shed = round(await self._metric("yijian_shed_total") - shed)
        return self.figures

    # ── who takes part ───────────────────────────────────────────────────────────────────────────────────────────

    async def _devices(self) -> list[str]:
        """Their addresses, those of one community together and first where it is the one that is struck."""
        areas = {one["id"]: one.get("area", "") async for one in self._api.items("/residents")}
        found: dict[str, list[str]] = defaultdict(list)
        async for one in self._api.items("/devices"):
            if one.get("family", "native") == "native" and one.get("resident"):
                found[areas.get(one["resident"], "")].append(one.get("address") or one["id"])
        if sum(map(len, found.values())) < self.storm.devices:
            raise ValueError(
                f"the register has {sum(map(len, found.values()))} native devices of residents, not {self.storm.devices}"
            )
        largest = max((area for area in found if area), key=lambda area: len(found[area]), default="")
        order = sorted(found, key=lambda area: (area != largest, area))
        self._struck_count = min(len(found[largest]), self.storm.devices)
        return [device for area in order for device in found[area]][: self.storm.devices]

    @staticmethod
    def _sockets() -> int:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        return max(1, soft - _SPARE_SOCKETS)

    # ── the four ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def _reconnect(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._come(range(len(self._carriers)), self.storm.seconds), name="storm:come")
            group.create_task(self._press_all(), name="storm:presses")

    async def _broker(self) -> None:
        await self._come(range(len(self._carriers)), self.storm.seconds / 2)
        self._vanish(range(len(self._carriers)))
        async with asyncio.TaskGroup() as group:
            group.create_task(
                self._come(range(len(self._carriers)), self.storm.seconds / 2), name="storm:come"
            )
            group.create_task(self._press_all(), name="storm:presses")

    async def _power(self) -> None:
        each = len(self._carriers[0])
        self._struck = list(range(-(-self._struck_count // each)))
        part = self.storm.seconds / 4
        await self._come(range(len(self._carriers)), part)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._press_all(), name="storm:presses")
            for lasts in (part, part / 2):
                # Those on the mains alone cannot say anything; the others say it before their router dies.
                for place in self._struck[::2]:
                    self._say(place, "mains_lost")
                await asyncio.sleep(min(1.0, lasts / 4))
                self._vanish(self._struck)
                await asyncio.sleep(lasts)
                await self._come(self._struck, lasts / 2)
                for place in self._struck[::2]:
                    self._say(place, "mains_restored")
                await asyncio.sleep(part / 4)

    async def _overload(self) -> None:
        """Few sockets, as through gateways: what is measured is not the broker's handshake."""
        every = self._carriers
        flat = [device for carrier in every for device in carrier]
        each = max(1, -(-len(flat) // 40))
        self._carriers = [flat[start : start + each] for start in range(0, len(flat), each)]
        self.figures.connections = len(self._carriers)
        await self._come(range(len(self._carriers)), min(5.0, self.storm.seconds), beat=False)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._press_all(), name="storm:presses")
            group.create_task(self._beat(flat), name="storm:beats")

    async def _beat(self, devices: Sequence[str]) -> None:
        owners = [place for place, carrier in enumerate(self._carriers) for _ in carrier]
        began, sent, total = time.monotonic(), 0, round(len(devices) * self.storm.seconds)
        while sent < total:
            due = min(total, round((time.monotonic() - began) * len(devices)))
            for number in range(sent, due):
                place = number % len(devices)
                line = self._lines.get(owners[place])
                if line is None or line.unsent > _UNSENT_BYTES_MAX:
                    self.figures.skipped += 1
                    continue
                self._publish(line, devices[place], "heartbeat")
            sent = due
            await asyncio.sleep(_TICK_SECONDS)

    # ── what devices do ──────────────────────────────────────────────────────────────────────────────────────────

    async def _come(self, places: Sequence[int] | range, within: float, *, beat: bool = True) -> None:
        """These connections are made, spread over the time, in an order of their own."""
        order = list(places)
        self._chance.shuffle(order)
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number, place in enumerate(order):
                due = began + within * number / len(order)
                if (pause := due - time.monotonic()) > 0:
                    await asyncio.sleep(pause)
                group.create_task(self._come_one(place, beat=beat), name="storm:device")
        self.figures.connected_seconds = time.monotonic() - began

    async def _come_one(self, place: int, *, beat: bool) -> None:
        devices = self._carriers[place]
        will = (f"{_PREFIX}{devices[0]}/status", _OFFLINE)
        for pause in (0.5, 1.0, 2.0, 4.0, 8.0):
            try:
                async with self._connecting:
                    line = await LightMqtt.connect(self._login, f"{self._run}-{place}", self._hear, will=will)
                break
            except OSError:
                await asyncio.sleep(pause * self._chance.uniform(0.7, 1.3))
        else:
            self.figures.refused += len(devices)
            return
        self._lines[place] = line
        self._somebody.set()
        line.subscribe([f"{_PREFIX}{device}/down" for device in devices])
        for device in devices:
            line.publish(f"{_PREFIX}{device}/status", _ONLINE, retain=True)
            if beat:
                self._publish(line, device, "heartbeat")

    def _vanish(self, places: Sequence[int] | range) -> None:
        for place in places:
            line = self._lines.pop(place, None)
            if line is not None:
                line.vanish()
        if not self._lines:
            self._somebody.clear()

    def _say(self, place: int, kind: str) -> None:
        line = self._lines.get(place)
        if line is not None:
            for device in self._carriers[place]:
                self._publish(line, device, kind)

    def _publish(self, line: LightMqtt, device: str, kind: str) -> None:
        self.figures.heartbeats += kind == "heartbeat"
        body = b'{"id":"%s-%d","type":"%s"}' % (self._run.encode(), next(self._numbers), kind.encode())
        line.publish(f"{_PREFIX}{device}/up", body)

    def _hear(self, _topic: str, payload: bytes) -> None:
        if b'"receipt"' not in payload:
            return
        told = json.loads(payload)
        press = self._by_id.get(told.get("id", ""))
        if press is None:
            self.figures.busy += told.get("result") == "busy"
        elif told.get("result") in {"stored", "duplicate"}:
            press.receipted = press.receipted or time.monotonic()
            if told.get("call"):
                press.calls.add(told["call"])

    # ── presses ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def _press_all(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self.storm.presses):
                await asyncio.sleep(self.storm.seconds / self.storm.presses * 0.9)
                if not self._lines:
                    await self._somebody.wait()
                place = self._chance.choice(list(self._lines))
                device = self._chance.choice(self._carriers[place])
                group.create_task(self._press(place, device), name="storm:press")

    async def _press(self, place: int, device: str) -> None:
        press = Press(f"{self._run}-p{next(self._numbers)}", device, time.monotonic())
        self.figures.presses.append(press)
        self._by_id[press.id] = press
        for pause in _REPEAT_SECONDS:
            age = time.monotonic() - press.sent
            body = {"id": press.id, "type": "press", "key": "emergency", "age": round(age, 3)}
            line = self._lines.get(place)
            if line is not None:  # else its connection is away: it says it again when it is back
                line.publish(f"{_PREFIX}{device}/up", json.dumps(body).encode())
            end = time.monotonic() + pause
            while time.monotonic() < end:
                if press.receipted:
                    return
                await asyncio.sleep(_TICK_SECONDS)
            press.times += 1

    async def _settle(self) -> None:
        """Wait for what is still to come, no longer than told."""
        for _ in range(round(self.storm.settle_seconds * 10)):
            if not self.figures.lost:
                break
            await asyncio.sleep(0.1)

    async def _listen(self, listening: asyncio.Event) -> None:
        async for event in self._api.events():
            listening.set()
            if event.fact.startswith(("area.", "device.")):
                self.figures.facts[event.fact] += 1
                if event.fact == "area.incident":
                    self.figures.areas.add(str(event.data.get("id")))
            if event.fact in {"call.opened", "call.joined"}:
                press = self._by_id.get((event.data.get("cause") or {}).get("id") or "")
                if press is not None:
                    press.streamed = press.streamed or time.monotonic()
                    press.calls.add(str(event.data["call"]))

    # ── what the system says of itself ───────────────────────────────────────────────────────────────────────────

    async def _weigh(self) -> None:
        while True:
            self.figures.memory_max_mb = max(self.figures.memory_max_mb, await self._memory())
            await asyncio.sleep(2)

    async def _memory(self) -> float:
        return await self._metric("process_resident_memory_bytes") / 1e6

    async def _metric(self, name: str) -> float:
        """The sum of a metric over its labels; 0 where it is not told."""
        headers = {"Authorization": f"Bearer {self._token}"}
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, ValueError):
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(10)) as session,
                session.get(f"{self._http}/metrics", headers=headers) as answer,
            ):
                rows = (await answer.text()).splitlines()
                return sum(
                    float(row.rsplit(" ", 1)[1]) for row in rows if row.split("{")[0].split(" ")[0] == name
                )
        return 0.0


async def play(storm: Storm, *, http: str, token: str, login: Login) -> Figures:
    """One storm against the system at `http`, its broker at `login`. Raises ApiError, OSError, ValueError."""
    async with Api(http, token) as api:
        return await Play(storm, login, api, http, token).play()


def rows(figures: Figures) -> list[tuple[str, str, str]]:
    """The table: what it is in English, in Chinese, and the figure."""
    ms = "{:.0f} / {:.0f} / {:.0f} ms"
    streamed = ms.format(*(figures.ms(share) for share in (0.5, 0.99, 1.0)))
    receipted = ms.format(*(figures.ms(share, of="receipted") for share in (0.5, 0.99, 1.0)))
    memory = (
        f"{figures.memory_before_mb:.0f} / {figures.memory_max_mb:.0f} / {figures.memory_after_mb:.0f} MB"
    )
    facts = figures.facts
    return [
        ("devices, connections", "设备、连接", f"{figures.devices}, {figures.connections}"),
        ("the last connection after", "全部连上用时", f"{figures.connected_seconds:.1f} s"),
        ("devices that never got in", "始终没连上的设备", str(figures.refused)),
        ("heartbeats sent, not sent for want of time", "发出的心跳、来不及发的", f"{figures.heartbeats}, {figures.skipped}"),
        ("heartbeats shed (told busy)", "让路的心跳（已告知忙）", f"{max(figures.shed, figures.busy)}"),
        ("presses", "按键", str(len(figures.presses))),
        ("press to receipt p50 / p99 / max", "按键到回执 p50 / p99 / 最大", receipted),
        ("press to stream p50 / p99 / max", "按键到事件流 p50 / p99 / 最大", streamed),
        ("presses lost", "丢失的按键", str(figures.lost)),
        ("presses doubled", "重复建呼叫的按键", str(figures.doubled)),
        ("memory before / highest / after", "内存 之前 / 最高 / 之后", memory),
        ("areas struck, facts of areas", "片区事件、片区事实", f"{len(figures.areas)}, {facts['area.incident'] + facts['area.incident_ended']}"),
        ("faults of devices told, ended", "设备故障告知、恢复", f"{facts['device.fault']}, {facts['device.restored']}"),
    ]  # fmt: skip


__all__ = ["KINDS", "ApiError", "Figures", "Login", "Storm", "play", "rows"]
