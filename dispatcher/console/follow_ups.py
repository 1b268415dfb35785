"""Follow-ups: who is to be asked after today, who was not asked in time, and saying how she is.

They are kept to their area, as calls that are over are: whose task it is sees its area by that (`core/follow_up.py`).
While one waits, whoever sees it must telephone: its numbers are not masked. Once it is over, they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from config.doors import from_us, to_us
from dispatcher.console.access import STAFFED
from dispatcher.console.endpoint import DISTRICT, PAGING, Act, Answer, Ask, Endpoint, Query
from dispatcher.console.masking import mask_call, masks
from dispatcher.console.problems import Problem, not_found, wrong
from dispatcher.console.shapes import FollowUpBody, listed
from dispatcher.console.steps import acting_for, decision
from dispatcher.core import commands
from dispatcher.core.follow_up import Doing, FollowUp, Result
from dispatcher.core.roll import Roll
from dispatcher.follow_ups import FollowUpFilter, FollowUps
from dispatcher.view import when, without_door_code


class Wanted(StrEnum):
    """What a list is asked for. `waiting` is coming, today and overdue together."""

    WAITING = "waiting"
    COMING = "coming"
    TODAY = "today"
    OVERDUE = "overdue"
    DONE = "done"
    WITHDRAWN = "withdrawn"
    ALL = "all"


class TryView(Struct, frozen=True):
    """Somebody tried to ask her."""

    by: str
    name: str | None
    at: datetime
    result: str
    note: str | None


class FollowUpView(Struct, frozen=True, kw_only=True):
    """A follow-up: `id` is its call's. `from` and `due` are of the coming try, or the last where it is over.

    `station` is whose task it is; `overdue`: its time has passed, and the district desk sees that.
    """

    id: str
    call: str
    district: str
    area: str | None
    station: str
    station_name: str | None
    resident: dict[str, Any] | None
    caller: dict[str, Any] | None
    kind: str | None
    outcome: str | None
    closed: datetime
    begins: datetime = field(name="from")
    due: datetime
    state: Doing
    overdue: bool
    result: Result | None
    done: datetime | None
    tries: list[TryView]


def day_of(ask: Ask, roll: Roll, text: str | None = None) -> tuple[int, int]:
    """From when to when this day is, by the district's clock: today where none is named. Raises Problem 400."""
    try:
        day = date.fromisoformat(text) if text else from_us(ask.now_us).astimezone(roll.zone).date()
        begin, end = (datetime.combine(day + timedelta(days=more), time(), roll.zone) for more in (0, 1))
        return to_us(begin), to_us(end)
    except (ValueError, OverflowError):
        raise wrong("due", "a day such as 2026-11-25 is needed") from None


def filter_of(ask: Ask, roll: Roll, wanted: Wanted, **more: Any) -> FollowUpFilter:
    """What to look for, within what the asker may see."""
    now_us, (_, tomorrow_us) = ask.now_us, day_of(ask, roll)
    span: dict[Wanted, tuple[int | None, int | None]] = {
        Wanted.OVERDUE: (None, now_us),
        Wanted.TODAY: (now_us, tomorrow_us),
        Wanted.COMING: (tomorrow_us, None),
    }
    since_us, until_us = span.get(wanted, (None, None))
    own = ask.scope.areas(roll)
    return FollowUpFilter(
        district=roll.district.code,
        state=Doing.WAITING if wanted in span else wanted,
        due_from_us=since_us,
        due_until_us=until_us,
        seen_in=None if own is None else sorted(own),
        **more,
    )


async def listing(ask: Ask) -> Answer:
    """A page of follow-ups; what waits longest above."""
    roll, query = ask.roll(), ask.query
    area = query.get("area", "")
    wanted = filter_of(
        ask,
        roll,
        Wanted(query.get("state", Wanted.WAITING)),
        station=query.get("station"),
        resident=query.get("resident"),
        area_codes=sorted(roll.below(area)) if area and area != roll.district.code else None,
    )
    if "due" in query:
        begin_us, end_us = day_of(ask, roll, query["due"])
        since_us, until_us = wanted.due_from_us or begin_us, wanted.due_until_us or end_us
        wanted = replace(wanted, due_from_us=max(begin_us, since_us), due_until_us=min(end_us, until_us))
    ask.where = (roll.district.code, area or ask.access.area)
    try:
        found, cursor = await FollowUps(ask.rooms.store).page(wanted, ask.cursor, ask.limit)
    except (ValueError, OverflowError):
        raise wrong("cursor", "is none that we gave") from None
    return Answer({"items": await shown(ask, found), "next": cursor})


