"""What the rooms of the house report to the desk, as an inbox row keeps it. The desk makes facts of it.

Nobody else writes the journal: senders, supervision and coverage say what they saw, and the desk decides whether that
is news.
"""

from __future__ import annotations

from msgspec import Struct


class Faulty(Struct, frozen=True, omit_defaults=True, kw_only=True, tag="faulty"):
    """Something is wrong with a device: `source` is family/address, `sources` the devices that suffer with it.

    A fault that many share has the district as its source (`many_of`), and `sources` are those many. Said again, it
    grows by them. That of an area (`area.source_of`) has those whose mains are gone as well (`dark`), and who speaks
    through one of them (`behind`); it comes in the place of the narrower ones (`instead`, their sources).
    """

    fault: str
    source: str = ""
    sources: tuple[str, ...] = ()
    detail: str = ""
    dark: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()


class Mended(Struct, frozen=True, omit_defaults=True, kw_only=True, tag="mended"):
    """It is well again. Of a fault that many shared `sources` (and `dark`, without mains) are still not.

    Each of these has a fault of its own from now on.
    """

    fault: str
    source: str = ""
    sources: tuple[str, ...] = ()
    dark: tuple[str, ...] = ()
    because: str = ""


class Late(Struct, frozen=True, omit_defaults=True, kw_only=True, tag="late"):
    """The time of the fault `id` has passed."""

    id: str


class Astray(Struct, frozen=True, omit_defaults=True, kw_only=True, tag="astray"):
    """The register has changed under the fault `id`: its device is gone or somebody else's, or its station is gone."""

    id: str


class Covered(Struct, frozen=True, omit_defaults=True, kw_only=True, tag="covered"):
    """Whether anybody below the desk can come to this community now: `station` the nearest one, empty = nobody.

    `gone`: there is no such community any more.
    """

    area: str
    station: str = ""
    passed_over: tuple[tuple[str, str], ...] = ()
    gone: bool = False


class Fate(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What became of one message: `fate` is sent, delivered or failed."""

    alert: str
    call: str | None
    kind: str
    channel: str
    to: str
    about: str
    fate: str
    why: str = ""


class Fates(Struct, frozen=True, omit_defaults=True, kw_only=True, tag="fates"):
    """What became of some messages."""

    fates: tuple[Fate, ...]


Report = Faulty | Mended | Late | Astray | Covered | Fates
