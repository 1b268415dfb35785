"""Opening hours against a slow, plain reading of the same text, minute by minute, in zones that change their clocks."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.core.hours import ALWAYS, DAYS, HoursError, daily, faults, parse

SHANGHAI = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")
ZONES = ["Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]

# Around the clock changes of 2026 in those zones, and a plain day.
NIGHTS = [
    datetime(2026, 3, 29, tzinfo=UTC),
    datetime(2026, 10, 25, tzinfo=UTC),
    datetime(2026, 3, 8, tzinfo=UTC),
    datetime(2026, 11, 1, tzinfo=UTC),
    datetime(2026, 4, 4, tzinfo=UTC),
    datetime(2026, 10, 3, tzinfo=UTC),
    datetime(2026, 7, 1, tzinfo=UTC),
]


def naive_is_open(spec: dict[str, object], wall: datetime, holidays: frozenset[str]) -> bool:
    """The contract's words, read slowly: does any span of this day or of the day before hold this wall time?"""
    for back in (0, 1):
        day = wall.date() - timedelta(days=back)
        if spec.get("holidays") == "closed" and day.isoformat() in holidays:
            continue
        for span in spec.get(DAYS[day.weekday()], []):  # type: ignore[union-attr]
            begin, end = span.split("-")
            clock = f"{wall.hour:02}:{wall.minute:02}"
            if begin < end:
                if back == 0 and begin <= clock < end:
                    return True
            elif (back == 0 and clock >= begin) or (back == 1 and clock < end):
                return True
    return False


clocks = st.one_of(st.integers(0, 1439), st.sampled_from([0, 60, 90, 120, 150, 180, 1439])).map(
    lambda m: f"{m // 60:02}:{m % 60:02}"
)
spans = st.tuples(clocks, clocks | st.just("24:00")).filter(lambda p: p[0] != p[1]).map("-".join)
specs = st.dictionaries(st.sampled_from(DAYS), st.lists(spans, max_size=3), max_size=7).flatmap(
    lambda days: st.sampled_from([days, {**days, "holidays": "closed"}])
)
moments = st.builds(
    lambda night, minutes, seconds: night + timedelta(minutes=minutes, seconds=seconds),
    st.sampled_from(NIGHTS),
    st.integers(-2 * 1440, 2 * 1440),
    st.sampled_from([0, 0, 1, 59.999999]),
)
holiday_sets = st.lists(st.sampled_from(NIGHTS), max_size=3).map(
    lambda nights: frozenset(
        (night.date() + timedelta(days=n)).isoformat() for night in nights for n in (0, 1)
    )
)


@settings(max_examples=600)
@given(specs, moments, st.sampled_from(ZONES), holiday_sets)
def test_is_open_as_the_words_say(spec, moment, zone_name, holidays):
    zone = ZoneInfo(zone_name)
    assert parse(spec).is_open(moment, zone, holidays) == naive_is_open(
        spec, moment.astimezone(zone), holidays
    )


@settings(max_examples=60)
@given(specs, moments, st.sampled_from(ZONES), holiday_sets)
def test_next_change_is_the_first_minute_that_differs(spec, moment, zone_name, holidays):
    zone = ZoneInfo(zone_name)
    hours = parse(spec)
    now = naive_is_open(spec, moment.astimezone(zone), holidays)
    expected = None
    minute = moment.replace(second=0, microsecond=0) + timedelta(minutes=1)
    while minute <= moment + timedelta(days=8):
        if naive_is_open(spec, minute.astimezone(zone), holidays) is not now:
            expected = minute
            break
        minute += timedelta(minutes=1)
    assert hours.next_change(moment, zone, holidays) == expected


def shanghai(day: int, clock: str) -> datetime:
    hour, minute = clock.split(":")
    return datetime(2026, 11, day, int(hour), int(minute), tzinfo=SHANGHAI).astimezone(
        UTC
    )  # the 23rd is a monday


def test_a_span_runs_over_midnight_into_a_day_left_out():
    hours = parse({"mon": ["20:00-08:00"]})
    assert hours.is_open(shanghai(24, "07:59"), SHANGHAI)
    assert not hours.is_open(shanghai(24, "08:00"), SHANGHAI)
    assert not hours.is_open(shanghai(23, "07:59"), SHANGHAI)
    assert hours.next_change(shanghai(23, "20:30"), SHANGHAI) == shanghai(24, "08:00")


def test_sunday_night_runs_into_monday():
    assert parse({"sun": ["22:00-06:00"]}).is_open(shanghai(23, "05:00"), SHANGHAI)


def test_a_holiday_drops_its_own_spans_but_not_the_night_before():
    hours = parse({"mon": ["20:00-08:00"], "tue": ["09:00-12:00", "20:00-08:00"], "holidays": "closed"})
    tuesday = frozenset({"2026-11-24"})
    assert hours.is_open(shanghai(24, "02:00"), SHANGHAI, tuesday)
    assert not hours.is_open(shanghai(24, "10:00"), SHANGHAI, tuesday)
    assert not hours.is_open(shanghai(25, "02:00"), SHANGHAI, tuesday)


