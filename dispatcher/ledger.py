"""The open calls in memory: what the desk decides upon and the board shows. A mirror of committed rows, never ahead.

A batch of decisions works on a `Page` laid over the ledger; only after its commit is it turned over. A batch whose
commit fails is simply dropped.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

from dispatcher.core.call import Call, OfferState
from dispatcher.core.commands import Place

#: Who a call is for: (district, resident or source, key). One open call each.
Whose = tuple[str, str, str]

#: So many entries of the heap may be out of date before it is made anew.
STALE_MAX = 1024


def whose(call: Call) -> Whose | None:
    """Whose call it is; None for one opened by hand for somebody who is not in the register."""
    if call.resident is not None:
        return call.district, f"resident:{call.resident}", call.key
    if call.source:
        return call.district, f"source:{call.source}", call.key
    return None


def stations_of(call: Call) -> set[str]:
    """The stations that carry it: those it is offered to and the one that holds it."""
    if not call.open:
        return set()
    held = {offer.to for offer in call.offers if offer.state is OfferState.OFFERED and not offer.person}
    if call.accepted is not None and call.accepted.station:
        held.add(call.accepted.station)
    return held


class Ledger:
    """Open calls by id, by whose they are, by station, and by when they are next due."""

    def __init__(self) -> None:
        self.open: dict[str, Call] = {}
        self.places: dict[str, Place] = {}
        self._by_whose: dict[Whose, str] = {}
        self._load: dict[str, set[str]] = {}
        self._due: list[tuple[int, str]] = []
        self._armed: dict[str, int] = {}  #: the one entry of each call in the heap that counts

    def fill(self, calls: Iterable[Call]) -> None:
        """Take in open calls that are not here yet: at the start, a hundred thousand of them."""
        opened, armed, by_whose, load = self.open, self._armed, self._by_whose, self._load
        for call in calls:
            opened[call.id] = call
            key = whose(call)
            if key is not None:
                by_whose[key] = call.id
            for station in stations_of(call):
                if (carried := load.get(station)) is None:
                    carried = load[station] = set()
                carried.add(call.id)
            due = call.due
            if due is not None:
                armed[call.id] = due[1]
        self._due = [(due_us, call_id) for call_id, due_us in armed.items()]
        heapq.heapify(self._due)

    def put(self, call: Call) -> None:
        """Take in a call as it is committed now."""
        before = self.open.get(call.id)
        if before is not None:
            for station in stations_of(before):
                self._load.get(station, set()).discard(call.id)
        key = whose(call)
        if call.open:
            self.open[call.id] = call
            if key is not None:
                self._by_whose[key] = call.id
            for station in stations_of(call):
                self._load.setdefault(station, set()).add(call.id)
            self._arm(call)
        else:
            self.open.pop(call.id, None)
            self._armed.pop(call.id, None)
            self.places.pop(call.id, None)
            if key is not None and self._by_whose.get(key) == call.id:
                del self._by_whose[key]

    def for_whom(self, key: Whose) -> Call | None:
        """Their open call, if there is one."""
        call_id = self._by_whose.get(key)
        return self.open.get(call_id) if call_id is not None else None

    def load(self, station: str) -> set[str]:
        """The ids of the open calls a station carries."""
        return self._load.get(station, set())

    def loaded(self) -> Iterator[str]:
        """Stations that carry any call."""
        return (station for station, calls in self._load.items() if calls)

    def next_due_us(self) -> int | None:
        """When the next deadline falls due."""
        while self._due:
            due_us, call_id = self._due[0]
            if self._armed.get(call_id) == due_us:
                return due_us
            heapq.heappop(self._due)
        return None

    def _arm(self, call: Call) -> None:
        due = call.due
        if due is None or self._armed.get(call.id) == due[1]:
            return
        self._armed[call.id] = due[1]
        heapq.heappush(self._due, (due[1], call.id))
        if len(self._due) > 2 * len(self._armed) + STALE_MAX:
            self._due = [(due_us, call_id) for call_id, due_us in self._armed.items()]
            heapq.heapify(self._due)

    def armed(self, call: Call) -> bool:
        """Whether the clock knows when this call is due."""
        return call.due is not None and self._armed.get(call.id) == call.due[1]

    def take_due(self, now_us: int, limit: int) -> list[str]:
        """The calls with a deadline that has passed, longest due first. They stay due until a decision moves it."""
        taken: list[str] = []
        while len(taken) < limit:
            due_us = self.next_due_us()
            if due_us is None or due_us > now_us:
                break
            call_id = heapq.heappop(self._due)[1]
            del self._armed[call_id]
            taken.append(call_id)
        return taken

    def again_due(self, call_ids: Iterable[str]) -> None:
        """These were taken: those that nothing has moved since are due still."""
        for call_id in call_ids:
            call = self.open.get(call_id)
            if call is not None:
                self._arm(call)


class Page:
    """A batch in the making, laid over the ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.changed: dict[str, Call] = {}
        self.places: dict[str, Place] = {}
        self._by_whose: dict[Whose, str] = {}
        self._load: dict[str, set[str]] = {}

    def call(self, call_id: str) -> Call | None:
        """The call as this batch has it, if open or changed."""
        return self.changed.get(call_id) or self._ledger.open.get(call_id)

    def for_whom(self, key: Whose) -> Call | None:
        """Their open call, as this batch has it."""
        call_id = self._by_whose.get(key)
        call = self.changed.get(call_id) if call_id is not None else self._ledger.for_whom(key)
        if call is not None:
            call = self.changed.get(call.id, call)
        return call if call is not None and call.open else None

    def place(self, call_id: str) -> Place | None:
        """Where the call is, when the register does not say."""
        return self.places.get(call_id) or self._ledger.places.get(call_id)

    def put(self, call: Call) -> None:
        """The call after a decision."""
        before = self.call(call.id)
        for station in stations_of(before) if before is not None else ():
            self._own(station).discard(call.id)
        for station in stations_of(call):
            self._own(station).add(call.id)
        self.changed[call.id] = call
        key = whose(call)
        if key is not None and call.open:
            self._by_whose[key] = call.id

    def _own(self, station: str) -> set[str]:
        if station not in self._load:
            self._load[station] = set(self._ledger.load(station))
        return self._load[station]

    def get(self, station: str, default: set[str] | None = None) -> set[str]:
        """The load of a station, as this batch has it (what the core's World asks)."""
        found = self._load.get(station)
        if found is not None:
            return found
        return self._ledger.load(station) or default or set()

    def turn(self) -> None:
        """It is on disk: let the ledger show it."""
        for call in self.changed.values():
            self._ledger.put(call)
        # Only of open calls: a place looked up for a closed one, or of a call that came to nothing, must not stay.
        self._ledger.places.update(
            {call_id: place for call_id, place in self.places.items() if call_id in self._ledger.open}
        )
