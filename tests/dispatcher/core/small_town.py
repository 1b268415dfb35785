"""A district by hand for the core's tests: no desk, no database, no clock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from config.doors import to_us
from devices.signal import Key, SignalType
from dispatcher.core.call import Call, Cause
from dispatcher.core.decide import Heard, decide_signal
from dispatcher.core.district import (
    Area,
    AreaKind,
    Device,
    District,
    Location,
    Resident,
    Station,
    StationKind,
)
from dispatcher.core.draft import Draft
from dispatcher.core.geo import GreatCircle
from dispatcher.core.roll import Roll
from dispatcher.core.route import Atlas, World

NOW_US = to_us(datetime(2026, 11, 24, 2, 0, tzinfo=UTC))  # ten in the morning in Xuchang
SECOND = 1_000_000
KINDS = {
    "care": StationKind.CARE_STATION,
    "centre": StationKind.STREET_CENTRE,
    "desk": StationKind.DISTRICT_DESK,
}


def place(metres: float) -> Location:
    """So far along the one road, from her door."""
    return Location(34.0 + metres / 111_195, 113.8)


DOOR = place(0)


class SmallTown:
    """Stations along one road, one resident at its beginning. `load` says which calls each station carries."""

    def __init__(self, *stations: tuple[str, str, float | None] | Station) -> None:
        self.roll = Roll(District(code="d"))
        self.roll.put(Area(code="s1", kind=AreaKind.STREET, parent="d"))
        self.roll.put(Area(code="c1", kind=AreaKind.COMMUNITY, parent="s1"))
        self.roll.put(Area(code="s2", kind=AreaKind.STREET, parent="d"))
        for station in stations:
            self.roll.put(station if isinstance(station, Station) else self.station(*station))
        self.roll.put(Station(id="desk", kind=StationKind.DISTRICT_DESK))
        self.roll.put(Resident(id="r-1", area="c1", location=place(0)))
        self.roll.put(Device(id="b-1", resident="r-1"))
        self.load: dict[str, set[str]] = {}
        self.now_us = NOW_US
        self.seq = 0

    @staticmethod
    def station(name: str, kind: str, metres: float | None, **more: Any) -> Station:
        """One more station."""
        location = None if metres is None else place(metres)
        return Station(id=name, kind=KINDS[kind], location=location, **{"area": "c1", **more})

    def world(self, *, at: Location | None = DOOR) -> World:
        """What the core may look at."""
        return World(
            roll=self.roll,
            atlas=Atlas(self.roll, GreatCircle()),
            now_us=self.now_us,
            load=self.load,
            place=at,
        )

    def draft(self, call: Call | None = None, by: str = "") -> Draft:
        """A decision in the making."""
        kind = "command" if by else "deadline"
        return Draft(
            "d",
            call.id if call is not None else "c-1",
            call,
            self.now_us,
            self.seq + 1,
            Cause(kind=kind, id="i", by=by),
        )

    def pressed(self, key: Key = Key.EMERGENCY, device: str = "b-1") -> Call:
        """A press, decided."""
        draft = self.draft()
        heard = Heard(
            id="i", source=f"native/{device}", type=SignalType.PRESS, received_us=self.now_us, key=key,
            device=self.roll.by_source.get(f"native/{device}"),
        )  # fmt: skip
        decide_signal(heard, draft, self.world(), in_test=False)
        return draft.now
