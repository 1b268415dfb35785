"""Intake: what lies between a frame and its answer. Stored, then acknowledged.

    transport --frame--> receive (the family reads it) --> waiting --> one commit for all that wait --> ack, answer
                              |                              |
                              | no frame: counted, dropped   | too many: heartbeats are told `busy`, and where calls
                              | a retained one: a fault      | themselves pile up the lines stop reading
                              | a flood: heartbeats are told
                              | `busy` at a glance, unread

While one batch commits the next one gathers, so one fsync serves as many signals as came in its time. What asks for
help goes before what does not.

*When nothing can be stored* (disk full, database away) everybody is told `busy`. A calling signal whose transport lets
us hold its acknowledgement (MQTT) is kept and tried again as well, unacknowledged, so that it is also safe with the
broker should we die: the device may have had its battery's last breath. What is held is bounded; beyond that, and for
all other signals, a `busy` is acknowledged to the broker: the sender was told to repeat, and a full window of
unacknowledged messages would keep the next press from us.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from config.doors import Clock, from_us
from devices.family import Answer, Frame, Heard, Outcome, Replayed, Result, Unreadable
from devices.signal import CALLING, Signal, SignalType
from gateway import metrics
from gateway.lines import Keeper, OpenLine, silent_line
from gateway.ports import Arrival, Busy, Inbox, Stored

log = structlog.get_logger()

#: What is never shed, and goes first: in the order it came, so that a cancel never overtakes its press.
URGENT = CALLING | {SignalType.CANCEL, SignalType.HELPER_ARRIVED, SignalType.TEST}

Ack = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of the intake. Everything that can grow has one."""

    batch_signals_max: int = 512
    flood_signals_max: int = 64  # while heartbeats are shed, presses apart: then reading comes before storing
    urgent_max: int = 4096  # beyond it the lines stop reading
    others_max: int = 8192  # beyond it what asks for no help is told `busy`
    # Beyond it heartbeats are. With what is being stored it must stay below the 2,000 unacknowledged messages that our
    # broker lets us have: else a flood waits there, with presses in it, and nobody can shed its heartbeats.
    beats_max: int = 1024
    held_max: int = 400  # well below those 2,000, or the 1,000 that others may have set
    receipts_waiting_max: int = 2000  # receipts that wait for the desk; one more goes out without its call
    call_within_seconds: float = 2.0
    again_seconds_min: float = 0.25
    again_seconds_max: float = 5.0


@dataclass(frozen=True, slots=True)
class Reception:
    """What became of a signal that did not come by a line: for HTTP."""

    stored: Stored
    call: str | None


@dataclass(slots=True, eq=False)
class _Waiting:
    line: OpenLine
    heard: Heard
    arrivals: tuple[Arrival, ...]
    came: float
    ack: Ack | None
    reception: asyncio.Future[Sequence[Stored]] | None = None
    told_busy: bool = False


