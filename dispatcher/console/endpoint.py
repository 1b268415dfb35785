"""One endpoint of the API: the line in the table from which both the route and its page in OpenAPI are made.

    Endpoint("POST", "/calls/{id}/accept", accept, en="Take the call", body=AcceptBody, answer=CallView, …)

`handle` gets an Ask (one request: read, allowed, understood) and gives an Answer, or raises a Problem.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from aiohttp import web

from dispatcher.console.access import EVERYONE, Access, Scope
from dispatcher.console.problems import Problem, wrong
from dispatcher.console.reading import moment_us
from dispatcher.console.rooms import Rooms
from dispatcher.core.call import Call
from dispatcher.core.district import Role
from dispatcher.core.roll import Roll

_QUERY_CHARACTERS_MAX = 1024
LIMIT_MAX = 500
_LIMIT = 100


class Kind(StrEnum):
    """How a query text is read."""

    TEXT = "text"
    LIMIT = "limit"
    MOMENT = "moment"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Query:
    """A query parameter; `choices` where it is one of a few words."""

    name: str
    en: str
    kind: Kind = Kind.TEXT
    choices: tuple[str, ...] = ()

    def read(self, text: str) -> Any:
        """Its value. Raises Problem 400."""
        if len(text) > _QUERY_CHARACTERS_MAX or "\0" in text or not text.isprintable():
            raise wrong(
                self.name, f"a printable text of at most {_QUERY_CHARACTERS_MAX} characters is needed"
            )
        if self.choices and text not in self.choices:
            raise wrong(self.name, f"must be one of {', '.join(self.choices)}")
        match self.kind:
            case Kind.LIMIT:
                if (
                    not text.isascii()
                    or not text.isdigit()
                    or not 1 <= int(text[:9]) <= LIMIT_MAX
                    or len(text) > 9
                ):
                    raise wrong(self.name, f"a number from 1 to {LIMIT_MAX} is needed")
                return int(text)
            case Kind.MOMENT:
                return moment_us(self.name, text)
            case Kind.FLAG:
                if text not in {"true", "false"}:
                    raise wrong(self.name, "must be true or false")
                return text == "true"
        return text


DISTRICT = Query("district", "which district, where the installation holds several")
PAGING = (
    Query("limit", f"how many at most, up to {LIMIT_MAX}", Kind.LIMIT),
    Query("cursor", "where to go on: `next` of the answer before"),
)


@dataclass(slots=True, kw_only=True)
class Ask:
    """One request, read and allowed."""

    request: web.Request
    rooms: Rooms
    access: Access
    scope: Scope
    path: Mapping[str, str]
    query: Mapping[str, Any]
    body: Any = None  #: the endpoint's body shape; None where it has none
    raw: bytes = b""  #: what came, where the endpoint reads it by itself
    members: Mapping[str, Any] = field(default_factory=dict)  #: the JSON object before it was shaped
    key: str = ""  #: the Idempotency-Key, or a fresh one
    key_given: bool = False
    where: tuple[str, str] | None = None  #: district and area of what was asked for, once known
    about: str = ""  #: which one was asked for, where the path does not say so
    of: tuple[str, str] | None = None  #: kind and id of whom it is about, where the path names something else
    why: str = ""  #: the reason given for it
    #: To be told of a call that is shown whole to a person.
    unmasked: Callable[[Ask, Call], None] = lambda _ask, _call: None

    @property
    def now_us(self) -> int:
        """The present."""
        return self.rooms.clock.now_us()

    @property
    def within(self) -> str:
        """The code of the one district this asker is confined to; empty: none. Errors name nothing beyond it."""
        home = self.scope.home()
        return "" if home is None else home.district.code

    @property
    def limit(self) -> int:
        """How many a list may give."""
        limit: int = self.query.get("limit", _LIMIT)
        return limit

    @property
    def cursor(self) -> str | None:
        """Where a list goes on."""
        return self.query.get("cursor")

    def roll(self) -> Roll:
        """The district asked for: `?district=`, else the asker's own, else the default one."""
        rolls = self.scope.rolls
        code = self.query.get("district", "")
        if not code:
            return self.scope.home() or rolls.default
        roll = rolls.find(code)
        if roll is not None and self.scope.sees_district(roll):
            return roll
        if self.scope.sees_every_district():
            raise wrong("district", "no such district")
        raise Problem(403, "this district is outside your scope")  # whether there is one or not


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint gives: a JSON value, or bytes of a type of its own."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


Handle = Callable[[Ask], Awaitable[Answer | web.StreamResponse]]


class Act(StrEnum):
    """What the audit log says that somebody did."""

    LOOK = "look"
    LIST = "list"
    LISTEN = "listen"
    EXPORT = "export"
    UNMASK = "unmask"
    ADD = "add"
    CHANGE = "change"
    REMOVE = "remove"
    ERASE = "erase"
    LOGIN = "login"
    LOGOUT = "logout"
    REFUSED = "refused"


class Part(StrEnum):
    """Which process serves it: the gateway only takes signals."""

    GATEWAY = "gateway"
    DISPATCHER = "dispatcher"


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One line of the table."""

    method: str
    path: str
    name: str  #: operationId; also the label in metrics
    tag: str
    en: str
    zh: str
    handle: Handle
    roles: frozenset[Role] = EVERYONE
    query: tuple[Query, ...] = ()
    body: Any = None  #: a Struct, or a JSON schema where the handler reads the body by itself
    body_optional: bool = False
    bytes_max: int = 1_048_576
    raw: bool = False  #: its body is read by the endpoint itself, where all its errors are found
    answer: Any = None  #: a Struct, or a JSON schema
    answer_type: str = "application/json"
    statuses: Mapping[int, str] = field(default_factory=dict)  #: those beside the usual ones
    writes: bool = False
    keyed: bool = False  #: its answer is kept by Idempotency-Key here (the desk keeps those it decides)
    new_only: bool = False  #: `If-None-Match: *` is heard: nothing that is there is replaced
    public: bool = False
    session: bool = False  #: for a person who has logged in, not for a token
    audit: Act | None = None  #: what the audit log says of it
    part: Part = Part.DISPATCHER


#: Says what can be answered beside what `statuses` names.
def usual(endpoint: Endpoint) -> dict[int, str]:
    """Every status of an endpoint, in order."""
    found = dict(endpoint.statuses)
    if not any(200 <= status < 300 for status in found):
        found[200] = "Done"
    if not endpoint.public:
        found.setdefault(401, "Nobody is known by that token or session")
        found.setdefault(403, "Not allowed with that token or session")
    if endpoint.query or endpoint.body is not None or endpoint.writes:
        found.setdefault(400, "Wrong: `field` or `errors` say what")
    if endpoint.body is not None:
        found[408] = "The body did not come"
        found[413] = f"More than {endpoint.bytes_max} bytes"
    if "{" in endpoint.path:
        found.setdefault(404, "Not there, or not in your scope")
    if endpoint.writes:
        found.setdefault(422, "This Idempotency-Key was used for something else")
    if not endpoint.public:
        found.setdefault(503, "Not now: ask again with the same key")
    return dict(sorted(found.items()))
