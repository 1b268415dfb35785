"""The people who are asked to come: they look, accept or decline or forget, telephone, travel, and bring calls to an end.

    crew = Crew(api, district, chance=Random(7), temper=DEMO)
    await crew.run()                                     # until cancelled; a server that goes away is waited for

Everything is done through the HTTP API and the stream of facts, by persons: somebody at work there accepts, and the
same one sets out and closes. Whoever has no token of their own acts with the one that may act for every station:

    call.dispatched ──> asked ──(seen)──> accept ──> telephone ──> close (false alarm, four of five)
                          │  └─> decline               └──> en route ──> on scene ──> close (on site)
                          └─> forgets                 └──> never sets out, and the call lapses

An offer to the district desk is always taken in the end, and what nobody moved for long the desk ends by itself: the
number of open calls stays bounded. A 409 means that somebody else was first; that is no error here.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from config.doors import Clock, SystemClock
from simulators import temper as tempers
from simulators.api import STARTED, Api, Away, Conflict, Event, Refused
from simulators.rota import Rota
from simulators.temper import LIFE, Span, Temper

log = structlog.get_logger(__name__)

#: Steps that say for which station they are taken.
_NAMES_STATION = frozenset({"accept", "decline", "seen"})
_HELD = frozenset({"accepted", "en_route", "on_scene"})
_SWEEP_SECONDS = 20.0
#: So many sweeps, and the lists are read again, should anything ever have been missed.
_LISTS_EVERY = 15
#: However fast people are, the system's own steps stay in real time and come first: the widest circle is asked after
#: 180 s.
_STEPS_SECONDS = 200.0
#: How long the helper's press on the resident's button may take to show on the call.
_PROOF_SECONDS = 4.0


@dataclass(slots=True)
class Watched:
    """An open call as last heard, and who of ours is at it."""

    state: Mapping[str, Any]
    moved: float
    asked: dict[str, int] = field(default_factory=dict)
    #: Who of a station has to do with it.
    persons: dict[str, str] = field(default_factory=dict)
    #: The station that holds it, where it is one of ours that does something about it.
    holder: str | None = None
    tidied: bool = False
    arrived: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class Deeds:
    """What the crew did so far."""

    accepted: int = 0
    declined: int = 0
    forgotten: int = 0
    late: int = 0
    closed: int = 0
    tidied: int = 0


class Crew:
    """All simulated staff of a district."""

    def __init__(
        self,
        api: Api,
        district: Mapping[str, Any],
        *,
        chance: random.Random,
        temper: Temper = LIFE,
        speed: float = 1.0,
        clock: Clock | None = None,
        tasks_max: int = 1000,
        press_helper_key: Callable[[str], bool] | None = None,
    ) -> None:
        """`press_helper_key(device)` presses the helper's key of a resident's button, where it can (True)."""
        self.deeds = Deeds()
        self.rota = Rota(api, district, chance=chance, clock=clock or SystemClock(), absent=temper.absent)
        self._api, self._chance, self._temper, self._speed = api, chance, temper, speed
        self._tasks_max = tasks_max
        self._press_helper_key = press_helper_key
        kinds = {station["id"]: station["kind"] for station in district.get("stations", ())}
        self._desks = frozenset(station for station, kind in kinds.items() if kind == "district_desk")
        self._calls: dict[str, Watched] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None

    @property
    def open_calls(self) -> int:
        """How many calls are open, as far as heard."""
        return len(self._calls)

    def operator(self) -> tuple[str, str]:
        """The district desk, and who sits there: whoever takes the telephone. Empty where there is none."""
        desk = next(iter(self._desks), "")
        return desk, self._somebody(desk)

    async def run(self) -> None:
        """Work, until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            group.create_task(self.rota.run(), name="staff:rota")
            group.create_task(self._watch(), name="staff:watch")
            group.create_task(self._sweep(), name="staff:sweep")

    # --- hearing --------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        async for event in self._api.events():
            if event.fact == STARTED:
                self.rota.forget()
                await self._read_lists()
            elif event.fact.startswith("call."):
                self._hear(event)

    async def _read_lists(self) -> None:
        """The stream began afresh: what is open now, and only that, is open."""
        try:
            found = [call async for call in self._api.items("/calls", state="open")]
        except (Away, Refused) as error:
            log.info("staff.lists_unread", why=str(error))
            return
        for gone in self._calls.keys() - {call["id"] for call in found}:
            del self._calls[gone]
        for call in found:
            self._take(call, "call.dispatched")

    def _hear(self, event: Event) -> None:
        call = event.data.get("state")
        if isinstance(call, Mapping) and isinstance(call.get("id"), str):
            self._take(call, event.fact)

    def _take(self, call: Mapping[str, Any], fact: str) -> None:
        """A call as it is now."""
        if call["state"] == "closed":
            self._calls.pop(call["id"], None)
            return
        now = asyncio.get_running_loop().time()
        watched = self._calls.get(call["id"])
        if watched is None:
            watched = self._calls[call["id"]] = Watched(call, now)
        elif call.get("seq", 0) < watched.state.get("seq", 0):
            return  # an answer, the list and the stream may overtake each other
        if watched.state["state"] != call["state"]:
            watched.moved = now
        watched.state = call
        (watched.arrived.set if call["state"] == "on_scene" else watched.arrived.clear)()
        if call.get("test"):
            return  # it closes itself
        if fact == "call.joined" and watched.holder is not None:
            self._start(f"see:{call['id']}", self._look_again(call["id"], watched.holder))
        for dispatch in call.get("dispatches", ()):
            station = dispatch.get("station")
            if dispatch.get("state") != "offered" or not station:
                continue
            # Asked again after a while is asked afresh: people who forgot get another chance to act.
            if watched.asked.get(station) != dispatch.get("offers", 1):
                watched.asked[station] = dispatch.get("offers", 1)
                self._start(f"{station}:{call['id']}", self._asked(call["id"], station, dispatch))

    def _start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Somebody begins something; beyond the bound they do not notice, and the sweep finds what is left."""
        if self._group is None or len(self._tasks) >= self._tasks_max:
            work.close()
            log.warning("staff.busy", tasks=len(self._tasks))
            return
        task = self._group.create_task(self._calmly(work), name=f"staff:{name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _calmly(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Conflict:
            self.deeds.late += 1  # somebody else was first, or the call moved on
        except Refused as error:
            if error.status == 404:
                self.deeds.late += 1  # out of a station's sight: somebody else has it
            else:
                log.warning("staff.refused", status=error.status, why=str(error))
        except Away as error:
            log.info("staff.server_away", why=str(error))

    # --- acting ---------------------------------------------------------------------------------------------------

    async def _pause(self, span: Span) -> None:
        await asyncio.sleep(self._chance.uniform(*span) / self._speed)

    def _waits(self, call: str) -> bool:
        """Whether a call still waits for somebody to take it."""
        watched = self._calls.get(call)
        return watched is not None and watched.state["state"] == "received"

    def _ours(self, call: str, station: str) -> bool:
        """Whether that station of ours still holds the call."""
        watched = self._calls.get(call)
        if watched is None or watched.state["state"] not in _HELD:
            return False
        return (watched.state.get("accepted") or {}).get("station") == station

    def _somebody(self, station: str) -> str:
        """Somebody at work in that station; itself where it has no people of its own in the register."""
        there = self.rota.at_work(station)
        return self._chance.choice(there) if there else station

    async def _step(self, call: str, step: str, station: str, **fields: Any) -> None:
        """Somebody of the station takes a step, and hears at once what became of the call: the stream may be late."""
        watched = self._calls.get(call)
        by = self._somebody(station)
        if watched is not None:
            by = watched.persons.setdefault(station, by)
        if station and step in _NAMES_STATION:
            fields["station"] = station
        answer = await self._api.step(call, step, by=by, **fields)
        if answer.get("id") == call and call in self._calls:
            self._take(answer, "answer")

    async def _asked(self, call: str, station: str, dispatch: Mapping[str, Any]) -> None:
        """A station is asked to come."""
        draw = self._chance.random()
        if station in self._desks:
            await self._pause(self._temper.desk)
        elif draw < self._temper.forgets:
            self.deeds.forgotten += 1
            await self._pause(self._temper.look)
            if self._waits(call) and self._chance.random() < 0.5:
                await self._step(call, "seen", station)
            return
        elif draw < self._temper.forgets + self._temper.declines:
            await self._pause(self._temper.decline)
            if self._waits(call):
                await self._step(call, "decline", station, reason=self._chance.choice(tempers.REASONS))
                self.deeds.declined += 1
            return
        else:
            await self._pause(self._temper.look)
            if self._waits(call) and self._chance.random() < 0.6:
                await self._step(call, "seen", station)
            await self._pause(self._temper.accept)
        if not self._waits(call):
            return
        await self._step(call, "accept", station)
        self.deeds.accepted += 1
        await self._hold(call, station, float(dispatch.get("travel_seconds") or 600.0))

    async def _hold(self, call: str, station: str, travel_seconds: float) -> None:
        """A station holds the call: from here to the end, or until it lost it."""
        watched = self._calls.get(call)
        if watched is None:
            return
        watched.holder = station
        try:
            if await self._settle_by_telephone(call, station):
                return
            needed = self._chance.random() >= tempers.unneeded(watched.state, self.rota.local().hour)
            draw = self._chance.random()
            if draw < self._temper.never_sets_out:
                return  # it lapses, and goes on to the next
            await self._pause(self._temper.set_out)
            if not self._ours(call, station):
                return
            if draw < self._temper.never_sets_out + self._temper.gives_back:
                await self._step(call, "release", station, reason=self._chance.choice(tempers.REASONS))
                return
            await self._step(call, "en-route", station)
            low, high = self._temper.travel
            travel = min(high, max(low, travel_seconds * self._temper.travel_share))
            await self._pause((travel * 0.8, travel * 1.3))
            if not self._ours(call, station):
                return
            await self._arrive(call, station, watched)
            await self._pause(self._temper.on_site)
            if self._ours(call, station):
                spoke = watched.state.get("spoke")
                result = spoke.get("result") if isinstance(spoke, Mapping) else spoke
                ending = tempers.settled_on_site(watched.state, self._chance, spoke=result, needed=needed)
                await self._close(call, station, ending)
        finally:
            watched.holder = None

    async def _settle_by_telephone(self, call: str, station: str) -> bool:
        """Telephone, and close if that is all it needs; True when the call is over, or no longer ours."""
        await self._pause(self._temper.telephone)
        if not self._ours(call, station):
            return True
        if self._chance.random() >= self._temper.telephones:
            return False
        answered = self._chance.random() < self._temper.answered
        await self._step(call, "spoke", station, result="answered" if answered else "no_answer")
        if not answered or not self._ours(call, station):
            return not self._ours(call, station)
        await self._pause(self._temper.talk)
        if not self._ours(call, station):
            return True
        state = self._calls[call].state
        if self._chance.random() < tempers.unneeded(state, self.rota.local().hour):
            await self._close(call, station, tempers.settled_by_telephone(state))
            return True
        return False

    async def _arrive(self, call: str, station: str, watched: Watched) -> None:
        """On site: now and then proven by the helper's key on the resident's button, else just said."""
        device = watched.state.get("device")
        if (
            self._press_helper_key is not None
            and isinstance(device, str)
            and self._chance.random() < self._temper.helper_key
            and self._press_helper_key(device)
        ):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PROOF_SECONDS):
                    await watched.arrived.wait()
                    return
        await self._step(call, "on-scene", station, proof="manual")

    async def _close(self, call: str, station: str, ending: Mapping[str, str]) -> None:
        await self._step(call, "close", station, **ending)
        self.deeds.closed += 1

    async def _look_again(self, call: str, station: str) -> None:
        """The resident pressed once more while help is coming: whoever holds the call mostly notices."""
        await self._pause(self._temper.look)
        if self._ours(call, station) and self._chance.random() < self._temper.sees_second_press:
            await self._step(call, "seen", station)

    # --- the last resort ------------------------------------------------------------------------------------------

    async def _sweep(self) -> None:
        """The desk ends what nobody moved for long, whoever forgot it: one of ours, or a visitor at a console."""
        for count in itertools.count(1):
            await asyncio.sleep(_SWEEP_SECONDS / max(1.0, self._speed))
            if count % _LISTS_EVERY == 0:
                await self._read_lists()
            patience = max(_STEPS_SECONDS, self._temper.abandoned / self._speed)
            before = asyncio.get_running_loop().time() - patience
            for call, watched in list(self._calls.items()):
                if watched.moved < before and watched.holder is None and not watched.tidied:
                    watched.tidied = True
                    self._start(f"tidy:{call}", self._tidy(call, watched))

    async def _tidy(self, call: str, watched: Watched) -> None:
        try:
            # What we heard last may be old news by now; 404 and 409 end this calmly.
            state = await self._api.get(f"/calls/{call}")
            self._take(state, "answer")
            if state["state"] == "closed":
                return
            desk = next(iter(self._desks), "")
            if state["state"] == "received":
                await self._step(call, "accept", desk)
            await self._close(call, desk, tempers.abandoned())
            self.deeds.tidied += 1
        except Refused as error:
            if error.status in {404, 410}:
                self._calls.pop(call, None)
            raise
        finally:
            watched.tidied = False
            watched.moved = asyncio.get_running_loop().time()
