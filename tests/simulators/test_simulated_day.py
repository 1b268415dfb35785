"""A town's day: the same for the same seed, with the field's shape and shares."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from datetime import date

from simulators import almanac, day
from simulators.almanac import Day

BUTTONS = [f"btn-{number:05d}" for number in range(1000)]
#: A Tuesday like any other.
ORDINARY = Day(date(2026, 11, 24))


def ordinary(days: int) -> list[Day]:
    """So many ordinary days: different ones, of which none has a market or ice."""
    return [Day(date(2026, 11, 24 + number % 7)) for number in range(days)]


def take(habits: day.Habits, days: int, *, seed: int = 1, start_hour: float = 0.0) -> list[day.Happening]:
    return list(day.happenings(habits, BUTTONS, seed, days=ordinary(days), start_hour=start_hour))


def test_same_seed_same_day() -> None:
    habits = day.Habits(a_day=500)
    assert take(habits, 1) == take(habits, 1)
    assert take(habits, 1) != take(habits, 1, seed=2)


def test_a_later_start_is_the_rest_of_the_same_day() -> None:
    habits = day.Habits(a_day=500)
    whole = [(round(h.after, 6), h.device, h.type) for h in take(habits, 2)]
    rest = [(round(h.after + 9 * 3600, 6), h.device, h.type) for h in take(habits, 2, start_hour=9)]
    assert rest == [row for row in whole if row[0] >= 9 * 3600]
    assert len(whole) > len(rest) > 0


def test_in_order_and_about_as_much_as_said() -> None:
    found = take(day.Habits(a_day=1000), 20)
    assert [h.after for h in found] == sorted(h.after for h in found)
    first = [h for h in found if h.type not in {"cancel", "battery_ok", "mains_restored"}]
    assert 0.95 < len(first) / 20_000 < 1.35  # with second presses


def test_the_peak_is_in_the_morning_and_nights_are_in_earnest() -> None:
    found = take(day.Habits(a_day=2000), 20)
    by_hour = Counter(int(h.after // 3600) % 24 for h in found)
    assert by_hour.most_common(1)[0][0] in {8, 9, 10}
    assert by_hour[9] > 6 * by_hour[3]

    def falls(*, night: bool) -> float:
        mine = [h for h in found if almanac.is_night(h.after / 3600) is night]
        return sum(h.type == "fall" for h in mine) / len(mine)

    assert falls(night=True) > 2 * falls(night=False)


def test_shares_and_follow_ups() -> None:
    found = take(day.Habits(a_day=3000), 10)
    kinds = Counter((h.type, h.key) for h in found)
    presses = sum(count for (type_, _), count in kinds.items() if type_ == "press")
    assert kinds["press", "emergency"] > kinds["press", "service"] > kinds["press", "family"] > 0
    assert 0.05 < kinds["cancel", ""] / presses < 0.12
    assert kinds["battery_ok", ""] > 0.8 * kinds["battery_low", ""]
    assert all(h.key or h.type != "press" for h in found)
    # A few press far more than all others.
    presses_of = Counter(h.device for h in found)
    assert presses_of.most_common(1)[0][1] > 5 * len(found) / len(BUTTONS)


def test_even_habits_leave_no_minute_without_anything() -> None:
    found = take(day.Habits(a_day=7200, even=True), 1)
    by_hour = Counter(int(h.after // 3600) for h in found)
    assert max(by_hour.values()) < 2.2 * min(by_hour.values())
    assert by_hour[9] > by_hour[3]
    first = sorted(h.after for h in found if h.key or h.type in {"fall", "test", "battery_low"})
    assert max(later - earlier for earlier, later in itertools.pairwise(first)) < 60


def test_memory_stays_small() -> None:
    days = itertools.repeat(ORDINARY)
    stream = day.happenings(day.Habits(a_day=86_400, even=True), BUTTONS, 1, days=days)
    for _ in itertools.islice(stream, 50_000):
        pass
    assert stream.gi_frame is not None
    assert len(stream.gi_frame.f_locals["waiting"]) < 3000


def test_no_buttons_nothing_happens() -> None:
    assert list(day.happenings(day.Habits(a_day=10), [], 1, days=[ORDINARY])) == []


async def test_live_waits_and_holds() -> None:
    stream = iter([day.Happening(0.1 * n, str(n), "press", "emergency") for n in range(10)])
    done: list[str] = []
    begin = asyncio.get_running_loop().time()
    await day.live(stream, lambda h: done.append(h.device), speed=10, hold=lambda: len(done) >= 5)
    assert done == ["0", "1", "2", "3", "4"]
    assert asyncio.get_running_loop().time() - begin >= 0.085
