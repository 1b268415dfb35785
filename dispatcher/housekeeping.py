"""What is let go in time, so that nothing grows without bound. An open call is never touched, and nothing of it.

    calls, with all that is theirs    so many days after they were closed (setting `retention.closed_days`)
    facts of no call, ended faults,
    messages whose fate is known      400 days: a year, and time to look back on it
    the canary's calls and inputs     a day
    decided inputs                    30 days, their identities with them: a repeat that late is a new press
    answers to repeated requests, words to wearers    a day
    who looked at what, and what was changed in the register    three years; sessions that have run out    a month

It shares the writer with the presses, so it takes little at a time and rests as long as it worked and longer. How each
table is bounded stands in `bounds.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from sqlalchemy import Column, Select, Table, and_, bindparam, delete, func, not_, or_, select

from config.doors import Clock
from dispatcher.core.canary import CODE as CANARY
from dispatcher.store import Do, Prepared, Store, StoreUnavailable, insert
from dispatcher.tables import (
    alerts,
    audit,
    call_stations,
    calls,
    device_states,
    devices,
    districts,
    faults,
    follow_ups,
    handovers,
    history,
    inbox,
    journal,
    meta,
    outbox,
    places,
    replies,
    sessions,
    staff,
    test_mode,
    texts,
    tokens,
    users,
)

log = structlog.get_logger("housekeeping")

INBOX_DAYS = 30
REPLIES_DAYS = 1
WORDS_DAYS = 1
#: Facts of no call, ended faults, messages whose fate is known, tokens that were revoked.
REST_DAYS = 400
#: Who was erased, when and by whom.
ERASED_DAYS = 1095
#: Who looked at whose record, and who changed what.
AUDIT_DAYS = 1095
#: What was changed in the register, field by field.
HISTORY_DAYS = 1095
#: A session that has run out is listed that long.
SESSIONS_DAYS = 30
#: A login goes with its person; this finds what a restored backup or another way of deleting has left.
USERS_DAYS = 1
EVERY_SECONDS = 600
#: Rows a transaction lets go: it shares the writer with the presses.
BATCH = 200
#: The same of calls, each of which has rows in many tables.
CALLS_BATCH = 20
#: After each it rests so many times as long as it worked, and at least so long.
REST_TIMES = 3
REST_SECONDS_MIN = 0.005
#: A clock that went so much further than time did has jumped: nothing is let go by it for that long.
JUMP_SECONDS = 86_400.0
#: The canary's calls, and what came in of it: nobody ever asks for them.
CANARY_DAYS = 1.0

_DAY_US = 86_400 * 1_000_000


def _old(table: Table, key: Column[Any], *where: Any) -> Prepared:
    """Lets go of a batch of these rows, and tells how many."""
    some = select(key).where(*where).limit(BATCH)
    return Prepared(delete(table).where(key.in_(some)).returning(key))


_before: Any = bindparam("before_us")
_known_call_is_open = (
    select(calls.c.id).where(calls.c.id == alerts.c.call, calls.c.closed_us.is_(None)).exists()
)
_there = select(devices.c.source).where(devices.c.source == device_states.c.source).exists()
_somebody = select(staff.c.id).where(staff.c.id == users.c.id).exists()

#: Each with the days its rows are kept.
_RULES: tuple[tuple[Prepared, float], ...] = (
    (
        _old(inbox, inbox.c.seq, inbox.c.decided_us.is_not(None), inbox.c.received_us < _before),
        INBOX_DAYS,
    ),
    (
        _old(
            inbox,
            inbox.c.seq,
            inbox.c.district == CANARY,
            inbox.c.decided_us.is_not(None),
            inbox.c.received_us < _before,
        ),
        CANARY_DAYS,
    ),
    (_old(outbox, outbox.c.seq, outbox.c.created_us < _before), WORDS_DAYS),
    (
        _old(
            alerts,
            alerts.c.seq,
            alerts.c.due_us.is_(None),
            alerts.c.at_us < _before,
            or_(alerts.c.call.is_(None), not_(_known_call_is_open)),
        ),
        REST_DAYS,
    ),
    (_old(faults, faults.c.id, faults.c.ended_us < _before), REST_DAYS),
    (_old(handovers, handovers.c.seq, handovers.c.at_us < _before), REST_DAYS),
    (_old(texts, texts.c.id, texts.c.call.like("f-%"), texts.c.at_us < _before), REST_DAYS),
    (_old(texts, texts.c.id, texts.c.call.like("h-%"), texts.c.at_us < _before), REST_DAYS),
    (_old(tokens, tokens.c.id, tokens.c.revoked_us < _before), REST_DAYS),
    (_old(device_states, device_states.c.source, device_states.c.heard_us < _before, not_(_there)), 1.0),
    (_old(test_mode, test_mode.c.device, test_mode.c.until_us < _before), 0.0),
    (_old(audit, audit.c.seq, audit.c.at_us < _before), AUDIT_DAYS),
    (_old(history, history.c.seq, history.c.at_us < _before), HISTORY_DAYS),
    (_old(sessions, sessions.c.id, sessions.c.expires_us < _before), SESSIONS_DAYS),
    (_old(users, users.c.id, users.c.changed_us < _before, not_(_somebody)), USERS_DAYS),
)
_REPLIES = Prepared(delete(replies).where(replies.c.at_us < _before))
_ERASED = Prepared(delete(meta).where(meta.c.key.like("erased:%"), meta.c.value < bindparam("before")))

_OLD_CALLS = (
    select(calls.c.id)
    .where(calls.c.closed_us.is_not(None), calls.c.closed_us < _before)
    .order_by(calls.c.closed_us)
    .limit(CALLS_BATCH)
)
_OF_THE_CANARY = _OLD_CALLS.where(calls.c.district == CANARY)
_GONE = [
    Prepared(delete(table).where(table.c.call == bindparam("gone")))
    for table in (journal, texts, places, call_stations, follow_ups, alerts, outbox)
] + [Prepared(delete(calls).where(calls.c.id == bindparam("gone"), calls.c.closed_us.is_not(None)))]

_OF_NO_CALL = (
    select(journal.c.seq, journal.c.at_us)
    .where(journal.c.district == bindparam("of"), journal.c.call.is_(None))
    .order_by(journal.c.seq)
    .limit(BATCH)
)
_FACT_GONE = Prepared(
    delete(journal).where(
        and_(
            journal.c.district == bindparam("of"),
            journal.c.seq == bindparam("gone"),
            journal.c.call.is_(None),
        )
    )
)
_mark = insert(meta).values(key=bindparam("key"), value=bindparam("value"))
_PRUNED = Prepared(_mark.on_conflict_do_update(index_elements=["key"], set_={"value": _mark.excluded.value}))


class Housekeeping:
    """Run it in a task. `keep_closed_days`: None or 0 keeps calls for good."""

    def __init__(self, store: Store, clock: Clock, *, keep_closed_days: float | None = None) -> None:
        self._store = store
        self._clock = clock
        self._keep_closed_days = keep_closed_days
        self._seen: tuple[int, float] | None = None  #: the clock, and time as the loop has it
        self.on_archived: Callable[[Mapping[str, int]], None] = lambda _marks: None

    async def run(self) -> None:
        """Tidy up every ten minutes, for ever."""
        while True:
            try:
                if self._steady():
                    await self.once()
                else:
                    log.warning("not_tidied", reason="the clock jumped")
            except StoreUnavailable as error:
                log.warning("not_tidied", error=str(error))
            await asyncio.sleep(EVERY_SECONDS)

    async def once(self) -> None:
        """Let go of what is past its time. Raises StoreUnavailable."""
        now_us = self._clock.now_us()
        await self._rules(now_us)
        await self._calls(_OF_THE_CANARY, now_us - round(CANARY_DAYS * _DAY_US))
        await self._facts_of_no_call(now_us - REST_DAYS * _DAY_US)
        if self._keep_closed_days:
            await self._calls(_OLD_CALLS, now_us - round(self._keep_closed_days * _DAY_US))

    def _steady(self) -> bool:
        """Whether the clock went as time did: by one that jumps to 2099 everything would be past its time."""
        now_us, time = self._clock.now_us(), asyncio.get_running_loop().time()
        if self._seen is None:
            self._seen = (now_us, time)
        ahead_seconds = (now_us - self._seen[0]) / 1e6 - (time - self._seen[1])
        if ahead_seconds > JUMP_SECONDS and time - self._seen[1] < JUMP_SECONDS:
            return False
        if time - self._seen[1] >= JUMP_SECONDS or ahead_seconds < 0:
            self._seen = (now_us, time)
        return True

    async def _write(self, work: list[Do]) -> list[list[list[tuple[Any, ...]]]]:
        """Write a batch, then let others have the writer."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        done = await self._store.write(work)
        await asyncio.sleep(max(REST_SECONDS_MIN, REST_TIMES * (loop.time() - began)))
        return done

    async def _rules(self, now_us: int) -> None:
        for old, days in _RULES:
            row = {"before_us": now_us - round(days * _DAY_US)}
            while True:
                [[gone]] = await self._write([Do(old, [row], fetch=True)])
                if len(gone) < BATCH:
                    break
        await self._write(
            [
                Do(_REPLIES, [{"before_us": now_us - REPLIES_DAYS * _DAY_US}]),
                # Its value begins with the moment, in as many digits as moments have for the next 250 years.
                Do(_ERASED, [{"before": str(now_us - ERASED_DAYS * _DAY_US)}]),
            ]
        )

    async def _facts_of_no_call(self, before_us: int) -> None:
        for (district,) in await self._store.read(select(districts.c.code)):
            while True:
                rows = await self._store.read(_OF_NO_CALL, {"of": district})
                gone = [int(seq) for seq, at_us in rows if at_us < before_us]
                if not gone:
                    break
                marks = await pruned(self._store)
                marks[district] = max(gone[-1], marks.get(district, 0))
                await self._let_go([Do(_FACT_GONE, [{"of": district, "gone": seq} for seq in gone])], marks)

    async def _calls(self, old: Select[tuple[str]], before_us: int) -> None:
        while True:
            gone = [str(row[0]) for row in await self._store.read(old, {"before_us": before_us})]
            if not gone:
                return
            marks = await pruned(self._store)
            last = await self._store.read(
                select(journal.c.district, func.max(journal.c.seq))
                .where(journal.c.call.in_(gone))
                .group_by(journal.c.district)
            )
            for district, seq in last:
                marks[district] = max(int(seq), marks.get(district, 0))
            rows = [{"gone": call_id} for call_id in gone]
            await self._let_go([Do(statement, rows) for statement in _GONE], marks)

    async def _let_go(self, work: list[Do], marks: Mapping[str, int]) -> None:
        """Entries of the journal go, and in the same transaction it is written up to where it may have gaps."""
        tell = [{"key": f"pruned:{district}", "value": str(seq)} for district, seq in marks.items()]
        await self._write([*work, Do(_PRUNED, tell)])
        self.on_archived(marks)


async def pruned(store: Store) -> dict[str, int]:
    """Up to which number each district's journal may have gaps, because calls were let go."""
    rows = await store.read(select(meta.c.key, meta.c.value).where(meta.c.key.like("pruned:%")))
    return {str(key).partition(":")[2]: int(value) for key, value in rows}
