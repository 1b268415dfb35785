"""The people of a made-up district: residents with their relatives and devices, and those who work for them."""

from __future__ import annotations

import base64
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from simulators import names
from simulators.geography import offset, to_bd09, to_gcj02
from simulators.places import Estate, Ground, Row, spot

_BIRTH_YEARS = tuple(range(1928, 1967))
#: Most who have a button are between 70 and 88 years old.
_BIRTH_WEIGHTS = tuple(accumulate(max(0.05, 1 - abs(year - 1945) / 20) for year in _BIRTH_YEARS))

_NOTES = (
    *("独居", "高血压", "糖尿病", "听力差，请大声说话", "行动不便，使用轮椅", "有心脏支架", "钥匙在门卫处"),
    *("门牌被遮挡，走东侧单元门", "轻度认知障碍", "夜间易跌倒", "长期吸氧", "视力弱", "老两口同住"),
    *("子女在外地", "需先打电话再上门", "对青霉素过敏"),
)

_RELATIONS = ("daughter", "son", "spouse", "daughter_in_law", "grandchild", "niece", "neighbour")
_RELATION_WEIGHTS = tuple(accumulate((32, 34, 12, 7, 6, 3, 6)))
_NEWS: tuple[list[str], ...] = (
    ["opened", "accepted", "on_scene", "closed"],
    ["opened", "unanswered", "closed"],
    ["unanswered"],
    ["accepted", "closed"],
    ["opened", "unanswered", "accepted", "on_scene", "closed"],
)
_NEWS_WEIGHTS = tuple(accumulate((30, 30, 20, 12, 8)))

#: Who may live abroad, and how many of them do; and how many contacts have an app that hears by webhook.
_GO_ABROAD = frozenset({"daughter", "son", "grandchild"})
_ABROAD = 0.05
_APP, _APP_ABROAD = 0.02, 0.5

_HEARTBEAT_SECONDS = 900
_HUB_HEARTBEAT_SECONDS = 30
#: What one hub can hold: its radio repeats take turns.
_BUTTONS_A_HUB = 120


@dataclass(slots=True)
class Homes:
    """Residents and their devices, as they grow."""

    residents: list[Row] = field(default_factory=list)
    devices: list[Row] = field(default_factory=list)


def homes(
    chance: random.Random,
    estates: Sequence[Estate],
    communities: Sequence[str],
    *,
    residents: int,
    hubs: int,
    prefix: str,
) -> Homes:
    """So many residents, spread over the estates; the communities with a hub have radio buttons behind it."""
    found = Homes()
    chosen = chance.sample(range(len(communities)), k=min(hubs, len(communities)))
    hub_of = {community: number for number, community in enumerate(chosen, 1)}
    for community, number in hub_of.items():
        found.devices.append(_hub(number, prefix, communities[community]))
    behind = dict.fromkeys(hub_of.values(), 0)
    buttons = 0
    # A popular estate has three times the elderly of a new one.
    where = chance.choices(estates, [chance.uniform(0.5, 1.5) for _ in estates], k=residents)
    for index, estate in enumerate(where, 1):
        resident = _resident(chance, f"{prefix}r-{index:05d}", estate)
        found.residents.append(resident)
        hub = hub_of.get(estate.community)
        for _ in range(chance.choices((1, 2), (90, 10))[0]):
            if hub is not None and behind[hub] < _BUTTONS_A_HUB and chance.random() < 0.8:
                behind[hub] += 1
                device = _radio_button(hub, behind[hub], prefix)
            else:
                buttons += 1
                device = {"id": f"{prefix}btn-{buttons:05d}", "heartbeat": _HEARTBEAT_SECONDS}
            found.devices.append({"family": "native", **device, "resident": resident["id"]})
    return found


def _hub(number: int, prefix: str, community: str) -> Row:
    hub = f"{prefix}hub-{number:02d}"
    return {
        "id": hub,
        "family": "yj_line",
        "address": hub,
        "heartbeat": _HUB_HEARTBEAT_SECONDS,
        "name": f"{community}主机",
    }


def _radio_button(hub: int, number: int, prefix: str) -> Row:
    # No heartbeat: a plain radio button cannot be supervised, only its hub can.
    return {
        "id": f"{prefix}yj-{hub:02d}-{number:03d}",
        "family": "yj_line",
        "address": f"{prefix}btn-{hub:02d}{number:04d}",
    }


def _resident(chance: random.Random, resident: str, estate: Estate) -> Row:
    birth_year = chance.choices(_BIRTH_YEARS, cum_weights=_BIRTH_WEIGHTS)[0]
    name, woman = names.elder(chance, birth_year)
    building = chance.randint(1, estate.buildings)
    row: Row = {
        "id": resident,
        "name": name,
        "phone": names.phone(chance),
        "address": f"{estate.address}{building}号楼{chance.randint(1, 4)}单元"
        f"{chance.randint(1, 7)}0{chance.randint(1, 3)}室",
        "area": estate.area,
        "birth_year": birth_year,
        "language": "zh-CN",
    }
    if (location := _location(chance, estate, building)) is not None:
        row["location"] = location
    if chance.random() < 0.6:
        row["notes"] = "；".join(chance.sample(_NOTES, k=chance.choice((1, 1, 2))))
    contacts: list[Row] = []
    for _ in range(chance.choices((1, 2, 3), (45, 40, 15))[0]):
        married = any(one["relation"] == "spouse" for one in contacts)
        contacts.append(_contact(chance, name, woman=woman, married=married))
    row["contacts"] = contacts
    door = random.Random(f"{resident}'s door")  # of its own, so that a town of a seed keeps its people
    if door.random() < 0.4:
        row["door_code"] = f"{door.randrange(10_000):04}#"
    return row


