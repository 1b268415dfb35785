"""What is let go in time, so that nothing grows without bound. An open call is never touched.

Decided inputs are kept 30 days (their identities with them: a repeat that late is a new press), answers to repeated
requests a day. Calls are kept for good, unless `keep_closed_days` says otherwise (the demo's do not outlive two days).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import structlog
from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.dialects.sqlite import insert

from config.doors import Clock
from dispatcher.store import Do, Prepared, Store, StoreUnavailable
from dispatcher.tables import call_stations, calls, inbox, journal, meta, places, replies, test_mode, texts

log = structlog.get_logger("housekeeping")

INBOX_DAYS = 30
REPLIES_DAYS = 1
EVERY_SECONDS = 600
#: Rows a transaction lets go: it shares the writer with the presses.
BATCH = 500

_DAY_US = 86_400 * 1_000_000


_INPUTS = Prepared(
    delete(inbox).where(
        inbox.c.seq.in_(
            select(inbox.c.seq)
            .where(inbox.c.decided_us.is_not(None), inbox.c.received_us < bindparam("before_us"))
            .order_by(inbox.c.received_us)
            .limit(BATCH)
        )
    )
)
_REPLIES = Prepared(delete(replies).where(replies.c.at_us < bindparam("before_us")))
_TESTS = Prepared(delete(test_mode).where(test_mode.c.until_us < bindparam("before_us")))
_OLD = (
    select(calls.c.id)
    .where(calls.c.closed_us.is_not(None), calls.c.closed_us < bindparam("before_us"))
    .order_by(calls.c.closed_us)
    .limit(BATCH)
)
_mark = insert(meta).values(key=bindparam("key"), value=bindparam("value"))
_PRUNED = Prepared(_mark.on_conflict_do_update(index_elements=["key"], set_={"value": _mark.excluded.value}))
_GONE = [
    Prepared(delete(journal).where(journal.c.call == bindparam("gone"))),
    Prepared(delete(texts).where(texts.c.call == bindparam("gone"))),
    Prepared(delete(places).where(places.c.call == bindparam("gone"))),
    Prepared(delete(call_stations).where(call_stations.c.call == bindparam("gone"))),
    Prepared(delete(calls).where(calls.c.id == bindparam("gone"))),
]


class Housekeeping:
    """Run it in a task."""

    def __init__(self, store: Store, clock: Clock, *, keep_closed_days: float | None = None) -> None:
        self._store = store
        self._clock = clock
        self._keep_closed_days = keep_closed_days
        self.on_archived: Callable[[Mapping[str, int]], None] = lambda _marks: None

    async def run(self) -> None:
        """Tidy up every ten minutes, for ever."""
        while True:
            try:
                await self.once()
            except StoreUnavailable as error:
                log.warning("not_tidied", error=str(error))
            await asyncio.sleep(EVERY_SECONDS)

    async def once(self) -> None:
        """Let go of what is past its time. Raises StoreUnavailable."""
        now_us = self._clock.now_us()
        before_us = now_us - INBOX_DAYS * _DAY_US
        while await self._has_old_inputs(before_us):
            await self._store.write([Do(_INPUTS, [{"before_us": before_us}])])
        await self._store.write(
            [
                Do(_REPLIES, [{"before_us": now_us - REPLIES_DAYS * _DAY_US}]),
                Do(_TESTS, [{"before_us": now_us}]),
            ]
        )
        if self._keep_closed_days is not None:
            await self._prune(now_us - round(self._keep_closed_days * _DAY_US))

    async def _has_old_inputs(self, before_us: int) -> bool:
        query = (
            select(inbox.c.seq)
            .where(inbox.c.decided_us.is_not(None), inbox.c.received_us < before_us)
            .limit(1)
        )
        return bool(await self._store.read(query))

    async def _prune(self, before_us: int) -> None:
        marks = await pruned(self._store)
        while True:
            gone = [str(row[0]) for row in await self._store.read(_OLD, {"before_us": before_us})]
            if not gone:
                return
            last = await self._store.read(
                select(journal.c.district, func.max(journal.c.seq))
                .where(journal.c.call.in_(gone))
                .group_by(journal.c.district)
            )
            for district, seq in last:
                marks[district] = max(int(seq), marks.get(district, 0))
            rows = [{"gone": call_id} for call_id in gone]
            tell = [{"key": f"pruned:{district}", "value": str(seq)} for district, seq in marks.items()]
            await self._store.write([*(Do(statement, rows) for statement in _GONE), Do(_PRUNED, tell)])
            self.on_archived(marks)


async def pruned(store: Store) -> dict[str, int]:
    """Up to which number each district's journal may have gaps, because calls were let go."""
    rows = await store.read(select(meta.c.key, meta.c.value).where(meta.c.key.like("pruned:%")))
    return {str(key).partition(":")[2]: int(value) for key, value in rows}
