"""Follow-ups as rows: born with the close in the desk's own transaction, so that no crash loses one.

call.closed       --planned-->  a row, waiting            call.reopened  -->  the row is withdrawn
POST …/done       --command-->  call.followed_up, and the row after it
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import and_, bindparam, or_, select, update

from dispatcher.board import texts_of
from dispatcher.core import follow_up as core
from dispatcher.core.call import Reopened
from dispatcher.core.commands import FollowUp as FollowUpCommand
from dispatcher.core.draft import Draft, Refused
from dispatcher.core.follow_up import Doing, FollowUp, Try
from dispatcher.core.roll import Roll
from dispatcher.desk_rows import Batch
from dispatcher.store import Do, Prepared, Row, Store, insert
from dispatcher.tables import follow_ups

_NAMES = (
    "call", "district", "area", "station", "resident", "closed_us", "from_us", "due_us", "state", "done_us", "result",
)  # fmt: skip
_COLUMNS = [follow_ups.c[name] for name in (*_NAMES, "body")]
_put = insert(follow_ups).values({name: bindparam(name) for name in (*_NAMES, "body")})
_PUT = Prepared(
    _put.on_conflict_do_update(
        index_elements=["call"], set_={name: _put.excluded[name] for name in (*_NAMES[1:], "body")}
    )
)
_WITHDRAW = Prepared(
    update(follow_ups)
    .where(follow_ups.c.call == bindparam("b_call"))
    .values(state=Doing.WITHDRAWN.value, done_us=None, result="")
)
_ONE = select(*_COLUMNS).where(follow_ups.c.call == bindparam("of"))
_TRIES = msgspec.json.Decoder(tuple[Try, ...])


# ── at the desk ──────────────────────────────────────────────────────────────────────────────────────────────────────


def taken(batch: Batch, draft: Draft, roll: Roll | None) -> None:
    """What a draft's facts ask for, or take back."""
    for told in draft.told:
        if roll is None or told.call is None:
            continue
        if isinstance(told.entry.fact, Reopened):
            batch.follow_ups[told.call.id] = None
        elif (made := core.planned(told.entry, told.call, roll)) is not None:
            batch.follow_ups[made.call] = made


async def decide(
    command: FollowUpCommand, draft: Draft, batch: Batch, roll: Roll, store: Store
) -> Refused | None:
    """Somebody asked how she is. Raises StoreUnavailable."""
    call_id = draft.call_id
    before = batch.follow_ups.get(call_id)
    if call_id not in batch.follow_ups:
        found = await store.read(_ONE, {"of": call_id})
        before = row_of(found[0]) if found else None
    if before is None or before.state is not Doing.WAITING:
        return Refused(
            "no_follow_up", "nothing waits to be asked here: it is done, or the call is open again"
        )
    text = draft.cause.id if command.text else ""
    fact = core.asked(
        before, by=command.by, result=command.result, text=text, now_us=draft.now_us, zone=roll.zone
    )
    draft.add(fact)
    batch.follow_ups[call_id] = core.followed(before, fact, draft.now_us, roll.zone)
    return None


def work(batch: Batch) -> list[Do]:
    """The writes of the desk's transaction."""
    return [
        Do(_PUT, [_columns(one) for one in batch.follow_ups.values() if one is not None]),
        Do(_WITHDRAW, [{"b_call": call} for call, one in batch.follow_ups.items() if one is None]),
    ]


def _columns(one: FollowUp) -> dict[str, Any]:
    row = {name: getattr(one, name) for name in _NAMES}
    return {**row, "state": one.state.value, "body": msgspec.json.encode(one.tries).decode()}


def row_of(row: Row) -> FollowUp:
    """A follow-up as its row keeps it."""
    *plain, body = row
    named = dict(zip(_NAMES, plain, strict=True))
    return FollowUp(**{**named, "state": Doing(named["state"])}, tries=_TRIES.decode(body))


# ── to look at ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class FollowUpFilter:
    """What to list; None = no matter. `state`: waiting, done, withdrawn or all.

    `due_from_us`, `due_until_us`: due in this span. `area_codes` are areas with all below them; `seen_in` what the asker
    may see.
    """

    district: str
    state: str = "waiting"
    due_from_us: int | None = None
    due_until_us: int | None = None
    station: str | None = None
    resident: str | None = None
    area_codes: Sequence[str] | None = None
    seen_in: Sequence[str] | None = None


class FollowUps:
    """The follow-ups of this installation."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def page(
        self, wanted: FollowUpFilter, cursor: str | None, limit: int
    ) -> tuple[list[FollowUp], str | None]:
        """So many, what is due first above, and where the next ones begin; what is over: the latest first.

        Raises ValueError on a cursor that is none, StoreUnavailable.
        """
        columns = follow_ups.c
        query = select(*_COLUMNS).where(columns.district == wanted.district)
        if wanted.state != "all":
            query = query.where(columns.state == wanted.state)
        for column, value in ((columns.station, wanted.station), (columns.resident, wanted.resident)):
            if value is not None:
                query = query.where(column == value)
        if wanted.due_from_us is not None:
            query = query.where(columns.due_us >= wanted.due_from_us)
        if wanted.due_until_us is not None:
            query = query.where(columns.due_us < wanted.due_until_us)
        for codes in (wanted.area_codes, wanted.seen_in):
            if codes is not None:
                query = query.where(columns.area.in_(list(codes)))
        rising = wanted.state == Doing.WAITING
        if cursor is not None:
            due_us, call_id = _cursor(cursor)
            beyond = columns.due_us > due_us if rising else columns.due_us < due_us
            after = columns.call > call_id if rising else columns.call < call_id
            query = query.where(or_(beyond, and_(columns.due_us == due_us, after)))
        order = (columns.due_us, columns.call) if rising else (columns.due_us.desc(), columns.call.desc())
        rows = [row_of(row) for row in await self._store.read(query.order_by(*order).limit(limit + 1))]
        more = f"{rows[limit - 1].due_us}.{rows[limit - 1].call}" if len(rows) > limit else None
        return rows[:limit], more

    async def get(self, call_id: str) -> FollowUp | None:
        """The follow-up of a call."""
        rows = await self._store.read(_ONE, {"of": call_id})
        return row_of(rows[0]) if rows else None

    async def notes(self, rows: Sequence[FollowUp]) -> dict[str, str]:
        """What people wrote, by the id of the text."""
        return await texts_of(self._store, {one.text for row in rows for one in row.tries if one.text})


def _cursor(cursor: str) -> tuple[int, str]:
    due_us, dot, call_id = cursor.partition(".")
    if not (dot and due_us.isascii() and due_us.isdigit() and len(due_us) <= 18):
        raise ValueError("no such cursor")
    return int(due_us), call_id
