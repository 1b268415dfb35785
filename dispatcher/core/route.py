"""Who is asked next, and why not the nearer ones.

    choice = choose(Target.NEAREST, call, world)     ->  asked: st-14, 312 s      passed over: st-03 closed, st-09 full

Nearest means by travel time, and only among those *able* (contract, section 4): open or on call, not temporarily
closed, below capacity, somebody on duty, not declined this call. The district desk is always able.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from math import floor
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from config.doors import from_us
from dispatcher.core import hours
from dispatcher.core.call import Asked, Call, OfferState, PassedOver
from dispatcher.core.district import AreaKind, Location, Resident, Role, Station, StationKind, Target
from dispatcher.core.geo import SPEEDS_M_S, Travel, rough_m
from dispatcher.core.roll import Roll

TIERS: tuple[frozenset[StationKind], ...] = (
    frozenset({StationKind.CARE_STATION, StationKind.DAY_CARE}),
    frozenset({StationKind.STREET_CENTRE}),
    frozenset({StationKind.DISTRICT_DESK}),
)
DESK_TIER = 2
#: Reckoned travel where the map does not help: within the community, the street, the district. Seconds; walking pace
#: over 0.7, 1.4 and 2.9 km. Only their order matters for the choice, and the reason says `by_area`.
BY_AREA_SECONDS = {
    AreaKind.GRID: 600.0,
    AreaKind.COMMUNITY: 600.0,
    AreaKind.STREET: 1200.0,
    AreaKind.DISTRICT: 2400.0,
}
#: How many stations beyond the street `everyone` reaches.
BEYOND_STREET = 3
#: How many stations passed over are told with one choice.
TOLD = 20
#: How many volunteers one step asks.
VOLUNTEERS_MAX = 10


class Reach(Struct, frozen=True, gc=False):
    """A station as seen from a place: `seconds` of travel (None: unreachable), `distance_m` (None: reckoned by area)."""

    station: Station
    seconds: float | None
    distance_m: float | None

    @property
    def by_area(self) -> bool:
        """Reckoned by area, because one of the two has no location."""
        return self.distance_m is None


class Standing(Struct, frozen=True, gc=False):
    """Is a station able in itself, apart from any call? `reason` is empty when it is."""

    reason: str
    on_call: bool = False
    prepare_seconds: float = 0.0


@lru_cache(maxsize=64)
def tier_of(kind: StationKind) -> int:
    """0 care stations and day care, 1 street centres, 2 the district desk."""
    return next(index for index, kinds in enumerate(TIERS) if kind in kinds)


class Atlas:
    """Stations by travel time from any place, the nearest first, reckoning only as many ways as are asked for.

    As the crow flies at the station's own speed nobody can be quicker: that bound sorts the hundreds cheaply, and a
    station is handed out once no other can still turn out nearer. So a road network behind `Travel` changes nothing here.
    """

    def __init__(self, roll: Roll, travel: Travel) -> None:
        self._roll = roll
        self._travel = travel
        self._version = -1
        self._placed: list[list[tuple[Location, Station]]] = [[], [], []]
        self._placeless: list[list[Station]] = [[], [], []]
        self._lineage: dict[str, frozenset[str]] = {}
        self._cells: dict[tuple[int, int, int], list[tuple[float, str, Station]]] = {}

    def ranked(
        self,
        place: Location | None,
        area: str,
        tier: int,
        matters: Callable[[Station], bool] = lambda _: True,
    ) -> Iterator[Reach]:
        """The tier's stations, nearest first; those without a way to reach them last.

        Of stations that do not matter (any more) when their turn comes no way is reckoned, and they may be left out.
        """
        self._refresh()
        somewhere = self._placeless[tier]
        if place is None:
            somewhere = [*somewhere, *(station for _, station in self._placed[tier])]
        ready = [(*_order(reach), reach) for reach in (self._by_area(one, area) for one in somewhere)]
        ready.sort()
        if place is None:
            yield from (reach for _, _, reach in ready)
            return
        for bound, station_id, station in self._cell(place, tier):
            while ready and ready[0][0] <= bound:
                yield heapq.heappop(ready)[2]
            if not matters(station):
                continue
            leg = self._travel.leg(place, station)
            way = (leg.seconds, leg.distance_m) if leg is not None else (None, None)
            reach = Reach(station, *way)
            heapq.heappush(ready, (_order(reach)[0], station_id, reach))
        while ready:
            yield heapq.heappop(ready)[2]

    def _cell(self, place: Location, tier: int) -> list[tuple[float, str, Station]]:
        """The tier's stations for the square that holds the place: the soonest that anybody in it could be reached first."""
        row, column = floor(place.lat / CELL_DEGREES), floor(place.lon / CELL_DEGREES)
        cell = self._cells.get((row, column, tier))
        if cell is None:
            middle = Location((row + 0.5) * CELL_DEGREES, (column + 0.5) * CELL_DEGREES)
            corner = Location(row * CELL_DEGREES, column * CELL_DEGREES)
            reach_m = max(
                rough_m(middle, corner), rough_m(middle, replace(corner, lat=corner.lat + CELL_DEGREES))
            )
            cell = sorted(
                (
                    max(0.0, rough_m(middle, at) * BOUND - reach_m * 1.05) / SPEEDS_M_S[station.travel],
                    station.id,
                    station,
                )
                for at, station in self._placed[tier]
            )
            if len(self._cells) >= CELLS_MAX:
                self._cells.clear()
            self._cells[(row, column, tier)] = cell
        return cell

    def _refresh(self) -> None:
        if self._version == self._roll.map_version:
            return
        self._version = self._roll.map_version
        self._placed, self._placeless, self._lineage, self._cells = [[], [], []], [[], [], []], {}, {}
        for station in self._roll.stations.values():
            tier, at = tier_of(station.kind), station.location
            self._lineage[station.id] = frozenset(
                (*self._roll.lineage(station.area), self._roll.district.code)
            )
            if at is None:
                self._placeless[tier].append(station)
            else:
                self._placed[tier].append((at, station))

    def _by_area(self, station: Station, area: str) -> Reach:
        for code in self._roll.lineage(area):
            if code in self._lineage[station.id]:
                known = self._roll.areas.get(code)
                kind = known.kind if known is not None else AreaKind.DISTRICT
                return Reach(station, BY_AREA_SECONDS.get(kind, BY_AREA_SECONDS[AreaKind.DISTRICT]), None)
        return Reach(station, BY_AREA_SECONDS[AreaKind.DISTRICT], None)


