"""What grows, and how near it is to its bound: told at 70 %, forgotten again below 60 %.

    queues    how full, of what they may hold (each room's `depths`)            intake.urgent 12 of 4096
    tables    how late their oldest row is let go, of a day                     audit 0.0
    files     the log of the database (its WAL), of 256 MB; open files, of what the system allows
    disk      1 where 256 MB are left, 0.7 where 1 GB is
    memory    of the cgroup's bound, else of a setting (`memory.py`)

A table that is let go by age is at its bound all its life, so its age says nothing; that its oldest row should have gone
says that letting go has stopped. All of them end up on the disk.
"""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from config.doors import Clock
from dispatcher.bounds import BOUNDS
from dispatcher.store import Store
from dispatcher.vigil import counted, memory

log = structlog.get_logger("vigil")

ALARM, CALM = 0.7, 0.6
#: Housekeeping comes round every ten minutes: a row that should have gone a day ago will not go by itself.
LATE_DAYS = 1.0
WAL_BYTES_MAX = 256 * 1024 * 1024
DISK_BYTES_MIN = 256 * 1024 * 1024
_DISK_BYTES_SPAN = 2_560 * 1024 * 1024  # so that 1 GB left is 0.7
_DAY_US = 86_400 * 1_000_000

Depths = Mapping[str, tuple[float, float]]  #: how much there is, and the bound


class Growth:
    """The ratios of everything, as last looked at. `depths`: how full each queue is, of what it may hold."""

    def __init__(
        self,
        depths: Callable[[], Depths],
        store: Store,
        clock: Clock,
        folder: Path,
        database: Path | None,
        keep_closed_days: float,
        memory_bytes: int = 0,
    ) -> None:
        self._depths = depths
        self._store = store
        self._clock = clock
        self._folder = folder
        self._database = database
        self._keep_closed_days = keep_closed_days
        self._memory_bytes = memory_bytes
        self.ratios: dict[str, float] = {}
        self.high: dict[str, float] = {}  #: those that are told

    def look(self) -> None:
        """At what costs nothing to look at: queues, files, disk, memory."""
        found = {name: value / bound for name, (value, bound) in self._depths().items()}
        found |= files(self._folder, self._database)
        used = memory.ratio(self._memory_bytes) if self._memory_bytes else None
        if used is not None:
            found["memory"] = used
        self._take(found)

    async def look_at_tables(self) -> None:
        """At the oldest row of each table. Raises StoreUnavailable."""
        now_us = self._clock.now_us()
        found: dict[str, float] = {}
        for name, bound in BOUNDS.items():
            days = (self._keep_closed_days or None) if name == "calls" else bound.days
            if bound.oldest is None or days is None:
                continue
            rows = await self._store.read(bound.oldest)
            oldest_us = rows[0][0] if rows else None
            age_days = (now_us - oldest_us) / _DAY_US if oldest_us is not None else 0.0
            found[f"table.{name}"] = max(0.0, (age_days - days) / LATE_DAYS)
        self._take(found)

    def _take(self, found: Mapping[str, float]) -> None:
        self.ratios |= found
        for name, ratio in found.items():
            counted.RATIO.labels(name).set(round(ratio, 4))
            if ratio >= ALARM and name not in self.high:
                log.error("growing", what=name, ratio=round(ratio, 2))
            if ratio >= ALARM or (ratio >= CALM and name in self.high):
                self.high[name] = ratio
            elif self.high.pop(name, None) is not None:
                log.warning("growing_no_more", what=name, ratio=round(ratio, 2))


def files(folder: Path, database: Path | None) -> dict[str, float]:
    """The database's log, open files, the disk. What cannot be looked at is left out."""
    found: dict[str, float] = {}
    if database is not None:
        log_file = database.with_name(f"{database.name}-wal")
        try:
            found["file.wal"] = log_file.stat().st_size / WAL_BYTES_MAX
        except OSError:
            found["file.wal"] = 0.0
    try:
        free = shutil.disk_usage(folder).free
        found["disk"] = disk_ratio(free)
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if most > 0:
            found["files.open"] = len(os.listdir("/proc/self/fd")) / most  # noqa: PTH208 - one call, no objects
    except OSError:
        pass
    return found


def disk_ratio(free_bytes: float) -> float:
    """How near the disk is to being full: by what is left, not by how much there is of it."""
    return max(0.0, 1.0 - (free_bytes - DISK_BYTES_MIN) / _DISK_BYTES_SPAN)
