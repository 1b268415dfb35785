"""The rows of messages as their senders read and write them: claimed with a lease on the row, kept with their fate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from sqlalchemy import bindparam, exists, null, or_, select, update

from dispatcher.alert_rows import LEASE_SECONDS
from dispatcher.alerts.outcome import Outcome
from dispatcher.core.alert import Fate, Kind
from dispatcher.store import Prepared, Row
from dispatcher.tables import alerts

#: So many are read at once.
BATCH = 64
#: So many lanes that wait are remembered for one endpoint.
LANES_MAX = 1000


class Message(Struct, kw_only=True, gc=False):
    """One message in hand."""

    id: str
    district: str
    call: str | None
    fact: str
    fact_seq: int
    at_us: int
    kind: Kind
    channel: str
    target: str
    asked: str
    wording: str
    endpoint: str
    lane: str
    tries: int = 0


_NAMES = Message.__struct_fields__
LANE_AT = _NAMES.index("lane")
_COLUMNS = [alerts.c[name] for name in _NAMES]


def message_of(row: Row) -> Message:
    """A row, read."""
    values: dict[str, Any] = dict(zip(_NAMES, row, strict=True))
    return Message(**{**values, "kind": Kind(values["kind"])})


def handed(row: Mapping[str, Any]) -> Message:
    """A row as it was just written."""
    return Message(**{name: row[name] for name in _NAMES} | {"kind": Kind(row["kind"])})


_queued = alerts.c.due_us.is_not(None)
_earlier = alerts.alias("earlier")
_first_of_lane = ~exists(
    select(_earlier.c.seq).where(
        _earlier.c.lane == alerts.c.lane, _earlier.c.due_us.is_not(None), _earlier.c.seq < alerts.c.seq
    )
)

#: At a start nobody has anything in hand: what a dead process had claimed is free at once.
FREE = Prepared(
    update(alerts)
    .where(_queued, alerts.c.due_us <= bindparam("b_until_us"))
    .values(due_us=bindparam("b_now_us"))
)
WAITING_ENDPOINTS = select(alerts.c.endpoint).where(_queued).distinct()
DUE_ENDPOINTS = WAITING_ENDPOINTS.where(alerts.c.due_us <= bindparam("b_now_us"))
#: The lanes of an endpoint that wait in the table.
WAITING_LANES = (
    select(alerts.c.lane)
    .where(_queued, alerts.c.endpoint == bindparam("b_endpoint"))
    .distinct()
    .limit(LANES_MAX)
)
HEADS = (
    select(*_COLUMNS)
    .where(
        _queued,
        alerts.c.endpoint == bindparam("b_endpoint"),
        alerts.c.due_us <= bindparam("b_now_us"),
        _first_of_lane,
    )
    .order_by(alerts.c.due_us)
    .limit(BATCH)
)
#: The first of a lane. Only a summons is put off until the morning, and is then due later than any lease. News due so late
#: was written before the clock was put back: it keeps its place.
LANE = (
    select(*_COLUMNS)
    .where(
        _queued,
        alerts.c.lane == bindparam("b_lane"),
        or_(alerts.c.due_us <= bindparam("b_until_us"), alerts.c.kind == Kind.NEWS.value),
    )
    .order_by(alerts.c.seq)
    .limit(BATCH)
)
#: What was written or tried in the future, as the clock goes now: nobody knows how long ago that was, so it is due.
#: What waits for the morning waits for the clock on the wall.
PUT_BACK = Prepared(
    update(alerts)
    .where(
        _queued,
        alerts.c.due_us > bindparam("b_until_us"),
        or_(alerts.c.at_us > bindparam("b_now_us"), alerts.c.last_us > bindparam("b_now_us")),
        or_(
            alerts.c.kind == Kind.NEWS.value,
            alerts.c.last_us.is_not(None),
            alerts.c.due_us - alerts.c.at_us <= LEASE_SECONDS * 1_000_000,
        ),
    )
    .values(due_us=bindparam("b_now_us"))
)
CLAIM = Prepared(
    update(alerts).where(alerts.c.id == bindparam("b_id"), _queued).values(due_us=bindparam("b_until_us"))
)
END = Prepared(
    update(alerts)
    # A summons that was withdrawn while it was under way went out all the same: that is its fate.
    .where(alerts.c.id == bindparam("b_id"))
    .values(
        fate=bindparam("b_fate"),
        due_us=null(),
        tries=bindparam("b_tries"),
        last_us=bindparam("b_last_us"),
        provider=bindparam("b_provider"),
        provider_id=bindparam("b_provider_id"),
        why=bindparam("b_why"),
    )
)
LATER = Prepared(
    update(alerts)
    .where(alerts.c.id == bindparam("b_id"), _queued)
    .values(
        due_us=bindparam("b_until_us"),
        tries=bindparam("b_tries"),
        last_us=bindparam("b_last_us"),
        why=bindparam("b_why"),
    )
)
#: What stands behind one that has to wait waits as long: else every look would find it due and blocked.
BEHIND = Prepared(
    update(alerts)
    .where(_queued, alerts.c.lane == bindparam("b_lane"), alerts.c.due_us < bindparam("b_until_us"))
    .values(due_us=bindparam("b_until_us"))
)
TOLD_LATELY = select(alerts.c.target, alerts.c.last_us).where(
    alerts.c.at_us > bindparam("b_since_us"),
    alerts.c.last_us > bindparam("b_since_us"),
    alerts.c.channel == "sms",
    alerts.c.kind == Kind.NEWS.value,
    alerts.c.fate == Fate.SENT.value,
)


def end(message: Message, fate: Fate, tries: int, outcome: Outcome, now_us: int) -> dict[str, Any]:
    """The row's end."""
    return {
        "b_id": message.id,
        "b_fate": fate.value,
        "b_tries": tries,
        "b_last_us": now_us,
        "b_provider": outcome.provider,
        "b_provider_id": outcome.provider_id,
        "b_why": outcome.why,
    }
