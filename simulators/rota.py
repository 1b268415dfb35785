"""Who is at work when: the simulated staff say so through `POST /staff/{id}/duty`, shift by shift.

At a station somebody is on duty while it is open or on call; at the desk always; volunteers now and then by day. Now
and then nobody turns up for a shift, as in life: then the station is open, and not able.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import structlog

from config.doors import Clock, from_us
from simulators import hours
from simulators.api import Api, Away, Refused

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 30.0
_AT_ONCE = 8


class Rota:
    """The town's people at work."""

    def __init__(
        self, api: Api, district: Mapping[str, Any], *, chance: random.Random, clock: Clock, absent: float
    ) -> None:
        about = district.get("district", {})
        self._api, self._chance, self._clock, self._absent = api, chance, clock, absent
        self._zone = ZoneInfo(about.get("timezone", "Asia/Shanghai"))
        self._holidays = frozenset(about.get("holidays", ()))
        stations = {station["id"]: station for station in district.get("stations", ())}
        self._stations = stations
        self._at: dict[str, list[str]] = {}
        self._volunteers: list[str] = []
        for person in district.get("staff", ()):
            if person.get("station") in stations:
                self._at.setdefault(person["station"], []).append(person["id"])
            elif person.get("role") == "volunteer":
                self._volunteers.append(person["id"])
        #: Whom we told the server of, and what. Of the rest we do not know: a run before us may have left them on duty.
        self._said: dict[str, bool] = {}
        #: Who was drawn for the shift that a station is in.
        self._shift: dict[str, frozenset[str]] = {}
        self._day: tuple[int, bool] | None = None
        self._helping: frozenset[str] = frozenset()
        self._again = asyncio.Event()

    def local(self) -> datetime:
        """The time on the town's clocks."""
        return from_us(self._clock.now_us()).astimezone(self._zone)

    def at_work(self, station: str) -> list[str]:
        """Who works there just now; where nobody has the shift, everybody who ever does."""
        there = self._at.get(station, [])
        on = self._shift.get(station, frozenset())
        return [person for person in there if person in on] or there

    def forget(self) -> None:
        """The server may know nothing any more: say everything again."""
        self._said.clear()
        self._again.set()

    def wanted(self) -> dict[str, bool]:
        """Who should be on duty now, of everybody who works somewhere."""
        now = self.local()
        wanted: dict[str, bool] = {}
        for station, people in self._at.items():
            there = hours.on_duty(self._stations[station], now, self._holidays)
            if not there:
                self._shift.pop(station, None)
            elif station not in self._shift:
                self._shift[station] = self._draw(station, people)
            on = self._shift.get(station, frozenset())
            wanted |= {person: person in on for person in people}
        by_day = (now.toordinal(), 8 <= now.hour < 20)
        if by_day != self._day:
            self._day = by_day
            share = len(self._volunteers) // 3 if by_day[1] else 0
            self._helping = frozenset(self._chance.sample(self._volunteers, k=share))
        return wanted | {person: person in self._helping for person in self._volunteers}

    def _draw(self, station: str, people: list[str]) -> frozenset[str]:
        if self._stations[station].get("kind") != "district_desk" and self._chance.random() < self._absent:
            return frozenset()
        return frozenset(self._chance.sample(people, k=(len(people) + 1) // 2))

    async def run(self) -> None:
        """Keep the server told, until cancelled."""
        while True:
            self._again.clear()
            changes = [(person, on) for person, on in self.wanted().items() if on != self._said.get(person)]
            if changes and not await self._tell(changes):
                await asyncio.sleep(2.0)
                continue
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._again.wait()
            except TimeoutError:
                continue

    async def _tell(self, changes: Iterable[tuple[str, bool]]) -> bool:
        """Tell the server, some at a time; False where it went away in between."""
        waiting = iter(changes)
        away = False

        async def some() -> None:
            nonlocal away
            for person, on in waiting:
                try:
                    await self._api.duty(person, on=on)
                except Away:
                    away = True
                except Refused as error:
                    # Not in this server's register: asking again would not help.
                    log.info("rota.refused", staff=person, status=error.status)
                    self._said[person] = on
                else:
                    self._said[person] = on
                if away:
                    return

        async with asyncio.TaskGroup() as group:
            for number in range(_AT_ONCE):
                group.create_task(some(), name=f"rota:{number}")
        return not away
