"""What the desk makes of reports: faults that begin and end, coverage lost and restored, what became of messages.

    Faulty(offline, hub-07)  --is it known already?-->  a row in `faults` and the fact device.fault, in one transaction

The book is a mirror of committed rows, never ahead; a batch works on a page laid over it, turned over by its commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import bindparam, delete, insert, null, select, update

from config.doors import Ids
from dispatcher.core.area import STRUCK, station_for
from dispatcher.core.call import (
    AlertDelivered,
    AlertFailed,
    AlertSent,
    AreaStruck,
    CoverageLost,
    CoverageRestored,
    DeviceFault,
    DeviceRestored,
    PassedOver,
)
from dispatcher.core.district import Device
from dispatcher.core.draft import Draft
from dispatcher.core.reports import Astray, Covered, Fate, Faulty, Late, Mended
from dispatcher.core.roll import Roll
from dispatcher.core.supervise import (
    AGAIN_SECONDS,
    MAINS,
    OFFLINE,
    OFFLINE_MANY,
    RETAINED,
    SHARED,
    deadline_seconds,
    home_of,
)
from dispatcher.desk_areas import grown, home_of_area, is_known, struck, well
from dispatcher.store import Do, Prepared, Store
from dispatcher.tables import faults, uncovered

#: So many of the devices that share a fault are named; `count` says how many there are.
DEVICES_MAX = 1000
#: So many faults of devices that nobody registered may be open in a district: anybody can make up names.
STRANGERS_MAX = 50

_PUT = Prepared(insert(faults))
_BODY = Prepared(update(faults).where(faults.c.id == bindparam("b_id")).values(body=bindparam("b_body")))
_OWNER = Prepared(
    update(faults).where(faults.c.id == bindparam("b_id")).values(station=bindparam("b_station"))
)
_LATE = Prepared(
    update(faults)
    .where(faults.c.id == bindparam("b_id"))
    .values(station=bindparam("b_station"), due_us=bindparam("b_due_us"), overdue=1)
)
_END = Prepared(
    update(faults)
    .where(faults.c.id == bindparam("b_id"))
    .values(due_us=null(), ended_us=bindparam("b_ended_us"), body=bindparam("b_body"))
)
_LOST = Prepared(insert(uncovered))
_FOUND = Prepared(delete(uncovered).where(uncovered.c.area == bindparam("b_area")))


class FaultBody(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What of a fault is not asked by: its row's `body`.

    `members` are the sources of all who share it by their silence, `dark` of those without mains, `behind` of those who
    speak through one of them.
    """

    resident: str = ""
    detail: str = ""
    devices: tuple[str, ...] = ()
    residents: tuple[str, ...] = ()
    count: int = 0
    members: tuple[str, ...] = ()
    dark: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()
    last_us: int = 0  #: when it last showed itself
    because: str = ""  #: why it ended, where it did not simply get well
    by: str = ""  #: who declared it to be over
    text: str = ""  #: what they wrote, by id


class Fault(Struct, frozen=True, kw_only=True):
    """An open fault: `key` is what it is about (a source and a fault), `due_us` by when somebody must see to it."""

    id: str
    district: str
    area: str
    device: str | None
    source: str
    fault: str
    station: str
    since_us: int
    due_us: int
    overdue: bool = False
    body: FaultBody = FaultBody()

    @property
    def key(self) -> tuple[str, str]:
        """One open fault each."""
        return self.source, self.fault


_FAULT_BODY = msgspec.json.Decoder(FaultBody)
_COLUMNS = ("id", "district", "area", "device", "source", "fault", "station", "since_us", "due_us")


class Uncovered(Struct, frozen=True):
    """A community that nobody below the desk can come to."""

    district: str
    since_us: int


