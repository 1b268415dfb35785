"""Who sees what, and who may do what: every operation of the OpenAPI document, asked by every role about everything.

The document is walked, not a list of ours: an operation that stands in it and has no line in `EXPECTED` fails the walk
before anybody has written a test for it. Two districts with a mark on everything stand in `realm.py`. Of every answer
each byte is searched for what this role may not read, and what is out of sight must answer like what does not exist.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from outside.harness import BASE, Desk, Reply, Server
from outside.realm import (
    AREAS,
    ASKED,
    EVERYONE,
    SIGHT,
    STAFFED,
    STILL,
    STRANGERS,
    WHOLE,
    A,
    B,
    Realm,
    Thing,
    build,
    without_names_of_calls,
)

NOTHING = "nothing-there"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def realm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Realm]:
    """Both districts on a server of their own."""
    server = Server(tmp_path_factory.mktemp("realm"))
    try:
        server.start()
        yield asyncio.run(build(server))
    finally:
        server.end()


@pytest.fixture
async def desks(realm: Realm) -> AsyncIterator[dict[str, Desk]]:
    """A client for every role."""
    async with realm.desks() as clients:
        yield clients


# ── what is expected of each operation ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Probe:
    """How an operation is asked, and what it answers.

    `section`: whose ids are asked for, one after the other, in the path or by `body`. `who` may ask at all (403 for
    others, 401 for strangers). `seen`, `unseen`: the statuses for what is in sight and what is not; none for `seen`: not
    asked, since it would change what the walk stands on. `told_apart`: these learn whether an id is taken elsewhere,
    because ids are unique in an installation. `calls`: the answer may tell of calls they are asked to.
    """

    section: str = ""
    who: frozenset[str] = STAFFED
    seen: tuple[int, ...] = (200,)
    unseen: int = 404
    body: Callable[[str], Any] | None = None
    as_it_is: bool = False  #: the body is what an administrator's GET gives
    told_apart: frozenset[str] = frozenset()
    calls: bool = False
    listed: bool = False
    stream: bool = False
    public: bool = False  #: before anybody has logged in, so strangers are answered as everybody is


def _register(section: str, one: str, who: frozenset[str] = STAFFED) -> dict[str, Probe]:
    return {
        f"GET /{section}": Probe(section, who, listed=True),
        f"GET /{section}/{one}": Probe(section, who),
        f"PUT /{section}/{one}": Probe(section, WHOLE, unseen=403, as_it_is=True, told_apart=WHOLE),
        f"DELETE /{section}/{one}": Probe(section, WHOLE, seen=()),
    }


def _step(body: Any = None, *, seen: tuple[int, ...] = ()) -> Probe:
    return Probe("calls", EVERYONE, seen, body=lambda _id: body or {}, calls=True)


NOBODY: frozenset[str] = frozenset()


def stranger() -> dict[str, str]:
    """A login that nobody has, another one each time: the walk is not to be kept waiting."""
    return {"login": f"stranger-{next(_numbers)}", "password": "correct horse battery"}


EXPECTED: dict[str, Probe] = {
    "GET /me": Probe(who=EVERYONE),
    "GET /events": Probe(who=EVERYONE, calls=True, stream=True),
    # Calls. A volunteer sees those they are asked to, and opens none.
    "GET /calls": Probe("calls", EVERYONE, calls=True, listed=True),
    "GET /calls/{id}": Probe("calls", EVERYONE, calls=True),
    "GET /calls/{id}/journal": Probe("calls", EVERYONE, calls=True),
    "POST /calls": Probe("residents", STAFFED, (), 400, lambda one: {"resident": one}, calls=True),
    # Which step fits whom and when is the table's below; here, that a call out of sight is none.
    "POST /calls/{id}/accept": _step(),
    "POST /calls/{id}/decline": _step(),
    "POST /calls/{id}/release": _step(),
    "POST /calls/{id}/spoke": _step({"result": "answered"}),
    "POST /calls/{id}/en-route": _step(),
    "POST /calls/{id}/on-scene": _step(),
    "POST /calls/{id}/close": _step({"outcome": "other", "evidence": "on_site"}),
    "POST /calls/{id}/reopen": _step(),
    "POST /calls/{id}/transfer": _step({"station": "st-c1-zz"}),
    "POST /calls/{id}/note": _step({"text": "walked by"}, seen=(200,)),
    "POST /calls/{id}/seen": _step(seen=(200,)),
    # The register: read in one's scope, written by the district. Webhooks, with their secrets, are the district's alone.
    **_register("stations", "{id}"),
    **_register("residents", "{id}"),
    **_register("devices", "{id}"),
    **_register("staff", "{id}"),
    **_register("areas", "{code}"),
    **_register("webhooks", "{id}", WHOLE),
    "GET /policies": Probe(),
    "GET /policies/{key}": Probe(),
    "PUT /policies/{key}": Probe(who=WHOLE, as_it_is=True),
    "DELETE /policies/{key}": Probe(who=WHOLE, seen=()),
    "GET /residents/{id}/routing": Probe("residents"),
    "POST /devices/{id}/test": Probe("devices", body=lambda _id: {"for": 0}),
    "POST /areas/{code}/test": Probe("areas", body=lambda _id: {"for": 0}),
    # Within a scope a station answers for its own people: 403 for others it sees.
    "POST /staff/{id}/duty": Probe("staff", EVERYONE, (200, 403), body=lambda _id: {"on": True}),
    "POST /district": Probe(who=WHOLE, body=lambda _id: {}),
    "GET /district": Probe(who=WHOLE),
    "GET /district/settings": Probe(who=WHOLE),
    "POST /district/preview": Probe(who=WHOLE, body=lambda _id: {}),
    "GET /district/export": Probe(),
    "GET /district/template": Probe(),
    "POST /signals": Probe(
        "devices",
        seen=(200, 201),
        unseen=403,
        body=lambda one: {"device": one, "id": "walk", "type": "heartbeat"},
        told_apart=WHOLE,
    ),
    "GET /alerts": Probe("alerts", calls=True, listed=True),
    "POST /alerts/{id}/resend": Probe("alerts", seen=(200, 409), calls=True),
    "POST /calls/{id}/unmask": Probe("calls", EVERYONE, body=lambda _id: {"why": "walk"}, calls=True),
    "POST /residents/{id}/unmask": Probe("residents", body=lambda _id: {"why": "walk"}),
    "POST /residents/{id}/erase": Probe("residents", WHOLE, seen=()),
    "POST /staff/{id}/erase": Probe("staff", WHOLE, seen=()),
    "GET /faults": Probe("faults", listed=True),
    "GET /faults/{id}": Probe("faults"),
    "POST /faults/{id}/end": Probe("faults", seen=(), body=lambda _id: {}),
    "GET /coverage": Probe(),
    # Whether a press comes through is everybody's to know; it tells of nobody.
    "GET /canary": Probe(who=EVERYONE),
    "POST /canary": Probe(who=WHOLE, body=lambda _id: {}),
    # Kept to the area, as calls that are over are: tests/dispatcher/console/test_console_follow_ups.py.
    # What a hand-over names is kept to the asker's own sight: tests/dispatcher/console/test_console_handovers.py.
    "GET /handovers/sheet": Probe(calls=True),
    "GET /handovers/missing": Probe(),
    "GET /handovers": Probe(),
    "GET /handovers/{id}": Probe("residents", seen=(404,)),
    "POST /handovers": Probe(seen=(201,), body=lambda _id: {"note": "keys"}, calls=True),
    "POST /handovers/{id}/take": Probe("residents", seen=(404,), body=lambda _id: {"sound": True}),
    "GET /followups": Probe(),
    "GET /followups/{id}": Probe("residents", seen=(404,)),
    "POST /followups/{id}/done": Probe("residents", seen=(404,), body=lambda _id: {"result": "well"}),
    # By area and by item: tests/dispatcher/console/test_console_history.py.
    "GET /history": Probe(),
    "GET /map": Probe(who=EVERYONE),
    # Logging in is for anybody; what a person looks after themselves is for who has logged in, not for a token.
    "POST /login": Probe(who=EVERYONE, seen=(401,), body=lambda _id: stranger()),
    "GET /login/ways": Probe(who=EVERYONE, public=True),
    "POST /login/pin": Probe(who=NOBODY, body=lambda _id: {"login": "who-c1-zz", "pin": "4711"}),
    "GET /login/pin": Probe(who=NOBODY),
    "POST /logout": Probe(who=NOBODY, body=lambda _id: {}),
    "POST /me/password": Probe(who=NOBODY, body=lambda _id: {}),
    "POST /me/pin": Probe(who=NOBODY, body=lambda _id: {}),
    "GET /me/login": Probe(who=NOBODY),
    "POST /me/totp/new": Probe(who=NOBODY),
    "POST /me/totp": Probe(who=NOBODY, body=lambda _id: {}),
    "POST /me/totp/remove": Probe(who=NOBODY, body=lambda _id: {}),
    "GET /me/sessions": Probe(who=NOBODY),
    "DELETE /me/sessions/{id}": Probe("residents", NOBODY),
    "GET /audit": Probe(who=WHOLE | {"street", "community", "grid"}),
    "GET /audit/file": Probe(who=WHOLE | {"street", "community", "grid"}),
    # Logins are looked after by the district, of its own people; nobody of this town has one, so all answer like nothing.
    "GET /users": Probe(who=WHOLE),
    "POST /users": Probe("staff", WHOLE, (), 400, lambda one: {"login": one}),
    **{
        operation: Probe("staff", WHOLE, ())
        for operation in (
            "POST /users/{id}/password",
            "POST /users/{id}/disable",
            "POST /users/{id}/enable",
            "POST /users/{id}/totp/remove",
            "GET /users/{id}/sessions",
            "POST /users/{id}/logout",
        )
    },
    # Here go the next ones: GET /reports, …
}

#: Query parameters that name something, and what; and those that name nothing.
FILTERS = {
    "area": "areas",
    "station": "stations",
    "resident": "residents",
    "device": "devices",
    "call": "calls",
    "to": "webhooks",
}
PLAIN = {
    "state",
    "key",
    "test",
    "since",
    "until",
    "limit",
    "total",
    "cursor",
    "at",
    "after",
    "district",
    "from",
    "fate",
    "fault",
    "channel",
    "by",
    "act",
    "what",
    "id",
    "unmask",
    "due",
    "format",
    "section",
}


async def operations(desk: Desk) -> dict[str, dict[str, Any]]:
    """Every operation of the document: `GET /calls` and what is said of it."""
    document = await desk.get("/openapi.json")
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


async def ask(desk: Desk, operation: str, one: str, body: Any = None, **params: Any) -> Reply:
    """The operation, of this one."""
    method, path = operation.split()
    address = re.sub(r"{(\w+)}", lambda name: "emergency" if name[1] == "key" else one, path)
    return await desk.ask(method, address, json=body, **params)


def said(reply: Reply) -> str:
    """Everything that an answer tells, its headers too; but not which stations a call in sight names."""
    return json.dumps([without_names_of_calls(reply.body), dict(reply.headers)], ensure_ascii=False)


def said_by_stream(told: str) -> str:
    """The same of a stream: each line of data read, and written again."""
    lines = []
    for line in told.splitlines():
        name, colon, data = line.partition(": ")
        if name == "data" and colon:
            lines.append(json.dumps(without_names_of_calls(json.loads(data)), ensure_ascii=False))
        else:
            lines.append(line)
    return "\n".join(lines)


def like_nothing(reply: Reply, one: str) -> tuple[int, Any]:
    """The answer with the id that was asked for taken out: so that two can be compared."""
    return reply.status, json.loads(json.dumps(reply.body, ensure_ascii=False).replace(one, NOTHING))


class Walk:
    """The walk of one role. `wrong`: everything that was not as it ought to be, so that one run tells all of it."""

    def __init__(self, realm: Realm, desks: dict[str, Desk], who: str) -> None:
        self.realm, self.who, self.desk, self.admin = realm, who, desks[who], desks["admin"]
        self.wrong: list[str] = []

    def note(self, operation: str, one: str, what: str) -> None:
        self.wrong.append(f"{self.who}: {operation} {one}: {what}")

    def search(self, operation: str, one: str, told: str, *, calls: bool, sent: str = "") -> None:
        """Nothing that this role may not read; what it said itself is no news to it."""
        for mark, thing in self.realm.hidden(self.who, calls=calls).items():
            if mark in told and mark not in sent:
                self.note(operation, one, f"tells {mark} ({thing.section} in {thing.where}): {told[:300]}")

    def expect(self, operation: str, one: str, reply: Reply, *statuses: int) -> None:
        if reply.status not in statuses:
            self.note(operation, one, f"{reply.status} where {statuses} was due: {reply.body!r:.300}")

    async def go(self, operation: str, probe: Probe) -> None:
        """Everything about one operation."""
        things: list[Thing | None] = [*self.realm.of(probe.section)] if probe.section else [None]
        if probe.listed:
            things = [None]
        for thing in things:
            one = thing.id if thing is not None else ""
            seen = thing is None or self.realm.sees(self.who, thing) or self._is_them(operation, one)
            may = self.who in probe.who
            if (may and seen and not probe.seen) or self._still(operation, thing):
                continue
            body = await self._body(operation, probe, one)
            reply = await ask(self.desk, operation, one, body, **({"limit": 500} if probe.listed else {}))
            if self.who in STRANGERS and not probe.public:
                self.expect(operation, one, reply, 401)
            elif not may and not probe.public:
                self.expect(operation, one, reply, 403)
            else:
                self.expect(operation, one, reply, *(probe.seen if seen else (probe.unseen,)))
            self.search(operation, one, said(reply), calls=probe.calls, sent=f"{one} {json.dumps(body)}")
            if not (may and seen) and thing is not None and self.who not in probe.told_apart:
                await self._is_like_nothing(operation, probe, one, reply)
            if probe.listed and may:
                self._lists(operation, probe, reply)

    async def _body(self, operation: str, probe: Probe, one: str) -> Any:
        if probe.as_it_is:
            return await self.admin.get(re.sub(r"{\w+}", one or "emergency", operation.split()[1]))
        return probe.body(one) if probe.body is not None else None

    async def _is_like_nothing(self, operation: str, probe: Probe, one: str, reply: Reply) -> None:
        body = probe.body(NOTHING) if probe.body is not None else None
        other = await ask(self.desk, operation, NOTHING, {} if probe.as_it_is else body)
        if like_nothing(reply, one) != like_nothing(other, NOTHING):
            self.note(operation, one, f"{reply.body} unlike {other.status} {other.body} of what is not there")

    def _lists(self, operation: str, probe: Probe, reply: Reply) -> None:
        """Exactly what is in sight, and in the asker's own district where there are several."""
        known = {thing.id: thing for thing in self.realm.of(probe.section)}
        listed = {item.get("id") or item["code"] for item in reply.body["items"]} & set(known)
        due = {
            one
            for one, thing in known.items()
            if self.realm.sees(self.who, thing) and self.realm.is_home(self.who, thing)
        }
        if listed != due:
            self.note(
                operation, "", f"lists {sorted(listed - due)} too much and {sorted(due - listed)} too little"
            )

    def _still(self, operation: str, thing: Thing | None) -> bool:
        if thing is None or not operation.startswith("POST /calls/{id}/"):
            return False
        return operation.rpartition("/")[2] in STILL.get((self.who, thing.where), ())

    def _is_them(self, operation: str, one: str) -> bool:
        return operation == "POST /staff/{id}/duty" and self.who == "volunteer" and one == "vol-c3-zz"

    async def filtered(self, operation: str, parameters: list[dict[str, Any]], probe: Probe) -> None:
        """Every way of asking a list about somebody else's: answered like a question about nothing."""
        for name in (parameter["name"] for parameter in parameters if parameter["in"] == "query"):
            if name in FILTERS:
                nothing = await ask(self.desk, operation, "", **{name: NOTHING})
                for thing in self.realm.of(FILTERS[name]):
                    reply = await ask(self.desk, operation, "", **{name: thing.id, "limit": 1})
                    self.search(
                        operation, f"?{name}={thing.id}", said(reply), calls=probe.calls, sent=thing.id
                    )
                    mine = self.realm.sees(self.who, thing) or thing.section in {"stations", "areas"}
                    if (
                        not mine
                        and not self._asked_about(thing)
                        and like_nothing(reply, thing.id) != like_nothing(nothing, NOTHING)
                    ):
                        self.note(operation, f"?{name}={thing.id}", f"{reply.body} unlike {nothing.body}")
            elif name == "district" and self.who not in {"admin", "district"}:
                other = A if self.who in ("district b", "station b") else B
                replies = [await ask(self.desk, operation, "", district=code) for code in (other, NOTHING)]
                for reply in replies:
                    self.expect(operation, "?district", reply, 403)
                if replies[0].body != replies[1].body:
                    self.note(operation, "?district", f"{replies[0].body} unlike {replies[1].body}")
            elif name == "search":
                for thing in self.realm.of(operation.rsplit("/", 1)[1]):
                    for word in (thing.id, *thing.marks):
                        reply = await ask(self.desk, operation, "", search=word)
                        self.search(operation, f"?search={word}", said(reply), calls=probe.calls, sent=word)
            elif name not in PLAIN and name != "district":
                self.note(
                    operation, f"?{name}", "is a parameter the walk does not know: add it to FILTERS or PLAIN"
                )

    def _asked_about(self, thing: Thing) -> bool:
        return bool(ASKED.get(self.who, frozenset()).intersection(thing.id.split("-")))


