"""Searching the audit log: `GET /audit`, and what was found as a file, `GET /audit/file`.

Admins and districts find all that concerns them; a street, a community or a grid what concerns its area. Names are put
beside ids when it is read, for whoever may see whose they are: the log itself has ids only.
"""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from aiohttp import web
from sqlalchemy import Select, false, select

from config.doors import from_us
from dispatcher.console.access import AREA, WHOLE
from dispatcher.console.endpoint import PAGING, Act, Answer, Ask, Endpoint, Kind, Query
from dispatcher.console.problems import wrong
from dispatcher.console.register import after_cursor, cursor_of
from dispatcher.console.shapes import listed
from dispatcher.tables import audit as table

#: A file has so many lines at most, the newest: an office program opens no more, and memory stays bounded.
FILE_LINES_MAX = 50_000
_AT_ONCE = 1_000
_SECTIONS = ("residents", "devices", "stations", "staff", "areas")
_COLUMNS = ("seq", "at", "by", "by_name", "act", "what", "id", "district", "area", "why")
#: What an office program would take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def _wanted(ask: Ask) -> Select[Any]:
    """What is asked for, within the asker's sight."""
    roll = ask.roll()
    query = select(*table.columns)
    if not ask.scope.sees_every_district():
        query = query.where(table.c.district == roll.district.code)
        areas = ask.scope.areas(roll)
        if areas is not None:
            query = query.where(table.c.area.in_(sorted(areas)))
    elif "district" in ask.query:
        query = query.where(table.c.district.in_((roll.district.code, "")))
    if "by" in ask.query and not may_name(ask, ask.query["by"]):
        query = query.where(false())
    if "id" in ask.query and not _is_in_sight(ask, ask.query["id"]):
        query = query.where(false())
    for name in ("by", "act", "what", "id"):
        if name in ask.query:
            query = query.where(table.c[name] == ask.query[name])
    if "since" in ask.query:
        query = query.where(table.c.at_us >= ask.query["since"])
    if "until" in ask.query:
        query = query.where(table.c.at_us < ask.query["until"])
    return query.order_by(table.c.seq.desc())


def may_name(ask: Ask, by: str) -> bool:
    """Whether it is this asker's to know who that is. The district knows of everybody who looked."""
    if ask.access.role in WHOLE or by == ask.access.by:
        return True
    roll = ask.scope.rolls.roll_of("staff", by)
    return roll is not None and ask.scope.sees_item(roll, roll.staff[by])


def _is_in_sight(ask: Ask, one: str) -> bool:
    """Whether an id may be told: to the district each, to others those of the register that they see.

    A line can have an area of theirs and somebody else's id: a list that was asked for by both.
    """
    if ask.access.role in WHOLE:
        return True
    for section in _SECTIONS:
        roll = ask.scope.rolls.roll_of(section, one)
        if roll is not None:
            return ask.scope.sees_item(roll, getattr(roll, section)[one])
    return False


def name_of(ask: Ask, section: str, one: str) -> str | None:
    """What the register calls it now, where this asker sees it."""
    if section not in {"residents", "staff", "stations", "devices", "users", "sessions"} or not one:
        return None
    section = {"users": "staff", "sessions": "staff"}.get(section, section)
    roll = ask.scope.rolls.roll_of(section, one)
    if roll is None:
        return None
    item = getattr(roll, section)[one]
    return item.name or None if ask.scope.sees_item(roll, item) else None


def _item(ask: Ask, row: Iterable[Any]) -> dict[str, Any]:
    seq, at_us, by, act, what, one, district, area, why = row
    return {
        "seq": seq,
        "at": from_us(at_us),
        "by": by if may_name(ask, by) else None,
        "by_name": name_of(ask, "staff", by),
        "act": act,
        "what": what,
        "id": one if one and _is_in_sight(ask, one) else None,
        "name": name_of(ask, what.partition("/")[0], one),
        "district": district or None,
        "area": area or None,
        "why": why or None,
    }


