"""Coverage: for each community, who is able to come now."""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec import Struct

from dispatcher.console.access import STAFFED
from dispatcher.console.endpoint import DISTRICT, PAGING, Answer, Ask, Endpoint, Query
from dispatcher.console.register import after_cursor, cursor_of
from dispatcher.console.shapes import PassedOverView, listed
from dispatcher.core.roll import Roll
from dispatcher.coverage import Covering
from dispatcher.view import when


class AbleView(Struct):
    """A station that could come: `on_call` = somebody has the phone at home."""

    station: str
    tier: int
    travel_seconds: float
    on_call: bool


class CoverView(Struct):
    """A community: the nearest of `count` that could come now, and the nearer ones that could not.

    `state`: covered, thin (the nearest needs longer than the goal) or lost (nobody below the desk), `since` then.
    `next_change`: when the first of the stations named here opens or closes by its hours.
    """

    area: str
    name: str | None
    able: list[AbleView]
    count: int
    state: str
    since: str
    passed_over: list[PassedOverView]
    next_change: str | None


async def listing(ask: Ask) -> Answer:
    """The communities in sight, by code."""
    roll = ask.roll()
    within: str = ask.query.get("area", "")
    after = after_cursor(ask.cursor)
    known = ask.rooms.coverage.of(roll)
    codes = sorted(
        code
        for code in known
        if code > after
        and code in roll.areas
        and ask.scope.sees_area(roll, code)
        and (not within or roll.within(code, within))
    )
    items: list[dict[str, Any]] = []
    for code in codes[: ask.limit]:
        items.append(_shown(ask, roll, known[code]))
        await asyncio.sleep(0)
    more = cursor_of(codes[ask.limit - 1]) if len(codes) > ask.limit else None
    return Answer({"items": items, "next": more})


def _shown(ask: Ask, roll: Roll, covering: Covering) -> dict[str, Any]:
    cover = covering.cover
    area = roll.areas.get(cover.area)
    next_us = ask.rooms.coverage.next_change_us(roll, cover)
    return {
        "area": cover.area,
        "name": area.name or None if area is not None else None,
        "able": [one._asdict() for one in cover.able],
        "count": cover.count,
        "state": cover.state,
        "since": when(covering.since_us),
        "passed_over": [{"station": one.station, "reason": one.reason} for one in cover.passed_over],
        "next_change": None if next_us is None else when(next_us),
    }


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/coverage",
        name="listCoverage",
        tag="coverage",
        en="For each community who is able to come now, nearest first",
        zh="各社区此刻的救助力量，近的在前",
        handle=listing,
        roles=STAFFED,
        query=(Query("area", "in this area or below it"), *PAGING, DISTRICT),
        answer=listed({"$ref": "#/components/schemas/CoverView"}),
    ),
)
