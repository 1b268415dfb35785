"""The pulse, what grows, and what systemd is told."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from harness import story

from config.doors import SystemClock
from dispatcher.bounds import BOUNDS
from dispatcher.ledger import Ledger
from dispatcher.tables import calls as calls_table
from dispatcher.tables import metadata
from dispatcher.vigil import counted, growth, memory
from dispatcher.vigil.growth import ALARM, CALM, Growth, disk_ratio
from dispatcher.vigil.pulse import (
    BEAT_SECONDS,
    FORGOTTEN_SECONDS,
    OVERDUE_SECONDS,
    PART_SECONDS,
    SLOW_TOLD_SECONDS,
    STILL_SECONDS,
    Pulse,
)
from dispatcher.vigil.systemd import MIGRATION_SECONDS, Notifier


class Ear:
    """systemd's end of the socket."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self._socket.setblocking(False)

    def heard(self) -> list[str]:
        found = []
        while True:
            try:
                found.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return found

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def ear() -> Iterator[Ear]:
    # pytest's own folder may be too long a name for a socket.
    with tempfile.TemporaryDirectory(prefix="yj") as folder, closing(Ear(Path(folder))) as made:
        yield made


# ── systemd ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_systemd_is_told_each_thing_in_its_words(ear: Ear) -> None:
    with closing(Notifier({"NOTIFY_SOCKET": str(ear.path), "WATCHDOG_USEC": "8000000"})) as notifier:
        notifier.upgrading()
        notifier.ready()
        notifier.status("open calls 3")
        notifier.status("open calls 3")
        for tenth in range(50):
            notifier.alive(tenth / 10)
        notifier.stopping()
    upgrading, ready, status, *beats, stopping = ear.heard()
    assert f"EXTEND_TIMEOUT_USEC={MIGRATION_SECONDS * 1_000_000}" in upgrading.splitlines()
    assert "READY=1" in ready.splitlines()
    assert status == "STATUS=open calls 3"
    assert beats == ["WATCHDOG=1"] * 3  # at 0, 2 and 4 s
    assert "STOPPING=1" in stopping.splitlines()


@pytest.mark.parametrize("named", ["", "relative", "/nowhere/at/all"])
def test_without_systemd_nothing_happens(named: str) -> None:
    with closing(Notifier({"NOTIFY_SOCKET": named, "WATCHDOG_USEC": "1000000"})) as notifier:
        notifier.ready()
        notifier.alive(0.0)


def test_a_watchdog_that_is_anothers_is_not_ours() -> None:
    assert Notifier({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}).watchdog_seconds == 0
    assert Notifier({"WATCHDOG_USEC": "no number"}).watchdog_seconds == 0


# ── the pulse ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Body:
    """A process with parts that move when told to, and its pulse."""

    def __init__(self, **more: Any) -> None:
        self.parts = {"desk": 0, "intake": 0}
        self.beats = 0
        ledger: Any = more.pop("ledger", Ledger())
        store: Any = more.pop("store", None)
        clock = more.pop("clock", SystemClock())
        self.pulse = Pulse(
            lambda: dict(self.parts), ledger, store, clock, alive=self._beat, dump=more.pop("dump", None)
        )

    def _beat(self) -> None:
        self.beats += 1


@story(picture=False)
async def test_a_part_that_stands_still_takes_the_watchdogs_beat_away_until_it_moves(town):
    body = Body()

    async def live(seconds: float, *moving: str) -> int:
        before = body.beats
        for _ in range(round(seconds / BEAT_SECONDS)):
            await asyncio.sleep(BEAT_SECONDS)
            for name in moving:
                body.parts[name] += 1
            body.pulse.beat(0.0)
        return body.beats - before

    assert await live(60, "desk", "intake") == 60 / BEAT_SECONDS
    await live(PART_SECONDS + 1, "desk")
    assert body.pulse.stalled == {"intake"}
    assert await live(60, "desk") == 0
    assert await live(10, "desk", "intake") == 10 / BEAT_SECONDS
    assert body.pulse.stalled == set()


@story(picture=False)
async def test_a_slow_turn_of_the_loop_is_a_trouble_for_a_while_and_no_parts_fault(town):
    body = Body()
    body.pulse.beat(0.1)
    assert body.pulse.slowest_seconds == 0
    await asyncio.sleep(PART_SECONDS + 5)
    body.pulse.beat(PART_SECONDS + 5)
    assert body.pulse.slowest_seconds == PART_SECONDS + 5
    assert body.pulse.stalled == set(), "the loop was away, not the parts"
    await asyncio.sleep(SLOW_TOLD_SECONDS + 1)
    body.parts = {"desk": 9, "intake": 9}
    body.pulse.beat(0.0)
    assert body.pulse.slowest_seconds == 0


