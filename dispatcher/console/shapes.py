"""What goes in and out as JSON: the bodies of the steps, and the answers as the contract shows them.

Bodies refuse what they do not know; a text has a length; every step takes an optional `at`, when it was really done.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from devices.signal import Key
from dispatcher.core.call import Evidence, OfferState, Outcome, State
from dispatcher.core.district import Device, Location, Role, Staff, Station, StationKind
from dispatcher.core.follow_up import Result

Id = Annotated[str, Meta(min_length=1, max_length=128)]
Name = Annotated[str, Meta(max_length=200)]
Phone = Annotated[str, Meta(max_length=64)]
Address = Annotated[str, Meta(max_length=500)]
Text = Annotated[str, Meta(max_length=4000)]
Moment = Annotated[datetime, Meta(tz=True, description="when it was really done, for a step taken offline")]


class _Body(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Common to all bodies: unknown members are refused."""


class StepBody(_Body, frozen=True, kw_only=True):
    """A step that needs nothing more."""

    at: Moment | None = None


class OpenBody(_Body, frozen=True, kw_only=True):
    """A call opened by hand: for a resident of the register, or for whoever telephoned."""

    resident: Id | None = None
    key: Key = Key.EMERGENCY
    note: Text | None = None
    name: Name | None = None
    phone: Phone | None = None
    address: Address | None = None
    area: Id | None = None
    location: Location | None = None
    at: Moment | None = None


class AcceptBody(StepBody, frozen=True, kw_only=True):
    """We come. Without a station: the token's own, else the district desk."""

    station: Id | None = None


class DeclineBody(StepBody, frozen=True, kw_only=True):
    """We cannot."""

    station: Id | None = None
    reason: Text | None = None


class ReleaseBody(StepBody, frozen=True, kw_only=True):
    """The holder gives it back."""

    reason: Text | None = None


class SpokeBody(StepBody, frozen=True, kw_only=True):
    """Telephoned the resident."""

    result: Literal["answered", "no_answer"]


class OnSceneBody(StepBody, frozen=True, kw_only=True):
    """There; `proof` is how that is known. The pages say `manual`, `seen`, `code`, `location`; a helper's key is `device`."""

    proof: Name | None = None


class CloseBody(StepBody, frozen=True, kw_only=True):
    """Over. An emergency that is not a test needs evidence, `no_contact` needs `on_site`, `duplicate` needs `of`."""

    outcome: Outcome
    evidence: Evidence | None = None
    note: Text | None = None
    of: Id | None = None


class ReopenBody(StepBody, frozen=True, kw_only=True):
    """It was not over."""

    reason: Text | None = None


class TransferBody(StepBody, frozen=True, kw_only=True):
    """Send it to this station."""

    station: Id


class NoteBody(StepBody, frozen=True, kw_only=True):
    """Write something down."""

    text: Annotated[str, Meta(min_length=1, max_length=4000)]


class SeenBody(StepBody, frozen=True, kw_only=True):
    """It was painted on a screen that somebody of this station looks at."""

    station: Id | None = None


class EndFaultBody(_Body, frozen=True, kw_only=True):
    """A fault has been seen to."""

    note: Text | None = None


class GiveBody(_Body, frozen=True, kw_only=True):
    """My shift ends: of this station or area (one's own where none is named), with a note for the next."""

    station: Id | None = None
    area: Id | None = None
    note: Text | None = None


class TakeBody(_Body, frozen=True, kw_only=True):
    """My shift begins; `sound`: whether the next call is heard here."""

    sound: bool


class FollowUpBody(_Body, frozen=True, kw_only=True):
    """How somebody is, the day after."""

    result: Result
    note: Text | None = None


class TestBody(_Body, frozen=True, kw_only=True):
    """Test mode, for so many seconds; 0 ends it."""

    __test__ = False

    seconds: Annotated[float, Meta(ge=0, le=86_400)] = field(name="for", default=600.0)


class DutyBody(_Body, frozen=True, kw_only=True):
    """On duty or off."""

    on: bool


class SignalView(Struct, frozen=True):
    """What became of a signal: as in a device's receipt."""

    signal: str
    result: Literal["stored", "duplicate", "unknown_device"]
    call: str | None


