"""Opening hours as stations of such a district keep them, and whether they are open at a moment.

The shapes are those of the district file (`hours`): `"always"`, or spans by day and `"holidays": "closed"`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WEEKDAYS, WEEKEND = DAYS[:5], DAYS[5:]

Hours = str | dict[str, Any]

#: Public holidays of China: 2026 as announced by the State Council, 2027 the statutory days alone.
HOLIDAYS: tuple[str, ...] = (
    *(f"2026-01-0{day}" for day in (1, 2, 3)),
    *(f"2026-02-{day}" for day in range(15, 24)),
    *(f"2026-04-0{day}" for day in (4, 5, 6)),
    *(f"2026-05-0{day}" for day in (1, 2, 3, 4, 5)),
    *(f"2026-06-{day}" for day in (19, 20, 21)),
    *(f"2026-09-{day}" for day in (25, 26, 27)),
    *(f"2026-10-0{day}" for day in (1, 2, 3, 4, 5, 6, 7)),
    "2027-01-01",
    *(f"2027-02-0{day}" for day in (5, 6, 7, 8)),
    *("2027-04-05", "2027-05-01", "2027-05-02", "2027-06-09", "2027-09-15"),
    *(f"2027-10-0{day}" for day in (1, 2, 3)),
)


def weekly(weekdays: Sequence[str], weekend: Sequence[str] = (), *, holidays: bool = False) -> Hours:
    """Hours with one pattern from Monday to Friday and one at the weekend, closed on holidays unless said."""
    hours: dict[str, Any] = {day: list(weekdays) for day in WEEKDAYS if weekdays}
    hours |= {day: list(weekend) for day in WEEKEND if weekend}
    return hours if holidays else hours | {"holidays": "closed"}


#: Care stations (社区托老站): mostly closed at night and at noon, many closed at the weekend, few open always.
CARE_STATION: tuple[tuple[float, Hours], ...] = (
    (30, weekly(["08:00-12:00", "14:30-18:00"])),
    (20, weekly(["08:00-12:00", "14:00-18:00"], ["09:00-12:00"])),
    (18, weekly(["07:30-12:00", "14:00-19:00"], ["07:30-12:00", "14:00-19:00"], holidays=True)),
    (12, weekly(["08:00-18:00"], ["08:00-18:00"])),
    (10, weekly(["06:30-20:30"], ["06:30-20:30"], holidays=True)),
    (5, weekly(["08:00-12:00", "14:30-18:00", "19:00-07:00"], ["19:00-07:00"], holidays=True)),
    (5, "always"),
)

#: Day-care centres (社区日间照料中心): for the day, lunch included; the weekend is the exception.
DAY_CARE: tuple[tuple[float, Hours], ...] = (
    (40, weekly(["08:00-17:30"])),
    (25, weekly(["07:30-18:30"], ["08:00-12:00"])),
    (20, weekly(["08:00-12:00", "14:00-18:00"])),
    (12, weekly(["07:00-19:00"], ["07:00-19:00"], holidays=True)),
    (3, "always"),
)

#: Street centres (街道综合养老服务中心): until 20:00 every day, some until 22:00; a few live in.
STREET_CENTRE: tuple[tuple[float, Hours], ...] = (
    (65, weekly(["08:00-20:00"], ["08:00-20:00"], holidays=True)),
    (15, weekly(["07:30-22:00"], ["08:00-20:00"], holidays=True)),
    (20, "always"),
)


def draw(chance: random.Random, patterns: Sequence[tuple[float, Hours]]) -> Hours:
    """One of the patterns, by weight; a copy, so that nobody shares it."""
    weights = [weight for weight, _ in patterns]
    hours = chance.choices(patterns, weights)[0][1]
    if isinstance(hours, str):
        return hours
    return {day: list(spans) if isinstance(spans, list) else spans for day, spans in hours.items()}


def is_open(hours: str | Mapping[str, Any], local: datetime, holidays: frozenset[str] = frozenset()) -> bool:
    """Whether these hours hold at that local time; a span such as `19:00-07:00` goes on into the next day."""
    if isinstance(hours, str):
        return hours == "always"
    minute = local.hour * 60 + local.minute
    yesterday = local.fromordinal(local.toordinal() - 1)
    for day, shift in ((local, 0), (yesterday, 1440)):
        if hours.get("holidays") == "closed" and f"{day:%Y-%m-%d}" in holidays:
            continue
        for span in hours.get(DAYS[day.weekday()], []):
            begin, end = (_minute(text) for text in span.split("-"))
            if begin <= minute + shift < (end if end > begin else end + 1440):
                return True
    return False


def _minute(text: str) -> int:
    hour, minute = text.split(":")
    return int(hour) * 60 + int(minute)


def on_duty(station: Mapping[str, Any], local: datetime, holidays: frozenset[str] = frozenset()) -> bool:
    """Whether people of a station are at work then: it is open, or they have its telephone at home."""
    if is_open(station.get("hours", "always"), local, holidays):
        return True
    on_call = station.get("on_call")
    return on_call is not None and is_open(on_call.get("hours", "always"), local, holidays)
