"""What whoever looks after an installation does: back up, restore, erase a person. Put together from the rooms; no logic.

A backup needs no lock and runs beside the server. A restore takes the data folder, and on PostgreSQL the database.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from yarl import URL

from config.database import postgres
from config.doors import ClockIds, SystemClock, from_us
from config.settings import Settings
from dispatcher import backup as backups
from dispatcher.backup import restore as restoring
from dispatcher.backup import take as taking
from dispatcher.backup.restore import Loss, Prepared
from dispatcher.console.audit import told
from dispatcher.console.endpoint import Act
from dispatcher.erase import Erasure, erased_since, forgetting
from dispatcher.register import InUse, Register
from dispatcher.store import SqliteStore, Store, StoreUnavailable
from yijian.database import opened
from yijian.errors import CommandError
from yijian.lock import LockedError, hold, make_folder

_SQLITE = "sqlite:///"
#: Others come first: a backup takes what is left of the processor.
_NICE = 10
_HTTP_SECONDS = 60.0

#: The two kinds of people there are, by the sections of the register.
PEOPLE = ("residents", "staff")


class WouldLose(Exception):  # noqa: N818
    """The present database holds what the backup does not: somebody must say that it may go."""

    def __init__(self, loss: Loss) -> None:
        super().__init__("the present database holds more")
        self.loss = loss


class Open(Exception):  # noqa: N818
    """A call of theirs is open."""

    def __init__(self, call: str) -> None:
        super().__init__(call)
        self.call = call


@dataclass(slots=True)
class Restored:
    """What was put in place. `erased` were erased after the backup, and are again; `standing` have an open call in it."""

    calls: int
    entries: int
    open: int
    kept: Path | None = None
    erased: list[str] = field(default_factory=list)
    standing: list[str] = field(default_factory=list)


# ── backup ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def backup(settings: Settings, file: Path, *, force: bool) -> backups.Taken:
    """Back up the database while whoever serves goes on. Raises BackupError."""
    with suppress(OSError):
        os.nice(_NICE)
    now_us = SystemClock().now_us()
    if settings.database.startswith(_SQLITE):
        return taking.take(_path(settings), file, now_us, force=force)
    from dispatcher.backup import postgres as on_server

    return asyncio.run(on_server.take(postgres(settings.database), file, now_us, force=force))


# ── restore ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def restore(settings: Settings, file: Path, *, yes: bool, anyway: bool) -> Restored:
    """Put a backup in the place of the database. Raises BackupError, WouldLose, UsageError (a server is running)."""
    make_folder(settings.data)
    with hold(settings.data):
        if settings.database.startswith(_SQLITE):
            return await _onto_sqlite(_path(settings), file, yes=yes, anyway=anyway)
        return await _onto_postgres(settings, file, yes=yes, anyway=anyway)


async def _onto_sqlite(database: Path, file: Path, *, yes: bool, anyway: bool) -> Restored:
    clock = SystemClock()
    prepared = await _prepared(file, database, anyway=anyway)
    try:
        loss = restoring.loss(database, prepared)
        _agreed(loss, yes=yes)
        restored = Restored(prepared.calls, prepared.entries, prepared.open)
        if _readable(database, loss):
            present = SqliteStore(database)
            try:
                await present.open()
                await _erase_again(present, prepared, restored)
            finally:
                await present.close()
        restored.kept = restoring.put(database, prepared, clock)
    except BaseException:
        restoring.discard(prepared)
        raise
    return restored


async def _onto_postgres(settings: Settings, file: Path, *, yes: bool, anyway: bool) -> Restored:
    from dispatcher.backup import postgres as on_server

    place, clock = postgres(settings.database), SystemClock()
    async with opened(settings, desk=True) as present:
        prepared = await _prepared(file, settings.data / "yijian.sqlite", anyway=anyway)
        try:
            loss = await on_server.loss(place, prepared)
            _agreed(loss, yes=yes)
            restored = Restored(prepared.calls, prepared.entries, prepared.open)
            await _erase_again(present, prepared, restored)
            kept = settings.data / f"before-restore-{from_us(clock.now_us()):%Y%m%dT%H%M%SZ}.sqlite"
            await on_server.take(place, kept, clock.now_us())
            await on_server.put(place, prepared)
            restored.kept = kept
        finally:
            restoring.discard(prepared)
    return restored


def _agreed(loss: Loss, *, yes: bool) -> None:
    if loss and not yes:
        raise WouldLose(loss)


def _readable(database: Path, loss: Loss) -> bool:
    return database.exists() and loss.calls is not None


async def _prepared(file: Path, database: Path, *, anyway: bool) -> Prepared:
    prepared = await restoring.prepare(file, database, ClockIds(SystemClock()))
    if prepared.differences and not anyway:
        restoring.discard(prepared)
        raise backups.BackupError(backups.Why.DIFFERS, file=file, reason=prepared.differences[0])
    return prepared


async def _erase_again(present: Store, prepared: Prepared, restored: Restored) -> None:
    """Whoever was erased since the backup is in it still: erased again before it is put in place."""
    try:
        gone = await erased_since(present, prepared.taken_us or 0)
    except StoreUnavailable:
        return
    if not gone:
        return
    store = SqliteStore(prepared.path)
    try:
        await store.open()
        register = Register(store, SystemClock())
        await register.load()
        erasure = Erasure(store, register, SystemClock(), store.forget)
        for section, person in gone:
            try:
                if await erasure.erase(section, person, "restore") is not None:
                    restored.erased.append(person)
            except InUse:
                restored.standing.append(person)
    finally:
        await store.close()
    restoring.close(prepared)


# ── a person ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def erase(settings: Settings, person: str, sections: tuple[str, ...]) -> dict[str, int] | None:
    """Erase a resident or one of the staff; what was removed, None where nobody has that id.

    Straight, or through the server that has the data folder. Raises Open, CommandError.
    """
    try:
        with hold(settings.data):
            async with _erasure(settings) as (erasure, store):
                for section in sections:
                    try:
                        found = await erasure.erase(section, person, "cli")
                    except InUse as error:
                        raise Open(error.call) from error
                    if found is not None:
                        await told(store, SystemClock(), Act.ERASE, section, person)
                        return found
                return None
    except LockedError:
        return await _by_http(settings, person, sections)


@asynccontextmanager
async def _erasure(settings: Settings) -> AsyncIterator[tuple[Erasure, Store]]:
    async with opened(settings, desk=True) as store:
        clock = SystemClock()
        register = Register(store, clock)
        await register.load()
        yield Erasure(store, register, clock, forgetting(store)), store


async def _by_http(settings: Settings, person: str, sections: tuple[str, ...]) -> dict[str, int] | None:
    if not settings.admin_token:
        raise CommandError(
            "a server is running on this data folder: set YIJIAN_ADMIN_TOKEN to do it through it"
        )
    from yijian.serving import shown

    headers = {"Authorization": f"Bearer {settings.admin_token}"}
    timeout = aiohttp.ClientTimeout(total=_HTTP_SECONDS)
    try:
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
            for section in sections:
                url = URL(f"http://{shown(settings.http)}") / "api/v1" / section / person / "erase"
                async with session.post(url) as answer:
                    body = await answer.json(content_type=None)
                if answer.status == 200:
                    return {str(name): int(count) for name, count in body["removed"].items()}
                if answer.status == 409:
                    raise Open(str(body.get("call", "")))
                if answer.status != 404:
                    raise CommandError(str(body.get("detail") or f"HTTP {answer.status}"))
    except (aiohttp.ClientError, ValueError, TimeoutError) as error:
        raise CommandError(f"the running server did not do it: {type(error).__name__}") from error
    return None


def _path(settings: Settings) -> Path:
    return Path(settings.database.removeprefix(_SQLITE))