async def test_every_operation_has_a_line_in_the_table(desks: dict[str, Desk]) -> None:
    found = await operations(desks["admin"])
    missing = sorted(set(found) - set(EXPECTED))
    assert not missing, (
        f"no expectation for {missing}: add a Probe for each to EXPECTED in tests/outside/test_scope.py, saying whose ids it"
        " is asked for, which roles may ask, and what it answers in sight and out of sight"
    )
    gone = {operation.split(" ")[1] for operation in EXPECTED} - {
        operation.split(" ")[1] for operation in found
    }
    assert not gone, f"EXPECTED has what is not served any more: {gone}"


@pytest.mark.parametrize("who", SIGHT)
async def test_every_operation_is_kept_to_the_scope(realm: Realm, desks: dict[str, Desk], who: str) -> None:
    walk = Walk(realm, desks, who)
    for operation, described in (await operations(desks["admin"])).items():
        probe = EXPECTED.get(operation)
        if probe is None or probe.stream:
            continue
        await walk.go(operation, probe)
        if who in probe.who and operation.startswith("GET") and "{" not in operation:
            await walk.filtered(operation, described.get("parameters", []), probe)
    assert not walk.wrong, "\n".join(walk.wrong[:40])


# ── the stream ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def heard(desk: Desk, quiet: float = 0.4, **params: str) -> tuple[int, str]:
    """All bytes of the stream from the beginning of the journal, until it has been quiet for a while."""
    assert desk._session is not None
    told = b""
    async with desk._session.get(
        f"{desk._server.url}{BASE}/events", params={"after": "0", **params}
    ) as answer:
        while answer.status == 200:
            try:
                async with asyncio.timeout(quiet):
                    told += await answer.content.readany()
            except TimeoutError:
                break
        return answer.status, said_by_stream(told.decode())


