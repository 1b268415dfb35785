"""Two districts with somebody and something in every corner, and a token of every kind: what the scope is walked on.

area      s1 ─ c1 ─ g1                 Everything is named by where it is, and every text about it holds its mark:
          │    └─ c2                   `res-c3-zz` is the resident of c3, and so read her name, her telephone, her
          s2 ─ c3 ─ g3                 address. Whoever reads `res-c3-zz` anywhere has read of her.
          (none)                       Of stations and staff, whose ids a call may name, the texts have a mark
district  a (the default), b           of their own: `~st-c3-zz~`.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from outside.harness import ADMIN_TOKEN, Desk, Server, eventually
from outside.places import policy, steps

A, B = "411077", "411088"
AREAS = {
    "s1": f"{A}001",
    "c1": f"{A}001001",
    "g1": f"{A}001001-1",
    "c2": f"{A}001002",
    "s2": f"{A}002",
    "c3": f"{A}002001",
    "g3": f"{A}002001-1",
    "b": f"{B}001001",
}
KINDS = {"s": "street", "c": "community", "g": "grid", "b": "community"}
PARENTS = {"s1": A, "c1": "s1", "g1": "c1", "c2": "s1", "s2": A, "c3": "s2", "g3": "c3", "b": B}
#: Where residents live; `none` has no area, and is the district's.
HOMES = ("c1", "g1", "c2", "c3", "g3", "none", "b")
STATIONS = ("c1", "c2", "c3", "b")
#: Of whom several calls are told below: asked, held, withdrawn, over, by a volunteer. All live in c3.
FURTHER = ("asked", "held", "lost", "over", "helped")

IN_A = frozenset({"s1", "c1", "g1", "c2", "s2", "c3", "g3", "none", "a"})
#: Where things are that are a whole district's: its desk, its webhooks, calls without a place.
WHOLE_OF = {A: "a", B: "whole b"}
#: What each sees of the register, and of calls by where they are: the contract, section 4.
SIGHT: dict[str, frozenset[str]] = {
    "admin": IN_A | {"b", "whole b"},
    "district": IN_A | {"b", "whole b"},
    "district a": IN_A,
    "district b": frozenset({"b", "whole b"}),
    "street": frozenset({"s1", "c1", "g1", "c2"}),
    "community": frozenset({"c1", "g1"}),
    "grid": frozenset({"g1"}),
    "station": frozenset({"c1", "g1"}),
    "station 3": frozenset({"c3", "g3"}),
    "station b": frozenset({"b"}),
    "volunteer": frozenset(),
    "revoked": frozenset(),
    "nobody": frozenset(),
}
#: Calls outside their area that they see all the same, as things stand at the end of `open_calls`.
ASKED: dict[str, frozenset[str]] = {
    "station": frozenset({"asked", "held"}),
    "volunteer": frozenset({"helped"}),
}
#: Of what is over or lost for them, what they may still say: who closed it may put that right for some minutes, and who
#: was asked too and answers late is told who was first.
STILL: dict[tuple[str, str], frozenset[str]] = {
    ("station", "over"): frozenset(
        [
            "accept",
            "decline",
            "release",
            "spoke",
            "en-route",
            "on-scene",
            "close",
            "reopen",
            "transfer",
            "note",
            "seen",
        ]
    ),
    ("station", "lost"): frozenset({"accept", "decline"}),
}
WHOLE = frozenset({"admin", "district", "district a", "district b"})
STAFFED = frozenset(SIGHT) - {"volunteer", "revoked", "nobody"}
EVERYONE = STAFFED | {"volunteer"}
STRANGERS = ("revoked", "nobody")

TOKENS: dict[str, tuple[str, ...]] = {
    "district": ("--role", "district"),
    "district a": ("--role", "district", "--area", A),
    "district b": ("--role", "district", "--area", B),
    "street": ("--role", "street", "--area", AREAS["s1"]),
    "community": ("--role", "community", "--area", AREAS["c1"]),
    "grid": ("--role", "grid", "--area", AREAS["g1"]),
    "station": ("--role", "station", "--station", "st-c1-zz", "--staff", "who-c1-zz"),
    "station 3": ("--role", "station", "--station", "st-c3-zz"),
    "station b": ("--role", "station", "--station", "st-b-zz"),
    "volunteer": ("--role", "volunteer", "--staff", "vol-c3-zz"),
    "revoked": ("--role", "district"),
}


@dataclass(frozen=True)
class Thing:
    """One thing of the register or one call: `where` it is, its `id`, and what nobody may read who does not see it."""

    section: str
    where: str
    id: str
    marks: tuple[str, ...]


@dataclass
class Realm:
    """The server, a token for every role, and everything that there is."""

    server: Server
    tokens: dict[str, str | None] = field(default_factory=dict)
    things: list[Thing] = field(default_factory=list)

    @asynccontextmanager
    async def desks(self) -> AsyncIterator[dict[str, Desk]]:
        """A client for every role."""
        async with AsyncExitStack() as open_ones:
            yield {
                who: await open_ones.enter_async_context(Desk(self.server, token))
                for who, token in self.tokens.items()
            }

    def of(self, section: str) -> list[Thing]:
        """Everything of one section."""
        return [thing for thing in self.things if thing.section == section]

    def call(self, name: str) -> str:
        """The id of the call that was opened at (or is called) `name`."""
        return next(thing.id for thing in self.of("calls") if thing.where == name)

    def is_home(self, who: str, thing: Thing) -> bool:
        """Whether it is in the district that their lists and their stream show, where they name none."""
        return (who in ("district b", "station b")) == (thing.where in ("b", "whole b"))

    def sees(self, who: str, thing: Thing) -> bool:
        """Whether the contract lets them see it."""
        if thing.section == "webhooks":
            return who in WHOLE and thing.where in SIGHT[who]
        if thing.where in FURTHER:
            return "c3" in SIGHT[who] or thing.where in ASKED.get(who, ())
        return thing.where in SIGHT[who]

    def hidden(self, who: str, *, calls: bool) -> dict[str, Thing]:
        """Every mark that they may not read; `calls`: in an answer that may tell of a call they are asked to."""
        named = set(ASKED.get(who, ())) if calls else set()
        if calls and ("c3" in SIGHT[who] or "held" in named):
            named.add("~who-c1-zz~ 名")  # who has a call in sight is told by name
        return {
            mark: thing
            for thing in self.things
            if not self.sees(who, thing) and not named.intersection(thing.id.split("-"))
            for mark in thing.marks
            if mark not in named
        }


def without_names_of_calls(told: Any) -> Any:
    """The answer or event without what whoever sees a call may read of stations elsewhere: in `accepted`, `dispatches` and
    `passed_over` of a call, and in a line of a resident's routing (to whom a call may be handed on), the `station_name`,
    where it is the name of the station beside it. In any other place it stays.
    """
    if isinstance(told, list):
        return [without_names_of_calls(one) for one in told]
    if not isinstance(told, dict):
        return told
    made = {name: without_names_of_calls(value) for name, value in told.items()}
    if "state" in told:  # a call, or who was first, told to whoever came too late
        if isinstance(told.get("accepted"), dict):
            made["accepted"] = _unnamed(made["accepted"])
        for name in ("dispatches", "passed_over"):
            if isinstance(told.get(name), list):
                made[name] = [_unnamed(one) for one in made[name]]
    elif {"tier", "able", "reason"} <= told.keys():
        return _unnamed(made)
    return made


def _unnamed(one: dict[str, Any]) -> dict[str, Any]:
    own = one.get("station_name") == f"~{one.get('station')}~"
    return {name: value for name, value in one.items() if not (own and name == "station_name")}


def _lat(where: str, name: str = "") -> float:
    """A latitude of its own for each home, the places kilometres from each other, written like no other number."""
    place = 31.111117 + 0.05 * (*AREAS, "none", "a").index(where)
    return round(place + (0.0001 * (1 + FURTHER.index(name)) if name in FURTHER else 0), 6)


def _resident(where: str, name: str = "") -> dict[str, Any]:
    mark = f"res-{name or where}-zz"
    made = {
        "id": mark,
        "name": f"{mark} 奶奶",
        "phone": f"{mark}/1",
        "address": f"{mark} 弄 3 号",
        "area": AREAS.get(where, ""),
        "location": {"lat": _lat(where, name), "lon": 112.5},
        "notes": f"{mark} 的钥匙",
        "contacts": [{"name": f"{mark} 的女儿", "phone": f"{mark}/2"}],
    }
    if where == "c1" and not name:
        made["contacts"][0]["webhook"] = "wh-a-zz"
    return made


def _station(where: str) -> dict[str, Any]:
    said = f"~st-{where}-zz~"
    return {
        "id": f"st-{where}-zz",
        "name": said,
        "kind": "care_station",
        "area": AREAS[where],
        "location": {"lat": _lat(where) + 0.001, "lon": 112.5},
        "phone": f"{said}1",
    }


def _person(kind: str, where: str, role: str, **more: Any) -> dict[str, Any]:
    said = f"~{kind}-{where}-zz~"
    return {"id": f"{kind}-{where}-zz", "name": f"{said} 名", "phone": f"{said}1", "role": role, **more}


def _secret(webhook: str) -> str:
    return "whsec_" + base64.b64encode(f"the secret of {webhook}".encode()).decode()


def district(code: str) -> dict[str, Any]:
    """The file of one of the two."""
    places = [name for name, area in AREAS.items() if area.startswith(code)]
    homes = [name for name in HOMES if name in places or (name == "none" and code == A)]
    residents = [_resident(name) for name in homes]
    stations = [_station(name) for name in STATIONS if name in places]
    staff = [_person("who", name, "station", station=f"st-{name}-zz") for name in STATIONS if name in places]
    stations.append({"id": f"desk-{code}", "kind": "district_desk", "area": code})
    webhooks = [{"id": f"wh-{'a' if code == A else 'b'}-zz", "area": code}]
    if code == A:
        residents += [_resident("c3", name) for name in FURTHER]
        staff += [
            _person("vol", "c3", "volunteer", area=AREAS["c3"]),
            _person("grid", "g3", "grid", area=AREAS["g3"]),
            _person("desk", "none", "district"),
        ]
        webhooks.append({"id": "wh-s2-zz", "area": AREAS["s2"]})
    calm = policy(
        steps=steps((0, "nearest"), (3600, "everyone")),
        repeat=3600,
        en_route_within=3600,
        arrive_goal=None,
        arrive_limit=None,
    )
    return {
        "district": {"code": code, "name": f"试验区{code}"},
        "areas": [
            {
                "code": AREAS[name],
                "name": f"~area-{name}-zz~",
                "kind": KINDS[name[0]],
                "parent": AREAS.get(PARENTS[name], PARENTS[name]),
            }
            for name in places
        ],
        "stations": stations,
        "residents": residents,
        "devices": [
            *({"id": f"dev-{one['id'][4:]}", "resident": one["id"]} for one in residents),
            *([{"id": "dev-loose-zz"}] if code == A else []),
            # Its family knows it by another name than its id.
            *(
                [{"id": "dev-alias-zz", "address": "speaks-alias-zz", "resident": "res-b-zz"}]
                if code == B
                else []
            ),
        ],
        "staff": staff,
        "webhooks": [
            one | {"url": f"http://127.0.0.1:9/{one['id']}", "secret": _secret(one["id"])} for one in webhooks
        ],
        "policies": {
            "emergency": calm,
            "service": calm | {"steps": steps((0, "volunteers"), (3600, "everyone"))},
            "family": calm,
        },
    }


def _things(file: dict[str, Any], code: str) -> list[Thing]:
    by_code = {area: name for name, area in AREAS.items()}
    whole = WHOLE_OF[code]
    found = []
    homes = {}
    for one in file["residents"]:
        where = by_code.get(one["area"], "none")
        name = one["id"].split("-")[1]
        homes[one["id"]] = where
        found.append(Thing("residents", where, one["id"], (one["id"], str(_lat(where, name)))))
    for one in file["staff"]:
        area = one.get("area") or (AREAS[one["id"].split("-")[1]] if "station" in one else "")
        found.append(Thing("staff", by_code.get(area, "none"), one["id"], (one["name"], one["phone"])))
    found += [
        Thing("devices", homes.get(one.get("resident", ""), "none"), one["id"], (one["id"],))
        for one in file["devices"]
    ]
    found += [
        Thing("stations", by_code.get(one["area"], whole), one["id"], (one["name"],) if "name" in one else ())
        for one in file["stations"]
    ]
    found += [Thing("areas", by_code[one["code"]], one["code"], (one["name"],)) for one in file["areas"]]
    found += [Thing("webhooks", whole, one["id"], (one["id"], one["secret"])) for one in file["webhooks"]]
    return found


async def build(server: Server) -> Realm:
    """Load both districts, make a token of every kind, open a call in every corner."""
    realm = Realm(server)
    async with Desk(server) as admin:
        for code in (A, B):
            file = district(code)
            (await admin.post("/district", file)).ok(200, 201)
            realm.things += _things(file, code)
    words = [("token", "create", *how) for how in TOKENS.values()]
    made = await asyncio.gather(*(asyncio.to_thread(server.cli, *one) for one in words))
    realm.tokens = {"admin": ADMIN_TOKEN, "nobody": None}
    for who, ran in zip(TOKENS, made, strict=True):
        assert ran.code == 0, ran.said
        realm.tokens[who] = ran.out.strip()
    async with realm.desks() as desks:
        revoked = (await desks["revoked"].get("/me"))["id"]
        assert server.cli("token", "revoke", revoked).code == 0
        await eventually(lambda: _unknown(desks["revoked"]), "the revoked token to be known no more")
        await open_calls(realm, desks["admin"], desks["station"])
        await open_faults(realm, desks["admin"])
    return realm


async def _unknown(desk: Desk) -> bool:
    return (await desk.ask("GET", "/me")).status == 401


async def open_faults(realm: Realm, admin: Desk) -> None:
    """In every home somebody has opened the button's case."""
    for where in HOMES:
        body = {"device": f"dev-{where}-zz", "id": f"tamper-{where}", "type": "tamper"}
        (await admin.post("/signals", body)).ok(201)

    async def told() -> list[dict[str, Any]] | None:
        found = [one for code in (A, B) for one in await admin.all("/faults", district=code)]
        return found if len(found) == len(HOMES) else None

    for one in await eventually(told, "a fault in every home"):
        where = one["device"].split("-")[1]
        realm.things.append(Thing("faults", where, one["id"], (one["id"], one["device"], one["resident"])))


