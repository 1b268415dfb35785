"""The database of the settings, brought up to date and open: SQLite in a file, or PostgreSQL on a server.

    async with opened(settings, desk=True) as store: ...

Errors, each one line that holds no password: `UsageError` where the settings must change, `TakenError` where another
process decides on this database, `CommandError` where it is away or broken.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from config.database import Postgres, postgres
from config.settings import Settings
from dispatcher import schema
from dispatcher.store import SqliteStore, Store, StoreUnavailable
from yijian.errors import CommandError, UsageError

_SQLITE = "sqlite:///"
#: SQLite's own words for a file that is damaged.
_DAMAGED = ("malformed", "not a database")


class TakenError(UsageError):
    """Another process has the desk of this database."""

    def __init__(self, place: Postgres) -> None:
        super().__init__(f"the database {place} is in use by another process")


def opened(settings: Settings, *, desk: bool = False) -> AbstractAsyncContextManager[Store]:
    """The database. `desk`: to decide on it, which one process does at a time (on SQLite the data folder sees to it)."""
    if settings.database.startswith(_SQLITE):
        return _sqlite(Path(settings.database.removeprefix(_SQLITE)))
    return _postgres(postgres(settings.database), desk=desk)


@asynccontextmanager
async def _sqlite(path: Path) -> AsyncIterator[Store]:
    try:
        schema.upgrade(path)
    except schema.SchemaError as error:
        raise CommandError(_said(path, str(error))) from error
    store = SqliteStore(path)
    try:
        await store.open()
        yield store
    except StoreUnavailable as error:
        raise CommandError(_said(path, f"the database {path.name} cannot be used: {error}")) from error
    finally:
        await store.close()


def _said(path: Path, message: str) -> str:
    """What somebody at night needs to hear of it."""
    if any(sign in message for sign in _DAMAGED):
        return (
            f"the database {path.name} is damaged: keep a copy of the folder as it is, then restore the last backup "
            f"(yijian db restore FILE); SQLite says: {message.rpartition(': ')[2]}"
        )
    return message


@asynccontextmanager
async def _postgres(place: Postgres, *, desk: bool) -> AsyncIterator[Store]:
    # Slow to import, and on SQLite nobody needs it.
    from dispatcher.store.postgres import DeskElsewhere, PostgresStore, StoreRefused

    store = PostgresStore(place, desk=desk)
    try:
        try:
            await store.open()  # the lock first: a schema is not changed under a process that runs
            await schema.upgrade_postgres(place)
        except DeskElsewhere:
            raise TakenError(place) from None
        except (StoreRefused, schema.SchemaError) as error:
            raise UsageError(f"YIJIAN_DATABASE: {error}") from error
        yield store
    except StoreUnavailable as error:
        raise CommandError(f"the database {place} cannot be used: {error}") from error
    except DeskElsewhere as error:
        raise _lost(place) from error
    except BaseExceptionGroup as group:
        if group.subgroup(DeskElsewhere) is None:
            raise
        raise _lost(place) from group
    finally:
        await store.close()


def _lost(place: Postgres) -> CommandError:
    return CommandError(
        f"another process has taken over the database {place} while it was away from this one"
    )
