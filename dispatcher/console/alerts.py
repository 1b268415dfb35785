"""Messages: every one that was sent or is to be, its fate, and sending one again."""

from __future__ import annotations

from msgspec import Struct

from dispatcher.alert_board import AlertFilter, AlertRow, view_alert
from dispatcher.console.access import STAFFED
from dispatcher.console.endpoint import DISTRICT, PAGING, Act, Answer, Ask, Endpoint, Query
from dispatcher.console.problems import Problem, not_found, wrong
from dispatcher.console.shapes import listed
from dispatcher.core.alert import Channel, Fate
from dispatcher.core.district import Role

#: A narrow scope in a large district: look through so many pages for what it may see, then give what there is.
_ROUNDS_MAX = 20


class AlertView(Struct):
    """A message: `to` is a webhook, a contact (`resident/index`), a person of the staff or a station."""

    id: str
    district: str
    call: str | None
    fact: str
    seq: int
    at: str
    kind: str
    channel: str
    to: str
    fate: str
    tries: int
    last_at: str | None
    next_at: str | None
    provider: str | None
    provider_id: str | None
    why: str | None


async def listing(ask: Ask) -> Answer:
    """A page of messages, newest first."""
    roll = ask.roll()
    call = ask.query.get("call")
    own = ask.scope.areas(roll)
    # What a station was asked to is wherever it is: sorted out afterwards.
    narrow = own is not None and ask.access.role is not Role.STATION
    filter_ = AlertFilter(
        district=roll.district.code,
        call=call,
        fate=ask.query.get("fate"),
        channel=ask.query.get("channel"),
        target=ask.query.get("to"),
        area_codes=sorted(own) if own is not None and narrow else None,
    )
    if call is not None:
        found_call = await ask.rooms.board.get(call)
        if found_call is None or not ask.scope.sees_call(found_call):
            raise not_found("call")
    if not ask.scope.sees_news_to(roll, ask.query.get("to", "")):
        return Answer({"items": [], "next": None})
    found: list[AlertRow] = []
    cursor = ask.cursor
    for _round in range(_ROUNDS_MAX):
        try:
            page, cursor = await ask.rooms.alerts.page(filter_, cursor, ask.limit - len(found))
        except ValueError:
            raise wrong("cursor", "is none that we gave") from None
        found += [row for row in page if own is None or await _sees(ask, row)]
        if cursor is None or len(found) >= ask.limit:
            break
    return Answer({"items": [view_alert(row) for row in found], "next": cursor})


async def again(ask: Ask) -> Answer:
    """Send a message again that has come to an end, under the same id."""
    row = await ask.rooms.alerts.get(ask.path["id"])
    if row is None or not await _sees(ask, row):
        raise not_found("alert")
    ask.where = (row.district, row.area)
    if not await ask.rooms.alerts.again(row.id):
        raise Problem(409, "this message is still on its way by itself")
    sent = await ask.rooms.alerts.get(row.id)
    return Answer(view_alert(sent or row))


async def _sees(ask: Ask, row: AlertRow) -> bool:
    roll = ask.scope.rolls.by_code.get(row.district)
    if roll is None:
        return False
    if not ask.scope.sees_news_to(roll, row.target):
        return False
    if ask.scope.sees_area(roll, row.area):
        return True
    call = await ask.rooms.board.get(row.call) if row.call is not None else None
    return call is not None and ask.scope.sees_call(call)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/alerts",
        name="listAlerts",
        tag="alerts",
        en="Messages and their fate, newest first",
        zh="通知列表及其结果，新的在前",
        handle=listing,
        roles=STAFFED,
        query=(
            Query("call", "about this call"),
            Query("fate", "with this fate", choices=tuple(Fate)),
            Query("channel", "by this channel", choices=tuple(Channel)),
            Query("to", "to this webhook, contact, person or station"),
            *PAGING,
            DISTRICT,
        ),
        answer=listed({"$ref": "#/components/schemas/AlertView"}),
    ),
    Endpoint(
        method="POST",
        path="/alerts/{id}/resend",
        name="resendAlert",
        tag="alerts",
        en="Send a message again, under the same id",
        zh="重新发送一条通知（编号不变）",
        handle=again,
        roles=STAFFED,
        answer=AlertView,
        statuses={409: "Still on its way by itself"},
        writes=True,
        keyed=True,
        audit=Act.CHANGE,
    ),
)
