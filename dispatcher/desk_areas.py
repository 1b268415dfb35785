"""What the desk makes of a fault that an area has: its list, whose task it is, the facts that tell of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from dispatcher.core.area import POWER, area_of_source, station_for
from dispatcher.core.call import AreaStruck, AreaWell
from dispatcher.core.reports import Faulty
from dispatcher.core.roll import Roll

if TYPE_CHECKING:
    from dispatcher.desk_reports import Fault, FaultBody

#: So many devices and residents of an area are named; `count` says how many devices there are.
NAMED_MAX = 1000


def home_of_area(roll: Roll, source: str) -> tuple[str, str]:
    """The area that this source is, and whose task its fault is."""
    area = area_of_source(source)
    return area, station_for(roll, area)


def is_known(roll: Roll, area: str) -> bool:
    """Whether the register still has that area."""
    return area in roll.areas or area == roll.district.code


def grown(body: FaultBody, report: Faulty, roll: Roll) -> FaultBody:
    """The list with these on it, too. Said to be a power cut once, it stays one."""
    members = tuple(dict.fromkeys((*body.members, *report.sources)))
    dark = tuple(dict.fromkeys((*body.dark, *report.dark)))
    behind = tuple(dict.fromkeys((*body.behind, *report.behind)))
    known = [roll.by_source.get(source) for source in dict.fromkeys((*dark, *members, *behind))]
    devices = [device for device in known if device is not None]
    residents = dict.fromkeys(device.resident for device in devices if device.resident)
    return replace(
        body,
        detail=report.detail if report.detail and body.detail != POWER else body.detail,
        members=members,
        dark=dark,
        behind=behind,
        devices=tuple(device.id for device in devices[:NAMED_MAX]),
        residents=tuple(residents)[:NAMED_MAX],
        count=len(devices),
    )


def struck(fault: Fault) -> AreaStruck:
    """It has begun, or grown, or its time has passed."""
    body = fault.body
    return AreaStruck(
        area=fault.area,
        kind=body.detail,
        id=fault.id,
        station=fault.station,
        since_us=fault.since_us,
        due_us=fault.due_us,
        overdue=fault.overdue,
        devices=body.devices,
        residents=body.residents,
        count=body.count,
    )


def well(fault: Fault, *, because: str, by: str, text: str) -> AreaWell:
    """It is over."""
    return AreaWell(
        area=fault.area,
        kind=fault.body.detail,
        id=fault.id,
        station=fault.station,
        since_us=fault.since_us,
        because=because,
        by=by,
        text=text,
        count=fault.body.count,
    )
