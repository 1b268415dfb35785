"""What was changed in the register: `GET /history`, the newest first, within the asker's sight.

A street finds what was changed in its area, as long as it sees the item now, or nobody does any more; webhooks and
policies are the district's matter. Telephone numbers are masked as in the register itself (`masking`). Names are put
beside ids when it is read; the rows have what the register had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Select, false, select

from config.doors import from_us
from dispatcher.console.access import STAFFED, WHOLE
from dispatcher.console.audit_search import may_name, name_of
from dispatcher.console.endpoint import DISTRICT, PAGING, Act, Answer, Ask, Endpoint, Kind, Query
from dispatcher.console.masking import shown_resident
from dispatcher.console.problems import wrong
from dispatcher.console.register import after_cursor, cursor_of, in_sight
from dispatcher.console.shapes import listed
from dispatcher.register_history import Did
from dispatcher.register_rows import SECTIONS as ITEMS
from dispatcher.store import Row
from dispatcher.tables import history as table

SECTIONS = (*ITEMS, "policies", "districts")
_OF_THE_DISTRICT = ("webhooks", "policies")
#: So many pages are looked through for one that has something in sight; then the asker is to go on.
_PAGES_A_TURN = 5


def _wanted(ask: Ask) -> Select[Any]:
    """What is asked for, in the areas of the asker."""
    roll = ask.roll()
    query = select(*table.columns)
    if not ask.scope.sees_every_district() or "district" in ask.query:
        query = query.where(table.c.district == roll.district.code)
    areas = ask.scope.areas(roll)
    if areas is not None:
        query = query.where(table.c.area.in_(sorted(areas)))
    if ask.access.role not in WHOLE:
        query = query.where(table.c.section.not_in(_OF_THE_DISTRICT))
    if "by" in ask.query and not may_name(ask, ask.query["by"]):
        query = query.where(false())
    for name in ("section", "id", "by"):
        if name in ask.query:
            query = query.where(table.c[name] == ask.query[name])
    if "since" in ask.query:
        query = query.where(table.c.at_us >= ask.query["since"])
    if "until" in ask.query:
        query = query.where(table.c.at_us < ask.query["until"])
    return query.order_by(table.c.seq.desc())


def _in_sight(ask: Ask, section: str, item_id: str) -> bool:
    """Whether the item is theirs to see as it is now. One that is gone is told by its area as it was."""
    if section not in ITEMS:
        return True
    roll = ask.scope.rolls.roll_of(section, item_id)
    return roll is None or ask.scope.sees_item(roll, getattr(roll, section)[item_id])


def _changes(ask: Ask, section: str, body: str) -> list[dict[str, Any]]:
    """Each field before and after, as this asker may see it."""
    if not body:
        return []
    found: list[dict[str, Any]] = []
    fields: Mapping[str, Sequence[Any] | None] = msgspec.json.decode(body)
    for name, kept in fields.items():
        values = kept
        if values is None:
            found.append({"field": name, "secret": True})
            continue
        if section == "residents" and name == "contacts" and ask.access.role not in WHOLE:
            # Which webhook a relative has is the district's matter, and so is that only this was changed.
            values = [[_without_webhook(contact) for contact in contacts] for contacts in values]
            if values[0] == values[1]:
                continue
        before, after = (_value(ask, section, name, value) for value in values)
        found.append({"field": name, "before": before, "after": after})
    return found


def _without_webhook(contact: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in contact.items() if name != "webhook"}


def _value(ask: Ask, section: str, name: str, value: Any) -> Any:
    if section != "residents":
        return value
    return shown_resident(ask.access, {name: value})[name]


def _line(ask: Ask, row: Row) -> dict[str, Any]:
    seq, at_us, _change, by, act, section, item_id, district, area, body = row
    return {
        "seq": seq,
        "at": from_us(at_us),
        "by": by if not by or may_name(ask, by) else None,
        "by_name": name_of(ask, "staff", by),
        "section": section,
        "id": item_id,
        "name": name_of(ask, section, item_id),
        "act": act,
        "changes": _changes(ask, section, body),
        "erased": act == Did.CHANGED and not body,
        "district": district,
        "area": area or None,
    }


async def _listing(ask: Ask) -> Answer:
    query, item_id, section = _wanted(ask), ask.query.get("id", ""), ask.query.get("section", "")
    roll = ask.roll()
    ask.where = (roll.district.code, ask.access.area)
    if item_id and section in ITEMS and ask.scope.rolls.roll_of(section, item_id) is not None:
        if not _in_sight(ask, section, item_id):
            return Answer({"items": [], "next": None})
        in_sight(ask, section, item_id)
        ask.about = item_id
    after = after_cursor(ask.cursor)
    if after and not (after.isascii() and after.isdigit() and len(after) < 19):
        raise wrong("cursor", "is none that we gave")
    found: list[Row] = []
    last, more = int(after or 0), True
    for _ in range(_PAGES_A_TURN):
        page = query.where(table.c.seq < last) if last else query
        rows = await ask.rooms.store.read(page.limit(ask.limit + 1))
        more = len(rows) > ask.limit
        for row in rows[: ask.limit]:
            if len(found) == ask.limit:
                more = True
                break
            last = row[0]
            if _in_sight(ask, row[5], row[6]):
                found.append(row)
        if not more or len(found) == ask.limit:
            break
    return Answer(
        {"items": [_line(ask, row) for row in found], "next": cursor_of(str(last)) if more else None}
    )


_LINE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "seq": {"type": "integer"},
        "at": {"type": "string", "format": "date-time"},
        "by": {
            "type": ["string", "null"],
            "description": "a staff id, `token:` and its id, `admin`, or `cli`; empty: the installation itself; null: somebody out of sight",
        },
        "by_name": {"type": ["string", "null"]},
        "section": {"enum": list(SECTIONS)},
        "id": {"type": "string", "description": "of an area or a district its code, of a policy its key"},
        "name": {"type": ["string", "null"], "description": "what the register calls it now"},
        "act": {"enum": list(Did)},
        "changes": {
            "type": "array",
            "description": "what is different; empty where it was added or removed, or the values were erased",
            "items": {
                "type": "object",
                "properties": {
                    "field": {"type": "string"},
                    "before": {},
                    "after": {},
                    "secret": {"type": "boolean", "description": "true: that it was changed is all there is"},
                },
                "required": ["field"],
            },
        },
        "erased": {
            "type": "boolean",
            "description": "the values are gone, because somebody they were about was erased",
        },
        "district": {"type": "string"},
        "area": {"type": ["string", "null"]},
    },
}

ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/history",
        name="listHistory",
        tag="district",
        en="What was changed in the register, by whom, each field before and after; newest first",
        zh="登记变更记录：谁在何时把哪一项由什么改为什么，新的在前",
        handle=_listing,
        roles=STAFFED,
        query=(
            Query("section", "of this kind", choices=SECTIONS),
            Query("id", "of this one"),
            Query("by", "by this person or token"),
            Query("since", "at or after this time", Kind.MOMENT),
            Query("until", "before this time", Kind.MOMENT),
            *PAGING,
            DISTRICT,
        ),
        answer=listed(_LINE),
        audit=Act.LOOK,
    ),
)
