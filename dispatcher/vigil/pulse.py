"""The pulse of the process: does the event loop come round, does each part of it move, is any deadline overdue.

    loop      late by > 250 ms: logged, once a minute      > 2 s: a trouble for five minutes
              stands still for 5 s: every thread's stack is written to the log once, by a thread below Python
    parts     desk, intake, broker, … : a part that has not moved for 20 s is stalled, and systemd gets no WATCHDOG=1
    overdue   the oldest deadline due for > 5 s: a trouble
    asleep    an open call that no clock will ever wake: found every minute, armed again, and shouted about

Stacks are files and lines: nobody's data.
"""

from __future__ import annotations

import asyncio
import faulthandler
from collections.abc import Callable, Mapping
from typing import TextIO

import structlog
from sqlalchemy import bindparam, select

from config.doors import Clock
from dispatcher.ledger import Ledger
from dispatcher.store import Store, StoreUnavailable
from dispatcher.tables import calls
from dispatcher.vigil import counted

log = structlog.get_logger("vigil")

BEAT_SECONDS = 0.25
LATE_SECONDS, SLOW_SECONDS, STILL_SECONDS = 0.25, 2.0, 5.0
#: What it does when the loop stands still is asked for anew so often: it is written 3 to 5 s after the last beat.
ARMED_EVERY_SECONDS = 2.0
#: A loop that was that slow is told as a trouble for so long.
SLOW_TOLD_SECONDS = 300.0
LOGGED_EVERY_SECONDS = 60.0
#: The longest a part may stand still: a slow disk is not helped by a restart, a hung one is.
PART_SECONDS = 20.0
OVERDUE_SECONDS = 5.0
SWEEP_SECONDS = 60.0
#: A row that is due for that long, and that memory does not know: nobody is going to decide it.
FORGOTTEN_SECONDS = 60.0
_CHUNK = 2_000
_FORGOTTEN = select(calls.c.id).where(calls.c.due_us < bindparam("b_before_us")).limit(500)


