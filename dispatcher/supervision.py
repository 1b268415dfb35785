"""Supervision: who of the registered devices is well, who is silent, and whose task that is.

    inbox.put ──every signal──> heard(): a look at one record; a *change* of condition is a report in the same commit
    run() ──────now and then──> who has been silent too long, who is back, whose time has passed, what the register moved

What is open stands in the desk's `ReportBook`, mirrored from rows; here is only what leads to it, and it is made anew at
the start from the devices' rows. Presses pass by: none is held up, grouped or dropped by anything here.

In short, the rule is: silence counts only while we listened ourselves, and one cause makes one fault.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence

import structlog

from config.doors import Clock
from devices.signal import Signal, SignalType
from dispatcher import fault_rounds
from dispatcher.core.area import STRUCK
from dispatcher.core.district import Device
from dispatcher.core.listening import Ears, LineUp
from dispatcher.core.reports import Faulty, Mended, Report
from dispatcher.core.roll import Rolls
from dispatcher.core.supervise import (
    BATTERY_WELL_ABOVE,
    BY_HAND,
    MAINS,
    OFFLINE,
    RETAINED,
    Health,
    left_seconds,
    news_of,
)
from dispatcher.desk_reports import Fault, ReportBook
from dispatcher.device_rows import known_devices
from dispatcher.fault_rounds import Told
from dispatcher.inbox import Inbox
from dispatcher.shared_faults import SOURCES_MAX, SharedFaults
from dispatcher.store import Store, StoreUnavailable

log = structlog.get_logger("supervision")

#: So often it looks around when nothing is due, and when somebody is about to be told offline.
TURN_SECONDS, SOON_SECONDS = 5.0, 1.0
#: Who is offline may come back at once, and others may go with it: it is told after this.
WAIT_SECONDS = 5.0
#: Who is behind a hub that is offline, or on a line that is closed, is looked at again after this.
LATER_SECONDS = 60.0
#: After a line came back everybody's connection is new: who is not there so long after it has really gone.
BACK_SECONDS = 90.0
#: Devices looked through in one go before the loop gets a turn.
_CHUNK = 500
#: Replays of so many devices are told an hour.
_REPLAYS_MAX = 1000


class Supervision:
    """The watch over the devices of one process (`inbox.watch` is this). `lines`: those of the gateway."""

    def __init__(
        self,
        store: Store,
        rolls: Rolls,
        inbox: Inbox,
        book: ReportBook,
        clock: Clock,
        lines: Callable[[], Iterable[LineUp]] = lambda: (),
    ) -> None:
        self._store = store
        self._rolls = rolls
        self._inbox = inbox
        self._book = book
        self._clock = clock
        self.lines = lines
        self._time = asyncio.get_running_loop().time
        self._ears = Ears(self._time(), TURN_SECONDS * 2)
        self._health: dict[str, Health] = {}
        self._behind: dict[str, set[str]] = {}
        self._look: list[tuple[float, str]] = []
        self._waiting: dict[str, float] = {}
        self._replayed: dict[str, int] = {}
        self._version = -1
        self._wake = asyncio.Event()
        self._shared = SharedFaults(rolls, book, self._time, self._health, self._behind, self._waiting)
        inbox.watch = self
        book.on_fault = self._decided

    # ── what is heard: thousands a second, and hardly ever news ──────────────────────────────────────────────────

    def heard(
        self, device: Device, source: str, signal: Signal, received_us: int, line: str
    ) -> Sequence[Report]:
        """A signal of a registered device; what it changes, to be stored with it."""
        health = self._health.get(source) or self._begin(device, source)
        kind, details = signal.type, signal.details
        if kind is SignalType.OFFLINE or (not signal.id and "retained" in details):
            return self._status(health, source, kind)
        health.quiet = self._ears.reading(line, self._time())
        health.heard_us = received_us
        health.line = line
        reports: list[Report] = []
        if "via" in details:
            reports += self._through(health, source, f"{signal.family}/{details['via']}")
        if kind is SignalType.HEARTBEAT and health.calm and details.get("battery", 100) > BATTERY_WELL_ABOVE:
            return reports
        gathers = self._shared.mains(device, source, kind)
        news = [one for one in news_of(health, kind, details) if not (gathers and one.fault == MAINS)]
        if gathers:
            self._wake.set()
        reports += [self._report(source, *one) for one in news]
        if health.silent:
            self._back(health, source)
        for report in reports:
            self._mark(report)
        return reports

    def _status(self, health: Health, source: str, kind: SignalType) -> Sequence[Report]:
        """Another's word on a device: its last will, its hub's, or what a broker has kept."""
        if kind is SignalType.OFFLINE:
            if not health.off:
                health.off = True
                health.settle()
                self._fell(health, source)
            return ()
        return self._return(health, source) if health.off else ()

    def _return(self, health: Health, source: str) -> list[Report]:
        """It has come back, as somebody else tells."""
        reports = [self._report(source, OFFLINE, on=False)] if OFFLINE in health.told else []
        self._back(health, source)
        for report in reports:
            self._mark(report)
        return reports

    def _report(self, source: str, fault: str, on: bool, detail: str = "") -> Report:
        if not on:
            return Mended(fault=fault, source=source)
        behind = sorted(self._behind.get(source, ())) if fault in {MAINS, OFFLINE} else []
        return Faulty(fault=fault, source=source, sources=tuple(behind[:SOURCES_MAX]), detail=detail)

    def _back(self, health: Health, source: str) -> None:
        """It is there again: its silence is looked for anew, and that of all who speak through it."""
        health.off = health.waiting = False
        self._waiting.pop(source, None)
        if health.many:
            health.many = False
            self._shared.back(source)
        health.settle()
        self._arm(health, source)
        for other in self._behind.get(source, ()):
            follower = self._health.get(other)
            if follower is not None and follower.calm:
                clock = self._ears.of(follower.line, source.partition("/")[0])
                follower.quiet = max(follower.quiet, clock.total)

    def _through(self, health: Health, source: str, hub: str) -> list[Report]:
        """What comes through a hub shows that the hub is there."""
        if health.via != hub:
            self._speaks_through(health, source, hub)
        other = self._health.get(hub)
        if other is None or other is health:
            return []
        other.quiet, other.line, other.heard_us = health.quiet, health.line, health.heard_us
        return self._return(other, hub) if other.silent else []

    def _speaks_through(self, health: Health, source: str, hub: str) -> None:
        self._leave_hub(health, source)
        health.via = hub
        if hub != source:
            self._behind.setdefault(hub, set()).add(source)

    def _leave_hub(self, health: Health, source: str) -> None:
        followers = self._behind.get(health.via, set())
        followers.discard(source)
        if not followers:
            self._behind.pop(health.via, None)

    def heard_us(self, source: str) -> int:
        """When the device itself was last heard; 0: never."""
        health = self._health.get(source)
        return health.heard_us if health is not None else 0

    def is_dark(self, source: str) -> bool:
        """Whether its mains are gone, and no fault of its own says so on disk."""
        return self._shared.is_dark(source)

    def failed(self, reports: Sequence[Report]) -> None:
        """What was reported is not on disk."""
        for report in reports:
            self._unmark(report)

    async def replayed(self, source: str, error: str) -> None:
        """A message that a broker had kept was delivered as one: a fault to show. Raises StoreUnavailable."""
        hour = self._clock.now_us() // 3_600_000_000
        if self._replayed.get(source) == hour:
            return
        self._replayed = {one: when for one, when in self._replayed.items() if when == hour}
        if len(self._replayed) < _REPLAYS_MAX:
            found = self._rolls.device_by_source(source)
            code = found[0].district.code if found is not None else self._rolls.default_code
            report = Faulty(fault=RETAINED, source=source, detail=error)
            await self._inbox.report(report, source=source, ref=f"replayed:{hour}", district=code)
            self._replayed[source] = hour

    # ── what is told ─────────────────────────────────────────────────────────────────────────────────────────────

    def _mark(self, report: Report) -> None:
        """It is about to be stored: from now on it is known."""
        if isinstance(report, Faulty | Mended) and not self._shared.mark(report):
            self._set(report.source, report.fault, on=isinstance(report, Faulty))

    def _unmark(self, report: Report) -> None:
        """It was not stored after all."""
        if isinstance(report, Faulty | Mended) and not self._shared.unmark(report):
            self._set(report.source, report.fault, on=isinstance(report, Mended))
            if report.fault == OFFLINE and isinstance(report, Faulty):
                self._wait(report.source)

    def _set(self, source: str, fault: str, *, on: bool) -> None:
        health = self._health.get(source)
        if health is None:
            return
        if fault == OFFLINE:
            health.many = False
            if on:
                health.waiting = False
                self._waiting.pop(source, None)
        health.tell(fault, on=on)

    def _decided(self, key: tuple[str, str], fault: Fault | None) -> None:
        """The desk has decided, and it is on disk: a fault that a person ended, or that the register moved, too."""
        if fault is None and key[1] == STRUCK and self._shared.ended(key[0]):
            self._wake.set()
        health = self._health.get(key[0])
        if health is not None and (key[1] in health.told) is not (fault is not None):
            health.tell(key[1], on=fault is not None)

    # ── who is silent ────────────────────────────────────────────────────────────────────────────────────────────

    def _begin(self, device: Device, source: str) -> Health:
        """A device that is new in the register: it has as long as any other from now on."""
        health = self._health[source] = Health(device.heartbeat)
        health.quiet = self._ears.of("", device.family).total
        health.told = frozenset(name for name in (*BY_HAND, OFFLINE) if (source, name) in self._book.faults)
        health.settle()
        self._arm(health, source)
        return health

    def _left(self, health: Health, source: str) -> float:
        """How long it may still be silent; while we do not listen, that does not run out."""
        if health.off or health.heartbeat is None:
            return LATER_SECONDS
        clock = self._ears.of(health.line, source.partition("/")[0])
        if not clock.open:
            return LATER_SECONDS
        return left_seconds(health.heartbeat, clock.total - health.quiet, self._ears.turned - clock.since)

    def _arm(self, health: Health, source: str, within: float | None = None) -> None:
        """Look at it again when it could have been silent for too long; without a heartbeat nobody can tell."""
        if health.heartbeat is None and not health.off:
            return
        now = self._time()
        at = now + max(self._left(health, source) if within is None else within, 0.2)
        if not now < health.next_at <= at:
            health.next_at = at
            heapq.heappush(self._look, (at, source))

    def _find_silent(self, now: float) -> None:
        while self._look and self._look[0][0] <= now:
            at, source = heapq.heappop(self._look)
            health = self._health.get(source)
            if health is None or health.next_at != at:
                continue
            health.next_at = 0.0
            if health.off:
                self._fell(health, source)
            elif health.heartbeat is not None and not health.silent:
                left = self._left(health, source)
                if left > 0:
                    self._arm(health, source, left)
                else:
                    self._fell(health, source)

    def _fell(self, health: Health, source: str) -> None:
        """It is offline: told in a moment, unless that is its hub's fault."""
        if health.down or health.many:
            return
        if self._hub_is_gone(health, source):
            self._arm(health, source, LATER_SECONDS)
            return
        self._wait(source)
        found = self._rolls.device_by_source(source)
        if found is not None:
            self._shared.fell(source, found[0].district.code)

    def _wait(self, source: str) -> None:
        health = self._health.get(source)
        if health is not None:
            health.waiting = True
            health.settle()
            self._waiting.setdefault(source, self._time() + WAIT_SECONDS)
            self._wake.set()

    def _hub_is_gone(self, health: Health, source: str) -> bool:
        hub = self._health.get(health.via) if health.via and health.via != source else None
        return hub is not None and hub.silent

    # ── the turn ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def open(self) -> None:
        """Go on from what is stored. Raises StoreUnavailable."""
        self._ears.listen(self._time(), self.lines())
        stored = await known_devices(self._store)
        for roll in self._rolls.by_code.values():
            for source, device in roll.by_source.items():
                health = self._health[source] = Health(device.heartbeat)
                if (state := stored.get(source)) is not None:
                    health.heard_us, health.line, health.off = state.heard_us, state.line, state.off
                    health.quiet = -state.silent
                    if state.via:
                        self._speaks_through(health, source, f"{device.family}/{state.via}")
        for source, name in self._book.faults:
            if source in self._health:
                self._health[source].tell(name, on=True)
        self._shared.recall({source for source, state in stored.items() if state.dark})
        for source, health in self._health.items():
            health.settle()
            self._arm(health, source, WAIT_SECONDS if health.off else None)

    async def run(self) -> None:
        """Look around, for ever."""
        while True:
            self._wake.clear()
            try:
                await self.turn()
            except StoreUnavailable as error:
                log.warning("faults_not_written", error=str(error))
            seconds = SOON_SECONDS if self._waiting or self._shared.held else TURN_SECONDS
            if self._look:
                seconds = min(seconds, max(0.2, self._look[0][0] - self._time()))
            try:
                async with asyncio.timeout(seconds):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def turn(self) -> None:
        """Everything that time brings. Raises StoreUnavailable: it comes again at the next turn."""
        now = self._time()
        self._ears.listen(now, self.lines())
        version = sum(roll.version for roll in self._rolls.by_code.values())
        if version != self._version:
            await self._follow_register()
            self._version = version
        self._find_silent(now)
        reports = [
            *self._offline(now),
            *self._shared.over(),
            *fault_rounds.by_time(self._book, self._clock.now_us()),
            *fault_rounds.by_line(self._book, self._ears.lines(), now, self._rolls.default_code),
        ]
        if reports:
            await self._tell(reports)

    async def _tell(self, reports: Sequence[Told]) -> None:
        for report, _, _ in reports:
            self._mark(report)
        try:
            await self._inbox.report_all(reports, source="supervision")
        except BaseException:
            self.failed([report for report, _, _ in reports])
            raise

    def _offline(self, now: float) -> Iterator[Told]:
        """Who is to be told now: silent, or without mains; in common where it is a common fault."""
        due: dict[str, list[str]] = {}
        for source in [source for source, at in self._waiting.items() if at <= now]:
            health, found = self._health.get(source), self._rolls.device_by_source(source)
            if health is None or found is None:
                del self._waiting[source]
            elif self._hub_is_gone(health, source):
                del self._waiting[source]
                health.waiting = False
                health.settle()
                self._arm(health, source, LATER_SECONDS)
            elif (
                health.off
                and (back := self._ears.of(health.line, found[1].family).again + BACK_SECONDS) > now
            ):
                # Its last will: the broker says that of everybody when it comes back from a restart.
                self._waiting[source] = back
            else:
                due.setdefault(found[0].district.code, []).append(source)
        dark = self._shared.due(now)
        for code in {**due, **dark}:
            yield from self._shared.told(code, due.get(code, ()), dark.get(code, ()), now, self._report)

    # ── the register ─────────────────────────────────────────────────────────────────────────────────────────────

    async def _follow_register(self) -> None:
        """Devices that came, went, or beat at another pace; faults whose device or station is not where it was."""
        for roll in list(self._rolls.by_code.values()):
            for count, (source, device) in enumerate(list(roll.by_source.items()), 1):
                health = self._health.get(source)
                if health is None:
                    self._begin(device, source)
                elif health.heartbeat != device.heartbeat:
                    health.heartbeat, health.next_at = device.heartbeat, 0.0
                    self._arm(health, source)
                if count % _CHUNK == 0:
                    await asyncio.sleep(0)
        for count, source in enumerate(list(self._health), 1):
            if self._rolls.device_by_source(source) is None:
                self._forget(source)
            if count % _CHUNK == 0:
                await asyncio.sleep(0)
        stray = fault_rounds.by_register(self._book, self._rolls)
        for start in range(0, len(stray), _CHUNK):
            await self._inbox.report_all(stray[start : start + _CHUNK], source="supervision")

    def _forget(self, source: str) -> None:
        health = self._health.pop(source, None)
        if health is None:
            return
        self._waiting.pop(source, None)
        self._leave_hub(health, source)
        self._shared.forget(source)

    @property
    def offline(self) -> int:
        """How many devices are known to be offline."""
        told = sum(name == OFFLINE for _, name in self._book.faults)
        return told + self._shared.silent
