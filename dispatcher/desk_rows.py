"""The rows of the desk's one transaction: what it reads, what it writes, and how a call becomes a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.dialects.sqlite import insert

from dispatcher.core.call import Call, Entry
from dispatcher.core.district import Location
from dispatcher.core.geo import to_wgs84
from dispatcher.inbox import SignalBody
from dispatcher.ledger import stations_of
from dispatcher.store import Prepared
from dispatcher.tables import call_stations, calls, inbox, places, test_mode, texts

#: Inputs decided in one transaction.
BATCH = 500

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
TEST_ENDED = Prepared(delete(test_mode).where(test_mode.c.device == bindparam("device")))


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
