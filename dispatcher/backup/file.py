"""A backup file: how it is written so that it is whole or not there, and how it is looked at before it is believed.

    with Part(file, force=False) as part:      FILE.part, mode 0600, ours alone
        ... fill part.path ...
        taken = part.keep(now_us)              checked, on disk, renamed to FILE

Whatever goes wrong in between, the part is gone afterwards and FILE is what it was.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import sqlite3
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from dispatcher import schema

#: The row of `meta` that makes a database a backup: when it was taken.
MARK = "backup"
_MAGIC = b"SQLite format 3\0"
_CORRUPT = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
#: What SQLite may lay beside a database.
BESIDE = ("-wal", "-shm", "-journal")


class Why(StrEnum):
    """Why a backup could not be taken or restored. The command line has a sentence for each."""

    EXISTS = "exists"
    FOLDER = "folder"
    ITSELF = "itself"
    UNDER_WAY = "under_way"
    NO_DATABASE = "no_database"
    NO_FILE = "no_file"
    NOT_OURS = "not_ours"
    NEWER = "newer"
    OLDER = "older"
    DAMAGED = "damaged"
    DIFFERS = "differs"
    IN_USE = "in_use"
    WRITE = "write"
    READ = "read"
    PRESENT = "present"


class BackupError(Exception):
    """It could not be done. `values` fill the sentence of `why`: `file`, `reason`."""

    def __init__(self, why: Why, **values: str | int | Path) -> None:
        self.why = why
        self.values = {name: str(value) for name, value in values.items()}
        super().__init__(f"{why.value}: {', '.join(self.values.values())}")


@dataclass(frozen=True, slots=True)
class Content:
    """What is in a backup. `taken_us` is None for a database that was not made by `db backup`."""

    revision: str
    calls: int
    entries: int
    taken_us: int | None


@dataclass(frozen=True, slots=True)
class Taken:
    """A backup that was made."""

    file: Path
    calls: int
    entries: int
    size_bytes: int
    seconds: float


def connect(path: Path, mode: str = "rw") -> sqlite3.Connection:
    """An existing database in plain words: no transaction but those we begin."""
    uri = f"file:{quote(str(path.absolute()))}?mode={mode}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=10)


def is_corrupt(error: sqlite3.Error) -> bool:
    """Whether the database itself is damaged, and not the disk full or the file locked."""
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _CORRUPT


def sync_folder(folder: Path) -> None:
    """Let the names in a folder be on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Let a file's content be on disk."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Take a database away, and what SQLite laid beside it."""
    for name in (path, *(path.with_name(path.name + end) for end in BESIDE)):
        name.unlink(missing_ok=True)


