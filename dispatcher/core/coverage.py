"""Who could come to a community now, before anybody there calls for help.

    cover("c1", ranking, reasons)  ->  able: st-03 312 s, cen-1 540 s      passed over: st-01 closed, st-02 full

Lost is a community when nobody below the desk is able: no station that routing could choose. Pure, like all of the core.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from config.doors import from_us, to_us
from dispatcher.core import hours
from dispatcher.core.call import PassedOver
from dispatcher.core.district import AreaKind, Location, Station
from dispatcher.core.roll import Roll
from dispatcher.core.route import DESK_TIER, Reach, World, tier_of

#: Within this somebody ought to be with the resident: the `arrive_goal` of an emergency.
GOAL_SECONDS = 900.0
#: So many of the nearest are told, able and not.
TOLD = 5


class CoverState(StrEnum):
    """How a community is covered: somebody near is able, only somebody far, or nobody."""

    COVERED = "covered"
    THIN = "thin"
    LOST = "lost"


class Able(NamedTuple):
    """A station that could come."""

    station: str
    tier: int
    travel_seconds: float
    on_call: bool


@dataclass(frozen=True, slots=True)
class Cover:
    """Who could come to one community: the nearest of `count`, and the nearer ones that could not."""

    area: str
    state: CoverState
    able: tuple[Able, ...]
    count: int
    passed_over: tuple[PassedOver, ...]


def communities(roll: Roll) -> list[str]:
    """The communities of a district."""
    return [area.code for area in roll.areas.values() if area.kind is AreaKind.COMMUNITY]


def community_of(roll: Roll, area: str) -> str:
    """The community an area is in; empty: none."""
    return roll.above(area, AreaKind.COMMUNITY)


class Mean:
    """The middle of places, added one by one."""

    __slots__ = ("_count", "_lat", "_lon")

    def __init__(self) -> None:
        self._count, self._lat, self._lon = 0, 0.0, 0.0

    def add(self, place: Location) -> None:
        """One more."""
        self._count += 1
        self._lat += place.lat
        self._lon += place.lon

    @property
    def place(self) -> Location:
        """Their middle; a district is too small for the earth to be round."""
        return Location(self._lat / self._count, self._lon / self._count)


def ranking(world: World, centre: Location | None, area: str) -> list[Reach]:
    """All stations below the desk by their way to the community, those without one left out."""
    found = [
        reach
        for tier in range(DESK_TIER)
        for reach in world.atlas.ranked(centre, area, tier)
        if reach.seconds is not None
    ]
    found.sort(key=lambda reach: (reach.seconds, reach.station.id))
    return found


def reasons(world: World) -> dict[str, str]:
    """Of every station below the desk why it is not able, for any call; empty where it is."""
    return {
        station.id: world.unfit(station)
        for station in world.roll.stations.values()
        if tier_of(station.kind) < DESK_TIER
    }


def cover(area: str, ranked: Sequence[Reach], why: Mapping[str, str], world: World) -> Cover:
    """Who could come there now."""
    able: list[Able] = []
    over: list[PassedOver] = []
    for reach in ranked:
        station = reach.station
        reason = why.get(station.id, "gone")
        if reason:
            if len(able) < TOLD and len(over) < TOLD:
                over.append(PassedOver(station.id, reason))
            continue
        standing = world.standing(station)
        seconds = (reach.seconds or 0.0) + standing.prepare_seconds
        able.append(Able(station.id, tier_of(station.kind), round(seconds, 1), standing.on_call))
    able.sort(key=lambda one: (one.travel_seconds, one.station))
    if not able:
        state = CoverState.LOST
    else:
        state = CoverState.COVERED if able[0].travel_seconds <= GOAL_SECONDS else CoverState.THIN
    return Cover(area, state, tuple(able[:TOLD]), len(able), tuple(over))


def next_change_us(stations: Iterable[Station], roll: Roll, now_us: int) -> int | None:
    """When the first of these opens or closes by its hours, or its closure ends; None: not within 8 days."""
    now = from_us(now_us)
    found: list[datetime] = []
    for station in stations:
        spans = [station.hours] + ([station.on_call.hours] if station.on_call is not None else [])
        changes = [hours.parse(span).next_change(now, roll.zone, roll.holidays) for span in spans]
        if station.closed is not None and station.closed.until is not None:
            changes.append(datetime.fromisoformat(station.closed.until))
        found += [change for change in changes if change is not None and change > now]
    return to_us(min(found)) if found else None
