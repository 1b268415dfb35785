"""What a town's buttons do day by day: an endless, seeded stream of happenings, in the order they happen.

    for happening in happenings(habits, buttons, 7, days=almanac.days(7, date(2026, 11, 23)), start_hour=8.0):
        ...                        # Happening(after=12.7, device="btn-00417", type="press", key="emergency")

Shape and shares are those of the field: most is said between 08 and 11 o'clock, at night little, but more often in
earnest; one press of ten is taken back with the cancel key; some press again because nobody seems to come, or once
more while help is on its way; a fall is often followed by a press. A few residents press far more than all others.
What a weekday has been given by the seed it has in every week: the week is played over and over.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from simulators import almanac
from simulators.almanac import Day

DAY_SECONDS = 86_400.0
#: How much of the day's shape is left where the habits are `even`.
_EVEN_SHAPE = 0.25


@dataclass(frozen=True, slots=True)
class Habits:
    """How much happens: `a_day` happenings on an ordinary day, follow-ups not counted.

    With `even` there is nearly as much at night as by day, and no minute without anything: for who watches a demo.
    """

    a_day: float
    even: bool = False
    cancels: float = 0.10
    impatient: float = 0.15
    presses_on_the_way: float = 0.08
    presses_after_fall: float = 0.4

    @classmethod
    def of_devices(cls, devices: int, *, a_month: float = 1.2) -> Habits:
        """The field's 0.4 to 2.8 presses a month and device."""
        return cls(a_day=devices * a_month / 30.0)


@dataclass(frozen=True, slots=True, order=True)
class Happening:
    """Something a device says, so many seconds of the town's time after the start."""

    after: float
    device: str = field(compare=False)
    type: str = field(compare=False)
    key: str = field(default="", compare=False)


def happenings(
    habits: Habits, buttons: Sequence[str], seed: object, *, days: Iterable[Day], start_hour: float = 0.0
) -> Iterator[Happening]:
    """All that happens on these days, the first of them from `start_hour` on; `after` counts from there.

    Pure: the same arguments give the same happenings. Each day is drawn by itself, so that Thursday is Thursday
    whichever day one begins with. Memory is bounded by what is pending.
    """
    if not buttons:
        return
    # A few press far more often than the rest.
    chance = random.Random(f"{seed}/eagerness")
    eagerness = tuple(accumulate(chance.lognormvariate(0.0, 1.0) for _ in buttons))
    waiting: list[tuple[Happening, int]] = []
    tie = itertools.count()
    begin = -start_hour * 3600
    for day in days:
        chance = random.Random(f"{seed}/{day.on.weekday()}")
        for second in _moments(habits, day, chance):
            first = _first(begin + second, day, second / 3600, buttons, eagerness, chance)
            while waiting and waiting[0][0].after <= first.after:
                yield heapq.heappop(waiting)[0]
            for follow_up in _follow_ups(first, habits, chance):
                if follow_up.after >= 0:
                    heapq.heappush(waiting, (follow_up, next(tie)))
            if first.after >= 0:
                yield first
        begin += DAY_SECONDS
    while waiting and waiting[0][0].after < begin:
        yield heapq.heappop(waiting)[0]


def _moments(habits: Habits, day: Day, chance: random.Random) -> Iterator[float]:
    """When something is said on that day, in seconds from its midnight."""
    gap = DAY_SECONDS / habits.a_day
    clock = 0.0
    while True:
        if habits.even:
            shaped = 1 - _EVEN_SHAPE + _EVEN_SHAPE * almanac.rate(day, clock / 3600)
            clock += gap / shaped * chance.uniform(0.5, 1.5)
        else:
            clock += chance.expovariate(almanac.RATE_MAX / gap)
        if clock >= DAY_SECONDS:
            return
        # Thinning: drawn at the rate of the busiest hour, kept by the share of this one.
        if habits.even or chance.random() * almanac.RATE_MAX < almanac.rate(day, clock / 3600):
            yield clock


def _first(
    after: float,
    day: Day,
    hour: float,
    buttons: Sequence[str],
    eagerness: Sequence[float],
    chance: random.Random,
) -> Happening:
    table = almanac.kinds(day, hour)
    type_, key = chance.choices(tuple(table), tuple(table.values()))[0]
    return Happening(after, chance.choices(buttons, cum_weights=eagerness)[0], type_, key)


def _follow_ups(first: Happening, habits: Habits, chance: random.Random) -> Iterator[Happening]:
    """What the same device says later because of this."""

    def later(low: float, high: float, type_: str, key: str = "") -> Happening:
        return Happening(first.after + chance.uniform(low, high), first.device, type_, key)

    match first.type:
        case "press":
            draw = chance.random()
            if draw < habits.cancels:
                yield later(4, 40, "cancel")
            elif draw < habits.cancels + habits.impatient:
                for again in range(chance.choice((1, 1, 2))):
                    yield later(12 + 40 * again, 50 + 40 * again, "press", first.key)
            elif draw < habits.cancels + habits.impatient + habits.presses_on_the_way:
                yield later(60, 300, "press", first.key)
        case "fall":
            if chance.random() < habits.presses_after_fall:
                yield later(5, 90, "press", "emergency")
        case "battery_low":
            yield later(1800, 6 * 3600, "battery_ok")
        case "mains_lost":
            yield later(300, 3600, "mains_restored")
        case _:
            return


async def live(
    stream: Iterator[Happening],
    do: Callable[[Happening], None],
    *,
    speed: float = 1.0,
    hold: Callable[[], bool] | None = None,
) -> None:
    """Do what happens when it happens, so many times faster; while `hold()` says so, nobody presses."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    for happening in stream:
        wait = begin + happening.after / speed - loop.time()
        # Also where we are late: a machine that slept does not press the whole night's buttons without a breath.
        await asyncio.sleep(max(0.0, wait))
        if hold is None or not hold():
            do(happening)
