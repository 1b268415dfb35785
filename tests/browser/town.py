"""The district of the stories in a browser: small enough to know everybody in it, with somebody of every role.

    411055 古槐区           a-01 admin, d-01 district, desk-1 the district's desk
    ├ …001 槐树街道         k-01 street
    │ ├ …001001 柳荫社区     q-01 community, g-01 grid (柳荫一网格), v-01 volunteer
    │ │   r-01 … r-04       btn-01 … btn-04        st-01 柳荫助老站: s-01 on duty, s-02 not yet
    │ └ …001002 东园社区
    │     r-05, r-06        btn-05, btn-06         st-02 东园日间照料中心: s-03 on duty
    └ …002 河东街道
      └ …002001 桥头社区
          r-07, r-08        btn-07, btn-08         st-03 桥头助老站: s-04 on duty

Policies are calm: nothing happens by itself while a story goes on, unless it sets another.
"""

from __future__ import annotations

import asyncio
from typing import Any

from outside.harness import Desk, Server
from outside.places import ALWAYS, policy, steps

DISTRICT = "411055"
STREET, OTHER_STREET = f"{DISTRICT}001", f"{DISTRICT}002"
COMMUNITY, NEXT_COMMUNITY, FAR_COMMUNITY = f"{STREET}001", f"{STREET}002", f"{OTHER_STREET}001"
GRID = f"{COMMUNITY}-1"
DESK = "desk-1"
PASSWORD = "one long night in november"
ON_DUTY = ("s-01", "s-03", "s-04")

#: Whoever can log in: id, role, and what binds them.
LOGINS: dict[str, dict[str, str]] = {
    "a-01": {"name": "管永安", "role": "admin"},
    "d-01": {"name": "邓秋实", "role": "district", "area": DISTRICT},
    "k-01": {"name": "康街平", "role": "street", "area": STREET},
    "q-01": {"name": "秦社远", "role": "community", "area": COMMUNITY},
    "g-01": {"name": "葛格明", "role": "grid", "area": GRID},
    "s-01": {"name": "王护理", "role": "station", "station": "st-01"},
    "s-02": {"name": "孙夜班", "role": "station", "station": "st-01"},
    "s-03": {"name": "李东园", "role": "station", "station": "st-02"},
    "s-04": {"name": "赵桥头", "role": "station", "station": "st-03"},
    "v-01": {"name": "魏志愿", "role": "volunteer", "area": COMMUNITY},
}

_AREAS = (
    (STREET, "槐树街道", "street", DISTRICT),
    (COMMUNITY, "柳荫社区", "community", STREET),
    (GRID, "柳荫一网格", "grid", COMMUNITY),
    (NEXT_COMMUNITY, "东园社区", "community", STREET),
    (OTHER_STREET, "河东街道", "street", DISTRICT),
    (FAR_COMMUNITY, "桥头社区", "community", OTHER_STREET),
)
_STATIONS = (
    ("st-01", "柳荫助老站", "care_station", COMMUNITY, 300),
    ("st-02", "东园日间照料中心", "day_care", NEXT_COMMUNITY, 2300),
    ("st-03", "桥头助老站", "care_station", FAR_COMMUNITY, 6300),
)
#: Name, area, metres north of the first home, year of birth.
_RESIDENTS = (
    ("陈桂兰", GRID, 0, 1938),
    ("周玉珍", COMMUNITY, 60, 1941),
    ("吴秀英", COMMUNITY, 120, 1935),
    ("郑淑华", COMMUNITY, 180, 1944),
    ("冯月娥", NEXT_COMMUNITY, 2000, 1940),
    ("褚玉梅", NEXT_COMMUNITY, 2060, 1937),
    ("卫素芳", FAR_COMMUNITY, 6000, 1939),
    ("蒋春兰", FAR_COMMUNITY, 6060, 1942),
)
#: What must never stand in a log.
PERSONAL = (*(name for name, *_ in _RESIDENTS), "槐荫胡同", "+99913855", "钥匙在门垫下")


def calm(**changes: Any) -> dict[str, Any]:
    """A policy under which nothing happens by itself for ten minutes."""
    quiet = {"steps": steps((0, "nearest"), (600, "next"), (900, "everyone")), "repeat": 600}
    return policy(**quiet, en_route_within=600, **changes)


def at(metres_north: float) -> dict[str, float]:
    """A place so many metres north of the first home."""
    return {"lat": round(34.02 + metres_north / 111_195, 6), "lon": 113.85}


def district() -> dict[str, Any]:
    """The district file."""
    return {
        "district": {"code": DISTRICT, "name": "古槐区", "timezone": "Asia/Shanghai", "locale": "zh-CN"},
        "areas": [
            {"code": code, "name": name, "kind": kind, "parent": parent}
            for code, name, kind, parent in _AREAS
        ],
        "stations": [
            {
                "id": DESK,
                "name": "古槐区值班台",
                "kind": "district_desk",
                "area": DISTRICT,
                "location": at(900),
                "travel": "car",
                "hours": ALWAYS,
                "capacity": 500,
                "phone": "+99903745500",
            },
            *(
                {
                    "id": station,
                    "name": name,
                    "kind": kind,
                    "area": area,
                    "location": at(metres),
                    "travel": "e_bike",
                    "hours": ALWAYS,
                    "capacity": 50,
                    "phone": f"+9990374550{number}",
                }
                for number, (station, name, kind, area, metres) in enumerate(_STATIONS, 1)
            ),
        ],
        "residents": [
            {
                "id": f"r-{number:02d}",
                "name": name,
                "phone": f"+999138550000{number:02d}",
                "address": f"槐荫胡同{number}号楼2单元301室",
                "area": area,
                "location": at(metres),
                "birth_year": born,
                "notes": f"钥匙在门垫下（{number}号）",
                "language": "zh-CN",
                "contacts": [
                    {"name": f"{name[0]}小妹", "relation": "daughter", "phone": f"+999138551000{number:02d}"}
                ],
            }
            for number, (name, area, metres, born) in enumerate(_RESIDENTS, 1)
        ],
        "devices": [
            {
                "id": f"btn-{number:02d}",
                "family": "native",
                "address": f"btn-{number:02d}",
                "resident": f"r-{number:02d}",
            }
            for number in range(1, len(_RESIDENTS) + 1)
        ],
        "staff": [
            {"id": login, "phone": f"+9991395500{number:02d}", **who}
            for number, (login, who) in enumerate(LOGINS.items(), 1)
        ],
        "policies": {key: calm() for key in ("emergency", "service", "family")},
    }


async def give_login(server: Server, who: str) -> None:
    """Give somebody their login, at the command line."""
    words = ("user", "add", who, "--password-stdin")
    ran = await asyncio.to_thread(server.cli, *words, stdin=f"{PASSWORD}\n")
    assert ran.code == 0, ran.said


async def usual_duty(desk: Desk) -> None:
    """On duty as in the picture above."""
    for who in LOGINS:
        if who.startswith("s-"):
            (await desk.post(f"/staff/{who}/duty", {"on": who in ON_DUTY})).ok()
