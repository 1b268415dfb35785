"""Brings the database up to date, under a lock, before anything is served.

Errors: `SchemaError`, one line: the database is newer than this program, or cannot be opened.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, event, inspect, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from config.database import Postgres
from dispatcher.store import StoreUnavailable

#: The revision this program is written for: the newest file in migrations/versions.
HEAD = "0007"

_MIGRATIONS = Path(__file__).parent / "migrations"


class SchemaError(Exception):
    """The database cannot be used by this program; the message says why, in one line."""


def upgrade(path: Path) -> str:
    """Upgrade the SQLite file at `path` (made if missing) to HEAD; returns the revision it had, empty if new."""
    engine = create_engine(f"sqlite:///{path}")

    @event.listens_for(engine, "connect")
    def _plain(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves: DDL belongs into the transaction
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA busy_timeout=10000")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    try:
        with engine.begin() as connection:
            return _bring_up(connection)
    except DBAPIError as error:
        raise SchemaError(f"the database {path.name} cannot be opened: {error.orig}") from error
    finally:
        engine.dispose()


async def upgrade_postgres(place: Postgres) -> str:
    """The same for PostgreSQL, one process after another. Raises SchemaError, StoreUnavailable."""
    # The drivers of PostgreSQL are slow to import, and needed only where there is one.
    from dispatcher.store.postgres_link import connect, reason

    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: connect(place, command_seconds=None, lock_seconds=_LOCK_SECONDS),
        poolclass=NullPool,
    )
    try:
        async with engine.begin() as connection:
            await connection.execute(
                text("SELECT pg_advisory_xact_lock(hashtextextended('yijian schema', 0))")
            )
            return await connection.run_sync(_bring_up)
    except DBAPIError as error:
        cause = error.orig.__cause__ if error.orig is not None else None
        state = getattr(cause, "sqlstate", "")
        if state in _NO_RIGHT:
            raise SchemaError(
                f"the database {place} gives us no right to make tables: {_NO_RIGHT[state]}"
            ) from error
        if cause is not None and (why := reason(cause)) is not None:
            raise StoreUnavailable(why) from error
        raise SchemaError(f"the database {place} cannot be brought up to date: {error.orig}") from error
    except SchemaError:
        raise
    except Exception as error:
        if (why := reason(error)) is not None:
            raise StoreUnavailable(why) from error
        raise
    finally:
        await engine.dispose()


#: How long the upgrade waits for another process that upgrades.
_LOCK_SECONDS = 120
#: What SQLSTATE says of a right that is missing, and what gives it.
_NO_RIGHT = {
    "42501": "GRANT CREATE ON SCHEMA public TO the user of YIJIAN_DATABASE",
    "3F000": "no schema of its search_path is there, or may be used",
    "25006": "it is read-only",
}


def _bring_up(connection: Connection) -> str:
    before = revision(connection)
    if before == HEAD:
        return before
    if before and before not in known_revisions():
        raise SchemaError(
            f"the database is newer than this program (it has revision {before}, this program knows {HEAD}): "
            "run the newer program, or restore a backup"
        )
    _run(connection)
    return before


def revision(connection: Connection) -> str:
    """The revision the database has; empty for a new one."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
    return str(row[0]) if row is not None else ""


def known_revisions() -> set[str]:
    """All revisions this program has a migration for."""
    return {path.name.split("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*.py")}


def _run(connection: Connection) -> None:
    # Alembic is slow to import and needed only when there is something to do.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
