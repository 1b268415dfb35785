"""Takes a backup of a SQLite database that is in use: one snapshot, read without holding up anybody who writes.

    a reading transaction is begun first, and the pages are copied within it: in SQLite's WAL mode writers do not wait
    for readers, and what they write meanwhile is not in the copy

Measured beside 100 presses a second (docs/measurements.md). The online copy in steps *without* that transaction begins
anew whenever somebody writes and never ended; VACUUM INTO has its whole file to write at once.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path

from dispatcher.backup.file import BackupError, Part, Taken, Why, connect, is_corrupt

#: Pages of a step: 1 MB, then the disk is others' for a moment.
PAGES = 256
PAUSE_SECONDS = 0.005
#: So many steps, and what was written is flushed: in portions a flush is short, and the presses' own wait for it.
FLUSH_STEPS = 8


def take(database: Path, file: Path, now_us: int, *, force: bool = False) -> Taken:
    """Back up the database file at `database`. Raises BackupError: nothing was changed then."""
    if not database.is_file():
        raise BackupError(Why.NO_DATABASE, file=database)
    try:
        itself = file.exists() and file.samefile(database)
    except OSError as error:
        raise BackupError(Why.WRITE, file=file, reason=error.strerror or "") from error
    if itself:
        raise BackupError(Why.ITSELF, file=file)
    with Part(file, force=force) as part, contextlib.closing(_opened(database)) as source:
        copy(source, part)
        return part.keep(now_us)


def copy(source: sqlite3.Connection, part: Part) -> None:
    """One snapshot of the source into the part."""
    steps = 0

    def pause(_status: int, _left: int, _all: int) -> None:
        nonlocal steps
        steps += 1
        if steps % FLUSH_STEPS == 0:
            part.flush()
        time.sleep(PAUSE_SECONDS)

    with contextlib.closing(connect(part.path)) as target:
        target.execute("PRAGMA synchronous=OFF")
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM alembic_version").fetchone()  # now it is a snapshot
        try:
            source.backup(target, pages=PAGES, progress=pause)
        finally:
            source.execute("ROLLBACK")


def _opened(database: Path) -> sqlite3.Connection:
    try:
        source = connect(database)
        source.execute("SELECT count(*) FROM alembic_version").fetchone()
    except sqlite3.Error as error:
        if is_corrupt(error):
            raise BackupError(Why.DAMAGED, file=database, reason=str(error)) from error
        if "no such table" in str(error):
            raise BackupError(Why.NOT_OURS, file=database) from error
        raise BackupError(Why.READ, file=database, reason=str(error)) from error
    return source
