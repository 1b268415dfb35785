"""Messages to look at: every one that was written, with its fate; and the door to send one again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, bindparam, or_, select, update

from config.doors import Clock
from dispatcher.core.alert import Fate
from dispatcher.store import Do, Prepared, Row, Store
from dispatcher.tables import alerts
from dispatcher.view import when

_NAMES = (
    "seq", "id", "district", "area", "call", "fact", "fact_seq", "at_us", "kind", "channel", "target", "fate",
    "due_us", "tries", "last_us", "provider", "provider_id", "why",
)  # fmt: skip
_COLUMNS = [alerts.c[name] for name in _NAMES]
_AGAIN = Prepared(
    update(alerts)
    .where(alerts.c.id == bindparam("b_id"), alerts.c.due_us.is_(None))
    .values(fate=Fate.QUEUED.value, due_us=bindparam("b_now_us"), tries=0, why="")
    .returning(alerts.c.id)
)


@dataclass(frozen=True, slots=True)
class AlertRow:
    """A message as it is kept: `target` and `call` are ids."""

    seq: int
    id: str
    district: str
    area: str
    call: str | None
    fact: str
    fact_seq: int
    at_us: int
    kind: str
    channel: str
    target: str
    fate: str
    due_us: int | None
    tries: int
    last_us: int | None
    provider: str
    provider_id: str
    why: str


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """What to list; None = no matter. `area_codes` are areas with all below them."""

    district: str
    call: str | None = None
    fate: str | None = None
    channel: str | None = None
    target: str | None = None
    area_codes: Sequence[str] | None = None


class AlertBoard:
    """The messages of this installation."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def page(
        self, wanted: AlertFilter, cursor: str | None, limit: int
    ) -> tuple[list[AlertRow], str | None]:
        """The newest first. Raises ValueError on a cursor that is none, StoreUnavailable."""
        query = select(*_COLUMNS).where(alerts.c.district == wanted.district)
        query = self._where(query, wanted)
        if cursor is not None:
            query = query.where(alerts.c.seq < _cursor(cursor))
        rows = await self._store.read(query.order_by(alerts.c.seq.desc()).limit(limit + 1))
        items = [_row(row) for row in rows[:limit]]
        return items, str(items[-1].seq) if len(rows) > limit else None

    @staticmethod
    def _where(query: Select[Any], wanted: AlertFilter) -> Select[Any]:
        for column, value in (
            (alerts.c.call, wanted.call),
            (alerts.c.fate, wanted.fate),
            (alerts.c.channel, wanted.channel),
        ):
            if value is not None:
                query = query.where(column == value)
        if wanted.target is not None:
            to = wanted.target
            query = query.where(
                or_(
                    alerts.c.target == to,
                    and_(alerts.c.channel == "webhook", alerts.c.endpoint == f"webhook/{to}"),
                )
            )
        if wanted.area_codes is not None:
            query = query.where(alerts.c.area.in_(list(wanted.area_codes)))
        return query

    async def get(self, alert_id: str) -> AlertRow | None:
        """One message."""
        rows = await self._store.read(select(*_COLUMNS).where(alerts.c.id == alert_id))
        return _row(rows[0]) if rows else None

    async def again(self, alert_id: str) -> bool:
        """Send it again, under the same id; False where it is still on its way by itself."""
        row = {"b_id": alert_id, "b_now_us": self._clock.now_us()}
        return bool((await self._store.write([Do(_AGAIN, [row], fetch=True)]))[0][0])


def view_alert(row: AlertRow) -> dict[str, Any]:
    """As the API shows it."""
    return {
        "id": row.id,
        "district": row.district,
        "call": row.call,
        "fact": row.fact,
        "seq": row.fact_seq,
        "at": when(row.at_us),
        "kind": row.kind,
        "channel": row.channel,
        "to": row.target,
        "fate": row.fate,
        "tries": row.tries,
        "last_at": None if row.last_us is None else when(row.last_us),
        "next_at": None if row.due_us is None else when(row.due_us),
        "provider": row.provider or None,
        "provider_id": row.provider_id or None,
        "why": row.why or None,
    }


def _row(row: Row) -> AlertRow:
    return AlertRow(*row)


def _cursor(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
        raise ValueError("no such cursor")
    return int(cursor)