class Intake:
    """The one queue before the inbox. `run` it in a task; transports hand their frames to `take`."""

    def __init__(
        self, inbox: Inbox, clock: Clock, *, keeper: Keeper | None = None, limits: Limits | None = None
    ) -> None:
        self._inbox = inbox
        self._clock = clock
        self._keeper = keeper
        self._limits = limits or Limits()
        self._urgent: deque[_Waiting] = deque()
        self._others: deque[_Waiting] = deque()
        self._held: deque[_Waiting] = deque()
        self._committing: list[_Waiting] = []
        self._replayed: deque[tuple[OpenLine, Replayed, datetime]] = deque(maxlen=1000)
        self._replayed_at = 0.0
        self._again_at = 0.0
        self._again_seconds = self._limits.again_seconds_min
        self._wake = asyncio.Event()
        self._paused = False
        self._draining = False
        self._failing = False
        self._lines: set[OpenLine] = set()
        self._receipts: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self.beat = self._loop.time()
        #: By line: so many were told `busy` and not taken, since it was too much or could not be stored.
        self.refused: Counter[str] = Counter()
        #: Of these, what Prometheus was not told yet: a tenth of shedding one.
        self._glanced: Counter[str] = Counter()
        #: Called with every line and signal heard: the downlink learns from it which line reaches a device.
        self.on_heard: Callable[[OpenLine, Signal], None] | None = None

    @property
    def depths(self) -> dict[str, tuple[int, int]]:
        """How many wait in each queue, and how many may."""
        limits = self._limits
        return {
            "intake.urgent": (len(self._urgent), limits.urgent_max),
            "intake.others": (len(self._others), limits.others_max),
            "intake.held": (len(self._held), limits.held_max),
            "intake.receipts": (len(self._receipts), limits.receipts_waiting_max),
        }

    # -- lines ------------------------------------------------------------------------------------------------------

    def open(self, line: OpenLine) -> None:
        """A line that frames will come by."""
        self._lines.add(line)
        if self._paused and line.pause is not None:
            line.pause(True)

    def close(self, line: OpenLine) -> None:
        """That line is gone. What it brought is still stored."""
        self._lines.discard(line)

    # -- what comes in ----------------------------------------------------------------------------------------------

    def take(self, line: OpenLine, frame: Frame, ack: Ack | None = None) -> None:
        """Read a frame and queue what it says. `ack` is called once what it says is stored. Never raises, never waits."""
        if len(self._others) >= self._limits.beats_max and self._shed(line, frame, ack):
            return
        try:
            pieces = line.session.receive(frame)
        except Exception:
            # A family must not raise on any bytes; if one does, its line goes on. Logged without the bytes.
            log.exception("family failed on a frame", family=line.family, line=line.name)
            metrics.frames(line.name, "broken").inc()
            pieces = ()
        received_at = from_us(self._clock.now_us())
        pending: list[_Waiting] = []
        for piece in pieces:
            if isinstance(piece, Heard):
                waiting = self._heard(line, piece, received_at)
                if waiting is not None:
                    pending.append(waiting)
            elif isinstance(piece, Unreadable):
                self._unreadable(line, piece)
            else:
                metrics.frames(line.name, "replayed").inc()
                log.warning("replayed message", line=line.name, device=piece.device, reason=piece.error)
                self._replayed.append((line, piece, received_at))
                self._wake.set()
        if not pending:
            if ack is not None:
                ack()
            return
        if ack is not None:
            pending[-1].ack = _after(len(pending), ack)
            for waiting in pending[:-1]:
                waiting.ack = pending[-1].ack
        for waiting in pending:
            self._queue(waiting)

    def _shed(self, line: OpenLine, frame: Frame, ack: Ack | None) -> bool:
        """In a flood: a sign of life is told `busy` without being read, so that the press behind it comes sooner."""
        try:
            answers = line.glance(frame, from_us(self._clock.now_us())) if line.glance is not None else None
        except Exception:
            log.exception("family failed on a frame", family=line.family, line=line.name)
            return False
        if answers is None:
            return False
        self.refused[line.name] += 1
        self._glanced[line.name] += 1
        if ack is not None:
            ack()
        self._send(line, answers)
        return True

    async def deliver(self, signal: Signal, line: str, call_within_seconds: float | None = None) -> Reception:
        """Store one signal that came by another way (HTTP), in the same commit as the rest. Raises Busy."""
        reception: asyncio.Future[Sequence[Stored]] = self._loop.create_future()
        arrival = Arrival(signal, from_us(self._clock.now_us()), line)
        if signal.type in CALLING:
            metrics.presses(signal.type).inc()
        elif len(self._urgent) + len(self._others) >= self._room((arrival,)):
            raise Busy("too much is waiting")
        if len(self._urgent) >= self._limits.urgent_max:
            raise Busy("too much is waiting")
        way = silent_line(line, signal.family)
        heard = Heard(signals=(signal,))
        self._queue(_Waiting(way, heard, (arrival,), self._loop.time(), None, reception))
        stored = (await reception)[0]
        call: str | None = None
        if signal.type in URGENT:
            within = self._limits.call_within_seconds if call_within_seconds is None else call_within_seconds
            call = await self._inbox.call_of(stored.id, within)
        metrics.receipts(stored.result).inc()
        return Reception(stored, call)

    def _heard(self, line: OpenLine, heard: Heard, received_at: datetime) -> _Waiting | None:
        if heard.refused:
            metrics.frames(line.name, "refused").inc()
            self._answer(line, heard, (Outcome(Result.REJECTED, received_at, why=heard.refused),))
            return None
        metrics.frames(line.name, "heard").inc()
        for signal in heard.signals:
            if signal.type in CALLING:
                metrics.presses(signal.type).inc()
            if self.on_heard is not None:
                self.on_heard(line, signal)
        if not heard.signals:
            self._answer(line, heard, ())
            return None
        arrivals = tuple(Arrival(signal, received_at, line.name) for signal in heard.signals)
        return _Waiting(line, heard, arrivals, self._loop.time(), None)

    def _unreadable(self, line: OpenLine, piece: Unreadable) -> None:
        metrics.frames(line.name, "unreadable").inc()
        line.unreadable += 1
        now = self._loop.time()
        if now - line.warned_at >= 60:
            # Noise can come in thousands a second; the log gets a line a minute.
            line.warned_at = now
            log.warning("unreadable frames", line=line.name, reason=piece.error, count=line.unreadable)
            line.unreadable = 0
        self._send(line, piece.answers)

    def _queue(self, waiting: _Waiting) -> None:
        if any(arrival.signal.type in URGENT for arrival in waiting.arrivals):
            self._urgent.append(waiting)
            if len(self._urgent) >= self._limits.urgent_max:
                self._pause(True)
        elif len(self._others) >= self._room(waiting.arrivals):
            self._count_shed(waiting.line)
            self._busy(waiting)
            return
        else:
            self._others.append(waiting)
        self._wake.set()

    def _count_shed(self, line: OpenLine) -> None:
        metrics.shed(line.name).inc()
        self.refused[line.name] += 1

    def _room(self, arrivals: Sequence[Arrival]) -> int:
        """How many may wait before these are shed: signs of life go first, for another one comes."""
        beats = all(arrival.signal.type is SignalType.HEARTBEAT for arrival in arrivals)
        return self._limits.beats_max if beats else self._limits.others_max

    def _pause(self, paused: bool) -> None:
        if paused == self._paused:
            return
        self._paused = paused
        if not self._draining:
            log.warning("lines stop reading" if paused else "lines read again", waiting=len(self._urgent))
        for line in self._lines:
            if line.pause is not None:
                line.pause(paused)

    # -- what is stored ---------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Commit batch after batch, for ever."""
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    self.beat = self._loop.time()
                    self._committing = self._gather()
                    replays = bool(self._replayed) and self._loop.time() >= self._replayed_at
                    if replays:
                        await self._show_replayed()
                    if self._committing:
                        await self._commit(self._committing, group)
                        self._committing = []
                    elif not replays:  # something may have come meanwhile
                        await self._idle()
        finally:
            # We stop. Frames stay unacknowledged and come again; who waits by HTTP is told to.
            for waiting in (*self._committing, *self._urgent, *self._others):
                if waiting.reception is not None and not waiting.reception.done():
                    waiting.reception.set_exception(Busy("the gateway stops"))

    async def drain(self, within_seconds: float) -> None:
        """Stop reading, and wait until what was read is stored and answered: before `run` is cancelled."""
        self._draining = True
        self._pause(True)
        end = self._loop.time() + within_seconds
        while self._loop.time() < end:
            if not (self._urgent or self._others or self._committing or self._receipts):
                return
            await asyncio.sleep(0.01)

    async def _idle(self) -> None:
        self._wake.clear()
        # A turn a second at least, so that whoever watches `beat` sees us live.
        seconds = 1.0
        if self._held:
            seconds = min(seconds, max(0.0, self._again_at - self._loop.time()))
        handle = self._loop.call_later(seconds, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            handle.cancel()

    def _gather(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        count = 0
        sources: list[deque[_Waiting]] = [self._urgent, self._others]
        if self._held and self._loop.time() >= self._again_at:
            sources.insert(0, self._held)
        for source in sources:
            flood = source is self._others and self._glanced
            most = self._limits.flood_signals_max if flood else self._limits.batch_signals_max
            while source and count < most:
                waiting = source.popleft()
                batch.append(waiting)
                count += len(waiting.arrivals)
        if self._paused and not self._draining and len(self._urgent) <= self._limits.urgent_max // 2:
            self._pause(False)
        for line, shed in self._glanced.items():
            for counter in (metrics.frames(line, "heard"), metrics.shed(line), metrics.receipts(Result.BUSY)):
                counter.inc(shed)
        self._glanced.clear()
        metrics.HELD.set(len(self._held))
        metrics.WAITING.set(len(self._urgent) + len(self._others))
        return batch

    async def _show_replayed(self) -> None:
        """Write down the faults, and only then clear what the broker has kept: cleared first it would be shown never."""
        while self._replayed:
            line, piece, received_at = self._replayed.popleft()
            if not await self._inbox.replayed(line.family, piece.device, piece.error, received_at):
                self._replayed.appendleft((line, piece, received_at))
                self._replayed_at = self._loop.time() + 1.0
                return
            self._send(line, piece.answers)

    async def _commit(self, batch: list[_Waiting], group: asyncio.TaskGroup) -> None:
        arrivals = [arrival for waiting in batch for arrival in waiting.arrivals]
        try:
            stored = await self._put(arrivals)
        except Busy as busy:
            self._not_now(batch, str(busy))
            return
        except Exception:
            log.exception("the inbox failed on a batch", signals=len(arrivals))
            await self._one_by_one(batch, group)
            return
        if self._failing:
            self._failing = False
            log.warning("signals are stored again")
            self._again_seconds, self._again_at = self._limits.again_seconds_min, 0.0
        await self._stored(batch, stored, group)

    async def _put(self, arrivals: Sequence[Arrival]) -> Sequence[Stored]:
        stored = await self._inbox.put(arrivals)
        if len(stored) != len(arrivals):
            raise RuntimeError(f"the inbox answered {len(stored)} of {len(arrivals)} signals")
        metrics.BATCH_SIGNALS.observe(len(arrivals))
        return stored

    async def _stored(
        self, batch: Sequence[_Waiting], stored: Sequence[Stored], group: asyncio.TaskGroup
    ) -> None:
        if self._keeper is not None:
            for line in {waiting.line for waiting in batch if waiting.line.remembers}:
                await self._keeper.keep(line)
        at = from_us(self._clock.now_us())
        now = self._loop.time()
        position = 0
        for waiting in batch:
            mine = stored[position : position + len(waiting.arrivals)]
            position += len(waiting.arrivals)
            metrics.STORED_SECONDS.observe(now - waiting.came)
            if waiting.ack is not None:
                waiting.ack()
            if waiting.reception is not None:
                if not waiting.reception.done():
                    waiting.reception.set_result(mine)
            elif waiting.heard.names_call and len(self._receipts) < self._limits.receipts_waiting_max:
                task = group.create_task(self._receipt(waiting, mine, at), name="receipt")
                self._receipts.add(task)
                task.add_done_callback(self._receipts.discard)
            else:
                self._answer(waiting.line, waiting.heard, [Outcome(one.result, at) for one in mine])

    async def _receipt(self, waiting: _Waiting, stored: Sequence[Stored], at: datetime) -> None:
        """Answer once the desk has decided, or after 2 s without the call. The commit is long done."""
        outcomes: list[Outcome] = []
        for one, arrival in zip(stored, waiting.arrivals, strict=True):
            call: str | None = None
            if arrival.signal.type in URGENT:
                try:
                    call = await self._inbox.call_of(one.id, self._limits.call_within_seconds)
                except Exception:
                    log.exception("the inbox could not name a call", line=waiting.line.name)
            outcomes.append(Outcome(one.result, at, call))
        self._answer(waiting.line, waiting.heard, outcomes)

    # -- what could not be stored -----------------------------------------------------------------------------------

    async def _one_by_one(self, batch: Iterable[_Waiting], group: asyncio.TaskGroup) -> None:
        """One signal that the inbox chokes on must not take the others of its batch with it."""
        for waiting in batch:
            try:
                stored = await self._put(waiting.arrivals)
            except Busy as busy:
                self._not_now([waiting], str(busy))
            except Exception:
                log.exception("a signal could not be stored", device=waiting.arrivals[0].signal.device)
                self._busy(waiting)
            else:
                await self._stored([waiting], stored, group)

    def _not_now(self, batch: Sequence[_Waiting], reason: str) -> None:
        if not self._failing:
            self._failing = True
            log.error("signals cannot be stored now", reason=reason, signals=len(batch))
        still_held: list[_Waiting] = []
        for waiting in batch:
            calling = any(arrival.signal.type in CALLING for arrival in waiting.arrivals)
            room = len(self._held) + len(still_held) < self._limits.held_max
            if waiting.ack is not None and calling and room:
                still_held.append(waiting)
                if not waiting.told_busy:
                    waiting.told_busy = True
                    self._say_busy(waiting)
            else:
                self.refused[waiting.line.name] += 1
                self._busy(waiting)
        self._held.extend(still_held)
        self._again_at = self._loop.time() + self._again_seconds
        self._again_seconds = min(self._again_seconds * 2, self._limits.again_seconds_max)

    def _busy(self, waiting: _Waiting) -> None:
        if waiting.ack is not None:
            waiting.ack()
        if waiting.reception is not None:
            if not waiting.reception.done():
                waiting.reception.set_exception(Busy("nothing can be stored now"))
            return
        self._say_busy(waiting)

    def _say_busy(self, waiting: _Waiting) -> None:
        at = from_us(self._clock.now_us())
        self._answer(waiting.line, waiting.heard, [Outcome(Result.BUSY, at) for _ in waiting.arrivals])

    # -- what goes back ---------------------------------------------------------------------------------------------

    def _answer(self, line: OpenLine, heard: Heard, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes[:1]:
            metrics.receipts(outcome.result).inc()
        try:
            answers = line.session.answer(heard, outcomes)
        except Exception:
            log.exception("family failed on an answer", family=line.family, line=line.name)
            return
        self._send(line, answers)

    def _send(self, line: OpenLine, answers: Sequence[Answer]) -> None:
        if not answers:
            return
        try:
            line.send(answers)
        except Exception:
            # The sender repeats what it has no answer to, so a lost answer costs a repeat.
            log.exception("an answer could not be sent", line=line.name)


def _after(count: int, ack: Ack) -> Ack:
    """An ack that takes effect when it was called as often as the frame has parts that are stored one by one."""
    if count == 1:
        return ack
    left = count

    def counted() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            ack()

    return counted
