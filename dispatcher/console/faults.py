"""Faults of devices: the list, and saying that one has been seen to."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from dispatcher.console.access import STAFFED
from dispatcher.console.endpoint import DISTRICT, PAGING, Answer, Ask, Endpoint, Kind, Query
from dispatcher.console.problems import Problem, not_found, wrong
from dispatcher.console.shapes import EndFaultBody, listed
from dispatcher.console.steps import decision
from dispatcher.core.commands import EndFault
from dispatcher.core.district import Role
from dispatcher.core.roll import Roll
from dispatcher.fault_board import FaultFilter, FaultRow, view_fault


class FaultView(Struct):
    """Something wrong with a device, or with many: whose task, by when, and whether it is over.

    `devices` names those that suffer with it, the first of `count`; `residents` whose they are, where an area is struck
    (`fault` area_incident, `detail` power or network, `device` null). `because`: removed, moved, by_hand, and
    offline_many or area_incident where it goes on in that one.
    """

    id: str
    district: str
    device: str | None
    source: str | None
    resident: str | None
    area: str | None
    fault: str
    detail: str | None
    station: str
    since: str
    deadline: str | None
    overdue: bool
    ended: str | None
    because: str | None
    by: str | None
    note: str | None
    devices: list[str]
    residents: list[str]
    count: int


async def listing(ask: Ask) -> Answer:
    """A page of faults, newest first."""
    roll = ask.roll()
    query = ask.query
    own = ask.scope.areas(roll)
    filter_ = FaultFilter(
        district=roll.district.code,
        state=query.get("state", "open"),
        area_codes=_within(roll, query.get("area", "")),
        station=query.get("station"),
        device=query.get("device"),
        fault=query.get("fault"),
        since_us=query.get("since"),
        until_us=query.get("until"),
        seen_in=None if own is None else sorted(own),
        seen_by=_station(ask),
    )
    try:
        rows, cursor = await ask.rooms.faults.page(filter_, ask.cursor, ask.limit)
    except (ValueError, OverflowError):
        raise wrong("cursor", "is none that we gave") from None
    notes = await ask.rooms.faults.notes(rows)
    return Answer({"items": [_shown(ask, row, notes) for row in rows], "next": cursor})


def _within(roll: Roll, area: str) -> list[str] | None:
    if not area or area == roll.district.code:
        return None
    return sorted(roll.below(area))


def _station(ask: Ask) -> str:
    return ask.access.station if ask.access.role is Role.STATION else ""


def _shown(ask: Ask, row: FaultRow, notes: dict[str, str]) -> dict[str, Any]:
    """The resident it was a fault of, where they are in sight."""
    roll = ask.scope.rolls.by_code.get(row.district)

    def seen(resident_id: str) -> bool:
        resident = roll.residents.get(resident_id) if roll is not None else None
        return roll is not None and resident is not None and ask.scope.sees_resident(roll, resident)

    return view_fault(
        row,
        resident=row.body.resident if seen(row.body.resident) else None,
        note=notes.get(row.body.text) if row.body.text else None,
        residents=[one for one in row.body.residents if seen(one)],
    )


async def _in_sight(ask: Ask) -> FaultRow:
    row = await ask.rooms.faults.get(ask.path["id"])
    roll = None if row is None else ask.scope.rolls.by_code.get(row.district)
    if row is None or roll is None:
        raise not_found("fault")
    mine = row.station == _station(ask) and ask.scope.sees_district(roll)
    if not mine and not ask.scope.sees_area(roll, row.area):
        raise not_found("fault")
    return row


async def one(ask: Ask) -> Answer:
    """One fault."""
    row = await _in_sight(ask)
    return Answer(_shown(ask, row, await ask.rooms.faults.notes([row])))


async def ended(ask: Ask) -> Answer:
    """Somebody has seen to it. The same person's second word on it is the same one."""
    row = await _in_sight(ask)
    if row.ended_us is None or row.body.by != ask.access.by:
        body: EndFaultBody = ask.body
        command = EndFault(by=ask.access.by, station=_station(ask), fault=row.id, text=body.note or "")
        decided = await decision(ask, command, None, row.district)
        if decided.status != 200:
            raise Problem(decided.status, decided.why, code=decided.code)
        row = await ask.rooms.faults.get(row.id) or row
    return Answer(_shown(ask, row, await ask.rooms.faults.notes([row])))


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/faults",
        name="listFaults",
        tag="faults",
        en="Faults of devices, newest first; the open ones where nothing else is asked for",
        zh="设备故障列表，新的在前，默认只列未恢复的",
        handle=listing,
        roles=STAFFED,
        query=(
            Query("state", "open, ended or all", choices=("open", "ended", "all")),
            Query(
                "fault",
                "of this kind: offline, offline_many, area_incident, battery, mains, tamper, retained, line_closed",
            ),
            Query("area", "of residents in this area or below it"),
            Query("station", "this station's task"),
            Query("device", "of this device"),
            Query("since", "that began at or after this time", Kind.MOMENT),
            Query("until", "that began before this time", Kind.MOMENT),
            *PAGING,
            DISTRICT,
        ),
        answer=listed({"$ref": "#/components/schemas/FaultView"}),
    ),
    Endpoint(
        method="GET",
        path="/faults/{id}",
        name="getFault",
        tag="faults",
        en="One fault",
        zh="故障详情",
        handle=one,
        roles=STAFFED,
        answer=FaultView,
    ),
    Endpoint(
        method="POST",
        path="/faults/{id}/end",
        name="endFault",
        tag="faults",
        en="It has been seen to: tamper, battery, mains, retained, area_incident. Silence ends by itself",
        zh="故障已处理：防拆、电池、市电、滞留消息、片区事件；离线会自动恢复",
        handle=ended,
        roles=STAFFED,
        body=EndFaultBody,
        body_optional=True,
        answer=FaultView,
        statuses={200: "Over", 409: "It is over already, or ends by itself"},
        writes=True,
    ),
)