class ReportBook:
    """The open faults and the uncovered communities, as committed."""

    def __init__(self, ids: Ids) -> None:
        self.ids = ids
        self.faults: dict[tuple[str, str], Fault] = {}
        self._keys: dict[str, tuple[str, str]] = {}
        self.uncovered: dict[str, Uncovered] = {}
        #: Told of every fault that has begun, changed, or (None) ended, once that is on disk.
        self.on_fault: Callable[[tuple[str, str], Fault | None], None] = lambda _key, _fault: None

    async def open(self, store: Store) -> None:
        """Read what is open. Raises StoreUnavailable."""
        query = select(*(faults.c[name] for name in (*_COLUMNS, "overdue", "body"))).where(
            faults.c.ended_us.is_(None)
        )
        self.faults, self._keys = {}, {}
        for *plain, overdue, body in await store.read(query):
            named = dict(zip(_COLUMNS, plain, strict=True))
            fault = Fault(**named, overdue=bool(overdue), body=_FAULT_BODY.decode(body))
            self.put(fault.key, fault)
        rows = await store.read(select(uncovered.c.area, uncovered.c.district, uncovered.c.since_us))
        self.uncovered = {str(area): Uncovered(district, since_us) for area, district, since_us in rows}

    def with_id(self, fault_id: str) -> Fault | None:
        """The open fault of that id."""
        key = self._keys.get(fault_id)
        return self.faults.get(key) if key is not None else None

    def put(self, key: tuple[str, str], fault: Fault | None) -> None:
        """What is open under this key now."""
        before = self.faults.pop(key, None)
        if before is not None:
            del self._keys[before.id]
        if fault is not None:
            self.faults[key] = fault
            self._keys[fault.id] = key


