"""A call, and the facts it is made of.

A call is the fold of its facts (`fold`), nothing else: what the tables hold and what a screen shows is the same fold
over the same journal. Facts are past tense and name people by id only; times are microseconds since 1970 (`_us`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct

from dispatcher.core.aside import (
    AlertDelivered,
    AlertFact,
    AlertFailed,
    AlertSent,
    AreaStruck,
    AreaWell,
    CoverageLost,
    CoverageRestored,
    DeviceFault,
    DeviceRestored,
    Fact,
    PassedOver,
    TestPassed,
)
from dispatcher.core.district import Policy

__all__ = [
    "AlertDelivered",
    "AlertFact",
    "AlertFailed",
    "AlertSent",
    "AreaStruck",
    "AreaWell",
    "CoverageLost",
    "CoverageRestored",
    "DeviceFault",
    "DeviceRestored",
    "Fact",
    "PassedOver",
    "TestPassed",
]


class State(StrEnum):
    """Where a call is in its life (contract, section 4)."""

    RECEIVED = "received"
    ACCEPTED = "accepted"
    EN_ROUTE = "en_route"
    ON_SCENE = "on_scene"
    CLOSED = "closed"


#: The states in which somebody holds the call.
HELD = frozenset({State.ACCEPTED, State.EN_ROUTE, State.ON_SCENE})


class OfferState(StrEnum):
    """What became of an offer."""

    OFFERED = "offered"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class Outcome(StrEnum):
    """How a call ended."""

    HELPED = "helped"
    HOSPITAL = "hospital"
    FALSE_ALARM = "false_alarm"
    SERVICE_DONE = "service_done"
    TEST = "test"
    NO_CONTACT = "no_contact"
    DUPLICATE = "duplicate"
    OTHER = "other"


class Evidence(StrEnum):
    """How it is known that the resident is well, or in good hands."""

    SPOKE_TO_RESIDENT = "spoke_to_resident"
    ON_SITE = "on_site"
    RELATIVE_CONFIRMED = "relative_confirmed"


class Due(StrEnum):
    """The deadlines a call can have."""

    STEP = "step"
    EN_ROUTE_WITHIN = "en_route_within"
    REPRESS_WITHIN = "repress_within"
    ARRIVE_GOAL = "arrive_goal"
    ARRIVE_LIMIT = "arrive_limit"
    CLOSE_WITHIN = "close_within"


class Offer(Struct, frozen=True, gc=False, omit_defaults=True):
    """One station (or person) asked. One entry each, however often: `offers` counts up, `last_us` moves on."""

    to: str
    at_us: int
    last_us: int
    reason: str
    person: bool = False
    offers: int = 1
    travel_seconds: float | None = None
    distance_m: float | None = None
    state: OfferState = OfferState.OFFERED


class Spoke(Struct, frozen=True, gc=False):
    """Somebody telephoned the resident: `answered` or `no_answer`."""

    by: str
    at_us: int
    result: str


class Holder(Struct, frozen=True, gc=False):
    """Who holds the call (or held it), for which station, since when."""

    by: str
    station: str
    at_us: int


class Done(Struct, frozen=True, gc=False, omit_defaults=True):
    """A step somebody took: `proof` of an arrival."""

    by: str
    at_us: int
    proof: str = ""


class Closing(Struct, frozen=True, gc=False, omit_defaults=True):
    """The end: `text` is the id of the note, `of` the call this one is a duplicate of."""

    by: str
    at_us: int
    outcome: Outcome
    evidence: Evidence | None = None
    text: str = ""
    of: str = ""


class Call(Struct, frozen=True, gc=False, kw_only=True):
    """One need for help, with a life. Everything here follows from its facts."""

    id: str
    district: str
    seq: int
    state: State
    key: str
    kind: str
    test: bool
    device: str | None
    source: str  #: who pressed, as the inbox knows it; empty for a call opened by hand
    sources: tuple[str, ...]  #: every device that pressed: each wearer is told how it goes
    resident: str | None
    area: str
    by: str  #: who opened it by hand
    pressed_us: int
    opened_us: int
    policy: Policy
    presses: int = 1
    cancel_requested: bool = False
    step: int = -1  #: the last step taken; -1 before the first
    repeats: int = 0  #: how often it has rung since the last step
    tier: int = 0
    steps_from_us: int = 0  #: when the steps began: the opening, or the last reopening
    saved_us: int = 0  #: how much earlier than written the steps go, because empty ones were not waited for
    offers: tuple[Offer, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()
    seen_by: tuple[str, ...] = ()  #: who has had it on screen since the last press
    spoke: Spoke | None = None
    accepted: Holder | None = None
    former: Holder | None = None  #: who held it before it lapsed: their setting out counts as a fresh accept
    en_route: Done | None = None
    on_scene: Done | None = None
    closed: Closing | None = None
    deadlines: dict[str, int] = {}

    @property
    def open(self) -> bool:
        """Not closed."""
        return self.state is not State.CLOSED

    @property
    def due(self) -> tuple[str, int] | None:
        """The nearest deadline: its kind and moment. An open call always has one."""
        kind, due_us = "", 0
        for name, at_us in self.deadlines.items():
            if not kind or at_us < due_us or (at_us == due_us and name < kind):
                kind, due_us = name, at_us
        return (kind, due_us) if kind else None

    def offer_to(self, to: str) -> Offer | None:
        """The entry of a station or person, if asked."""
        return next((offer for offer in self.offers if offer.to == to), None)


class Opened(Fact, frozen=True, gc=False, omit_defaults=True, tag="call.opened"):
    """Somebody needs help. `next_us` is when the first step is due."""

    key: str
    kind: str
    pressed_us: int
    policy: Policy
    next_us: int
    test: bool = False
    device: str | None = None
    source: str = ""
    resident: str | None = None
    area: str = ""
    by: str = ""


class Joined(Fact, frozen=True, gc=False, omit_defaults=True, tag="call.joined"):
    """A further press. `rings`: the stations whose consoles must sound; `repress_us`: by when the holder must have seen it."""

    kind: str
    pressed_us: int
    device: str | None = None
    source: str = ""
    by: str = ""
    rings: tuple[str, ...] = ()
    repress_us: int | None = None


class CancelRequested(Fact, frozen=True, gc=False, omit_defaults=True, tag="call.cancel_requested"):
    """The cancel key: a request for a person to judge, never an end."""

    device: str | None = None


class Asked(Struct, frozen=True, gc=False, omit_defaults=True):
    """One offer made in a dispatch."""

    to: str
    reason: str
    person: bool = False
    travel_seconds: float | None = None
    distance_m: float | None = None


class Dispatched(Fact, frozen=True, gc=False, omit_defaults=True, tag="call.dispatched"):
    """Offers were made. Nothing else stops by it: earlier offers stay open."""

    step: int
    asked: tuple[Asked, ...]
    passed_over: tuple[PassedOver, ...] = ()
    tier: int | None = None
    next_us: int | None = None  #: when the next step is due, where this was a step


class Escalated(Fact, frozen=True, gc=False, omit_defaults=True, tag="call.escalated"):
    """A later step or a repeat began. `because`: time, declined, expired, lapsed, released, nobody."""

    step: int
    because: str
    next_us: int
    repeat: int = 0
    saved_us: int = 0
    expired: tuple[str, ...] = ()


class Skipped(Fact, frozen=True, gc=False, omit_defaults=True, tag="call.skipped"):
    """A step found nobody able; the next one follows at once."""

    step: int
    reason: str
    next_us: int
    saved_us: int = 0


class Accepted(Fact, frozen=True, gc=False, omit_defaults=True, tag="call.accepted"):
    """Somebody takes it. Every other offer is withdrawn and the steps stop, in this very fact."""

    by: str
    station: str
    within_us: int  #: by when they must be on the way
    happened_us: int | None = None


class Declined(Fact, frozen=True, gc=False, omit_defaults=True, tag="call.declined"):
    """A station cannot come. `text` is the id of the reason."""

    by: str
    station: str
    text: str = ""


class Lapsed(Fact, frozen=True, gc=False, omit_defaults=True, tag="call.lapsed"):
    """The holder did not move, did not hear, or gave it back: `because` en_route_within, repress_within, released."""

    because: str
    station: str
    next_us: int
    by: str = ""
    text: str = ""


class SpokeWith(Fact, frozen=True, gc=False, omit_defaults=True, tag="call.spoke"):
    """A telephone call to the resident. `within_us`: the new deadline to be on the way, where they answered."""

    by: str
    result: str
    within_us: int | None = None
    happened_us: int | None = None


class EnRoute(Fact, frozen=True, gc=False, omit_defaults=True, tag="call.en_route"):
    """On the way."""

    by: str
    happened_us: int | None = None


class OnScene(Fact, frozen=True, gc=False, omit_defaults=True, tag="call.on_scene"):
    """With her."""

    by: str
    proof: str = ""
    happened_us: int | None = None


class Overdue(Fact, frozen=True, gc=False, omit_defaults=True, tag="call.overdue"):
    """A limit passed: `limit` is arrive_goal, arrive_limit or close_within; `next_us` when it will be said again."""

    limit: str
    rings: tuple[str, ...] = ()
    next_us: int | None = None


class Transferred(Fact, frozen=True, gc=False, omit_defaults=True, tag="call.transferred"):
    """Somebody sends it to another station; whoever holds it keeps it until that one accepts."""

    by: str
    station: str


class Noted(Fact, frozen=True, gc=False, omit_defaults=True, tag="call.noted"):
    """A note, by the id of its text; or a step done offline that no longer fits (`step`)."""

    by: str
    text: str = ""
    step: str = ""
    happened_us: int | None = None


class Seen(Fact, frozen=True, gc=False, omit_defaults=True, tag="call.seen"):
    """It was painted on a screen somebody looks at. By the holder's station it answers a further press."""

    by: str
    station: str = ""
    by_holder: bool = False


