"""The rows of the desk's one transaction: what it reads, what it writes, and how a call becomes a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec.structs import force_setattr
from sqlalchemy import bindparam, delete, select, update

from dispatcher.board import Board, call_of
from dispatcher.core.call import Call, Entry
from dispatcher.core.district import Location, Policy
from dispatcher.core.draft import Refused
from dispatcher.core.follow_up import FollowUp
from dispatcher.core.geo import to_wgs84
from dispatcher.core.roll import Roll
from dispatcher.desk_reports import ReportPage
from dispatcher.inbox import Decided, SignalBody
from dispatcher.journal import append
from dispatcher.ledger import Page, stations_of
from dispatcher.store import Do, Prepared, Store, insert
from dispatcher.tables import call_stations, calls, inbox, journal, outbox, places, test_mode, texts

#: Inputs decided in one transaction.
BATCH = 500
#: Open calls read in one go at the start.
PIECE = 5000

PENDING = Prepared(
    select(
        inbox.c.id,
        inbox.c.source,
        inbox.c.ref,
        inbox.c.kind,
        inbox.c.district,
        inbox.c.received_us,
        inbox.c.body,
    )
    .where(inbox.c.decided_us.is_(None))
    .order_by(inbox.c.lane, inbox.c.seq)
    .limit(BATCH)
)
DECIDED = Prepared(
    update(inbox)
    .where(inbox.c.id == bindparam("b_id"), inbox.c.decided_us.is_(None))
    .values(decided_us=bindparam("now_us"), call=bindparam("b_call"), result=bindparam("b_result"))
)
CALL_COLUMNS = (
    "id",
    "district",
    "seq",
    "state",
    "key",
    "test",
    "device",
    "resident",
    "area",
    "opened_us",
    "closed_us",
    "due_us",
    "body",
)
_call_put = insert(calls).values({name: bindparam(name) for name in CALL_COLUMNS})
CALL = Prepared(
    _call_put.on_conflict_do_update(
        index_elements=["id"],
        set_={
            name: _call_put.excluded[name] for name in ("seq", "state", "test", "closed_us", "due_us", "body")
        },
    )
)
CALL_STATION = Prepared(
    insert(call_stations)
    .values(call=bindparam("call"), station=bindparam("station"))
    .on_conflict_do_nothing()
)
TEXT = Prepared(
    insert(texts)
    .values({name: bindparam(name) for name in ("id", "call", "body", "at_us")})
    .on_conflict_do_nothing()
)
_place_put = insert(places).values(call=bindparam("call"), body=bindparam("body"))
PLACE = Prepared(
    _place_put.on_conflict_do_update(index_elements=["call"], set_={"body": _place_put.excluded.body})
)
_FACT = Prepared(
    select(journal.c.at_us, journal.c.cause, journal.c.body).where(
        journal.c.district == bindparam("b_district"), journal.c.seq == bindparam("b_seq")
    )
)
_MARK = Prepared(select(inbox.c.decided_us).where(inbox.c.id == bindparam("b_id")))
_NUMBER = Prepared(select(outbox.c.seq).where(outbox.c.id == bindparam("b_id")))
TEST_ENDED = Prepared(delete(test_mode).where(test_mode.c.device == bindparam("device")))


@dataclass(slots=True)
class Batch:
    """One transaction in the making."""

    page: Page
    reports: ReportPage
    now_us: int
    heads: dict[str, int]
    told: list[tuple[Entry, Call | None]] = field(default_factory=list)
    marks: list[dict[str, Any]] = field(default_factory=list)
    texts: list[dict[str, Any]] = field(default_factory=list)
    texts_now: dict[str, str] = field(default_factory=dict)
    news: list[dict[str, Any]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    tests_ended: list[tuple[Roll, str, int]] = field(default_factory=list)
    #: Of these calls the follow-up as it is now; None: withdrawn.
    follow_ups: dict[str, FollowUp | None] = field(default_factory=dict)


async def open_calls(store: Store) -> list[Call]:
    """Every open call, read in pieces: all their rows at once would be the most memory we ever have.

    A hundred thousand of them have a handful of policies, which are half of what they weigh: those are shared.
    """
    found: list[Call] = []
    policies: dict[Policy, Policy] = {}
    query = select(calls.c.id, calls.c.due_us, calls.c.body).where(calls.c.due_us.is_not(None))
    query = query.order_by(calls.c.due_us)
    size, last_us, known = PIECE, -1, set[str]()
    while True:
        piece = await store.read(query.where(calls.c.due_us >= last_us).limit(size))
        for call_id, _, body in piece:
            if call_id not in known:
                call = call_of(body)
                force_setattr(call, "policy", policies.setdefault(call.policy, call.policy))
                found.append(call)
        if len(piece) < size:
            return found
        if piece[-1][1] == last_us:
            size *= 2  # so many are due at one moment: the next piece must reach beyond it
        # Those of the last moment come again, with whatever else is due then.
        last_us = piece[-1][1]
        known = {call_id for call_id, due_us, _ in piece if due_us == last_us}


async def texts_now(batch: Batch, board: Board) -> dict[str, str]:
    """What people wrote that belongs to the batch's facts, by id. Raises StoreUnavailable."""
    known: dict[str, str] = {text["id"]: text["body"] for text in batch.texts}
    wanted = {
        call.closed.text
        for _, call in batch.told
        if call is not None and call.closed is not None and call.closed.text and call.closed.text not in known
    }
    if wanted:
        known.update(await board.texts(wanted))
    return known


