"""The register through the door: stations, residents, devices, staff, areas, webhooks, policies.

`PUT` takes what `GET` gave. Reading is bound by scope, writing is for the district; the rules about what hangs together
are the register's own (`dispatcher.core.district_check`).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Struct

from config.doors import from_us
from devices.signal import Key
from dispatcher.console.access import STAFFED, WHOLE
from dispatcher.console.endpoint import DISTRICT, PAGING, Act, Answer, Ask, Endpoint, Query
from dispatcher.console.endpoint import Kind as QueryKind
from dispatcher.console.masking import put_back, shown_resident
from dispatcher.console.problems import Problem, not_found, wrong
from dispatcher.console.shapes import DeviceView, StaffView, StationView, counted, listed
from dispatcher.core.district import Area, Device, Policy, Resident, Role, Staff, Station, Webhook
from dispatcher.core.roll import Item, Roll
from dispatcher.finding import SECTIONS as SEARCHED
from dispatcher.view import when

_CURSOR_CHARACTERS_MAX = 512


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of thing in the register: its section in the district file, its shape, what its lists can be asked by."""

    section: str
    shape: Any
    one: str
    zh: str
    readers: frozenset[Role] = STAFFED
    id_name: str = "id"
    asked_by: tuple[str, ...] = ()
    people: bool = False  #: looks at them are written down
    view: type[Struct] | None = None  #: where more is told than is written

    @property
    def told(self) -> type[Struct]:
        """The shape of what is told of one."""
        return self.view or self.shape


_BY = {
    "area": Query("area", "in this area or below it"),
    "resident": Query("resident", "of this resident"),
    "station": Query("station", "of this station"),
}

_SEARCH = (
    Query(
        "search",
        "by name, pinyin or its initials, telephone, address, id, its area or station; what fits best comes first",
    ),
)
_TOTAL = Query("total", "tell how many there are in all, too", QueryKind.FLAG)
#: So many are counted before the loop gets its turn.
_COUNTED_A_TURN = 500
_UNMASK = (
    Query(
        "unmask",
        "show what is masked for people who have logged in: numbers, or the door's code; that is written down",
        choices=("phone", "door_code"),
    ),
)

#: Told with an item, and not written: `PUT` takes what `GET` gave.
_TOLD = ("on_duty", "on_duty_since", "open_now", "resident_name")

KINDS = (
    Kind("stations", Station, "Station", "站点", asked_by=("area",), view=StationView),
    Kind("residents", Resident, "Resident", "老人", asked_by=("area",), people=True),
    Kind("devices", Device, "Device", "设备", asked_by=("area", "resident"), view=DeviceView),
    Kind("staff", Staff, "Staff", "人员", asked_by=("area", "station"), people=True, view=StaffView),
    Kind("areas", Area, "Area", "区域", id_name="code", asked_by=("area",)),
    # With their secrets: `PUT` takes what `GET` gave. So only for those who may write them.
    Kind("webhooks", Webhook, "Webhook", "推送地址", readers=WHOLE),
)


def cursor_of(item_id: str) -> str:
    """Where a list goes on after this id; opaque to others."""
    return base64.urlsafe_b64encode(item_id.encode()).decode().rstrip("=")


def after_cursor(cursor: str | None) -> str:
    """The id a cursor stands for. Raises Problem 400."""
    if cursor is None:
        return ""
    try:
        item_id = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error):
        raise wrong("cursor", "is none that we gave") from None
    if cursor_of(item_id) != cursor or len(cursor) > _CURSOR_CHARACTERS_MAX:
        raise wrong("cursor", "is none that we gave")
    return item_id


def shown_item(item: Item) -> dict[str, Any]:
    """An item with all that is said about it, what is so by default (`travel`, `hours`, `family`) too."""
    return {name: value for name, value in msgspec.structs.asdict(item).items() if value or value == 0}


