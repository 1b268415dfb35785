"""Faults of one area within minutes are one: which area that is, whose task, and when it is over.

    08:00:00  40 homes of a community say `mains_lost`      ->  the community, power: one fault with its list
    08:00:30  its neighbours in the same street do, too     ->  the street, in its place
    08:12:00  nine in ten have been well for a minute       ->  over; who is not has a fault of their own

Homes are counted, not devices: three in one flat that fall silent together are one flat's trouble. An area is struck
when enough of its homes are, in number *and* as a share of all that have a device there; of areas within each other it is the
widest one, unless nearly all of it lies in one part. Presses know nothing of this. Pure, like all of the core.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import NamedTuple

from dispatcher.core.district import AreaKind, StationKind
from dispatcher.core.roll import Roll

#: The fault that an area has; its source is the area (`source_of`), its detail one of the two kinds.
STRUCK = "area_incident"
POWER, NETWORK = "power", "network"

#: Homes that are struck within this are struck together: power goes in a moment, silence is noticed later.
WITHIN_SECONDS = 300.0
#: Word that the mains are gone waits so long for others to say it too.
GATHER_SECONDS = 3.0
#: A hub that dies takes sixty homes with it, and is one hub: so many must have gone by themselves.
SOURCES_MIN = 3
#: When so much of an area that is struck lies in one part of it, it is that part.
MOSTLY = 0.9
#: It is a power cut when this part of the homes said so: what is on the mains alone cannot say anything any more.
SAID_POWER = 0.25

#: Nearly all must have been well for so long; where it came back and went again, for much longer.
CALM_SECONDS, CALM_AGAIN_SECONDS = 60.0, 300.0
#: Struck again so soon after its end, it is the same trouble.
RELAPSE_SECONDS = 900.0


class Level(NamedTuple):
    """From so many homes on, and so large a part of those that have a device, an area is struck."""

    homes: int
    share: float


LEVELS: Mapping[AreaKind, Level] = {
    AreaKind.GRID: Level(5, 0.4),
    AreaKind.COMMUNITY: Level(5, 0.3),
    AreaKind.STREET: Level(10, 0.4),
    AreaKind.DISTRICT: Level(10, 0.5),
}


class Home(NamedTuple):
    """A resident with a device, and the area they live in."""

    resident: str
    area: str


class Down(NamedTuple):
    """A device that is silent, or (`dark`) has said that its mains are gone. `homes`: whose it is; of a hub, all behind it."""

    source: str
    homes: tuple[Home, ...]
    dark: bool = False


class Struck(NamedTuple):
    """An area that is struck, what it is struck by, and the devices that show it."""

    area: str
    kind: str
    sources: frozenset[str]


def source_of(area: str) -> str:
    """The source of the fault that this area has."""
    return f"area/{area}"


def area_of_source(source: str) -> str:
    """The area whose fault has this source."""
    return source.removeprefix("area/")


def path(roll: Roll, area: str) -> list[str]:
    """The area and all it lies in, lowest first, the district last; of no known area: nothing."""
    if area == roll.district.code:
        return [area]
    if area not in roll.areas:
        return []
    line = list(roll.lineage(area))
    return line if line[-1] == roll.district.code else [*line, roll.district.code]


def kind_of(roll: Roll, area: str) -> AreaKind:
    """What kind of area it is."""
    known = roll.areas.get(area)
    return known.kind if known is not None else AreaKind.DISTRICT


def homes_in(roll: Roll) -> Counter[str]:
    """How many homes with a device there are in each area, those below it included."""
    found: Counter[str] = Counter()
    for resident_id in {device.resident for device in roll.devices.values()}:
        resident = roll.residents.get(resident_id)
        if resident is not None:
            found.update(path(roll, resident.area))
    return found


def may_be_struck(roll: Roll, homes: Mapping[str, int], area: str) -> bool:
    """Whether there are enough homes around to be struck together at all."""
    return any(homes.get(code, 0) >= LEVELS[kind_of(roll, code)].homes for code in path(roll, area))


def struck(roll: Roll, homes: Mapping[str, int], downs: Iterable[Down]) -> list[Struck]:
    """The areas that are struck, none within another. `homes` is that of `homes_in`.

    The whole district without power cut is nobody's area: it is rather our own line, and comes as that one alone.
    """
    found = _Found(roll, homes)
    for down in downs:
        found.add(down)
    whole = roll.district.code
    if found.is_struck(whole) and found.kind(whole) == NETWORK:
        return [found.made(whole)]
    taken: set[str] = set()
    areas = []
    for area in found.look(whole):
        sources = area.sources - taken  # a hub on the border belongs to the first
        taken |= sources
        areas.append(area._replace(sources=sources))
    return areas


class _Found:
    """What is down, by area."""

    def __init__(self, roll: Roll, homes: Mapping[str, int]) -> None:
        self._roll = roll
        self._all = homes
        self._homes: dict[str, set[str]] = defaultdict(set)
        self._dark: dict[str, set[str]] = defaultdict(set)
        self._sources: dict[str, set[str]] = defaultdict(set)
        self._inner: dict[str, set[str]] = defaultdict(set)
        self._paths: dict[str, list[str]] = {}

    def add(self, down: Down) -> None:
        for home in down.homes:
            line = self._paths.get(home.area)
            if line is None:
                line = self._paths[home.area] = path(self._roll, home.area)
                for inner, outer in pairwise(line):
                    self._inner[outer].add(inner)
            for code in line:
                self._homes[code].add(home.resident)
                self._sources[code].add(down.source)
                if down.dark:
                    self._dark[code].add(home.resident)

    def is_struck(self, area: str) -> bool:
        level, count = LEVELS[kind_of(self._roll, area)], len(self._homes.get(area, ()))
        return (
            count >= level.homes
            and count >= level.share * self._all.get(area, 0)
            and len(self._sources[area]) >= SOURCES_MIN
        )

    def kind(self, area: str) -> str:
        return POWER if len(self._dark[area]) >= SAID_POWER * len(self._homes[area]) else NETWORK

    def made(self, area: str) -> Struck:
        return Struck(area, self.kind(area), frozenset(self._sources[area]))

    def look(self, area: str) -> list[Struck]:
        """The struck areas in this one: itself, its one part that is nearly all of it, or those of its parts."""
        inner = sorted(self._inner.get(area, ()))
        if not self.is_struck(area):
            return [found for code in inner for found in self.look(code)]
        most = max(inner, key=lambda code: len(self._homes[code]), default="")
        if most and len(self._homes[most]) >= MOSTLY * len(self._homes[area]) and self.is_struck(most):
            return self.look(most)
        return [self.made(area)]


class Calm:
    """When an area that is well again may be called so: power that comes and goes is one fault, not ten."""

    __slots__ = ("_again", "_since")

    def __init__(self, *, again: bool = False) -> None:
        self._again = again
        self._since: float | None = None

    def lasts(self, now: float, *, well: bool) -> bool:
        """Whether it has been well for long enough; `well` is how it is at this moment."""
        if not well:
            self._again = self._again or self._since is not None
            self._since = None
            return False
        if self._since is None:
            self._since = now
        return now - self._since >= (CALM_AGAIN_SECONDS if self._again else CALM_SECONDS)


def station_for(roll: Roll, area: str) -> str:
    """Whose task it is: the station of that area or of the one it lies in, else the district's desk."""
    for code in path(roll, area)[:-1]:
        there = [
            station.id
            for station in roll.stations.values()
            if station.area == code and station.kind is not StationKind.DISTRICT_DESK
        ]
        if there:
            return min(there)
    return roll.desk().id
