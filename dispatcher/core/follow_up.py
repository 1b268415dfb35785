"""Following up: every emergency is asked after on the next day, by somebody with a name and a time.

    call.closed 24 Nov 21:40    ->  st-01 telephones on 25 Nov, 10:00 to 18:00 of the district's clock
    `not_reached`               ->  again on the 26th, and on the 27th; then it is over, and says so
    call.reopened               ->  withdrawn; the next close makes another one

The follow-up of a call has the call's id: a call has one. Pure, like all of the core.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from config.doors import from_us, to_us
from dispatcher.core.call import Call, Closed, Entry, FollowedUp, Outcome
from dispatcher.core.roll import Roll
from dispatcher.core.supervise import nearest_station

#: By day, after breakfast and before supper: people who were in need in the night must not be rung out of their sleep,
#: and whoever is asked has an afternoon to go there.
FROM, UNTIL = time(10), time(18)
#: Somebody who cannot be reached is tried on so many days.
TRIES_MAX = 3
#: A test was no need, a duplicate is followed up by the call that it is one of.
_NEEDS_NONE = frozenset({Outcome.TEST, Outcome.DUPLICATE})


class Result(StrEnum):
    """How she is."""

    WELL = "well"
    NEEDS_CARE = "needs_care"
    HOSPITAL = "hospital"
    MOVED = "moved"
    DIED = "died"
    DECLINED = "declined"
    NOT_REACHED = "not_reached"


class Doing(StrEnum):
    """Where a follow-up is."""

    WAITING = "waiting"
    DONE = "done"
    WITHDRAWN = "withdrawn"


class Try(Struct, frozen=True, gc=False, omit_defaults=True):
    """Somebody tried; `text` is the id of what they wrote."""

    by: str
    at_us: int
    result: str
    text: str = ""


class FollowUp(Struct, frozen=True, gc=False, kw_only=True):
    """One follow-up; `from_us` and `due_us` are of the coming try, or of the last one where it is over."""

    call: str
    district: str
    area: str
    station: str  #: whose task it is
    resident: str | None
    closed_us: int
    from_us: int
    due_us: int
    state: Doing = Doing.WAITING
    done_us: int | None = None
    result: str = ""
    tries: tuple[Try, ...] = ()


def day_after(us: int, zone: ZoneInfo) -> tuple[int, int]:
    """From when to when somebody is to ask, on the day after this moment, by the clock on the district's walls."""
    day = from_us(us).astimezone(zone).date() + timedelta(days=1)
    begin, end = (to_us(datetime.combine(day, hour, zone)) for hour in (FROM, UNTIL))
    return begin, end


def owner(call: Call, roll: Roll) -> str:
    """Whose task it is: the station that took the call, where it is theirs to know; else the one of her community.

    A station sees the calls of its own area, and those elsewhere only until they are closed (contract, section 4):
    whoever came from elsewhere hands her back to the nearest station of her community, of her street, or the desk.
    """
    station = roll.stations.get(call.accepted.station) if call.accepted is not None else None
    if station is not None:
        theirs = roll.district.code if station.id == roll.desk().id else station.area
        if theirs and roll.within(call.area, theirs):
            return station.id
    return nearest_station(roll, call.area, roll.residents.get(call.resident or ""))


def planned(entry: Entry, call: Call, roll: Roll) -> FollowUp | None:
    """What a close asks for: nothing, where it was no emergency."""
    fact = entry.fact
    if not isinstance(fact, Closed) or call.key != "emergency" or call.test or fact.outcome in _NEEDS_NONE:
        return None
    from_us, due_us = day_after(entry.at_us, roll.zone)
    return FollowUp(
        call=call.id,
        district=call.district,
        area=call.area,
        station=owner(call, roll),
        resident=call.resident,
        closed_us=entry.at_us,
        from_us=from_us,
        due_us=due_us,
    )


def followed(before: FollowUp, fact: FollowedUp, at_us: int, zone: ZoneInfo) -> FollowUp:
    """The follow-up after somebody tried."""
    tries = (*before.tries, Try(by=fact.by, at_us=at_us, result=fact.result, text=fact.text))
    if fact.due_us is None:
        return replace(before, tries=tries, state=Doing.DONE, done_us=at_us, result=fact.result)
    from_us, due_us = day_after(at_us, zone)
    return replace(before, tries=tries, from_us=from_us, due_us=due_us)


def asked(before: FollowUp, *, by: str, result: str, text: str, now_us: int, zone: ZoneInfo) -> FollowedUp:
    """What is told of a try: that it is over, or by when there is another."""
    attempt = len(before.tries) + 1
    again = result == Result.NOT_REACHED and attempt < TRIES_MAX
    more: dict[str, Any] = {"due_us": day_after(now_us, zone)[1]} if again else {}
    return FollowedUp(by=by, result=result, attempt=attempt, text=text, **more)
