"""Answers to register writes, kept by Idempotency-Key for a day: the same key gives the same answer.

(What the desk decides it keeps by itself, in the inbox; this is for what it does not decide.) A register write is the
same done twice, so an answer that is too large to keep, or fell out, is simply made again.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sqlalchemy import bindparam, delete, select

from config.doors import Clock
from dispatcher.console.problems import Problem, again_later
from dispatcher.store import Do, Prepared, Store, insert
from dispatcher.tables import replies as table

_KEPT_US = 24 * 3600 * 1_000_000
_BYTES_MAX = 65_536
_ROWS_MAX = 20_000
_SWEEP_EVERY = 64
#: So many keys may be in work at once; more is a program that has gone wild.
_AT_WORK_MAX = 1024

_insert = insert(table).values({column.name: bindparam(column.name) for column in table.c})
_PUT = Prepared(
    _insert.on_conflict_do_update(
        index_elements=["token", "key"],
        set_={name: _insert.excluded[name] for name in ("request", "status", "body", "at_us")},
    )
)
_OLD = Prepared(delete(table).where(table.c.at_us < bindparam("before_us")))
_FIND = select(table.c.request, table.c.status, table.c.body, table.c.at_us).where(
    table.c.token == bindparam("who"), table.c.key == bindparam("which")
)
#: The moment before which rows are one too many.
_NEWEST = select(table.c.at_us).order_by(table.c.at_us.desc()).offset(_ROWS_MAX).limit(1)


def fingerprint(method: str, path: str, raw: bytes) -> str:
    """What makes two requests the same one."""
    return hashlib.sha256(b"\0".join((method.encode(), path.encode(), raw))).hexdigest()


@dataclass(slots=True)
class _Turn:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


class Replies:
    """Kept answers."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._at_work: dict[tuple[str, str], _Turn] = {}
        self._puts = 0

    @asynccontextmanager
    async def one_at_a_time(self, token: str, key: str) -> AsyncIterator[None]:
        """The same key asked twice at once is done once: the second waits for the first."""
        if len(self._at_work) >= _AT_WORK_MAX:
            raise again_later("too many writes at once")
        turn = self._at_work.setdefault((token, key), _Turn())
        turn.waiting += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.waiting -= 1
            if not turn.waiting:
                self._at_work.pop((token, key), None)

    async def find(self, token: str, key: str, request: str) -> tuple[int, bytes] | None:
        """The answer this key had. Raises Problem 422 where it was for something else, StoreUnavailable."""
        rows = await self._store.read(_FIND, {"who": token, "which": key})
        if not rows or rows[0][3] < self._clock.now_us() - _KEPT_US:
            return None
        known, status, body, _at_us = rows[0]
        if known != request:
            raise Problem(422, "this Idempotency-Key was used for something else", field="Idempotency-Key")
        return status, body.encode()

    async def keep(self, token: str, key: str, request: str, status: int, body: bytes) -> None:
        """Keep an answer. Raises StoreUnavailable."""
        if len(body) > _BYTES_MAX:
            return
        now_us = self._clock.now_us()
        work = [
            Do(
                _PUT,
                [
                    {
                        "token": token,
                        "key": key,
                        "request": request,
                        "status": status,
                        "body": body.decode(),
                        "at_us": now_us,
                    }
                ],
            )
        ]
        self._puts += 1
        if self._puts % _SWEEP_EVERY == 1:
            newest = await self._store.read(_NEWEST)
            before_us = max(now_us - _KEPT_US, newest[0][0] if newest else 0)
            work.insert(0, Do(_OLD, [{"before_us": before_us}]))
        await self._store.write(work)