class Pulse:
    """The pulse. `parts`: by name whatever changes when that part moves; `alive` is called with each beat while all do."""

    def __init__(
        self,
        parts: Callable[[], Mapping[str, object]],
        ledger: Ledger,
        store: Store,
        clock: Clock,
        *,
        alive: Callable[[], None] = lambda: None,
        dump: TextIO | None = None,
    ) -> None:
        self._parts = parts
        self._ledger = ledger
        self._store = store
        self._clock = clock
        self._alive = alive
        self._dump = dump
        self._time = asyncio.get_running_loop().time
        self._seen: dict[str, tuple[object, float]] = {}
        self._slow_until = 0.0
        self._logged_at = -LOGGED_EVERY_SECONDS
        self._overdue_since: float | None = None
        self.slowest_seconds = 0.0  #: while it is told
        self.stalled: frozenset[str] = frozenset()
        self.asleep: frozenset[str] = frozenset()  #: ids of calls

    async def run(self) -> None:
        """Beat, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._sweeps(), name="sweep")
            try:
                armed_at = -ARMED_EVERY_SECONDS
                while True:
                    began = self._time()
                    if self._dump is not None and began - armed_at >= ARMED_EVERY_SECONDS:
                        # The thread that waits for it needs neither the loop nor Python's lock. To end it and make another
                        # takes 10 ms where others use the processor too, and the loop stands still meanwhile.
                        armed_at = began
                        faulthandler.dump_traceback_later(STILL_SECONDS, file=self._dump)
                    await asyncio.sleep(BEAT_SECONDS)
                    self.beat(self._time() - began - BEAT_SECONDS)
            finally:
                if self._dump is not None:
                    faulthandler.cancel_dump_traceback_later()

    def beat(self, late_seconds: float) -> None:
        """The loop has come round, so late."""
        now = self._time()
        counted.LAG.observe(max(0.0, late_seconds))
        if late_seconds > LATE_SECONDS and now - self._logged_at >= LOGGED_EVERY_SECONDS:
            self._logged_at = now
            log.warning("loop_late", seconds=round(late_seconds, 3))
        if now >= self._slow_until:
            self.slowest_seconds = 0.0
        if late_seconds > SLOW_SECONDS:
            self._slow_until = now + SLOW_TOLD_SECONDS
            self.slowest_seconds = max(self.slowest_seconds, late_seconds)
        self._look_at_parts(now, late_seconds)
        if self.overdue_seconds <= OVERDUE_SECONDS:
            self._overdue_since = None
        elif self._overdue_since is None:
            self._overdue_since = now
        if not self.stalled:
            self._alive()

    def _look_at_parts(self, now: float, late_seconds: float) -> None:
        parts = self._parts()
        for name, value in parts.items():
            seen = self._seen.get(name)
            if seen is None or seen[0] != value:
                self._seen[name] = (value, now)
            elif late_seconds > LATE_SECONDS:
                # The loop itself was away: no part could move.
                self._seen[name] = (value, seen[1] + late_seconds)
        for name in self._seen.keys() - parts.keys():
            del self._seen[name]
        stalled = frozenset(name for name, (_, moved) in self._seen.items() if now - moved > PART_SECONDS)
        for name in stalled - self.stalled:
            log.error("part_stalled", part=name, seconds=PART_SECONDS)
        self.stalled = stalled

    @property
    def parts(self) -> list[str]:
        """Whatever is looked at."""
        return sorted(self._seen)

    @property
    def overdue_seconds(self) -> float:
        """How long the oldest deadline has been due; 0: none is."""
        due_us = self._ledger.next_due_us()
        return max(0.0, (self._clock.now_us() - due_us) / 1e6) if due_us is not None else 0.0

    @property
    def overdue(self) -> bool:
        """Whether that is a trouble: for a whole second, so that a batch under way is none."""
        return self._overdue_since is not None and self._time() - self._overdue_since >= 1.0

    # ── open calls that nothing will wake ────────────────────────────────────────────────────────────────────────

    async def _sweeps(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                await self.sweep()
            except StoreUnavailable as error:
                log.warning("not_swept", error=str(error))

    async def sweep(self) -> None:
        """Every open call has an owner with a deadline or a next step with a time, and a clock that will tell.

        The database refuses a row without one; here it is looked whether memory is as it says. Raises StoreUnavailable.
        """
        asleep = await self._unarmed()
        forgotten = await self._forgotten()
        if forgotten:
            await asyncio.sleep(OVERDUE_SECONDS)  # what was being decided just then
            forgotten &= await self._forgotten()
        self.asleep = frozenset(forgotten)
        counted.ASLEEP.set(len(forgotten))
        for call in sorted(asleep | forgotten)[:20]:
            log.error("call_asleep", call=call, armed_again=call in asleep)

    async def _unarmed(self) -> set[str]:
        """Calls in memory that are due and that its clock does not know: armed again."""
        found: set[str] = set()
        ids = list(self._ledger.open)
        for start in range(0, len(ids), _CHUNK):
            before_us = self._clock.now_us() - round(OVERDUE_SECONDS * 1e6)
            for call_id in ids[start : start + _CHUNK]:
                call = self._ledger.open.get(call_id)
                due = call.due if call is not None else None
                if call is not None and (due is None or due[1] < before_us) and not self._ledger.armed(call):
                    found.add(call_id)
            await asyncio.sleep(0)
        self._ledger.again_due(found)
        return found

    async def _forgotten(self) -> set[str]:
        """Calls that are open and due by their rows, and that memory does not have."""
        before_us = self._clock.now_us() - round(FORGOTTEN_SECONDS * 1e6)
        rows = await self._store.read(_FORGOTTEN, {"b_before_us": before_us})
        return {str(call_id) for (call_id,) in rows} - self._ledger.open.keys()
