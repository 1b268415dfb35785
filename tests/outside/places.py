"""The district of these tests: one desk, and for each story a village of its own, far from all others.

A village has one resident in its middle with one button, and stations at so many metres from there. Since routing asks
the nearest, a story in its own village meets no other story's stations, calls or full hands.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from patience import PATIENCE

from outside.harness import Button, Desk, Events, Server

DISTRICT = "411099"
DESK = "desk-1"
ALWAYS = "always"
#: A day left out is closed, so these are the hours of a station that never opens.
NEVER: dict[str, Any] = {"mon": []}
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

#: Names, telephones, addresses and notes that must never stand in a log; unlike anything else in the tests.
PERSONAL: set[str] = set()


def personal(text: str) -> str:
    """A text about a person, remembered so that the logs can be searched for it."""
    PERSONAL.add(text)
    return text


def every_day(*spans: str) -> dict[str, list[str]]:
    """Opening hours that are the same each day."""
    return {day: list(spans) for day in DAYS}


def policy(**changes: Any) -> dict[str, Any]:
    """A policy that rests for minutes unless a story says otherwise."""
    return {
        "steps": [
            {"after": 0, "to": "nearest"},
            {"after": 60, "to": "next"},
            {"after": 120, "to": "next_tier"},
            {"after": 180, "to": "everyone"},
        ],
        "repeat": 60,
        "en_route_within": 120,
        "repress_within": 60,
        "arrive_goal": 900,
        "arrive_limit": 1800,
        "close_within": 14400,
        **changes,
    }


def steps(*pairs: tuple[float, str]) -> list[dict[str, Any]]:
    """Steps as pairs of seconds and whom to ask."""
    return [{"after": after, "to": to} for after, to in pairs]


def district(**sections: Any) -> dict[str, Any]:
    """The district file: one desk, calm policies, and what a test adds."""
    return {
        "district": {"code": DISTRICT, "name": "试验区", "timezone": "Asia/Shanghai", "locale": "zh-CN"},
        "areas": [],
        "stations": [
            {
                "id": DESK,
                "name": "试验区值班台",
                "kind": "district_desk",
                "area": DISTRICT,
                "location": {"lat": 25.0, "lon": 100.0},
                "travel": "car",
                "hours": ALWAYS,
                "capacity": 50,
                "phone": personal("0374-7700-0001"),
            }
        ],
        "residents": [],
        "devices": [],
        "staff": [],
        "policies": {"emergency": policy(), "service": policy(), "family": policy()},
        **sections,
    }


_numbers = itertools.count(1)


@dataclass
class Village:
    """A place of its own: `v.station("near")` and `v.device` are ids in the register."""

    number: int
    document: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The prefix of its ids."""
        return f"v{self.number}"

    @property
    def street(self) -> str:
        """Its street's area code."""
        return f"{DISTRICT}{self.number:03d}"

    @property
    def community(self) -> str:
        """Its community's area code."""
        return f"{self.street}001"

    @property
    def middle(self) -> tuple[float, float]:
        """Latitude and longitude of its middle: villages stand some 50 km apart."""
        return 28.0 + (self.number % 20) * 0.5, 104.0 + (self.number // 20) * 0.5

    @property
    def resident(self) -> str:
        """Its first resident."""
        return f"{self.name}-r1"

    @property
    def device(self) -> str:
        """The first resident's button."""
        return f"{self.name}-b1"

    def station(self, name: str) -> str:
        """The id of one of its stations."""
        return f"{self.name}-{name}"

    def at(self, metres_north: float) -> dict[str, float]:
        """A point so many metres north of the middle."""
        lat, lon = self.middle
        return {"lat": round(lat + metres_north / 111_195, 6), "lon": lon}


def station(metres: float, kind: str = "care_station", **more: Any) -> dict[str, Any]:
    """A station of a village, so many metres from its resident."""
    return {"metres": metres, "kind": kind, "travel": "walk", "hours": ALWAYS, "capacity": 20, **more}


def village(
    *, people: int = 1, devices_each: int = 1, family: str = "native", **stations: dict[str, Any]
) -> Village:
    """A village with these stations; not loaded yet."""
    place = Village(next(_numbers))
    n = place.number
    made = []
    for name, what in stations.items():
        more = {key: value for key, value in what.items() if key != "metres"}
        made.append(
            {
                "id": place.station(name),
                "name": f"第{n}村{name}站",
                "area": place.community,
                "location": place.at(what["metres"]),
                "phone": personal(f"0374-66{n:02d}-{len(made):04d}"),
                **more,
            }
        )
    residents = [
        {
            "id": f"{place.name}-r{i}",
            "name": personal(f"欧阳雪{'梅兰竹菊松柏桂莲'[i % 8]}{n}"),
            "phone": personal(f"1380374{n:02d}{i:02d}"),
            "address": personal(f"桃源胡同{n}弄{i}号"),
            "area": place.community,
            "location": place.at(0),
            "notes": personal(f"钥匙在门垫下 {n}-{i}"),
            "language": "zh-CN",
        }
        for i in range(1, people + 1)
    ]
    devices = [
        {
            "id": f"{place.name}-b{(i - 1) * devices_each + d}",
            "family": family,
            "address": f"{place.name}-b{(i - 1) * devices_each + d}",
            "resident": f"{place.name}-r{i}",
        }
        for i in range(1, people + 1)
        for d in range(1, devices_each + 1)
    ]
    place.document = {
        "district": district()["district"],
        "areas": [
            {"code": place.street, "name": f"第{n}街道", "kind": "street", "parent": DISTRICT},
            {"code": place.community, "name": f"第{n}社区", "kind": "community", "parent": place.street},
        ],
        "stations": made,
        "residents": residents,
        "devices": devices,
    }
    return place


@dataclass
class Town:
    """What a story has: the server, an operator with every right, the stream of facts, and villages to be loaded."""

    server: Server
    desk: Desk
    events: Events
    villages: list[Village] = field(default_factory=list)
    buttons: list[Button] = field(default_factory=list)
    changed: bool = False

    async def village(self, **stations: Any) -> Village:
        """A village of its own for this story, loaded."""
        place = village(**stations)
        (await self.desk.post("/district", place.document)).ok(200, 201)
        self.villages.append(place)
        return place

    async def button(self, device: str | Village) -> Button:
        """A button that is connected."""
        button = await Button.on(self.server, device.device if isinstance(device, Village) else device)
        self.buttons.append(button)
        return button

    async def policy(self, key: str = "emergency", **changes: Any) -> None:
        """Another policy for the calls of this story; times grow with the patience that a slow machine needs."""
        grown = {
            name: value * PATIENCE if isinstance(value, int | float) else value
            for name, value in changes.items()
        }
        for step in grown.get("steps", ()):
            step["after"] *= PATIENCE
        (await self.desk.put(f"/policies/{key}", policy(**grown))).ok(200, 201, 204)
        self.changed = True

    async def open_call(self, place: Village, key: str = "emergency") -> tuple[Button, str]:
        """A press of the village's button, and the call it opened."""
        button = await self.button(place)
        receipt = await button.press(key)
        return button, receipt["call"]

    async def tidy(self) -> None:
        """Close what the story left open, so that nothing goes on ringing behind the next one's back."""
        for button in self.buttons:
            await button.close()
        for place in self.villages:
            await close_all(self.desk, await self.desk.all("/calls", state="open", area=place.street))
        if self.changed:
            for key in ("emergency", "service", "family"):
                (await self.desk.put(f"/policies/{key}", policy())).ok(200, 201, 204)


async def close_all(desk: Desk, calls: Iterable[dict[str, Any]]) -> None:
    """Accept and close calls, whatever state they are in."""
    for call in calls:
        await desk.step(call["id"], "accept", station=DESK)
        body = {"outcome": "false_alarm", "evidence": "relative_confirmed"}
        (await desk.step(call["id"], "close", **body)).ok(200, 404, 409)


def offers(call: dict[str, Any], state: str | None = None) -> list[str]:
    """The stations in a call's dispatches, in order (in one state)."""
    return [
        d["station"]
        for d in call["dispatches"]
        if d.get("station") and (state is None or d["state"] == state)
    ]


def reason_of(call: dict[str, Any], station_id: str) -> str:
    """Why a station was passed over."""
    reasons = [entry["reason"] for entry in call["passed_over"] if entry["station"] == station_id]
    assert reasons, f"{station_id} is not among the passed over: {call['passed_over']}"
    return str(reasons[-1])
