"""The public twins of the two ports: an inbox and a downlink in memory, for tests and for trying a line out.

They keep the promises of the real ones (order, identity, one call for a repeat), and do as they are told for what goes
wrong: `busy`, a slow commit, a desk that is away.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from devices.family import Result
from devices.signal import CALLING
from gateway.ports import Arrival, Busy, Down, Stored


@dataclass(slots=True)
class Fault:
    """A replayed message, as the inbox was told of it."""

    family: str
    device: str
    error: str


@dataclass(slots=True)
class FakeInbox:
    """An inbox in memory. `known` names the registered devices; None = all are."""

    known: frozenset[str] | None = None
    busy: bool = False
    commit_seconds: float = 0.0
    desk_seconds: float | None = 0.0  # how long the desk takes to decide; None: it is away
    fails_on: frozenset[str] = frozenset()  # signal ids on which `put` breaks, like a bug of ours would
    arrivals: list[Arrival] = field(default_factory=list)
    states: list[Arrival] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    _stored: dict[tuple[str, str, str], Stored] = field(default_factory=dict)
    _calls: dict[str, str] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def put(self, arrivals: Sequence[Arrival]) -> Sequence[Stored]:
        """Store a batch: all of it, or none of it where busy."""
        if self.commit_seconds:
            await asyncio.sleep(self.commit_seconds)
        if self.busy:
            raise Busy("told so")
        if any(arrival.signal.id in self.fails_on for arrival in arrivals):
            raise RuntimeError("told to fail on this signal")
        self.batches.append(len(arrivals))
        stored = [self._put(arrival) for arrival in arrivals]
        self._changed.set()
        self._changed = asyncio.Event()
        return stored

    def _put(self, arrival: Arrival) -> Stored:
        signal = arrival.signal
        if not signal.id:
            self.states.append(arrival)
            return Stored("", Result.STORED)
        identity = (signal.family, signal.device, signal.id)
        before = self._stored.get(identity)
        if before is not None:
            return Stored(before.id, Result.DUPLICATE)
        known = self.known is None or signal.device in self.known
        stored = Stored(f"s-{len(self.arrivals) + 1}", Result.STORED if known else Result.UNKNOWN_DEVICE)
        self.arrivals.append(arrival)
        self._stored[identity] = stored
        if signal.type in CALLING:
            self._calls[stored.id] = f"c-{len(self._calls) + 1}"
        return stored

    async def call_of(self, stored_id: str, within_seconds: float) -> str | None:
        """The call, once the desk has decided."""
        if self.desk_seconds is None or self.desk_seconds > within_seconds:
            await asyncio.sleep(within_seconds)
            return None
        if self.desk_seconds:
            await asyncio.sleep(self.desk_seconds)
        return self._calls.get(stored_id)

    async def replayed(self, family: str, device: str, error: str, received_at: datetime) -> bool:  # noqa: ARG002
        """A fault to show."""
        if self.busy:
            return False
        self.faults.append(Fault(family, device, error))
        return True

    async def wait_for(self, count: int, within_seconds: float = 10.0) -> None:
        """Until so many different signals are stored (state does not count)."""
        async with asyncio.timeout(within_seconds):
            while len(self.arrivals) < count:
                await self._changed.wait()

    async def wait_for_states(self, count: int, within_seconds: float = 10.0) -> None:
        """Until so many states were heard."""
        async with asyncio.timeout(within_seconds):
            while len(self.states) < count:
                await self._changed.wait()


@dataclass(slots=True)
class FakeDownlink:
    """A downlink in memory: `push` what is to be carried, look at what became of it."""

    carried_ids: list[str] = field(default_factory=list)
    returned_ids: list[str] = field(default_factory=list)
    _queue: asyncio.Queue[Sequence[Down]] = field(default_factory=asyncio.Queue)

    def push(self, *downs: Down) -> None:
        """One batch to be claimed."""
        self._queue.put_nowait(downs)

    async def claim(self) -> AsyncIterator[Sequence[Down]]:
        """Batches, for ever."""
        while True:
            yield await self._queue.get()

    async def carried(self, ids: Sequence[str]) -> None:
        """They are with the broker."""
        self.carried_ids.extend(ids)

    async def returned(self, ids: Sequence[str]) -> None:
        """They could not be carried."""
        self.returned_ids.extend(ids)
