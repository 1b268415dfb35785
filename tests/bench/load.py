"""A cheap generator: a few connections carry all devices' presses, one hears all receipts, one reads the stream.

It shares the machine with what it measures, so it does as little as can be: presses are laid out as bytes beforehand,
and of what comes back only the few fields that are needed are read.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import time
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from outside.harness import ADMIN_TOKEN, BASE, Server
from outside.mqtt import Mqtt, publish_packet


class Told(msgspec.Struct):
    """What is read of a message down to a device."""

    type: str
    id: str = ""
    result: str = ""
    call: str | None = None


class Cause(msgspec.Struct):
    """What is read of a fact's cause."""

    id: str | None = None


class Fact(msgspec.Struct):
    """What is read of a fact on the stream."""

    fact: str
    cause: Cause


_told = msgspec.json.Decoder(Told)
_fact = msgspec.json.Decoder(Fact)


class Load:
    """Presses number 0, 1, 2, … of these devices in turn, when each went out and when it was heard of again."""

    def __init__(
        self, server: Server, devices: Sequence[str], *, run: str, keys: Sequence[str] = ("emergency",)
    ) -> None:
        self.server = server
        self._devices = devices
        self._keys = keys
        self._run = run
        self.sent = array("d")
        self.receipted = array("d")
        self.streamed = array("d")
        self.calls: list[str | None] = []
        self.results: dict[str, int] = {}
        self.outstanding = 0
        self._mouths: list[Mqtt] = []
        self._ear: Mqtt | None = None
        self._session: aiohttp.ClientSession | None = None
        self._reader: asyncio.Task[None] | None = None
        self._heard = asyncio.Event()

    async def connect(self, *, mouths: int = 4, stream: bool) -> None:
        """Connect all of it."""
        self._ear = await Mqtt.connect(self.server.mqtt_port, f"{self._run}-ear", self._hear)
        await self._ear.subscribe("yijian/v1/+/down", qos=0)
        self._mouths = [await Mqtt.connect(self.server.mqtt_port, f"{self._run}-{n}") for n in range(mouths)]
        if stream:
            self._session = aiohttp.ClientSession(headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
            answer = await self._session.get(
                f"{self.server.url}{BASE}/events", timeout=aiohttp.ClientTimeout()
            )
            assert answer.status == 200, answer.status
            self._reader = asyncio.create_task(self._stream(answer))

    async def close(self) -> None:
        """Hang up."""
        for client in [*self._mouths, *([self._ear] if self._ear else [])]:
            await client.close()
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader
        if self._session is not None:
            await self._session.close()

    def _hear(self, topic: str, payload: bytes, retain: bool) -> None:
        now = time.perf_counter()
        told = _told.decode(payload)
        if told.type != "receipt":
            return
        number = int(told.id.rpartition("-")[2])
        self.results[told.result] = self.results.get(told.result, 0) + 1
        if told.result == "busy":
            return
        if not self.receipted[number]:
            self.receipted[number] = now
            self.outstanding -= 1
            self._heard.set()
        self.calls[number] = told.call or self.calls[number]

    async def _stream(self, answer: aiohttp.ClientResponse) -> None:
        rest = b""
        async for chunk in answer.content.iter_any():
            now = time.perf_counter()
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if not line.startswith(b"data:"):
                    continue
                fact = _fact.decode(line[5:])
                name, _, number = (fact.cause.id or "").rpartition("-")
                if name == self._run and not self.streamed[int(number)]:
                    self.streamed[int(number)] = now

    def press(self) -> None:
        """The next press goes out."""
        number = len(self.sent)
        device = self._devices[number % len(self._devices)]
        key = self._keys[number // len(self._devices) % len(self._keys)]
        payload = f'{{"id":"{self._run}-{number}","type":"press","key":"{key}"}}'.encode()
        for times in (self.receipted, self.streamed):
            times.append(0.0)
        self.calls.append(None)
        self.outstanding += 1
        mouth = self._mouths[number % len(self._mouths)]
        packet = publish_packet(f"yijian/v1/{device}/up", payload, number % 65_535 + 1)
        self.sent.append(time.perf_counter())
        mouth.write(packet)

    async def at_rate(self, rate: float, seconds: float) -> float:
        """Press so often a second for so long, whatever comes back; the worst lateness of the generator itself, ms."""
        total, worst = round(rate * seconds), 0.0
        began = time.perf_counter()
        for number in range(total):
            due = began + number / rate
            now = time.perf_counter()
            if due > now:
                await asyncio.sleep(due - now)
            elif number % 50 == 0:
                await asyncio.sleep(0)
            worst = max(worst, time.perf_counter() - due)
            self.press()
        return worst * 1000

    async def at_most(self, window: int, total: int, seconds: float) -> None:
        """Keep so many presses unreceipted, until the total or the time is reached."""
        end = time.perf_counter() + seconds
        while len(self.sent) < total and time.perf_counter() < end:
            while self.outstanding < window and len(self.sent) < total:
                self.press()
            self._heard.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._heard.wait()

    async def settle(self, seconds: float) -> bool:
        """Wait until every press is receipted; whether that came about in time."""
        end = time.perf_counter() + seconds
        while self.outstanding and time.perf_counter() < end:
            self._heard.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    await self._heard.wait()
        return not self.outstanding

    def receipt_ms(self) -> list[float]:
        """Milliseconds from each press to its receipt."""
        return [(got - sent) * 1000 for sent, got in zip(self.sent, self.receipted, strict=True) if got]

    def stream_ms(self) -> list[float]:
        """Milliseconds from each press to the stream."""
        return [(got - sent) * 1000 for sent, got in zip(self.sent, self.streamed, strict=True) if got]


class Quiet:
    """No garbage collection in the generator while it measures."""

    def __enter__(self) -> None:
        gc.collect()
        gc.freeze()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        gc.enable()
        gc.unfreeze()


def family(pid: int) -> list[int]:
    """A process and all below it."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError):
            columns = stat.read_text().rpartition(")")[2].split()
            children.setdefault(int(columns[1]), []).append(int(stat.parent.name))
    found = [pid]
    for member in found:
        found += children.get(member, [])
    return found


def cpu_seconds(pids: Sequence[int]) -> float:
    """Processor time the processes have used so far."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            columns = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(columns[11]) + int(columns[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def machine() -> dict[str, Any]:
    """What it ran on."""
    model = next(
        (row for row in Path("/proc/cpuinfo").read_text().splitlines() if row.startswith("model name")), ""
    )
    return {
        "cores": os.cpu_count(),
        "processor": model.partition(":")[2].strip(),
        "kernel": os.uname().release,
        "python": ".".join(str(part) for part in os.sys.version_info[:3]),  # type: ignore[attr-defined]
    }