class Dispatch(Struct, frozen=True):
    """One who was asked: a station, or a person."""

    at: datetime
    last_at: datetime
    offers: int
    travel_seconds: float | None
    distance_m: float | None
    reason: str
    state: OfferState
    station: str | None = None
    person: str | None = None
    station_name: str | None = None


class PassedOverView(Struct, frozen=True):
    """A nearer station that was not asked, and why."""

    station: str
    reason: str
    station_name: str | None = None


class AcceptedView(Struct, frozen=True):
    """Who holds it."""

    by: str
    station: str
    at: datetime
    name: str | None = None
    station_name: str | None = None


class DoneView(Struct, frozen=True):
    """A step that was taken."""

    by: str
    at: datetime
    proof: str | None = None


class SpokeView(Struct, frozen=True):
    """Somebody telephoned the resident."""

    by: str
    at: datetime
    result: str


class ClosedView(Struct, frozen=True):
    """How it ended."""

    by: str
    at: datetime
    outcome: Outcome
    evidence: Evidence | None = None
    note: str | None = None
    of: str | None = None


class DeadlineView(Struct, frozen=True):
    """What happens next by itself, and when."""

    kind: str
    at: datetime


class CallView(Struct, frozen=True, kw_only=True):
    """A call (contract, section 4)."""

    id: str
    district: str
    state: State
    key: Key
    kind: Literal["press", "fall", "inactivity", "hazard", "manual"]
    test: bool
    device: str | None
    resident: dict[str, Any] | None
    area: str | None
    location: dict[str, Any] | None
    pressed_at: datetime
    opened_at: datetime
    late_seconds: float
    presses: int
    cancel_requested: bool
    step: int
    dispatches: list[Dispatch]
    passed_over: list[PassedOverView]
    spoke: SpokeView | None
    accepted: AcceptedView | None
    en_route: DoneView | None
    on_scene: DoneView | None
    closed: ClosedView | None
    deadline: DeadlineView | None
    seq: int
    source: str | None = None
    caller: dict[str, Any] | None = None
    repeats: int = 0
    seen_by: list[str] = field(default_factory=list)
    deadlines: dict[str, datetime] = field(default_factory=dict)


class MeView(Struct, frozen=True):
    """Who asks: a token, or a person who has logged in (`session` is which session, `id` their staff id)."""

    id: str
    name: str
    session: str
    role: Role
    area: str
    station: str
    staff: str
    district: dict[str, str]
    now: datetime
    start: bool = False  #: a password of their own is to be set first


class RouteView(Struct, frozen=True):
    """One who would be asked, or why not; with its name, since it may stand in an area that the asker does not see."""

    station: str
    station_name: str | None
    kind: StationKind
    tier: int
    travel_seconds: float | None
    distance_m: float | None
    able: bool
    reason: str


class TestView(Struct, frozen=True):
    """Which devices are in test mode, until when; `until` null: none any more."""

    __test__ = False

    devices: list[str]
    until: datetime | None


class StaffView(Staff, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """Somebody who works, and whether they are on duty: that is told, and changed by `POST /staff/{id}/duty` alone."""

    on_duty: bool = False
    on_duty_since: datetime | None = None


class StationView(Station, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """A station, and whether it is open now: by its hours, and not closed for a while. That is told, not written."""

    open_now: bool = False


class DeviceView(Device, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """A device, and what its resident is called: that is told, not written."""

    resident_name: str = ""


class DutyView(Struct, frozen=True):
    """On duty or off."""

    staff: str
    on: bool


class ProblemView(Struct, frozen=True, omit_defaults=True):
    """An error (RFC 9457): `field` names what is wrong, `errors` lists all of it, `state` is a call's present one."""

    type: str
    title: str
    status: int
    detail: str
    field: str = ""
    errors: list[dict[str, str]] = []
    state: str = ""


def listed(item: Any) -> dict[str, Any]:
    """The schema of a page of a list."""
    return {
        "type": "object",
        "properties": {"items": {"type": "array", "items": item}, "next": {"type": ["string", "null"]}},
        "required": ["items", "next"],
    }


def counted(item: Any) -> dict[str, Any]:
    """The schema of a page of a list that says how many there are in all, where that is asked."""
    page = listed(item)
    return {**page, "properties": {**page["properties"], "total": {"type": "integer"}}}
