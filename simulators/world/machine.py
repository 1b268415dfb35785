"""The machine the server runs on: a clock that may jump, a disk that outlives every process, and kill -9.

disk ══ SQLite in memory: what was committed stays, whoever died
  └─ ProcessStore: the store of one process; a transaction is carried out as in production, one after the other, and
     on its way there or back the process may be killed, the disk full, the answer lost
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import tempfile
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy.sql import Executable

from config.doors import Clock, Ids
from dispatcher import schema
from dispatcher.store import Bound, Do, InlineStore, OutcomeUnknown, Row, StoreUnavailable, bound
from simulators.world.loop import Process, WorldLoop, context_of
from simulators.world.weather import Weather


class MachineClock:
    """The machine's wall clock: the loop's time, with what it drifts and how far it was set."""

    def __init__(self, loop: WorldLoop, start_us: int, drift_ppm: float) -> None:
        self._loop = loop
        self._start_us = start_us
        self._pace = 1 + drift_ppm / 1e6
        self.set_us = 0
        self.was_put_back = False
        self._leapt_us = 0
        self._told: dict[int, int] = {}  #: of each time that was told, how much had gone by

    def set(self, seconds: float) -> None:
        """Somebody sets it on, or back."""
        self.set_us += round(seconds * 1e6)
        self.was_put_back |= seconds < 0
        self._leapt_us += max(0, round(seconds * 1e6))

    def gone_by_us(self) -> int:
        """Microseconds that have gone by for whoever waits, whatever was taken away by setting the clock back.

        A stopwatch's, and those that the clock was set on by: nobody can tell that from a sleep.
        """
        return round(self._loop.time() * 1_000_000) + self._leapt_us

    def now_us(self) -> int:
        """Microseconds since 1970, UTC, as the machine believes."""
        now_us = self._start_us + self.set_us + round(self._loop.time() * self._pace * 1_000_000)
        self._told[now_us] = self.gone_by_us()
        return now_us

    def gone_by_at(self, now_us: int) -> int:
        """What had gone by when the clock said so; one that was put back may say it twice: the last time."""
        return self._told.get(now_us, self.gone_by_us())


@cache
def _empty() -> bytes:
    """A database with all tables, as the migrations make it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.sqlite"
        schema.upgrade(path)
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA journal_mode=DELETE")
        made = connection.serialize()
        connection.close()
    return made


@cache
def _drive() -> InlineStore:
    """The one that every night of this process has after another: what SQL was once compiled to is the same tomorrow."""
    return InlineStore()


