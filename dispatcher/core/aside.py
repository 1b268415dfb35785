"""Facts beside the life of a call: tests that passed, devices and areas in trouble, coverage, what became of messages.

`call.py` has those that a call is made of, and the union of all.
"""

from __future__ import annotations

from msgspec import Struct


class PassedOver(Struct, frozen=True, gc=False):
    """A nearer station that was not asked, and why."""

    station: str
    reason: str


class Fact(Struct, frozen=True, gc=False, omit_defaults=True, tag_field="fact"):
    """Something that happened. Subclasses say what; the journal says when, to which call and because of what."""


class TestPassed(Fact, frozen=True, gc=False, omit_defaults=True, tag="test.passed"):
    """A test was heard: a `test` signal, or the first press in test mode."""

    __test__ = False

    source: str = ""


class DeviceFault(Fact, frozen=True, gc=False, omit_defaults=True, tag="device.fault"):
    """Something is wrong with a device, or with many at once: `fault` says what, `station` whose task it is, until when.

    `id` is the fault's; `overdue`: its time has passed and nobody has seen to it. `devices`: those that suffer with it,
    the first of `count`.
    """

    fault: str
    source: str = ""
    id: str = ""
    station: str = ""
    area: str = ""
    due_us: int | None = None
    overdue: bool = False
    devices: tuple[str, ...] = ()
    count: int = 0
    detail: str = ""


class DeviceRestored(Fact, frozen=True, gc=False, omit_defaults=True, tag="device.restored"):
    """The fault `id` has ended: by itself, or `because` removed, moved, by_hand, offline_many or area_incident (shared)."""

    fault: str
    source: str = ""
    id: str = ""
    station: str = ""
    area: str = ""
    since_us: int | None = None
    because: str = ""
    by: str = ""
    text: str = ""


class AreaStruck(Fact, frozen=True, gc=False, omit_defaults=True, tag="area.incident"):
    """Many of one area have lost their power, or their network, within minutes: `kind` says which, `id` is the fault's.

    Told again as it grows, and (`overdue`) when its time has passed and nobody has seen to it. `devices` and
    `residents` are the first of them; `count` is how many devices there are.
    """

    area: str
    kind: str
    id: str = ""
    station: str = ""
    since_us: int | None = None
    due_us: int | None = None
    overdue: bool = False
    devices: tuple[str, ...] = ()
    residents: tuple[str, ...] = ()
    count: int = 0


class AreaWell(Fact, frozen=True, gc=False, omit_defaults=True, tag="area.incident_ended"):
    """Nearly all are well again, or `because`: by_hand, removed, area_incident (a wider one has taken its place)."""

    area: str
    kind: str
    id: str = ""
    station: str = ""
    since_us: int | None = None
    because: str = ""
    by: str = ""
    text: str = ""
    count: int = 0


class CoverageLost(Fact, frozen=True, gc=False, omit_defaults=True, tag="coverage.lost"):
    """Nobody below the desk can come to this community now; `passed_over` says why not the nearest ones."""

    area: str
    passed_over: tuple[PassedOver, ...] = ()


class CoverageRestored(Fact, frozen=True, gc=False, omit_defaults=True, tag="coverage.restored"):
    """Somebody can come again: `station`."""

    area: str
    station: str = ""
    since_us: int | None = None


class AlertFact(Fact, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """What became of a message `alert` to `to` about the fact `about`: it says nothing about the call itself."""

    alert: str
    kind: str
    channel: str
    to: str
    about: str
    why: str = ""


class AlertSent(AlertFact, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="alert.sent"):
    """A provider has taken it."""


class AlertDelivered(
    AlertFact, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="alert.delivered"
):
    """It has arrived."""


class AlertFailed(AlertFact, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="alert.failed"):
    """It was given up: `why`. It can be sent again by hand."""
