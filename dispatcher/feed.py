"""The journal as it grows, for whoever watches: the console's stream, and every reader with a cursor of its own.

The latest events of each district stand in a ring, made into bytes once, when the first reader asks. A reader holds
nothing but its position: one that is slow, or was away, reads older pages from the journal itself.

In short, the rule is: nothing missed, nothing twice, and no reader can make us grow.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from dispatcher.board import Board
from dispatcher.core.alert import area_of
from dispatcher.core.call import AlertFact, AreaStruck, AreaWell, Call, DeviceFault, DeviceRestored, Entry
from dispatcher.core.commands import Place
from dispatcher.core.roll import Roll, Rolls
from dispatcher.journal import Journal, parse_position, position, told_after
from dispatcher.ledger import stations_of
from dispatcher.view import text_ids, view_call, view_entry, without_door_code

#: How many events of a district are kept at hand; older ones come from the journal.
RING_EVENTS = 4096
#: A longer text is not kept with an event at hand.
PAGE_EVENTS = 200


class PositionUnknown(Exception):  # noqa: N818
    """Not a position of this journal: read the lists again."""


class FeedEvent:
    """One fact for a reader: `id` its position, `name` the fact, `data` the JSON of section 5 of the contract."""

    __slots__ = ("_data", "_place", "_roll", "_sent_out", "_state", "_texts", "call", "entry", "id")

    def __init__(
        self,
        journal_id: str,
        entry: Entry,
        call: Call | None,
        roll: Roll | None,
        place: Place | None,
        texts: Mapping[str, str],
    ) -> None:
        self.id = position(journal_id, entry.district, entry.seq)
        self.entry = entry
        self.call = call
        self._roll = roll
        self._place = place
        self._texts = texts
        self._data: bytes | None = None
        self._state: msgspec.Raw | None = None
        self._sent_out: msgspec.Raw | None = None  #: the same for webhooks

    @property
    def name(self) -> str:
        """The fact."""
        return self.entry.name

    @property
    def data(self) -> bytes:
        """JSON, made once."""
        if self._data is None:
            body = view_entry(self.entry, self._texts)
            body["state"] = self.state
            self._data = msgspec.json.encode(body)
        return self._data

    @property
    def state(self) -> msgspec.Raw | None:
        """The call right after the fact, as JSON made once: every reader of the stream shares it."""
        self._make()
        return self._state

    def _make(self) -> None:
        if self._state is None and self.call is not None:
            view = view_call(self.call, self._roll, self._place, self._texts)
            bare = without_door_code(view)
            self._state = msgspec.Raw(msgspec.json.encode(view))
            self._sent_out = self._state if bare is view else msgspec.Raw(msgspec.json.encode(bare))

    def news(self, **more: Any) -> bytes:
        """The body of a webhook's message (contract, section 6): the call without the code of a door."""
        self._make()
        body = view_entry(self.entry, self._texts)
        data = {**body, "call": self._sent_out, **more}
        return msgspec.json.encode({"type": self.name, "timestamp": body["at"], "data": data})

    @property
    def place(self) -> Place | None:
        """Where the call is, when the register does not say."""
        return self._place

    @property
    def area(self) -> str | None:
        """The area the call is in, or the device, or the community."""
        return area_of(self.entry, self.call)

    @property
    def told(self) -> str:
        """Whom a message went to, of a fact about one; else empty."""
        return self.entry.fact.to if isinstance(self.entry.fact, AlertFact) else ""

    @property
    def stations(self) -> frozenset[str]:
        """The stations that may see it: asked at any time, or holding it; of a fault the one whose task it is."""
        if self.call is None:
            fact = self.entry.fact
            if isinstance(fact, DeviceFault | DeviceRestored | AreaStruck | AreaWell):
                return frozenset({fact.station})
            return frozenset()
        return frozenset({offer.to for offer in self.call.offers} | stations_of(self.call))