def _shown_to(ask: Ask, item: Item, *, unmasked: str = "") -> dict[str, Any]:
    """The item as this asker may see it: which webhook a relative has is the district's matter."""
    if isinstance(item, Resident) and ask.access.role not in WHOLE:
        item = msgspec.structs.replace(
            item, contacts=[msgspec.structs.replace(contact, webhook="") for contact in item.contacts]
        )
    shown = shown_item(item)
    if isinstance(item, Resident):
        return shown_resident(ask.access, shown, but=unmasked)
    if isinstance(item, Station) and (home := ask.scope.rolls.roll_of("stations", item.id)) is not None:
        shown["open_now"] = home.is_open(item, from_us(ask.now_us))
    if isinstance(item, Device):
        roll = ask.scope.rolls.roll_of("devices", item.id)
        resident = roll.residents.get(item.resident) if roll is not None else None
        # Who sees the device sees its resident: it is of the resident's area.
        if (
            roll is not None
            and resident is not None
            and resident.name
            and ask.scope.sees_item(roll, resident)
        ):
            shown["resident_name"] = resident.name
    if isinstance(item, Staff):
        roll = ask.scope.rolls.roll_of("staff", item.id)
        on = roll is not None and item.id in roll.on_duty
        since_us = roll.on_duty_since_us.get(item.id) if roll is not None and on else None
        shown |= {"on_duty": on, "on_duty_since": None if since_us is None else when(since_us)}
    return shown


def paged(ask: Ask, items: Sequence[Any]) -> Answer:
    """A page of a list that only ever grows at its end. Raises Problem 400 on a cursor that is none."""
    place = after_cursor(ask.cursor) or "0"
    if not (place.isascii() and place.isdigit() and len(place) < 10):
        raise wrong("cursor", "is none that we gave")
    end = int(place) + ask.limit
    more = cursor_of(str(end)) if end < len(items) else None
    return Answer({"items": items[int(place) : end], "next": more})


def _listing(kind: Kind) -> Callable[[Ask], Any]:
    async def listing(ask: Ask) -> Answer:
        area = ask.query.get("area")
        others = {name: ask.query[name] for name in ("resident", "station") if name in ask.query}

        def keep(roll: Roll, item: Item) -> bool:
            if any(getattr(item, name) != value for name, value in others.items()):
                return False
            if area is not None and not roll.within(_area_of(roll, item), area):
                return False
            return ask.scope.sees_item(roll, item)

        roll = ask.roll()
        ask.where = (roll.district.code, area or ask.access.area)
        if "search" in ask.query:
            return await _searched(ask, kind, roll, keep)
        items, more = ask.rooms.register.page(
            kind.section, after_cursor(ask.cursor), ask.limit, keep, roll.district.code
        )
        body: dict[str, Any] = {
            "items": [_shown_to(ask, item) for item in items],
            "next": None if more is None else cursor_of(more),
        }
        if ask.query.get("total"):
            everyone = area is None and not others and ask.scope.sees_all(roll)
            body["total"] = await _counted(kind, roll, None if everyone else keep)
        return Answer(body)

    return listing


async def _counted(kind: Kind, roll: Roll, keep: Callable[[Roll, Item], bool] | None) -> int:
    """How many there are in all; of a large register in pieces, so that no press waits for it."""
    items: dict[str, Any] = getattr(roll, kind.section)
    if keep is None:
        return len(items)
    total = 0
    for place, item in enumerate(list(items.values()), 1):
        total += keep(roll, item)
        if place % _COUNTED_A_TURN == 0:
            await asyncio.sleep(0)
    return total


async def _searched(ask: Ask, kind: Kind, roll: Roll, keep: Callable[[Roll, Item], bool]) -> Answer:
    """What fits, the best first."""
    finder = ask.rooms.register.finder
    await finder.ready(roll, kind.section)
    items: dict[str, Any] = getattr(roll, kind.section)
    ids = finder.found(roll, kind.section, ask.query["search"])
    fit = [items[item_id] for item_id in ids if item_id in items and keep(roll, items[item_id])]
    body = paged(ask, fit).body
    total = {"total": len(fit)} if ask.query.get("total") else {}
    return Answer({**body, **total, "items": [_shown_to(ask, item) for item in body["items"]]})