@pytest.mark.parametrize("who", SIGHT)
async def test_the_stream_read_from_its_beginning_is_kept_to_the_scope(
    realm: Realm, desks: dict[str, Desk], who: str
) -> None:
    status, told = await heard(desks[who])
    if who in STRANGERS:
        assert status == 401
        return
    walk = Walk(realm, desks, who)
    # What somebody was asked to and is no longer, they may have heard of by its id; of the person in it no more.
    was_asked = {realm.call("lost"), realm.call("over")} if who == "station" else set()
    for mark, thing in realm.hidden(who, calls=True).items():
        if mark in told and mark not in was_asked:
            walk.note("GET /events", "", f"tells {mark} ({thing.section} in {thing.where})")
    assert not walk.wrong, "\n".join(walk.wrong[:40])
    for thing in realm.of("calls"):
        if realm.sees(who, thing) and realm.is_home(who, thing):
            assert thing.id in told, f"{who} hears nothing of the call in {thing.where}"


@pytest.mark.parametrize("who", ["district b", "street", "station", "volunteer"])
async def test_the_stream_of_another_district_is_not_opened(desks: dict[str, Desk], who: str) -> None:
    other = A if who == "district b" else B
    status, told = await heard(desks[who], district=other)
    assert status == 403
    assert (status, told) == await heard(desks[who], district=NOTHING)


