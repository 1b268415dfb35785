"""Watching over the devices: what each of them says of itself, when it has been silent too long, whose task a fault is.

    a heartbeat every 900 s, none for 3 x 900 s + 10 %   ->  offline: the nearest station has 2 h, then the desk
    ten fall silent within a minute                      ->  one fault, `offline_many`, the desk's
    a community loses power                              ->  one fault of that area (`area.py`)

Silence is counted only while we listened ourselves: that clock (`listened`, seconds) stands still while the line is
closed. Pure, like all of the core.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from devices.signal import SignalType
from dispatcher.core.area import STRUCK, Calm
from dispatcher.core.district import Device, Resident, Station, StationKind
from dispatcher.core.geo import rough_m
from dispatcher.core.roll import Roll

BATTERY, MAINS, TAMPER, RETAINED = "battery", "mains", "tamper", "retained"
OFFLINE, OFFLINE_MANY, LINE = "offline", "offline_many", "line_closed"

#: A button that is silent or without power cannot call for help: a life may depend on it (JGJ/T 484: repaired in 2 h).
GRAVE_SECONDS = 2 * 3600.0
#: What can wait for the next working day.
PLAIN_SECONDS = 24 * 3600.0
#: A fault whose time has passed is the district desk's, and said again after this.
AGAIN_SECONDS = 24 * 3600.0

#: So many heartbeats may be missing, and a device's clock may be wrong by so much.
MISSED = 3
JITTER = 0.1
#: After a line came back everybody gets this long to be heard, in heartbeats and seconds, but no longer than an hour:
#: buttons come back one after the other, with pauses that grow to a minute.
BACK_HEARTBEATS, BACK_SECONDS, BACK_SECONDS_MAX = 1.1, 60.0, 3600.0

#: Percent. Between the two nothing changes: a cold night must not make a fault every hour.
BATTERY_LOW_BELOW, BATTERY_WELL_ABOVE = 15.0, 25.0
#: A device that called its battery low at a higher figure must have gained this much on it.
BATTERY_GAIN = 10.0

#: So many silent within so many seconds in one district are one fault.
MANY_DEVICES, MANY_HUBS, MANY_SECONDS = 10, 5, 60.0
#: Who falls silent so long after the last of them still belongs to it.
JOIN_SECONDS = 600.0
#: It has ended when no more than this part of them is still silent.
STILL_SILENT = 0.1

#: What a person can declare to be over. The rest ends by itself, when the device or the line is there again.
BY_HAND = frozenset({BATTERY, MAINS, TAMPER, RETAINED, STRUCK})
#: One fault that many have.
SHARED = frozenset({OFFLINE_MANY, STRUCK})

_NOTHING: frozenset[str] = frozenset()


class Health:
    """What is known of one registered device. Changed in place: heartbeats come by the thousand."""

    __slots__ = (
        "calm",
        "dark",
        "heard_us",
        "heartbeat",
        "line",
        "low_at",
        "many",
        "next_at",
        "off",
        "quiet",
        "told",
        "via",
        "waiting",
    )

    def __init__(self, heartbeat: float | None = None, line: str = "") -> None:
        self.heartbeat = heartbeat
        self.line = line  #: by which it was last heard
        self.heard_us = 0  #: when, by the clock on the wall; 0 = never
        self.quiet = 0.0  #: when, by that line's count of listening
        self.via = ""  #: the hub it speaks through
        self.told = _NOTHING  #: the faults of its own that are open
        self.many = False  #: one of those who share a fault
        self.dark = False  #: one of those whose area is struck: its mains are gone
        self.off = False  #: its status, or its hub, says that it is offline
        self.waiting = False  #: offline, and not told yet
        self.low_at = 0.0  #: the battery when it was called low
        self.next_at = 0.0  #: when its silence is looked at again
        self.calm = True  #: nothing of the above: a plain heartbeat changes nothing

    def settle(self) -> None:
        """Reckon `calm` anew."""
        self.calm = not (self.told or self.many or self.off or self.waiting)

    def tell(self, fault: str, *, on: bool) -> None:
        """That fault has been told of, or its end."""
        self.told = self.told | {fault} if on else self.told - {fault}
        self.settle()

    @property
    def down(self) -> bool:
        """Offline by itself: told, or about to be."""
        return self.waiting or OFFLINE in self.told

    @property
    def silent(self) -> bool:
        """Known to be offline in any way."""
        return self.off or self.many or self.down


class News(NamedTuple):
    """Something about a device has changed: `on`, it has that fault now; else it is over."""

    fault: str
    on: bool
    detail: str = ""


def news_of(health: Health, kind: SignalType, details: Mapping[str, Any]) -> list[News]:
    """What a live signal changes. Whatever is heard of a device ends its being offline."""
    found: list[News] = []
    if OFFLINE in health.told:
        found.append(News(OFFLINE, on=False))
    match kind:
        case SignalType.MAINS_LOST | SignalType.MAINS_RESTORED:
            found.append(News(MAINS, on=kind is SignalType.MAINS_LOST))
        case SignalType.TAMPER:
            found.append(News(TAMPER, on=True))
        case SignalType.BATTERY_LOW | SignalType.BATTERY_OK:
            level = _level(details)
            low = kind is SignalType.BATTERY_LOW
            health.low_at = level if low and level is not None else 0.0
            found.append(News(BATTERY, low, _percent(level) if low else ""))
        case _:
            level = _level(details)
            if level is None:
                pass
            elif level < BATTERY_LOW_BELOW:
                found.append(News(BATTERY, on=True, detail=_percent(level)))
            elif level > max(BATTERY_WELL_ABOVE, health.low_at + BATTERY_GAIN):
                found.append(News(BATTERY, on=False))
    return [news for news in found if news.on is not (news.fault in health.told)]


def _level(details: Mapping[str, Any]) -> float | None:
    level = details.get("battery")
    return float(level) if isinstance(level, int | float) and not isinstance(level, bool) else None


def _percent(level: float | None) -> str:
    return "" if level is None else f"{level:g} %"


def patience_seconds(heartbeat: float) -> float:
    """How long a device with this heartbeat may be silent."""
    return MISSED * heartbeat * (1 + JITTER)


def left_seconds(heartbeat: float, silent: float, open_for: float) -> float:
    """How long it may still be silent, having been so for `silent` s, on a line that has been open for `open_for` s."""
    patience = patience_seconds(heartbeat)
    settle = min(patience, BACK_HEARTBEATS * heartbeat + BACK_SECONDS, BACK_SECONDS_MAX)
    return max(patience - silent, settle - open_for)


def are_many(devices: int, hubs: int) -> bool:
    """Whether so many who fell silent within a minute are one fault."""
    return devices >= MANY_DEVICES or hubs >= MANY_HUBS


def many_of(district: str) -> str:
    """The source of the fault that many of this district share."""
    return f"district/{district}"


class Many:
    """A fault that many share: `silent` (and, of an area, `dark`) are those of `total` who are so still; when it last grew."""

    __slots__ = ("calm", "dark", "grown", "members", "silent", "total")

    def __init__(
        self, silent: set[str], total: int, grown: float, dark: Iterable[str] = (), calm: Calm | None = None
    ) -> None:
        self.silent = silent
        self.dark = set(dark)
        self.members = silent | self.dark
        self.total = total
        self.grown = grown
        self.calm = calm  #: of an area; without it nothing is waited for once nearly all are there again

    def join(self, now: float, silent: Iterable[str], dark: Iterable[str] = ()) -> None:
        """These, too. Who has been one of them before counts once."""
        self.silent.update(silent)
        self.dark.update(dark)
        self.total += len((self.silent | self.dark) - self.members)
        self.members |= self.silent | self.dark
        self.grown = now

    def leave(self, source: str) -> None:
        """There is no such device any more."""
        if source in self.members:
            self.members.discard(source)
            self.total -= 1
        self.silent.discard(source)
        self.dark.discard(source)

    @property
    def over(self) -> bool:
        """Whether nearly all are there again."""
        return len(self.silent | self.dark) <= self.total * STILL_SILENT


class Fallen:
    """Who fell silent in a district within the last minute, or `within_seconds`: each once, so devices bound it."""

    def __init__(self, within_seconds: float = MANY_SECONDS) -> None:
        self._within_seconds = within_seconds
        self._when: dict[str, float] = {}

    def add(self, now: float, source: str) -> None:
        """One more."""
        self._when.pop(source, None)
        self._when[source] = now

    def forget(self, source: str) -> None:
        """Not that one."""
        self._when.pop(source, None)

    def within(self, now: float) -> set[str]:
        """All of them."""
        while self._when:
            first = next(iter(self._when))
            if now - self._when[first] <= self._within_seconds:
                break
            del self._when[first]
        return set(self._when)


class Home(NamedTuple):
    """Where a device belongs: its resident, that one's area, and the station whose task it is."""

    resident: str
    area: str
    station: str


