"""A whole town for `yijian run --demo`: buttons, hubs, staff and relatives that keep a fresh installation alive.

A call comes in every ten to twenty seconds, people take three to twenty seconds to accept, and journeys last a minute:
people and ways in fast motion, the system itself in real time. The week of one seed is played over and over, from the
weekday and the hour that it is. At night most stations are closed and the desk has the work; that is how it is.
Nothing here ends because a server or broker went away: each part waits for it and goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog

from config.doors import Clock, SystemClock
from simulators import almanac, day
from simulators.api import Api
from simulators.relatives import KIN_DEMO, Relatives
from simulators.sink import Sink
from simulators.staff import Crew
from simulators.temper import DEMO
from simulators.town import Town

log = structlog.get_logger(__name__)

#: Between two happenings on average; nine of ten open a call, the rest is of batteries, tests and second presses.
_GAP_SECONDS = 13.0
#: Above this nobody presses until the staff has caught up: a demo left alone for a month stays as it was.
_OPEN_CALLS_MAX = 60
_FIRST_SECONDS = 10.0
_TELL_SECONDS = 60.0


async def play(
    *,
    http: str,
    token: str,
    town: Town,
    district: Mapping[str, Any],
    seed: int,
    speed: float = 1.0,
    stop: asyncio.Event,
    persons: Mapping[str, str] | None = None,
    sink: Sink | None = None,
    clock: Clock | None = None,
) -> None:
    """Play the town until `stop` is set.

    `persons` are tokens of staff, by id; who has none acts with `token`. Relatives read what comes to the `sink`.
    """
    clock = clock or SystemClock()
    chance = random.Random(f"{seed}/demo")
    async with Api(http, token, persons=persons) as api:
        crew = Crew(
            api,
            district,
            chance=chance,
            temper=DEMO,
            speed=speed,
            clock=clock,
            press_helper_key=lambda device: town.say(device, "helper_arrived"),
        )
        parts: dict[str, Callable[[], Awaitable[None]]] = {
            "town": town.run,
            "staff": crew.run,
            "life": lambda: _life(town, crew, district, seed, speed),
        }
        relatives: Relatives | None = None
        if sink is not None:
            relatives = Relatives(
                api, sink, operator=crew.operator, chance=chance, seed=seed, temper=KIN_DEMO, speed=speed
            )
            sink.on_message = relatives.hear
            parts["relatives"] = relatives.run
        parts["tell"] = lambda: _tell(town, crew, relatives)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(keep(name, part, chance), name=f"demo:{name}")
                for name, part in parts.items()
            ]
            await stop.wait()
            for task in tasks:
                task.cancel()
    log.info("demo.stopped")


async def keep(name: str, part: Callable[[], Awaitable[None]], chance: random.Random) -> None:
    """Run one part of the town; if it ever fails, start it again rather than end the others."""
    while True:
        try:
            await part()
        except* Exception:
            log.exception("demo.part_failed", part=name)
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            # It failed in the very moment it was cancelled: a TaskGroup then tells of the failure alone.
            raise asyncio.CancelledError
        await asyncio.sleep(chance.uniform(1.0, 3.0))


async def _life(town: Town, crew: Crew, district: Mapping[str, Any], seed: int, speed: float) -> None:
    """Presses, for ever, the first as soon as the devices are connected."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_FIRST_SECONDS):
            await town.fleet.connected()
    buttons = town.buttons
    if not buttons:
        log.warning("demo.no_buttons")
        await asyncio.Event().wait()
    town.say(random.Random(f"{seed}/first").choice(buttons), "press", "emergency")
    local = crew.rota.local()
    holidays = frozenset(district.get("district", {}).get("holidays", ()))
    await day.live(
        day.happenings(
            day.Habits(a_day=day.DAY_SECONDS / _GAP_SECONDS, even=True),
            buttons,
            seed,
            days=almanac.days(seed, local.date(), holidays),
            start_hour=local.hour + local.minute / 60 + local.second / 3600,
        ),
        town.do,
        speed=speed,
        hold=lambda: crew.open_calls >= _OPEN_CALLS_MAX,
    )


async def _tell(town: Town, crew: Crew, relatives: Relatives | None) -> None:
    """Now and then one line of figures."""
    while True:
        await asyncio.sleep(_TELL_SECONDS)
        tally, deeds = town.fleet.tally, crew.deeds
        kin = {} if relatives is None else {"read": relatives.deeds.read, "rang_home": relatives.deeds.rang}
        log.info(
            "demo.figures",
            said=tally.said,
            repeated=tally.repeated,
            unreceipted=town.fleet.pending,
            heartbeats=tally.heartbeats,
            open_calls=crew.open_calls,
            accepted=deeds.accepted,
            closed=deeds.closed,
            tidied=deeds.tidied,
            **kin,
        )
