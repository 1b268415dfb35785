"""The database that is measured: SQLite in the data folder, or PostgreSQL with a database of its own for each part."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

import asyncpg
from postgres_server import server

from config.database import Postgres, postgres
from dispatcher.store.postgres_link import connect


class Databases:
    """Where each part's process keeps its data. `url` is that of a database whose user may make others beside it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._base, _, self._query = url.partition("?")
        self._numbers = itertools.count(1)
        self._made: list[str] = []

    async def fresh(self, like: str = "") -> str:
        """A new database's URL, empty or a copy of another."""
        name = f"yijian_bench_{next(self._numbers)}"
        template = f' TEMPLATE "{postgres(like).name}"' if like else ""
        await self._run(
            f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)', f'CREATE DATABASE "{name}"{template}'
        )
        self._made.append(name)
        query = f"?{self._query}" if self._query else ""
        return f"{self._base.rpartition('/')[0]}/{name}{query}"

    async def end(self) -> None:
        """Away with all of them."""
        await self._run(*(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)' for name in self._made))

    async def commit_ms(self, times: int) -> list[float]:
        """How long one row takes until it is on disk, over one connection."""
        import time

        connection = await self._connect(postgres(await self.fresh()))
        await connection.execute("CREATE TABLE t (id bigserial PRIMARY KEY, x text)")
        took = []
        for _ in range(times):
            began = time.perf_counter()
            await connection.execute("INSERT INTO t (x) VALUES ($1)", "x" * 200)
            took.append((time.perf_counter() - began) * 1000)
        await connection.close()
        return took

    async def _run(self, *statements: str) -> None:
        connection = await self._connect(postgres(self._url))
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    async def _connect(self, place: Postgres) -> Any:
        made: asyncpg.Connection = await connect(place, command_seconds=None)
        return made


@contextlib.contextmanager
def databases(asked: str) -> Iterator[Databases | None]:
    """What was asked for: nothing is SQLite, `postgresql` a server of its own, else the URL of one that is there."""
    if not asked or asked == "sqlite":
        yield None
    elif asked == "postgresql":
        with server(settings={"synchronous_commit": "on", "shared_buffers": "256MB"}) as made:
            yield Databases(made.url("postgres"))
    else:
        yield Databases(asked)
