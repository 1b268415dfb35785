"""What `yijian simulate …` does, as plain functions with an exit code: 0 done, 1 failed, 2 wrong usage."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog

from config.doors import SystemClock
from config.logs import configure
from simulators import day as days
from simulators import press as presses
from simulators.api import Api, ApiError
from simulators.demo import keep
from simulators.district import WEIDU, generate
from simulators.staff import Crew
from simulators.temper import LIFE
from simulators.town import Broker, Town, hubs, ports_at

_DONE, _FAILED, _USAGE = 0, 1, 2
_DRAIN_SECONDS = 10.0


def simulate_district(
    *,
    seed: int = WEIDU,
    communities: int = 86,
    residents: int = 3000,
    streets: int = 13,
    hubs: int = 6,
    staff: bool = True,
    output: str | None = None,
) -> int:
    """Write a district file (JSON) to `output`, or to standard output where that is None or `-`."""
    try:
        document = generate(
            seed, communities=communities, residents=residents, streets=streets, hubs=hubs, staff=staff
        )
    except ValueError as error:
        return _wrong(str(error))
    text = json.dumps(document, ensure_ascii=False, indent=1)
    if output in {None, "-"}:
        print(text)
        return _DONE
    try:
        Path(str(output)).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        return _wrong(f"{output}: {error.strerror}")
    return _DONE


def simulate_press(
    *,
    family: str = "native",
    device: str,
    key: str = "emergency",
    mqtt: str | None = None,
    http: str | None = None,
    token: str | None = None,
    port: str | None = None,
    to: str | None = None,
    baud: int = 115_200,
    wait_seconds: float = 30.0,
) -> int:
    """One press of any family, telling receipt and progress (`simulators.press.press_once`)."""
    _logs()
    try:
        done = asyncio.run(
            presses.press_once(
                family=family,
                device=device,
                key=key,
                mqtt=mqtt,
                http=http,
                token=token,
                port=port,
                to=to,
                baud=baud,
                wait_seconds=wait_seconds,
            )
        )
    except (ValueError, LookupError) as error:
        return _wrong(str(error))
    return _DONE if done else _FAILED


def simulate_day(
    *,
    http: str,
    token: str,
    mqtt: str,
    district: str | None = None,
    port: str | None = None,
    seed: int = 1,
    speed: float = 1.0,
    seconds: float = 86_400.0,
    start_hour: float = 0.0,
    a_month: float = 1.2,
    staff: bool = True,
) -> int:
    """Drive a running system as a town's day does, for so many seconds of the town's time.

    `district` is a district file; without one the register of the running system is read. `speed` makes people and
    presses that many times faster; the system's own limits stay as they are. `a_month` is how often a button is
    pressed. `staff` plays the people who answer; without them presses go unanswered unless somebody else is there.
    """
    if speed <= 0 or seconds <= 0 or a_month <= 0:
        return _wrong("speed, seconds and presses a month are above nothing")
    try:
        broker = Broker.of_url(mqtt)
        document = None if district is None else json.loads(Path(district).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return _wrong(str(error))
    _logs()
    try:
        figures = asyncio.run(
            _day(
                document,
                http=http,
                token=token,
                broker=broker,
                port=port,
                seed=seed,
                speed=speed,
                seconds=seconds,
                start_hour=start_hour,
                a_month=a_month,
                staff=staff,
            )
        )
    except ApiError as error:
        print(f"yijian: {error}", file=sys.stderr)
        return _FAILED
    print(json.dumps(figures))
    return _DONE if figures["unreceipted"] == 0 else _FAILED


async def _register(api: Api) -> dict[str, Any]:
    """What a running system's register holds, as far as a town needs it."""
    return {name: [row async for row in api.items(f"/{name}")] for name in ("stations", "devices", "staff")}


async def _day(
    document: Mapping[str, Any] | None,
    *,
    http: str,
    token: str,
    broker: Broker,
    port: str | None,
    seed: int,
    speed: float,
    seconds: float,
    start_hour: float,
    a_month: float,
    staff: bool,
) -> dict[str, Any]:
    chance = random.Random(f"{seed}/day")
    clock = SystemClock()
    async with Api(http, token) as api:
        if document is None:
            document = await _register(api)
        ports = ports_at(None if port is None else Path(port), hubs(document))
        town = Town(document, broker, ports, chance=chance, clock=clock)
        buttons = town.buttons
        crew = Crew(
            api,
            document,
            chance=chance,
            temper=LIFE,
            speed=speed,
            clock=clock,
            press_helper_key=lambda device: town.say(device, "helper_arrived"),
        )
        stream = days.happenings(
            days.Habits.of_devices(len(buttons), a_month=a_month), buttons, chance, start_hour=start_hour
        )
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(keep("town", town.run, chance), name="day:town")]
            if staff:
                tasks.append(group.create_task(keep("staff", crew.run, chance), name="day:staff"))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds / speed):
                    await town.fleet.connected()
                    await days.live(stream, town.do, speed=speed)
            # The day is over; what was said last still gets its receipt.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_DRAIN_SECONDS):
                    await town.fleet.drained()
            for task in tasks:
                task.cancel()
    tally, deeds = town.fleet.tally, crew.deeds
    return {
        "said": tally.said,
        "repeated": tally.repeated,
        "heartbeats": tally.heartbeats,
        "unreceipted": town.fleet.pending,
        "accepted": deeds.accepted,
        "declined": deeds.declined,
        "closed": deeds.closed,
        "open_calls": crew.open_calls,
    }


def _logs() -> None:
    """What is told goes to standard output, the log to standard error."""
    if not structlog.is_configured():
        configure()


def _wrong(message: str) -> int:
    print(f"yijian: {message}", file=sys.stderr)
    return _USAGE