# ── taking over, moving in and out, reading by errors ────────────────────────────────────────────────────────────────


async def test_nothing_of_another_district_is_taken_over_moved_or_named(
    realm: Realm, desks: dict[str, Desk]
) -> None:
    """A district's own token writes its own register; what it may not see it can neither take, nor lean on, nor name."""
    far, admin = desks["district b"], desks["admin"]
    walk = Walk(realm, desks, "district b")
    file = {
        "district": {"code": A, "name": "taken"},
        "stations": [{"id": "st-new", "kind": "day_care", "area": AREAS["c1"]}],
    }
    mine = {"district": {"code": B, "name": f"试验区{B}"}}
    asked: list[tuple[str, str, Any, int]] = [
        # a file of the other district, or of one that is not there yet
        ("POST", "/district", file, 400),
        ("POST", "/district", {"district": {"code": "411099"}}, 400),
        # its things in a file of one's own
        ("POST", "/district", mine | {"residents": [{"id": "res-c3-zz"}]}, 400),
        ("POST", "/district", mine | {"devices": [{"id": "dev-new", "resident": "res-c3-zz"}]}, 400),
        # one's own thing moved over there, or leaning on something there
        ("PUT", "/residents/res-b-zz", {"name": "moved", "area": AREAS["c3"]}, 400),
        ("PUT", "/devices/dev-b-zz", {"resident": "res-c3-zz"}, 400),
        ("PUT", "/staff/who-b-zz", {"role": "station", "station": "st-c3-zz"}, 400),
        # a device that speaks as one of theirs
        ("PUT", "/devices/dev-new", {"address": "dev-c3-zz"}, 400),
        # a contact that is told by their webhook
        ("PUT", "/residents/res-b-zz", {"contacts": [{"webhook": "wh-a-zz"}]}, 400),
        ("PUT", f"/residents/res-b-zz?district={A}", {"name": "moved"}, 403),
        ("POST", "/calls", {"resident": "res-c3-zz"}, 400),
        ("POST", "/calls", {"area": AREAS["c3"], "name": "x"}, 400),
    ]
    for method, path, body, status in asked:
        address, _, query = path.partition("?")
        params = dict([query.split("=")]) if query else {}
        reply = await far.ask(method, address, json=body, **params)
        walk.expect(f"{method} {path}", json.dumps(body), reply, status)
        walk.search(method, path, said(reply), calls=False, sent=json.dumps(body, ensure_ascii=False))
        if A in said(reply) and A not in json.dumps(body) and A not in path:
            walk.note(method, path, f"names the other district: {reply.body}")
    assert not walk.wrong, "\n".join(walk.wrong)
    assert (await admin.get("/residents/res-b-zz"))["name"] == "res-b-zz 奶奶", "nothing was changed"
    assert (await admin.ask("GET", "/stations/st-new")).status == 404
    assert (await admin.get("/district", district=A))["district"]["name"] == f"试验区{A}"


