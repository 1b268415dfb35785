"""PostgreSQL through asyncpg: a few writing connections, each with its own kind of work, and a pool that reads.

    desk    journal, calls, marks on inputs: this connection holds the database's lock, so nobody else's desk writes
    inbox   what comes in
    outbox  what goes out
    rest    the register, tokens, tidying up

What one writer gives on SQLite for nothing is kept where it is needed: transactions on one connection follow one
another, so two batches of inputs never wait for each other's rows crosswise. Between connections the server finds a
deadlock, and the one it breaks off is done again.

In short, the rule is: the lock stands or falls with the very connection that writes facts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple

import asyncpg
import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoneFree
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.sql import Executable, Insert, Select, Update

from config.database import Postgres
from dispatcher.store.postgres_link import (
    COMMAND_SECONDS,
    Connection,
    StoreRefused,
    check,
    connect,
    ended,
    reason,
    refused,
)
from dispatcher.store.work import Do, OutcomeUnknown, Row, StoreUnavailable
from dispatcher.tables import inbox, journal, outbox

log = structlog.get_logger("store")

#: A large write may take longer: so many rows a second are a slow server's.
ROWS_A_SECOND = 500
#: A transaction that the server broke off for the sake of another is done again, so often in all.
TRIES = 4
AGAIN_SECONDS = 0.02
#: Nobody connects again sooner than this after it failed: who waits meanwhile is told at once.
FAILED_SECONDS = 0.25
#: Someone killed right before us is still being cleared away.
LOCK_WAIT_SECONDS = 3.0
READ_SECONDS = 30.0
CLOSE_SECONDS = 2.0

_LOCK_KEY = "hashtextextended('yijian desk ' || coalesce(current_schema(), ''), 0)"
_HOLDER = f"""
    SELECT held.pid, activity.backend_start
    FROM pg_locks held LEFT JOIN pg_stat_activity activity ON activity.pid = held.pid
    WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1
      AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND ((held.classid::bigint << 32) | held.objid::bigint) = {_LOCK_KEY}
"""  # noqa: S608 - all of it is ours


class DeskElsewhere(Exception):  # noqa: N818
    """Another process has the desk of this database."""


class _Kind(Enum):
    DESK = "desk"
    INBOX = "inbox"
    OUTBOX = "outbox"
    REST = "rest"


@lru_cache(maxsize=512)
def _kind_of(statement: Any) -> _Kind:
    """By its table and what it does there: an input is put by the inbox, looked at and marked by the desk."""
    if isinstance(statement, Select):
        table: Any = statement.get_final_froms()[0]
        kinds: dict[Any, _Kind] = {inbox: _Kind.DESK, journal: _Kind.DESK, outbox: _Kind.OUTBOX}
        return kinds.get(table, _Kind.REST)
    if _is_decision(statement):
        return _Kind.DESK
    if statement.table is inbox and isinstance(statement, Insert):
        return _Kind.INBOX
    return _Kind.OUTBOX if statement.table is outbox else _Kind.REST


def _is_decision(statement: Any) -> bool:
    """Whether it is the desk's alone: a transaction with one of these goes by the desk's connection or not at all."""
    return (isinstance(statement, Insert) and statement.table is journal) or (
        isinstance(statement, Update) and statement.table is inbox
    )


class _Failure:
    """The last time nobody could connect: what all connections know of the server together."""

    def __init__(self) -> None:
        self.until = 0.0
        self.why = ""
        self.refused = False


class _Writer:
    """One connection that writes: its transactions follow one another."""

    def __init__(self, place: Postgres, failure: _Failure) -> None:
        self._place = place
        self._failure = failure
        self._lock = asyncio.Lock()
        self._connection: Connection | None = None

    async def write(self, work: Sequence[Do]) -> list[list[list[Row]]]:
        """One transaction. Raises StoreUnavailable, OutcomeUnknown."""
        clean = False
        async with self._lock:
            for tried in range(1, TRIES + 1):
                old = self._connection
                connection = await self.ready()
                try:
                    return await self._transact(connection, work, clean=clean)
                except OutcomeUnknown:
                    raise
                except StoreUnavailable:
                    # It was lost some time ago and only noticed now: nothing was done on it, a new one is as good.
                    if tried == 1 and connection is old:
                        continue
                    raise
                except asyncpg.PostgresError as error:
                    state = error.sqlstate or ""
                    if tried < TRIES and (
                        state in {"40001", "40P01"} or isinstance(error, asyncpg.InvalidCachedStatementError)
                    ):
                        await asyncio.sleep(AGAIN_SECONDS * 2**tried)
                        continue
                    if tried < TRIES and not clean and isinstance(error, asyncpg.DataError):
                        clean = True
                        continue
                    if (why := reason(error)) is not None:
                        raise StoreUnavailable(why) from error
                    if isinstance(error, asyncpg.UniqueViolationError) and error.table_name == journal.name:
                        raise DeskElsewhere from error  # the second fence: one district, one number, one fact
                    raise
        raise StoreUnavailable("others were in the way, again and again")

    async def ready(self) -> Connection:
        """The connection, made again where it was lost. Raises StoreUnavailable, StoreRefused."""
        if self._connection is not None and not self._connection.is_closed():
            return self._connection
        failure, loop = self._failure, asyncio.get_running_loop()
        if loop.time() < failure.until:
            raise (StoreRefused if failure.refused else StoreUnavailable)(failure.why)
        try:
            self._connection = await self._connect()
        except Exception as error:
            why = reason(error)
            if why is None:
                raise
            failure.until, failure.why, failure.refused = loop.time() + FAILED_SECONDS, why, refused(error)
            raise (StoreRefused if failure.refused else StoreUnavailable)(why) from error
        return self._connection

    async def _connect(self) -> Connection:
        return await connect(self._place)

    async def _transact(
        self, connection: Connection, work: Sequence[Do], *, clean: bool
    ) -> list[list[list[Row]]]:
        steps = [_Step.of(do, clean=clean) for do in work if do.rows]
        seconds = COMMAND_SECONDS + sum(len(step.rows) for step in steps) / ROWS_A_SECOND
        alone = len(steps) == 1  # a statement by itself is a transaction, and two hops less
        committing = alone and not isinstance(steps[0].statement, Select)
        try:
            if not alone:
                await connection.execute("BEGIN")
            fetched = [rows for step in steps if (rows := await step.run(connection, seconds)) is not None]
            if not alone:
                committing = True
                await connection.execute("COMMIT")
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) or ended(error) or connection.is_closed():
                self._drop(connection)
                why = reason(error)
                if why is not None and committing:
                    raise OutcomeUnknown(why) from error
                if why is not None:
                    raise StoreUnavailable(why) from error
            elif not alone:
                await self._roll_back(connection)
            raise
        return fetched

    async def _roll_back(self, connection: Connection) -> None:
        try:
            await connection.execute("ROLLBACK")
        except BaseException as error:
            self._drop(connection)
            if reason(error) is None:
                raise

    def _drop(self, connection: Connection) -> None:
        """Let go of a connection: what it was about to do is undone by the server, unless it was done already."""
        connection.terminate()
        self._connection = None

    async def close(self) -> None:
        """Let go."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            try:
                await connection.close(timeout=1)
            except Exception:  # noqa: BLE001 - it is to be gone, however that goes
                connection.terminate()


