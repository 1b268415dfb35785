"""The register's rows: its statements, and rolls made of what is stored. The only SQL about the register.

A row is replaced by taking it away and putting it in again: the same on every database, and two devices of one file may
swap their addresses without standing in each other's way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from sqlalchemy import Table, bindparam, delete, exists, insert, not_, select

from dispatcher import tables
from dispatcher.core.district import Area, Device, District, Policy, Resident, Staff, Station, Webhook
from dispatcher.core.roll import Item, Roll
from dispatcher.store import Do, Prepared, Store

#: Every section with ids: its table and its shape, in the order in which a roll takes them.
SECTIONS: dict[str, tuple[Table, type[Any]]] = {
    "areas": (tables.areas, Area),
    "stations": (tables.stations, Station),
    "webhooks": (tables.webhooks, Webhook),
    "residents": (tables.residents, Resident),
    "devices": (tables.devices, Device),
    "staff": (tables.staff, Staff),
}
SECTION_OF: dict[type[Any], str] = {shape: section for section, (_table, shape) in SECTIONS.items()}

_PUT = {section: Prepared(insert(table)) for section, (table, _shape) in SECTIONS.items()}
_DROP = {
    section: Prepared(delete(table).where(table.c.id == bindparam("b_id")))
    for section, (table, _) in SECTIONS.items()
}
_PUT_DISTRICT = Prepared(insert(tables.districts))
_DROP_DISTRICT = Prepared(delete(tables.districts).where(tables.districts.c.code == bindparam("b_code")))
_PUT_POLICY = Prepared(insert(tables.policies))
_DROP_POLICY = Prepared(
    delete(tables.policies).where(
        tables.policies.c.district == bindparam("b_district"), tables.policies.c.key == bindparam("b_key")
    )
)
_PUT_DUTY = Prepared(insert(tables.duty))
_DROP_DUTY = Prepared(delete(tables.duty).where(tables.duty.c.staff == bindparam("b_staff")))
_DROP_USER = Prepared(delete(tables.users).where(tables.users.c.id == bindparam("b_staff")))
_DROP_SESSIONS = Prepared(delete(tables.sessions).where(tables.sessions.c.staff == bindparam("b_staff")))
_PUT_TEST = Prepared(insert(tables.test_mode))
_DROP_TEST = Prepared(delete(tables.test_mode).where(tables.test_mode.c.device == bindparam("b_device")))
_PUT_META = Prepared(insert(tables.meta))
_DROP_META = Prepared(delete(tables.meta).where(tables.meta.c.key == bindparam("b_key")))

_ROADS = "roads/"

# A district that nothing ever happened in: no call, nothing asked, nothing decided.
_DROP_UNUSED = Prepared(
    delete(tables.districts)
    .where(
        tables.districts.c.code == bindparam("b_code"),
        *(
            not_(exists(select(table.c.district).where(table.c.district == bindparam(f"b_{table.name}"))))
            for table in (tables.calls, tables.inbox, tables.journal)
        ),
    )
    .returning(tables.districts.c.code)
)
_DROP_STATIONS_OF_NOBODY = Prepared(
    delete(tables.stations).where(
        tables.stations.c.district == bindparam("b_code"),
        not_(exists(select(tables.districts.c.code).where(tables.districts.c.code == bindparam("b_again")))),
    )
)


def id_of(item: Item) -> str:
    """The id, of an area the code."""
    return item.code if isinstance(item, Area) else item.id


def _body(value: object) -> str:
    return msgspec.json.encode(value).decode()


Rows = dict[str, list[Mapping[str, Any]]]


def add_row(to: Rows, district: str, item: Item, now_us: int) -> None:
    """Add an item's row to those of its section."""
    row = {"id": id_of(item), "district": district, "body": _body(item), "updated_us": now_us}
    if isinstance(item, Device):
        row["source"] = item.source
    to.setdefault(SECTION_OF[type(item)], []).append(row)


def put_rows(new: Rows) -> list[Do]:
    """Put rows, whatever was there under their ids: all old ones go first, then all new ones come."""
    return [
        *(Do(_DROP[section], [{"b_id": row["id"]} for row in put]) for section, put in new.items()),
        *(Do(_PUT[section], put) for section, put in new.items()),
    ]


def drop_item(section: str, item_id: str) -> list[Do]:
    """Take one away, and what is kept about it."""
    work = [Do(_DROP[section], [{"b_id": item_id}])]
    if section == "devices":
        work.append(Do(_DROP_TEST, [{"b_device": item_id}]))
    if section == "staff":
        # With their login: whoever is registered under this id later is somebody else.
        rows = [{"b_staff": item_id}]
        work += [Do(_DROP_DUTY, rows), Do(_DROP_USER, rows), Do(_DROP_SESSIONS, rows)]
    return work


