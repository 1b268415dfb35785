"""What the gateway needs from whoever stores signals, and nothing else: two small protocols.

In `yijian run` the dispatcher's inbox and outbox stand behind them; in a building without a centre, a spool on disk.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from devices.family import Progress, Result
from devices.signal import Signal


class Arrival(Struct, frozen=True, gc=False):
    """A signal and the moment it reached us (aware UTC). `line` names the way it came, for people who look for faults."""

    signal: Signal
    received_at: datetime
    line: str


class Stored(Struct, frozen=True, gc=False):
    """What the inbox made of one arrival: `id` of the stored signal (the first one's, of a duplicate)."""

    id: str
    result: Result


class Busy(Exception):  # noqa: N818
    """Nothing can be stored just now (disk full, database away): tell the device to repeat later."""


class Inbox(Protocol):
    """Where signals go."""

    async def put(self, arrivals: Sequence[Arrival]) -> Sequence[Stored]:
        """Store a batch durably, in order; returns after the commit. Raises Busy, and then nothing is stored."""
        ...

    async def call_of(self, stored_id: str, within_seconds: float) -> str | None:
        """The call the signal is in, waiting that long for the desk to have decided; None: not known by then, or no call."""
        ...

    async def replayed(self, family: str, device: str, error: str, received_at: datetime) -> bool:
        """A retained or re-published message: a fault to show, never a press. Whether it is on disk; never raises."""
        ...


class Down(Struct, frozen=True, gc=False):
    """One thing to carry to a device: who, by which family, and what."""

    id: str
    family: str
    news: Progress


class Downlink(Protocol):
    """Where messages to devices come from."""

    def claim(self) -> AsyncIterator[Sequence[Down]]:
        """Batches of messages to carry, for ever, oldest first."""
        ...

    async def carried(self, ids: Sequence[str]) -> None:
        """These are with the broker, or the line."""
        ...

    async def returned(self, ids: Sequence[str]) -> None:
        """These could not be carried now (no line to that device): they come back later, or end as failed."""
        ...
