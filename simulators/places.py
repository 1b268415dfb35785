"""The places of a made-up district: areas, estates where people live, and the stations from which help comes."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from simulators import hours, names
from simulators.geography import Cell, Layout, Point

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Estate:
    """A housing estate (小区): some buildings in one grid, under one name."""

    address: str
    area: str
    community: int
    point: Point
    buildings: int


@dataclass(frozen=True, slots=True)
class Ground:
    """The areas of a district, by index of the layout's cells."""

    rows: tuple[Row, ...]
    streets: tuple[str, ...]
    communities: tuple[str, ...]
    grids: tuple[tuple[str, ...], ...]
    names: tuple[str, ...]


def areas(chance: random.Random, layout: Layout, code: str) -> Ground:
    """Streets, communities and grids with codes as the statistics bureau counts: 3 digits for every level."""
    streets = tuple(f"{code}{i + 1:03d}" for i in range(len(layout.streets)))
    rows: list[Row] = [
        {"code": street, "name": name, "kind": "street", "parent": code}
        for street, name in zip(streets, layout.streets, strict=True)
    ]
    pool = _community_names(chance, len(layout.cells))
    count = [0] * len(streets)
    communities: list[str] = []
    grids: list[tuple[str, ...]] = []
    for cell, name in zip(layout.cells, pool, strict=True):
        count[cell.street] += 1
        community = f"{streets[cell.street]}{count[cell.street]:03d}"
        communities.append(community)
        rows.append({"code": community, "name": name, "kind": "community", "parent": streets[cell.street]})
        mine = tuple(f"{community}{i + 1:03d}" for i in range(cell.grids))
        grids.append(mine)
        rows += [
            {
                "code": grid,
                "name": f"{name.removesuffix('社区')}第{'一二三四'[i]}网格",
                "kind": "grid",
                "parent": community,
            }
            for i, grid in enumerate(mine)
        ]
    return Ground(tuple(rows), streets, tuple(communities), tuple(grids), tuple(pool))


def _community_names(chance: random.Random, count: int) -> list[str]:
    pool = [f"{name}社区" for name in dict.fromkeys(names.COMMUNITIES)]
    chance.shuffle(pool)
    more = (f"{a}{b}社区" for a in ("东", "西", "南", "北", "新") for b in names.COMMUNITIES)
    while len(pool) < count:
        pool.append(next(more, f"第{len(pool) + 1}社区"))
    return pool[:count]


def estates(chance: random.Random, layout: Layout, ground: Ground) -> list[Estate]:
    """One to three housing estates in every grid."""
    found: list[Estate] = []
    for index, (cell, mine) in enumerate(zip(layout.cells, ground.grids, strict=True)):
        free = chance.sample(names.ESTATES, k=min(len(names.ESTATES), 3 * len(mine)))
        place = f"{layout.streets[cell.street]}{ground.names[index]}"
        for grid, area in enumerate(mine):
            found += [
                Estate(
                    address=f"{place}{free.pop()}{chance.choice(names.ESTATE_KINDS)}",
                    area=area,
                    community=index,
                    point=cell.somewhere(chance, grid),
                    buildings=chance.randint(4, 22),
                )
                for _ in range(chance.randint(1, 3))
            ]
    return found


def spot(point: Point) -> Row:
    """A location as the district file writes it; six decimals are a tenth of a metre."""
    return {"lat": round(point[0], 6), "lon": round(point[1], 6)}


def stations(chance: random.Random, layout: Layout, ground: Ground, code: str, prefix: str) -> list[Row]:
    """The district desk, a centre in every street, day-care in many communities, care stations in nearly all."""
    rows: list[Row] = [_desk(chance, layout, code, prefix)]
    for index, street in enumerate(ground.streets):
        mine = [cell for cell in layout.cells if cell.street == index]
        rows.append(_street_centre(chance, chance.choice(mine), layout.streets[index], street))
    for cell, community, name in zip(layout.cells, ground.communities, ground.names, strict=True):
        rows += [
            _day_care(chance, cell, name, community, number)
            for number in range(chance.choices((0, 1, 2), (38, 54, 8))[0])
        ]
        rows += [
            _care_station(chance, cell, name, community, number)
            for number in range(chance.choices((0, 1, 2, 3), (5, 48, 34, 13))[0])
        ]
    for number, row in enumerate(rows[1:], 1):
        row["id"] = f"{prefix}st-{number:03d}"
    return rows


def _desk(chance: random.Random, layout: Layout, code: str, prefix: str) -> Row:
    middle = layout.cells[len(layout.cells) // 2]
    return {
        "id": f"{prefix}st-desk",
        "name": "魏都区12349值班台",
        "kind": "district_desk",
        "area": code,
        "location": spot(middle.at(0.5, 0.5)),
        "travel": "car",
        "hours": "always",
        "phone": names.phone(chance),
    }


def _street_centre(chance: random.Random, cell: Cell, name: str, area: str) -> Row:
    row: Row = {
        "id": "",
        "name": f"{name}综合养老服务中心",
        "kind": "street_centre",
        "area": area,
        "location": spot(cell.somewhere(chance)),
        "travel": chance.choices(("car", "e_bike"), (70, 30))[0],
        "hours": hours.draw(chance, hours.STREET_CENTRE),
        "capacity": chance.randint(4, 8),
        "phone": names.phone(chance),
    }
    if row["hours"] != "always" and chance.random() < 0.7:
        night = ["20:00-08:00"]
        row["on_call"] = {
            "hours": hours.weekly(night, night, holidays=True),
            "phone": names.phone(chance),
            "prepare_seconds": chance.choice((300, 420, 600, 900)),
        }
    return row


def _day_care(chance: random.Random, cell: Cell, name: str, area: str, number: int) -> Row:
    row: Row = {
        "id": "",
        "name": f"{name}{'第二' if number else ''}日间照料中心",
        "kind": "day_care",
        "area": area,
        "location": spot(cell.somewhere(chance)),
        "travel": chance.choices(("walk", "e_bike", "car"), (35, 55, 10))[0],
        "hours": hours.draw(chance, hours.DAY_CARE),
        "capacity": chance.choices((2, 3, 4), (50, 35, 15))[0],
        "phone": names.phone(chance),
    }
    if chance.random() < 0.015:
        row["closed"] = {"reason": "装修"}
    return row


def _care_station(chance: random.Random, cell: Cell, name: str, area: str, number: int) -> Row:
    row: Row = {
        "id": "",
        "name": f"{name}{('', '东', '西')[number]}托老站",
        "kind": "care_station",
        "area": area,
        "location": spot(cell.somewhere(chance)),
        "travel": chance.choices(("e_bike", "walk"), (68, 32))[0],
        "hours": hours.draw(chance, hours.CARE_STATION),
        "capacity": chance.choices((1, 2, 3), (35, 50, 15))[0],
        "phone": names.phone(chance),
    }
    if row["hours"] != "always" and chance.random() < 0.12:
        evening = ["18:00-22:00"]
        row["on_call"] = {
            "hours": hours.weekly(evening, evening),
            "phone": names.phone(chance),
            "prepare_seconds": chance.choice((180, 300, 600)),
        }
    if chance.random() < 0.015:
        row["closed"] = {"reason": chance.choice(("装修", "人员培训", "停电"))}
    return row
