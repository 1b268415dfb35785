"""Calls: the list, one call, its ledger, and opening one by hand."""

from __future__ import annotations

from typing import Any

from config.doors import to_us
from devices.signal import Key
from dispatcher.console.access import STAFFED
from dispatcher.console.endpoint import DISTRICT, PAGING, Act, Answer, Ask, Endpoint, Kind, Query
from dispatcher.console.masking import shown_call
from dispatcher.console.problems import not_found, wrong
from dispatcher.console.register import paged
from dispatcher.console.rooms import CallFilter
from dispatcher.console.shapes import CallView, OpenBody, listed
from dispatcher.console.steps import acting_for, asked, placed
from dispatcher.core.call import Call, State
from dispatcher.core.commands import OpenByHand, Place
from dispatcher.core.district import Role
from dispatcher.core.roll import Roll

#: A narrow scope in a large district: look through so many pages of at least so many open calls for what it may see,
#: then give what there is.
_ROUNDS_MAX = 20
_LOOK_MIN = 250
#: They see open calls outside their area too: those they are asked to.
_ASKED = frozenset({Role.STATION, Role.VOLUNTEER})


async def listing(ask: Ask) -> Answer:
    """A page of calls, newest first."""
    roll = ask.roll()
    query = ask.query
    own = ask.scope.areas(roll)
    filter_ = CallFilter(
        district=roll.district.code,
        state=query.get("state"),
        key=query.get("key"),
        station=query.get("station"),
        area_codes=_areas(ask, roll, own),
        past_codes=sorted(own) if own is not None and ask.access.role in _ASKED else None,
        resident=query.get("resident"),
        device=query.get("device"),
        test=query.get("test"),
        since_us=query.get("since"),
        until_us=query.get("until"),
    )
    # Those of an area look into their own areas only: all that is found there they see.
    all_seen = own is None or ask.access.role not in _ASKED
    found, more = await _looked_through(ask, filter_, all_seen=all_seen)
    ask.where = (roll.district.code, query.get("area") or ask.access.area)
    items = [shown_call(ask, call, await ask.rooms.board.view(call)) for call in found]
    return Answer({"items": items, "next": more})


async def _looked_through(ask: Ask, wanted: CallFilter, *, all_seen: bool) -> tuple[list[Call], str | None]:
    """So many calls in sight, and where to go on. The place to go on at names no call that is out of sight."""
    board, limit = ask.rooms.board, ask.limit
    found: list[Call] = []
    page: list[Call] = []
    cursor = ask.cursor
    for _round in range(_ROUNDS_MAX):
        try:
            page, cursor = await board.page(wanted, cursor, limit if all_seen else max(limit, _LOOK_MIN))
        except (ValueError, OverflowError):
            raise wrong("cursor", "is none that we gave") from None
        found += [call for call in page if ask.scope.sees_call(call)]
        if len(found) > limit or (len(found) == limit and cursor is not None):
            return found[:limit], board.cursor_after(found[limit - 1])
        if cursor is None:
            return found, None
    return found, board.cursor_after(found[-1]) if found else board.cursor_near(page[-1])


def _areas(ask: Ask, roll: Roll, own: frozenset[str] | None) -> list[str] | None:
    """The areas to look in. What a station or a volunteer was asked to is wherever it is: sorted out afterwards."""
    area: str = ask.query.get("area", "")
    asked: set[str] | None = None
    if area and area != roll.district.code:
        asked = roll.below(area)
    if own is not None and ask.access.role not in _ASKED:
        asked = set(own) if asked is None else asked & own
    return None if asked is None else sorted(asked)


async def one(ask: Ask) -> Answer:
    """One call."""
    call = await seen(ask)
    return Answer(shown_call(ask, call, await ask.rooms.board.view(call)))


async def journal(ask: Ask) -> Answer:
    """Its facts, oldest first."""
    call = await seen(ask)
    facts = await ask.rooms.board.history(call.id)
    roll = ask.scope.rolls.by_code.get(call.district)
    if roll is not None and not ask.scope.sees_all(roll):
        facts = [fact for fact in facts if ask.scope.sees_news_to(roll, str(fact.get("to", "")))]
    return paged(ask, facts)


