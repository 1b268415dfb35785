"""A disk that is full, or read-only, under load: nothing is told as stored that is not, and on space again it goes on.

While it lasts, presses are answered `busy` or not at all, `/readyz` says that the database is gone, the metrics show the
`busy` receipts, and `yijian doctor` and the log say why.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from outside.harness import Desk, eventually
from patience import PATIENCE
from postgres_server import PostgresServer
from postgres_server import server as database_server

from crash.disks import failing_disk, small_disk
from crash.trial import HARD, Trial, limit, trial_in

RATE = 80 if HARD else 15
FULL_SECONDS = 30.0 if HARD else 2.5
TIMES = 5 if HARD else 1


def trial_on(disk: Path, folder: Path) -> AbstractAsyncContextManager[Trial]:
    """A trial whose data folder is on that disk, and nothing else of it."""
    return trial_in(folder / "town", env={"YIJIAN_DATA": str(disk / "data")})


async def _told(trial: Trial, why: str, *, beats_too: bool = True) -> None:
    """While nothing can be stored: who asks is told. `beats_too`: not even a heartbeat, which only changes a row."""
    async with Desk(trial.server) as desk:

        async def not_ready() -> bool:
            ready = await desk.ask("GET", "//readyz")
            return ready.status == 503 and "database" in ready.body["gone"]

        await eventually(not_ready, "/readyz to say that the database is gone", within=10, every=0.2)
        assert (await desk.ask("GET", "//healthz")).status == 200
        beats = itertools.count()

        async def refused() -> bool:
            # A beat writes so little that for some there may be room yet.
            beat = {"device": trial.place.device, "id": f"while-{next(beats)}", "type": "heartbeat"}
            return (await desk.post("/signals", beat)).status == 503

        if beats_too:
            await eventually(refused, "a heartbeat by HTTP to be refused", within=20, every=0)
        metrics = (await desk.ask("GET", "//metrics")).body
    found = re.search(r'yijian_receipts_total\{result="busy"\} ([0-9.]+)', metrics)
    assert found is not None, "no metric of busy receipts"
    assert float(found[1]) > 0, "nobody was told busy"
    assert why in trial.server.log, trial.server.tail()


async def _no_receipt_meanwhile(trial: Trial, seconds: float) -> int:
    """Nobody is told `stored` for so long; how many times `busy` was said."""
    await asyncio.sleep(0.5 * PATIENCE)  # what was committed right before is told right after
    stored = trial.swarm.stored
    busy = sum(press.busy for press in trial.swarm.presses.values())
    await asyncio.sleep(seconds)
    assert trial.swarm.stored == stored, "somebody was told `stored` on a full disk"
    return sum(press.busy for press in trial.swarm.presses.values()) - busy


@limit(400)
async def test_the_disk_of_the_data_folder_is_full(tmp_path: Path) -> None:
    refused, back = 0, 0.0
    with small_disk(tmp_path / "disk", megabytes=64) as disk:
        async with trial_on(disk.folder, tmp_path) as trial:
            trial.operator.patience_seconds = FULL_SECONDS + 40
            async with trial.pressing(RATE):
                for _ in range(TIMES):
                    await asyncio.sleep(2)
                    async with trial.away():
                        disk.fill()
                        await _until_nothing_is_stored(trial)
                        refused += await _no_receipt_meanwhile(trial, FULL_SECONDS)
                        await _told(trial, "full")
                        doctor = await asyncio.to_thread(trial.server.cli, "doctor")
                        assert doctor.code == 1, "the doctor finds nothing wrong on a full disk"
                        assert re.search(r"bad.*disk", doctor.out), doctor.out
                        disk.empty()
                        back = max(back, await trial.decided_again(30))
            assert refused, "nobody was told busy"
            await trial.judged("disk full", refused=refused, back_s=round(back, 2), within=40)
    assert back < 10 * PATIENCE


async def _until_nothing_is_stored(trial: Trial) -> None:
    """The log has room for some more, and the broker's own files."""

    async def quiet() -> bool:
        stored = trial.swarm.stored
        await asyncio.sleep(1.0 * PATIENCE)
        return trial.swarm.stored == stored

    await eventually(quiet, "the disk to be full", within=30)


