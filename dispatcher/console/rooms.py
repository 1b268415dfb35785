"""What the console needs from the other rooms, and nothing else: everything it knows of them is in this file.

`yijian` puts the real rooms in here, tests put fakes. The console asks (`inbox`), looks (`board`, `register`) and
listens (`feed`); it changes nothing by itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from config.doors import Clock, Ids
from devices.signal import Signal
from dispatcher.alert_board import AlertFilter, AlertRow
from dispatcher.board import CallFilter
from dispatcher.core.call import Call
from dispatcher.core.commands import AnyCommand
from dispatcher.core.coverage import Cover
from dispatcher.core.district import DistrictFile, Policy
from dispatcher.core.roll import Item, Roll, Rolls
from dispatcher.coverage import Covering
from dispatcher.fault_board import FaultFilter, FaultRow
from dispatcher.feed import PositionUnknown
from dispatcher.finding import Finder
from dispatcher.inbox import Decided, Kept, KeyReused, Undecided
from dispatcher.register import InUse, WrongInput
from dispatcher.store import Store

__all__ = [
    "Board",
    "CallFilter",
    "Decided",
    "Feed",
    "FeedEvent",
    "Health",
    "InUse",
    "Inbox",
    "Kept",
    "KeyReused",
    "PositionUnknown",
    "Reader",
    "Register",
    "Rooms",
    "Routing",
    "Undecided",
    "WrongInput",
]


class Inbox(Protocol):
    """Where commands and signals go (`dispatcher.inbox`)."""

    async def ask(
        self,
        command: AnyCommand,
        *,
        call: str | None,
        district: str,
        source: str,
        ref: str,
        within_seconds: float = 3.0,
    ) -> Decided:
        """Store the command, wait for its decision. Raises Undecided, KeyReused, StoreUnavailable."""
        ...

    async def put(self, arrivals: Sequence[tuple[Signal, int, str]]) -> Sequence[Kept]:
        """Store (signal, received_us, line) durably, in order. Raises StoreUnavailable, and then none is stored."""
        ...

    async def call_of(self, stored_id: str, within_seconds: float = 2.0) -> str | None:
        """The call the signal is in, once the desk has decided; None: not known by then, or no call."""
        ...


class Board(Protocol):
    """The calls, as they are."""

    async def get(self, call_id: str) -> Call | None:
        """One call."""
        ...

    async def page(self, wanted: CallFilter, cursor: str | None, limit: int) -> tuple[list[Call], str | None]:
        """So many calls, newest first, and where the next ones begin. Raises ValueError on a bad cursor."""
        ...

    def held_by(self, district: str, station: str) -> int:
        """How many open calls, tests apart, are in that station's hands."""
        ...

    def cursor_after(self, call: Call) -> str:
        """Where a list goes on after this call."""
        ...

    def cursor_near(self, call: Call) -> str:
        """Where a list goes on about there, without saying which call it was: by the second."""
        ...

    async def view(self, call: Call) -> dict[str, Any]:
        """The call as the contract shows it, with the resident's details and places filled in."""
        ...

    async def history(self, call_id: str) -> list[dict[str, Any]]:
        """Its facts, oldest first, as in the event stream, without the state."""
        ...


