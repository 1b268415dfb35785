"""What a town's buttons do in a day: an endless, seeded stream of happenings, in the order they happen.

    for happening in happenings(habits, buttons, Random(7), start_hour=8.0):
        ...                        # Happening(after=12.7, device="btn-00417", type="press", key="emergency")

Shape and shares are those of the field: most is said between 08 and 11 o'clock, at night little, but more often in
earnest; one press of ten is taken back with the cancel key; some press again because nobody seems to come, or once
more while help is on its way; a fall is often followed by a press. A few residents press far more than all others.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

#: Presses by hour of the day, relative: the peak of 08-11 ("where is my visit?"), a second hill towards the evening.
HOURLY: tuple[float, ...] = (
    *(0.35, 0.25, 0.22, 0.22, 0.28, 0.5, 0.9, 1.5),
    *(2.4, 2.6, 2.2, 1.6, 1.2, 1.0, 1.1, 1.2),
    *(1.3, 1.4, 1.5, 1.4, 1.2, 0.9, 0.65, 0.45),
)

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


@dataclass(frozen=True, slots=True)
class Habits:
    """How much happens: `a_day` happenings, follow-ups not counted; `flat` spreads them evenly over hours and minutes."""

    a_day: float
    flat: bool = False
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


def is_night(hour: float) -> bool:
    """Between ten in the evening and six in the morning."""
    return hour % 24 < 6 or hour % 24 >= 22


def happenings(
    habits: Habits, buttons: Sequence[str], chance: random.Random, *, start_hour: float
) -> Iterator[Happening]:
    """All that happens from `start_hour` (by the town's clock) on, for ever. Memory is bounded by what is pending."""
    if not buttons:
        return
    # A few press far more often than the rest.
    eagerness = tuple(accumulate(chance.lognormvariate(0.0, 1.0) for _ in buttons))
    tables = [(tuple(table), tuple(accumulate(table.values()))) for table in (BY_DAY, BY_NIGHT)]
    highest = 1.0 if habits.flat else max(HOURLY) / (sum(HOURLY) / 24)
    waiting: list[tuple[Happening, int]] = []
    tie = itertools.count()
    clock = 0.0
    while True:
        gap = 86_400 / (habits.a_day * highest)
        clock += gap * chance.uniform(0.5, 1.5) if habits.flat else chance.expovariate(1 / gap)
        while waiting and waiting[0][0].after <= clock:
            yield heapq.heappop(waiting)[0]
        hour = start_hour + clock / 3600
        # Thinning: drawn at the rate of the busiest hour, kept by the share of this one.
        if not habits.flat and chance.random() >= HOURLY[math.floor(hour) % 24] / max(HOURLY):
            continue
        kinds, weights = tables[is_night(hour)]
        type_, key = chance.choices(kinds, cum_weights=weights)[0]
        first = Happening(clock, chance.choices(buttons, cum_weights=eagerness)[0], type_, key)
        for follow_up in _follow_ups(first, habits, chance):
            heapq.heappush(waiting, (follow_up, next(tie)))
        yield first


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
