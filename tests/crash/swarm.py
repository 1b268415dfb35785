"""Hundreds of buttons behind a few dozen hubs, each of which says a press again until it has a receipt.

A hub that loses its broker connects again and again; what has no receipt is repeated on a timer, with its growing age.
The swarm remembers every press and every receipt, so that the end can be held against what was promised.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from outside.harness import Server
from outside.mqtt import Mqtt

#: A device may wait up to 30 s between two tries; the test would only take longer.
LONGEST_PAUSE = 4.0

#: What a device with a dead battery in its clock may say of when it was pressed; each is a press all the same.
IMPOSSIBLE: tuple[dict[str, Any], ...] = (
    {"at": "1970-01-01T00:00:00Z"},
    {"at": "2099-12-31T23:59:59+14:00"},
    {"at": "0000-00-00T99:99:99"},
    {"at": 1e300},
    {"age": -3600},
    {"age": 1e18},
    {"age": "yesterday"},
    {"at": None, "age": None},
)

PressId = tuple[str, str]
"""Device and id."""


@dataclass
class Press:
    """One press and what its device was told."""

    device: str
    id: str
    key: str
    kind: str
    began: float
    impossible: dict[str, Any] = field(default_factory=dict)
    """What its message says of the time, instead of the truth."""
    sent: int = 0
    receipts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def stored(self) -> bool:
        """Whether the device may stop repeating."""
        return any(
            receipt["result"] in {"stored", "duplicate", "unknown_device"} for receipt in self.receipts
        )

    @property
    def busy(self) -> int:
        """How often it was told `busy`."""
        return sum(1 for receipt in self.receipts if receipt["result"] == "busy")

    @property
    def calls(self) -> set[str]:
        """The calls its receipts named."""
        return {receipt["call"] for receipt in self.receipts if receipt.get("call")}


class HubOf:
    """One connection, with the buttons behind it."""

    def __init__(self, swarm: Swarm, number: int, devices: Sequence[str]) -> None:
        self._swarm = swarm
        self._name = f"swarm-hub-{number}"
        self.devices = devices
        self._mqtt: Mqtt | None = None
        self.waiting: dict[PressId, tuple[Press, float, float]] = {}
        """Presses without a receipt, when each is repeated next and after which pause."""

    async def run(self) -> None:
        """Stay connected, and repeat."""
        while True:
            with contextlib.suppress(OSError, TimeoutError):
                client = await Mqtt.connect(self._swarm.server.mqtt_port, self._name, self._hear, within=3)
                await client.subscribe(*(f"yijian/v1/{device}/down" for device in self.devices), within=3)
                self._mqtt = client
                self._all_again()
                repeating = asyncio.create_task(self._repeat())
                try:
                    await client.closed
                finally:
                    repeating.cancel()
                    self._mqtt = None
                    client.abort()
            await asyncio.sleep(random.uniform(0.03, 0.15))

    def _all_again(self) -> None:
        """A hub that has its broker back says at once what has no receipt, all of them together."""
        now = time.monotonic()
        for name, (press, _, _) in self.waiting.items():
            self.waiting[name] = (press, now, 2.0)

    async def _repeat(self) -> None:
        while True:
            now = time.monotonic()
            for name, (press, due, pause) in list(self.waiting.items()):
                if due <= now:
                    self.waiting[name] = (press, now + pause, min(pause * 2, LONGEST_PAUSE))
                    self._send(press)
            await asyncio.sleep(0.05)

    def press(self, press: Press) -> None:
        """A press of one of its buttons."""
        self.waiting[press.device, press.id] = (
            press,
            time.monotonic() + 1.0,
            2.0,
        )  # sooner than it may: harder
        self._send(press)

    def _send(self, press: Press) -> None:
        if self._mqtt is None:
            return
        press.sent += 1
        message = {"id": press.id, "type": press.kind, "age": round(time.monotonic() - press.began, 3)}
        if press.kind == "press":
            message["key"] = press.key
        message |= press.impossible
        self._mqtt.publish(f"yijian/v1/{press.device}/up", json.dumps(message).encode())

    def _hear(self, topic: str, payload: bytes, retain: bool) -> None:
        told = json.loads(payload)
        if told["type"] == "receipt":
            name = (topic.split("/")[2], told["id"])
            press = self._swarm.presses.get(name)
            if press is None:  # judged at the end: raised here it would only be a line on standard error
                self._swarm.strange.append(name)
                return
            press.receipts.append(told)
            if press.stored:
                self._swarm.stored += self.waiting.pop(name, None) is not None
            self._swarm.heard_of(told.get("call"))
            self._swarm.on_receipt(press)
        else:
            self._swarm.progress.append((topic.split("/")[2], told["call"], told["state"]))


class Swarm:
    """All the hubs, and the record of what they said and were told."""

    def __init__(self, server: Server, devices: Sequence[str], *, hubs: int, seed: int) -> None:
        self.server = server
        self.presses: dict[PressId, Press] = {}
        self.calls: list[str] = []
        """The calls that receipts named, in the order in which they became known."""
        self._known: set[str] = set()
        self.progress: list[tuple[str, str, str]] = []
        self.strange: list[PressId] = []
        """Receipts of presses that nobody here made."""
        self.stored = 0
        """How many presses have the receipt that they are stored."""
        self.on_receipt: Callable[[Press], None] = lambda _: None
        self.after_burst: Callable[[], None] = lambda: None
        self._random = random.Random(seed)
        self._hubs = [HubOf(self, n, devices[n::hubs]) for n in range(hubs)]
        self._tasks: list[asyncio.Task[None]] = []
        self._number = 0
        self._buttons = len(devices)
        self.held_back = 0
        """Presses that were not made, since every button waits already: a slow machine would never come to an end."""

    def start(self) -> None:
        """Connect them all."""
        self._tasks = [asyncio.create_task(hub.run()) for hub in self._hubs]

    async def stop(self) -> None:
        """Let them all go."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            _, stuck = await asyncio.wait(self._tasks, timeout=10)
            assert not stuck, f"{len(stuck)} hubs do not end"

    def press_somewhere(self) -> Press:
        """A press of a random button: mostly the red key, sometimes the green one or a fall."""
        self._number += 1
        hub = self._random.choice(self._hubs)
        kind, key = self._random.choices(
            [("press", "emergency"), ("press", "service"), ("fall", "emergency")], [70, 20, 10]
        )[0]
        press = Press(self._random.choice(hub.devices), f"p{self._number}", key, kind, time.monotonic())
        if self._random.random() < 0.05:
            press.impossible = self._random.choice(IMPOSSIBLE)
        self.presses[press.device, press.id] = press
        hub.press(press)
        return press

    async def at_rate(self, rate: float, until: Callable[[], bool]) -> None:
        """Press so often a second, in small bursts as it comes; not while as many wait as there are buttons."""
        began, count = time.monotonic(), 0
        while not until():
            due = int((time.monotonic() - began) * rate)
            waiting = sum(len(hub.waiting) for hub in self._hubs)
            now = min(due - count, max(0, self._buttons - waiting))
            self.held_back += due - count - now
            count = due
            for _ in range(now):
                self.press_somewhere()
            if now:
                self.after_burst()
            await asyncio.sleep(self._random.uniform(0.001, 0.02))

    def heard_of(self, call: str | None) -> None:
        """A receipt named this call."""
        if call and call not in self._known:
            self._known.add(call)
            self.calls.append(call)

    def waiting(self) -> list[Press]:
        """The presses that have no receipt yet."""
        return [press for hub in self._hubs for press, _, _ in hub.waiting.values()]
