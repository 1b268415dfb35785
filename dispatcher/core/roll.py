"""The register in memory: what the desk looks at when it decides. Changed by the register room, after its commit.

A Roll is one district. Reading it is a dict look-up; nothing here waits, and nothing here knows the time.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from config.policies import POLICIES
from devices.signal import Key
from dispatcher.core import hours
from dispatcher.core.district import (
    Area,
    AreaKind,
    Device,
    District,
    Policy,
    Resident,
    Staff,
    Station,
    StationKind,
    Webhook,
)

Item = Area | Station | Resident | Device | Staff | Webhook

DEFAULT_POLICIES: dict[str, Policy] = {
    key: msgspec.convert(value, Policy, strict=False) for key, value in POLICIES.items()
}


class Roll:
    """One district's areas, stations, residents, devices, staff, webhooks and policies, with who is on duty."""

    def __init__(self, district: District) -> None:
        self.areas: dict[str, Area] = {}
        self.stations: dict[str, Station] = {}
        self.residents: dict[str, Resident] = {}
        self.devices: dict[str, Device] = {}
        self.staff: dict[str, Staff] = {}
        self.webhooks: dict[str, Webhook] = {}
        self.policies: dict[str, Policy] = {}
        self.by_source: dict[str, Device] = {}
        self.staff_at: dict[str, set[str]] = {}
        self.on_duty: set[str] = set()
        self.on_duty_since_us: dict[str, int] = {}
        self.test_until_us: dict[str, int] = {}
        self.version = 0  #: goes up with every change
        self.map_version = (
            0  #: goes up when stations or areas change: what is reckoned from the map is good for one
        )
        self._desk: tuple[int, Station] | None = None
        self.district = district
        self.zone = ZoneInfo(district.timezone)
        self.holidays = frozenset(district.holidays)

    def settle(self, district: District) -> None:
        """Take the district's own settings anew."""
        self.district = district
        self.zone = ZoneInfo(district.timezone)
        self.holidays = frozenset(district.holidays)
        self.version += 1
        self.map_version += 1

    def put(self, item: Item) -> None:
        """Add or replace one item."""
        self.version += 1
        if isinstance(item, Area | Station):
            self.map_version += 1
        match item:
            case Area():
                self.areas[item.code] = item
            case Station():
                self.stations[item.id] = item
            case Resident():
                self.residents[item.id] = item
            case Device():
                self._forget_source(item.id)
                self.devices[item.id] = item
                self.by_source[item.source] = item
            case Staff():
                self._forget_staff(item.id)
                self.staff[item.id] = item
                if item.station:
                    self.staff_at.setdefault(item.station, set()).add(item.id)
            case Webhook():
                self.webhooks[item.id] = item

    def remove(self, kind: str, item_id: str) -> None:
        """Take one item away (`kind` as in the district file: `stations`, `residents`, …); unknown is no error."""
        self.version += 1
        if kind in ("areas", "stations"):
            self.map_version += 1
        if kind == "devices":
            self._forget_source(item_id)
            self.test_until_us.pop(item_id, None)
        if kind == "staff":
            self._forget_staff(item_id)
            self.on_duty.discard(item_id)
            self.on_duty_since_us.pop(item_id, None)
        items: dict[str, Any] = getattr(self, kind)
        items.pop(item_id, None)

    def is_open(self, station: Station, moment: datetime) -> bool:
        """Whether the station is open at an aware moment: by its hours, and not closed for a while."""
        if station.closed is not None and (
            station.closed.until is None or moment < datetime.fromisoformat(station.closed.until)
        ):
            return False
        return hours.parse(station.hours).is_open(moment, self.zone, self.holidays)

    def policy(self, key: Key) -> Policy:
        """The district's policy of this key, or the default one."""
        return self.policies.get(key) or DEFAULT_POLICIES[key]

    def lineage(self, code: str) -> Iterator[str]:
        """The area's code and those above it, lowest first; a code the register does not know is its own line."""
        for _ in range(8):  # four levels; a cycle that slipped in must not hang the desk
            if not code:
                return
            yield code
            area = self.areas.get(code)
            if area is None:
                return
            code = area.parent

    def within(self, code: str, scope: str) -> bool:
        """Is the area inside (or the same as) the other one? The district holds all."""
        return scope == self.district.code or scope in self.lineage(code)

    def below(self, scope: str) -> set[str]:
        """The codes of the area and of everything inside it; a code that the register does not know is itself alone."""
        return {code for code in self.areas if self.within(code, scope)} | {scope}

    def above(self, code: str, kind: AreaKind) -> str:
        """The code of the area's street (or community, …), itself included; empty where there is none."""
        for step in self.lineage(code):
            area = self.areas.get(step)
            if area is not None and area.kind == kind:
                return step
        return ""

    def desk(self) -> Station:
        """The district desk. There always is one: the register sees to it."""
        if self._desk is None or self._desk[0] != self.map_version:
            self._desk = (self.map_version, self._find_desk())
        return self._desk[1]

    def _find_desk(self) -> Station:
        for station in self.stations.values():
            if station.kind is StationKind.DISTRICT_DESK:
                return station
        return Station(id=f"desk-{self.district.code}", kind=StationKind.DISTRICT_DESK)

    def _forget_source(self, device_id: str) -> None:
        before = self.devices.get(device_id)
        if before is not None and self.by_source.get(before.source) is before:
            del self.by_source[before.source]

    def _forget_staff(self, staff_id: str) -> None:
        before = self.staff.get(staff_id)
        if before is not None and before.station:
            self.staff_at.get(before.station, set()).discard(staff_id)


class Rolls:
    """All districts of an installation. Ids are unique across them; a source is one device."""

    def __init__(self) -> None:
        self.by_code: dict[str, Roll] = {}
        self.default_code = "default"
        #: The canary's own (`core/canary.py`): whoever goes through the districts does not meet it.
        self.canary: Roll | None = None

    def __getitem__(self, code: str) -> Roll:
        return self.by_code[code]

    @property
    def default(self) -> Roll:
        """Where what belongs to no district goes."""
        return self.by_code[self.default_code]

    def find(self, code: str) -> Roll | None:
        """The district of this code, or the canary's."""
        if self.canary is not None and code == self.canary.district.code:
            return self.canary
        return self.by_code.get(code)

    def device_by_source(self, source: str) -> tuple[Roll, Device] | None:
        """Whose device speaks as `family/address`."""
        for roll in self.by_code.values():
            device = roll.by_source.get(source)
            if device is not None:
                return roll, device
        if self.canary is not None and (device := self.canary.by_source.get(source)) is not None:
            return self.canary, device
        return None

    def roll_of(self, kind: str, item_id: str) -> Roll | None:
        """The district that has this item (`kind` as in the district file)."""
        for roll in self.by_code.values():
            if item_id in getattr(roll, kind):
                return roll
        return None
