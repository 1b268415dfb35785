"""Hand-overs (交接班): what is open now, given over with a note, taken by the next, and looked at afterwards.

    GET  /handovers/sheet             what whoever comes next must know, as it is now
    POST /handovers {"note"}          I give it over                 POST /handovers/{id}/take {"sound":true}   I take it

A station's people hand over for their station, those of an area for it or for a station there, the district for anyone;
without a place named it is one's own, the district's is its desk's. Whoever takes it is a person of the register: they have
logged in, or a colleague's PIN made this PC theirs (`POST /login/pin`). What was open then is kept by ids; names come from
the register, for whoever may see them now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, time
from typing import Any, NamedTuple

from config.doors import from_us, to_us
from dispatcher.console.access import AREA, STAFFED, WHOLE, Access, Scope
from dispatcher.console.endpoint import DISTRICT, PAGING, Act, Answer, Ask, Endpoint, Query
from dispatcher.console.handover_shapes import HandoverView, Wanted
from dispatcher.console.problems import Problem, not_found, wrong
from dispatcher.console.rooms import CallFilter
from dispatcher.console.shapes import GiveBody, TakeBody, listed
from dispatcher.core.call import Call
from dispatcher.core.district import Role, StationKind
from dispatcher.core.roll import Roll
from dispatcher.fault_board import FaultFilter
from dispatcher.follow_ups import FollowUpFilter, FollowUps
from dispatcher.handovers import Handover, HandoverFilter, Handovers
from dispatcher.view import when

#: Of each kind so many are on a sheet; `counts` says how many there are, up to a page more.
ROWS_MAX = 100
#: The notes of so many calls, the latest of each.
NOTED_MAX, NOTES_MAX = 40, 3
_DAY_US = 86_400_000_000


class Place(NamedTuple):
    """Whose shift: a station's, or an area's."""

    roll: Roll
    station: str
    area: str

    def eyes(self, ask: Ask) -> Scope:
        """What is to be known there, whoever asks."""
        code = self.roll.district.code
        if self.station == self.roll.desk().id or self.area == code:
            access = Access(id="sheet", role=Role.DISTRICT, area=code)
        elif self.station:
            access = Access(id="sheet", role=Role.STATION, station=self.station)
        else:
            access = Access(id="sheet", role=Role.STREET, area=self.area)
        return Scope(access, ask.scope.rolls)


def _rows(ask: Ask) -> Handovers:
    return Handovers(ask.rooms.store, ask.rooms.clock, ask.rooms.ids)


def _place(ask: Ask, station: str, area: str) -> Place:
    """The place named, or the asker's own. Raises Problem 400, 404."""
    access, roll = ask.access, ask.roll()
    if station and area:
        raise wrong("area", "name a station or an area, not both")
    if not station and not area:
        if access.role is Role.STATION:
            station = access.station
        elif access.role in AREA and access.area != roll.district.code:
            area = access.area
        else:
            station = roll.desk().id
    if station:
        if station != roll.desk().id and station not in roll.stations:
            raise not_found("station")
        if not ask.scope.sees_station(roll, station) and not ask.scope.sees_all(roll):
            raise not_found("station")
    elif area not in roll.areas or not ask.scope.sees_area(roll, area):
        raise not_found("area")
    return Place(roll, station, area)


def _may_sign(ask: Ask, place: Place) -> None:
    """Raises Problem 403 where it is not theirs to give or to take."""
    access, roll = ask.access, place.roll
    if access.role in WHOLE or ask.scope.sees_all(roll):
        return
    station = roll.stations.get(place.station)
    if access.role is Role.STATION:
        theirs = place.station == access.station != ""
    elif station is not None:
        theirs = station.kind is not StationKind.DISTRICT_DESK and ask.scope.sees_area(roll, station.area)
    else:
        theirs = ask.scope.sees_area(roll, place.area)
    if not theirs:
        raise Problem(403, "this shift is not yours to hand over or to take")


# ── what is on a sheet: ids and moments ────────────────────────────────────────────────────────────────────────────────