def _location(chance: random.Random, estate: Estate, building: int) -> Row | None:
    """Buildings stand in rows of five; some homes were never surveyed, some were picked on a shifted map."""
    draw = chance.random()
    if draw < 0.03:
        return None
    row, column = divmod(building - 1, 5)
    point = offset(
        estate.point, 24 * (column - 2) + chance.uniform(-8, 8), 30 * (row - 2) + chance.uniform(-8, 8)
    )
    if draw < 0.09:
        return spot(to_gcj02(point)) | {"datum": "gcj02"}
    if draw < 0.12:
        return spot(to_bd09(point)) | {"datum": "bd09"}
    return spot(point)


def _contact(chance: random.Random, elder: str, *, woman: bool, married: bool) -> Row:
    relation = chance.choices(_RELATIONS, cum_weights=_RELATION_WEIGHTS)[0]
    if relation == "spouse" and married:
        relation = "neighbour"  # one is enough
    if relation == "spouse":
        name = names.elder(chance, 1945)[0]
    else:
        # Children bear their father's name; the mother kept hers.
        family = elder[: 2 if len(elder) > 3 else 1]
        same = relation in {"daughter", "son"} and not woman
        sex = {"daughter": True, "daughter_in_law": True, "niece": True, "son": False}.get(relation)
        name = names.adult(chance, woman=sex, family_name=family if same else "")
    return {
        "name": name,
        "relation": relation,
        "phone": names.phone(chance),
        "on": list(chance.choices(_NEWS, cum_weights=_NEWS_WEIGHTS)[0]),
    }


def abroad(chance: random.Random, residents: Sequence[Row]) -> None:
    """Some children and grandchildren live abroad, and read English."""
    for resident in residents:
        for contact in resident["contacts"]:
            if contact["relation"] in _GO_ABROAD and chance.random() < _ABROAD:
                woman = {"daughter": True, "son": False}.get(contact["relation"])
                family = contact["name"][: 2 if len(contact["name"]) > 3 else 1]
                contact |= {"name": names.abroad(chance, family, woman=woman), "language": "en"}


def webhooks(
    chance: random.Random, residents: Sequence[Row], *, sink: str, code: str, prefix: str
) -> list[Row]:
    """One webhook that hears every call of the district, and one each for contacts who have an app beside texts.

    `sink` is the address before `/hooks/…`. A contact's webhook asks for no fact itself: it hears what its contact does.
    """

    def hook(name_of: str, events: list[str]) -> Row:
        secret = base64.b64encode(chance.randbytes(32)).decode()
        row: Row = {"id": f"{prefix}wh-{name_of}", "url": "", "secret": f"whsec_{secret}", "events": events}
        return row | {"url": f"{sink.rstrip('/')}/hooks/{row['id']}", "area": code}

    rows = [hook("district", ["call.*"])]
    for resident in residents:
        for place, contact in enumerate(resident["contacts"]):
            if chance.random() < (_APP_ABROAD if contact.get("language") else _APP):
                row = hook(f"{resident['id'].removeprefix(prefix)}-{place}", [])
                contact["webhook"] = row["id"]
                rows.append(row)
    return rows


def staff(
    chance: random.Random, ground: Ground, stations: Sequence[Row], *, code: str, prefix: str
) -> list[Row]:
    """Care workers in two stations of three, the desk's operators, street officers, grid workers, volunteers."""
    rows: list[Row] = []

    def add(name_of: str, role: str, area: str, station: str = "") -> None:
        row: dict[str, Any] = {"id": f"{prefix}s-{name_of}", "name": names.adult(chance)}
        row |= {"phone": names.phone(chance), "role": role, "area": area}
        rows.append(row | ({"station": station} if station else {}))

    desk = stations[0]["id"]
    add("admin", "admin", code)
    for number in range(1, 7):
        add(f"desk-{number}", "district", code, desk)
    for station in stations[1:]:
        many = station["kind"] == "street_centre"
        if many or chance.random() < 0.65:
            for number in range(1, (chance.randint(3, 6) if many else chance.randint(1, 3)) + 1):
                add(
                    f"{station['id'].removeprefix(prefix)}-{number}",
                    "station",
                    station["area"],
                    station["id"],
                )
    for street in ground.streets:
        add(f"street-{street}", "street", street)
    for community, grids in zip(ground.communities, ground.grids, strict=True):
        add(f"community-{community}", "community", community)
        for grid in grids:
            add(f"grid-{grid}", "grid", grid)
        for number in range(1, chance.randint(1, 4) + 1):
            add(f"volunteer-{community}-{number}", "volunteer", community)
    return rows
