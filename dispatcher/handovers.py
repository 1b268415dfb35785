"""Hand-overs of a shift, as rows that are only ever added: somebody gave it, somebody took it.

give(…)  ->  a row `given`, with ids of what was open then; what they wrote is in `texts`, so that it can be erased
take(…)  ->  a row `taken`; of two who take it at once one is first
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import and_, bindparam, or_, select

from config.doors import Clock, Ids
from dispatcher.store import Do, Prepared, Row, Store, insert
from dispatcher.tables import handovers, texts

#: Who gives a shift over waits so long for somebody to take it; then the district is told that nobody did.
TAKEN_WITHIN_SECONDS = 900

_COLUMNS = ("id", "act", "district", "area", "station", "by", "at_us", "sound", "body")
_PUT = Prepared(
    insert(handovers)
    .values({name: bindparam(name) for name in _COLUMNS})
    .on_conflict_do_nothing()
    .returning(handovers.c.id)
)
_TEXT = Prepared(insert(texts).values({name: bindparam(name) for name in ("id", "call", "body", "at_us")}))

_given, _taken, _later = handovers.alias("given"), handovers.alias("taken"), handovers.alias("later")
_replaced = (
    select(_later.c.seq)
    .where(
        _later.c.act == "given",
        _later.c.seq > _given.c.seq,
        *(_later.c[name] == _given.c[name] for name in ("district", "area", "station")),
    )
    .exists()
)
_SHOWN = (
    select(
        *(_given.c[name] for name in ("seq", "id", "district", "area", "station", "by", "at_us", "body")),
        *(_taken.c[name].label(f"taken_{name}") for name in ("by", "at_us", "sound")),
        texts.c.body.label("note"),
        _replaced.label("replaced"),
    )
    .select_from(
        _given.outerjoin(_taken, and_(_taken.c.id == _given.c.id, _taken.c.act == "taken")).outerjoin(
            texts, texts.c.id == _given.c.id
        )
    )
    .where(_given.c.act == "given")
)


@dataclass(frozen=True, slots=True)
class Handover:
    """A hand-over; `sound` says whether whoever took it could hear the next call. `replaced`: another came after it."""

    seq: int
    id: str
    district: str
    area: str
    station: str
    by: str
    at_us: int
    body: dict[str, Any]
    taken_by: str | None
    taken_us: int | None
    sound: bool
    note: str
    replaced: bool

    def late(self, now_us: int) -> bool:
        """Nobody has taken it in time."""
        waits = self.taken_by is None and not self.replaced
        return waits and self.at_us < now_us - TAKEN_WITHIN_SECONDS * 1_000_000


@dataclass(frozen=True, slots=True)
class HandoverFilter:
    """What to list; None = no matter. `state`: waiting, late, taken or all. `stations`, `areas`: what the asker may see."""

    district: str
    state: str = "all"
    station: str | None = None
    area: str | None = None
    stations: Sequence[str] | None = None
    areas: Sequence[str] | None = None


class Handovers:
    """The hand-overs of this installation."""

    def __init__(self, store: Store, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids

    async def give(
        self, *, district: str, area: str, station: str, by: str, note: str, body: dict[str, Any]
    ) -> str:
        """Somebody ends their shift; the hand-over's id. Raises StoreUnavailable."""
        given = self._ids.new("h")
        now_us = self._clock.now_us()
        row = {"id": given, "act": "given", "district": district, "area": area, "station": station, "by": by}
        row |= {"at_us": now_us, "sound": 0, "body": msgspec.json.encode(body).decode()}  # type: ignore[dict-item]
        text = [{"id": given, "call": given, "body": note, "at_us": now_us}] if note else []
        await self._store.write([Do(_PUT, [row]), Do(_TEXT, text)])
        return given

    async def take(self, one: Handover, *, by: str, sound: bool) -> bool:
        """Somebody takes it; False where another was first. Raises StoreUnavailable."""
        row = {name: getattr(one, name) for name in ("id", "district", "area", "station")}
        row |= {"act": "taken", "by": by, "at_us": self._clock.now_us(), "sound": int(sound), "body": "{}"}
        [[first]] = await self._store.write([Do(_PUT, [row], fetch=True)])
        return bool(first)

    async def get(self, handover_id: str) -> Handover | None:
        """One hand-over."""
        rows = await self._store.read(_SHOWN.where(_given.c.id == handover_id))
        return _of(rows[0]) if rows else None

    async def page(
        self, wanted: HandoverFilter, cursor: str | None, limit: int
    ) -> tuple[list[Handover], str | None]:
        """So many, the newest first, and where the next ones begin. Raises ValueError on a cursor that is none."""
        query = _SHOWN.where(_given.c.district == wanted.district)
        for column, value in ((_given.c.station, wanted.station), (_given.c.area, wanted.area)):
            if value is not None:
                query = query.where(column == value)
        if wanted.stations is not None:
            here = and_(_given.c.station == "", _given.c.area.in_(list(wanted.areas or ())))
            query = query.where(or_(_given.c.station.in_(list(wanted.stations)), here))
        if wanted.state == "taken":
            query = query.where(_taken.c.id.is_not(None))
        elif wanted.state != "all":
            query = query.where(_taken.c.id.is_(None), ~_replaced)
        if wanted.state == "late":
            query = query.where(_given.c.at_us < self._clock.now_us() - TAKEN_WITHIN_SECONDS * 1_000_000)
        if cursor is not None:
            if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
                raise ValueError("no such cursor")
            query = query.where(_given.c.seq < int(cursor))
        rows = [
            _of(row) for row in await self._store.read(query.order_by(_given.c.seq.desc()).limit(limit + 1))
        ]
        return rows[:limit], str(rows[limit - 1].seq) if len(rows) > limit else None


def _of(row: Row) -> Handover:
    seq, one, district, area, station, by, at_us, body, taken_by, taken_us, sound, note, replaced = row
    return Handover(
        seq=seq,
        id=one,
        district=district,
        area=area,
        station=station,
        by=by,
        at_us=at_us,
        body=msgspec.json.decode(body),
        taken_by=taken_by,
        taken_us=taken_us,
        sound=bool(sound),
        note=note or "",
        replaced=bool(replaced),
    )