def put_district(district: District, place: int) -> list[Do]:
    """Put the district's settings; `place` is its place among the districts, the first is the default."""
    row = {"code": district.code, "body": _body(district), "place": place}
    return [Do(_DROP_DISTRICT, [{"b_code": district.code}]), Do(_PUT_DISTRICT, [row])]


def drop_unused_district(code: str) -> list[Do]:
    """Take a district away that has no history, with its stations. The first Do fetches the code where it went."""
    return [
        Do(_DROP_UNUSED, [{"b_code": code, "b_calls": code, "b_inbox": code, "b_journal": code}], fetch=True),
        Do(_DROP_STATIONS_OF_NOBODY, [{"b_code": code, "b_again": code}]),
    ]


def put_policies(district: str, policies: Mapping[str, Policy], now_us: int) -> list[Do]:
    """Put policies by key."""
    rows = [
        {"district": district, "key": key, "body": _body(policy), "updated_us": now_us}
        for key, policy in policies.items()
    ]
    return [*drop_policies(district, policies), Do(_PUT_POLICY, rows)]


def drop_policies(district: str, keys: Iterable[str]) -> list[Do]:
    """Take policies away."""
    return [Do(_DROP_POLICY, [{"b_district": district, "b_key": key} for key in keys])]


def put_duty(staff_id: str, by: str, now_us: int, *, on: bool) -> list[Do]:
    """Say that somebody is on or off duty."""
    row = {"staff": staff_id, "on_duty": int(on), "at_us": now_us, "by": by}
    return [Do(_DROP_DUTY, [{"b_staff": staff_id}]), Do(_PUT_DUTY, [row])]


def put_tests(device_ids: Iterable[str], until_us: int | None, by: str) -> list[Do]:
    """Put devices in test mode; None takes them out of it."""
    ids = list(device_ids)
    put = (
        [{"device": device, "until_us": until_us, "by": by} for device in ids] if until_us is not None else []
    )
    return [Do(_DROP_TEST, [{"b_device": device} for device in ids]), Do(_PUT_TEST, put)]


def put_roads(district: str, roads: str) -> list[Do]:
    """Say which file holds the district's roads."""
    key = _ROADS + district
    return [Do(_DROP_META, [{"b_key": key}]), Do(_PUT_META, [{"key": key, "value": roads}])]


class Stored:
    """What is stored, as rolls: by code in the order of their places, the name of each one's roads beside them."""

    def __init__(self) -> None:
        self.rolls: dict[str, Roll] = {}
        self.roads: dict[str, str] = {}
        self.places: dict[str, int] = {}

    def roll(self, code: str) -> Roll:
        """The roll of a district; a row whose district has none is not lost for that."""
        if code not in self.rolls:
            self.rolls[code] = Roll(District(code=code))
        return self.rolls[code]


async def load(store: Store, now_us: int) -> Stored:
    """Everything of the register. A test mode that has run out is left out. Raises StoreUnavailable."""
    stored = Stored()
    districts = tables.districts
    settings = msgspec.json.Decoder(District)
    for code, body, place in await store.read(
        select(districts.c.code, districts.c.body, districts.c.place).order_by(
            districts.c.place, districts.c.code
        )
    ):
        stored.rolls[code] = Roll(settings.decode(body))
        stored.places[code] = place
    homes: dict[str, dict[str, Roll]] = {}
    for section, (table, shape) in SECTIONS.items():
        decoder = msgspec.json.Decoder(shape)
        home = homes[section] = {}
        for item_id, code, body in await store.read(
            select(table.c.id, table.c.district, table.c.body).order_by(table.c.id)
        ):
            roll = home[item_id] = stored.roll(code)
            roll.put(decoder.decode(body))
    policy = msgspec.json.Decoder(Policy)
    table = tables.policies
    for code, key, body in await store.read(select(table.c.district, table.c.key, table.c.body)):
        stored.roll(code).policies[key] = policy.decode(body)
    duty = tables.duty
    for staff_id, at_us in await store.read(select(duty.c.staff, duty.c.at_us).where(duty.c.on_duty == 1)):
        if staff_id in homes["staff"]:
            homes["staff"][staff_id].on_duty.add(staff_id)
            homes["staff"][staff_id].on_duty_since_us[staff_id] = at_us
    test = tables.test_mode
    for device, until_us in await store.read(
        select(test.c.device, test.c.until_us).where(test.c.until_us > now_us)
    ):
        if device in homes["devices"]:
            homes["devices"][device].test_until_us[device] = until_us
    meta = tables.meta
    for key, value in await store.read(select(meta.c.key, meta.c.value).where(meta.c.key.startswith(_ROADS))):
        stored.roads[key.removeprefix(_ROADS)] = value
    return stored
