"""What this machine can do at best: the floor under every figure of the same run."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from outside.harness import eventually, free_port
from outside.mqtt import Mqtt


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


def sync_ms(folder: Path, times: int) -> list[float]:
    """Milliseconds of one small write and fdatasync, each time."""
    took = []
    handle = os.open(folder / "floor.bin", os.O_CREAT | os.O_WRONLY)
    try:
        for _ in range(times):
            began = time.perf_counter()
            os.write(handle, b"x" * 256)
            os.fdatasync(handle)
            took.append((time.perf_counter() - began) * 1000)
    finally:
        os.close(handle)
    return took


def _database(file: Path) -> sqlite3.Connection:
    database = sqlite3.connect(file, isolation_level=None)
    database.execute("pragma journal_mode=wal")
    database.execute("pragma synchronous=full")
    database.execute("create table if not exists t (id integer primary key, x text)")
    return database


def commit_ms(folder: Path, times: int) -> list[float]:
    """Milliseconds of one SQLite commit of one row (WAL, synchronous FULL), each time."""
    took = []
    database = _database(folder / "floor.sqlite")
    for _ in range(times):
        began = time.perf_counter()
        database.execute("begin immediate")
        database.execute("insert into t (x) values (?)", ("x" * 200,))
        database.execute("commit")
        took.append((time.perf_counter() - began) * 1000)
    database.close()
    return took


def rows_per_second(folder: Path, seconds: float) -> float:
    """Rows a second in SQLite commits of a hundred."""
    database = _database(folder / "floor100.sqlite")
    rows, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        database.execute("begin immediate")
        database.executemany("insert into t (x) values (?)", [("x" * 200,)] * 100)
        database.execute("commit")
        rows += 100
    taken = time.perf_counter() - began
    database.close()
    return rows / taken


async def round_trip_ms(folder: Path, times: int) -> list[float]:
    """Milliseconds from a QoS 1 publish to its arrival at a subscriber of the same Mosquitto, one after the other."""
    port = free_port()
    conf = folder / "floor.conf"
    conf.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n")
    with subprocess.Popen(["mosquitto", "-c", str(conf)], stderr=subprocess.DEVNULL) as broker:
        try:

            async def connected() -> bool:
                try:
                    probe = await Mqtt.connect(port, "probe", within=1)
                except OSError:
                    return False
                await probe.close()
                return True

            await eventually(connected, "the floor's own mosquitto to listen")
            arrived: asyncio.Queue[float] = asyncio.Queue()
            ear = await Mqtt.connect(port, "ear", lambda *_: arrived.put_nowait(time.perf_counter()))
            await ear.subscribe("floor")
            mouth = await Mqtt.connect(port, "mouth")
            took = []
            for _ in range(times):
                began = time.perf_counter()
                mouth.publish("floor", b"x" * 100)
                async with asyncio.timeout(5):
                    took.append((await arrived.get() - began) * 1000)
            await ear.close()
            await mouth.close()
            return took
        finally:
            broker.terminate()