class FeedEvent(Protocol):
    """One fact of the journal, ready to send. `data` is the whole JSON; who may see it follows from the rest."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def data(self) -> bytes: ...  # noqa: D102
    @property
    def area(self) -> str | None: ...  # noqa: D102
    @property
    def stations(self) -> frozenset[str]: ...  # noqa: D102
    @property
    def told(self) -> str: ...  # noqa: D102
    @property
    def call(self) -> Call | None: ...  # noqa: D102


class Reader(Protocol):
    """A place in the journal, nothing more: it holds no events."""

    async def next(self, max_events: int = 200) -> Sequence[FeedEvent]:
        """The next facts, waiting for them where there are none. Raises PositionUnknown."""
        ...


class Feed(Protocol):
    """The journal as it grows."""

    @property
    def forgotten(self) -> int:
        """Goes up when somebody was erased: what was made of an event before that is not to be shown any more."""
        ...

    async def reader(self, district: str, after: str | None) -> Reader:
        """Begin after this position ("0": from the beginning, None: from now). Raises PositionUnknown."""
        ...


class Register(Protocol):
    """Residents, stations, devices, staff, areas, webhooks, policies."""

    @property
    def rolls(self) -> Rolls:
        """What is registered, in memory."""
        ...

    def page(
        self,
        section: str,
        after_id: str = "",
        limit: int = 100,
        keep: Callable[[Roll, Any], bool] | None = None,
        district: str = "",
    ) -> tuple[list[Any], str | None]:
        """So many items by id, those that `keep` wants, and the id to go on after; None: no more."""
        ...

    async def put(
        self, section: str, item: Mapping[str, Any], district: str = "", within: str = "", *, by: str = ""
    ) -> tuple[Item, bool]:
        """Add or replace one; the item, and whether it is new. Raises WrongInput, StoreUnavailable.

        `within`: whoever asks sees this district only, and no error names anything beyond it. `by`: who it was, here and below.
        """
        ...

    async def delete(self, section: str, item_id: str, district: str = "", *, by: str = "") -> bool:
        """Take one away; False where there was none. Raises InUse, WrongInput, StoreUnavailable."""
        ...

    async def put_policy(
        self, key: str, policy: Mapping[str, Any], district: str = "", *, by: str = ""
    ) -> Policy:
        """Replace a policy. Raises WrongInput, StoreUnavailable."""
        ...

    async def delete_policy(self, key: str, district: str = "", *, by: str = "") -> bool:
        """Go back to the default one; False where it was the default already."""
        ...

    async def merge(self, content: bytes, within: str = "", *, by: str = "") -> Mapping[str, int]:
        """Load a district file, all or nothing; how many of each section. Raises WrongInput, StoreUnavailable.

        `within`: only a file of this district.
        """
        ...

    @property
    def finder(self) -> Finder:
        """Finds what is registered by a few letters."""
        ...

    @property
    def changes(self) -> int:
        """Goes up with every change of what a district file holds."""
        ...

    async def merge_checked(
        self, file: DistrictFile, seen: int, within: str = "", *, by: str = ""
    ) -> Mapping[str, int] | None:
        """Load a file that was checked when `changes` was `seen`; None: it has been changed since, check again."""
        ...

    def export(self, district: str) -> DistrictFile:
        """The district as a file."""
        ...

    async def duty(self, staff_id: str, on: bool, by: str) -> None:
        """Somebody goes on or off duty."""
        ...

    async def test_mode(self, device_ids: Sequence[str], until_us: int, by: str) -> None:
        """The next press of each of these until then is a test."""
        ...


class Alerts(Protocol):
    """Messages and their fates (`dispatcher.alert_board`)."""

    async def page(
        self, wanted: AlertFilter, cursor: str | None, limit: int
    ) -> tuple[list[AlertRow], str | None]:
        """So many, newest first, and where the next ones begin. Raises ValueError on a bad cursor."""
        ...

    async def get(self, alert_id: str) -> AlertRow | None:
        """One message."""
        ...

    async def again(self, alert_id: str) -> bool:
        """Send it again; False where it is on its way by itself."""
        ...


class Faults(Protocol):
    """Faults of devices (`dispatcher.fault_board`)."""

    async def page(
        self, wanted: FaultFilter, cursor: str | None, limit: int
    ) -> tuple[list[FaultRow], str | None]:
        """So many, newest first, and where the next ones begin. Raises ValueError on a bad cursor."""
        ...

    async def get(self, fault_id: str) -> FaultRow | None:
        """One fault."""
        ...

    async def notes(self, rows: Sequence[FaultRow]) -> dict[str, str]:
        """What people wrote when they ended them, by the id of the text."""
        ...


class Coverage(Protocol):
    """Who is able to come where (`dispatcher.coverage`)."""

    def of(self, roll: Roll) -> Mapping[str, Covering]:
        """The communities of a district, by code, as last reckoned."""
        ...

    def next_change_us(self, roll: Roll, found: Cover) -> int | None:
        """When the first of the stations named there opens or closes; None: not foreseen."""
        ...


class Erase(Protocol):
    """Taking a person out (`dispatcher.erase`)."""

    def __call__(self, section: str, person_id: str, by: str) -> Awaitable[Mapping[str, int] | None]:
        """How many of each were removed; None: nobody has that id. Raises InUse, StoreUnavailable."""
        ...


class Routing(Protocol):
    """Who would be asked."""

    def __call__(self, resident_id: str, at_us: int) -> Awaitable[list[dict[str, Any]]]:
        """`{"station","station_name","kind","tier","travel_seconds","distance_m","able","reason"}` each, in the order of asking."""
        ...


class Proof(Protocol):
    """The canary (`dispatcher.vigil`): a press of our own, now and then, all the way."""

    def view(self) -> dict[str, Any]:
        """`CanaryView`: how it is."""
        ...

    async def once(self) -> dict[str, Any]:
        """`RoundView`: one press, now."""
        ...


@dataclass(frozen=True, slots=True)
class Health:
    """What is gone (nothing works without it), and what is only degraded."""

    gone: list[str] = field(default_factory=list)
    degraded: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """All that the console is wired to."""

    inbox: Inbox
    board: Board
    feed: Feed
    register: Register
    alerts: Alerts
    faults: Faults
    coverage: Coverage
    routing: Routing
    erase: Erase
    store: Store
    clock: Clock
    ids: Ids
    health: Callable[[], Health]
    proof: Proof | None = None
