"""A clock that is put back by an hour must not put off by an hour what is due: whoever waits is not told to wait longer.

    turn ──wall clock against the loop's──> put back by more than 1 s? ──> every open call: what lies too far ahead
         ──later, by the loop's clock─────> what was left of it at the turn before has passed: it is due
                                            (read at a start, nobody knows what was left: its whole length)

Nothing of this is written down: the deadlines stay where they are in the rows, and are looked through anew at a start.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import structlog

from dispatcher.core.patience import TwoClocks, far_off
from dispatcher.ledger import Ledger

log = structlog.get_logger("desk")


class PutBack:
    """The deadlines of open calls that the wall clock has moved away from. `time`: seconds that only go forward."""

    def __init__(self, ledger: Ledger, time: Callable[[], float]) -> None:
        self._ledger, self._time = ledger, time
        self._clocks = TwoClocks()
        #: The last turn, by both clocks: what lay ahead then is what is left, whatever the wall clock says since.
        self._before: tuple[int, float] | None = None
        #: Of each call and kind: the moment that is too far ahead, and by when, by `time`, it has been waited for.
        self._far: dict[str, dict[str, tuple[int, float]]] = {}
        #: Nothing of it has been waited for before that, so that a turn need not look through it.
        self._next = math.inf

    def due(self, now_us: int) -> Mapping[str, Mapping[str, int]]:
        """The calls with deadlines that have been waited for long enough: which, and the moment that each of them is for."""
        time = self._time()
        if self._clocks.put_back(now_us, time) or self._before is None:
            self._look(now_us, time)
        self._before = now_us, time
        return self._waited_for(time) if time >= self._next else {}

    def _look(self, now_us: int, time: float) -> None:
        for call in self._ledger.open.values():
            for kind, wait_us in far_off(call, now_us).items():
                known = self._far.setdefault(call.id, {})
                if known.get(kind, (0, 0.0))[0] != call.deadlines[kind]:
                    until = time + wait_us / 1e6
                    if self._before is not None:
                        then_us, then = self._before
                        until = min(until, then + (call.deadlines[kind] - then_us) / 1e6)
                    known[kind] = call.deadlines[kind], until
                    self._next = min(self._next, until)
        if self._far:
            log.warning("clock_put_back", calls=len(self._far))

    def _waited_for(self, time: float) -> Mapping[str, Mapping[str, int]]:
        found: dict[str, Mapping[str, int]] = {}
        self._next = math.inf
        for call_id, known in list(self._far.items()):
            call = self._ledger.open.get(call_id)
            moments = call.deadlines if call is not None else {}
            still = {kind: far for kind, far in known.items() if moments.get(kind) == far[0]}
            if not still:
                del self._far[call_id]
                continue
            self._far[call_id] = still
            self._next = min(self._next, *(until for _, until in still.values()))
            if waited := {kind: moment for kind, (moment, until) in still.items() if until <= time}:
                found[call_id] = waited
        return found
