"""From SQLite to PostgreSQL and back by a backup: every row arrives, all of them or none."""

from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
from pathlib import Path

import postgres_server
import pytest
from kept import a_town_at_work, numbers

from config.database import Postgres, postgres
from config.doors import ClockIds, SystemClock
from dispatcher import schema
from dispatcher.backup import BackupError, Why, look
from dispatcher.backup import postgres as on_server
from dispatcher.backup import restore as restoring
from dispatcher.backup.restore import Prepared
from dispatcher.backup.take import take
from dispatcher.store import Do, insert
from dispatcher.store import Prepared as Statement
from dispatcher.store.postgres import PostgresStore
from dispatcher.store.postgres_link import connect
from dispatcher.tables import inbox, metadata
from dispatcher.verify import verify

NOW_US = 1_764_000_000_000_000


@pytest.fixture(scope="module")
def at_work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("town") / "yijian.sqlite"
    a_town_at_work(path, closed=3)
    take(path, path.with_name("backup"), NOW_US)
    return path.with_name("backup")


@pytest.fixture
async def place() -> Postgres:
    """An empty database of ours on a real server."""
    made = postgres(postgres_server.shared().make(f"backup-{random.randrange(10**9)}"))
    await schema.upgrade_postgres(made)
    return made


async def prepared(file: Path, tmp_path: Path) -> Prepared:
    return await restoring.prepare(
        file, tmp_path / "yijian.sqlite", ClockIds(SystemClock(), random.Random(3))
    )


async def count(place: Postgres, table: str) -> int:
    connection = await connect(place)
    try:
        return await connection.fetchval(f"SELECT count(*) FROM {table}")
    finally:
        await connection.close()


async def test_there_and_back_every_row_is_as_it_was(at_work: Path, place: Postgres, tmp_path: Path) -> None:
    with (
        contextlib.closing(sqlite3.connect(tmp_path / "odd")) as odd,
        contextlib.closing(sqlite3.connect(at_work)) as was,
    ):
        was.backup(odd)
        odd.execute("INSERT INTO texts VALUES ('odd', 'c', ?, 0)", ("一二三 'quoted' \"\\ 🧓\n",))
        odd.commit()
    made = await prepared(tmp_path / "odd", tmp_path)
    loss = await on_server.loss(place, made)
    assert (loss.calls, loss.entries) == (0, 0)
    await on_server.put(place, made)
    taken = await on_server.take(place, tmp_path / "back", NOW_US + 1)
    assert look(tmp_path / "back").taken_us == NOW_US + 1
    assert taken.calls == 5
    for table in metadata.sorted_tables:
        what = (
            f"SELECT * FROM {table.name} ORDER BY 1, 2"
            if table.name != "meta"
            else "SELECT * FROM meta WHERE key <> 'backup'"
        )
        assert numbers(tmp_path / "back", what) == numbers(made.path, what), table.name
    again = await prepared(tmp_path / "back", tmp_path)
    assert again.differences == ()
    store = PostgresStore(place)
    await store.open()
    try:
        assert [line async for line in verify(store)] == []
        # What counts by itself goes on after the last one.
        row = {column.name: None for column in inbox.columns if column.name != "seq"}
        row |= {
            "id": "new",
            "source": "s",
            "ref": "r",
            "kind": "signal",
            "lane": 1,
            "district": "d1",
            "body": "{}",
        }
        put = Statement(insert(inbox).returning(inbox.c.seq))
        [[[(seq,)]]] = await store.write([Do(put, [row | {"received_us": 0}], fetch=True)])
        assert seq == 1 + max(number for (number,) in numbers(made.path, "SELECT seq FROM inbox"))
    finally:
        await store.close()


async def test_what_would_be_gone_is_counted_and_a_failure_changes_nothing(
    at_work: Path, place: Postgres, tmp_path: Path, monkeypatch
) -> None:
    made = await prepared(at_work, tmp_path)
    await on_server.put(place, made)
    with contextlib.closing(sqlite3.connect(made.path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM calls WHERE id = (SELECT max(id) FROM calls)")
        connection.execute("DELETE FROM journal WHERE seq > 10")
    loss = await on_server.loss(place, made)
    assert loss.calls == 1
    assert loss.entries == numbers(at_work, "SELECT max(seq) FROM journal")[0][0] - 10

    async def lost(*_: object) -> None:
        raise OSError("the line went dead")

    monkeypatch.setattr(on_server, "_count_on", lost)
    with pytest.raises(BackupError, match=f"^{Why.PRESENT.value}"):
        await on_server.put(place, made)
    assert await count(place, "calls") == 5
    assert await count(place, "journal") == numbers(at_work, "SELECT count(*) FROM journal")[0][0]


async def test_no_database_there_is_one_line(tmp_path: Path) -> None:
    bare = postgres(postgres_server.shared().make(f"bare-{random.randrange(10**9)}"))
    with pytest.raises(BackupError, match=f"^{Why.NO_DATABASE.value}"):
        await on_server.take(bare, tmp_path / "b", NOW_US)
    gone = Postgres("127.0.0.1", 1, "none")
    with pytest.raises(BackupError, match=f"^{Why.PRESENT.value}"):
        await on_server.take(gone, tmp_path / "b", NOW_US)
    assert list(tmp_path.iterdir()) == []
    shutil.rmtree(tmp_path)
