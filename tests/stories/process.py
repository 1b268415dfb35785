"""A process of the dispatcher on virtual time: started, killed, started again on the same store."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import databases
import msgspec

from config.doors import ClockIds, LoopClock, from_us
from dispatcher import outbox as outbox_room
from dispatcher.board import Board
from dispatcher.core.call import (
    AreaStruck,
    AreaWell,
    CoverageLost,
    CoverageRestored,
    DeviceFault,
    DeviceRestored,
    Dispatched,
    Entry,
    Joined,
    Overdue,
)
from dispatcher.core.district import DistrictFile
from dispatcher.core.listening import LineUp
from dispatcher.core.roll import Roll, Rolls
from dispatcher.coverage import Coverage
from dispatcher.desk import Desk
from dispatcher.feed import Feed, FeedEvent
from dispatcher.inbox import Inbox
from dispatcher.journal import Journal
from dispatcher.ledger import Ledger
from dispatcher.outbox import Outbox
from dispatcher.register import Register
from dispatcher.store import Do, OutcomeUnknown
from dispatcher.supervision import Supervision
from stories import pictures

#: So long a carried word may be remembered in memory only: killed within it, the wearer hears it twice.
LINGER = outbox_room.LINGER_SECONDS + 0.05


class Killed(BaseException):
    """kill -9, as a process under test feels it: this very write is the last thing it does."""


class MortalStore:
    """A store that lives on when the process dies. `kill_at`: the n-th write that changes something, before or after.

    `doubt_at`: at that one nobody dies, but the connection is lost before or after it, and with it the answer.
    """

    def __init__(self) -> None:
        self._beneath = databases.inline()
        self.fail: Callable[[Sequence[Do]], Exception | None] = lambda _work: None
        self._beneath.fail = self._failure
        self.connection: Any = self._beneath.connection
        self.read = self._beneath.read
        self.close = self._beneath.close
        self.changes = 0
        self.kill_at: tuple[int, str] | None = None
        self.doubt_at: tuple[int, str] | None = None
        self.dead = False

    def _failure(self, work: Sequence[Do]) -> Exception | None:
        return self.fail(work)

    async def write(self, work: Sequence[Do]) -> list[list[list[tuple[Any, ...]]]]:
        if self.dead:
            raise Killed
        if not any(do.rows and not do.fetch for do in work):
            return await self._beneath.write(work)
        self.changes += 1
        now = self.kill_at is not None and self.kill_at[0] == self.changes
        if now and self.kill_at == (self.changes, "before"):
            self.dead = True
            raise Killed
        if self.doubt_at == (self.changes, "before"):
            raise OutcomeUnknown("the connection was lost")
        done = await self._beneath.write(work)
        if self.doubt_at == (self.changes, "after"):
            raise OutcomeUnknown("the connection was lost")
        if now:
            self.dead = True
            raise Killed
        return done


@dataclass(frozen=True, slots=True)
class Out:
    """Something that went out: an offer or a ring to a station or person, a word to a wearer."""

    kind: str
    to: str
    what: str
    call: str
    at: float

    def __str__(self) -> str:
        return f"{pictures.offset(self.at)} {self.kind} to {self.to}: {self.what} ({self.call})"


class Process:
    """The production rooms on a store that outlives them, with ears for all that goes out."""

    def __init__(self, start: str, district: Mapping[str, Any], seed: int = 1) -> None:
        self.clock = LoopClock(datetime.fromisoformat(start))
        self.start_us = self.clock.now_us()
        self.ids = ClockIds(self.clock, random.Random(seed))
        self.store = MortalStore()
        self.file = msgspec.convert(district, DistrictFile)
        self.out: list[Out] = []
        self.events: list[FeedEvent] = []
        self.calls: list[str] = []  #: in the order of their opening
        self.line_up = True  #: does the way to the wearers' devices carry?
        self.lines: list[LineUp] = []  #: the gateway's lines; what a story sends comes by none of them
        self._refs = itertools.count(1)
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        """The first start, with the district loaded."""
        register = Register(self.store, self.clock)
        await register.load()
        await register.merge(self.file)
        await self.boot()

    async def boot(self) -> None:
        """Start a process on what is stored, as `yijian run` does."""
        self.store.dead = False
        self.ledger = Ledger()
        self.journal = Journal(self.store)
        self.register = Register(self.store, self.clock, Rolls())
        await self.register.load()
        self.rolls = self.register.rolls
        heads = await self.journal.open(self.ids)
        self.board = Board(self.store, self.ledger, self.journal, self.rolls)
        self.feed = Feed(self.journal, self.board, self.rolls)
        self.feed.start(heads)
        self.inbox = Inbox(self.store, self.rolls, self.clock, self.ids)
        self.outbox = Outbox(self.store, self.clock)
        self.desk = Desk(
            self.store,
            self.rolls,
            self.ledger,
            self.inbox,
            self.board,
            self.feed,
            self.outbox,
            self.clock,
            self.ids,
        )
        await self.desk.open(heads)
        await self.outbox.open()
        self.supervision = Supervision(
            self.store, self.rolls, self.inbox, self.desk.reports, self.clock, lambda: self.lines
        )
        await self.supervision.open()
        self.coverage = Coverage(
            self.rolls, self.ledger, self.desk.sight, self.inbox, self.desk.reports, self.clock
        )
        after = self.events[-1].id if self.events else "0"
        self._reader = await self.feed.reader(self.roll.district.code, after)
        rooms = (self.desk.run, self._listen, self._carry, self.supervision.run, self.coverage.run)
        self._tasks = [asyncio.create_task(_until_killed(room()), name=room.__qualname__) for room in rooms]
        await self.settle()

    async def kill(self) -> None:
        """The process is gone; what is on disk stays."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def dark(self, **time: float) -> None:
        """A power cut: killed, and started again after that time. What was carried has been struck out by then."""
        await self.advance(seconds=LINGER)
        await self.kill()
        await asyncio.sleep(_seconds(time) - LINGER)
        await self.boot()

    async def advance(self, **time: float) -> None:
        """Let that much time pass: `await town.advance(minutes=3)`."""
        await asyncio.sleep(_seconds(time))
        await self.settle()

    async def settle(self) -> None:
        """Let everything that is due at this moment happen."""
        for _ in range(20):
            for _ in range(20):
                await asyncio.sleep(0)
            due_us = self.ledger.next_due_us()
            if due_us is None or due_us > self.clock.now_us() or not self._tasks or self.desk._ill:
                break
            await asyncio.sleep(0.000_002)
        for task in self._tasks:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def _listen(self) -> None:
        while True:
            for event in await self._reader.next():
                self.events.append(event)
                self._hear(event.entry)

    def _hear(self, entry: Entry) -> None:
        if entry.name == "call.opened":
            self.calls.append(entry.call or "")
        match entry.fact:
            case Dispatched(asked=asked):
                for one in asked:
                    self._heard("offer", one.to, one.reason, entry.call or "", entry.at_us)
            case Joined(rings=rings):
                for station in rings:
                    self._heard("ring", station, "pressed again", entry.call or "", entry.at_us)
            case Overdue(rings=rings, limit=limit):
                for station in rings:
                    self._heard("ring", station, limit, entry.call or "", entry.at_us)
            case DeviceFault(fault=fault, station=station, source=source, overdue=overdue):
                what = f"{fault} for {station}" + " overdue" * overdue
                self._heard("fault", entry.device or source, what, "", entry.at_us)
            case DeviceRestored(fault=fault, source=source, because=because):
                what = f"{fault} {because}".strip()
                self._heard("restored", entry.device or source, what, "", entry.at_us)
            case AreaStruck(area=area, kind=kind, station=station, count=count, overdue=overdue):
                what = f"{kind} for {station}, {count}" + " overdue" * overdue
                self._heard("struck", area, what, "", entry.at_us)
            case AreaWell(area=area, kind=kind, because=because):
                self._heard("well", area, f"{kind} {because}".strip(), "", entry.at_us)
            case CoverageLost(area=area):
                self._heard("lost", area, "nobody", "", entry.at_us)
            case CoverageRestored(area=area, station=station):
                self._heard("covered", area, station, "", entry.at_us)
            case _:
                pass

    async def _carry(self) -> None:
        async for parcels in self.outbox.claim():
            if not self.line_up:
                await self.outbox.returned(parcels)
                continue
            for parcel in parcels:
                self._heard(
                    "wearer",
                    parcel.address.partition("/")[2],
                    parcel.news.state,
                    parcel.call,
                    self.clock.now_us(),
                )
            await self.outbox.carried([parcel.id for parcel in parcels])

    def _heard(self, kind: str, to: str, what: str, call: str, at_us: int) -> None:
        self.out.append(Out(kind, to, what, self.name_of(call), (at_us - self.start_us) / 1e6))

    @property
    def roll(self) -> Roll:
        """The district's register."""
        return self.rolls[self.file.district.code if self.file.district is not None else "default"]

    @property
    def now(self) -> float:
        """Seconds since the story began."""
        return (self.clock.now_us() - self.start_us) / 1e6

    @property
    def wall(self) -> str:
        """What the clock on the wall shows."""
        return from_us(self.clock.now_us()).astimezone(self.roll.zone).strftime("%H:%M")

    def name_of(self, call: str) -> str:
        """`call-1` for the first of the story, and so on."""
        return f"call-{self.calls.index(call) + 1}" if call in self.calls else call


async def _until_killed(room: Any) -> None:
    with contextlib.suppress(Killed):
        await room


def _seconds(time: Mapping[str, float]) -> float:
    units = {"hours": 3600.0, "minutes": 60.0, "seconds": 1.0}
    return sum(units[name] * amount for name, amount in time.items())