def fresh_file(path: Path) -> int:
    """An empty file that nobody else may read; its descriptor."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with contextlib.suppress(PermissionError):  # a memory stick knows no rights
        os.fchmod(descriptor, 0o600)
    return descriptor


def look(file: Path) -> Content:
    """What is in a backup, or any database of ours. Raises BackupError: not ours, newer than this program, damaged."""
    try:
        with file.open("rb") as opened:
            magic = opened.read(len(_MAGIC))
    except FileNotFoundError:
        raise BackupError(Why.NO_FILE, file=file) from None
    except OSError as error:
        raise BackupError(Why.READ, file=file, reason=error.strerror or "") from error
    if magic != _MAGIC:
        raise BackupError(Why.NOT_OURS, file=file)
    try:
        with contextlib.closing(_to_read(file)) as connection:
            return content(connection, file)
    except sqlite3.Error as error:
        why = Why.DAMAGED if is_corrupt(error) else Why.READ
        raise BackupError(why, file=file, reason=str(error)) from error


def _to_read(file: Path) -> sqlite3.Connection:
    """A connection that leaves nothing beside the file, unless there lies something that belongs to it."""
    wal = file.with_name(f"{file.name}-wal")
    alone = not wal.exists() or not wal.stat().st_size
    return connect(file, "ro&immutable=1" if alone else "ro")


def content(connection: sqlite3.Connection, file: Path) -> Content:
    """Check all of it. Raises BackupError, sqlite3.Error."""
    tables = {
        str(row[0]) for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    }
    if not {"alembic_version", "meta", "journal", "calls"} <= tables:
        raise BackupError(Why.NOT_OURS, file=file)
    versions = [str(row[0]) for row in connection.execute("SELECT version_num FROM alembic_version")]
    if len(versions) != 1:
        raise BackupError(Why.NOT_OURS, file=file)
    if versions[0] not in schema.known_revisions():
        raise BackupError(Why.NEWER, file=file, reason=versions[0])
    (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise BackupError(Why.DAMAGED, file=file, reason=str(verdict).splitlines()[0])
    calls = connection.execute("SELECT count(*) FROM calls").fetchone()[0]
    entries = connection.execute("SELECT count(*) FROM journal").fetchone()[0]
    mark = connection.execute("SELECT value FROM meta WHERE key = ?", (MARK,)).fetchone()
    return Content(versions[0], calls, entries, _taken_us(mark[0]) if mark is not None else None)


def _taken_us(mark: str) -> int | None:
    try:
        return int(json.loads(mark)["taken_us"])
    except (ValueError, KeyError, TypeError):
        return None


class Part:
    """The file in the making."""

    def __init__(self, file: Path, *, force: bool) -> None:
        self._file = file
        self._force = force
        self._began = time.monotonic()
        self._descriptor = -1
        self.path = file.with_name(f"{file.name}.part")

    def __enter__(self) -> Self:
        self._refuse_what_is_there()
        try:
            self._descriptor = fresh_file(self.path)
            # Of a backup that was killed it is free; of one that is under way it is not.
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._descriptor, 0)
        except BlockingIOError:
            os.close(self._descriptor)
            raise BackupError(Why.UNDER_WAY, file=self._file) from None
        except OSError as error:
            if self._descriptor >= 0:
                os.close(self._descriptor)
            raise BackupError(Why.WRITE, file=self._file, reason=error.strerror or "") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if kind is not None:
            remove(self.path)
        os.close(self._descriptor)
        if isinstance(error, OSError):
            raise BackupError(Why.WRITE, file=self._file, reason=error.strerror or str(error)) from error
        if isinstance(error, sqlite3.Error):
            raise BackupError(Why.WRITE, file=self._file, reason=str(error)) from error

    def flush(self) -> None:
        """What was written so far is on disk. Little by little, so that no single flush holds up the presses' own."""
        os.fdatasync(self._descriptor)

    def keep(self, now_us: int) -> Taken:
        """Mark it, check it, see it on disk, and give it its name. Raises BackupError, OSError, sqlite3.Error."""
        with contextlib.closing(connect(self.path)) as connection:
            connection.execute("PRAGMA synchronous=OFF")  # one fsync at the end is enough: it has no name yet
            connection.execute("PRAGMA journal_mode=DELETE")  # one file: nothing may lie beside it
            connection.execute(
                "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)",
                (MARK, json.dumps({"taken_us": now_us})),
            )
            found = content(connection, self._file)
        os.fsync(self._descriptor)
        self._refuse_what_is_there()
        self.path.replace(self._file)
        sync_folder(self._file.absolute().parent)
        size_bytes = os.fstat(self._descriptor).st_size
        return Taken(self._file, found.calls, found.entries, size_bytes, time.monotonic() - self._began)

    def _refuse_what_is_there(self) -> None:
        try:
            if self._file.is_dir():
                raise BackupError(Why.FOLDER, file=self._file)
            if not self._force and (self._file.exists() or self._file.is_symlink()):
                raise BackupError(Why.EXISTS, file=self._file)
        except OSError as error:
            reason = "name too long" if error.errno == errno.ENAMETOOLONG else error.strerror or ""
            raise BackupError(Why.WRITE, file=self._file, reason=reason) from error
