"""Silence, conditions, owners and deadlines, as tables."""

from __future__ import annotations

import pytest

from devices.signal import SignalType
from dispatcher.core.district import (
    Area,
    AreaKind,
    Device,
    District,
    Location,
    Resident,
    Station,
    StationKind,
)
from dispatcher.core.listening import Ears, LineUp
from dispatcher.core.roll import Roll
from dispatcher.core.supervise import (
    Fallen,
    Health,
    Many,
    News,
    are_many,
    deadline_seconds,
    home_of,
    left_seconds,
    news_of,
    patience_seconds,
)

LONG_OPEN = 1e9


@pytest.mark.parametrize(
    ("heartbeat", "silent", "open_for", "left"),
    [
        (60, 0, LONG_OPEN, 198),
        (60, 180, LONG_OPEN, 18),  # three missed are not enough: a clock may be a tenth wrong
        (60, 198, LONG_OPEN, 0),
        (900, 2700, LONG_OPEN, 270),
        # The line has only just come back: everybody has a heartbeat and a minute, whatever was before.
        (60, 198, 0, 126),
        (60, 198, 100, 26),
        (900, 99_999, 60, 990),
        # … but no longer than its whole patience, and no longer than an hour.
        (1, 3.3, 0, 3.3),
        (86_400, 400_000, 0, 3600),
        (86_400, 400_000, 3600, 0),
    ],
)
def test_how_long_it_may_still_be_silent(heartbeat, silent, open_for, left):
    assert max(0.0, left_seconds(heartbeat, silent, open_for)) == pytest.approx(left, abs=0.01)


@pytest.mark.parametrize("heartbeat", [1, 30, 60, 900, 86_400])
def test_two_missed_and_a_late_one_are_never_offline(heartbeat):
    assert patience_seconds(heartbeat) > 3 * heartbeat * 1.09


@pytest.mark.parametrize(
    ("told", "kind", "details", "news"),
    [
        ((), SignalType.HEARTBEAT, {}, []),
        ((), SignalType.HEARTBEAT, {"battery": 15}, []),
        ((), SignalType.HEARTBEAT, {"battery": 14.9}, [News("battery", on=True, detail="14.9 %")]),
        ((), SignalType.PRESS, {"battery": 3}, [News("battery", on=True, detail="3 %")]),
        (("battery",), SignalType.HEARTBEAT, {"battery": 3}, []),
        (("battery",), SignalType.HEARTBEAT, {"battery": 25}, []),
        (("battery",), SignalType.HEARTBEAT, {"battery": 25.1}, [News("battery", on=False)]),
        (("battery",), SignalType.HEARTBEAT, {"battery": None}, []),  # unknown is not 0, and not full
        (("battery",), SignalType.HEARTBEAT, {"battery": True}, []),
        ((), SignalType.BATTERY_LOW, {"battery": 80}, [News("battery", on=True, detail="80 %")]),
        ((), SignalType.BATTERY_OK, {}, []),
        (("battery",), SignalType.BATTERY_OK, {"battery": 3}, [News("battery", on=False)]),
        ((), SignalType.MAINS_LOST, {}, [News("mains", on=True)]),
        (("mains",), SignalType.MAINS_LOST, {}, []),
        (("mains",), SignalType.MAINS_RESTORED, {}, [News("mains", on=False)]),
        ((), SignalType.TAMPER, {}, [News("tamper", on=True)]),
        (("tamper",), SignalType.ONLINE, {}, []),  # a case is closed by a person
        (("offline",), SignalType.LOCATION, {}, [News("offline", on=False)]),
        (
            ("offline", "mains"),
            SignalType.MAINS_RESTORED,
            {},
            [News("offline", on=False), News("mains", on=False)],
        ),
    ],
)
def test_what_a_signal_changes(told, kind, details, news):
    health = Health()
    health.told = frozenset(told)
    assert news_of(health, kind, details) == news


@pytest.mark.parametrize(
    ("devices", "hubs", "many"), [(9, 0, False), (10, 0, True), (4, 4, False), (5, 5, True)]
)
def test_when_many_are_one(devices, hubs, many):
    assert are_many(devices, hubs) is many


def test_who_fell_silent_longer_than_a_minute_ago_is_not_counted():
    fallen = Fallen()
    for second in range(0, 100, 10):
        fallen.add(second, f"d{second}")
    assert fallen.within(100) == {f"d{second}" for second in range(40, 100, 10)}


