"""What is wrong with the database: whether it opens, is whole, and keeps up. It is read only, and not upgraded."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy import func, select

from config.findings import Finding, Level
from dispatcher import schema
from dispatcher.backup.file import connect, is_corrupt
from dispatcher.store import Store
from dispatcher.tables import calls, device_states, inbox, tokens

#: Decided within a second on any day: later than this the desk does not keep up, or is away.
LATE_SECONDS = 60.0
#: A log this large is never emptied: something reads for hours.
WAL_BYTES = 256 * 1024 * 1024


def look(path: Path) -> Iterator[Finding]:
    """The SQLite file: there, ours, whole; how large it is, and its log."""
    if not path.exists():
        yield Finding(
            Level.WARN,
            "database",
            f"{path.name} is not there yet: the first start makes it",
            f"{path.name} 尚不存在，首次启动时创建",
        )
        return
    try:
        with contextlib.closing(connect(path)) as connection:
            yield from _opened(connection, path)
    except sqlite3.Error as error:
        damaged = is_corrupt(error)
        en = "is damaged, restore a backup" if damaged else "cannot be opened"
        zh = "已损坏，请恢复备份" if damaged else "无法打开"
        yield Finding(Level.BAD, "database", f"{path.name} {en}: {error}", f"{path.name} {zh}：{error}")


def _opened(connection: sqlite3.Connection, path: Path) -> Iterator[Finding]:
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "alembic_version" not in tables:
        yield Finding(
            Level.BAD, "database", f"{path.name} is no database of ours", f"{path.name} 不是本系统的数据库"
        )
        return
    (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    if revision not in schema.known_revisions():
        yield Finding(
            Level.BAD,
            "database",
            f"it is of a newer version (revision {revision}, this program knows {schema.HEAD})",
            f"数据库属于更新的版本（{revision}，本程序只认识 {schema.HEAD}）",
        )
        return
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        yield Finding(
            Level.BAD,
            "database",
            f"it is damaged, restore a backup: {verdict}",
            f"数据库已损坏，请恢复备份：{verdict}",
        )
        return
    if revision != schema.HEAD:
        yield Finding(
            Level.WARN,
            "database",
            f"whole, of an older version (revision {revision}): the next start brings it up to date, back it up first",
            f"完好，但版本较旧（{revision}）：下次启动会升级，请先备份",
        )
    else:
        yield Finding(Level.OK, "database", f"whole, revision {revision}", f"完好，版本 {revision}")
    size = path.stat().st_size
    wal = path.with_name(f"{path.name}-wal")
    wal_bytes = wal.stat().st_size if wal.exists() else 0
    en = f"{size / 1e6:.0f} MB, and {wal_bytes / 1e6:.0f} MB of its log"
    zh = f"{size / 1e6:.0f} MB，日志 {wal_bytes / 1e6:.0f} MB"
    if wal_bytes > WAL_BYTES:
        yield Finding(
            Level.WARN,
            "database.size",
            f"{en}: something reads without end, start the server again",
            f"{zh}：有程序长时间读取，请重启服务",
        )
    else:
        yield Finding(Level.OK, "database.size", en, zh)


async def keeps_up(store: Store, now_us: int, *, running: bool) -> list[Finding]:
    """Whether what was stored is decided, and what is due has fired. Raises StoreUnavailable."""
    waiting = await store.read(
        select(func.count(), func.min(inbox.c.received_us)).where(inbox.c.decided_us.is_(None))
    )
    due = await store.read(
        select(func.count(), func.min(calls.c.due_us)).where(
            calls.c.due_us.is_not(None), calls.c.due_us < now_us - round(LATE_SECONDS * 1e6)
        )
    )
    known = await store.read(select(func.count()).where(calls.c.due_us.is_not(None)))
    return [
        _late(
            "database.inputs",
            waiting[0],
            now_us,
            running=running,
            en="inputs that are stored and not decided",
            zh="已入库但未处理的输入",
            fine=("nothing waits to be decided", "没有未处理的输入"),
        ),
        _late(
            "database.deadlines",
            due[0],
            now_us,
            running=running,
            en="open calls whose deadline has passed",
            zh="时限已过的未办结呼叫",
            fine=(
                f"{known[0][0]} open calls, each with its next moment to come",
                f"未办结呼叫 {known[0][0]} 个，下一步都在将来",
            ),
        ),
    ]


def _late(
    name: str,
    row: Sequence[int | None],
    now_us: int,
    *,
    running: bool,
    en: str,
    zh: str,
    fine: tuple[str, str],
) -> Finding:
    count, since_us = row
    seconds = (now_us - since_us) / 1e6 if since_us is not None else 0.0
    if not count or seconds < LATE_SECONDS:
        return Finding(Level.OK, name, *fine)
    told = f"{en}: {count}, the oldest for {seconds:.0f} s"
    said = f"{zh}：{count}，最久 {seconds:.0f} 秒"
    if not running:
        return Finding(
            Level.WARN,
            name,
            f"{told}; no server is running, the next start sees to them",
            f"{said}；服务未运行，启动后处理",
        )
    return Finding(Level.BAD, name, f"{told}: the desk does not decide", f"{said}：调度没有在处理")


async def heard(store: Store) -> frozenset[str]:
    """The sources of all devices that were heard from at least once. Raises StoreUnavailable."""
    return frozenset(str(row[0]) for row in await store.read(select(device_states.c.source)))


async def bound_tokens(store: Store) -> list[tuple[str, str, str, str]]:
    """Tokens in use: id, staff, station, area. Raises StoreUnavailable."""
    rows = await store.read(
        select(tokens.c.id, tokens.c.staff, tokens.c.station, tokens.c.area).where(
            tokens.c.revoked_us.is_(None)
        )
    )
    return [(str(row[0]), str(row[1]), str(row[2]), str(row[3])) for row in rows]