class Closed(Fact, frozen=True, gc=False, omit_defaults=True, tag="call.closed"):
    """Over: with an outcome, and for an emergency with evidence."""

    by: str
    outcome: Outcome
    evidence: Evidence | None = None
    text: str = ""
    of: str = ""
    happened_us: int | None = None


class Reopened(Fact, frozen=True, gc=False, omit_defaults=True, tag="call.reopened"):
    """It was not over. The steps begin again."""

    by: str
    next_us: int
    text: str = ""


class FollowedUp(Fact, frozen=True, gc=False, omit_defaults=True, tag="call.followed_up"):
    """Somebody asked afterwards how she is: `result` (core/follow_up.py), of which try; `due_us`: it is tried again by then."""

    by: str
    result: str
    attempt: int
    text: str = ""
    due_us: int | None = None


AnyFact = (
    Opened | Joined | CancelRequested | Dispatched | Escalated | Skipped | Accepted | Declined | Lapsed | SpokeWith
    | EnRoute | OnScene | Overdue | Transferred | Noted | Seen | Closed | Reopened | FollowedUp | TestPassed
    | DeviceFault | DeviceRestored | AreaStruck | AreaWell | CoverageLost | CoverageRestored | AlertSent | AlertDelivered
    | AlertFailed
)  # fmt: skip


class Cause(Struct, frozen=True, gc=False, omit_defaults=True):
    """Why a fact came to be: `kind` is signal, command, deadline or report."""

    kind: str
    id: str = ""
    device: str | None = None
    by: str = ""

    def view(self) -> dict[str, Any]:
        """As the contract shows it."""
        return {"kind": self.kind, "device": self.device, "id": self.id or None, "by": self.by or None}


class Entry(Struct, frozen=True, gc=False, kw_only=True):
    """A row of the journal."""

    district: str
    seq: int
    at_us: int
    call: str | None
    device: str | None
    cause: Cause
    fact: AnyFact

    @property
    def name(self) -> str:
        """The fact's name, e.g. `call.opened`."""
        name = self.fact.__struct_config__.tag
        assert isinstance(name, str)
        return name
