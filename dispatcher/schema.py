"""Brings the database up to date, under a lock, before anything is served.

Errors: `SchemaError`, one line: the database is newer than this program, or cannot be opened.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

#: The revision this program is written for: the newest file in migrations/versions.
HEAD = "0001"

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
    except DBAPIError as error:
        raise SchemaError(f"the database {path.name} cannot be opened: {error.orig}") from error
    finally:
        engine.dispose()


def revision(connection: Connection) -> str:
    """The revision the database has; empty for a new one."""
    try:
        row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
    except DBAPIError as error:
        if isinstance(error.orig, sqlite3.OperationalError) and "no such table" in str(error.orig):
            return ""
        raise
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