async def seen(ask: Ask) -> Call:
    """The call of the path, where the asker may see it."""
    call = await ask.rooms.board.get(ask.path["id"])
    if call is None or not ask.scope.sees_call(call):
        raise not_found("call")
    ask.where = (call.district, call.area)
    return call


async def opened(ask: Ask) -> Answer:
    """Open a call by hand."""
    body: OpenBody = ask.body
    asked_for = ask.roll()
    place = Place(
        name=body.name or "",
        phone=body.phone or "",
        address=body.address or "",
        location=placed(body.location),
    )
    named = place != Place()
    if body.resident:
        roll = ask.scope.rolls.roll_of("residents", body.resident)
        resident = None if roll is None else roll.residents[body.resident]
        if roll is None or resident is None or not ask.scope.sees_resident(roll, resident):
            raise wrong("resident", "no such resident")
        area = ""
    else:
        roll = asked_for
        area = body.area or _own_area(ask, roll)
        if not named and not body.area:
            raise wrong(
                "resident", "a resident, or a name, a phone, an address, an area or a location is needed"
            )
    if body.area:
        if body.area not in roll.areas or not ask.scope.sees_area(roll, body.area):
            raise wrong("area", "no such area")
        area = body.area
    command = OpenByHand(
        by=ask.access.by,
        station=acting_for(ask.access),
        at_us=None if body.at is None else to_us(body.at),
        key=body.key,
        resident=body.resident,
        area=area,
        place=place if named else None,
        text=body.note or "",
    )
    return await asked(ask, command, None, roll.district.code)


def _own_area(ask: Ask, roll: Roll) -> str:
    """Where a call belongs that somebody with a narrow scope opens without saying: in their sight."""
    if ask.scope.sees_all(roll):
        return ""
    station = roll.stations.get(ask.access.station)
    return ask.access.area or (station.area if station is not None else "")


_STATES = ("open", *State)
_LIST: dict[str, Any] = listed({"$ref": "#/components/schemas/CallView"})

ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/calls",
        name="listCalls",
        tag="calls",
        en="Calls, newest first",
        zh="呼叫列表，新的在前",
        handle=listing,
        query=(
            Query("state", "`open`, or one state", choices=_STATES),
            Query("key", "the key that was pressed", choices=tuple(Key)),
            Query("station", "offered to, or held by, this station"),
            Query("area", "in this area or below it"),
            Query("resident", "of this resident"),
            Query("device", "of this device"),
            Query("test", "tests only, or none", Kind.FLAG),
            Query("since", "opened at or after this time", Kind.MOMENT),
            Query("until", "opened before this time", Kind.MOMENT),
            *PAGING,
            DISTRICT,
        ),
        answer=_LIST,
        audit=Act.LIST,
    ),
    Endpoint(
        method="POST",
        path="/calls",
        name="openCall",
        tag="calls",
        en="Open a call by hand: somebody telephoned",
        zh="手工建呼叫（来电 12349）",
        handle=opened,
        roles=STAFFED,
        query=(DISTRICT,),
        body=OpenBody,
        answer=CallView,
        statuses={201: "Opened", 200: "Joined the open call of that key, or a repeat"},
        writes=True,
    ),
    Endpoint(
        method="GET",
        path="/calls/{id}",
        name="getCall",
        tag="calls",
        en="One call",
        zh="呼叫详情",
        handle=one,
        answer=CallView,
        audit=Act.LOOK,
    ),
    Endpoint(
        method="GET",
        path="/calls/{id}/journal",
        name="getCallJournal",
        tag="calls",
        en="Its ledger: every fact, oldest first",
        zh="呼叫台账：全部事实，旧的在前",
        handle=journal,
        query=PAGING,
        answer=listed({"type": "object"}),
        audit=Act.LOOK,
    ),
)