def home_of(roll: Roll, device: Device | None) -> Home:
    """The home of a device; of one that is nobody's: the district's desk."""
    resident = roll.residents.get(device.resident) if device is not None else None
    if resident is None:
        return Home("", "", roll.desk().id)
    return Home(resident.id, resident.area, nearest_station(roll, resident.area, resident))


def nearest_station(roll: Roll, area: str, resident: Resident | None) -> str:
    """The nearest station of the area, else of the one above; where there is none, the district's desk."""
    for code in roll.lineage(area):
        there = [
            station
            for station in roll.stations.values()
            if station.area == code and station.kind is not StationKind.DISTRICT_DESK
        ]
        if there:
            return min(there, key=lambda one: (_away_m(resident, one), one.id)).id
    return roll.desk().id


def _away_m(resident: Resident | None, station: Station) -> float:
    if resident is None or resident.location is None or station.location is None:
        return float("inf")
    return rough_m(resident.location, station.location)


def deadline_seconds(fault: str, device: Device | None, *, serves: bool) -> float:
    """How long somebody has to see to it. `serves`: residents' devices speak through this one."""
    if fault in {OFFLINE_MANY, LINE, STRUCK}:
        return GRAVE_SECONDS
    lives = serves or (device is not None and bool(device.resident))
    return GRAVE_SECONDS if fault in {OFFLINE, MAINS} and lives else PLAIN_SECONDS