@story(picture=False)
async def test_a_deadline_that_is_overdue_is_told_and_forgotten_once_it_is_decided(town):
    call = await town.press("btn-01")
    town.out.clear()
    ledger = Ledger()
    ledger.put(town.ledger.open[call])
    body = Body(ledger=ledger, clock=town.clock, store=town.store)
    due = town.ledger.open[call].due
    assert due is not None
    await asyncio.sleep((due[1] - town.clock.now_us()) / 1e6 + OVERDUE_SECONDS + 1)
    town.out.clear()
    body.pulse.beat(0.0)
    await asyncio.sleep(1.5)
    body.pulse.beat(0.0)
    assert body.pulse.overdue
    assert body.pulse.overdue_seconds > OVERDUE_SECONDS
    ledger.put(town.ledger.open[call])  # it has moved on
    body.pulse.beat(0.0)
    assert not body.pulse.overdue


@story(picture=False)
async def test_a_call_that_no_clock_would_wake_is_found_armed_again_and_goes_on(town):
    call = await town.press("btn-01")
    town.expect_offer("st-01")
    town.expect_wearer("btn-01", "received")
    town.ledger._armed.clear()  # what a bug of ours would do
    town.ledger._due.clear()
    await town.advance(minutes=5)
    town.expect_silence()
    body = Body(ledger=town.ledger, clock=town.clock, store=town.store)
    await body.pulse.sweep()
    await town.advance(seconds=10)
    assert town.look(call).step >= 1, "it goes on"
    assert body.pulse.asleep == set()
    town.out.clear()


@story(picture=False)
async def test_a_call_that_memory_has_lost_is_shouted_about(town):
    call = await town.press("btn-01")
    town.out.clear()
    body = Body(ledger=Ledger(), clock=town.clock, store=town.store)
    kept = town.ledger.open.pop(call)
    town.ledger._armed.clear()
    await asyncio.sleep(FORGOTTEN_SECONDS * 3)
    await body.pulse.sweep()
    assert body.pulse.asleep == {call}
    town.ledger.put(kept)
    await town.advance(seconds=10)
    town.out.clear()
    assert town.store.connection.execute(f"SELECT count(*) FROM {calls_table.name}").fetchone() == (1,)


def test_a_loop_that_stands_still_has_its_stacks_written_down_once(tmp_path: Path) -> None:
    file = tmp_path / "stacks"

    def stand_still_here() -> None:
        time.sleep(STILL_SECONDS + 1.5)

    async def live() -> None:
        pulse = asyncio.create_task(body.pulse.run())
        await asyncio.sleep(0.6)
        stand_still_here()
        await asyncio.sleep(0.6)
        pulse.cancel()
        await asyncio.gather(pulse, return_exceptions=True)

    async def begin() -> None:
        nonlocal body
        body = Body(dump=dump)
        await live()

    body: Any = None
    with file.open("w", encoding="utf-8") as dump:
        try:
            thread = threading.Thread(target=lambda: asyncio.run(begin()), daemon=True)
            thread.start()
            thread.join(30)
        finally:
            faulthandler.cancel_dump_traceback_later()
    stacks = file.read_text(encoding="utf-8")
    assert stacks.count("Timeout (0:00:05)!") == 1
    assert "stand_still_here" in stacks
    assert body.pulse.slowest_seconds > STILL_SECONDS
    assert body.beats > 0


# ── growth ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def grown(town: Any, tmp_path: Path, depths: dict[str, tuple[float, float]], memory_bytes: int = 0) -> Growth:
    return Growth(lambda: depths, town.store, town.clock, tmp_path, None, 1095, memory_bytes)


@story(picture=False)
async def test_what_grows_is_told_at_seventy_percent_and_forgotten_below_sixty(town):
    depths = {"inbox.fresh": (0.0, 100.0)}
    with tempfile.TemporaryDirectory() as folder:
        watch = grown(town, Path(folder), depths)
        for value, told in (
            (69, False),
            (70, True),
            (65, True),
            (60, True),
            (59, False),
            (65, False),
            (100, True),
        ):
            depths["inbox.fresh"] = (value, 100.0)
            watch.look()
            assert ("inbox.fresh" in watch.high) is told, value
    assert (ALARM, CALM) == (0.7, 0.6)


