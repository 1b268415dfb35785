"""The stories' town: one street with two communities, a second street, six who can be asked, four residents.

From r-01 (0 m) along one road: st-01 220 m, st-02 560 m, st-03 1.1 km (all on foot), cen-1 1.7 km (car), far-1 in the
next street 2.2 km (e-bike, but first tier), and the desk, always.
"""

from __future__ import annotations

import copy
from typing import Any

CODE = "d1"
#: Open by day, closed at night and over lunch.
OFFICE = {day: ["08:00-12:00", "14:00-18:00"] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
EVERYBODY = ("st-01", "st-02", "cen-1", "st-03", "far-1", "desk")


def _at(metres: float) -> dict[str, float]:
    return {"lat": round(34.0 + metres / 111_195, 6), "lon": 113.8}


_TOWN: dict[str, Any] = {
    "district": {"code": CODE, "name": "魏都区", "timezone": "Asia/Shanghai"},
    "areas": [
        {"code": "s1", "kind": "street", "parent": CODE},
        {"code": "c1", "kind": "community", "parent": "s1"},
        {"code": "c2", "kind": "community", "parent": "s1"},
        {"code": "s2", "kind": "street", "parent": CODE},
        {"code": "c3", "kind": "community", "parent": "s2"},
    ],
    "stations": [
        {"id": "st-01", "kind": "care_station", "area": "c1", "location": _at(220), "capacity": 2},
        {"id": "st-02", "kind": "day_care", "area": "c1", "location": _at(560), "capacity": 2},
        {"id": "st-03", "kind": "care_station", "area": "c2", "location": _at(1100), "capacity": 2},
        {"id": "cen-1", "kind": "street_centre", "area": "s1", "location": _at(1700), "travel": "car"},
        {"id": "far-1", "kind": "care_station", "area": "c3", "location": _at(2200), "travel": "walk"},
        {"id": "desk", "kind": "district_desk"},
    ],
    "residents": [
        {"id": "r-01", "name": "王秀英", "phone": "13800000001", "area": "c1", "location": _at(0)},
        {"id": "r-02", "name": "李桂兰", "area": "c1", "location": _at(-30)},
        {"id": "r-03", "name": "张建国", "area": "c2"},
        {
            "id": "r-04",
            "name": "刘玉梅",
            "area": "c1",
            "location": _at(-60),
            "contacts": [{"name": "刘芳", "relation": "daughter", "phone": "13800000009", "on": ["opened"]}],
        },
    ],
    "devices": [
        {"id": "btn-01", "resident": "r-01"},
        {"id": "belt-01", "resident": "r-01"},
        {"id": "btn-02", "resident": "r-02"},
        {"id": "btn-03", "resident": "r-03"},
        {"id": "btn-04", "resident": "r-04"},
    ],
}


def town(stations: dict[str, dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    """The town as a district file: `stations={"st-01": {"hours": …}}` changes some, None takes one away; `more` adds sections."""
    made = copy.deepcopy(_TOWN)
    for station_id, fields in (stations or {}).items():
        for station in list(made["stations"]):
            if station["id"] == station_id:
                if fields is None:
                    made["stations"].remove(station)
                else:
                    station.update(fields)
    for section, content in more.items():
        if isinstance(content, list):
            made.setdefault(section, []).extend(content)
        else:
            made.setdefault(section, {}).update(content)
    return made