#: A flat map is wrong by less than this within a district and its neighbours (3 %).
BOUND = 0.97
#: The squares for which stations are sorted once: some 500 m, so that few ways are reckoned that were not needed.
CELL_DEGREES = 0.005
#: So many squares are kept; a district has some hundreds.
CELLS_MAX = 1024


def _order(reach: Reach) -> tuple[float, str]:
    return (float("inf") if reach.seconds is None else reach.seconds, reach.station.id)


class Load(Protocol):
    """The open calls offered to or held by each station."""

    def get(self, station: str, default: set[str] | None = None, /) -> set[str] | None:
        """Ids of calls."""
        ...


@dataclass(slots=True)
class World:
    """What the core may look at when it decides: the register, the load on each station, the time. No I/O behind it.

    `load` is the open calls offered to or held by each station; `place` where the call is, if known.
    """

    roll: Roll
    atlas: Atlas
    now_us: int
    load: Load
    place: Location | None = None
    area: str = ""  #: where the resident lives now; empty: where the call was opened
    sms: bool = False  #: can text messages be sent by this installation?
    standings: dict[str, Standing] = field(default_factory=dict)  #: kept for one minute of one register

    def area_of(self, call: Call) -> str:
        """Where it is by area: who has moved since is looked for there."""
        return self.area or call.area

    def standing(self, station: Station) -> Standing:
        """Whether the station is able in itself now."""
        known = self.standings.get(station.id)
        if known is None:
            known = self.standings[station.id] = self._look(station)
        return known

    def _look(self, station: Station) -> Standing:
        if station.kind is StationKind.DISTRICT_DESK:
            return Standing("")
        now = from_us(self.now_us)
        if station.closed is not None and (
            station.closed.until is None or now < datetime.fromisoformat(station.closed.until)
        ):
            return Standing("temporarily_closed")
        zone, holidays = self.roll.zone, self.roll.holidays
        on_call, prepare = False, 0.0
        if not hours.parse(station.hours).is_open(now, zone, holidays):
            duty = station.on_call
            if duty is None or not hours.parse(duty.hours).is_open(now, zone, holidays):
                return Standing("closed")
            on_call, prepare = True, duty.prepare_seconds
        staff = self.roll.staff_at.get(station.id)
        if staff and not staff & self.roll.on_duty:
            return Standing("nobody_on_duty")
        return Standing("", on_call, prepare)

    def unable(self, station: Station, call: Call, *, capacity: bool = True) -> str:
        """Why the station cannot be asked for this call; empty when it can."""
        if station.kind is StationKind.DISTRICT_DESK:
            return ""
        offer = call.offer_to(station.id)
        if offer is not None and offer.state is OfferState.DECLINED:
            return "declined"
        return self.unfit(station, without=call.id, capacity=capacity)

    def unfit(self, station: Station, *, without: str = "", capacity: bool = True) -> str:
        """Why it cannot be asked for any call, or for the call `without` which its load is reckoned; empty when it can."""
        reason = self.standing(station).reason
        if reason:
            return reason
        if capacity and station.capacity is not None:
            carried = self.load.get(station.id) or ()
            if len(carried) - (without in carried) >= station.capacity:
                return "full"
        return ""

    def reach_of(self, station_id: str, call: Call, why: str = "transfer") -> Asked:
        """The offer to one named station, able or not: somebody chose it."""
        station = self.roll.stations.get(station_id)
        if station is None:
            return Asked(to=station_id, reason=why)
        for reach in self.atlas.ranked(self.place, self.area_of(call), tier_of(station.kind)):
            if reach.station.id == station_id:
                return _ask(reach, self.standing(station), why)
        return Asked(to=station_id, reason=why)