async def test_a_file_without_a_district_goes_to_the_district_of_its_token(desks: dict[str, Desk]) -> None:
    (
        await desks["district b"].post("/district", {"residents": [{"id": "res-later", "area": AREAS["b"]}]})
    ).ok()
    assert (await desks["station b"].ask("GET", "/residents/res-later")).status == 200
    assert (await desks["district a"].ask("GET", "/residents/res-later")).status == 404
    assert (await desks["district b"].delete("/residents/res-later")).status == 204


async def test_a_device_by_the_name_it_speaks_under_is_the_same_device(desks: dict[str, Desk]) -> None:
    press = {"device": "speaks-alias-zz", "type": "heartbeat"}
    for turn, (who, status) in enumerate(
        {"district b": 201, "station b": 201, "district a": 403, "station": 403}.items()
    ):
        reply = await desks[who].post("/signals", press | {"id": f"alias-{turn}"})
        assert reply.status == status, (who, reply.body)


async def test_a_strangers_press_is_stored_and_its_call_shown_to_whose_it_is(
    realm: Realm, desks: dict[str, Desk]
) -> None:
    """An unknown device's press opens a call in the default district, whoever brings it."""
    own = (
        await desks["district a"].post("/signals", {"device": "stranger-2", "id": "1", "type": "press"})
    ).ok(201)
    far = (
        await desks["district b"].post("/signals", {"device": "stranger-2", "id": "1", "type": "press"})
    ).ok(200)
    assert own["call"]
    assert (own["result"], far["result"], far["call"]) == ("unknown_device", "duplicate", None)


async def test_a_key_is_of_its_token_alone(desks: dict[str, Desk]) -> None:
    """The same Idempotency-Key of somebody else gives nobody that one's answer."""
    body = {"name": "谁 own-key-zz", "area": AREAS["c1"], "key": "service"}
    first = (await desks["community"].post("/calls", body, Idempotency_Key="key-1")).ok(201)
    second = (await desks["street"].post("/calls", body, Idempotency_Key="key-1")).ok(201)
    assert first["id"] != second["id"]
    grid = await desks["grid"].post("/calls", body, Idempotency_Key="key-1")
    assert grid.status == 400
    test = {"for": 0}
    assert (
        await desks["station"].post("/devices/dev-c1-zz/test", test, Idempotency_Key="key-2")
    ).status == 200
    assert (await desks["grid"].post("/devices/dev-c1-zz/test", test, Idempotency_Key="key-2")).status == 404