async def _sheet(ask: Ask, place: Place) -> dict[str, Any]:
    """What is open there now, by ids: this is what is kept."""
    eyes, roll, code = place.eyes(ask), place.roll, place.roll.district.code
    own = eyes.areas(roll)
    codes = None if own is None else sorted(own)
    since_us = await _since_us(ask, place)
    board = ask.rooms.board
    opened, _ = await board.page(
        CallFilter(district=code, state="open", area_codes=codes), None, ROWS_MAX * 2
    )
    if own is not None and place.station:
        asked = CallFilter(district=code, state="open", station=place.station)
        opened += (await board.page(asked, None, ROWS_MAX * 2))[0]
    seen = {one.id: one for one in opened if eyes.sees_call(one) and ask.scope.sees_call(one)}
    red = CallFilter(
        district=code,
        state="closed",
        key="emergency",
        area_codes=codes,
        test=False,
        since_us=since_us - _DAY_US,
    )
    closed = [
        one
        for one in (await board.page(red, None, ROWS_MAX * 2))[0]
        if one.closed is not None and one.closed.at_us >= since_us and ask.scope.sees_call(one)
    ]
    station = place.station if place.station != roll.desk().id else ""
    faults, _ = await ask.rooms.faults.page(
        FaultFilter(district=code, seen_in=codes, seen_by=station), None, ROWS_MAX
    )
    due = FollowUpFilter(district=code, due_until_us=ask.now_us + _DAY_US, seen_in=codes)
    follow_ups, _ = await FollowUps(ask.rooms.store).page(due, None, ROWS_MAX)
    calls = sorted(seen.values(), key=lambda one: (one.key != "emergency", one.opened_us))
    return {
        "since_us": since_us,
        "calls": [_call(one) for one in calls[:ROWS_MAX]],
        "closed": [
            {**_whose(one), "outcome": one.closed.outcome, "at_us": one.closed.at_us, "by": one.closed.by}
            for one in closed[:ROWS_MAX]
            if one.closed is not None
        ],
        "faults": [
            {
                "id": one.id,
                "fault": one.fault,
                "device": one.device,
                "station": one.station,
                "due_us": one.due_us,
                "overdue": one.overdue,
            }
            for one in faults
        ],
        "followups": [
            {"id": one.call, "resident": one.resident, "station": one.station, "due_us": one.due_us}
            for one in follow_ups
        ],
        "counts": {
            "calls": len(calls),
            "closed": len(closed),
            "faults": len(faults),
            "followups": len(follow_ups),
        },
    }


async def _since_us(ask: Ask, place: Place) -> int:
    """From when on what is over is told: this morning's midnight, or the last hand-over where that is longer ago."""
    now_us = ask.now_us
    today = from_us(now_us).astimezone(place.roll.zone).date()
    midnight_us = to_us(datetime.combine(today, time(), place.roll.zone))
    wanted = HandoverFilter(
        district=place.roll.district.code, state="taken", station=place.station, area=place.area
    )
    last, _ = await _rows(ask).page(wanted, None, 1)
    return max(now_us - _DAY_US, min(midnight_us, last[0].at_us)) if last else midnight_us


def _whose(one: Call) -> dict[str, Any]:
    return {"id": one.id, "key": one.key, "kind": one.kind, "resident": one.resident}


def _call(one: Call) -> dict[str, Any]:
    holder, due = one.accepted, one.due
    return {
        **_whose(one),
        "state": one.state,
        "test": one.test,
        "at_us": one.opened_us,
        "station": None if holder is None else holder.station,
        "by": None if holder is None else holder.by,
        "next": None if due is None else due[0],
        "due_us": None if due is None else due[1],
    }


# ── as it is shown: names, and what was noted, for whoever may see them now ──────────────────────────────────────────


async def _view(ask: Ask, place: Place, body: Mapping[str, Any], one: Handover | None) -> dict[str, Any]:
    roll = place.roll
    calls: list[dict[str, Any]] = []
    for number, row in enumerate(body["calls"]):
        shown = await _named(ask, roll, row)
        shown["notes"] = await _notes(ask, roll, row["id"]) if number < NOTED_MAX and shown["seen"] else []
        calls.append(shown)
    at_us = ask.now_us if one is None else one.at_us
    given = None if one is None else _signed(ask, roll, one.by, one.at_us)
    taken = None
    if one is not None and one.taken_by is not None and one.taken_us is not None:
        taken = _signed(ask, roll, one.taken_by, one.taken_us) | {"sound": one.sound}
    return {
        "id": None if one is None else one.id,
        "district": roll.district.code,
        "area": place.area or None,
        "station": place.station or None,
        "station_name": _station_name(ask, roll, place.station),
        "at": when(at_us),
        "since": when(body["since_us"]),
        "given": given,
        "taken": taken,
        "late": one is not None and one.late(ask.now_us),
        "replaced": one is not None and one.replaced,
        "note": None if one is None else one.note or None,
        "counts": body["counts"],
        "calls": calls,
        "closed": [await _named(ask, roll, row) for row in body["closed"]],
        "faults": [_moments(ask, roll, row) for row in body["faults"]],
        "followups": [await _named(ask, roll, row) for row in body["followups"]],
    }


