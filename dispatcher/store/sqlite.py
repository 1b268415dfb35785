"""SQLite: one writing connection, a few reading ones; and the same without a thread, for tests on virtual time."""

from __future__ import annotations

import asyncio
import sqlite3
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiosqlite
from sqlalchemy import create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import StaticPool
from sqlalchemy.sql import Executable, Select

from dispatcher.store.work import Compiled, Do, Prepared, Row, StoreUnavailable

_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",  # a receipt means: on disk
    "PRAGMA busy_timeout=5000",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-16000",
    "PRAGMA secure_delete=ON",  # who is erased, and what is let go, is not to be found in free pages either
)


#: A statement in SQLite's words, its rows, and whether what they return is wanted.
Bound = tuple[str, list[Row], bool]


def _transact(connection: sqlite3.Connection, work: Sequence[Bound]) -> list[list[list[Row]]]:
    """One transaction. BEGIN IMMEDIATE: a read that later wants to write must not find somebody else did."""
    fetched: list[list[list[Row]]] = []
    connection.execute("BEGIN IMMEDIATE")
    try:
        for sql, rows, fetch in work:
            if fetch:
                fetched.append([connection.execute(sql, row).fetchall() for row in rows])
            elif len(rows) == 1:
                connection.execute(sql, rows[0])
            else:
                connection.executemany(sql, rows)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return fetched


def bound(work: Sequence[Do]) -> list[Bound]:
    """The work with its rows bound: what the rows hold now is what is written."""
    return [
        (do.prepared.sqlite.sql, [do.prepared.sqlite.bind(row) for row in do.rows], do.fetch)
        for do in work
        if do.rows
    ]


#: What SQLite says of a damaged file; unlike the world's other faults it is no OperationalError.
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def _worlds(error: sqlite3.Error) -> bool:
    """Whether it is the world's fault and not ours."""
    damaged = (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _DAMAGED
    return damaged or isinstance(error, sqlite3.OperationalError)


class SqliteStore:
    """SQLite through aiosqlite: one writing connection, a few reading ones."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: aiosqlite.Connection | None = None
        self._engine = create_async_engine(f"sqlite+aiosqlite:///{path}", pool_size=4, max_overflow=4)

        @event.listens_for(self._engine.sync_engine, "connect")
        def _settle(connection: Any, _record: Any) -> None:
            cursor = connection.cursor()
            for pragma in (*_PRAGMAS, "PRAGMA query_only=ON"):
                cursor.execute(pragma)
            cursor.close()

    async def open(self) -> None:
        """Connect. Raises StoreUnavailable."""
        try:
            self._writer = await aiosqlite.connect(self._path, isolation_level=None, cached_statements=512)
            for pragma in _PRAGMAS:
                await self._writer.execute(pragma)
        except sqlite3.Error as error:
            raise StoreUnavailable(str(error)) from error

    async def write(self, work: Sequence[Do]) -> list[list[list[Row]]]:
        """One durable transaction in one hop to the writer's thread."""
        if self._writer is None:
            raise StoreUnavailable("not open")
        try:
            # The one private door of aiosqlite: run a whole function in its thread, not one call a hop.
            hop: Any = self._writer._execute  # noqa: SLF001
            done: list[list[list[Row]]] = await hop(_transact, self._writer._conn, bound(work))  # noqa: SLF001
        except sqlite3.Error as error:
            if not _worlds(error):
                raise
            raise StoreUnavailable(str(error)) from error
        return done

    async def read(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> Sequence[Row]:
        """Rows of a query, on a reading connection."""
        try:
            async with self._engine.connect() as connection:
                return [tuple(row) for row in await connection.execute(statement, parameters or {})]
        except DBAPIError as error:
            raise StoreUnavailable(str(error.orig)) from error

    async def forget(self) -> None:
        """Let what was written over or let go be gone from the write-ahead log too. Raises StoreUnavailable."""
        if self._writer is None:
            raise StoreUnavailable("not open")
        try:
            rows = await self._writer.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            if not _worlds(error):
                raise
            raise StoreUnavailable(str(error)) from error
        if any(row[0] for row in rows):
            raise StoreUnavailable("somebody is reading; the log is emptied later")

    async def close(self) -> None:
        """Let go of all connections."""
        if self._writer is not None:
            await self._writer.close()
            self._writer = None
        await self._engine.dispose()


#: So many statements are remembered by name; the program has fewer.
_OFTEN_MAX = 1000


class InlineStore:
    """The same SQL on an in-process SQLite without a thread: for tests and for the simulated world's virtual time."""

    def __init__(self, path: str = ":memory:") -> None:
        self._engine = create_engine(
            f"sqlite:///{path}",
            poolclass=StaticPool,
            connect_args={"isolation_level": None, "check_same_thread": False, "cached_statements": 512},
        )
        self._reading = self._engine.connect()
        connection = self._reading.connection.driver_connection
        assert isinstance(connection, sqlite3.Connection)
        self.connection = connection
        self._asked = _Asked()
        self.fail: Callable[[Sequence[Do]], Exception | None] = lambda _work: None

    async def write(self, work: Sequence[Do]) -> list[list[list[Row]]]:
        """One transaction, here and now; the loop gets a turn first, as with a real disk."""
        await asyncio.sleep(0)
        if (error := self.fail(work)) is not None:
            raise error
        return self.transact(bound(work))

    def transact(self, work: Sequence[Bound]) -> list[list[list[Row]]]:
        """One transaction at this very moment, of statements with their rows bound. Raises StoreUnavailable."""
        try:
            return _transact(self.connection, work)
        except sqlite3.Error as error:
            if not _worlds(error):
                raise
            raise StoreUnavailable(str(error)) from error

    async def read(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> Sequence[Row]:
        """Rows of a query."""
        await asyncio.sleep(0)
        return self.look(statement, parameters)

    def look(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> Sequence[Row]:
        """Rows of a query, at this very moment."""
        prepared = self._asked.prepared(statement)
        if prepared is None:
            return [tuple(row) for row in self._reading.execute(statement, parameters or {})]
        try:
            return self.connection.execute(prepared.sql, prepared.bind(parameters or {})).fetchall()
        except sqlite3.Error as error:
            if not _worlds(error):
                raise
            raise StoreUnavailable(str(error)) from error

    def become(self, content: bytes) -> None:
        """All that is in it is this from now on (`sqlite3.Connection.serialize`); what was compiled is still known."""
        if self.connection.in_transaction:
            self.connection.rollback()
        self.connection.deserialize(content)

    async def close(self) -> None:
        """Let go."""
        self._reading.close()
        self._engine.dispose()


class _Asked:
    """Statements that are asked again and again are compiled once: where nothing waits, compiling is what a read costs.

    One that was made for this question alone is gone after it, and stays with SQLAlchemy, as all do in production.
    """

    def __init__(self) -> None:
        self._once: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
        self._often: dict[int, tuple[Executable, Compiled | None]] = {}

    def prepared(self, statement: Executable) -> Compiled | None:
        """In SQLite's words, where it was asked before."""
        key = id(statement)
        if (known := self._often.get(key)) is not None:
            return known[1]
        if self._once.get(key) is not statement or len(self._often) >= _OFTEN_MAX:
            self._once[key] = statement
            return None
        compiled: Compiled | None = None
        if isinstance(statement, Select):
            compiled = Prepared(statement).sqlite
            if "POSTCOMPILE" in compiled.sql:  # a list of values: another text for each number of them
                compiled = None
        self._often[key] = statement, compiled
        return compiled


__all__ = ["Bound", "InlineStore", "SqliteStore", "bound"]
