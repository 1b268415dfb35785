"""Backups: whole or not there, of a database in use; and restores: the old one or the new one, never half of either."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import shutil
import sqlite3
import stat
import threading
import time
from pathlib import Path

import pytest
from harness import Town, play
from kept import a_town_at_work, numbers
from stories import places

from config.doors import ClockIds, SystemClock
from dispatcher import schema
from dispatcher.backup import BackupError, Why, look
from dispatcher.backup import restore as restoring
from dispatcher.backup import take as taking
from dispatcher.backup.take import take
from dispatcher.core.commands import Accept

NOW_US = 1_764_000_000_000_000


@pytest.fixture(scope="module")
def at_work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("town") / "yijian.sqlite"
    a_town_at_work(path, closed=3)
    return path


@pytest.fixture
def database(at_work: Path, tmp_path: Path) -> Path:
    """A copy for one test to harm."""
    (tmp_path / "data").mkdir()
    return Path(shutil.copy(at_work, tmp_path / "data" / "yijian.sqlite"))


def ids() -> ClockIds:
    return ClockIds(SystemClock(), random.Random(5))


def refused(why: Why):
    return pytest.raises(BackupError, match=f"^{why.value}")


def only(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# ── taking ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_backup_is_one_private_file_that_says_what_is_in_it(database: Path, tmp_path: Path) -> None:
    file = tmp_path / "out" / "night.sqlite"
    file.parent.mkdir()
    taken = take(database, file, NOW_US)
    assert only(file.parent) == ["night.sqlite"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (taken.calls, taken.entries) == (5, numbers(database, "SELECT count(*) FROM journal")[0][0])
    assert taken.size_bytes == file.stat().st_size
    found = look(file)
    assert (found.calls, found.revision, found.taken_us) == (5, schema.HEAD, NOW_US)
    # It can be looked at with anything that reads SQLite, from a folder nobody may write to, and leaves nothing there.
    assert numbers(file, "PRAGMA journal_mode") == [("delete",)]
    assert only(file.parent) == ["night.sqlite"]


def test_the_database_it_was_taken_of_is_as_it_was(database: Path, tmp_path: Path) -> None:
    before = database.read_bytes()
    take(database, tmp_path / "b", NOW_US)
    assert database.read_bytes() == before
    assert numbers(database, "SELECT count(*) FROM meta WHERE key = 'backup'") == [(0,)]


def test_a_file_that_is_there_is_replaced_only_when_told_so(database: Path, tmp_path: Path) -> None:
    file = tmp_path / "b"
    file.write_text("precious")
    with refused(Why.EXISTS):
        take(database, file, NOW_US)
    assert file.read_text() == "precious"
    take(database, file, NOW_US, force=True)
    assert look(file).calls == 5


@pytest.mark.parametrize("force", [False, True])
def test_the_database_itself_and_folders_are_never_written_over(
    database: Path, tmp_path: Path, force: bool
) -> None:
    link = tmp_path / "link"
    link.symlink_to(database)
    for file in (database, link):
        with refused(Why.ITSELF):
            take(database, file, NOW_US, force=force)
    with refused(Why.FOLDER):
        take(database, tmp_path, NOW_US, force=force)
    assert look(database).calls == 5


def test_what_cannot_be_written_leaves_nothing_behind(database: Path, tmp_path: Path, monkeypatch) -> None:
    with refused(Why.WRITE):
        take(database, tmp_path / "none" / "b", NOW_US)
    with refused(Why.WRITE):
        take(database, tmp_path / ("n" * 300), NOW_US)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    folder = tmp_path / "out"
    folder.mkdir()
    monkeypatch.setattr(os, "fsync", full)
    with refused(Why.WRITE):
        take(database, folder / "b", NOW_US)
    assert only(folder) == []


def test_a_part_left_by_a_killed_backup_is_written_over_and_one_under_way_is_not(
    database: Path, tmp_path: Path
) -> None:
    part = tmp_path / "b.part"
    part.write_bytes(b"x" * 100_000)
    take(database, tmp_path / "b", NOW_US)
    assert not part.exists()
    with part.open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with refused(Why.UNDER_WAY):
            take(database, tmp_path / "b", NOW_US, force=True)
    assert part.exists()


def test_no_database_and_others_are_named(database: Path, tmp_path: Path) -> None:
    with refused(Why.NO_DATABASE):
        take(tmp_path / "none.sqlite", tmp_path / "b", NOW_US)
    assert not (tmp_path / "none.sqlite").exists()
    stranger = tmp_path / "stranger.sqlite"
    with contextlib.closing(sqlite3.connect(stranger)) as connection:
        connection.execute("CREATE TABLE songs (name TEXT)")
    for file, why in ((stranger, Why.NOT_OURS), (Path(__file__), Why.DAMAGED)):
        with refused(why):
            take(file, tmp_path / "b", NOW_US)
    assert not (tmp_path / "b").exists()
    assert not (tmp_path / "b.part").exists()


def test_writers_go_on_while_it_is_taken_and_what_they_write_is_not_in_it(
    database: Path, tmp_path: Path, monkeypatch
) -> None:
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.executemany(
            "INSERT INTO texts VALUES (?, 'c', ?, 0)", [(f"old-{n}", "x" * 1000) for n in range(5_000)]
        )
    monkeypatch.setattr(taking, "PAGES", 16)  # many steps, so that much is written between them
    waited: list[float] = []
    done = threading.Event()

    def write() -> None:
        with contextlib.closing(sqlite3.connect(database, isolation_level=None, timeout=5)) as connection:
            number = 0
            while not done.is_set():
                began = time.monotonic()
                connection.execute("INSERT INTO texts VALUES (?, 'c', 'x', 0)", (f"new-{number}",))
                waited.append(time.monotonic() - began)
                number += 1
                time.sleep(0.005)

    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(0.1)
    before = len(waited)
    try:
        take(database, tmp_path / "b", NOW_US)
    finally:
        done.set()
        writer.join()
    assert len(waited) - before > 20, "nobody wrote meanwhile: nothing was shown"
    assert max(waited) < 0.5
    known = {name for (name,) in numbers(tmp_path / "b", "SELECT id FROM texts WHERE id LIKE 'new-%'")}
    assert known == {f"new-{n}" for n in range(len(known))}, "not one moment's picture"
    assert len(known) < len(waited)


# ── restoring ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def restored(file: Path, database: Path, step=lambda _name: None) -> Path | None:
    prepared = await restoring.prepare(file, database, ids())
    assert prepared.differences == ()
    return restoring.put(database, prepared, SystemClock(), step)


async def test_a_restored_journal_is_the_same_in_content_and_another_in_name(
    database: Path, tmp_path: Path
) -> None:
    take(database, tmp_path / "b", NOW_US)
    there = tmp_path / "new"
    there.mkdir()
    assert await restored(tmp_path / "b", there / "yijian.sqlite") is None
    assert only(there) == ["yijian.sqlite"]
    for query in (
        "SELECT * FROM journal ORDER BY seq",
        "SELECT * FROM calls ORDER BY id",
        "SELECT * FROM inbox",
    ):
        assert numbers(there / "yijian.sqlite", query) == numbers(database, query)
    name = "SELECT value FROM meta WHERE key = 'journal'"
    assert numbers(there / "yijian.sqlite", name) != numbers(database, name)
    assert numbers(there / "yijian.sqlite", "SELECT * FROM meta WHERE key = 'backup'") == []
    assert stat.S_IMODE((there / "yijian.sqlite").stat().st_mode) == 0o600


async def test_the_database_before_is_kept_with_what_was_in_its_log(database: Path, tmp_path: Path) -> None:
    take(database, tmp_path / "b", NOW_US)
    # Killed with its last writes in the WAL only.
    writer = sqlite3.connect(database, isolation_level=None)
    writer.execute("PRAGMA wal_autocheckpoint=0")
    writer.execute("INSERT INTO texts VALUES ('late', 'c', 'x', 0)")
    shutil.copy(f"{database}-wal", tmp_path / "wal")
    shutil.copy(database, tmp_path / "main")
    writer.close()
    shutil.copy(tmp_path / "main", database)
    shutil.copy(tmp_path / "wal", f"{database}-wal")
    kept = await restored(tmp_path / "b", database)
    assert kept is not None
    assert numbers(kept, "SELECT id FROM texts WHERE id = 'late'") == [("late",)]
    assert numbers(database, "SELECT id FROM texts WHERE id = 'late'") == []
    assert only(database.parent) == ["yijian.sqlite", kept.name]
    again = await restored(tmp_path / "b", database)
    assert again not in {None, kept}


@pytest.mark.parametrize("dies_at", ["closed", "aside", "replaced"])
async def test_killed_at_any_step_it_is_the_old_one_or_the_new_one(
    database: Path, tmp_path: Path, dies_at: str
) -> None:
    take(database, tmp_path / "b", NOW_US)
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("INSERT INTO texts VALUES ('late', 'c', 'x', 0)")

    class KilledError(BaseException):
        pass

    def step(name: str) -> None:
        if name == dies_at:
            raise KilledError

    with pytest.raises(KilledError):
        await restored(tmp_path / "b", database, step)
    assert look(database).calls == 5
    late = numbers(database, "SELECT id FROM texts WHERE id = 'late'")
    assert late == ([] if dies_at == "replaced" else [("late",)])
    # And it can simply be asked again.
    await restored(tmp_path / "b", database)
    assert numbers(database, "SELECT id FROM texts WHERE id = 'late'") == []


async def test_a_damaged_database_is_kept_as_it_is_and_replaced(database: Path, tmp_path: Path) -> None:
    take(database, tmp_path / "b", NOW_US)
    database.write_bytes(b"SQLite format 3\0" + b"\xff" * 8192)
    prepared = await restoring.prepare(tmp_path / "b", database, ids())
    loss = restoring.loss(database, prepared)
    assert loss
    assert loss.calls is None
    kept = restoring.put(database, prepared, SystemClock())
    assert kept is not None
    assert kept.read_bytes().endswith(b"\xff" * 100)
    assert look(database).calls == 5
    assert not Path(f"{database}-wal").exists()


async def test_a_database_that_another_command_has_open_is_left_alone(database: Path, tmp_path: Path) -> None:
    take(database, tmp_path / "b", NOW_US)
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        prepared = await restoring.prepare(tmp_path / "b", database, ids())
        with refused(Why.IN_USE):
            restoring.put(database, prepared, SystemClock())
        other.execute("INSERT INTO texts VALUES ('mine', 'c', 'x', 0)")
        other.execute("COMMIT")
    restoring.discard(prepared)
    assert numbers(database, "SELECT id FROM texts WHERE id = 'mine'") == [("mine",)]
    assert only(database.parent) == ["yijian.sqlite"]


async def test_what_would_be_gone_is_counted(database: Path, tmp_path: Path) -> None:
    take(database, tmp_path / "b", NOW_US)
    prepared = await restoring.prepare(tmp_path / "b", database, ids())
    assert not restoring.loss(database, prepared)
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("INSERT INTO calls SELECT 'c-new', district, 999, state, key, test, device, resident, area, "
                           "opened_us, closed_us, due_us, body FROM calls LIMIT 1")  # fmt: skip
        connection.execute("INSERT INTO journal SELECT district, 999, at_us, fact, 'c-new', device, cause, body "
                           "FROM journal LIMIT 1")  # fmt: skip
    loss = restoring.loss(database, prepared)
    assert (loss.calls, loss.entries) == (1, 1)
    restoring.discard(prepared)


async def test_strange_newer_and_damaged_files_are_refused_and_nothing_is_touched(
    database: Path, tmp_path: Path
) -> None:
    good = tmp_path / "good"
    take(database, good, NOW_US)
    newer, damaged, differs = (
        Path(shutil.copy(good, tmp_path / name)) for name in ("newer", "damaged", "differs")
    )
    with contextlib.closing(sqlite3.connect(newer, isolation_level=None)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    content = bytearray(damaged.read_bytes())
    for page in range(2, len(content) // 4096):
        content[page * 4096 : page * 4096 + 12] = b"\xff" * 12
    damaged.write_bytes(content)
    text = tmp_path / "text"
    text.write_text("SELECT 1")
    before = database.read_bytes()
    for file, why in (
        (newer, Why.NEWER),
        (damaged, Why.DAMAGED),
        (text, Why.NOT_OURS),
        (tmp_path / "none", Why.NO_FILE),
    ):
        with refused(why):
            await restoring.prepare(file, database, ids())
    with contextlib.closing(sqlite3.connect(differs, isolation_level=None)) as connection:
        connection.execute("DELETE FROM journal WHERE seq = 3")
    prepared = await restoring.prepare(differs, database, ids())
    assert any("entries are missing" in line for line in prepared.differences)
    restoring.discard(prepared)
    assert database.read_bytes() == before
    assert only(database.parent) == ["yijian.sqlite"]


async def test_a_backup_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine

    old = tmp_path / "old.sqlite"
    engine = create_engine(f"sqlite:///{old}")
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    take(old, tmp_path / "b", NOW_US)
    assert look(tmp_path / "b").revision == "0001"
    await restored(tmp_path / "b", tmp_path / "yijian.sqlite")
    assert look(tmp_path / "yijian.sqlite").revision == schema.HEAD


def test_calls_open_in_the_backup_go_on_from_where_they_are(database: Path, tmp_path: Path) -> None:
    """Restored eight hours later: what fell due meanwhile happens once, and the call goes on escalating."""
    import asyncio

    take(database, tmp_path / "b", NOW_US)
    asyncio.run(restored(tmp_path / "b", tmp_path / "yijian.sqlite"))

    async def tell(town: Town) -> None:
        with contextlib.closing(sqlite3.connect(tmp_path / "yijian.sqlite")) as file:
            file.backup(town.store.connection)
        await town.kill()
        town.out.clear()
        await town.boot()
        told = [(event.name, event.entry.call) for event in town.events if event.entry.at_us >= town.start_us]
        assert told, "nothing went on"
        steps = [name for name, call in told if name == "call.escalated" and call == waiting]
        assert len(steps) == 3, told  # next, the tier above, everyone: each once, not 480 repeats
        assert ("call.lapsed", held) in told
        town.out.clear()
        await town.advance(seconds=59)
        before = len(town.told("call.escalated", call=waiting))
        await town.advance(seconds=2)
        assert len(town.told("call.escalated", call=waiting)) == before + 1
        await town.ask(Accept(by="nurse", station="st-01"), waiting)
        town.out.clear()

    open_calls = dict(numbers(database, "SELECT device, id FROM calls WHERE due_us IS NOT NULL"))
    waiting, held = open_calls["btn-01"], open_calls["btn-03"]
    play(tell, "2026-11-24T18:00:00+08:00", places.town(), 5.0)