async def _named(ask: Ask, roll: Roll, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with who it is about, where that is in sight."""
    call = await ask.rooms.board.get(row["id"])
    seen = call is not None and ask.scope.sees_call(call)
    resident = roll.residents.get(row["resident"] or "") if seen else None
    who = (
        None if resident is None else {"id": resident.id, "name": resident.name, "address": resident.address}
    )
    return {**_moments(ask, roll, row), "resident": who, "seen": seen}


def _moments(ask: Ask, roll: Roll, row: Mapping[str, Any]) -> dict[str, Any]:
    """Moments as text, stations and people by name, where they are in sight."""
    plain = {name: value for name, value in row.items() if not name.endswith("_us")}
    for name, as_text in (("at_us", "at"), ("due_us", "due")):
        if name in row:
            plain[as_text] = None if row[name] is None else when(row[name])
    if "station" in row:
        plain["station_name"] = _station_name(ask, roll, row["station"] or "")
    if "by" in row:
        plain["name"] = _name(ask, roll, row["by"] or "")
    return plain


async def _notes(ask: Ask, roll: Roll, call_id: str) -> list[dict[str, Any]]:
    facts = await ask.rooms.board.history(call_id)
    noted = [fact for fact in facts if fact["fact"] == "call.noted" and fact.get("note")]
    return [
        {"by": fact["by"], "name": _name(ask, roll, fact["by"]), "at": fact["at"], "note": fact["note"]}
        for fact in noted[-NOTES_MAX:]
    ]


def _name(ask: Ask, roll: Roll, by: str) -> str | None:
    person = roll.staff.get(by)
    return person.name or None if person is not None and ask.scope.sees_item(roll, person) else None


def _station_name(ask: Ask, roll: Roll, station_id: str) -> str | None:
    station = roll.stations.get(station_id)
    return station.name or None if station is not None and ask.scope.sees_station(roll, station_id) else None


def _signed(ask: Ask, roll: Roll, by: str, at_us: int) -> dict[str, Any]:
    return {"by": by, "name": _name(ask, roll, by), "at": when(at_us), "sound": None}


# ── the endpoints ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def sheet(ask: Ask) -> Answer:
    """What is open there now."""
    place = _place(ask, ask.query.get("station", ""), ask.query.get("area", ""))
    ask.where = (place.roll.district.code, place.area)
    return Answer(await _view(ask, place, await _sheet(ask, place), None))


async def listing(ask: Ask) -> Answer:
    """Hand-overs in sight, the newest first."""
    roll, scope = ask.roll(), ask.scope
    everything = scope.sees_all(roll)
    wanted = HandoverFilter(
        district=roll.district.code,
        state=ask.query.get("state", Wanted.ALL),
        station=ask.query.get("station"),
        area=ask.query.get("area"),
        stations=None if everything else [one for one in roll.stations if scope.sees_station(roll, one)],
        areas=None if everything else sorted(scope.areas(roll) or ()),
    )
    try:
        found, cursor = await _rows(ask).page(wanted, ask.cursor, ask.limit)
    except (ValueError, OverflowError):
        raise wrong("cursor", "is none that we gave") from None
    return Answer({"items": [_line(ask, roll, one) for one in found], "next": cursor})


def _line(ask: Ask, roll: Roll, one: Handover) -> dict[str, Any]:
    """A hand-over in a list: without what was open."""
    taken = None
    if one.taken_by is not None and one.taken_us is not None:
        taken = _signed(ask, roll, one.taken_by, one.taken_us) | {"sound": one.sound}
    return {
        "id": one.id,
        "area": one.area or None,
        "station": one.station or None,
        "station_name": _station_name(ask, roll, one.station),
        "at": when(one.at_us),
        "given": _signed(ask, roll, one.by, one.at_us),
        "taken": taken,
        "late": one.late(ask.now_us),
        "replaced": one.replaced,
        "counts": one.body["counts"],
    }


async def _in_sight(ask: Ask) -> tuple[Place, Handover]:
    one = await _rows(ask).get(ask.path["id"])
    roll = None if one is None else ask.scope.rolls.by_code.get(one.district)
    if one is None or roll is None:
        raise not_found("hand-over")
    scope = ask.scope
    seen = scope.sees_station(roll, one.station) if one.station else scope.sees_area(roll, one.area)
    if not seen and not scope.sees_all(roll):
        raise not_found("hand-over")
    ask.where = (one.district, one.area)
    return Place(roll, one.station, one.area), one


async def one(ask: Ask) -> Answer:
    """One hand-over, as it was signed."""
    place, found = await _in_sight(ask)
    return Answer(await _view(ask, place, found.body, found))


async def give(ask: Ask) -> Answer:
    """I give it over."""
    body: GiveBody = ask.body
    place = _place(ask, body.station or "", body.area or "")
    _may_sign(ask, place)
    ask.where = (place.roll.district.code, place.area)
    given = await _rows(ask).give(
        district=place.roll.district.code,
        area=place.area,
        station=place.station,
        by=ask.access.by,
        note=(body.note or "").strip(),
        body=await _sheet(ask, place),
    )
    found = await _rows(ask).get(given)
    assert found is not None
    return Answer(await _view(ask, place, found.body, found), 201)


async def take(ask: Ask) -> Answer:
    """I take it."""
    body: TakeBody = ask.body
    place, found = await _in_sight(ask)
    _may_sign(ask, place)
    by = ask.access.staff
    if not by:
        raise Problem(403, "whoever takes a shift signs by name: log in, or use a PIN", code="person_needed")
    if found.taken_by is None:
        if found.by == by:
            raise Problem(409, "whoever gives a shift over cannot take it too", code="same_person")
        if found.replaced:
            raise Problem(409, "a later hand-over has taken its place", code="replaced")
        await _rows(ask).take(found, by=by, sound=body.sound)
        found = await _rows(ask).get(found.id) or found
    if found.taken_by != by:
        raise Problem(409, f"{found.taken_by} was first", code="taken")
    return Answer(await _view(ask, place, found.body, found))


def _common(**more: Any) -> dict[str, Any]:
    return {"tag": "handovers", "roles": STAFFED, **more}


_OF: Iterable[Query] = (
    Query("station", "this station's shift; one's own where nothing is named"),
    Query("area", "the shift of those of this area"),
)

ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/handovers/sheet",
        name="getHandoverSheet",
        en="What whoever comes next must know, as it is now: open calls, faults, follow-ups, what was closed today",
        zh="交接班内容：未结呼叫、故障、待回访、今日办结的紧急求救",
        handle=sheet,
        query=(*_OF, DISTRICT),
        answer=HandoverView,
        audit=Act.LIST,
        **_common(),
    ),
    Endpoint(
        method="GET",
        path="/handovers",
        name="listHandovers",
        en="Hand-overs in your scope, newest first; `late`: nobody took it over within 15 minutes",
        zh="交接班记录，新的在前；late 为超过 15 分钟无人接班",
        handle=listing,
        query=(
            Query("state", "all, waiting, late or taken", choices=tuple(Wanted)),
            *_OF,
            *PAGING,
            DISTRICT,
        ),
        answer=listed({"type": "object"}),
        **_common(),
    ),
    Endpoint(
        method="GET",
        path="/handovers/{id}",
        name="getHandover",
        en="One hand-over as it was signed",
        zh="某次交接班记录",
        handle=one,
        answer=HandoverView,
        audit=Act.LOOK,
        **_common(),
    ),
    Endpoint(
        method="POST",
        path="/handovers",
        name="giveHandover",
        en="I give my shift over",
        zh="交班",
        handle=give,
        query=(DISTRICT,),
        body=GiveBody,
        body_optional=True,
        bytes_max=65_536,
        answer=HandoverView,
        statuses={201: "Given"},
        writes=True,
        keyed=True,
        audit=Act.ADD,
        **_common(),
    ),
    Endpoint(
        method="POST",
        path="/handovers/{id}/take",
        name="takeHandover",
        en="I take the shift; `sound`: whether the next call is heard here",
        zh="接班；sound 表示本机能否响铃",
        handle=take,
        body=TakeBody,
        bytes_max=65_536,
        answer=HandoverView,
        statuses={200: "Taken", 409: "Somebody else was first, or it was given by the same person"},
        writes=True,
        keyed=True,
        audit=Act.CHANGE,
        **_common(),
    ),
)