class _DeskWriter(_Writer):
    """The desk's connection. With `locked` it holds the database's lock for as long as it lives, and is nothing without."""

    def __init__(self, place: Postgres, failure: _Failure, *, locked: bool) -> None:
        super().__init__(place, failure)
        self._locked = locked
        self._before: tuple[Any, ...] | None = None

    async def _connect(self) -> Connection:
        connection = await connect(self._place)
        if not self._locked:
            return connection
        try:
            await self._take_lock(connection)
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def _take_lock(self, connection: Connection) -> None:
        if not await connection.fetchval(f"SELECT pg_try_advisory_lock({_LOCK_KEY})"):
            holder = await connection.fetchrow(_HOLDER)
            if holder is None:
                raise ConnectionError("the lock was let go of just now")
            if self._before is None or tuple(holder) != self._before:
                raise DeskElsewhere
            # Our own connection before this one: the server has not noticed yet that it is gone.
            await connection.execute("SELECT pg_terminate_backend($1)", holder["pid"])
            raise ConnectionError("the connection before this one is still ending")
        mine = await connection.fetchrow(
            "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
        )
        self._before = tuple(mine) if mine is not None else None

    async def wait_for_lock(self) -> None:
        """The first time: whoever was killed right before us is given a moment. Raises DeskElsewhere, StoreUnavailable."""
        loop = asyncio.get_running_loop()
        until = loop.time() + LOCK_WAIT_SECONDS
        while True:
            try:
                await self.ready()
            except DeskElsewhere:
                if loop.time() > until:
                    raise
                await asyncio.sleep(0.1)
            else:
                return


