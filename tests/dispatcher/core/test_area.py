"""Which area is struck: by number and by share, the widest one, and never two within each other."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.area import (
    CALM_AGAIN_SECONDS,
    CALM_SECONDS,
    LEVELS,
    NETWORK,
    POWER,
    Calm,
    Down,
    Home,
    homes_in,
    kind_of,
    path,
    station_for,
    struck,
)
from dispatcher.core.district import (
    Area,
    AreaKind,
    Device,
    District,
    Resident,
    Station,
    StationKind,
)
from dispatcher.core.listening import Ears, LineUp
from dispatcher.core.roll import Roll

STREETS, COMMUNITIES = 3, 4


def roll_of(homes: list[int]) -> Roll:
    """Three streets of four communities, each with so many homes; the first has two grids that share its homes."""
    roll = Roll(District(code="d"))
    for s in range(STREETS):
        roll.put(Area(code=f"s{s}", kind=AreaKind.STREET, parent="d"))
        for c in range(COMMUNITIES):
            code = f"s{s}c{c}"
            roll.put(Area(code=code, kind=AreaKind.COMMUNITY, parent=f"s{s}"))
            for n in range(homes[s * COMMUNITIES + c]):
                area = code
                if (s, c) == (0, 0):
                    area = f"g{n % 2}"
                    roll.put(Area(code=area, kind=AreaKind.GRID, parent=code))
                roll.put(Resident(id=f"r-{code}-{n}", name="x", area=area))
                roll.put(Device(id=f"b-{code}-{n}", resident=f"r-{code}-{n}"))
    return roll


def downs_of(roll: Roll, counts: list[int], dark: bool | None = None, seed: int = 1) -> list[Down]:
    """So many homes of each community are down."""
    chance = random.Random(seed)
    found = []
    for place, count in enumerate(counts):
        code = f"s{place // COMMUNITIES}c{place % COMMUNITIES}"
        mine = [one for one in roll.residents.values() if one.id.startswith(f"r-{code}-")]
        for one in mine[:count]:
            said = chance.random() < 0.5 if dark is None else dark
            found.append(Down(f"native/b{one.id[1:]}", (Home(one.id, one.area),), said))
    return found


sizes = st.lists(st.integers(0, 40), min_size=12, max_size=12)


@given(sizes, sizes, st.integers(0, 9))
def test_what_is_struck_is_struck_in_number_and_share_and_none_lies_in_another(homes, counts, seed):
    roll = roll_of(homes)
    everybody = homes_in(roll)
    downs = downs_of(roll, counts, seed=seed)
    found = struck(roll, everybody, downs)
    assert sorted(found) == sorted(struck(roll, everybody, downs[::-1])), (
        "the order they came in is no matter"
    )
    for one in found:
        inside = [down for down in downs if one.area in path(roll, down.homes[0].area)]
        level = LEVELS[kind_of(roll, one.area)]
        assert len(inside) >= level.homes
        assert len(inside) >= level.share * everybody[one.area]
        assert one.sources == {down.source for down in inside}
        said = sum(down.dark for down in inside)
        assert one.kind == (POWER if said >= len(inside) / 4 else NETWORK)
    for one in found:
        for other in found:
            assert one is other or one.area not in path(roll, other.area)
    # And nobody is missed: a community that is struck is in one of them.
    for place, count in enumerate(counts):
        code = f"s{place // COMMUNITIES}c{place % COMMUNITIES}"
        down = min(count, homes[place])
        if down >= 5 and down >= 0.3 * homes[place]:
            assert any(one.area in path(roll, code) or code in path(roll, one.area) for one in found)


@given(sizes, sizes)
def test_more_that_are_down_never_make_less_of_it(homes, counts):
    roll = roll_of(homes)
    everybody = homes_in(roll)
    fewer = struck(roll, everybody, downs_of(roll, counts, dark=True))
    more = struck(roll, everybody, downs_of(roll, [count + 3 for count in counts], dark=True))
    before = {source for one in fewer for source in one.sources}
    assert before <= {source for one in more for source in one.sources} | before
    for (
        one
    ) in fewer:  # what was struck is struck still: itself, a wider one, or a part that is nearly all of it
        assert any(one.area in path(roll, now.area) or now.area in path(roll, one.area) for now in more)


@pytest.mark.parametrize(
    ("counts", "dark", "areas"),
    [
        ([0, 4], True, []),
        ([0, 5], True, []),  # five of twenty are too small a part
        ([0, 6], True, ["s0c1"]),
        ([0, 20, 20, 20], True, ["s0"]),
        ([0, 20, 0, 0, 0, 20], True, ["s0c1", "s1c1"]),
        ([0, 20, 1, 0], True, ["s0c1"]),
        ([20] * 12, True, ["d"]),
        ([20] * 12, False, ["d"]),
        ([6], True, ["s0c0"]),
    ],
)
def test_of_areas_within_each_other_it_is_the_widest_that_fits(counts, dark, areas):
    roll = roll_of([20] * 12)
    found = struck(roll, homes_in(roll), downs_of(roll, counts, dark=dark))
    assert [one.area for one in found] == areas


def test_one_hub_that_takes_sixty_homes_with_it_is_one_hub():
    roll = roll_of([60] + [0] * 11)
    homes = tuple(Home(one.id, one.area) for one in roll.residents.values())
    assert struck(roll, homes_in(roll), [Down("yj_line/hub", homes, dark=True)]) == []
    three = [Down(f"yj_line/hub-{n}", homes[n::3], dark=True) for n in range(3)]
    assert [one.area for one in struck(roll, homes_in(roll), three)] == ["s0c0"]


def test_whose_task_it_is():
    roll = roll_of([1] * 12)
    roll.put(Station(id="desk", kind=StationKind.DISTRICT_DESK, area="s0"))
    roll.put(Station(id="centre", kind=StationKind.STREET_CENTRE, area="s1"))
    roll.put(Station(id="near", kind=StationKind.CARE_STATION, area="s1c1"))
    assert [station_for(roll, area) for area in ("s1c1", "s1c2", "s1", "s0c1", "d", "gone")] == [
        "near", "centre", "centre", "desk", "desk", "desk",
    ]  # fmt: skip


def test_it_is_well_when_it_has_lasted_and_for_longer_where_it_came_and_went():
    calm = Calm()
    assert not calm.lasts(0, well=False)
    assert not calm.lasts(10, well=True)
    assert not calm.lasts(9 + CALM_SECONDS, well=True)
    assert calm.lasts(10 + CALM_SECONDS, well=True)
    calm = Calm()
    calm.lasts(0, well=True)
    calm.lasts(1, well=False)
    calm.lasts(2, well=True)
    assert not calm.lasts(2 + CALM_SECONDS, well=True)
    assert calm.lasts(2 + CALM_AGAIN_SECONDS, well=True)
    assert not Calm(again=True).lasts(0, well=True)


def test_whoever_may_have_spoken_in_vain_has_not_been_silent():
    ears = Ears(0, 10)
    for now, refused in ((0, 3), (5, 3), (10, 900), (15, 901), (20, 901)):
        ears.listen(now, [LineUp("mqtt", "native", True, 1, refused)])
    assert ears.of("mqtt", "native").total == 10
    assert ears.of("", "native").total == 10


def test_a_line_that_was_away_between_two_looks_has_come_back_and_is_forgiven_once_in_ten_minutes():
    ears = Ears(0, 10)
    ears.listen(0, [LineUp("mqtt", "native", False, 0)])
    ears.listen(5, [LineUp("mqtt", "native", True, 1)])
    line = ears.of("mqtt", "native")
    assert line.again < 0, "the first time is a beginning"
    ears.listen(10, [LineUp("mqtt", "native", True, 2)])
    assert line.again == 10
    ears.listen(15, [LineUp("mqtt", "native", False, 2)])
    ears.listen(20, [LineUp("mqtt", "native", True, 3)])
    assert line.again == 10
    ears.listen(700, [LineUp("mqtt", "native", True, 4)])
    assert line.again == 700
