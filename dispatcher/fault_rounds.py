"""The rounds through what is open: faults whose time has passed, that the register has moved, lines that stay closed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dispatcher.core.area import STRUCK
from dispatcher.core.listening import Listening
from dispatcher.core.reports import Astray, Faulty, Late, Mended, Report
from dispatcher.core.roll import Roll, Rolls
from dispatcher.core.supervise import LINE, RETAINED
from dispatcher.desk_areas import is_known
from dispatcher.desk_reports import Fault, ReportBook

#: A replayed message is forgotten when none came for this long.
RETAINED_SECONDS = 24 * 3600.0
#: A closed line is a fault after this.
LINE_SECONDS = 120.0

#: A report, what makes it recognisable (empty: nothing does), and the code of its district.
Told = tuple[Report, str, str]


def by_time(book: ReportBook, now_us: int) -> Iterator[Told]:
    """Faults that nobody has seen to in time, and replays that never came again."""
    for fault in book.faults.values():
        if fault.due_us <= now_us:
            yield Late(id=fault.id), f"{fault.id}/{fault.due_us}", fault.district
        if fault.fault == RETAINED and now_us - fault.body.last_us > RETAINED_SECONDS * 1e6:
            yield Mended(fault=RETAINED, source=fault.source), "", fault.district


def by_line(
    book: ReportBook, lines: Iterable[tuple[str, Listening]], now: float, code: str
) -> Iterator[Told]:
    """A line that stays closed: nobody behind it can be heard, so nobody behind it is called silent."""
    known = {source: fault.district for (source, name), fault in book.faults.items() if name == LINE}
    for name, line in lines:
        source = f"line/{name}"
        district = known.pop(source, None)
        if line.open and district is not None:
            yield Mended(fault=LINE, source=source), "", district
        elif not line.open and district is None and now - line.since > LINE_SECONDS:
            yield Faulty(fault=LINE, source=source), "", code
    for source, district in known.items():
        yield Mended(fault=LINE, source=source, because="removed"), "", district


def by_register(book: ReportBook, rolls: Rolls) -> list[Told]:
    """Faults whose device, resident or station is not where it was."""
    found: list[Told] = []
    for fault in book.faults.values():
        roll = rolls.by_code.get(fault.district)
        if roll is not None and _is_astray(fault, roll):
            found.append((Astray(id=fault.id), "", fault.district))
    return found


def _is_astray(fault: Fault, roll: Roll) -> bool:
    if fault.fault == STRUCK and not is_known(roll, fault.area):
        return True
    if fault.station not in roll.stations and fault.station != roll.desk().id:
        return True
    if fault.device is None:
        return fault.source in roll.by_source
    device = roll.by_source.get(fault.source)
    if device is None or device.id != fault.device or device.resident != fault.body.resident:
        return True
    resident = roll.residents.get(device.resident)
    return (resident.area if resident is not None else "") != fault.area
