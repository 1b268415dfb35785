"""Coverage: for each community, who is able to come now; and whether that has ended, or begun again.

It is reckoned when the register or somebody's duty changed, when a station became full or free, with every minute of the
opening hours, and at least every ten minutes. Only what is news goes to the desk, through the inbox. The ways to a
community are kept for as long as the map is the same, so that a reckoning is a few look-ups; between two communities
the loop gets its turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import structlog

from config.doors import Clock
from dispatcher.core.coverage import (
    Cover,
    CoverState,
    Mean,
    communities,
    community_of,
    cover,
    next_change_us,
    ranking,
    reasons,
)
from dispatcher.core.district import Location, Resident, Station
from dispatcher.core.reports import Covered, Report
from dispatcher.core.roll import Roll, Rolls
from dispatcher.core.route import Reach
from dispatcher.desk_reports import ReportBook
from dispatcher.inbox import Inbox
from dispatcher.ledger import Ledger
from dispatcher.sight import Sight
from dispatcher.store import StoreUnavailable

log = structlog.get_logger("coverage")

#: So often it is looked whether anything has changed that coverage follows from.
LOOK_SECONDS = 1.0
#: It is reckoned anew after this, whatever has changed or not; and so are the middles of the communities.
AT_LEAST_SECONDS = 600.0
_MINUTE_US = 60_000_000
_CHUNK = 500


class Covering(NamedTuple):
    """A community as it is, and since when it has been in that state."""

    cover: Cover
    since_us: int


@dataclass(slots=True)
class _Map:
    """What is kept of a district: where its communities are, the stations by their way there, when they next change."""

    roll: Roll
    version: int
    made_at: float
    centres: dict[str, Location]
    ways: dict[str, list[Reach]]
    changes: dict[str, tuple[int, int | None]]


class Coverage:
    """The coverage of every district of this installation. Run it in a task."""

    def __init__(
        self, rolls: Rolls, ledger: Ledger, sight: Sight, inbox: Inbox, book: ReportBook, clock: Clock
    ) -> None:
        self._rolls = rolls
        self._ledger = ledger
        self._sight = sight
        self._inbox = inbox
        self._book = book
        self._clock = clock
        self._maps: dict[str, _Map] = {}
        self._shown: dict[str, dict[str, Covering]] = {}
        self._time = asyncio.get_running_loop().time
        self._stamp: Hashable = None
        self._reckoned_at = float("-inf")

    async def run(self) -> None:
        """Look whether anything has changed, for ever."""
        while True:
            try:
                await self.look()
            except StoreUnavailable as error:
                log.warning("coverage_not_written", error=str(error))
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Reckon anew where anything has changed, or it has been long. Raises StoreUnavailable: it comes again."""
        stamp = self._stamp_now()
        if stamp == self._stamp and self._time() - self._reckoned_at < AT_LEAST_SECONDS:
            return
        began = self._time()
        await self.reckon()
        self._stamp, self._reckoned_at = stamp, began

    def _stamp_now(self) -> Hashable:
        versions = tuple(roll.version for roll in self._rolls.by_code.values())
        return self._clock.now_us() // _MINUTE_US, versions, frozenset(self._full())

    def _full(self) -> Iterator[str]:
        for station_id in self._ledger.loaded():
            roll = self._rolls.roll_of("stations", station_id)
            capacity = roll.stations[station_id].capacity if roll is not None else None
            if capacity is not None and len(self._ledger.load(station_id)) >= capacity:
                yield station_id

    async def reckon(self) -> None:
        """Who is able where, now. What is news is reported. Raises StoreUnavailable."""
        reports: list[tuple[Report, str, str]] = []
        for roll in list(self._rolls.by_code.values()):
            code = roll.district.code
            shown = await self._district(roll)
            reports += [(report, "", code) for report in self._news(roll, shown)]
            self._shown[code] = shown
        for code in self._shown.keys() - self._rolls.by_code.keys():
            del self._shown[code]
            self._maps.pop(code, None)
        if reports:
            await self._inbox.report_all(reports, source="coverage")

    async def _district(self, roll: Roll) -> dict[str, Covering]:
        known = await self._map(roll)
        before = self._shown.get(roll.district.code, {})
        now_us = self._clock.now_us()
        world = self._sight.look(roll, now_us)
        why = reasons(world)
        shown: dict[str, Covering] = {}
        for area in communities(roll):
            ways = known.ways.get(area)
            if ways is None:
                ways = known.ways[area] = ranking(world, known.centres.get(area), area)
            found = cover(area, ways, why, world)
            shown[area] = Covering(found, self._since_us(found, before.get(area), now_us))
            await asyncio.sleep(0)
        return shown

    def _since_us(self, found: Cover, before: Covering | None, now_us: int) -> int:
        if before is not None and before.cover.state is found.state:
            return before.since_us
        lost = self._book.uncovered.get(found.area) if found.state is CoverState.LOST else None
        return lost.since_us if lost is not None else now_us

    def _news(self, roll: Roll, shown: dict[str, Covering]) -> Iterator[Covered]:
        for area, (found, _) in shown.items():
            lost = found.state is CoverState.LOST
            if lost is not (area in self._book.uncovered):
                over = tuple((one.station, one.reason) for one in found.passed_over)
                yield Covered(area=area, station="" if lost else found.able[0].station, passed_over=over)
        for area, one in self._book.uncovered.items():
            if one.district == roll.district.code and area not in shown:
                yield Covered(area=area, gone=True)

    async def _map(self, roll: Roll) -> _Map:
        code = roll.district.code
        known = self._maps.get(code)
        old = (
            known is None
            or known.roll is not roll
            or known.version != roll.map_version
            or self._time() - known.made_at >= AT_LEAST_SECONDS
        )
        if known is None or old:
            version = roll.map_version
            known = self._maps[code] = _Map(roll, version, self._time(), await _centres(roll), {}, {})
        return known

    # ── to look at ───────────────────────────────────────────────────────────────────────────────────────────────

    def of(self, roll: Roll) -> dict[str, Covering]:
        """The communities of a district, by code, as last reckoned."""
        return self._shown.get(roll.district.code, {})

    def next_change_us(self, roll: Roll, found: Cover) -> int | None:
        """When the first of the stations named there opens or closes by its hours; None: not foreseen."""
        known = self._maps.get(roll.district.code)
        if known is None:
            return None
        now_us = self._clock.now_us()
        named = {one.station for one in found.able} | {one.station for one in found.passed_over}
        moments: list[int] = []
        for station_id in named & roll.stations.keys():
            reckoned_us, moment_us = known.changes.get(station_id, (0, 0))
            passed = moment_us is not None and moment_us <= now_us
            if passed or now_us - reckoned_us > AT_LEAST_SECONDS * 1e6:
                moment_us = next_change_us([roll.stations[station_id]], roll, now_us)
                known.changes[station_id] = now_us, moment_us
            if moment_us is not None:
                moments.append(moment_us)
        return min(moments, default=None)


async def _centres(roll: Roll) -> dict[str, Location]:
    """The middle of each community: of its residents' homes, or else of its stations."""
    homes: dict[str, Mean] = {}
    within: dict[str, str] = {}
    groups: tuple[Sequence[Resident | Station], ...] = (
        list(roll.residents.values()),
        list(roll.stations.values()),
    )
    for items in groups:
        here: dict[str, Mean] = {}
        for count, item in enumerate(items, 1):
            if item.location is not None:
                area = within.get(item.area)
                if area is None:
                    area = within[item.area] = community_of(roll, item.area)
                if area and area not in homes:
                    here.setdefault(area, Mean()).add(item.location)
            if count % _CHUNK == 0:
                await asyncio.sleep(0)
        homes |= here
    return {area: mean.place for area, mean in homes.items()}
