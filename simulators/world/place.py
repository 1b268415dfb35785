"""The world's district: two streets, six stations, twelve residents, sixteen devices; its deadlines are short, a night is.

Everybody's names and numbers are made up, and told apart from all else: the checkers look for them where they must not be.
"""

from __future__ import annotations

from typing import Any

CODE = "d1"
HUB = "hub-01"
#: A radio button is heard through the hub; the last one is in no register.
RADIO = ("rad-01", "rad-02")
NATIVE = ("btn-01", "belt-01", "btn-02", "btn-03", "btn-04", "btn-05")
STRANGER = "btn-99"
#: One in each of six more homes of a community, with connections of their own: they beat and never press.
LAMPS = tuple(f"lamp-{number}" for number in range(1, 7))
#: Takes calls and is never heard of again.
GHOST = "3"

#: Residents by their place in the file, which is in their names, streets and telephone numbers.
_RESIDENTS: tuple[tuple[str, str, float | None], ...] = (
    ("r-01", "c1", 0),
    ("r-02", "c1", -30),
    ("r-03", "c2", 900),
    ("r-04", "c1", -60),
    ("r-05", "c3", 2300),
    ("r-06", "c2", None),
    *((f"r-1{number}", "c1", -100.0 * number) for number in range(1, len(LAMPS) + 1)),
)
NUMBERS = {name: number for number, (name, _, _) in enumerate(_RESIDENTS)}


def _at(metres: float) -> dict[str, float]:
    return {"lat": round(34.0 + metres / 111_195, 6), "lon": 113.8}


def _steps(*steps: tuple[float, str]) -> list[dict[str, Any]]:
    return [{"after": after, "to": to} for after, to in steps]


def district() -> dict[str, Any]:
    """The district file."""
    stations = [
        ("st-01", "care_station", "c1", 220, 2),
        ("st-02", "day_care", "c1", 560, 2),
        ("st-03", "care_station", "c2", 1100, 2),
        ("cen-1", "street_centre", "s1", 1700, 4),
        ("far-1", "care_station", "c3", 2200, 2),
    ]
    homes = {"btn-01": "r-01", "belt-01": "r-01", "btn-02": "r-02", "btn-03": "r-03", "btn-04": "r-04"}
    homes |= {"btn-05": "r-05"} | {lamp: f"r-1{number}" for number, lamp in enumerate(LAMPS, 1)}
    return {
        "district": {"code": CODE, "name": "世界区", "timezone": "Asia/Shanghai"},
        "areas": [
            {"code": "s1", "kind": "street", "parent": CODE},
            {"code": "c1", "kind": "community", "parent": "s1"},
            {"code": "c2", "kind": "community", "parent": "s1"},
            {"code": "s2", "kind": "street", "parent": CODE},
            {"code": "c3", "kind": "community", "parent": "s2"},
        ],
        "stations": [
            {
                "id": name,
                "name": f"站{name}",
                "kind": kind,
                "area": area,
                "location": _at(metres),
                "capacity": capacity,
                "phone": f"+9995{number:03}",
            }
            for number, (name, kind, area, metres, capacity) in enumerate(stations)
        ]
        + [{"id": "desk", "kind": "district_desk", "phone": "+9995999"}],
        "residents": [
            {
                "id": name,
                "name": f"老人{number}号",
                "phone": f"+99910{number}",
                "address": f"幸福路{number}号院",
                "area": area,
                **({"location": _at(metres)} if metres is not None else {}),
                "contacts": [
                    {
                        "name": f"家属{number}号",
                        "relation": "daughter",
                        "phone": f"+99920{number}",
                        "webhook": "wh-kin" if number % 2 else "",
                        "on": ["opened", "unanswered", "accepted", "on_scene", "closed"],
                    }
                ],
            }
            for number, (name, area, metres) in enumerate(_RESIDENTS)
        ],
        "devices": [{"id": device, "resident": home, "heartbeat": 60} for device, home in homes.items()]
        + [{"id": HUB, "family": "yj_line", "heartbeat": 60}]
        + [
            {"id": device, "family": "yj_line", "resident": home}
            for device, home in zip(RADIO, ("r-06", "r-03"), strict=True)
        ],
        "staff": [
            {
                "id": f"s-{name}-{number}",
                "name": f"护理{name}{number}",
                "phone": f"+9993{place}{number}",
                "role": "district" if name == "desk" else "station",
                "area": CODE if name == "desk" else area,
                "station": name,
            }
            for place, (name, area) in enumerate(
                [*((name, area) for name, _, area, _, _ in stations), ("desk", "")]
            )
            for number in (1, 2, int(GHOST))
        ],
        "webhooks": [
            {"id": "wh-all", "url": "http://world/wh-all", "events": ["call.*", "device.*"]},
            {"id": "wh-kin", "url": "http://world/wh-kin", "events": ["test.passed"]},
        ],
        "policies": {
            "emergency": {
                "steps": _steps((0, "nearest"), (12, "next"), (24, "next_tier"), (36, "everyone")),
                "repeat": 15,
                "en_route_within": 30,
                "repress_within": 15,
                "arrive_goal": 60,
                "arrive_limit": 100,
                "close_within": 240,
            },
            "service": {
                "steps": _steps((0, "nearest"), (40, "next"), (80, "district")),
                "repeat": 60,
                "en_route_within": 60,
                "repress_within": 30,
                "arrive_goal": None,
                "arrive_limit": None,
                "close_within": 300,
            },
            "family": {
                "steps": _steps((0, "contacts"), (30, "nearest"), (60, "district")),
                "repeat": 60,
                "en_route_within": 60,
                "repress_within": 30,
                "arrive_goal": None,
                "arrive_limit": None,
                "close_within": 300,
            },
        },
    }
