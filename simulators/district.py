"""A whole made-up district: `generate(seed)` is a district file, as large as you like and the same for the same seed.

    document = generate(411002)                      # Weidu's shape: 86 communities, 3,000 residents
    document = generate(7, residents=20_000)         # for the benches
    document = generate(8, code="411099", prefix="b-")  # a second district beside the first

It has the shape of Weidu district (魏都区) of Xuchang in Henan, and nothing else of it: no person, address,
telephone number or opening hour in it is real. Telephone numbers begin with `+999`, a country code that was never
assigned, so that no message to one can reach anybody.
"""

from __future__ import annotations

import random
from typing import Any

from simulators import geography, people, places
from simulators.hours import HOLIDAYS

#: The code of Weidu district, and the seed of its usual likeness.
WEIDU = 411002


def generate(
    seed: int = WEIDU,
    *,
    communities: int = 86,
    residents: int = 3000,
    streets: int = 13,
    hubs: int = 6,
    staff: bool = True,
    code: str = str(WEIDU),
    name: str = "魏都区",
    prefix: str = "",
    sink: str | None = None,
) -> dict[str, Any]:
    """A district file (the contract's section 7), drawn from the seed.

    `hubs` communities have a hub with radio buttons (family `yj_line`, at most 120 each); everybody else has native
    buttons, one in ten two of them. With `staff` a station that has people is able only while one of them is on
    duty, so that somebody must say so (`simulators.staff` does); without, stations count as staffed in their hours.
    `prefix` goes before every id, so that several districts fit into one installation. `sink` is the address where
    webhooks end (`simulators.sink`); without one there are none. Only their addresses depend on it.
    """
    if communities < 1 or residents < 0 or streets < 1 or hubs < 0:
        raise ValueError("a district has at least one community and one street, and nothing less than none")
    layout = geography.lay_out(seed, communities, streets)
    # One stream of chance a part: more residents do not change the stations.
    ground = places.areas(random.Random(f"{seed}/areas"), layout, code)
    estates = places.estates(random.Random(f"{seed}/estates"), layout, ground)
    stations = places.stations(random.Random(f"{seed}/stations"), layout, ground, code, prefix)
    stations[0]["name"] = f"{name}12349值班台"
    homes = people.homes(
        random.Random(f"{seed}/homes"),
        estates,
        ground.names,
        residents=residents,
        hubs=hubs,
        prefix=prefix,
    )
    people.abroad(random.Random(f"{seed}/abroad"), homes.residents)
    document: dict[str, Any] = {
        "district": {
            "code": code,
            "name": name,
            "timezone": "Asia/Shanghai",
            "locale": "zh-CN",
            "holidays": list(HOLIDAYS),
        },
        "areas": list(ground.rows),
        "stations": stations,
        "residents": homes.residents,
        "devices": homes.devices,
    }
    if staff:
        document["staff"] = people.staff(
            random.Random(f"{seed}/staff"), ground, stations, code=code, prefix=prefix
        )
    if sink is not None:
        document["webhooks"] = people.webhooks(
            random.Random(f"{seed}/webhooks"), homes.residents, sink=sink, code=code, prefix=prefix
        )
    return document


def outlines(
    seed: int = WEIDU, *, communities: int = 86, streets: int = 13, code: str = str(WEIDU)
) -> dict[str, geography.Ring]:
    """The outline of the district and of each area of `generate` with the same arguments: rings of (lat, lon)."""
    layout = geography.lay_out(seed, communities, streets)
    ground = places.areas(random.Random(f"{seed}/areas"), layout, code)
    rings = {code: layout.district_ring()}
    rings |= {street: layout.street_ring(index) for index, street in enumerate(ground.streets)}
    for cell, community, grids in zip(layout.cells, ground.communities, ground.grids, strict=True):
        rings[community] = cell.corners
        rings |= {grid: cell.grid_ring(index) for index, grid in enumerate(grids)}
    return rings