@dataclass(frozen=True, slots=True)
class Choice:
    """Who is asked, and which nearer ones were passed over; nobody asked: `nobody` says why."""

    asked: tuple[Asked, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()
    tier: int | None = None
    nobody: str = ""


def choose(target: Target, call: Call, world: World) -> Choice:
    """Whom this step of the policy asks, now."""
    if target is Target.DISTRICT or (target in _NEARNESS and _nowhere(call, world)):
        return _desk(call, world, "district" if target is Target.DISTRICT else "place_unknown")
    match target:
        case Target.NEAREST:
            return _nearest(call, world, range(3), "nearest", frozenset())
        case Target.NEXT:
            if call.tier >= DESK_TIER:
                return Choice(nobody="no_further_tier")
            return _nearest(call, world, (call.tier,), "next", _asked_already(call))
        case Target.NEXT_TIER:
            if call.tier >= DESK_TIER:
                return Choice(nobody="no_further_tier")
            return _nearest(call, world, range(call.tier + 1, 3), "next_tier", _asked_already(call))
        case Target.EVERYONE:
            return _everyone(call, world)
        case Target.CONTACTS:
            return _contacts(call, world)
        case _:
            return _volunteers(call, world)


def further(call: Call, world: World) -> Choice:
    """After the arrival limit: the nearest able one not asked yet, and the desk."""
    found = (
        _nearest(call, world, range(2), "arrive_limit", _asked_already(call))
        if not _nowhere(call, world)
        else Choice()
    )
    desk = _desk(call, world, "arrive_limit")
    return Choice(found.asked + desk.asked, found.passed_over, None)


def again(call: Call, world: World) -> Choice:
    """A repeat: all who were asked and may still come are asked again; nobody left: the desk."""
    desk = world.roll.desk().id
    asked = tuple(
        Asked(to=offer.to, reason=offer.reason, person=offer.person)
        for offer in call.offers
        # The desk is able whatever it said: it is the last resort, and others may sleep through their ringing.
        if offer.to == desk
        or (offer.state is not OfferState.DECLINED and (offer.person or _still(offer.to, call, world)))
    )
    # A station that opens in the morning is news: `everyone` looks around again each time it rings.
    if call.policy.steps[-1].to is Target.EVERYONE:
        known = {offer.to for offer in call.offers}
        around = choose(Target.EVERYONE, call, world)
        asked += tuple(one for one in around.asked if one.to not in known)
    return Choice(asked) if asked else _desk(call, world, "nobody_else")


def _still(station_id: str, call: Call, world: World) -> bool:
    if station_id == world.roll.desk().id:
        return True  # always able; also where the register names none and it is made up
    station = world.roll.stations.get(station_id)
    return station is not None and not world.unable(station, call, capacity=False)


def lost(call: Call, world: World) -> tuple[str, ...]:
    """The stations with an open offer that can no longer come: closed, gone, nobody on duty."""
    return tuple(
        offer.to
        for offer in call.offers
        if offer.state is OfferState.OFFERED and not offer.person and not _still(offer.to, call, world)
    )


_NEARNESS = frozenset({Target.NEAREST, Target.NEXT, Target.NEXT_TIER, Target.EVERYONE})


def _nowhere(call: Call, world: World) -> bool:
    return world.place is None and not world.area_of(call)


def _asked_already(call: Call) -> frozenset[str]:
    out = {offer.to for offer in call.offers if offer.state in (OfferState.OFFERED, OfferState.ACCEPTED)}
    if call.former is not None:
        out.add(call.former.station)
    return frozenset(out)


def _nearest(call: Call, world: World, tiers: Sequence[int], why: str, without: frozenset[str]) -> Choice:
    over: list[PassedOver] = []
    for tier in tiers:
        best: tuple[float, Reach, Standing] | None = None
        nearer: list[tuple[float, PassedOver]] = []

        # When a whole town presses nearly all are full: beyond those that are told, it is enough that they are.
        def matters(station: Station, nearer: list[tuple[float, PassedOver]] = nearer) -> bool:
            return len(over) + len(nearer) < TOLD or not world.unable(station, call)

        for reach in world.atlas.ranked(world.place, world.area_of(call), tier, matters):
            seconds = reach.seconds
            if best is not None and (seconds is None or seconds >= best[0]):
                break
            if reach.station.id in without:
                continue
            reason = world.unable(reach.station, call)
            if not reason and seconds is None and tier < DESK_TIER:
                reason = "unreachable"
            if reason:
                nearer.append((seconds or 0.0, PassedOver(reach.station.id, reason)))
                continue
            standing = world.standing(reach.station)
            total = (seconds or 0.0) + standing.prepare_seconds
            if best is None or total < best[0]:
                best = (total, reach, standing)
        if best is not None:
            over.extend(item for seconds, item in nearer if seconds <= best[0])
            asked = _ask(best[1], best[2], why)
            return Choice((asked,), tuple(over[:TOLD]), tier)
        over.extend(item for _, item in nearer)
    return Choice(passed_over=tuple(over[:TOLD]), nobody="nobody_able")


def _ask(reach: Reach, standing: Standing, why: str) -> Asked:
    marks = ("by_area",) * (reach.by_area and reach.seconds is not None) + ("on_call",) * standing.on_call
    seconds = None if reach.seconds is None else round(reach.seconds + standing.prepare_seconds, 1)
    distance = None if reach.distance_m is None else round(reach.distance_m, 1)
    return Asked(
        to=reach.station.id, reason="+".join((why, *marks)), travel_seconds=seconds, distance_m=distance
    )


def _desk(call: Call, world: World, why: str) -> Choice:
    desk = world.roll.desk()
    seconds = distance = None
    if world.place is not None and desk.location is not None:
        ways = world.atlas.ranked(world.place, world.area_of(call), DESK_TIER)
        reach = next((one for one in ways if one.station.id == desk.id), None)
        if reach is not None and reach.seconds is not None and reach.distance_m is not None:
            seconds, distance = round(reach.seconds, 1), round(reach.distance_m, 1)
    return Choice(
        (Asked(to=desk.id, reason=why, travel_seconds=seconds, distance_m=distance),), tier=DESK_TIER
    )


def _everyone(call: Call, world: World) -> Choice:
    street = world.roll.above(world.area_of(call), AreaKind.STREET)
    asked: list[Asked] = []
    over: list[PassedOver] = []
    beyond: list[Reach] = []
    for tier in range(DESK_TIER):
        far = 0
        for reach in world.atlas.ranked(world.place, world.area_of(call), tier):
            inside = bool(street) and world.roll.within(reach.station.area, street)
            if not inside and far >= BEYOND_STREET and not street:
                break  # no street to search: the nearest few are all there is to find
            reason = world.unable(reach.station, call, capacity=False)
            if reason:
                if inside:
                    over.append(PassedOver(reach.station.id, reason))
            elif inside:
                asked.append(_ask(reach, world.standing(reach.station), "everyone"))
            elif far < BEYOND_STREET and reach.seconds is not None:
                far += 1
                beyond.append(reach)
    beyond.sort(key=_order)
    asked += [_ask(reach, world.standing(reach.station), "everyone") for reach in beyond[:BEYOND_STREET]]
    return Choice((*asked, *_desk(call, world, "everyone").asked), tuple(over[:TOLD]), None)


def _contacts(call: Call, world: World) -> Choice:
    resident: Resident | None = world.roll.residents.get(call.resident or "")
    if resident is None or not resident.contacts:
        return Choice(nobody="no_contacts")
    asked = tuple(
        Asked(to=f"{resident.id}/{index}", reason="contacts", person=True)
        for index, contact in enumerate(resident.contacts)
        if (world.sms and contact.phone) or contact.webhook in world.roll.webhooks
    )
    return Choice(asked) if asked else Choice(nobody="no_channel")


def _volunteers(call: Call, world: World) -> Choice:
    roll = world.roll
    street = roll.above(world.area_of(call), AreaKind.STREET)
    asked = tuple(
        Asked(to=one.id, reason="volunteers", person=True)
        for one in (roll.staff[staff_id] for staff_id in sorted(roll.on_duty) if staff_id in roll.staff)
        if one.role is Role.VOLUNTEER
        and (roll.within(world.area_of(call), one.area) or (bool(street) and roll.within(one.area, street)))
    )
    return Choice(asked[:VOLUNTEERS_MAX]) if asked else Choice(nobody="nobody_on_duty")


def explain(call: Call, world: World) -> list[dict[str, object]]:
    """Every station in the order it would be asked, the unable ones with the reason: tier by tier, nearest first."""
    rows: list[dict[str, object]] = []
    for tier in range(3):
        for reach in world.atlas.ranked(world.place, world.area_of(call), tier):
            reason = world.unable(reach.station, call) or (
                "unreachable" if reach.seconds is None and tier < DESK_TIER else ""
            )
            standing = world.standing(reach.station)
            seconds = None if reach.seconds is None else round(reach.seconds + standing.prepare_seconds, 1)
            rows.append(
                {
                    "station": reach.station.id,
                    "station_name": reach.station.name or None,
                    "kind": reach.station.kind,
                    "tier": tier,
                    "able": not reason,
                    "reason": reason or ("on_call" if standing.on_call else "able"),
                    "travel_seconds": seconds,
                    "distance_m": None if reach.distance_m is None else round(reach.distance_m, 1),
                    "by_area": reach.by_area and reach.seconds is not None,
                }
            )
    rows.sort(
        key=lambda row: (
            row["tier"],
            not row["able"],
            row["travel_seconds"] if row["travel_seconds"] is not None else 1e12,
        )
    )
    return rows