@limit(400)
async def test_a_full_disk_and_a_kill_at_once(tmp_path: Path) -> None:
    """Killed while full, it does not start and says why, or starts; with room it does, and nothing is lost."""
    with small_disk(tmp_path / "disk", megabytes=64) as disk:
        async with trial_on(disk.folder, tmp_path) as trial:
            trial.operator.patience_seconds = 60
            async with trial.pressing(RATE):
                await asyncio.sleep(2)
                async with trial.away():
                    disk.fill()
                    await asyncio.sleep(1)
                    trial.server.kill()
                    trial.server.launch()
                    try:  # with some luck there is room left inside the files that are there
                        await asyncio.to_thread(trial.server.wait_ready, 4)
                    except (AssertionError, TimeoutError):
                        assert re.search(r"yijian: .*(full|space)", trial.server.log), trial.server.tail()
                    disk.empty()
                    trial.server.end()
                    await trial.again()
                    await trial.decided_again(30)
            await trial.judged("killed on a full disk", within=40)


@limit(400)
async def test_the_disk_is_read_only_after_an_error(tmp_path: Path) -> None:
    """Stopped on it, it does not start and says why; checked and mounted again, it goes on."""
    with failing_disk(tmp_path / "disk", megabytes=48) as disk:
        async with trial_on(disk.folder, tmp_path) as trial:
            trial.operator.patience_seconds = 60
            async with trial.pressing(RATE):
                await asyncio.sleep(1)
                async with trial.away():
                    disk.fail()
                    await _until_nothing_is_stored(trial)
                    refused = await _no_receipt_meanwhile(trial, FULL_SECONDS)
                    await _told(trial, "I/O error")
                    doctor = await asyncio.to_thread(trial.server.cli, "doctor")
                    assert re.search(r"bad.*disk.*[Rr]ead-only", doctor.out), doctor.out
                    trial.server.end()
                    began = len(trial.server.lines)
                    trial.server.launch()
                    with pytest.raises(AssertionError, match="ended with"):
                        await asyncio.to_thread(trial.server.wait_ready, 20)
                    said = "\n".join(trial.server.lines[began:])
                    assert re.search(r"yijian: .*(read-only|Read-only|written)", said), said
                    trial.server.end()
                    await asyncio.to_thread(disk.repair)
                    await trial.again()
                    back = await trial.decided_again(30)
            await trial.judged("disk read-only", refused=refused, back_s=round(back, 2), within=40)


@limit(400)
async def test_the_disk_of_postgresql_is_full(tmp_path: Path) -> None:
    back = 0.0
    with small_disk(Path("/tmp") / f"yijian-disk-{tmp_path.name}-{id(tmp_path)}", megabytes=112) as disk:
        quiet = {"min_wal_size": "32MB", "max_wal_size": "48MB", "wal_recycle": "off"}
        with database_server(quiet, folder=disk.folder / "pg") as postgres:
            async with trial_in(tmp_path / "town", postgres.make("crash"), residents=60) as trial:
                trial.operator.patience_seconds = FULL_SECONDS + 60
                async with trial.pressing(RATE):
                    for _ in range(TIMES):
                        await asyncio.sleep(2)
                        async with trial.away():
                            disk.fill()
                            # Its log has a file in hand; a new one is what it has no room for.
                            await asyncio.to_thread(_use_up_the_log, postgres)
                            await _until_nothing_is_stored(trial)
                            await asyncio.sleep(FULL_SECONDS)
                            await _told(trial, "", beats_too=False)
                            disk.empty()
                            await asyncio.to_thread(_revived, postgres)
                            back = max(back, await trial.decided_again(40))
                await trial.judged("PostgreSQL's disk full", back_s=round(back, 2), within=40)
    disk.folder.rmdir()


def _use_up_the_log(postgres: PostgresServer) -> None:
    """Write until there is no room: the server then ends all its processes, and goes on or does not."""
    for _ in range(40):
        try:
            postgres.sql("SELECT pg_switch_wal(), pg_logical_emit_message(false, 'x', repeat('x', 4000000))")
        except AssertionError:
            return
    raise AssertionError("there was room for all of it")


def _revived(postgres: PostgresServer) -> None:
    """The server ends itself where it cannot recover; a supervisor starts it again."""
    if postgres.ended:
        postgres.stop()
        postgres.start()
    else:
        postgres.wait()
