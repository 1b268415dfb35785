"""A clock that is put back: what then lies too far ahead is waited for as long as it is, by a clock that goes on."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from dispatcher.core.call import Call, State
from dispatcher.core.patience import far_off, longest_us
from dispatcher.core.roll import DEFAULT_POLICIES
from dispatcher.ledger import Ledger
from dispatcher.put_back import PutBack

S = 1_000_000
T = 1_000_000 * S


def call(name="c-1", **more) -> Call:
    fields = {
        "id": name, "district": "d", "seq": 1, "state": State.RECEIVED, "key": "emergency", "kind": "press",
        "test": False, "device": None, "source": "native/b", "sources": ("native/b",), "resident": "r-1", "area": "",
        "by": "", "pressed_us": T, "opened_us": T, "policy": DEFAULT_POLICIES["emergency"], "step": 0,
        "deadlines": {"step": T + 60 * S, "close_within": T + 14400 * S},
    }  # fmt: skip
    return Call(**{**fields, **more})


def watch(*calls: Call) -> tuple[Ledger, list[float], PutBack]:
    ledger, now = Ledger(), [0.0]
    for one in calls:
        ledger.put(one)
    return ledger, now, PutBack(ledger, lambda: now[0])


def test_while_the_clock_goes_on_nothing_is_waited_for_but_the_clock():
    _, now, back = watch(call())
    for second in range(0, 7200, 7):
        now[0] = second
        assert not back.due(T + second * S)


@pytest.mark.parametrize("seconds", [63, 600, 86_400])
def test_put_back_what_was_left_of_a_step_is_waited_for_and_no_longer(seconds):
    _, now, back = watch(call())
    assert not back.due(T + 10 * S)
    now[0] = 1.0
    put_back_us = (10 - seconds) * S
    assert not back.due(T + put_back_us)
    now[0] = 49.9
    assert not back.due(T + put_back_us + 49 * S)
    now[0] = 50.0
    due = back.due(T + put_back_us + 49 * S)
    assert "step" in due["c-1"]
    assert "close_within" not in due["c-1"]
    now[0] = 14_401.0
    assert back.due(T + put_back_us + 14_400 * S)["c-1"] == call().deadlines


def test_noticed_late_it_has_been_waited_for_all_the_same():
    """Night 591: the desk waited for its disk, and 45 s later began to count the 30 anew."""
    _, now, back = watch(call())
    back.due(T + 50 * S)
    now[0] = 45.0
    assert "step" in back.due(T - 3600 * S)["c-1"]


def test_a_little_is_no_matter_and_a_new_deadline_goes_by_the_clock_again():
    ledger, now, back = watch(call())
    back.due(T)
    now[0] = 5.0
    back.due(T - 1 * S)
    now[0] = 64.0
    assert not back.due(T + 59 * S), "two seconds more than its length"
    back.due(T - 3600 * S)
    ledger.put(replace(call(), deadlines={"step": T - 3500 * S, "close_within": T + 7200 * S}))
    now[0] = 130.0
    assert not back.due(T - 3534 * S), "what was waited for is over, and what follows is in time"


def test_many_small_corrections_are_noticed_and_a_start_with_a_wrong_clock_too():
    _, now, back = watch(call(deadlines={"step": T + 60 * S}))
    clock = T - 3600 * S
    assert not back.due(clock), "read at the start, set by a clock that was an hour ahead"
    now[0] = 60.0
    assert back.due(clock + 60 * S)
    _, now, back = watch(call(deadlines={"step": T + 60 * S}))
    for second in range(100):
        now[0] = float(second)
        late = back.due(T - second * S // 2)
    assert late, "put back by half a second each second"


def test_they_are_looked_through_only_when_one_has_been_waited_for(monkeypatch):
    """There can be a hundred thousand, and a turn for every press."""
    _, now, back = watch(call())
    back.due(T)
    now[0] = 1.0
    back.due(T - 3600 * S)
    looked, look = [], back._waited_for
    monkeypatch.setattr(back, "_waited_for", lambda time: looked.append(time) or look(time))
    for second in range(2, 60):
        now[0] = float(second)
        assert not back.due(T + (second - 3600) * S)
    assert not looked
    now[0] = 60.0
    assert back.due(T - 3540 * S)
    assert back.due(T - 3540 * S), "until somebody decides it"
    assert looked == [60.0, 60.0]


def test_a_closed_call_is_forgotten():
    ledger, now, back = watch(call())
    back.due(T)
    now[0] = 1.0
    back.due(T - 3600 * S)
    ledger.put(replace(call(), state=State.CLOSED, deadlines={}))
    now[0] = 1000.0
    assert not back.due(T)
    assert not back._far


def test_how_long_each_is():
    policy = DEFAULT_POLICIES["emergency"]
    waits = [longest_us(call(step=step), "step") / S for step in (-1, 0, 1, 2, 3)]
    assert waits == [0, 60, 60, 60, 60]
    assert longest_us(call(step=3, repeats=10), "step") == 5 * 60 * S
    assert longest_us(call(), "en_route_within") == 120 * S
    assert {
        kind: longest_us(call(), kind) / S for kind in ("arrive_goal", "arrive_limit", "close_within")
    } == {
        "arrive_goal": policy.arrive_goal,
        "arrive_limit": policy.arrive_limit,
        "close_within": policy.close_within,
    }
    assert not far_off(call(), T)
    assert far_off(call(), T - 100 * S) == {"step": 60 * S, "close_within": 14400 * S}