async def test_a_duplicate_names_no_call_that_is_out_of_sight(realm: Realm, desks: dict[str, Desk]) -> None:
    held, answers = realm.call("held"), []
    for of in (realm.call("none"), realm.call("c2"), realm.call("b"), NOTHING):
        body = {"outcome": "duplicate", "evidence": "on_site", "of": of}
        reply = await desks["station"].step(held, "close", **body)
        answers.append(like_nothing(reply, of))
    assert answers[0][0] == 400
    assert all(answer == answers[0] for answer in answers), answers


async def test_a_call_in_sight_names_its_stations_and_tells_nothing_else_of_them(
    realm: Realm, desks: dict[str, Desk]
) -> None:
    """A neighbour has it: their register does not show that station, the call says what it is called."""
    assert (await desks["station"].ask("GET", "/stations/st-c3-zz")).status == 404
    held = await desks["station"].get(f"/calls/{realm.call('held')}")
    asked = [one for one in (*held["dispatches"], *held["passed_over"]) if one.get("station") == "st-c3-zz"]
    assert {one["station_name"] for one in asked} == {"~st-c3-zz~"}
    first = await desks["station"].step(realm.call("lost"), "accept")
    assert (first.status, first.body["accepted"]["station_name"]) == (409, "~st-c3-zz~")
    routing = await desks["station"].get("/residents/res-c1-zz/routing")
    assert [one["station_name"] for one in routing["items"] if one["station"] == "st-c3-zz"] == ["~st-c3-zz~"]
    assert "~st-c3-zz~1" not in json.dumps([held, first.body, routing]), "its telephone"


def test_only_a_call_or_a_routing_may_name_a_station_of_elsewhere() -> None:
    """What the walk lets pass, and what it does not."""
    call = {
        "state": "accepted",
        "accepted": {"station": "st-c3-zz", "station_name": "~st-c3-zz~"},
        "dispatches": [{"station": "st-c3-zz", "station_name": "~st-c3-zz~"}],
        "passed_over": [{"station": "st-c3-zz", "station_name": "~st-c3-zz~"}],
    }
    route = {"station": "st-c3-zz", "station_name": "~st-c3-zz~", "tier": 0, "able": True, "reason": "able"}
    assert "~" not in json.dumps(without_names_of_calls({"items": [call, route]}))
    for other in (
        {**route, "kind": "~st-c3-zz~"},
        {**route, "station_name": "~st-b-zz~"},
        {"station": "st-c3-zz", "station_name": "~st-c3-zz~"},
        {"accepted": {"station": "st-c3-zz", "station_name": "~st-c3-zz~"}},
        {"state": "on", "closed": {"station": "st-c3-zz", "station_name": "~st-c3-zz~"}},
        {**call, "accepted": {"station": "st-c3-zz", "station_name": "~st-b-zz~"}},
        {**call, "accepted": {"station": "st-c3-zz", "station_name": "~st-c3-zz~", "phone": "~st-c3-zz~1"}},
    ):
        assert "~" in json.dumps(without_names_of_calls(other)), other


@pytest.mark.parametrize("who", ["station", "station 3", "volunteer", "community"])
async def test_a_cursor_names_no_call_that_is_out_of_sight(
    realm: Realm, desks: dict[str, Desk], who: str
) -> None:
    hidden, cursor, pages = realm.hidden(who, calls=True), None, 0
    found: list[str] = []
    while pages == 0 or cursor is not None:
        page = await desks[who].get("/calls", limit=1, cursor=cursor)
        found += [item["id"] for item in page["items"]]
        cursor, pages = page["next"], pages + 1
        told = base64.urlsafe_b64decode(cursor + "==").decode() if cursor else ""
        assert not [mark for mark in hidden if mark in told], told
    due = {thing.id for thing in realm.of("calls") if realm.sees(who, thing)}
    assert due <= set(found)
    assert len(found) == len(set(found)), "nothing twice"


async def test_webhooks_and_their_secrets_are_the_districts(realm: Realm, desks: dict[str, Desk]) -> None:
    before = await desks["district a"].get("/webhooks/wh-a-zz")
    assert before["secret"].startswith("whsec_"), "PUT takes what GET gave"
    (await desks["district a"].put("/webhooks/wh-a-zz", before)).ok()
    contact = (await desks["admin"].get("/residents/res-c1-zz"))["contacts"][0]
    assert contact["webhook"] == "wh-a-zz"
    for who in ("street", "community", "station"):
        [seen] = (await desks[who].get("/residents/res-c1-zz"))["contacts"]
        assert "webhook" not in seen
        [told] = (await desks[who].get(f"/calls/{realm.call('c1')}"))["resident"]["contacts"]
        assert "webhook" not in told


# ── who may take which step ──────────────────────────────────────────────────────────────────────────────────────────

