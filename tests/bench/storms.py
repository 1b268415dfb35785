"""The parts about very many at once: open calls at the start, deadlines, readers, heartbeats, and a reconnect storm."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
from outside.harness import ADMIN_TOKEN, BASE, Desk, Server
from outside.mqtt import Mqtt, publish_packet

from bench.floor import percentile
from bench.load import Load, Quiet, cpu_seconds, family, resident_mb
from bench.many import multiply
from simulators.storm import Login, Storm, play

if TYPE_CHECKING:
    from bench.run import Bench

#: A step that is far off for the real presses, so that nothing but what is measured falls due.
_CALM = {
    "steps": [{"after": 0, "to": "nearest"}, {"after": 86_000, "to": "next"}],
    "repeat": 86_000,
    "close_within": 864_000,
}


class _Fact(msgspec.Struct):
    fact: str
    call: str | None = None


_fact = msgspec.json.Decoder(_Fact)


@dataclass(frozen=True)
class Scale:
    """How many, for how long."""

    calls: int = 100_000
    deadlines: int = 100_000
    deadline_seconds: float = 600
    readers: int = 500
    reader_seconds: float = 60
    beats_seconds: float = 20
    storm_devices: int = 20_000
    storm_seconds: float = 60


QUICK_SCALE = Scale(
    calls=20_000,
    deadlines=10_000,
    deadline_seconds=60,
    readers=200,
    reader_seconds=10,
    beats_seconds=5,
    storm_devices=2_000,
    storm_seconds=10,
)


def _owners(document: dict[str, Any]) -> list[tuple[str, str, str]]:
    own = {device["resident"]: device for device in document["devices"] if device.get("resident")}
    return [
        (resident, device["id"], f"{device.get('family', 'native')}/{device.get('address') or device['id']}")
        for resident, device in own.items()
    ]


async def _templates(bench: Bench, name: str) -> tuple[Server, Path]:
    """A stopped server whose database has two hundred real open calls with nothing due."""
    if bench.databases is not None:
        raise SystemExit(f"{name}: on SQLite only")
    server = await bench.fresh(name)
    server.start(within=120)
    async with Desk(server) as desk:
        for key in ("emergency", "service", "family"):
            await desk.put(f"/policies/{key}", _CALM)
        load = Load(server, bench.addresses[:200], run="t")
        await load.connect(stream=False)
        await load.at_rate(100, 2)
        await load.settle(20)
        await load.close()
    server.stop()
    return server, next(server.data.glob("*.sqlite"))


async def cold_calls(bench: Bench, scale: Scale) -> None:
    """A start with a hundred thousand open calls, and how the lists are with them."""
    server, database = await _templates(bench, "cold_calls")
    words = f"{scale.calls} open calls"
    try:
        due_us = round((time.time() + 80_000) * 1e6)  # within the 86,000 s of the step
        multiply(database, _owners(bench.document), [due_us + n for n in range(scale.calls)])
        took = server.start(within=180)
        bench.figure(f"cold start, {words} with deadlines", took, "s", target=5)
        bench.figure(f"cold start, {words}: of its processor", cpu_seconds([server.pid]), "s")
        bench.figure(f"{words}: memory", resident_mb(server.pid), "MB")
        async with Desk(server) as desk:
            for what, path in (
                ("first page of open calls", "/calls?state=open&limit=500"),
                ("open calls of one street", "/calls?state=open&limit=100&area=411002001"),
                ("coverage", "/coverage"),
            ):
                began = time.perf_counter()
                await desk.get(path)
                bench.figure(f"{words}: {what}", (time.perf_counter() - began) * 1000, "ms")
            began, count = time.perf_counter(), 0
            async for _ in desk.pages("/calls", state="open"):
                count += 1
                if count == 20_000:
                    break
            bench.figure(f"{words}: 20,000 of them in pages", time.perf_counter() - began, "s")
            began = time.perf_counter()
            events = await desk.events()
            bench.figure(f"{words}: stream opened", (time.perf_counter() - began) * 1000, "ms")
            await events.close()
        load = Load(server, [f"new-{n}" for n in range(1000)], run="n")
        await load.connect(stream=True)
        await load.at_rate(20, 5)
        await load.settle(20)
        bench.figure(f"{words}: press to stream p99", percentile(load.stream_ms(), 0.99), "ms", target=5000)
        bench.figure(f"{words}: lost", 100 - len(load.stream_ms()), "presses", target=0)
        await load.close()
        server.stop()
    finally:
        server.end()


async def deadlines(bench: Bench, scale: Scale) -> None:
    """Deadlines that fall due evenly over some minutes: how late each is on the stream."""
    server, database = await _templates(bench, "deadlines")
    words = f"{scale.deadlines} deadlines over {scale.deadline_seconds:g} s"
    try:
        first = time.time() + 30
        dues = [first + scale.deadline_seconds * n / scale.deadlines for n in range(scale.deadlines)]
        ids = multiply(database, _owners(bench.document), [round(due * 1e6) for due in dues])
        due_of = dict(zip(ids, dues, strict=True))
        server.start(within=180)
        if time.time() > first:
            bench.say("  the start took too long: the first of them are late because of it")
        late: dict[str, float] = {}
        twice = 0
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}) as session:
            answer = await session.get(f"{server.url}{BASE}/events", timeout=aiohttp.ClientTimeout())
            rest = b""
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(first - time.time() + scale.deadline_seconds + 20):
                    async for chunk in answer.content.iter_any():
                        now = time.time()
                        *lines, rest = (rest + chunk).split(b"\n")
                        for line in lines:
                            if not line.startswith(b"data:") or b'"call.escalated"' not in line[:300]:
                                continue
                            call = _fact.decode(line[5:]).call or ""
                            twice += call in late
                            if call in due_of and call not in late:
                                late[call] = (now - due_of[call]) * 1000
                        if len(late) == len(due_of):
                            break
            answer.close()
        took = list(late.values())
        bench.figure(f"{words}: never fired", len(due_of) - len(took), "deadlines", target=0)
        bench.figure(f"{words}: fired twice", twice, "deadlines", target=0)
        bench.figure(f"{words}: late on the stream p50", percentile(took, 0.5), "ms")
        bench.figure(f"{words}: late on the stream p99", percentile(took, 0.99), "ms", target=100)
        bench.figure(f"{words}: late on the stream max", max(took, default=float("nan")), "ms")
        server.stop()
    finally:
        server.end()


async def readers(bench: Bench, scale: Scale) -> None:
    """Five hundred consoles that watch, twenty facts a second."""
    server = await bench.fresh("readers")
    words = f"{scale.readers} readers, 20 facts/s"
    took: list[float] = []
    opened = 0
    try:
        server.start(within=120)
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=0)) as session:

            async def read(answer: aiohttp.ClientResponse) -> None:
                nonlocal opened
                rest = b""
                async for chunk in answer.content.iter_any():
                    now = time.time()
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        opened += line == b"event: call.opened"
                        if line.startswith(b"data:"):
                            at = line.find(b'"at":"') + 6
                            said = line[at : line.find(b'"', at)].decode()
                            took.append((now - datetime.fromisoformat(said).timestamp()) * 1000)

            tasks = []
            for _ in range(scale.readers):
                answer = await session.get(f"{server.url}{BASE}/events", timeout=aiohttp.ClientTimeout())
                assert answer.status == 200, answer.status
                tasks.append(asyncio.create_task(read(answer)))
            before = resident_mb(server.pid)
            load = Load(server, bench.addresses, run="r")
            await load.connect(stream=False)
            with Quiet():
                await load.at_rate(10, scale.reader_seconds)  # a press is two facts
                await load.settle(10)
                await asyncio.sleep(1)
            await load.close()
            wanted = len(load.sent) * scale.readers
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        bench.figure(f"{words}: calls not seen opened", wanted - opened, "", target=0)
        bench.figure(f"{words}: fact to reader p50", percentile(took, 0.5), "ms")
        bench.figure(f"{words}: fact to reader p99", percentile(took, 0.99), "ms", target=250)
        bench.figure(f"{words}: memory grown by", resident_mb(server.pid) - before, "MB", target=30)
        server.stop()
    finally:
        server.end()


async def beats(bench: Bench, scale: Scale) -> None:
    """As many heartbeats as it takes, with a bounded number under way."""
    server = await bench.fresh("beats")
    try:
        server.start(within=120)
        heard = 0
        news = asyncio.Event()

        def hear(_topic: str, payload: bytes, _retain: bool) -> None:
            nonlocal heard
            heard += b'"stored"' in payload
            news.set()

        ear = await Mqtt.connect(server.mqtt_port, "beats-ear", hear)
        await ear.subscribe("yijian/v1/+/down", qos=0)
        mouths = [await Mqtt.connect(server.mqtt_port, f"beats-{n}") for n in range(4)]
        ours = family(server.pid)
        before = cpu_seconds(ours)
        sent, began = 0, time.perf_counter()
        with Quiet():
            while time.perf_counter() - began < scale.beats_seconds:
                while sent - heard < 1200:  # beyond it they are shed
                    device = bench.addresses[sent % len(bench.addresses)]
                    packet = publish_packet(
                        f"yijian/v1/{device}/up",
                        b'{"id":"b-%d","type":"heartbeat","battery":80}' % sent,
                        sent % 65_535 + 1,
                    )
                    mouths[sent % 4].write(packet)
                    sent += 1
                news.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(1):
                        await news.wait()
            took = time.perf_counter() - began
        bench.figure("heartbeats stored and receipted", heard / took, "/s", target=5000, at_least=True)
        used = (cpu_seconds(ours) - before) / max(1, heard) * 1000
        bench.figure("CPU a heartbeat, our processes", used, "ms")
        for client in (ear, *mouths):
            await client.close()
        server.stop()
    finally:
        server.end()


async def storm(bench: Bench, scale: Scale) -> None:
    """Everybody reconnects within a minute, each with a heartbeat, and fifty press."""
    server = await bench.fresh("storm")
    words = f"{scale.storm_devices} reconnect in {scale.storm_seconds:g} s"
    try:
        server.start(within=120)
        what = Storm(kind="reconnect", devices=scale.storm_devices, seconds=scale.storm_seconds)
        login = Login("127.0.0.1", server.mqtt_port)
        figures = await play(what, http=server.url, token=ADMIN_TOKEN, login=login)
        bench.figure(f"{words}: connections", figures.connections, "")
        bench.figure(f"{words}: never got in", figures.refused, "devices", target=0)
        bench.figure(f"{words}: presses lost", figures.lost, "presses", target=0)
        bench.figure(f"{words}: presses doubled", figures.doubled, "presses", target=0)
        for share, name in ((0.5, "p50"), (0.99, "p99"), (1.0, "max")):
            target = 5000 if share == 1.0 else None
            bench.figure(f"{words}: press to stream {name}", figures.ms(share), "ms", target=target)
        bench.figure(f"{words}: heartbeats shed", max(figures.shed, figures.busy), "")
        bench.figure(f"{words}: memory, highest", figures.memory_max_mb, "MB", target=250)
        server.stop()
    finally:
        server.end()