@story(picture=False)
async def test_a_table_that_is_not_let_go_any_more_is_told_and_one_at_its_age_is_not(town):
    day_us = 86_400_000_000
    now_us = town.clock.now_us()

    def listen(days: float) -> None:
        town.store.connection.execute("DELETE FROM audit")
        town.store.connection.execute(
            "INSERT INTO audit (at_us, by, act, what, id, district, area) VALUES (?,'x','look','y','z','','')",
            (now_us - round(days * day_us),),
        )
        town.store.connection.commit()

    with tempfile.TemporaryDirectory() as folder:
        watch = grown(town, Path(folder), {})
        listen(BOUNDS["audit"].days or 0)
        await watch.look_at_tables()
        assert "table.audit" not in watch.high
        listen((BOUNDS["audit"].days or 0) + 0.8)
        await watch.look_at_tables()
        assert watch.high["table.audit"] == pytest.approx(0.8, abs=0.01)
    town.store.connection.execute("DELETE FROM audit")
    town.store.connection.commit()


def test_every_table_that_is_let_go_by_age_is_looked_at() -> None:
    # What is left out has no more rows than the register has things, or goes with its call.
    few = {"device_states", "test_mode", "meta", "tokens", "users"}
    aged = {name for name, bound in BOUNDS.items() if bound.days is not None} | {"calls"}
    looked_at = {name for name, bound in BOUNDS.items() if bound.oldest is not None}
    assert aged - few <= looked_at
    assert looked_at <= set(metadata.tables)


def test_the_disk_is_told_by_what_is_left_of_it() -> None:
    gigabyte = 1024**3
    assert disk_ratio(500 * gigabyte) == 0
    assert disk_ratio(gigabyte) == pytest.approx(0.7)
    assert disk_ratio(0.25 * gigabyte) == 1
    assert disk_ratio(0) > 1


def test_the_databases_log_and_open_files_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tmp_path / "yijian.sqlite"
    found = growth.files(tmp_path, database)
    assert found["file.wal"] == 0
    assert 0 < found["files.open"] < 1
    with (tmp_path / "yijian.sqlite-wal").open("wb") as log:
        log.truncate(growth.WAL_BYTES_MAX // 2)
    monkeypatch.setattr(growth.shutil, "disk_usage", lambda _folder: SimpleNamespace(free=1024**3))
    found = growth.files(tmp_path, database)
    assert found["file.wal"] == 0.5
    assert found["disk"] == pytest.approx(0.7)


def _cgroup(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        (folder / f"memory.{name}").write_text(f"{value}\n")


def test_memory_is_told_of_the_cgroups_bound_without_what_is_only_cached(tmp_path: Path) -> None:
    proc, top = tmp_path / "proc", tmp_path / "cgroup"
    unit = top / "system.slice" / "yijian.service"
    proc.mkdir()
    (proc / "statm").write_text("9999 500 1 1 0 1 0\n")

    def looked() -> float | None:
        return memory.ratio(1000 * os.sysconf("SC_PAGE_SIZE"), proc=proc, cgroups=top)

    assert looked() == 0.5, "no cgroup: this process, of the setting"
    (proc / "cgroup").write_text("1:name=systemd:/x\n0::/system.slice/yijian.service\n")
    assert looked() == 0.5, "a cgroup that cannot be seen"
    _cgroup(unit, max="max", current=900, stat="anon 700")
    assert looked() == 0.5, "one without a bound"
    _cgroup(unit, max=1000, current=950, stat="anon 700\nactive_file 100\ninactive_file 150\nshmem 50")
    assert looked() == 0.7
    _cgroup(top / "system.slice", max=2000, current=1900, stat="active_file 100\ninactive_file 0")
    assert looked() == 0.9, "the slice is fuller than the unit"
    # Version 1, where a bound is always there, and may mean none.
    (proc / "cgroup").write_text("4:cpu,memory:/yijian\n0::/\n")
    stat = "active_file 9\ntotal_active_file 100\ntotal_inactive_file 100"
    _cgroup(top / "memory" / "yijian", limit_in_bytes=1000, usage_in_bytes=1000, stat=stat)
    _cgroup(top / "memory", limit_in_bytes=9223372036854771712, usage_in_bytes=5, stat="cache 1")
    assert looked() == 0.8
    (top / "memory" / "yijian" / "memory.stat").write_text("what is this\nactive_file x\n")
    assert looked() == 0.5, "what cannot be read is left out"


@story(picture=False)
async def test_memory_near_its_bound_is_told_like_everything_that_grows(town):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        watch, blind = grown(town, Path(folder), {}, 1000), grown(town, Path(folder), {})
        for used, told in ((0.69, False), (0.7, True), (0.6, True), (0.59, False), (0.9, True)):
            patch.setattr(growth.memory, "ratio", lambda _bound, used=used: used)
            watch.look()
            blind.look()
            assert ("memory" in watch.high) is told, used
        assert counted.RATIO.labels("memory")._value.get() == 0.9
        assert "memory" not in blind.ratios, "nobody wants it looked at"
