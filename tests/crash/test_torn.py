"""A torn log and a damaged file: what SQLite with our pragmas promises, held exactly.

`journal_mode=WAL` and `synchronous=FULL`: each commit is in the log and synced before anybody is told. Every frame of the
log has a checksum that goes on from the one before, so whatever stands behind the first broken frame is not read, and
what stands before it is. A power cut can tear only what was never synced, and of that nobody was told:

    frames of commits that were told   |   a torn page, garbage, half a frame    <- what a power cut leaves
    all of it is there at the start    |   none of it is

Torn *within* what was synced is a broken disk, of which nothing is promised: part of the log may be in the database already.
Then the damage is told where it is met, and a backup is restored.
"""

from __future__ import annotations

import asyncio
import random
import struct
from dataclasses import dataclass
from pathlib import Path

import pytest
from outside.harness import eventually

from crash.trial import HARD, SEED, Trial, limit, trial_in

RATE = 60 if HARD else 30


@dataclass(frozen=True)
class Log:
    """A write-ahead log, taken apart: the offsets at which a commit ends."""

    path: Path
    frame_bytes: int
    commits: tuple[int, ...]

    @classmethod
    def read(cls, path: Path) -> Log:
        """Only frames of the present round: those with the salt of the head."""
        data = path.read_bytes()
        page = struct.unpack(">I", data[8:12])[0]
        salt, frame = data[16:24], 24 + page
        commits = []
        for at in range(32, len(data) - frame + 1, frame):
            if data[at + 8 : at + 16] != salt:
                break
            if struct.unpack(">I", data[at + 4 : at + 8])[0]:  # the size of the database after a commit
                commits.append(at + frame)
        return cls(path, frame, tuple(commits))


async def _killed_under_load(trial: Trial) -> Path:
    """Press, receipt, kill: a folder as a power cut leaves it, with nothing in the caches that counts."""
    async with trial.pressing(RATE, settling=False):
        await asyncio.sleep(2)
    await eventually(lambda: not trial.swarm.waiting(), "every press to be receipted", within=10)
    trial.server.kill()
    return trial.server.data / "yijian.sqlite-wal"


def _cut(log: Log, chance: random.Random) -> None:
    """Half a frame behind the last commit, as when the power went in the middle of the next one."""
    with log.path.open("r+b") as file:
        file.seek(log.commits[-1])
        head = file.read(log.frame_bytes) or bytes(log.frame_bytes)
        file.truncate(log.commits[-1])
        file.seek(log.commits[-1])
        file.write((head + bytes(log.frame_bytes))[: chance.randrange(1, log.frame_bytes)])


def _garbage(log: Log, chance: random.Random) -> None:
    """Whole frames of nothing behind the last commit, which say that they are of this round and a commit."""
    with log.path.open("r+b") as file:
        salt = file.read(24)[16:24]
        file.truncate(log.commits[-1])
        file.seek(log.commits[-1])
        for _ in range(3):
            file.write(struct.pack(">II", 7, 9) + salt + chance.randbytes(log.frame_bytes - 16))


@limit(240)
@pytest.mark.parametrize("tear", [_cut, _garbage])
async def test_what_a_power_cut_tears_was_told_to_nobody(tmp_path: Path, tear: object) -> None:
    assert callable(tear)
    chance = random.Random(SEED)
    async with trial_in(tmp_path, residents=60) as trial:
        for _ in range(5 if HARD else 1):
            async with trial.away():
                wal = await _killed_under_load(trial)
                log = Log.read(wal)
                assert log.commits, "nothing in the log"
                tear(log, chance)
                await trial.again()
        await trial.judged(f"log torn: {tear.__name__.strip('_')}", frames_whole=len(log.commits))


@limit(240)
async def test_a_damaged_database_does_not_start_and_points_to_the_backup(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    async with trial_in(tmp_path, residents=60) as trial:
        async with trial.pressing(RATE, settling=False):
            await asyncio.sleep(2)
        await eventually(lambda: not trial.swarm.waiting(), "every press to be receipted", within=10)
        assert await asyncio.to_thread(trial.server.stop) == 0
        await trial.swarm.stop()
        file = trial.server.data / "yijian.sqlite"
        whole = file.read_bytes()
        for damage in ("the first page", "pages in the middle"):
            broken = bytearray(whole)
            if damage == "the first page":
                broken[100:4096] = chance.randbytes(4096 - 100)
            else:
                for page in range(1, len(whole) // 4096):
                    broken[page * 4096 : page * 4096 + 512] = chance.randbytes(512)
            file.write_bytes(broken)
            began = len(trial.server.lines)
            trial.server.launch()
            with pytest.raises(AssertionError, match="ended with"):
                await asyncio.to_thread(trial.server.wait_ready, 20)
            assert trial.server.process is not None
            assert trial.server.process.returncode in {1, 2}, damage
            said = [line for line in trial.server.lines[began:] if line.startswith("yijian: ")]
            assert len(said) == 1, trial.server.lines[began:]
            assert "damaged" in said[0], f"{damage}: {said[0]}"
            assert "db restore" in said[0], f"{damage}: {said[0]}"
            assert "Traceback" not in "\n".join(trial.server.lines[began:])
        file.write_bytes(whole)
        await trial.again()