class _Step(NamedTuple):
    """One statement of a transaction with its rows bound."""

    statement: Any
    sql: str
    rows: list[Row]
    fetch: bool

    @staticmethod
    def of(do: Do, *, clean: bool) -> _Step:
        sql, bind, tag = do.prepared.postgres
        rows = [bind(row) for row in do.rows]
        if tag is not None:
            rows = [(*row[:tag], number, *row[tag:]) for number, row in enumerate(rows)]
        if clean:
            rows = [tuple(_clean(value) for value in row) for row in rows]
        return _Step(do.prepared.statement, sql, rows, do.fetch)

    async def run(self, connection: Connection, seconds: float) -> list[list[Row]] | None:
        """What each row's execution returned; None where nobody wants to know."""
        if not self.fetch:
            if len(self.rows) == 1:
                await connection.execute(self.sql, *self.rows[0], timeout=seconds)
            else:
                await connection.executemany(self.sql, self.rows, timeout=seconds)
            return None
        if len(self.rows) == 1:
            found = await connection.fetch(self.sql, *self.rows[0], timeout=seconds)
            return [[tuple(record)[:-1] for record in found]]
        fetched: list[list[Row]] = [[] for _ in self.rows]
        for record in await connection.fetchmany(self.sql, self.rows, timeout=seconds):
            *row, number = record
            fetched[number].append(tuple(row))
        return fetched


def _clean(value: Any) -> Any:
    """The last net below the doors, which let no such text in: NUL and half surrogates, which PostgreSQL cannot keep."""
    if not isinstance(value, str):
        return value
    return value.replace("\0", "\u2400").encode(errors="replace").decode()


class PostgresStore:
    """A PostgreSQL database. `desk`: this process decides; no other may, and it is told if one does."""

    def __init__(self, place: Postgres, *, desk: bool = False) -> None:
        self._place = place
        self._failure = _Failure()
        self._desk = _DeskWriter(place, self._failure, locked=desk)
        self._writers = {kind: _Writer(place, self._failure) for kind in _Kind} | {_Kind.DESK: self._desk}
        self._waits_for_lock = desk
        self._engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=lambda: connect(place, command_seconds=READ_SECONDS),
            isolation_level="AUTOCOMMIT",  # a read is one statement
            pool_size=4,
            max_overflow=4,
            pool_timeout=COMMAND_SECONDS,
            pool_reset_on_return=None,
        )

    async def open(self) -> None:
        """Connect, and take the desk's lock. Raises DeskElsewhere, StoreRefused, StoreUnavailable."""
        if self._waits_for_lock:
            await self._desk.wait_for_lock()
        writer = self._desk if self._waits_for_lock else self._writers[_Kind.REST]
        for warning in await check(await writer.ready()):
            log.warning("database", warning=warning)

    async def write(self, work: Sequence[Do]) -> list[list[list[Row]]]:
        """One durable transaction. Raises StoreUnavailable, OutcomeUnknown; DeskElsewhere, of the desk's work."""
        return await self._writers[self._kind(work)].write(work)

    def _kind(self, work: Sequence[Do]) -> _Kind:
        first: _Kind | None = None
        for do in work:
            if not do.rows:
                continue
            statement = do.prepared.statement
            if _is_decision(statement):
                return _Kind.DESK
            first = first or _kind_of(statement)
        return first or _Kind.REST

    async def read(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> Sequence[Row]:
        """Rows of a query, on a reading connection."""
        try:
            return await self._read(statement, parameters)
        except _Stale:
            # The server was started again: all connections of before are gone, a new one is as good.
            return await self._read(statement, parameters)

    async def _read(self, statement: Executable, parameters: Mapping[str, Any] | None) -> Sequence[Row]:
        failure, loop = self._failure, asyncio.get_running_loop()
        if loop.time() < failure.until:
            raise StoreUnavailable(failure.why)
        try:
            async with self._engine.connect() as connection:
                try:
                    return [tuple(row) for row in await connection.execute(statement, parameters or {})]
                except TimeoutError:
                    await connection.invalidate()
                    raise
        except NoneFree as error:
            raise StoreUnavailable("too many reads at once") from error
        except DBAPIError as error:
            cause = error.orig.__cause__ if error.orig is not None else None
            why = reason(cause) if cause is not None else None
            if error.connection_invalidated:
                raise _Stale(why or "the connection was lost") from error
            if why is None:
                raise
            raise StoreUnavailable(why) from error
        except Exception as error:
            why = reason(error)
            if why is None:
                raise
            raise StoreUnavailable(why) from error

    async def close(self) -> None:
        """Let go of all connections."""
        closing = [asyncio.ensure_future(writer.close()) for writer in self._writers.values()]
        closing.append(asyncio.ensure_future(self._engine.dispose()))
        # A connection that is half open never says goodbye: SIGTERM must not wait for it.
        _, late = await asyncio.wait(closing, timeout=CLOSE_SECONDS)
        for one in late:
            one.cancel()
        await asyncio.gather(*closing, return_exceptions=True)


class _Stale(StoreUnavailable):
    """A reading connection was lost before it had answered."""


__all__ = ["DeskElsewhere", "PostgresStore", "StoreRefused"]
