"""Faults to look at: open and ended, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import and_, or_, select

from dispatcher.board import texts_of
from dispatcher.desk_reports import FaultBody
from dispatcher.store import Row, Store
from dispatcher.tables import faults
from dispatcher.view import when

_NAMES = (
    "id", "district", "area", "device", "source", "fault", "station", "since_us", "due_us", "overdue", "ended_us",
)  # fmt: skip
_COLUMNS = [faults.c[name] for name in (*_NAMES, "body")]
_BODY = msgspec.json.Decoder(FaultBody)


@dataclass(frozen=True, slots=True)
class FaultRow:
    """A fault as it is kept."""

    id: str
    district: str
    area: str
    device: str | None
    source: str
    fault: str
    station: str
    since_us: int
    due_us: int | None
    overdue: bool
    ended_us: int | None
    body: FaultBody


@dataclass(frozen=True, slots=True)
class FaultFilter:
    """What to list; None = no matter. `state` is open, ended or all.

    `area_codes` are areas with all below them; `seen_in` and `seen_by` are what the asker may see: faults in these areas,
    and those that are this station's task.
    """

    district: str
    state: str = "open"
    area_codes: Sequence[str] | None = None
    station: str | None = None
    device: str | None = None
    fault: str | None = None
    since_us: int | None = None
    until_us: int | None = None
    seen_in: Sequence[str] | None = None
    seen_by: str = ""


class FaultBoard:
    """The faults of this installation."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def page(
        self, wanted: FaultFilter, cursor: str | None, limit: int
    ) -> tuple[list[FaultRow], str | None]:
        """So many, and where the next ones begin. Raises ValueError on a cursor that is none, StoreUnavailable."""
        columns = faults.c
        query = select(*_COLUMNS).where(columns.district == wanted.district)
        if wanted.state != "all":
            ended = columns.ended_us.is_not(None) if wanted.state == "ended" else columns.ended_us.is_(None)
            query = query.where(ended)
        for column, value in (
            (columns.station, wanted.station),
            (columns.device, wanted.device),
            (columns.fault, wanted.fault),
        ):
            if value is not None:
                query = query.where(column == value)
        if wanted.since_us is not None:
            query = query.where(columns.since_us >= wanted.since_us)
        if wanted.until_us is not None:
            query = query.where(columns.since_us < wanted.until_us)
        if wanted.area_codes is not None:
            query = query.where(columns.area.in_(list(wanted.area_codes)))
        if wanted.seen_in is not None:
            query = query.where(
                or_(columns.area.in_(list(wanted.seen_in)), columns.station == (wanted.seen_by or None))
            )
        if cursor is not None:
            since_us, fault_id = _cursor(cursor)
            query = query.where(
                or_(columns.since_us < since_us, and_(columns.since_us == since_us, columns.id < fault_id))
            )
        query = query.order_by(columns.since_us.desc(), columns.id.desc()).limit(limit + 1)
        rows = [_row(row) for row in await self._store.read(query)]
        more = f"{rows[limit - 1].since_us}.{rows[limit - 1].id}" if len(rows) > limit else None
        return rows[:limit], more

    async def get(self, fault_id: str) -> FaultRow | None:
        """One fault."""
        rows = await self._store.read(select(*_COLUMNS).where(faults.c.id == fault_id))
        return _row(rows[0]) if rows else None

    async def notes(self, rows: Sequence[FaultRow]) -> dict[str, str]:
        """What people wrote when they ended them, by the id of the text."""
        return await texts_of(self._store, {row.body.text for row in rows if row.body.text})


def view_fault(
    row: FaultRow, *, resident: str | None, note: str | None, residents: Sequence[str]
) -> dict[str, Any]:
    """As the API shows it; `residents` are those of its list whom the asker may see."""
    body = row.body
    return {
        "id": row.id,
        "district": row.district,
        "device": row.device,
        "source": row.source or None,
        "resident": resident,
        "area": row.area or None,
        "fault": row.fault,
        "detail": body.detail or None,
        "station": row.station,
        "since": when(row.since_us),
        "deadline": None if row.due_us is None else when(row.due_us),
        "overdue": row.overdue,
        "ended": None if row.ended_us is None else when(row.ended_us),
        "because": body.because or None,
        "by": body.by or None,
        "note": note,
        "devices": list(body.devices),
        "residents": list(residents),
        "count": body.count,
    }


def _row(row: Row) -> FaultRow:
    *plain, overdue, ended_us, body = row
    named = dict(zip(_NAMES, plain, strict=False))
    return FaultRow(**named, overdue=bool(overdue), ended_us=ended_us, body=_BODY.decode(body))


def _cursor(cursor: str) -> tuple[int, str]:
    since_us, dot, fault_id = cursor.partition(".")
    if not (dot and since_us.isascii() and since_us.isdigit() and len(since_us) <= 18):
        raise ValueError("no such cursor")
    return int(since_us), fault_id
