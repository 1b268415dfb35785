"""Puts a backup in the place of a SQLite database, in one step: killed at any moment, it is the old one or the new one.

    FILE ──copy──> yijian.sqlite.restoring ──schema, a new journal id, db verify──> on disk ──rename──> yijian.sqlite
                                                          the present one ──link──> yijian.sqlite.before-restore-…

The journal gets a new id: who read the old one is sent a `reset`, for its numbers may now mean something else. The
caller holds the data folder, so nobody else writes here.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from config.doors import Clock, Ids, from_us
from dispatcher import schema
from dispatcher.backup.file import (
    BESIDE,
    MARK,
    BackupError,
    Why,
    connect,
    fresh_file,
    is_corrupt,
    look,
    remove,
    sync_file,
    sync_folder,
)
from dispatcher.store import SqliteStore
from dispatcher.verify import verify

_RESTORING = ".restoring"
_ASIDE = ".before-restore-"
#: So many differences that `db verify` finds are told; more of them say nothing more.
_DIFFERENCES_TOLD = 5
#: What a backup is measured by: whatever stands here and not there would be gone.
_GONE = {
    "calls": "SELECT count(*) FROM {now}.calls WHERE id NOT IN (SELECT id FROM {then}.calls)",
    "entries": (
        "SELECT count(*) FROM {now}.journal AS had "
        "WHERE had.seq > coalesce((SELECT max(seq) FROM {then}.journal AS has WHERE has.district = had.district), 0)"
    ),
}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A backup made ready beside the database: `differences` is what `db verify` finds in it."""

    path: Path
    calls: int
    entries: int
    open: int
    taken_us: int | None
    differences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Loss:
    """What is in the present database and not in the backup. None: it cannot be read, so nobody knows."""

    calls: int | None
    entries: int | None

    def __bool__(self) -> bool:
        return self.calls != 0 or self.entries != 0


async def prepare(file: Path, database: Path, ids: Ids) -> Prepared:
    """Copy the backup beside the database, bring it up to date, give it its new journal id, fold it again.

    Raises BackupError; then nothing of it is left.
    """
    found = look(file)
    fresh = database.with_name(database.name + _RESTORING)
    if _is_same(file, fresh):
        raise BackupError(Why.ITSELF, file=file)
    try:
        remove(fresh)
        os.close(fresh_file(fresh))
        _fill(file, fresh, ids)
        store = SqliteStore(fresh)
        try:
            await store.open()
            differences: list[str] = []
            async for line in verify(store):
                differences.append(line)
                if len(differences) == _DIFFERENCES_TOLD:
                    break
        finally:
            await store.close()
        with contextlib.closing(connect(fresh)) as connection:
            calls_open = connection.execute("SELECT count(*) FROM calls WHERE due_us IS NOT NULL").fetchone()[
                0
            ]
        _close(fresh)
    except schema.SchemaError as error:
        remove(fresh)
        raise BackupError(Why.READ, file=file, reason=str(error)) from error
    except sqlite3.Error as error:
        remove(fresh)
        raise BackupError(Why.WRITE, file=fresh, reason=str(error)) from error
    except OSError as error:
        remove(fresh)
        raise BackupError(Why.WRITE, file=fresh, reason=error.strerror or "") from error
    except BaseException:
        remove(fresh)
        raise
    return Prepared(fresh, found.calls, found.entries, calls_open, found.taken_us, tuple(differences))


def _is_same(file: Path, other: Path) -> bool:
    return other.exists() and file.samefile(other)