async def _listing(ask: Ask) -> Answer:
    """The newest first."""
    query = _wanted(ask)
    after = after_cursor(ask.cursor)
    if after:
        if not (after.isascii() and after.isdigit() and len(after) < 19):
            raise wrong("cursor", "is none that we gave")
        query = query.where(table.c.seq < int(after))
    rows = await ask.rooms.store.read(query.limit(ask.limit + 1))
    more = cursor_of(str(rows[ask.limit - 1][0])) if len(rows) > ask.limit else None
    return Answer({"items": [_item(ask, row) for row in rows[: ask.limit]], "next": more})


async def _file(ask: Ask) -> web.Response:
    """The same as a table, without residents' names: a file leaves the house."""
    query = _wanted(ask)
    text = io.StringIO()
    text.write("\ufeff")  # by which office programs know UTF-8
    lines = csv.writer(text)
    lines.writerow(_COLUMNS)
    last, left = 0, FILE_LINES_MAX
    while left > 0:
        rows = await ask.rooms.store.read(
            (query.where(table.c.seq < last) if last else query).limit(min(_AT_ONCE, left))
        )
        lines.writerows(_cells(_item(ask, row)) for row in rows)
        if len(rows) < _AT_ONCE:
            break
        last, left = rows[-1][0], left - len(rows)
        await asyncio.sleep(0)  # whoever presses comes between
    return web.Response(
        body=text.getvalue().encode(),
        content_type="text/csv",
        charset="utf-8",
        headers={"Content-Disposition": 'attachment; filename="audit.csv"'},
    )


def _cells(item: Mapping[str, Any]) -> list[str]:
    texts = ("" if item[name] is None else str(item[name]) for name in _COLUMNS)
    return [f"'{text}" if text.startswith(_FORMULA) else text for text in texts]


_LINE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "seq": {"type": "integer"},
        "at": {"type": "string", "format": "date-time"},
        "by": {
            "type": ["string", "null"],
            "description": "a staff id, `token:` and its id, `admin`, or `cli`; null: somebody out of sight",
        },
        "by_name": {"type": ["string", "null"]},
        "act": {"enum": list(Act)},
        "what": {"type": "string"},
        "id": {"type": ["string", "null"]},
        "name": {"type": ["string", "null"], "description": "what the register calls it now"},
        "district": {"type": ["string", "null"]},
        "area": {"type": ["string", "null"]},
        "why": {"type": ["string", "null"], "description": "the reason given for asking to see it"},
    },
}
_SEARCH = (
    Query("by", "by this person or token"),
    Query("act", "what was done", choices=tuple(Act)),
    Query("what", "to which kind of thing, e.g. `residents`"),
    Query("id", "to this one"),
    Query("since", "at or after this time", Kind.MOMENT),
    Query("until", "before this time", Kind.MOMENT),
    Query("district", "of this district, and of the installation"),
)

ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/audit",
        name="listAudit",
        tag="audit",
        en="Who looked at whose record and who changed what, newest first; steps of calls are in their journal",
        zh="审计日志：谁看过、谁改过，新的在前（呼叫各步骤见其台账）",
        handle=_listing,
        roles=WHOLE | AREA,
        query=(*_SEARCH, *PAGING),
        answer=listed(_LINE),
        audit=Act.LIST,
    ),
    Endpoint(
        method="GET",
        path="/audit/file",
        name="exportAudit",
        tag="audit",
        en=f"The same as CSV, the newest {FILE_LINES_MAX:,} lines; fetching it is a line itself",
        zh="审计日志导出为 CSV（导出本身也记入日志）",
        handle=_file,
        roles=WHOLE | AREA,
        query=_SEARCH,
        answer={"type": "string"},
        answer_type="text/csv",
        audit=Act.EXPORT,
    ),
)
