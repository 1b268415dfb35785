"""Shifts that ended without a hand-over: nobody is on duty there any more, and calls in their hands are still open.

    GET /handovers/missing      {"items":[{"station","station_name","area","calls"}]}

Nothing is kept for it: what it tells is so now, and ends when somebody comes on duty, hands over, or the calls are closed.
A hand-over that was given and that nobody took is told by `GET /handovers?state=late`.
"""

from __future__ import annotations

from msgspec import Struct

from dispatcher.console.access import STAFFED
from dispatcher.console.endpoint import DISTRICT, Answer, Ask, Endpoint
from dispatcher.console.shapes import listed
from dispatcher.handovers import HandoverFilter, Handovers

_STATIONS_MAX = 50


class GapView(Struct, frozen=True, kw_only=True):
    """A station that was left; `calls`: so many in its hands are open."""

    station: str
    station_name: str | None
    area: str | None
    calls: int


async def missing(ask: Ask) -> Answer:
    """The stations in sight that were left so."""
    roll, scope = ask.roll(), ask.scope
    rows = Handovers(ask.rooms.store, ask.rooms.clock, ask.rooms.ids)
    left: list[GapView] = []
    for station_id, staff in sorted(roll.staff_at.items()):
        station = roll.stations.get(station_id)
        if station is None or not staff or staff & roll.on_duty or not scope.sees_station(roll, station_id):
            continue
        if not (calls := ask.rooms.board.held_by(roll.district.code, station_id)):
            continue
        given, _ = await rows.page(HandoverFilter(district=roll.district.code, station=station_id), None, 1)
        if given and given[0].taken_by is None:
            continue  # it waits to be taken: that is told as late, when it is
        left.append(
            GapView(
                station=station_id,
                station_name=station.name or None,
                area=station.area or None,
                calls=calls,
            )
        )
    return Answer({"items": left[:_STATIONS_MAX], "next": None})


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/handovers/missing",
        name="listMissingHandovers",
        tag="handovers",
        en="Stations where nobody is on duty any more, with calls in their hands and nothing handed over",
        zh="已无人在岗、手上还有未结呼叫却没有交班的站点",
        handle=missing,
        roles=STAFFED,
        query=(DISTRICT,),
        answer=listed({"$ref": "#/components/schemas/GapView"}),
    ),
)