def _fill(file: Path, fresh: Path, ids: Ids) -> None:
    """The backup's content, in this program's schema, as another journal."""
    beside = file.with_name(f"{file.name}-wal")
    mode = "ro" if beside.exists() and beside.stat().st_size else "ro&immutable=1"
    with contextlib.closing(connect(file, mode)) as source, contextlib.closing(connect(fresh)) as target:
        target.execute("PRAGMA synchronous=OFF")
        source.backup(target)
    schema.upgrade(fresh)
    with contextlib.closing(connect(fresh)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DELETE FROM meta WHERE key IN (?, 'journal')", (MARK,))
        connection.execute("INSERT INTO meta (key, value) VALUES ('journal', ?)", (ids.new("j"),))
        connection.execute("DELETE FROM sessions")  # some were ended since: everybody logs in again
        connection.execute("COMMIT")


def loss(database: Path, prepared: Prepared) -> Loss:
    """What would be gone. Raises BackupError where the present database is used by somebody else."""
    if not database.exists():
        return Loss(0, 0)
    try:
        with contextlib.closing(connect(database)) as connection:
            connection.execute("ATTACH DATABASE ? AS backup", (str(prepared.path),))
            return Loss(
                *(
                    int(connection.execute(query.format(now="main", then="backup")).fetchone()[0])
                    for query in _GONE.values()
                )
            )
    except sqlite3.Error as error:
        if is_corrupt(error) or "no such table" in str(error):
            return Loss(None, None)
        raise BackupError(Why.PRESENT, file=database, reason=str(error)) from error


def put(
    database: Path, prepared: Prepared, clock: Clock, step: Callable[[str], None] = lambda _name: None
) -> Path | None:
    """Let the backup be the database; where the one before it was kept, None where there was none.

    Raises BackupError, and the present one is where it was. `step` is told each step, for tests that die there.
    """
    kept: Path | None = None
    try:
        if database.exists():
            kept = _aside(database, clock, step)
            step("aside")
        prepared.path.replace(database)
        step("replaced")
        sync_folder(database.absolute().parent)
    except sqlite3.Error as error:
        why = Why.IN_USE if "locked" in str(error) else Why.PRESENT
        raise BackupError(why, file=database, reason=str(error)) from error
    except OSError as error:
        raise BackupError(Why.WRITE, file=database, reason=error.strerror or "") from error
    return kept


def _close(fresh: Path) -> None:
    """One file with nothing beside it, on disk."""
    with contextlib.closing(connect(fresh)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    sync_file(fresh)


def close(prepared: Prepared) -> None:
    """It was opened and written to once more: make it one file again. Raises BackupError."""
    try:
        _close(prepared.path)
    except (OSError, sqlite3.Error) as error:
        raise BackupError(Why.WRITE, file=prepared.path, reason=str(error)) from error


def discard(prepared: Prepared) -> None:
    """It is not to be put in place after all."""
    remove(prepared.path)


def _aside(database: Path, clock: Clock, step: Callable[[str], None]) -> Path:
    """Keep the present database under another name. Its own name stays until the new one takes it."""
    kept = _free(database, clock)
    try:
        with contextlib.closing(connect(database)) as connection:
            # What stands in the WAL goes into the file: a WAL left behind would be read into the new database.
            connection.execute("PRAGMA busy_timeout=3000")
            (mode,) = connection.execute("PRAGMA journal_mode=DELETE").fetchone()
        if mode != "delete":
            raise sqlite3.OperationalError("database is locked")
    except sqlite3.Error as error:
        if not is_corrupt(error):
            raise
        # Damaged: whatever there is of it is kept as it is, and only then its WAL is taken from under its name.
        for end in BESIDE:
            part = database.with_name(database.name + end)
            if part.exists():
                _copy(part, kept.with_name(kept.name + end))
        _copy(database, kept)
        sync_folder(kept.absolute().parent)
        for end in BESIDE:
            database.with_name(database.name + end).unlink(missing_ok=True)
        return kept
    step("closed")
    try:
        os.link(database, kept)
    except OSError:
        _copy(database, kept)  # a file system without links
    sync_folder(kept.absolute().parent)
    return kept


def _copy(source: Path, target: Path) -> None:
    os.close(fresh_file(target))
    shutil.copyfile(source, target)
    sync_file(target)


def _free(database: Path, clock: Clock) -> Path:
    stamp = f"{from_us(clock.now_us()):%Y%m%dT%H%M%SZ}"
    for number in range(1, 1000):
        name = database.name + _ASIDE + stamp + (f"-{number}" if number > 1 else "")
        kept = database.with_name(name)
        if not kept.exists():
            return kept
    raise OSError(f"too many copies of {stamp}")