#: Calls in c1, asked of its station and of a volunteer. `far` is the station of c2, in the same street; it sees the call
#: only while it has it. What is shown is the answer: 404 not in sight, 403 not theirs to do, 409 does not fit, or somebody
#: else has it. Who names no station comes for the desk; so do those of an area, and the volunteer.
#:
#:   desk       for anyone                      street, community   for the stations of their area
#:   station    for itself alone                volunteer           in person
STEPS = """
step         who has it   desk  street  community  station  far  volunteer
accept       nobody       200   200     200        200      404  200
accept       station      409   409     409        200      404  409
accept       far          409   409     409        409      200  409
accept       volunteer    409   409     409        409      404  200
accept       desk         200   409     409        409      404  409
accept       over         409   409     409        409      404  409
accept for   nobody       200   200     403        403      404  403
decline      nobody       400   400     400        200      404  200
decline      station      400   400     400        409      404  409
decline      over         400   400     400        409      404  409
decline for  nobody       409   409     403        403      404  403
release      nobody       409   409     409        409      404  409
release      station      200   200     200        200      404  404
release      far          200   200     409        409      200  404
release      volunteer    200   409     409        409      404  200
release      desk         200   409     409        409      404  404
release      over         409   409     409        409      404  404
spoke        nobody       200   200     200        200      404  200
spoke        station      200   200     200        200      404  404
spoke        far          200   200     409        409      200  404
spoke        desk         200   409     409        409      404  404
spoke        over         409   409     409        409      404  404
en-route     nobody       409   409     409        409      404  409
en-route     station      200   200     200        200      404  404
en-route     far          200   200     409        409      200  404
en-route     volunteer    200   409     409        409      404  200
en-route     desk         200   409     409        409      404  404
on-scene     station      200   200     200        200      404  404
on-scene     far          200   200     409        409      200  404
on-scene     volunteer    200   409     409        409      404  200
close        nobody       409   409     409        409      404  409
close        station      200   200     200        200      404  404
close        far          200   200     409        409      200  404
close        volunteer    200   409     409        409      404  200
close        desk         200   409     409        409      404  404
close        over         409   409     409        200      404  404
reopen       nobody       409   409     409        409      404  409
reopen       over         200   200     200        200      404  404
transfer     nobody       200   200     200        200      404  403
transfer     station      200   200     200        200      404  404
transfer     desk         200   409     409        409      404  404
transfer     over         409   409     409        409      404  404
note         nobody       200   200     200        200      404  200
note         far          200   200     200        200      200  404
note         over         200   200     200        200      404  404
seen         nobody       200   200     200        200      404  200
seen         far          200   200     200        200      200  404
seen for     nobody       200   200     403        403      404  403
"""
BODIES: dict[str, dict[str, Any]] = {
    "accept for": {"station": "st-c2-zz"},
    "decline for": {"station": "st-c2-zz"},
    "seen for": {"station": "st-c2-zz"},
    "spoke": {"result": "answered"},
    "close": {"outcome": "helped", "evidence": "on_site"},
    "transfer": {"station": "st-c3-zz"},
    "note": {"text": "a note"},
}


class Corner:
    """c1 with one call after the other: opened by hand, asked of its station and of a volunteer, had by somebody."""

    def __init__(self, desks: dict[str, Desk]) -> None:
        self.desks = desks

    async def call(self, had_by: str) -> str:
        """A call of its own that somebody has, or nobody."""
        desk = self.desks["desk"]
        body = {"name": "谁", "area": AREAS["c1"], "key": "service"}
        call: str = (await desk.post("/calls", body)).ok(201)["id"]
        (await desk.step(call, "transfer", station="st-c1-zz")).ok()
        if had_by == "over":
            (await self.desks["station"].step(call, "accept")).ok()
            (await self.desks["station"].step(call, "close", **BODIES["close"])).ok()
        elif had_by == "far":
            (await desk.step(call, "transfer", station="st-c2-zz")).ok()
            (await self.desks["far"].step(call, "accept")).ok()
        elif had_by != "nobody":
            (await self.desks[had_by].step(call, "accept")).ok()
        return call


@pytest.fixture
async def corner(realm: Realm, desks: dict[str, Desk]) -> AsyncIterator[Corner]:
    """The actors of the table; the volunteer is of c1, on duty, and the far station has a token."""
    helper = {"role": "volunteer", "area": AREAS["c1"]}
    (await desks["admin"].put("/staff/helper-c1", helper)).ok(200, 201)
    (await desks["admin"].post("/staff/helper-c1/duty", {"on": True})).ok()
    for who, how in {
        "far": ("--role", "station", "--station", "st-c2-zz"),
        "helper": ("--role", "volunteer", "--staff", "helper-c1"),
    }.items():
        if who not in realm.tokens:
            realm.tokens[who] = realm.server.cli("token", "create", *how).out.strip()
    async with (
        Desk(realm.server, realm.tokens["far"]) as far,
        Desk(realm.server, realm.tokens["helper"]) as volunteer,
    ):
        actors = {"desk": desks["district a"], "far": far, "volunteer": volunteer}
        yield Corner({**{who: desks[who] for who in ("street", "community", "station")}, **actors})


async def test_who_may_take_which_step(corner: Corner) -> None:
    head, *rows = [re.split(r"\s{2,}", line) for line in STEPS.strip().splitlines()]
    wrong = []
    for step, had_by, *due in rows:
        for who, status in zip(head[2:], due, strict=True):
            call = await corner.call(had_by)
            reply = await corner.desks[who].step(call, step.split()[0], **BODIES.get(step, {}))
            if reply.status != int(status):
                wrong.append(
                    f"{step}, had by {had_by}, {who}: {reply.status} for {status}: {reply.body!r:.200}"
                )
    assert not wrong, "\n".join(wrong)