async def shown(ask: Ask, found: Sequence[FollowUp]) -> list[dict[str, Any]]:
    """As the API shows them, as far as each is for this asker's eyes."""
    notes = await FollowUps(ask.rooms.store).notes(found)
    return [_view(ask, one, await _call(ask, one), notes) for one in found]


async def _call(ask: Ask, one: FollowUp) -> dict[str, Any]:
    call = await ask.rooms.board.get(one.call)
    view = {} if call is None else without_door_code(await ask.rooms.board.view(call))
    return mask_call(view) if masks(ask.access) and one.state is not Doing.WAITING else view


def _view(ask: Ask, one: FollowUp, call: Mapping[str, Any], notes: Mapping[str, str]) -> dict[str, Any]:
    roll = ask.scope.rolls.by_code.get(one.district)
    staff = {} if roll is None else roll.staff
    station = None if roll is None else roll.stations.get(one.station)
    return {
        "id": one.call,
        "call": one.call,
        "district": one.district,
        "area": one.area or None,
        "station": one.station,
        "station_name": station.name or None if station is not None else None,
        "resident": call.get("resident"),
        "caller": call.get("caller"),
        "kind": call.get("kind"),
        "outcome": (call.get("closed") or {}).get("outcome"),
        "closed": when(one.closed_us),
        "from": when(one.from_us),
        "due": when(one.due_us),
        "state": one.state,
        "overdue": one.state is Doing.WAITING and one.due_us < ask.now_us,
        "result": one.result or None,
        "done": None if one.done_us is None else when(one.done_us),
        "tries": [
            {
                "by": past.by,
                "name": staff[past.by].name or None if past.by in staff else None,
                "at": when(past.at_us),
                "result": past.result,
                "note": notes.get(past.text) if past.text else None,
            }
            for past in one.tries
        ],
    }


async def _in_sight(ask: Ask) -> FollowUp:
    one = await FollowUps(ask.rooms.store).get(ask.path["id"])
    roll = None if one is None else ask.scope.rolls.by_code.get(one.district)
    if one is None or roll is None or not ask.scope.sees_area(roll, one.area):
        raise not_found("follow-up")
    ask.where = (one.district, one.area)
    return one


async def one(ask: Ask) -> Answer:
    """One follow-up."""
    return Answer((await shown(ask, [await _in_sight(ask)]))[0])


async def done(ask: Ask) -> Answer:
    """Somebody asked how she is, or tried. The same person's second word on it is the same one."""
    found = await _in_sight(ask)
    body: FollowUpBody = ask.body
    last = found.tries[-1] if found.tries else None
    if found.state is Doing.WAITING or last is None or (last.by, last.result) != (ask.access.by, body.result):
        command = commands.FollowUp(
            by=ask.access.by, station=acting_for(ask.access), result=body.result, text=body.note or ""
        )
        decided = await decision(ask, command, found.call, found.district)
        if decided.status != 200:
            raise Problem(decided.status, decided.why, code=decided.code)
        found = await FollowUps(ask.rooms.store).get(found.call) or found
    return Answer((await shown(ask, [found]))[0])


_COMMON: dict[str, Any] = {"tag": "followups", "roles": STAFFED}

ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/followups",
        name="listFollowUps",
        en="Who is to be asked how they are, on the day after an emergency; what is due first above",
        zh="回访列表：紧急求救次日回访，先到期的在前",
        handle=listing,
        query=(
            Query(
                "state",
                "waiting (coming, today and overdue together, where nothing is asked for), one of these, or what is over",
                choices=tuple(Wanted),
            ),
            Query("due", "due on this day, by the district's clock, such as 2026-11-25"),
            Query("station", "this station's task"),
            Query("area", "of calls in this area or below it"),
            Query("resident", "of this resident"),
            *PAGING,
            DISTRICT,
        ),
        answer=listed({"$ref": "#/components/schemas/FollowUpView"}),
        audit=Act.LIST,
        **_COMMON,
    ),
    Endpoint(
        method="GET",
        path="/followups/{id}",
        name="getFollowUp",
        en="The follow-up of one call, by the call's id",
        zh="某次呼叫的回访",
        handle=one,
        answer=FollowUpView,
        audit=Act.LOOK,
        **_COMMON,
    ),
    Endpoint(
        method="POST",
        path="/followups/{id}/done",
        name="followUp",
        en="How she is; `not_reached` is tried again on the next day, three times at most",
        zh="登记回访结果；未联系上的次日再访，最多三次",
        handle=done,
        body=FollowUpBody,
        answer=FollowUpView,
        statuses={200: "Written down", 409: "It is over, or the call is open again"},
        writes=True,
        **_COMMON,
    ),
)
