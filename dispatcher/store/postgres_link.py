"""A connection to PostgreSQL: how it is made, what it must be able to do, and whose fault an error is."""

from __future__ import annotations

from typing import Any, TypeAlias
from urllib.parse import urlencode

import asyncpg

from config.database import Postgres
from dispatcher.store.work import StoreUnavailable

#: An asyncpg.Connection; the library brings no types.
Connection: TypeAlias = Any

#: How long we wait for a connection, and for the answer to a statement: then the server counts as away.
CONNECT_SECONDS = 3.0
COMMAND_SECONDS = 6.0
#: The oldest server we serve, by its major number.
MAJOR_MIN = 13

#: Said of every connection, whatever the server's defaults are.
_SESSION = {
    "application_name": "yijian",
    "synchronous_commit": "on",  # a receipt means: on disk
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "client_min_messages": "warning",
    "timezone": "UTC",
    "jit": "off",
    # A connection that hangs must not keep its locks: the server lets go of it by itself.
    "idle_in_transaction_session_timeout": "10s",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}

#: Classes of SQLSTATE that are the world's fault: connections, who may come in, what is there, conflicts with others,
#: resources (disk full, too many connections), an operator's doing (shutdown, cancel), the system, the server itself.
_WORLD_CLASSES = frozenset({"08", "28", "3D", "40", "53", "57", "58", "XX"})
_WORLD = frozenset({"25006", "25P03", "25P04", "42501", "55P03"})
#: Of these the server has ended the connection, or soon will.
_ENDED = frozenset({"08", "28", "3D", "58", "XX"})


class StoreRefused(StoreUnavailable):
    """The server is there and will not have us, or cannot serve us: waiting does not help."""


async def connect(
    place: Postgres, *, command_seconds: float | None = COMMAND_SECONDS, lock_seconds: int = 5
) -> Connection:
    """A new connection. Raises what `reason` understands."""
    dsn = f"postgresql:///?{urlencode(place.tls)}" if place.tls else None
    return await asyncpg.connect(
        dsn=dsn,
        host=place.host,
        port=place.port,
        user=place.user,
        password=place.password,
        database=place.name,
        timeout=CONNECT_SECONDS,
        command_timeout=command_seconds,
        statement_cache_size=512,
        max_cached_statement_lifetime=0,
        server_settings={**_SESSION, "lock_timeout": f"{lock_seconds}s"},
    )


async def check(connection: Connection) -> list[str]:
    """What somebody should know of this server, a line each. Raises StoreRefused where it cannot serve us."""
    version = connection.get_server_version()
    if version.major < MAJOR_MIN:
        raise StoreRefused(f"is PostgreSQL {version.major}; {MAJOR_MIN} or newer is needed")
    encoding = connection.get_settings().server_encoding
    if encoding != "UTF8":
        raise StoreRefused(f"has the encoding {encoding}; UTF8 is needed (createdb --encoding=UTF8)")
    warnings: list[str] = []
    for name, harm in (
        ("fsync", "a power cut loses what was acknowledged"),
        ("full_page_writes", "a power cut may damage it"),
    ):
        if await connection.fetchval("SELECT current_setting($1)", name) == "off":
            warnings.append(f"{name} is off: {harm}")
    return warnings


def reason(error: BaseException) -> str | None:
    """Why the database cannot be used just now, in one line; None where the fault is ours."""
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        if state[:2] in _WORLD_CLASSES or state in _WORLD:
            return _line(error)
        return None
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError):
        return _line(error)
    # When the server ends a connection in the middle of many executions, the driver loses its place and says so.
    if isinstance(error, asyncpg.InternalClientError) or (
        isinstance(error, asyncpg.InterfaceError) and "clos" in str(error)
    ):
        return _line(error)
    return None


def refused(error: BaseException) -> bool:
    """Whether the server will not have us: a wrong password, no such database."""
    return isinstance(error, asyncpg.PostgresError) and (error.sqlstate or "")[:2] in {"28", "3D"}


def ended(error: BaseException) -> bool:
    """Whether the connection is of no use after this error."""
    if not isinstance(error, asyncpg.PostgresError):
        return not isinstance(error, asyncpg.InterfaceError) or "clos" in str(error)
    state = error.sqlstate or ""
    return state[:2] in _ENDED or state in {"25P03", "25P04"} or (state[:2] == "57" and state != "57014")


def _line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


__all__ = ["Connection", "StoreRefused", "check", "connect", "ended", "reason", "refused"]
