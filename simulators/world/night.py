"""One night of the world, from its seed: people live, things break, checkers watch; then it calms down and must settle.

night = play(4711, build)
night.found          # the first thing that was wrong; None: all promises were kept
night.chronicle      # what happened, line by line; night.digest: the same for every run of this seed
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
import logging
import random
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator, MutableMapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from config.doors import ClockIds, to_us
from dispatcher.store import Bound
from simulators.staff import Crew
from simulators.world.broker import Broker, Message, WireWay
from simulators.world.ending import Ending
from simulators.world.hearing import OLD, Reader, Wires
from simulators.world.loop import Process, StandsStill, WorldLoop
from simulators.world.machine import Build, Ground, Machine, MachineClock, ProcessStore, Server
from simulators.world.people import (
    PEOPLE,
    Clerk,
    Ghosts,
    Lamps,
    Mischief,
    Wearers,
    WireFleet,
    temper,
)
from simulators.world.place import CODE, GHOST, HUB, NATIVE, STRANGER, district
from simulators.world.promises import CHECKS
from simulators.world.watching import Facts
from simulators.world.weather import Weather
from simulators.world.wires import Cable, Receivers, WireApi

_GATEWAY = "gateway"
_START = "2026-11-24T21:00:00+08:00"
DAY_SECONDS = 240.0
#: A small one, for a test that plays many.
SMALL_DAY_SECONDS = 80.0
SETTLE_SECONDS = 100.0
#: The faults have ended, and those who press and work have gone: what is under way still arrives.
QUIET_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Found:
    """Something was wrong."""

    check: str
    text: str
    at: float

    def __str__(self) -> str:
        promise = CHECKS[self.check].promise
        return f"{self.check} (promise {promise}) at {self.at:.3f} s: {self.text}"


class _Over(Exception):  # noqa: N818
    """The night ends here: something was found."""


@dataclass
class Night:
    """What became of one seed."""

    seed: int
    day_seconds: float = DAY_SECONDS
    weather: str = ""
    found: Found | None = None
    chronicle: list[str] = field(default_factory=list)
    figures: dict[str, int] = field(default_factory=dict)
    virtual_seconds: float = 0.0

    @property
    def digest(self) -> str:
        """The chronicle in short."""
        return hashlib.sha256("\n".join(self.chronicle).encode()).hexdigest()


class _World:
    """One night while it goes on."""

    def __init__(self, night: Night, loop: WorldLoop, build: Build, folder: Path) -> None:
        self._night, self._loop, self._build, self._folder = night, loop, build, folder
        self.weather = Weather.drawn(self.chance("weather"))
        night.weather = str(self.weather)
        self.clock = MachineClock(loop, to_us(datetime.fromisoformat(_START)), self.weather.drift_ppm)
        self.over: asyncio.Future[None] = loop.create_future()
        self.machine = Machine(
            loop, self.clock, self.weather, self.chance("machine"), self._begin, self.tell, self.wrong
        )
        self.facts = Facts(self.machine.disk, self.clock, self.wrong, self.tell)
        self.wires = Wires(self.machine, self.facts, self.wrong)
        self.broker = Broker(loop, self.weather, self.chance("broker"), self.tell)
        self.lamps = Lamps(self.broker, self.chance("lamps"))
        self.cable = Cable(HUB, loop, self.weather, self.chance("cable"), self.tell)
        self.receivers = Receivers(loop, self.weather, self.chance("receivers"))
        self._ids = self.chance("ids")
        self._rooms = self.chance("rooms")
        self._storms = self.chance("storms")
        self.readers: list[Reader] = []
        self._commits = 0
        self._told = False
        self._ended = False
        self._connect()

    def chance(self, of: str) -> random.Random:
        """A stream of chance of its own, so that one does not disturb another."""
        return random.Random(f"{self._night.seed}/{of}")

    def _connect(self) -> None:
        machine, wires = self.machine, self.wires
        machine.on_commit, machine.on_told = self._committed, self._heard
        machine.on_gone, machine.on_trouble = self._gone, wires.troubled
        self.broker.on_down, self.broker.on_ack = self._down, wires.acknowledged
        self.cable.on_down = self._hub_down
        self.receivers.on_try, self.receivers.on_arrival = self._tried, self._came
        self.receivers.on_end = wires.ended

    # ── what is told ─────────────────────────────────────────────────────────────────────────────────────────────

    def tell(self, kind: str, text: str) -> None:
        """A line of the chronicle."""
        if self._ended:
            return
        self._night.chronicle.append(f"{self._loop.time():10.4f}  {kind:<7} {text}")

    def wrong(self, check: str, text: str) -> None:
        """A promise is broken: the night ends."""
        if self._ended:
            return
        found = Found(CHECKS[check].name, text, self._loop.time())
        self.tell("WRONG", str(found))
        if self._night.found is None:
            self._night.found = found
            if not self.over.done():
                self.over.set_result(None)

    def _committed(self, process: Process, work: list[Bound]) -> None:
        self._commits += 1
        self._told = self.facts.committed(process, work)

    def _heard(self, _process: Process) -> None:
        if self._told:
            self.facts.heard(self._loop.time())
            self._told = False

    def _gone(self) -> None:
        self.wires.troubled()
        self.wires.under_way.clear()

    def _down(self, topic: str, payload: bytes) -> None:
        self.tell("down", f"{topic.split('/')[2]} {payload.decode()}")
        self.wires.down(topic, payload)

    def _hub_down(self, data: bytes) -> None:
        self.tell("hub", data.decode("ascii", "replace").strip().replace("\r\n", " "))
        self.wires.hub_down(data)

    def _tried(self, channel: str, to: str, message_id: str, content: str) -> None:
        self.tell("try", f"{channel} to {to} {message_id}")
        self.wires.tried(channel, to, message_id, content)

    def _came(self, channel: str, to: str, message_id: str, _content: str) -> None:
        self.tell("arrived", f"{channel} at {to} {message_id}")
        self.wires.came(message_id)

    # ── the server ───────────────────────────────────────────────────────────────────────────────────────────────

    async def _begin(self, process: Process, store: ProcessStore) -> Server:
        self.facts.heard(self._loop.time())
        return await self._build(
            Ground(
                process=process,
                store=store,
                clock=self.clock,
                ids=ClockIds(self.clock, self._ids),
                chance=self._rooms,
                folder=self._folder,
                district=district(),
                hooks=self.receivers.hooks,
                texts=self.receivers.texts,
                broker=lambda intake: WireWay(self.broker, process, _GATEWAY, intake, self._rooms),
                port=self.cable.open,
            )
        )

    def _api(self, name: str) -> WireApi:
        api = WireApi(self.machine, self.chance(name), "token-admin", PEOPLE, CODE)
        api.on_answer = self._answered
        reader = Reader(name, self.facts, self.wrong)
        api.on_event = reader.hear
        self.readers.append(reader)
        return api

    def _answered(self, method: str, path: str, headers: Any, asked: Any, status: int, answer: Any) -> None:
        if method != "GET":
            self.tell("http", f"{status} {method} {path} {asked or ''} {answer.get('detail', '')}".rstrip())
        self.wires.answered(method, path, headers, asked, status, answer)

    # ── the night ────────────────────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """All of it."""
        self._retain_old_presses()
        calm, self.machine.weather = self.machine.weather, Weather()
        self._start(self.machine.run(), "machine")
        while self.machine.server is None:
            await self._pass(0.05)
        self.machine.weather = calm
        habits = self.chance("habits")
        sloppy = [device for device in NATIVE if habits.random() < self.weather.retained]
        fleet = WireFleet(self.broker, self.chance("fleet"), self.clock, sloppy)
        wearers = Wearers(
            fleet, self.cable, self._api("wearers"), self.wires, self.chance("wearers"), self.clock
        )
        file = district()
        crew_chance, api = self.chance("crew"), self._api("crew")
        crew = Crew(
            api,
            {**file, "staff": [one for one in file["staff"] if not one["id"].endswith(f"-{GHOST}")]},
            chance=crew_chance,
            temper=temper(crew_chance),
            clock=self.clock,
            press_helper_key=wearers.press_helper_key,
        )
        self._start(fleet.run(), "fleet")
        self._start(self.cable.run(), "hub")
        self._start(self.lamps.live(), "lamps")
        staff = self._start(crew.run(), "crew")
        mischief = Mischief(self._api("mischief"), self.chance("mischief"), self.weather)
        ghosts = Ghosts(self._api("ghosts"), self.chance("ghosts"), self.weather)
        clerk = Clerk(self._api("clerk"), self.wires, self.chance("clerk"), self.weather, self.clock)
        day = [
            self._start(wearers.live(self.chance("pace").choice((3.0, 6.0, 12.0, 25.0))), "wearers"),
            self._start(mischief.live(), "mischief"),
            self._start(clerk.live(), "clerk"),
            self._start(ghosts.live(), "ghosts"),
            *(self._start(storm, "storm") for storm in self._weathers()),
        ]
        self._start(self._listen("watcher"), "watcher")
        self._start(self._look(), "look")
        self.tell("weather", str(self.weather))
        await self._pass(self._night.day_seconds)
        for task in day:
            task.cancel()
        self._calm()
        await self._pass(SETTLE_SECONDS)
        staff.cancel()
        await self._pass(QUIET_SECONDS)
        for _ in range(100):
            # A moment in which nothing is under way.
            if not self.machine.disk.ask("SELECT 1 FROM inbox WHERE decided_us IS NULL"):
                break
            await self._pass(0.13)
        ending = Ending(self.machine, self.facts, self.wires, self.wrong, self.broker, self.lamps)
        await ending.check(wearers.pending(), [one for one in self.readers if one.name == "watcher"])

    def _retain_old_presses(self) -> None:
        """Of a year ago, kept by the broker for whoever subscribes."""
        habits = self.chance("old presses")
        for device in (*NATIVE, STRANGER):
            if habits.random() < self.weather.retained / 2:
                old = f'{{"id":"{OLD}-{device}","type":"press","key":"emergency"}}'
                self.broker.keep(Message(f"yijian/v1/{device}/up", old.encode(), 1, 0.0, retain=True))

    async def _pass(self, seconds: float) -> None:
        await asyncio.wait((self.over,), timeout=seconds)
        if self.over.done():
            raise _Over

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = self._loop.create_task(work, name=name)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None and not self.over.done():
            self.over.set_exception(error)

    async def _listen(self, name: str) -> None:
        """A console that only listens, and is cut off now and then."""
        async for _ in self._api(name).events("0"):
            pass

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self.wires.look()

    # ── storms ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _weathers(self) -> list[Coroutine[Any, Any, None]]:
        weather, machine, broker = self.weather, self.machine, self.broker
        every = (
            (weather.kills_a_minute, self._kill),
            (weather.disk_full_a_minute, self._full),
            (weather.locked_a_minute, self._locked),
            (weather.cuts_a_minute, broker.cut),
            (weather.partitions_a_minute, broker.part),
            (weather.broker_restarts_a_minute, broker.restart),
            (weather.unplugs_a_minute, self._unplug),
            (weather.clock_jumps_a_minute, self._jump),
            (weather.power_cuts_a_minute, self.lamps.power_cut),
        )
        del machine
        return [self._storm(often, what) for often, what in every if often]

    async def _storm(self, often_a_minute: float, what: Callable[[], Any]) -> None:
        while True:
            await asyncio.sleep(self._storms.expovariate(often_a_minute / 60))
            if (work := what()) is not None:
                await work

    async def _kill(self) -> None:
        for _ in range(self._storms.randrange(40)):
            await asyncio.sleep(0)  # between any two awaits
        self.machine.kill("between two awaits")

    async def _full(self) -> None:
        self.tell("fault", "disk full")
        self.machine.disk.fill()
        await self._troubled(self._storms.uniform(1, 25))
        self.machine.disk.free()

    async def _locked(self) -> None:
        self.tell("fault", "disk does not answer")
        self.machine.disk.away = True
        await self._troubled(self._storms.uniform(1, 15))
        self.machine.disk.away = False

    async def _troubled(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.wires.troubled()

    async def _unplug(self) -> None:
        self.cable.plug(plugged=False)
        await asyncio.sleep(self._storms.uniform(0.5, 20))
        self.cable.plug(plugged=True)

    def _jump(self) -> None:
        seconds = self._storms.choice((-1, 1)) * self._storms.choice((0.5, 3.0, 60.0, 600.0, 3600.0))
        self.tell("fault", f"clock set by {seconds} s")
        self.clock.set(seconds)
        self.wires.troubled()

    def _calm(self) -> None:
        self.weather.calm()
        self.machine.weather = self.weather
        disk = self.machine.disk
        disk.free()
        disk.away = False
        self.broker.mend(_GATEWAY)
        self.cable.plug(plugged=True)
        self.wires.troubled()
        self.tell("weather", "everything that went wrong has ended")

    def end(self) -> None:
        """Let go of everything: the process is gone at once, all others go as they are told to."""
        self._ended = True
        self.machine.process.dead = True
        self._loop.bury(self.machine.process)
        self._loop.dismiss()
        self._loop.rest()
        self.cable.close()
        self._night.figures = {
            "facts": self.facts.head,
            "calls": len(self.facts.calls),
            "presses": self.facts.seen,
            "commits": self._commits,
            "kills": self.machine.kills,
            "arrived": sum(self.wires.arrived.values()),
        }
        self._night.virtual_seconds = self._loop.time()


@contextlib.contextmanager
def _seldom_swept() -> Iterator[None]:
    """Garbage is looked for a hundred times less often: a night is short, and searching was one fifteenth of it."""
    before = gc.get_threshold()
    gc.set_threshold(before[0] * 100, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def play(seed: int, build: Build, day_seconds: float = DAY_SECONDS) -> Night:
    """One night, to its end or to the first thing that is wrong."""
    night = Night(seed, day_seconds)
    loop = WorldLoop()
    before = structlog.get_config()
    asyncio.set_event_loop(loop)
    world: _World | None = None

    def overheard(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
        if event.get("exc_info") and world is not None:
            world.wrong("no_bug_inside", f"{event.get('event')}: {sys.exc_info()[1]!r}")
        raise structlog.DropEvent

    structlog.configure(
        processors=[overheard],
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        cache_logger_on_first_use=False,
    )
    try:
        with tempfile.TemporaryDirectory() as folder, _seldom_swept():

            async def run() -> None:
                nonlocal world
                world = _World(night, loop, build, Path(folder))
                await world.run()

            try:
                loop.run_until_complete(run())
            except _Over:
                pass
            except StandsStill as error:
                if world is not None:
                    world.wrong("the_server_stands", str(error))
            finally:
                if world is not None:
                    world.end()
    finally:
        structlog.configure(**before)
        asyncio.set_event_loop(None)
        loop.close()
    return night
