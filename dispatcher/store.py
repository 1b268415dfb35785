"""The database: whole transactions in, rows out.

Statements are SQLAlchemy Core, compiled once. A write is a list of them with their rows, carried out as *one
transaction in one hop* to the writer's thread, because a press pays for every hop (docs/decisions/0005). Reads go
through SQLAlchemy's async engine on connections of their own, so that a long list never holds up a press.

    await store.write([Do(INSERT_PRESS, rows), Do(MARK_DECIDED, marks)])     # BEGIN IMMEDIATE … COMMIT, then returns

Errors: `StoreUnavailable` when nothing can be written or read just now (disk full, locked, away): try again later.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, Protocol

import aiosqlite
from sqlalchemy import create_engine, event
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import StaticPool
from sqlalchemy.sql import ClauseElement, Executable

Row = tuple[Any, ...]


class StoreUnavailable(Exception):  # noqa: N818
    """The database cannot be written or read just now."""


class Prepared:
    """A Core statement, compiled once for the driver beneath: `sql`, and `bind` that makes its row of parameters."""

    _DIALECT = sqlite_dialect.dialect(paramstyle="qmark")

    def __init__(self, statement: ClauseElement) -> None:
        compiled: Any = statement.compile(dialect=self._DIALECT)
        self.sql = str(compiled)
        names: list[str] = list(compiled.positiontup or ())
        fixed = {name: value for name, value in compiled.params.items() if value is not None}
        self.bind: Callable[[Mapping[str, Any]], Row]
        if any(name in fixed for name in names):
            self.bind = lambda row: tuple(row.get(name, fixed.get(name)) for name in names)
        elif len(names) > 1:
            self.bind = itemgetter(*names)
        else:
            self.bind = lambda row: tuple(row[name] for name in names)


class Do:
    """One statement with its rows. `fetch`: hand back what each row's execution returned, a list of rows a row."""

    __slots__ = ("fetch", "prepared", "rows")

    def __init__(self, prepared: Prepared, rows: Sequence[Mapping[str, Any]], *, fetch: bool = False) -> None:
        self.prepared = prepared
        self.rows = rows
        self.fetch = fetch


class Store(Protocol):
    """What the rooms of the dispatcher need of a database."""

    async def write(self, work: Sequence[Do]) -> list[list[list[Row]]]:
        """One durable transaction; returns after the commit, what each fetching Do fetched. Raises StoreUnavailable."""
        ...

    async def read(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> Sequence[Row]:
        """Rows of a query, as of now. Raises StoreUnavailable."""
        ...

    async def close(self) -> None:
        """Let go of the database."""
        ...


_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",  # a receipt means: on disk
    "PRAGMA busy_timeout=5000",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-16000",
)


def _transact(
    connection: sqlite3.Connection, work: Sequence[tuple[str, list[Row], bool]]
) -> list[list[list[Row]]]:
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


def _bound(work: Sequence[Do]) -> list[tuple[str, list[Row], bool]]:
    return [(do.prepared.sql, [do.prepared.bind(row) for row in do.rows], do.fetch) for do in work if do.rows]


#: What SQLite says when it is the world's fault and not ours.
_WORLD = (sqlite3.OperationalError,)


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
            done: list[list[list[Row]]] = await hop(_transact, self._writer._conn, _bound(work))  # noqa: SLF001
        except _WORLD as error:
            raise StoreUnavailable(str(error)) from error
        return done

    async def read(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> Sequence[Row]:
        """Rows of a query, on a reading connection."""
        try:
            async with self._engine.connect() as connection:
                return [tuple(row) for row in await connection.execute(statement, parameters or {})]
        except DBAPIError as error:
            raise StoreUnavailable(str(error.orig)) from error

    async def close(self) -> None:
        """Let go of all connections."""
        if self._writer is not None:
            await self._writer.close()
            self._writer = None
        await self._engine.dispose()


class InlineStore:
    """The same SQL on an in-process SQLite without a thread: for tests and for the simulated world's virtual time."""

    def __init__(self, path: str = ":memory:") -> None:
        self._engine = create_engine(
            f"sqlite:///{path}",
            poolclass=StaticPool,
            connect_args={"isolation_level": None, "check_same_thread": False},
        )
        raw = self._engine.raw_connection()
        connection = raw.driver_connection
        assert isinstance(connection, sqlite3.Connection)
        self.connection = connection
        self.fail: Callable[[Sequence[Do]], Exception | None] = lambda _work: None

    async def write(self, work: Sequence[Do]) -> list[list[list[Row]]]:
        """One transaction, here and now; the loop gets a turn first, as with a real disk."""
        await asyncio.sleep(0)
        if (error := self.fail(work)) is not None:
            raise error
        try:
            return _transact(self.connection, _bound(work))
        except _WORLD as error:
            raise StoreUnavailable(str(error)) from error

    async def read(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> Sequence[Row]:
        """Rows of a query."""
        await asyncio.sleep(0)
        with self._engine.connect() as connection:
            return [tuple(row) for row in connection.execute(statement, parameters or {})]

    async def close(self) -> None:
        """Let go."""
        self._engine.dispose()


__all__ = ["Do", "InlineStore", "Prepared", "Row", "SqliteStore", "Store", "StoreUnavailable"]
