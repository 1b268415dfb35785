"""A plan of days that one can read before it is played: who presses what when.

for line in timetable(plan(1, buttons, begin=date(2026, 11, 23), days=7), …):

    # Thu 2026-11-26 · weekday · market day · 127
    08:12:31  btn-00417  press emergency
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from operator import itemgetter

from simulators import almanac
from simulators.almanac import Day, Sort
from simulators.day import Habits, Happening, happenings

#: A plan may be that long; who wants more plays it again.
DAYS_MAX = 366

_WEEKDAYS = (
    ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    ("周一", "周二", "周三", "周四", "周五", "周六", "周日"),
)
_WORDS: dict[str, tuple[str, str]] = {
    Sort.WEEKDAY: ("weekday", "平日"),
    Sort.WEEKEND: ("weekend", "周末"),
    Sort.HOLIDAY: ("holiday", "节假日"),
    "market": ("market day", "赶集日"),
    "cold": ("cold morning", "寒冷早晨"),
}


def plan(
    seed: object,
    buttons: Sequence[str],
    *,
    begin: date,
    days: int = 7,
    start_hour: float = 0.0,
    a_month: float = 1.2,
    holidays: Collection[str] = (),
) -> Iterator[Happening]:
    """What these buttons say on so many days; a pure function. `a_month`: presses of one button in a month."""
    which = itertools.islice(almanac.days(seed, begin, holidays), days)
    habits = Habits.of_devices(len(buttons), a_month=a_month)
    return happenings(habits, buttons, seed, days=which, start_hour=start_hour)


def timetable(
    found: Iterable[Happening],
    seed: object,
    *,
    begin: date,
    start_hour: float = 0.0,
    holidays: Collection[str] = (),
    chinese: bool = False,
) -> Iterator[str]:
    """A plan as lines of text: each day with what kind of day it is and how much is said, then one line a happening."""
    start = datetime.combine(begin, time()) + timedelta(hours=start_hour)
    known = almanac.days(seed, begin, holidays)
    moments = ((start + timedelta(seconds=one.after), one) for one in found)
    for when, group in itertools.groupby(moments, key=lambda pair: pair[0].date()):
        rows = list(group)
        day = next(day for day in known if day.on == when)
        yield f"# {_heading(day, chinese=chinese)} · {len(rows)}"
        for moment, one in sorted(rows, key=itemgetter(0)):
            yield f"{moment:%H:%M:%S}  {one.device}  {one.type} {one.key}".rstrip()


def _heading(day: Day, *, chinese: bool) -> str:
    words = [day.sort.value, *(["market"] if day.market else []), *(["cold"] if day.cold else [])]
    shown = [_WORDS[word][chinese] for word in words]
    return f"{_WEEKDAYS[chinese][day.on.weekday()]} {day.on.isoformat()} · {' · '.join(shown)}"
