"""A story's database as a file, as a server would have left it; and small databases made without a story."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from harness import MORNING, Town, play
from stories import places

from dispatcher import schema
from dispatcher.core.commands import Accept, Close


def save(connection: sqlite3.Connection, path: Path) -> None:
    """Write a story's database to a file, in WAL mode and with its revision."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as file:
        connection.backup(file)
        file.execute(
            "CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"
        )
        file.execute("INSERT OR IGNORE INTO alembic_version VALUES (?)", (schema.HEAD,))
        file.execute("PRAGMA journal_mode=WAL")
    path.chmod(0o600)


def a_town_at_work(path: Path, *, closed: int = 1) -> None:
    """A database with so many closed calls, one open one that st-01 holds, and one that nobody has taken for 30 s."""

    async def tell(town: Town) -> None:
        for _ in range(closed):
            await town.press("btn-02")
            await town.ask(Accept(by="nurse", station="st-01"))
            await town.ask(
                Close(
                    by="nurse", station="st-01", outcome="helped", evidence="spoke_to_resident", text="她很好"
                )
            )
        await town.press("btn-03")
        await town.ask(Accept(by="nurse", station="st-03"))
        await town.press("btn-01", details={"lat": 34.0005, "lon": 113.8005})
        await town.advance(seconds=30)
        save(town.store.connection, path)
        town.out.clear()

    play(tell, MORNING, places.town(), 5.0)


def numbers(path: Path, query: str, *values: object) -> list[tuple[object, ...]]:
    """Rows of a query on a file."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(query, values).fetchall()