class Disk:
    """What is committed, and stays until the night is over: the next one of this process begins with an empty one."""

    def __init__(self) -> None:
        self.inline = _drive()
        self.connection = self.inline.connection
        self.inline.become(_empty())
        self.free()
        self.away = False

    def fill(self) -> None:
        """Not one page more can be written; SQLite itself says so."""
        self.full = True
        (pages,) = self.connection.execute("PRAGMA page_count").fetchone()
        self.connection.execute(f"PRAGMA max_page_count={pages}")

    def free(self) -> None:
        """There is room again."""
        self.full = False
        self.connection.execute("PRAGMA max_page_count=1073741823")

    def ask(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows, as they are on disk at this very moment."""
        rows: list[tuple[Any, ...]] = self.connection.execute(sql, values).fetchall()
        return rows


class ProcessStore:
    """The store of one process: transactions follow one another, as with the one thread that writes in production.

    Each is two timers, the way there and the way back, that belong to the process: killed, none of them comes.
    """

    def __init__(self, machine: Machine, process: Process) -> None:
        self._machine = machine
        self._process = process
        self._disk = machine.disk
        self._loop = machine.loop
        self._context = context_of(process)
        self._queue: deque[_Transaction] = deque()

    async def write(self, work: Sequence[Do]) -> list[list[list[Row]]]:
        """One transaction; whoever does not wait for its end does not stop it."""
        transaction = _Transaction(bound(work), self._loop.create_future())
        self._queue.append(transaction)
        if len(self._queue) == 1:
            self._begin()
        return await transaction.end

    async def read(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> Sequence[Row]:
        """Rows of a query."""
        await asyncio.sleep(self._machine.chance.uniform(0, self._machine.weather.commit_seconds))
        if self._disk.away:
            raise StoreUnavailable("the disk does not answer")
        return self._disk.inline.look(statement, parameters)

    async def close(self) -> None:
        """Nobody closes anything: it is killed."""

    def _begin(self) -> None:
        """The first of them sets out."""
        machine, weather, chance = self._machine, self._machine.weather, self._machine.chance
        there, back = (chance.uniform(0, weather.commit_seconds / 2) for _ in range(2))
        if chance.random() < weather.slow_commits:
            there, back = (chance.uniform(0, weather.slow_seconds) for _ in range(2))
            machine.on_trouble()
        self._loop.call_later(there, self._arrived, back, context=self._context)

    def _ended(self, done: list[list[list[Row]]] | Exception) -> None:
        transaction = self._queue.popleft()
        if not transaction.end.done():
            if isinstance(done, Exception):
                transaction.end.set_exception(done)
            else:
                transaction.end.set_result(done)
        if self._queue:
            self._begin()

    def _arrived(self, back: float) -> None:
        """At the disk: it happens or does not; or it is the last thing that this process did."""
        try:
            done = self._transact(self._queue[0])
        except Exception as error:  # noqa: BLE001 - it is the writer's
            self._ended(error)
        else:
            self._loop.call_later(back, self._answered, done, context=self._context)

    def _answered(self, done: list[list[list[Row]]]) -> None:
        if self._queue[0].writes:
            self._machine.on_told(self._process)
        self._ended(done)

    def _transact(self, transaction: _Transaction) -> list[list[list[Row]]]:
        machine, weather, chance = self._machine, self._machine.weather, self._machine.chance
        work, writes = transaction.work, transaction.writes
        if self._disk.away or chance.random() < weather.failing_commits:
            machine.on_trouble()
            raise StoreUnavailable("database is locked")
        killed = writes and chance.random() < weather.kills_a_commit
        doubtful = writes and chance.random() < weather.doubtful_commits
        happens = chance.random() < 0.5
        if killed and not happens:
            machine.kill("in the middle of a commit, which did not happen")
            return []
        if doubtful:
            machine.on_trouble()
        if doubtful and not happens:
            raise OutcomeUnknown("the connection was lost")
        try:
            done = self._disk.inline.transact(work)
        except StoreUnavailable:
            machine.on_trouble()
            raise
        if writes:
            machine.on_commit(self._process, work)
        if killed:
            machine.kill("in the middle of a commit, which happened")
            return []
        if doubtful:
            raise OutcomeUnknown("the connection was lost")
        return done


class _Transaction:
    """One that was asked for, and its end."""

    __slots__ = ("end", "work", "writes")

    def __init__(self, work: list[Bound], end: asyncio.Future[list[list[list[Row]]]]) -> None:
        self.work, self.end = work, end
        self.writes = any(not (fetch and sql.startswith("SELECT")) for sql, _, fetch in work)


class Server(Protocol):
    """A server as it stands: what the world may speak to. Everything else is its own."""

    @property
    def ledger(self) -> Any: ...  # noqa: D102
    @property
    def feed(self) -> Any: ...  # noqa: D102
    @property
    def faults(self) -> int:
        """Decisions and messages that failed inside."""
        ...

    async def answer(self, request: Any) -> Any:
        """A request over HTTP, answered."""
        ...

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Any:
        """A request as it comes off the wire."""
        ...

    async def run(self) -> None:
        """Serve, for ever."""
        ...


@dataclass(slots=True, kw_only=True)
class Ground:
    """What a server is built on, all of it the world's."""

    process: Process
    store: ProcessStore
    clock: Clock
    ids: Ids
    chance: random.Random
    folder: Path
    district: Mapping[str, Any]
    hooks: Any  #: carries webhooks (`alerts.post.Webhooks`)
    texts: Any  #: carries text messages (`alerts.post.Texts`)
    broker: Callable[[Any], Any]  #: the way to the broker, made of the intake (`gateway.Ways.broker`)
    port: Callable[..., Awaitable[tuple[Any, Any]]]  #: opens a serial port (`gateway.Ways.port`)


Build = Callable[[Ground], Awaitable[Server]]


class Machine:
    """Starts the server, and starts it again whenever it is gone."""

    def __init__(
        self,
        loop: WorldLoop,
        clock: MachineClock,
        weather: Weather,
        chance: random.Random,
        begin: Callable[[Process, ProcessStore], Awaitable[Server]],
        tell: Callable[[str, str], None],
        wrong: Callable[[str, str], None],
    ) -> None:
        self.loop, self.clock, self.weather, self.chance = loop, clock, weather, chance
        self.disk = Disk()
        self.process = Process(0)
        self.process.dead = True
        self.server: Server | None = None
        self.gone: asyncio.Future[None] = loop.create_future()
        self.up_since = 0.0
        self.away_seconds = 0.0  #: in which no server was up, all together
        self._ended_at = 0.0
        self.kills = 0
        self.on_commit: Callable[[Process, list[Bound]], None] = lambda _process, _work: None
        self.on_told: Callable[[Process], None] = lambda _process: None
        self.on_gone: Callable[[], None] = lambda: None
        self.on_trouble: Callable[[], None] = lambda: None
        self._begin, self._tell, self._wrong = begin, tell, wrong

    async def run(self) -> None:
        """Have a server, for ever."""
        while True:
            process = self.process = Process(self.process.number + 1)
            self.gone = self.loop.create_future()
            life = self.loop.inside(process, self._live(process), f"server {process.number}")
            await asyncio.wait({life, self.gone}, return_when=asyncio.FIRST_COMPLETED)
            if not self.gone.done():
                self._fell(process, life)
            await asyncio.sleep(self.weather.down_seconds * self.chance.uniform(0.2, 1.8))

    async def _live(self, process: Process) -> None:
        store = ProcessStore(self, process)
        self.server = await self._begin(process, store)
        self.up_since = self.loop.time()
        self.away_seconds += self.up_since - self._ended_at
        self._tell("server", f"process {process.number} is up")
        await self.server.run()

    def _fell(self, process: Process, life: asyncio.Task[None]) -> None:
        """It ended by itself: at the start because the disk was away, which may be; or else because of us."""
        error = life.exception() if not life.cancelled() else None
        if self.server is None and isinstance(error, StoreUnavailable):
            self._tell("server", f"process {process.number} could not start: {error}")
        else:
            self._wrong("the_server_stands", f"process {process.number} ended by itself: {error!r}")
        self._end(process)

    def kill(self, when: str) -> None:
        """The end, as by kill -9."""
        if self.process.dead:
            return
        self.kills += 1
        self._tell("fault", f"killed {when}")
        self._end(self.process)

    def _end(self, process: Process) -> None:
        process.dead = True
        if self.server is not None:
            self._ended_at = self.loop.time()
        self.server = None
        self.loop.bury(process)
        if not self.gone.done():
            self.gone.set_result(None)
        self.on_gone()