async def open_calls(realm: Realm, admin: Desk, station: Desk) -> None:
    """A press in every home; and in c3 five more calls that somebody of elsewhere is, or was, asked to."""

    async def pressed(device: str, where: str, key: str = "emergency", mark: str = "") -> str:
        body = {"device": device, "id": f"press-{where}", "type": "press", "key": key}
        call: str = (await admin.post("/signals", body)).ok(201)["call"]
        note = mark or f"~note-{where}-zz~"
        (await admin.step(call, "note", text=note)).ok()
        realm.things.append(Thing("calls", where, call, (call, note)))
        return call

    for where in HOMES:
        await pressed(f"dev-{where}-zz", where)
    await pressed("stranger-zz", "a")
    (await admin.post("/staff/vol-c3-zz/duty", {"on": True})).ok()
    calls = {
        name: await pressed(f"dev-{name}-zz", name, "service" if name == "helped" else "emergency")
        for name in FURTHER
    }
    for name in ("asked", "held", "lost", "over"):
        (await admin.step(calls[name], "transfer", station="st-c1-zz")).ok()
    for name in ("held", "over"):
        (await station.step(calls[name], "accept")).ok()
    closing = {"outcome": "helped", "evidence": "on_site", "note": "~over-closing-zz~"}
    (await station.step(calls["over"], "close", **closing)).ok()
    (await admin.step(calls["lost"], "accept", station="st-c3-zz")).ok()
    where = {thing.id: thing.where for thing in realm.of("calls")}
    for code in (A, B):
        for one in await admin.all("/alerts", district=code):
            # News that goes to a district's webhook is the district's, whatever call it is about.
            place = WHOLE_OF[code] if one["to"].startswith("wh-") else where[one["call"]]
            realm.things.append(Thing("alerts", place, one["id"], (one["id"],)))