class ReportPage:
    """A batch of reports in the making, laid over the book."""

    def __init__(self, book: ReportBook) -> None:
        self._book = book
        self._faults: dict[tuple[str, str], Fault | None] = {}
        self._uncovered: dict[str, Uncovered | None] = {}
        self._rows: dict[Prepared, list[Mapping[str, Any]]] = {}

    def decide(self, report: Faulty | Mended | Late | Astray | Covered, draft: Draft, roll: Roll) -> None:
        """Facts to the draft, rows to this page; nothing where it is no news."""
        match report:
            case Faulty():
                self._faulty(report, draft, roll)
            case Mended():
                self._mended(report, draft, roll)
            case Late():
                self._late(report, draft, roll)
            case Astray():
                self._astray(report, draft, roll)
            case Covered():
                self._covered(report, draft)

    def _fault(self, key: tuple[str, str]) -> Fault | None:
        return self._faults[key] if key in self._faults else self._book.faults.get(key)

    def with_id(self, fault_id: str) -> Fault | None:
        """The open fault of that id, as this batch has it."""
        found = self._book.with_id(fault_id)
        if found is not None and found.key not in self._faults:
            return found
        return next((one for one in self._faults.values() if one is not None and one.id == fault_id), None)

    # ── it begins ────────────────────────────────────────────────────────────────────────────────────────────────

    def _faulty(self, report: Faulty, draft: Draft, roll: Roll) -> None:
        if report.fault in SHARED:
            keys = [(source, OFFLINE) for source in report.sources]
            keys += [(source, MAINS) for source in report.dark]
            keys += [(source, STRUCK) for source in report.instead]
            for single in [known for key in keys if (known := self._fault(key)) is not None]:
                self._end(single, draft, because=report.fault)
        known = self._fault((report.source, report.fault))
        if known is not None:
            self._again(known, report, draft, roll)
            return
        if report.fault == STRUCK:
            self._struck(report, draft, roll)
            return
        device = roll.by_source.get(report.source)
        if device is None and "/" in report.source and self._strange(report):
            return
        home = home_of(roll, device)
        body = FaultBody(
            resident=home.resident,
            detail=report.detail,
            last_us=draft.now_us,
            members=report.sources if report.fault == OFFLINE_MANY else (),
            devices=_devices(report.sources, roll),
            count=len(report.sources),
        )
        serves = any(
            (one := roll.by_source.get(source)) is not None and one.resident for source in report.sources
        )
        due_us = draft.now_us + round(deadline_seconds(report.fault, device, serves=serves) * 1e6)
        self._open(
            Fault(
                id=self._book.ids.new("f"),
                district=roll.district.code,
                area=home.area,
                device=device.id if device is not None else None,
                source=report.source,
                fault=report.fault,
                station=home.station,
                since_us=draft.now_us,
                due_us=due_us,
                body=body,
            ),
            draft,
        )

    def _struck(self, report: Faulty, draft: Draft, roll: Roll) -> None:
        area, station = home_of_area(roll, report.source)
        fault = Fault(
            id=self._book.ids.new("f"),
            district=roll.district.code,
            area=area,
            device=None,
            source=report.source,
            fault=STRUCK,
            station=station,
            since_us=draft.now_us,
            due_us=draft.now_us + round(deadline_seconds(STRUCK, None, serves=True) * 1e6),
            body=grown(FaultBody(last_us=draft.now_us), report, roll),
        )
        self._open(fault, draft)

    def _strange(self, report: Faulty) -> bool:
        """Of a device that is in no register: only a replayed message is a fault, and only so many of them."""
        if report.source.partition("/")[0] in {"area", "district", "line"}:
            return False
        if report.fault != RETAINED:
            return True
        known = {**self._book.faults, **self._faults}
        strangers = sum(
            one is not None and one.device is None and one.fault == RETAINED for one in known.values()
        )
        return strangers >= STRANGERS_MAX

    def _again(self, known: Fault, report: Faulty, draft: Draft, roll: Roll) -> None:
        body = known.body
        if known.fault == RETAINED:
            self._change(replace(known, body=replace(body, last_us=draft.now_us)), _BODY)
        elif known.fault == OFFLINE_MANY:
            members = tuple(dict.fromkeys((*body.members, *report.sources)))
            if len(members) > len(body.members):
                devices = _devices(members, roll)
                more = replace(body, members=members, devices=devices, count=len(members))
                fault = replace(known, body=more)
                self._change(fault, _BODY)
                draft.aside(_told(fault), device=None)
        elif known.fault == STRUCK:
            fault = replace(known, body=grown(body, report, roll))
            if fault.body != body:
                self._change(fault, _BODY)
                draft.aside(_told(fault), device=None)

    def _open(self, fault: Fault, draft: Draft) -> None:
        self._faults[fault.key] = fault
        row = {name: getattr(fault, name) for name in _COLUMNS}
        row |= {"overdue": int(fault.overdue), "ended_us": None, "body": _encoded(fault.body)}
        self._add(_PUT, row)
        draft.aside(_told(fault), device=fault.device)

    def _change(self, fault: Fault, *statements: Prepared) -> None:
        self._faults[fault.key] = fault
        row = {
            "b_id": fault.id,
            "b_station": fault.station,
            "b_due_us": fault.due_us,
            "b_body": _encoded(fault.body),
        }
        for statement in statements:
            self._add(statement, row)

    # ── it ends ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _mended(self, report: Mended, draft: Draft, roll: Roll) -> None:
        fault = self._fault((report.source, report.fault))
        if fault is None:
            return
        self._end(fault, draft, because=report.because)
        for source in report.sources:
            self._faulty(Faulty(fault=OFFLINE, source=source), draft, roll)
        for source in report.dark:
            self._faulty(Faulty(fault=MAINS, source=source), draft, roll)

    def end_by_hand(self, fault: Fault, draft: Draft, by: str, text: str) -> None:
        """Somebody has seen to it; `text` is the id of what they wrote."""
        self._end(fault, draft, because="by_hand", by=by, text=text)

    def _end(self, fault: Fault, draft: Draft, *, because: str = "", by: str = "", text: str = "") -> None:
        self._faults[fault.key] = None
        body = replace(fault.body, members=(), dark=(), behind=(), because=because, by=by, text=text)
        self._add(_END, {"b_id": fault.id, "b_ended_us": draft.now_us, "b_body": _encoded(body)})
        if fault.fault == STRUCK:
            draft.aside(well(fault, because=because, by=by, text=text), device=None)
            return
        restored = DeviceRestored(
            fault=fault.fault,
            source=fault.source,
            id=fault.id,
            station=fault.station,
            area=fault.area,
            since_us=fault.since_us,
            because=because,
            by=by,
            text=text,
        )
        draft.aside(restored, device=fault.device)

    # ── it goes on ───────────────────────────────────────────────────────────────────────────────────────────────

    def _late(self, report: Late, draft: Draft, roll: Roll) -> None:
        fault = self.with_id(report.id)
        if fault is None or fault.due_us > draft.now_us:
            return
        due_us = draft.now_us + round(AGAIN_SECONDS * 1e6)
        late = replace(fault, station=roll.desk().id, overdue=True, due_us=due_us)
        self._change(late, _LATE)
        draft.aside(_told(late), device=late.device)

    def _astray(self, report: Astray, draft: Draft, roll: Roll) -> None:
        fault = self.with_id(report.id)
        if fault is None:
            return
        if fault.fault == STRUCK:
            self._area_astray(fault, draft, roll)
            return
        device = roll.by_source.get(fault.source)
        if fault.device is not None and (device is None or device.id != fault.device):
            self._end(fault, draft, because="removed")
            return
        home = home_of(roll, device)
        station = roll.desk().id if fault.overdue else home.station
        device_id = device.id if device is not None else None
        if (device_id, home.resident, home.area) != (fault.device, fault.body.resident, fault.area):
            # Another id: who saw the old one must hear its end, who sees the new one its beginning. Its time goes on.
            self._end(fault, draft, because="moved")
            body = replace(fault.body, resident=home.resident)
            moved = replace(
                fault,
                id=self._book.ids.new("f"),
                device=device_id,
                area=home.area,
                station=station,
                body=body,
            )
            self._open(moved, draft)
        elif fault.station not in roll.stations and fault.station != station:
            kept = replace(fault, station=station)
            self._change(kept, _OWNER)
            draft.aside(_told(kept), device=kept.device)

    def _area_astray(self, fault: Fault, draft: Draft, roll: Roll) -> None:
        if not is_known(roll, fault.area):
            self._end(fault, draft, because="removed")
        elif fault.station not in roll.stations:
            kept = replace(fault, station=station_for(roll, fault.area))
            self._change(kept, _OWNER)
            draft.aside(_told(kept), device=None)

    # ── coverage ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _covered(self, report: Covered, draft: Draft) -> None:
        area = report.area
        known = self._uncovered[area] if area in self._uncovered else self._book.uncovered.get(area)
        if (report.station or report.gone) and known is not None:
            self._uncovered[area] = None
            self._add(_FOUND, {"b_area": area})
            restored = CoverageRestored(area=area, station=report.station, since_us=known.since_us)
            draft.aside(restored, device=None)
        elif not report.station and not report.gone and known is None:
            self._uncovered[area] = Uncovered(draft.district, draft.now_us)
            self._add(_LOST, {"area": area, "district": draft.district, "since_us": draft.now_us})
            over = tuple(PassedOver(station, reason) for station, reason in report.passed_over)
            draft.aside(CoverageLost(area=area, passed_over=over), device=None)

    # ── the writes ───────────────────────────────────────────────────────────────────────────────────────────────

    def _add(self, statement: Prepared, row: Mapping[str, Any]) -> None:
        self._rows.setdefault(statement, []).append(row)

    @property
    def work(self) -> list[Do]:
        """The writes, for the desk's transaction. A fault that begins and ends in one batch is put first."""
        # A community that is lost and found in one batch, or the other way round: the old row goes first, the last counts.
        order = (_PUT, _BODY, _OWNER, _LATE, _END, _FOUND)
        work = [Do(statement, self._rows[statement]) for statement in order if statement in self._rows]
        lost = {row["area"]: row for row in self._rows.get(_LOST, ())}
        still = [row for area, row in lost.items() if self._uncovered.get(area) is not None]
        return [*work, Do(_LOST, still)] if still else work

    def turn(self) -> None:
        """It is on disk: let the book show it."""
        book = self._book
        for key, fault in self._faults.items():
            book.put(key, fault)
            book.on_fault(key, fault)
        for area, since in self._uncovered.items():
            if since is None:
                book.uncovered.pop(area, None)
            else:
                book.uncovered[area] = since