def test_the_hour_struck_twice_and_the_hour_left_out():
    hours = parse({"sun": ["02:00-03:00"]})
    # 25 October 2026: Berlin goes from 03:00 back to 02:00, so the hour lasts from 00:00 to 02:00 UTC.
    night = datetime(2026, 10, 25, tzinfo=UTC)
    assert [hours.is_open(night + timedelta(minutes=30 * n), BERLIN) for n in range(5)] == [True] * 4 + [
        False
    ]
    # 29 March 2026: the hour does not happen.
    night = datetime(2026, 3, 29, tzinfo=UTC)
    assert not any(hours.is_open(night + timedelta(minutes=m), BERLIN) for m in range(240))


def test_always_and_never():
    assert parse("always") is ALWAYS
    assert ALWAYS.is_open(shanghai(24, "03:00"), SHANGHAI, frozenset({"2026-11-24"}))
    assert ALWAYS.next_change(shanghai(24, "03:00"), SHANGHAI) is None
    assert not parse({}).is_open(shanghai(24, "12:00"), SHANGHAI)
    assert parse({"mon": []}).next_change(shanghai(24, "12:00"), SHANGHAI) is None
    assert daily("00:00-24:00").next_change(shanghai(24, "12:00"), SHANGHAI) is None


def test_the_same_content_is_read_once():
    assert parse({"mon": ["08:00-12:00"]}) is parse({"mon": ["08:00-12:00"]})


def test_daily():
    assert daily("21:00-07:00").is_open(shanghai(24, "06:59"), SHANGHAI)
    assert not daily("21:00-07:00").is_open(shanghai(24, "07:00"), SHANGHAI)


@pytest.mark.parametrize(
    ("spec", "path", "words"),
    [
        ("sometimes", "", "always"),
        (7, "", "always"),
        (None, "", "always"),
        ({"mon": ["08:00-25:00"]}, "mon[0]", "25:00 is no time of day"),
        ({"mon": ["08:00-12:60"]}, "mon[0]", "12:60 is no time of day"),
        ({"mon": ["08:00-12:00", "24:00-08:00"]}, "mon[1]", "only be an end"),
        ({"mon": ["24:01-08:00"]}, "mon[0]", "24:01 is no time of day"),
        ({"tue": ["08:00-08:00"]}, "tue[0]", "same time"),
        ({"tue": ["8:00-12:00"]}, "tue[0]", "no span"),
        ({"tue": ["08:00 - 12:00"]}, "tue[0]", "no span"),
        ({"tue": ["08：00-12：00"]}, "tue[0]", "plain"),
        ({"tue": ["08:00—12:00"]}, "tue[0]", "plain"),
        ({"tue": ["\uff10\uff18:00-12:00"]}, "tue[0]", "plain"),
        ({"tue": ["٠٨:00-12:00"]}, "tue[0]", "no span"),
        ({"tue": [800]}, "tue[0]", "text"),
        ({"tue": [["08:00-12:00"]]}, "tue[0]", "text"),
        ({"tue": "08:00-12:00"}, "tue", "list"),
        ({"tue": None}, "tue", "list"),
        ({"tue": ["08:00-12:00"] * 25}, "tue", "more than 24"),
        ({"Mon": []}, "Mon", "no day"),
        ({"holidays": "open"}, "holidays", "closed"),
        ({"holidays": ["closed"]}, "holidays", "closed"),
    ],
)
def test_errors_say_where_and_what(spec, path, words):
    with pytest.raises(HoursError) as caught:
        parse(spec)
    ((found, error),) = caught.value.faults
    assert found == path
    assert words in error
    assert isinstance(caught.value, ValueError)
    assert faults(spec) == caught.value.faults


def test_every_error_at_once():
    assert [path for path, _ in faults({"mon": ["x", "08:00-12:00", "y"], "foo": [], "holidays": 1})] == [
        "mon[0]",
        "mon[2]",
        "foo",
        "holidays",
    ]


def test_a_date_is_a_wall_date():
    hours = parse({**{day: ["00:00-24:00"] for day in DAYS}, "holidays": "closed"})
    # 1 October in Shanghai begins at 16:00 UTC of the day before.
    edge = datetime(2026, 9, 30, 16, tzinfo=UTC)
    holidays = frozenset({date(2026, 10, 1).isoformat()})
    assert hours.is_open(edge - timedelta(seconds=1), SHANGHAI, holidays)
    assert not hours.is_open(edge, SHANGHAI, holidays)
    assert hours.next_change(edge - timedelta(days=3), SHANGHAI, holidays) == edge
