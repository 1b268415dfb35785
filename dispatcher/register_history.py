"""What a change of the register did, as rows of its history: who, when, to what, and each field before and after.

    rows = list(told(change, by="s-wang", now_us=…, number=7))      # while memory is as it was before
    work += write(rows)                                             # in the transaction of the change itself

Only what is different is kept: loading a file that changes nothing writes nothing, what was added or removed is a line
without values. A webhook's address and secret are never in it, only that they were changed. People's names, telephones
and notes are: `forget` is what erasing a person does to them (`dispatcher.erase`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import bindparam, delete, insert, or_, select, update

from dispatcher.core.district import Area, Device, District, Policy, Staff, Webhook
from dispatcher.core.roll import Item, Roll
from dispatcher.register_change import Change, generated_desk
from dispatcher.store import Do, Prepared, Store
from dispatcher.tables import history as table


class Did(StrEnum):
    """What was done to an item."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


#: Whoever has a webhook's address may speak in its room: many carry their key in it.
SECRET = frozenset({"secret", "url"})

_PUT = Prepared(
    insert(table).values(
        {column.name: bindparam(f"n_{column.name}") for column in table.c if column.name != "seq"}
    )
)
_DROP = Prepared(delete(table).where(table.c.at_us == bindparam("at"), table.c.change == bindparam("number")))
_EMPTY = Prepared(
    update(table)
    .where(table.c.section == bindparam("of"), table.c.id == bindparam("one"), table.c.body != "")
    .values(body="")
    .returning(table.c.seq)
)

HistoryRow = Mapping[str, Any]


def told(change: Change, by: str, now_us: int, number: int) -> Iterator[HistoryRow]:
    """A row for each thing that is different after the change; to be asked while memory is as it was before.

    `number` is the change's own, of this process: with the moment it names what is written in one go.
    """

    def row(
        roll: Roll, area: str, section: str, item_id: str, act: Did, fields: Mapping[str, Any] | None = None
    ) -> HistoryRow:
        return {
            "n_at_us": now_us,
            "n_change": number,
            "n_by": by,
            "n_act": act.value,
            "n_section": section,
            "n_id": item_id,
            "n_district": roll.district.code,
            "n_area": area,
            "n_body": msgspec.json.encode(fields).decode() if fields else "",
        }

    for roll, section, item_id in change.drops:
        item: Item | None = getattr(roll, section).get(item_id)
        if item is not None and (section, item_id) not in change.puts and not _made(roll, section, item):
            # Whose a device was: erasing them finds what it was called.
            whose = getattr(item, "resident", "")
            fields = {"resident": [whose, ""]} if whose else None
            yield row(roll, _area(change, roll, item), section, item_id, Did.REMOVED, fields)
    for (section, item_id), (roll, item) in change.puts.items():
        if _made(roll, section, item):
            continue
        before = change.before(section, item_id, roll)
        area = _area(change, roll, item)
        if before is None:
            yield row(roll, area, section, item_id, Did.ADDED)
        elif fields := differences(before, item):
            yield row(roll, area, section, item_id, Did.CHANGED, fields)
    for roll, key, was, now in change.policies:
        if fields := differences(was, now):
            yield row(roll, "", "policies", key, Did.CHANGED, fields)
    for roll, settings_were, settings_are in change.settings:
        code = roll.district.code
        if settings_were is None:
            yield row(roll, "", "districts", code, Did.ADDED)
        elif fields := differences(settings_were, settings_are):
            yield row(roll, "", "districts", code, Did.CHANGED, fields)


def _area(change: Change, roll: Roll, item: Item) -> str:
    """Where it is after the change: by that, whoever sees the area sees the line."""
    match item:
        case Area():
            return item.code
        case Device():
            resident = change.after("residents", item.resident, roll)
            return resident.area if resident is not None else ""
        case Staff() if not item.area:
            station = change.after("stations", item.station, roll)
            return station.area if station is not None else ""
    return item.area


def _made(roll: Roll, section: str, item: Item) -> bool:
    """Whether it is the desk that a district is given which names none: nobody did that."""
    return section == "stations" and item == generated_desk(roll)


def differences(before: Item | Policy | District, after: Item | Policy | District) -> dict[str, Any]:
    """What is different: `[before, after]` by field; None where it is a secret."""
    found: dict[str, Any] = {}
    for name in after.__struct_fields__:
        was, now = getattr(before, name), getattr(after, name)
        if was != now:
            secret = isinstance(after, Webhook) and name in SECRET
            found[name] = None if secret else [msgspec.to_builtins(was), msgspec.to_builtins(now)]
    return found


def write(found: Sequence[HistoryRow]) -> list[Do]:
    """The rows as work of one transaction; written again they are there once."""
    if not found:
        return []
    first = found[0]
    return [Do(_DROP, [{"at": first["n_at_us"], "number": first["n_change"]}]), Do(_PUT, found)]


async def of_person(store: Store, section: str, person_id: str) -> set[tuple[str, str]]:
    """Where the history has values about a person: (section, id) of theirs and of what was theirs."""
    found = [(table.c.section == section) & (table.c.id == person_id)]
    if section == "residents":
        quoted = msgspec.json.encode(person_id).decode()
        found.append((table.c.section == "devices") & table.c.body.contains(quoted, autoescape=True))
    query = select(table.c.section, table.c.id).where(or_(*found), table.c.body != "").distinct()
    return {(str(of), str(one)) for of, one in await store.read(query)}


async def forget(store: Store, things: Sequence[tuple[str, str]]) -> int:
    """Empty what the history says of these; that they were changed stays. How many rows. Raises StoreUnavailable."""
    if not things:
        return 0
    [emptied] = await store.write(
        [Do(_EMPTY, [{"of": section, "one": item_id} for section, item_id in things], fetch=True)]
    )
    return sum(map(len, emptied))