def _encoded(body: FaultBody) -> str:
    return msgspec.json.encode(body).decode()


def _devices(sources: Iterable[str], roll: Roll) -> tuple[str, ...]:
    known: Iterable[Device | None] = (roll.by_source.get(source) for source in sources)
    return tuple(device.id for device in known if device is not None)[:DEVICES_MAX]


def _told(fault: Fault) -> DeviceFault | AreaStruck:
    if fault.fault == STRUCK:
        return struck(fault)
    return DeviceFault(
        fault=fault.fault,
        source=fault.source,
        id=fault.id,
        station=fault.station,
        area=fault.area,
        due_us=fault.due_us,
        overdue=fault.overdue,
        devices=fault.body.devices,
        count=fault.body.count,
        detail=fault.body.detail,
    )


_FATES: dict[str, Callable[..., AlertSent | AlertDelivered | AlertFailed]] = {
    "sent": AlertSent,
    "delivered": AlertDelivered,
    "failed": AlertFailed,
}


def fate_of(fate: Fate) -> AlertSent | AlertDelivered | AlertFailed | None:
    """The fact of a message's fate."""
    make = _FATES.get(fate.fate)
    if make is None:
        return None
    return make(
        alert=fate.alert, kind=fate.kind, channel=fate.channel, to=fate.to, about=fate.about, why=fate.why
    )
