"""Opening hours: read once into minutes, asked often (contract, section 7).

    parse({"mon": ["08:00-12:00", "20:00-08:00"], "holidays": "closed"}).is_open(moment_utc, zone, holidays)

In short, the rule is what the clock on the station's wall shows. The UTC moment is turned into wall time and looked up,
never the other way round, so a night with a time change is right by itself: an hour that is struck twice counts twice,
an hour that is left out is nobody's.

- A span belongs to the day it begins on; `20:00-08:00` on `mon` runs into tuesday morning, also where tuesday is
  left out. `24:00` is allowed as an end. A day left out or empty is closed; overlapping spans are one.
- `"holidays":"closed"` drops the holiday's own spans, to their end. The span that began the evening before runs on:
  whoever took up the night shift is still there at two in the morning.
- `"always"` is always, holidays too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_DAY_MINUTES = 24 * 60
#: A week, and a day more: whatever repeats weekly has changed by then, except over a run of holidays.
_HORIZON = timedelta(days=8)
#: No zone changes its clock twice within six hours; finer steps would find nothing more.
_PROBE = timedelta(hours=6)
_SPANS_A_DAY_MAX = 24

_SPAN = re.compile(r"([0-9]{2}:[0-9]{2})-([0-9]{2}:[0-9]{2})")
# What Chinese input methods and word processors put in place of `:` and `-`.
_LOOKALIKES = re.compile("[\uff1a\ufe13\ufe55\u2236\uff0d\u2010-\u2015\u2212\uff5e\u301c\uff10-\uff19\u3000]")


class HoursError(ValueError):
    """Hours that cannot be read. `faults`: every (sub-path, error), such as `("mon[1]", "25:00 is no time of day")`."""

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        self.faults = faults
        super().__init__("; ".join(f"{path}: {error}" if path else error for path, error in faults))


@dataclass(frozen=True, slots=True)
class Hours:
    """Opening hours, compiled. Minutes are wall-clock minutes of the day, monday first, ends excluded.

    `own[day]` are the spans that begin on it, cut at midnight, in order and apart; `spill[day]` is how many minutes
    of the day after the longest of them takes. `holidays_closed`: the own spans of a holiday do not happen.
    """

    own: tuple[tuple[tuple[int, int], ...], ...]
    spill: tuple[int, ...]
    holidays_closed: bool = False
    always: bool = False

    def is_open(self, moment_utc: datetime, zone: ZoneInfo, holidays: frozenset[str] = frozenset()) -> bool:
        """Whether it is open at an aware moment; `holidays` are local dates, `YYYY-MM-DD`."""
        if self.always:
            return True
        wall = moment_utc.astimezone(zone)
        day = wall.weekday()
        minute = wall.hour * 60 + wall.minute
        if self.spill[day - 1] > minute and not self._dropped(wall, -1, holidays):
            return True
        for start, end in self.own[day]:
            if start <= minute < end:
                return not self._dropped(wall, 0, holidays)
        return False

    def next_change(
        self, moment_utc: datetime, zone: ZoneInfo, holidays: frozenset[str] = frozenset()
    ) -> datetime | None:
        """The first UTC moment after this one, at most 8 days on, from which `is_open` says otherwise; None: none."""
        if self.always:
            return None
        moment = moment_utc.astimezone(UTC)
        now = self.is_open(moment, zone, holidays)
        for candidate in sorted(
            {edge for edge in self._edges(moment, zone) if moment < edge <= moment + _HORIZON}
        ):
            if self.is_open(candidate, zone, holidays) is not now:
                return candidate
        return None

    def _dropped(self, wall: datetime, days: int, holidays: frozenset[str]) -> bool:
        """Whether the spans that begin `days` from the wall date do not happen."""
        if not (self.holidays_closed and holidays):
            return False
        return (wall.date() + timedelta(days=days)).isoformat() in holidays

    def _edges(self, moment: datetime, zone: ZoneInfo) -> Iterator[datetime]:
        """Every UTC moment at which the answer could change: where a span begins or ends, and where clocks change."""
        first = moment.astimezone(zone).date()
        for day in (first + timedelta(days=n) for n in range(-1, _HORIZON.days + 2)):
            weekday = day.weekday()
            minutes = {minute for span in self.own[weekday] for minute in span} | {0, self.spill[weekday - 1]}
            for minute in minutes:
                yield from _utc_of(day, minute, zone)
        at = moment
        while at < moment + _HORIZON:
            later = at + _PROBE
            if at.astimezone(zone).utcoffset() != later.astimezone(zone).utcoffset():
                yield _clock_change(at, later, zone)
            at = later


def _utc_of(day: date, minute: int, zone: ZoneInfo) -> Iterator[datetime]:
    """The UTC moments at which the wall clock shows this: two where it is struck twice."""
    wall = datetime.combine(day, time(0), zone) + timedelta(
        minutes=minute
    )  # arithmetic on the wall, not on the sun
    for fold in (0, 1):
        yield wall.replace(fold=fold).astimezone(UTC)


def _clock_change(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """The second between two UTC moments at which the zone's offset changes."""
    before = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)


