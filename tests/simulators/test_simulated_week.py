"""A town's week: planned before it is played, the same for the same seed, and Sunday is not Monday."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from datetime import date

from simulators import almanac, command, week
from simulators.almanac import Day, Sort
from simulators.day import DAY_SECONDS, Happening

BUTTONS = [f"btn-{number:05d}" for number in range(2000)]
MONDAY = date(2026, 11, 23)
#: Enough presses for shares to be seen.
OFTEN = 60.0


def plan(seed: int = 1, **options: object) -> list[Happening]:
    return list(week.plan(seed, BUTTONS, begin=MONDAY, a_month=OFTEN, **options))  # type: ignore[arg-type]


def by_day(found: Iterable[Happening]) -> list[list[Happening]]:
    days: list[list[Happening]] = [[] for _ in range(7)]
    for one in found:
        days[int(one.after // DAY_SECONDS)].append(one)
    return days


def share(found: list[Happening], key: str) -> float:
    return sum(one.key == key for one in found) / len(found)


def test_one_seed_is_one_week_and_a_week_is_played_over_and_over() -> None:
    first = plan()
    assert first == plan()
    assert first != plan(seed=2)
    two = [one for one in plan(days=14) if one.after >= 7 * DAY_SECONDS]
    again = Counter((round(one.after - 7 * DAY_SECONDS, 4), one.device, one.type) for one in two)
    # But for what Sunday night still brings on Monday.
    assert sum((again - Counter((round(o.after, 4), o.device, o.type) for o in first)).values()) < 20


def test_thursday_is_thursday_whichever_day_one_begins_with() -> None:
    thursday = [(o.device, o.type, o.key) for o in by_day(plan())[3]]
    alone = week.plan(1, BUTTONS, begin=date(2026, 11, 26), days=1, a_month=OFTEN)
    firsts = [(o.device, o.type, o.key) for o in alone]
    assert sum((Counter(thursday) - Counter(firsts)).values()) < 60  # what Wednesday left over
    assert len(firsts) > 3000


def test_at_the_weekend_the_green_key_waits_for_monday_and_the_yellow_one_does_not() -> None:
    days = by_day(plan())
    workdays = [one for day in days[:5] for one in day]
    weekend = [one for day in days[5:] for one in day]
    assert share(weekend, "service") < 0.75 * share(workdays, "service")
    assert share(weekend, "family") > 1.3 * share(workdays, "family")
    assert len(days[6]) < 0.95 * len(workdays) / 5


def test_on_a_holiday_the_families_are_there() -> None:
    holiday = plan(holidays={"2026-11-24"})
    tuesday, ordinary = by_day(holiday)[1], by_day(plan())[1]
    assert share(tuesday, "family") > 1.5 * share(ordinary, "family")
    assert by_day(holiday)[3] == by_day(plan())[3]


def test_a_cold_morning_brings_falls_and_a_market_day_an_empty_morning() -> None:
    days = list(itertools.islice(almanac.days(1, MONDAY), 7))
    assert sum(day.market for day in days) == sum(day.cold for day in days) == 1
    cold = next(place for place, day in enumerate(days) if day.cold)

    def morning_falls(found: list[Happening]) -> int:
        return sum(o.type == "fall" and 5 <= o.after % DAY_SECONDS / 3600 < 10 for o in found)

    falls = [morning_falls(found) for found in by_day(plan())]
    assert falls[cold] > 2 * max(count for place, count in enumerate(falls) if place != cold)

    ordinary, market = Day(MONDAY), Day(MONDAY, market=True)
    assert almanac.rate(market, 8.5) < almanac.rate(ordinary, 8.5)
    assert almanac.rate(market, 11.5) > almanac.rate(ordinary, 11.5)


def test_no_hour_of_any_day_is_busier_than_it_can_be_drawn() -> None:
    for sort in Sort:
        for market, cold in itertools.product((False, True), repeat=2):
            day = Day(MONDAY, sort, market=market, cold=cold)
            assert all(0 < almanac.rate(day, hour) <= almanac.RATE_MAX for hour in range(24))


def test_the_timetable_can_be_read(capsys) -> None:
    options = {"seed": 5, "seconds": 2 * DAY_SECONDS, "begin": date(2026, 11, 27), "start_hour": 6.0}
    assert command.simulate_plan(**options) == 0
    lines = capsys.readouterr().out.splitlines()
    days = [line for line in lines if line.startswith("# ")]
    assert [line.split()[1] for line in days] == ["Fri", "Sat", "Sun"]
    assert "weekend" in days[1]
    assert sum(int(line.rpartition(" ")[2]) for line in days) == len(lines) - 3 > 100
    friday = lines[1 : lines.index(days[1])]
    assert friday == sorted(friday)
    assert friday[0] >= "06:00:00"

    assert command.simulate_plan(**options, chinese=True) == 0
    chinese = capsys.readouterr().out.splitlines()
    assert chinese[0].startswith("# 周五 2026-11-27 · 平日")
    assert [line for line in chinese if line[0] != "#"] == [line for line in lines if line[0] != "#"]


def test_a_wrong_plan_is_told(capsys) -> None:
    assert command.simulate_plan(start_hour=24.0) == 2
    assert command.simulate_plan(seconds=0) == 2
    assert command.simulate_plan(district="/nowhere") == 2
    assert command.simulate_day(http="x", token="", mqtt="mqtt://x", start_hour=-1) == 2
    assert "from 0 to below 24" in capsys.readouterr().err
