"""What the core may look at when it decides: the district's map sorted, who is able just now, where the call is.

Reckoned once and kept for as long as it is good: a map until stations move, an ability for one minute of one register.
"""

from __future__ import annotations

from devices.signal import Key
from dispatcher.core.call import Call, Cause, Opened, State
from dispatcher.core.district import Resident, Station
from dispatcher.core.draft import Draft
from dispatcher.core.geo import Travel
from dispatcher.core.roll import Roll, Rolls
from dispatcher.core.route import Atlas, Standing, World, explain
from dispatcher.ledger import Ledger, Page

_MINUTE_US = 60_000_000


class Sight:
    """The desk's view of its districts."""

    def __init__(self, ledger: Ledger, travel: Travel) -> None:
        self._ledger = ledger
        self._travel = travel
        self.sms = False  #: can text messages be sent?
        self._atlases: dict[str, tuple[Roll, Atlas]] = {}
        self._standings: dict[str, tuple[Roll, int, int, dict[str, Standing]]] = {}

    def world(self, page: Page, now_us: int, roll: Roll, call_id: str, resident: Resident | None) -> World:
        """The world of one decision: where the call is, by what the device measured or somebody typed, else her home."""
        place = page.place(call_id)
        location = place.location if place is not None and place.location is not None else None
        if location is None and resident is not None:
            location = resident.location
        return World(
            roll=roll,
            atlas=self._atlas(roll),
            now_us=now_us,
            load=page,
            place=location,
            area=resident.area if resident is not None else "",
            standings=self._kept(roll, now_us),
            sms=self.sms,
        )

    def standing(self, roll: Roll, now_us: int, station: Station) -> Standing:
        """Whether a station is able in itself now."""
        return self.look(roll, now_us).standing(station)

    def look(self, roll: Roll, now_us: int) -> World:
        """The district as it is now, with the load that is committed."""
        page = Page(self._ledger)
        return World(roll, self._atlas(roll), now_us, page, standings=self._kept(roll, now_us))

    def cannot_come(self, rolls: Rolls, now_us: int) -> list[str]:
        """The calls that somebody is asked to who is not able any more."""
        found: set[str] = set()
        for station_id in self._ledger.loaded():
            roll = rolls.roll_of("stations", station_id)
            if roll is not None and not self.standing(roll, now_us, roll.stations[station_id]).reason:
                continue
            found |= {
                call_id
                for call_id in self._ledger.load(station_id)
                if self._ledger.open[call_id].state is State.RECEIVED
            }
        return sorted(found)

    def routing(self, roll: Roll, resident: Resident, at_us: int) -> list[dict[str, object]]:
        """Who would be asked for this resident's emergency at that moment, in order, and why not the others."""
        world = World(roll, self._atlas(roll), at_us, Page(self._ledger), resident.location)
        return explain(_imagined(resident, roll, at_us), world)

    def _atlas(self, roll: Roll) -> Atlas:
        kept = self._atlases.get(roll.district.code)
        if kept is None or kept[0] is not roll:
            kept = self._atlases[roll.district.code] = (roll, Atlas(roll, self._travel))
        return kept[1]

    def _kept(self, roll: Roll, now_us: int) -> dict[str, Standing]:
        minute = now_us // _MINUTE_US
        kept = self._standings.get(roll.district.code)
        if kept is None or kept[0] is not roll or kept[1:3] != (minute, roll.version):
            kept = self._standings[roll.district.code] = (roll, minute, roll.version, {})
        return kept[3]


def _imagined(resident: Resident, roll: Roll, at_us: int) -> Call:
    """A call that nobody made, to ask with."""
    return Draft(roll.district.code, "", None, at_us, 1, Cause(kind="command")).add(
        Opened(
            key=Key.EMERGENCY,
            kind="manual",
            pressed_us=at_us,
            policy=roll.policy(Key.EMERGENCY),
            next_us=at_us,
            resident=resident.id,
            area=resident.area,
        )
    )