ALWAYS = Hours(own=((),) * 7, spill=(0,) * 7, always=True)


def parse(spec: str | Mapping[str, Any]) -> Hours:
    """Compile `"always"` or spans by day; the same content is compiled once. Raises HoursError (a ValueError)."""
    if isinstance(spec, str) or not isinstance(spec, Mapping):
        if spec == "always":
            return ALWAYS
        raise HoursError(faults(spec))
    frozen = tuple((day, tuple(spans) if isinstance(spans, list) else spans) for day, spans in spec.items())
    try:
        return _compile(frozen)
    except TypeError:  # something in it that cannot be a key: no text, then
        raise HoursError(faults(spec)) from None


def daily(span: str) -> Hours:
    """The hours of one span on every day, such as a policy's silent `21:00-07:00`. Raises HoursError."""
    return parse({day: [span] for day in DAYS})


def faults(spec: object) -> list[tuple[str, str]]:
    """Everything that is wrong with hours, as (sub-path, error); empty where `parse` would read them."""
    if isinstance(spec, str):
        return [] if spec == "always" else [("", 'must be "always" or spans by day')]
    if not isinstance(spec, Mapping):
        return [("", 'must be "always" or spans by day')]
    found: list[tuple[str, str]] = []
    for day, spans in spec.items():
        if day == "holidays":
            if spans != "closed":
                found.append(("holidays", 'can only be "closed"; left out, holidays are like any day'))
        elif day not in DAYS:
            found.append((str(day), f"is no day: {' '.join(DAYS)}, or holidays"))
        elif not isinstance(spans, list | tuple):
            found.append((day, 'must be a list of spans such as ["08:00-12:00"]'))
        elif len(spans) > _SPANS_A_DAY_MAX:
            found.append((day, f"has more than {_SPANS_A_DAY_MAX} spans"))
        else:
            for place, span in enumerate(spans):
                error = span_fault(span)
                if error:
                    found.append((f"{day}[{place}]", error))
    return found


def span_fault(span: object) -> str:
    """What is wrong with one span, in words; empty where nothing is."""
    if not isinstance(span, str):
        return "must be text such as 08:00-12:00"
    if _LOOKALIKES.search(span):
        return "has full-width or typographic signs: write it in plain ones, 08:00-12:00"
    match = _SPAN.fullmatch(span)
    if match is None:
        return f"{span[:40]!r} is no span such as 08:00-12:00"
    start, end = match.groups()
    if start == end:
        return f"{span} begins and ends at the same time: write 00:00-24:00 for a whole day"
    for text, top in ((start, _DAY_MINUTES - 1), (end, _DAY_MINUTES)):
        if int(text[3:]) > 59 or _minutes(text) > top:
            return "24:00 can only be an end" if text == "24:00" else f"{text} is no time of day"
    return ""


def _minutes(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


@lru_cache(maxsize=4096)
def _compile(frozen: tuple[tuple[str, Any], ...]) -> Hours:
    spec = dict(frozen)
    found = faults(spec)
    if found:
        raise HoursError(found)
    own: list[tuple[tuple[int, int], ...]] = []
    spill: list[int] = []
    for day in DAYS:
        spans: list[tuple[int, int]] = []
        over = 0
        for text in spec.get(day, ()):
            start, end = (_minutes(part) for part in text.split("-"))
            if start < end:
                spans.append((start, end))
            else:
                spans.append((start, _DAY_MINUTES))
                over = max(over, end)
        own.append(_merged(spans))
        spill.append(over)
    return Hours(tuple(own), tuple(spill), holidays_closed=spec.get("holidays") == "closed")


def _merged(spans: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return tuple(merged)
