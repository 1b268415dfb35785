"""What kind of day it is in the town, and what that does to the buttons: how much is said, and what.

    today = Day(date(2026, 11, 26), market=True)
    rate(today, 9.5)            # 1.9: so many times the average hour of an ordinary day
    kinds(today, 9.5)           # {("press", "emergency"): 55, …}: weights of what is said then

The hours and shares of an ordinary day are those of the field (README). What weekends, holidays, the market and a cold
morning do to them has no source: it is a guess at a town in Henan, and one place to change it.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import cache

#: Presses by hour of the day, relative: the peak of 08-11 ("where is my visit?"), a second hill towards the evening.
HOURLY: tuple[float, ...] = (
    *(0.35, 0.25, 0.22, 0.22, 0.28, 0.5, 0.9, 1.5),
    *(2.4, 2.6, 2.2, 1.6, 1.2, 1.0, 1.1, 1.2),
    *(1.3, 1.4, 1.5, 1.4, 1.2, 0.9, 0.65, 0.45),
)
_MEAN = sum(HOURLY) / 24

Kind = tuple[str, str]  #: type and key

#: Out of a hundred things said by day, and by night. What only a machine says is in both.
BY_DAY: dict[Kind, float] = {
    ("press", "emergency"): 55,
    ("press", "service"): 24,
    ("press", "family"): 8,
    ("fall", ""): 3.5,
    ("inactivity", ""): 2,
    ("hazard", ""): 0.7,
    ("test", ""): 2.5,
    ("battery_low", ""): 2.5,
    ("mains_lost", ""): 1,
    ("tamper", ""): 0.3,
}
BY_NIGHT: dict[Kind, float] = {
    ("press", "emergency"): 72,
    ("press", "service"): 5,
    ("press", "family"): 4,
    ("fall", ""): 10,
    ("inactivity", ""): 4,
    ("hazard", ""): 1,
    ("battery_low", ""): 2.5,
    ("mains_lost", ""): 1.2,
    ("tamper", ""): 0.3,
}


class Sort(StrEnum):
    """The three sorts of days."""

    WEEKDAY = "weekday"
    WEEKEND = "weekend"
    HOLIDAY = "holiday"


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the town: on a market day people are out early, on a cold morning there is ice on the steps."""

    on: date
    sort: Sort = Sort.WEEKDAY
    market: bool = False
    cold: bool = False


#: How much is said on such a day at all, and how much more or less of what. Whoever has the children at home presses
#: the yellow key less for a meal than for a chat, so it is pressed more; the green one waits for Monday.
_AMOUNT = {Sort.WEEKDAY: 1.0, Sort.WEEKEND: 0.85, Sort.HOLIDAY: 0.8}
_MORE: dict[Sort, Mapping[Kind, float]] = {
    Sort.WEEKDAY: {},
    Sort.WEEKEND: {("press", "service"): 0.55, ("press", "family"): 1.7},
    Sort.HOLIDAY: {("press", "service"): 0.35, ("press", "family"): 2.2, ("hazard", ""): 2.0},
}
#: From seven to ten at the market, from ten to one back home with heavy bags.
_MARKET_OUT, _MARKET_BACK = range(7, 10), range(10, 13)
_MARKET_MORE: Mapping[Kind, float] = {("fall", ""): 2.0, ("press", "service"): 1.3}
#: Before the sun is on the steps; and who heats with coal is in danger.
_COLD_HOURS = range(5, 10)
_COLD_MORE: Mapping[Kind, float] = {("fall", ""): 4.0, ("inactivity", ""): 2.0, ("hazard", ""): 4.0}
_COLD_AMOUNT = 1.5

#: The highest that `rate` can be.
RATE_MAX = max(HOURLY) / _MEAN * _COLD_AMOUNT


def is_night(hour: float) -> bool:
    """Between ten in the evening and six in the morning."""
    return hour % 24 < 6 or hour % 24 >= 22


def days(seed: object, begin: date, holidays: Collection[str] = ()) -> Iterator[Day]:
    """Every day from `begin` on, for ever. A seed has its market day and its cold morning: the same in every week.

    `holidays` are dates as in the district file, `YYYY-MM-DD`.
    """
    chance = random.Random(f"{seed}/week")
    market, cold = chance.randrange(5), chance.randrange(7)
    for number in itertools.count():
        day = begin + timedelta(days=number)
        weekday = day.weekday()
        sort = Sort.WEEKEND if weekday >= 5 else Sort.WEEKDAY
        if day.isoformat() in holidays:
            sort = Sort.HOLIDAY
        yield Day(day, sort, market=weekday == market, cold=weekday == cold)


def rate(day: Day, hour: float) -> float:
    """How much is said at that hour; 1 is the average of an ordinary day."""
    clock = math.floor(hour) % 24
    amount = HOURLY[clock] / _MEAN * _AMOUNT[day.sort]
    if day.market:
        amount *= 0.7 if clock in _MARKET_OUT else 1.3 if clock in _MARKET_BACK else 1.0
    if day.cold and clock in _COLD_HOURS:
        amount *= _COLD_AMOUNT
    return amount


def kinds(day: Day, hour: float) -> Mapping[Kind, float]:
    """What is said at that hour, with its weight among all."""
    return _kinds(day.sort, day.market, day.cold, math.floor(hour) % 24)


@cache
def _kinds(sort: Sort, market: bool, cold: bool, clock: int) -> Mapping[Kind, float]:
    table = dict(BY_NIGHT if is_night(clock) else BY_DAY)
    factors = [_MORE[sort]]
    if market and (clock in _MARKET_OUT or clock in _MARKET_BACK):
        factors.append(_MARKET_MORE)
    if cold and clock in _COLD_HOURS:
        factors.append(_COLD_MORE)
    for factor in factors:
        for kind, more in factor.items():
            table[kind] *= more
    return table