def _area_of(roll: Roll, item: Item) -> str:
    match item:
        case Area():
            return item.code
        case Device():
            resident = roll.residents.get(item.resident)
            return resident.area if resident is not None else ""
        case Staff() if not item.area:
            station = roll.stations.get(item.station)
            return station.area if station is not None else ""
    return item.area


def in_sight(ask: Ask, section: str, item_id: str) -> tuple[Roll, Any]:
    """An item of the register and its district, where the asker may see it. Raises Problem 404."""
    roll = ask.scope.rolls.roll_of(section, item_id)
    if roll is not None:
        item = getattr(roll, section)[item_id]
        if ask.scope.sees_item(roll, item):
            ask.where = (roll.district.code, _area_of(roll, item))
            return roll, item
    raise not_found({kind.section: kind.one.lower() for kind in KINDS}[section])


def _getting(kind: Kind) -> Callable[[Ask], Any]:
    async def get(ask: Ask) -> Answer:
        item = in_sight(ask, kind.section, ask.path[kind.id_name])[1]
        return Answer(_shown_to(ask, item, unmasked=ask.query.get("unmask", "")))

    return get


def _putting(kind: Kind) -> Callable[[Ask], Any]:
    async def put(ask: Ask) -> Answer:
        item_id = ask.path[kind.id_name]
        home = ask.scope.rolls.roll_of(kind.section, item_id)
        roll = home if home is not None and "district" not in ask.query else ask.roll()
        if not ask.scope.sees_district(roll) or (home is not None and not ask.scope.sees_district(home)):
            raise Problem(403, "this is outside your scope")
        if home is not None and ask.request.headers.get("If-None-Match") == "*":
            raise Problem(412, f"{kind.id_name}: is already there", field=kind.id_name)
        members = {kind.id_name: item_id, **ask.members}
        if members[kind.id_name] != item_id:
            raise wrong(kind.id_name, "is not the one in the path")
        members = {name: value for name, value in members.items() if name not in _TOLD}
        if kind.section == "residents":
            kept = None if home is None else home.residents[item_id]
            members = put_back(ask.access, members, kept)
        item, new = await ask.rooms.register.put(
            kind.section, members, roll.district.code, ask.within, by=ask.access.by
        )
        roll = ask.scope.rolls.roll_of(kind.section, item_id) or roll
        ask.where = (roll.district.code, _area_of(roll, item))
        return Answer(_shown_to(ask, item), 201 if new else 200)

    return put


def _deleting(kind: Kind) -> Callable[[Ask], Any]:
    async def delete(ask: Ask) -> Answer:
        roll, _item = in_sight(ask, kind.section, ask.path[kind.id_name])
        await ask.rooms.register.delete(
            kind.section, ask.path[kind.id_name], roll.district.code, by=ask.access.by
        )
        return Answer(None, 204)

    return delete


# ── policies: by key, and there always is one ──────────────────────────────────────────────────────────────────────────


def _policy(roll: Roll, key: str) -> dict[str, Any]:
    return {"key": key, **msgspec.to_builtins(roll.policy(Key(key)))}


def _key(ask: Ask) -> Key:
    try:
        return Key(ask.path["key"])
    except ValueError:
        raise not_found("key") from None


async def _policies(ask: Ask) -> Answer:
    roll = ask.roll()
    return paged(ask, [_policy(roll, key) for key in Key])


async def _policy_get(ask: Ask) -> Answer:
    return Answer(_policy(ask.roll(), _key(ask)))


async def _policy_put(ask: Ask) -> Answer:
    key, roll = _key(ask), ask.roll()
    ask.where = (roll.district.code, "")
    members = dict(ask.members)
    if members.pop("key", key) != key:
        raise wrong("key", "is not the one in the path")
    await ask.rooms.register.put_policy(key, members, roll.district.code, by=ask.access.by)
    return Answer(_policy(roll, key))


async def _policy_delete(ask: Ask) -> Answer:
    key, roll = _key(ask), ask.roll()
    ask.where = (roll.district.code, "")
    if not await ask.rooms.register.delete_policy(key, roll.district.code, by=ask.access.by):
        raise not_found("policy: it is the default one")
    return Answer(None, 204)


