"""What people ask of a call: imperative, and refusable. The desk answers each with facts or with a refusal.

`at_us` is when a step was really taken, for one done offline; one that no longer fits is kept as a note.
Texts travel here as people wrote them; the desk stores them apart and the facts carry only their id.
"""

from __future__ import annotations

from msgspec import Struct

from dispatcher.core.call import Evidence, Outcome
from dispatcher.core.district import Location


class Command(Struct, frozen=True, omit_defaults=True, tag_field="command", kw_only=True):
    """Common to all: `by` is a staff id, `token:<id>` or `admin`; `station` is the one they act for, empty for the desk.

    Who acts for neither (a volunteer, somebody of an area) is named there once more. Of an accept and a
    decline it is the station that takes the call, or cannot.
    """

    by: str
    station: str = ""
    at_us: int | None = None


class Place(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Where a call is and who called, when the register does not say. Personal: kept apart from the journal."""

    name: str = ""
    phone: str = ""
    address: str = ""
    location: Location | None = None


class OpenByHand(Command, frozen=True, omit_defaults=True, tag="open"):
    """A resident telephoned 12349, or somebody did for them."""

    key: str
    resident: str | None = None
    area: str = ""
    place: Place | None = None
    text: str = ""


class Accept(Command, frozen=True, omit_defaults=True, tag="accept"):
    """We come. `station` empty: the district desk takes it."""


class Decline(Command, frozen=True, omit_defaults=True, tag="decline"):
    """We, the `station`, cannot."""

    text: str = ""


class Release(Command, frozen=True, omit_defaults=True, tag="release"):
    """The holder gives it back."""

    text: str = ""


class Speak(Command, frozen=True, omit_defaults=True, tag="spoke"):
    """Telephoned: `result` is `answered` or `no_answer`."""

    result: str


class SetOut(Command, frozen=True, omit_defaults=True, tag="en_route"):
    """On the way."""


class Arrive(Command, frozen=True, omit_defaults=True, tag="on_scene"):
    """There."""

    proof: str = ""


class Close(Command, frozen=True, omit_defaults=True, tag="close"):
    """Over."""

    outcome: Outcome
    evidence: Evidence | None = None
    text: str = ""
    of: str = ""


class Reopen(Command, frozen=True, omit_defaults=True, tag="reopen"):
    """Not over after all, within five minutes of the close."""

    text: str = ""


class Transfer(Command, frozen=True, omit_defaults=True, tag="transfer"):
    """Send it to this other station."""

    to: str


class Note(Command, frozen=True, omit_defaults=True, tag="note"):
    """Write something down."""

    text: str


class See(Command, frozen=True, omit_defaults=True, tag="seen"):
    """It is on a screen that somebody of `station` looks at."""


class EndFault(Command, frozen=True, omit_defaults=True, tag="end_fault"):
    """Somebody has seen to the fault of a device."""

    fault: str
    text: str = ""


class FollowUp(Command, frozen=True, omit_defaults=True, tag="follow_up"):
    """Somebody asked how she is, the day after: `result` is one of core/follow_up.py."""

    result: str
    text: str = ""


AnyCommand = (
    OpenByHand | Accept | Decline | Release | Speak | SetOut | Arrive | Close | Reopen | Transfer | Note | See
    | EndFault | FollowUp
)  # fmt: skip
