"""What `yijian simulate …` does, as plain functions with an exit code: 0 done, 1 failed, 2 wrong usage."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import math
import random
import sys
from collections.abc import Iterator, Mapping
from datetime import date
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import structlog

from config.doors import SystemClock, from_us
from config.logs import configure
from simulators import day, week
from simulators import press as presses
from simulators import storm as storms
from simulators.api import Api, ApiError
from simulators.demo import keep
from simulators.district import WEIDU, generate
from simulators.staff import Crew
from simulators.temper import LIFE
from simulators.town import Broker, Town, hubs, ports_at, pressable

_DONE, _FAILED, _USAGE = 0, 1, 2
_DRAIN_SECONDS = 10.0
_START_HOUR = "the hour to start with is from 0 to below 24"


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
    seconds: float = day.DAY_SECONDS,
    begin: date | None = None,
    start_hour: float = 0.0,
    a_month: float = 1.2,
    staff: bool = True,
) -> int:
    """Drive a running system as a town's days do, for so many seconds of the town's time.

    `district` is a district file; without one the register of the running system is read. The town's calendar begins
    with the date `begin` (today) at `start_hour`. `speed` makes people and presses that many times faster; the system's
    own limits stay as they are. `a_month` is how often a button is pressed. `staff` plays the people who answer;
    without them presses go unanswered unless somebody else is there.
    """
    if speed <= 0 or seconds <= 0 or a_month <= 0:
        return _wrong("speed, seconds and presses a month are above nothing")
    if not 0 <= start_hour < 24:
        return _wrong(_START_HOUR)
    try:
        broker = Broker.of_url(mqtt)
        document = None if district is None else _read(district)
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
                begin=begin,
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


def simulate_storm(
    *,
    kind: str,
    http: str,
    token: str,
    mqtt: str,
    devices: int,
    seconds: float,
    presses: int = 50,
    seed: int = 1,
    really: bool = False,
    chinese: bool = False,
) -> int:
    """A storm (`simulators.storm`) against a running system, and the table of what was measured.

    Of another machine than this one only where `really` is asked for: its presses are real calls there. 1 where a press
    was lost or doubled.
    """
    if devices < 1 or presses < 1 or seconds <= 0:
        return _wrong("devices, presses and seconds are above nothing")
    if devices > storms.DEVICES_MAX:
        return _wrong(f"at most {storms.DEVICES_MAX} devices")
    try:
        broker = Broker.of_url(mqtt)
    except ValueError as error:
        return _wrong(str(error))
    elsewhere = [host for host in (broker.host, urlsplit(http).hostname or "") if not _is_here(host)]
    if elsewhere and not really:
        return _wrong(f"{elsewhere[0]} is not this machine, and presses are real calls there: --really")
    _logs()
    storm = storms.Storm(kind=kind, devices=devices, seconds=seconds, presses=presses, seed=seed)
    login = storms.Login(broker.host, broker.port, broker.username, broker.password)
    try:
        figures = asyncio.run(storms.play(storm, http=http, token=token, login=login))
    except ValueError as error:
        return _wrong(str(error))
    except (ApiError, OSError, TimeoutError) as error:
        print(f"yijian: {error or type(error).__name__}", file=sys.stderr)
        return _FAILED
    for english, words, value in storms.rows(figures):
        print(f"{words if chinese else english}: {value}")
    return _DONE if not (figures.lost or figures.doubled) else _FAILED


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def simulate_plan(
    *,
    district: str | None = None,
    port: str | None = None,
    seed: int = 1,
    seconds: float = day.DAY_SECONDS,
    begin: date | None = None,
    start_hour: float = 0.0,
    a_month: float = 1.2,
    chinese: bool = False,
) -> int:
    """Print the timetable that `simulate_day` with the same arguments would play, and drive nothing.

    Without a district file it is that of the usual made-up district: no system is asked.
    """
    if seconds <= 0 or a_month <= 0:
        return _wrong("seconds and presses a month are above nothing")
    if not 0 <= start_hour < 24:
        return _wrong(_START_HOUR)
    try:
        document = generate() if district is None else _read(district)
    except (OSError, ValueError) as error:
        return _wrong(str(error))
    begin = begin or _today(document)
    holidays = _holidays(document)
    ports = ports_at(None if port is None else Path(port), hubs(document))
    found = _planned(document, ports, seed, seconds, begin=begin, start_hour=start_hour, a_month=a_month)
    for line in week.timetable(
        found, seed, begin=begin, start_hour=start_hour, holidays=holidays, chinese=chinese
    ):
        print(line)
    return _DONE


def _planned(
    document: Mapping[str, Any],
    ports: Mapping[str, Path],
    seed: int,
    seconds: float,
    *,
    begin: date,
    start_hour: float,
    a_month: float,
) -> Iterator[day.Happening]:
    """What the buttons of this district say in so many seconds."""
    stream = week.plan(
        seed,
        pressable(document, ports),
        begin=begin,
        days=math.ceil(seconds / day.DAY_SECONDS + start_hour / 24),
        start_hour=start_hour,
        a_month=a_month,
        holidays=_holidays(document),
    )
    return itertools.takewhile(lambda one: one.after < seconds, stream)


def _read(path: str) -> dict[str, Any]:
    """A district file. Raises OSError, ValueError."""
    document = json.loads(Path(path).read_text(encoding="utf-8"))
    if not isinstance(document, dict):
        raise ValueError(f"{path}: no district file")  # noqa: TRY004 - what came in is wrong, not our types
    return document


def _holidays(document: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(document.get("district", {}).get("holidays", ()))


def _today(document: Mapping[str, Any]) -> date:
    zone = ZoneInfo(document.get("district", {}).get("timezone", "Asia/Shanghai"))
    return from_us(SystemClock().now_us()).astimezone(zone).date()


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
    begin: date | None,
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
        crew = Crew(
            api,
            document,
            chance=chance,
            temper=LIFE,
            speed=speed,
            clock=clock,
            press_helper_key=lambda device: town.say(device, "helper_arrived"),
        )
        stream = _planned(
            document,
            ports,
            seed,
            seconds,
            begin=begin or _today(document),
            start_hour=start_hour,
            a_month=a_month,
        )
        async with asyncio.TaskGroup() as group:
            playing = group.create_task(keep("town", town.run, chance), name="day:town")
            people = group.create_task(keep("staff", crew.run, chance), name="day:staff") if staff else None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds / speed):
                    await town.fleet.connected()
                    await day.live(stream, town.do, speed=speed)
                    # Nothing more is pressed; those who answer still have the rest of the time.
                    await asyncio.Event().wait()
            # The day is over: nobody says anything more, and what was said last still gets its receipt.
            if people is not None:
                people.cancel()
                await asyncio.wait([people])
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_DRAIN_SECONDS):
                    await town.fleet.drained()
            playing.cancel()
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