class Feed:
    """The events of all districts of this installation."""

    def __init__(self, journal: Journal, board: Board, rolls: Rolls) -> None:
        self._journal = journal
        self._board = board
        self._rolls = rolls
        self._rings: dict[str, deque[FeedEvent]] = {}
        self._heads: dict[str, int] = {}
        self._archived: dict[str, int] = {}
        self._news = asyncio.Event()
        self.readers = 0
        self.forgotten = 0  #: goes up when somebody was erased: what was made of events before is out of date

    def start(self, heads: Mapping[str, int]) -> None:
        """Where each district's journal stands at the start."""
        self._heads = dict(heads)

    def archived(self, marks: Mapping[str, int]) -> None:
        """Up to which number each district's journal has lost calls that were let go: no reader can go on from there."""
        self._archived = dict(marks)

    def publish(
        self, told: Sequence[tuple[Entry, Call | None]], places: Mapping[str, Place], texts: Mapping[str, str]
    ) -> list[FeedEvent]:
        """These entries are committed. Called by the desk, in order; their events."""
        events: list[FeedEvent] = []
        for entry, call in told:
            roll = self._rolls.find(entry.district)
            place = places.get(entry.call) if entry.call is not None else None
            wanted = {text_id: texts[text_id] for text_id in text_ids(call, entry) if text_id in texts}
            ring = self._rings.get(entry.district)
            if ring is None:
                ring = self._rings[entry.district] = deque(maxlen=RING_EVENTS)
            if ring and ring[-1].entry.seq + 1 != entry.seq:
                ring.clear()  # never: but a ring with a gap would tell readers wrong, and the journal has it all
            event = FeedEvent(self._journal.id, entry, call, roll, place, wanted)
            ring.append(event)
            events.append(event)
            self._heads[entry.district] = entry.seq
        news, self._news = self._news, asyncio.Event()
        news.set()
        return events

    def forget(self) -> None:
        """What stands in the rings may name somebody who was erased since: it is read from the journal again."""
        self.forgotten += 1
        for ring in self._rings.values():
            ring.clear()

    async def event(self, district: str, seq: int) -> FeedEvent | None:
        """The event of this number; None where it was let go. Raises StoreUnavailable."""
        found = await self._after(district, seq - 1, 1)
        return found[0] if found and found[0].entry.seq == seq else None

    async def reader(self, district: str, after: str | None) -> Reader:
        """A reader from a position on (`0`: the beginning; None: now). Raises PositionUnknown."""
        head = self._heads.get(district, 0)
        if after is None:
            return Reader(self, district, head)
        if after == "0":
            return Reader(self, district, 0)
        found = parse_position(after)
        if found is None or found[0] != self._journal.id or found[1] != district or found[2] > head:
            raise PositionUnknown
        if found[2] < self._archived.get(district, 0):
            raise PositionUnknown
        return Reader(self, district, found[2])

    async def _after(self, district: str, seq: int, limit: int) -> list[FeedEvent]:
        ring = self._rings.get(district)
        if ring and ring[0].entry.seq <= seq + 1:
            first = seq + 1 - ring[0].entry.seq
            return [ring[index] for index in range(first, min(len(ring), first + limit))]
        return await self._from_journal(district, seq, limit)

    async def _from_journal(self, district: str, seq: int, limit: int) -> list[FeedEvent]:
        entries = await self._journal.after(district, seq, limit)
        if not entries:
            return []
        known = sorted({entry.call for entry in entries if entry.call is not None})
        states = await self._journal.states_before(district, known, entries[0].seq)
        told = told_after(entries, states)
        wanted: set[str] = set()
        for entry, call in told:
            wanted |= text_ids(call, entry)
        texts = await self._board.texts(wanted)
        places = {call_id: await self._board.place(call_id) for call_id in known}
        roll = self._rolls.find(district)
        return [
            FeedEvent(self._journal.id, entry, call, roll, places.get(entry.call or ""), texts)
            for entry, call in told
        ]

    def _behind(self, district: str, seq: int) -> bool:
        return self._heads.get(district, 0) > seq


class Reader:
    """One reader: a position, nothing else."""

    def __init__(self, feed: Feed, district: str, seq: int) -> None:
        self._feed = feed
        self._district = district
        self._seq = seq

    async def next(self, max_events: int = PAGE_EVENTS) -> list[FeedEvent]:
        """The next events, waiting for some."""
        while True:
            # Taken before looking, so that news between the look and the wait is not slept through.
            news = self._feed._news  # noqa: SLF001 - two halves of one thing
            if self._feed._behind(self._district, self._seq):  # noqa: SLF001
                events = await self._feed._after(self._district, self._seq, max_events)  # noqa: SLF001
                if events:
                    self._seq = events[-1].entry.seq
                    return events
            await news.wait()
