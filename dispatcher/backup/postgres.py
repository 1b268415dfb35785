"""The same on PostgreSQL: a snapshot read table by table into the file, and the file's rows put in one transaction.

Only for columns that are text and whole numbers, which is all we have: both databases keep them alike.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import Table, func, select

from config.database import Postgres
from dispatcher import schema
from dispatcher.backup.file import BackupError, Part, Taken, Why, connect
from dispatcher.backup.restore import Loss, Prepared
from dispatcher.store.postgres_link import Connection, reason
from dispatcher.store.postgres_link import connect as connect_to
from dispatcher.tables import metadata

ROWS = 2_000
_TABLES = tuple(metadata.sorted_tables)


async def take(place: Postgres, file: Path, now_us: int, *, force: bool = False) -> Taken:
    """Back up a PostgreSQL database. Raises BackupError."""
    with Part(file, force=force) as part:
        # One snapshot for all tables, and nobody waits for a reader.
        async with (
            _connected(place) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            await _copy(connection, part, place)
        return part.keep(now_us)


@asynccontextmanager
async def _connected(place: Postgres, *also: type[Exception]) -> AsyncIterator[Connection]:
    """A connection for as long as a copy takes. Raises BackupError where the server, or `also` what, gets in the way."""
    try:
        connection = await connect_to(place, command_seconds=None)
    except Exception as error:
        raise _away(place, error) from error
    try:
        yield connection
    except (asyncpg.PostgresError, asyncpg.InterfaceError, *also) as error:
        raise _away(place, error) from error
    finally:
        await connection.close(timeout=5)


async def _copy(connection: Connection, part: Part, place: Postgres) -> None:
    try:
        version = await connection.fetchval("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        raise BackupError(Why.NO_DATABASE, file=str(place)) from None
    if version not in schema.known_revisions():
        raise BackupError(Why.NEWER, file=str(place), reason=str(version))
    if version != schema.HEAD:
        # The copy is made in this program's own schema: every server brings its database there when it starts.
        raise BackupError(Why.OLDER, file=str(place))
    schema.upgrade(part.path)
    with contextlib.closing(connect(part.path)) as target:
        target.execute("PRAGMA synchronous=OFF")
        for table in _TABLES:
            names = ", ".join(_quoted(column.name) for column in table.columns)
            marks = ", ".join("?" for _ in table.columns)
            put = f"INSERT INTO {_quoted(table.name)} ({names}) VALUES ({marks})"  # noqa: S608 - names are ours
            cursor = await connection.cursor(_sql(select(table)))
            while records := await cursor.fetch(ROWS):
                target.execute("BEGIN")
                target.executemany(put, [tuple(record) for record in records])
                target.execute("COMMIT")
            part.flush()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


async def loss(place: Postgres, prepared: Prepared) -> Loss:
    """What would be gone from the present database. Raises BackupError."""
    calls = metadata.tables["calls"]
    journal = metadata.tables["journal"]
    with contextlib.closing(connect(prepared.path)) as backup:
        async with _connected(place) as connection:
            gone = 0
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                cursor = await connection.cursor(_sql(select(calls.c.id)))
                while records := await cursor.fetch(ROWS):
                    gone += sum(
                        backup.execute("SELECT 1 FROM calls WHERE id = ?", (record[0],)).fetchone() is None
                        for record in records
                    )
                entries = 0
                heads = dict(
                    backup.execute("SELECT district, max(seq) FROM journal GROUP BY district").fetchall()
                )
                newer = select(func.count()).select_from(journal)
                districts = await connection.fetch(_sql(select(journal.c.district).distinct()))
                for (district,) in districts:
                    where = newer.where(journal.c.district == "", journal.c.seq > 0)
                    entries += await connection.fetchval(_sql(where), district, heads.get(district, 0))
            return Loss(gone, entries)


def _sql(statement: Any) -> str:
    from sqlalchemy.dialects.postgresql import asyncpg as dialect

    return str(statement.compile(dialect=dialect.dialect()))  # type: ignore[no-untyped-call]


async def put(place: Postgres, prepared: Prepared) -> None:
    """Let the backup's rows be the database's, in one transaction: all of it or nothing. Raises BackupError.

    The caller holds the database's lock, and has brought its schema up to date.
    """
    with contextlib.closing(connect(prepared.path)) as backup:
        # Nothing of ours is written to a file here: any error of the system is the connection's.
        async with _connected(place, OSError) as connection, connection.transaction():
            tables = ", ".join(_quoted(table.name) for table in _TABLES)
            await connection.execute(f"TRUNCATE {tables}")
            for table in _TABLES:
                names = [column.name for column in table.columns]
                for rows in _pages(backup, table):
                    await connection.copy_records_to_table(table.name, records=rows, columns=names)
                await _count_on(connection, table)


def _pages(backup: sqlite3.Connection, table: Table) -> Iterator[list[tuple[Any, ...]]]:
    names = ", ".join(_quoted(column.name) for column in table.columns)
    cursor = backup.execute(f"SELECT {names} FROM {_quoted(table.name)}")  # noqa: S608 - names are ours
    while rows := cursor.fetchmany(ROWS):
        yield [tuple(_kept(value) for value in row) for row in rows]


def _kept(value: Any) -> Any:
    """PostgreSQL cannot keep a NUL in a text; SQLite may have one from before the doors refused it."""
    return value.replace("\0", "\u2400") if isinstance(value, str) else value


async def _count_on(connection: Connection, table: Table) -> None:
    """What counts by itself goes on after the last one."""
    column = table.autoincrement_column
    if column is None:
        return
    await connection.execute(
        f"SELECT setval(pg_get_serial_sequence($1, $2), coalesce(max({_quoted(column.name)}), 0) + 1, false) "  # noqa: S608
        f"FROM {_quoted(table.name)}",
        _quoted(table.name),
        column.name,
    )


def _away(place: Postgres, error: Exception) -> BackupError:
    return BackupError(Why.PRESENT, file=str(place), reason=reason(error) or type(error).__name__)
