"""The district of the benchmark: twenty thousand residents with a button each, and stations that are never full."""

from __future__ import annotations

import random
from typing import Any


def generated(residents: int, seed: int = 1) -> dict[str, Any]:
    """Of the simulators where they make one of such a size, else one of our own."""
    try:
        from simulators import district as made_by
    except ImportError:
        return plain(residents, seed)
    return (
        plain(residents, seed)
        if not hasattr(made_by, "generate")
        else _roomy(made_by.generate(residents=residents))
    )


def _roomy(document: Any) -> dict[str, Any]:
    """With stations open and free, so that each press is routed to somebody near."""
    file: dict[str, Any] = document if isinstance(document, dict) else document.document
    for station in file["stations"]:
        station["capacity"] = 1_000_000
        station["hours"] = "always"
    file.pop("staff", None)
    for device in file["devices"]:
        device["family"] = "native"
    return file


def plain(residents: int, seed: int = 1) -> dict[str, Any]:
    """86 communities in 12 streets, 260 care stations, a centre for each street, one desk."""
    chance = random.Random(seed)
    code = "411002"
    areas, stations, people, devices = [], [], [], []
    streets = [f"{code}{n:03d}" for n in range(1, 13)]
    middles = {
        street: (34.0 + chance.uniform(-0.08, 0.08), 113.8 + chance.uniform(-0.08, 0.08))
        for street in streets
    }

    def near(street: str) -> dict[str, float]:
        lat, lon = middles[street]
        return {"lat": round(lat + chance.gauss(0, 0.01), 6), "lon": round(lon + chance.gauss(0, 0.01), 6)}

    def station(name: str, kind: str, area: str, street: str, travel: str) -> dict[str, Any]:
        where = {"location": near(street), "travel": travel, "hours": "always", "capacity": 1_000_000}
        return {"id": name, "name": name, "kind": kind, "area": area, "phone": "0374-0000000", **where}

    communities = []
    for n, street in enumerate(streets):
        areas.append({"code": street, "name": f"第{n}街道", "kind": "street", "parent": code})
        stations.append(station(f"centre-{n}", "street_centre", street, street, "car"))
    for n in range(86):
        street = streets[n % len(streets)]
        community = f"{street}{n:03d}"
        communities.append((community, street))
        areas.append({"code": community, "name": f"第{n}社区", "kind": "community", "parent": street})
    for n in range(260):
        community, street = communities[n % len(communities)]
        stations.append(station(f"st-{n}", "care_station", community, street, "e_bike"))
    stations.append(station("desk", "district_desk", code, streets[0], "car"))
    for n in range(residents):
        community, street = communities[n % len(communities)]
        who = {"name": f"居民{n}", "phone": f"139{n:08d}", "address": f"{n}号", "notes": ""}
        people.append(
            {"id": f"r{n}", "area": community, "location": near(street), "language": "zh-CN", **who}
        )
        devices.append({"id": f"d{n}", "family": "native", "address": f"d{n}", "resident": f"r{n}"})
    return {
        "district": {"code": code, "name": "魏都区", "timezone": "Asia/Shanghai", "locale": "zh-CN"},
        "areas": areas,
        "stations": stations,
        "residents": people,
        "devices": devices,
    }
