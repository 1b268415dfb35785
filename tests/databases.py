"""The databases that the tests run on: SQLite in this process, and production's own PostgresStore on a real server.

    @pytest.fixture: database            every test of the chosen folders runs on both (`--database postgresql`: on one)
    store = databases.inline()           an empty database of the kind that is chosen just now, with all tables

Stories live on virtual time, which real I/O does not know. `PostgresInline` is the production store in a thread with a
loop of its own: whoever asks it stands still until the answer is there, and so does virtual time.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import cache
from typing import Any

import postgres_server

from config.database import postgres
from dispatcher import schema, tables
from dispatcher.store import Do, InlineStore
from dispatcher.store.postgres import PostgresStore
from dispatcher.store.postgres_link import connect

SQLITE, POSTGRESQL = "sqlite", "postgresql"
#: Which one `inline` makes. Set by the fixture `database` for the length of a test.
chosen = SQLITE


class Found(list[tuple[Any, ...]]):
    """Rows, asked for as one asks a cursor of SQLite."""

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All."""
        return self

    def fetchone(self) -> tuple[Any, ...] | None:
        """The first."""
        return self[0] if self else None


class Thread:
    """A loop in a thread of its own: what is asked of it is waited for, blocking."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="postgres", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """What it gives."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout=60)

    def end(self) -> None:
        """Stop."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(timeout=10)
        self.loop.close()


class Shared:
    """The database on the server of this test run that everything inline is in."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._inline: tuple[Thread, PostgresStore, Any] | None = None

    def inline(self) -> tuple[Thread, PostgresStore, Any]:
        """A thread, the production store in it, and a plain connection beside it; the tables are emptied."""
        if self._inline is None:
            place = postgres(postgres_server.shared().make("inline"))
            thread = Thread()
            self._stack.callback(thread.end)

            async def make() -> tuple[PostgresStore, Any]:
                await schema.upgrade_postgres(place)
                store = PostgresStore(place, desk=True)
                await store.open()
                return store, await connect(place)

            store, beside = thread.run(make())
            self._stack.callback(lambda: thread.run(beside.close()))
            self._stack.callback(lambda: thread.run(store.close()))
            self._inline = (thread, store, beside)
        thread, _store, beside = self._inline
        thread.run(beside.execute(_EMPTY))
        return self._inline

    def end(self) -> None:
        """Let go of it, also when tests failed."""
        self._inline = None
        self._stack.close()


_EMPTY = "".join(f'DELETE FROM "{name}";' for name in tables.metadata.tables) + "".join(
    f"SELECT setval(pg_get_serial_sequence('{name}', '{column.name}'), 1, false);"
    for name, table in tables.metadata.tables.items()
    if (column := table.autoincrement_column) is not None
)
shared = Shared()


class _Beside:
    """A plain connection, asked as one of SQLite is."""

    def __init__(self, thread: Thread, connection: Any) -> None:
        self._thread = thread
        self._connection = connection

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Found:
        """Rows. `?` is a parameter."""
        for number in range(1, len(parameters) + 1):
            sql = sql.replace("?", f"${number}", 1)
        return Found(tuple(row) for row in self._thread.run(self._connection.fetch(sql, *parameters)))


class PostgresInline:
    """PostgresStore without a clock: the loop gets a turn, then stands still until the server has answered."""

    def __init__(self) -> None:
        self._thread, self._store, beside = shared.inline()
        self.connection = _Beside(self._thread, beside)
        self.fail: Callable[[Sequence[Do]], Exception | None] = lambda _work: None

    async def write(self, work: Sequence[Do]) -> list[list[list[tuple[Any, ...]]]]:
        """One transaction."""
        await asyncio.sleep(0)
        if (error := self.fail(work)) is not None:
            raise error
        return self._thread.run(self._store.write(work))

    async def read(self, statement: Any, parameters: Mapping[str, Any] | None = None) -> Sequence[Any]:
        """Rows of a query."""
        await asyncio.sleep(0)
        return self._thread.run(self._store.read(statement, parameters))

    async def close(self) -> None:
        """The next one empties the tables."""


def inline() -> InlineStore | PostgresInline:
    """An empty database with all tables, of the kind that is chosen."""
    if chosen == POSTGRESQL:
        return PostgresInline()
    return sqlite()


def sqlite() -> InlineStore:
    """An empty SQLite with all tables, in this process."""
    made = InlineStore()
    made.become(_empty())
    return made


def sqlite_again() -> InlineStore:
    """The same one, emptied, where a test has one at a time: what SQL was compiled to is still known."""
    made = _drive()
    made.become(_empty())
    made.fail = lambda _work: None
    return made


@cache
def _drive() -> InlineStore:
    return InlineStore()


@cache
def _empty() -> bytes:
    """All tables, made once: a test's own is a copy."""
    made = InlineStore()
    tables.metadata.create_all(made._engine)
    return made.connection.serialize()