def _endpoints(kind: Kind) -> Iterator[Endpoint]:
    path = f"/{kind.section}"
    item = {"$ref": f"#/components/schemas/{kind.told.__name__}"}
    common: dict[str, Any] = {"tag": kind.section}
    searched = kind.section in SEARCHED
    yield Endpoint(
        method="GET",
        path=path,
        name=f"list{kind.section.title()}",
        en=f"The {kind.section} in your scope, by {kind.id_name}",
        zh=f"{kind.zh}列表",
        handle=_listing(kind),
        roles=kind.readers,
        query=(
            *(_BY[name] for name in kind.asked_by),
            *(_SEARCH if searched else ()),
            *PAGING,
            _TOTAL,
            DISTRICT,
        ),
        answer=counted(item),
        audit=Act.LIST if kind.people else None,
        **common,
    )
    yield Endpoint(
        method="GET",
        path=f"{path}/{{{kind.id_name}}}",
        name=f"get{kind.one}",
        en=f"One of the {kind.section}",
        zh=f"{kind.zh}详情",
        handle=_getting(kind),
        roles=kind.readers,
        query=_UNMASK if kind.shape is Resident else (),
        answer=kind.told,
        audit=Act.LOOK if kind.people else None,
        **common,
    )
    yield Endpoint(
        method="PUT",
        path=f"{path}/{{{kind.id_name}}}",
        name=f"put{kind.one}",
        en=f"Add or replace one of the {kind.section}",
        zh=f"新增或更新{kind.zh}",
        handle=_putting(kind),
        roles=WHOLE,
        query=(DISTRICT,),
        body=kind.told,
        answer=kind.told,
        statuses={
            200: "Replaced",
            201: "Added",
            412: "It is there already, and `If-None-Match: *` asked for a new one",
        },
        writes=True,
        keyed=True,
        new_only=True,
        audit=Act.CHANGE,
        **common,
    )
    yield Endpoint(
        method="DELETE",
        path=f"{path}/{{{kind.id_name}}}",
        name=f"delete{kind.one}",
        en=f"Take one of the {kind.section} away",
        zh=f"删除{kind.zh}",
        handle=_deleting(kind),
        roles=WHOLE,
        statuses={204: "Gone", 409: "Something needs it: `call` is the open call that does"},
        writes=True,
        keyed=True,
        audit=Act.REMOVE,
        **common,
    )


_POLICY: dict[str, Any] = {"tag": "policies"}

ENDPOINTS = (
    *(endpoint for kind in KINDS for endpoint in _endpoints(kind)),
    Endpoint(
        method="GET",
        path="/policies",
        name="listPolicies",
        en="How calls of each key escalate",
        zh="预案列表",
        handle=_policies,
        roles=STAFFED,
        query=(*PAGING, DISTRICT),
        answer=listed({"$ref": "#/components/schemas/Policy"}),
        **_POLICY,
    ),
    Endpoint(
        method="GET",
        path="/policies/{key}",
        name="getPolicy",
        en="How calls of this key escalate",
        zh="预案详情",
        handle=_policy_get,
        roles=STAFFED,
        query=(DISTRICT,),
        answer=Policy,
        **_POLICY,
    ),
    Endpoint(
        method="PUT",
        path="/policies/{key}",
        name="putPolicy",
        en="Change how calls of this key escalate; open calls keep the policy they were opened with",
        zh="修改预案（已有呼叫不变）",
        handle=_policy_put,
        roles=WHOLE,
        query=(DISTRICT,),
        body=Policy,
        answer=Policy,
        statuses={200: "Replaced"},
        writes=True,
        keyed=True,
        audit=Act.CHANGE,
        **_POLICY,
    ),
    Endpoint(
        method="DELETE",
        path="/policies/{key}",
        name="deletePolicy",
        en="Go back to the default policy of this key",
        zh="恢复默认预案",
        handle=_policy_delete,
        roles=WHOLE,
        query=(DISTRICT,),
        statuses={204: "Gone"},
        writes=True,
        keyed=True,
        audit=Act.REMOVE,
        **_POLICY,
    ),
)