def new_places(batch: Batch) -> list[dict[str, str]]:
    """Where the batch's calls are, as far as it changed them."""
    return [
        {"call": call_id, "body": msgspec.json.encode(place).decode()}
        for call_id, place in batch.page.places.items()
        if call_id in batch.page.changed
    ]


def refusal(refused: Refused, call_id: str | None) -> Decided:
    """What is answered to a command that cannot be."""
    return Decided(refused.status, call=call_id, code=refused.code, why=refused.why, field=refused.field)


async def look_up(store: Store, batch: Batch) -> tuple[bool, list[int]]:
    """Whether this batch is on disk, and the numbers of its messages. Raises StoreUnavailable.

    It is written as the desk's own work, on the desk's own connection: what was under way there has ended by then.
    """
    told = append([entry for entry, _ in batch.told[:1]]).rows
    found = await store.write(
        [
            Do(_FACT, [{"b_district": row["district"], "b_seq": row["seq"]} for row in told], fetch=True),
            Do(_MARK, [{"b_id": mark["b_id"]} for mark in batch.marks[:1]], fetch=True),
            Do(_NUMBER, [{"b_id": row["id"]} for row in batch.news], fetch=True),
        ]
    )
    facts = found.pop(0) if told else []
    marks = found.pop(0) if batch.marks else []
    numbers = [seq for row in (found.pop(0) if batch.news else []) for (seq,) in row]
    # Somebody else's fact under our number is none of ours; the journal's key keeps us from writing over it.
    happened = (
        facts == [[(told[0]["at_us"], told[0]["cause"], told[0]["body"])]]
        if told
        else marks == [[(batch.now_us,)]]
    )
    return happened, numbers if len(numbers) == len(batch.news) else []


def row_of(call: Call) -> dict[str, Any]:
    """The call as its row."""
    due = call.due
    return {
        "id": call.id,
        "district": call.district,
        "seq": call.seq,
        "state": call.state.value,
        "key": call.key,
        "test": int(call.test),
        "device": call.device,
        "resident": call.resident,
        "area": call.area or None,
        "opened_us": call.opened_us,
        "closed_us": call.closed.at_us if call.closed is not None else None,
        "due_us": due[1] if due is not None else None,
        "body": msgspec.json.encode(call).decode(),
    }


def stations_asked(told: Sequence[tuple[Entry, Call | None]]) -> list[dict[str, str]]:
    """Which stations these facts put a call before, a row each."""
    pairs = {
        (call.id, station)
        for entry, call in told
        if call is not None and entry.name in ("call.dispatched", "call.accepted")
        for station in stations_of(call)
    }
    return [{"call": call, "station": station} for call, station in sorted(pairs)]


def measured_place(body: SignalBody) -> Location | None:
    """Where the device says it is, if it says so and it is a place: 0, 0 is what a receiver without a fix says."""
    lat, lon = body.details.get("lat"), body.details.get("lon")
    if (
        not isinstance(lat, int | float)
        or not isinstance(lon, int | float)
        or body.details.get("fix") is False
    ):
        return None
    if not (-90 <= lat <= 90 and -180 <= lon <= 180) or (lat == 0 and lon == 0):
        return None
    datum = body.details.get("datum", "wgs84")
    return to_wgs84(Location(float(lat), float(lon), datum if datum in ("gcj02", "bd09") else "wgs84"))