async def test_who_was_beaten_to_it_is_told_by_whom_and_no_more(corner: Corner) -> None:
    call = await corner.call("station")
    reply = await corner.desks["volunteer"].step(call, "accept")
    assert reply.status == 409
    assert (reply.body["state"], reply.body["accepted"]["station"]) == ("accepted", "st-c1-zz")
    assert reply.body["accepted"]["name"] is None
    assert (await corner.desks["volunteer"].ask("GET", f"/calls/{call}")).status == 404


async def test_the_journal_names_the_person_whose_token_it_was(realm: Realm, corner: Corner) -> None:
    call = await corner.call("station")
    facts = await corner.desks["desk"].journal(call)
    [accepted] = [fact for fact in facts if fact["fact"] == "call.accepted"]
    assert (accepted["by"], accepted["cause"]["by"], accepted["station"]) == (
        "who-c1-zz",
        "who-c1-zz",
        "st-c1-zz",
    )


# ── tokens ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class Bound:
    """A station with somebody in it, and a token that is bound to both."""

    def __init__(self, server: Server, desks: dict[str, Desk]) -> None:
        self.station, self.person = (f"{kind}-bound-{next(_numbers)}" for kind in ("st", "who"))
        self.server, self.desks = server, desks
        self.token = ""

    async def make(self, area: str = "c1") -> Bound:
        station = {"kind": "care_station", "area": AREAS[area]}
        (await self.desks["admin"].put(f"/stations/{self.station}", station)).ok(201)
        person = {"role": "station", "station": self.station}
        (await self.desks["admin"].put(f"/staff/{self.person}", person)).ok(201)
        how = ("--role", "station", "--station", self.station, "--staff", self.person)
        self.token = self.server.cli("token", "create", *how).out.strip()
        return self


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("--role", "street"), "--area"),
        (("--role", "community"), "--area"),
        (("--role", "grid"), "--area"),
        (("--role", "station"), "--station"),
        (("--role", "station", "--area", AREAS["c1"]), "--station"),
        (("--role", "volunteer"), "--staff"),
        (("--role", "admin", "--area", AREAS["c1"]), "--area"),
        (("--role", "admin", "--station", "st-c1-zz"), "--station"),
        (("--role", "district", "--area", AREAS["c1"]), "--area"),
    ],
)
def test_a_token_needs_the_bounds_of_its_role(realm: Realm, words: tuple[str, ...], option: str) -> None:
    ran = realm.server.cli("token", "create", *words)
    assert ran.code == 2, ran.said
    assert f"{option}:" in ran.err, ran.err
    assert not ran.out


async def test_a_token_for_what_is_not_there_opens_nothing_until_it_is(
    realm: Realm, desks: dict[str, Desk]
) -> None:
    made = realm.server.cli("token", "create", "--role", "station", "--station", "st-to-come")
    assert made.code == 0, made.said
    assert "st-to-come" in made.err, "it says that there is no such station yet"
    async with Desk(realm.server, made.out.strip()) as early:
        assert (await early.ask("GET", "/calls")).status == 401
        station = {"kind": "care_station", "area": AREAS["c2"]}
        (await desks["admin"].put("/stations/st-to-come", station)).ok(201)
        assert (await early.ask("GET", "/residents/res-c2-zz")).status == 200
    assert (await desks["admin"].delete("/stations/st-to-come")).status == 204


async def test_a_station_that_moves_takes_its_sight_along(realm: Realm, desks: dict[str, Desk]) -> None:
    bound = await Bound(realm.server, desks).make()
    async with Desk(realm.server, bound.token) as station:
        assert (await station.ask("GET", "/residents/res-c1-zz")).status == 200
        assert (await station.ask("GET", "/residents/res-c2-zz")).status == 404
        moved = {"kind": "care_station", "area": AREAS["c2"]}
        (await desks["admin"].put(f"/stations/{bound.station}", moved)).ok()
        assert (await station.ask("GET", "/residents/res-c1-zz")).status == 404
        assert (await station.ask("GET", "/residents/res-c2-zz")).status == 200


@pytest.mark.parametrize("how", ["the person leaves", "the station goes", "the token is revoked"])
async def test_who_is_nobody_any_more_loses_everything_within_seconds(
    realm: Realm, desks: dict[str, Desk], how: str
) -> None:
    bound = await Bound(realm.server, desks).make()
    async with Desk(realm.server, bound.token) as station:
        name = (await station.get("/me"))["id"]
        stream = await station.events()
        (await desks["admin"].step(realm.call("c1"), "note", text="before")).ok()
        await stream.fact("call.noted", realm.call("c1"))
        if how == "the person leaves":
            assert (await desks["admin"].delete(f"/staff/{bound.person}")).status == 204
        elif how == "the station goes":
            assert (await desks["admin"].delete(f"/stations/{bound.station}")).status == 204
        else:
            assert realm.server.cli("token", "revoke", name).code == 0
        for _ in range(80):
            if stream.ended:
                break
            await asyncio.sleep(0.1)
        assert stream.ended, "the stream goes on"
        assert (await station.ask("GET", "/me")).status == 401
        (await desks["admin"].step(realm.call("c1"), "note", text="after")).ok()
        # Until then the realm's calls may have gone on: what came may have come, but nothing of after.
        told = [event.data for event in stream.seen if event.name == "call.noted"]
        assert "before" in str(told)
        assert "after" not in str(told)