@pytest.mark.parametrize(
    ("silent", "total", "over"), [(3, 20, False), (2, 20, True), (1, 10, True), (0, 1, True)]
)
def test_when_nearly_all_are_there_again(silent, total, over):
    assert Many({str(n) for n in range(silent)}, total, 0.0).over is over


# ── the clocks of the lines ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_closed_line_does_not_listen_and_a_machine_that_slept_did_not_either():
    ears = Ears(0.0, most_seconds=10)
    up, down = LineUp("mqtt", "native", True), LineUp("mqtt", "native", False)
    ears.listen(0, [up])
    ears.listen(5, [up])
    assert ears.reading("mqtt", 7) == 7
    ears.listen(10, [down])
    ears.listen(15, [down])
    assert ears.reading("mqtt", 1000) == 5
    ears.listen(20, [up])
    assert ears.of("mqtt", "").since == 20
    ears.listen(25, [up])
    assert ears.reading("mqtt", 25) == 10
    ears.listen(9_999, [up])  # nobody was there for hours
    assert ears.reading("mqtt", 9_999) == 20
    assert ears.reading("http", 9_999) == 5 * 5 + 10


def test_who_was_never_heard_is_on_the_line_that_was_open_the_least():
    ears = Ears(0.0, most_seconds=10)
    lines = [LineUp("a", "yj_line", True), LineUp("b", "yj_line", False), LineUp("mqtt", "native", True)]
    for now in range(0, 50, 5):
        ears.listen(now, lines)
    assert not ears.of("", "yj_line").open
    assert ears.of("", "native").total == 45
    assert ears.of("", "rflink").total == 45  # by no line that we know: like HTTP
    assert ears.of("gone", "yj_line").total == 45


# ── whose task it is, and by when ────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def roll():
    made = Roll(District(code="d1"))
    for code, kind, parent in (
        ("s1", AreaKind.STREET, "d1"),
        ("c1", AreaKind.COMMUNITY, "s1"),
        ("c2", AreaKind.COMMUNITY, "s1"),
        ("g1", AreaKind.GRID, "c1"),
        ("s2", AreaKind.STREET, "d1"),
    ):
        made.put(Area(code=code, kind=kind, parent=parent))
    for name, kind, area, lat in (
        ("far", StationKind.CARE_STATION, "c1", 34.05),
        ("near", StationKind.DAY_CARE, "c1", 34.01),
        ("centre", StationKind.STREET_CENTRE, "s1", 34.0),
        ("desk", StationKind.DISTRICT_DESK, "d1", 34.0),
    ):
        made.put(Station(id=name, kind=kind, area=area, location=Location(lat, 113.8)))
    for name, area in (("r-1", "c1"), ("r-2", "g1"), ("r-3", "c2"), ("r-4", "s2")):
        made.put(Resident(id=name, area=area, location=Location(34.0, 113.8)))
    return made


@pytest.mark.parametrize(
    ("resident", "area", "station"),
    [
        ("r-1", "c1", "near"),
        ("r-2", "g1", "near"),
        ("r-3", "c2", "centre"),
        ("r-4", "s2", "desk"),
        ("", "", "desk"),
        ("r-gone", "", "desk"),
    ],
)
def test_the_nearest_station_of_the_residents_area_or_of_the_one_above(roll, resident, area, station):
    home = home_of(roll, Device(id="d", resident=resident))
    assert (home.area, home.station) == (area, station)
    assert home.resident == (resident if area else "")


@pytest.mark.parametrize(
    ("fault", "resident", "serves", "hours"),
    [
        ("offline", "r-1", False, 2),
        ("offline", "", False, 24),
        ("offline", "", True, 2),  # a hub through which residents call
        ("mains", "r-1", False, 2),
        ("mains", "", False, 24),
        ("mains", "", True, 2),
        ("battery", "r-1", False, 24),
        ("tamper", "r-1", True, 24),
        ("retained", "r-1", False, 24),
        ("offline_many", "", False, 2),
        ("line_closed", "", False, 2),
    ],
)
def test_two_hours_where_a_life_depends_on_it(fault, resident, serves, hours):
    assert deadline_seconds(fault, Device(id="d", resident=resident), serves=serves) == hours * 3600
