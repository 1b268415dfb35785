"""The judge sees what it is there to see: one made-up journal that is good, and what can be wrong with it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from outside.harness import Event

from crash.judge import Plan, judge
from crash.swarm import Press

BEGAN = 1_000_000_000.0


def _at(seconds: float) -> str:
    return datetime.fromtimestamp(BEGAN + seconds, UTC).isoformat()


def _fact(name: str, seconds: float, step: int = 0) -> Event:
    state = {"step": step, "resident": {"id": "r"}, "key": "emergency"}
    cause = {"kind": "signal", "device": "d", "id": "p"}
    return Event(0, "", name, {"at": _at(seconds), "call": "c", "cause": cause, "state": state})


def _judged(facts: list[Event], presses: int = 1, away: tuple[tuple[float, float], ...] = ()) -> None:
    events = [
        Event(place, f"i{place}", fact.name, {**fact.data, "seq": place}) for place, fact in enumerate(facts)
    ]
    said = [Press("d", "p" * (number + 1), "emergency", "press", 0) for number in range(presses)]
    call = {"id": "c", "opened_at": _at(0), "presses": 1}
    judge(events, said, [call], Plan((0, 1, 2), 3600), away, until=BEGAN + 30)


OPENED = [_fact("call.opened", 0), _fact("call.dispatched", 0)]
FIRST, SECOND = _fact("call.escalated", 1, 1), _fact("call.escalated", 2, 2)


def test_a_good_journal_passes_and_so_does_one_with_a_span_in_it() -> None:
    _judged([*OPENED, FIRST, SECOND])
    _judged(
        [*OPENED, _fact("call.escalated", 20, 1), _fact("call.escalated", 20, 2)],
        away=((BEGAN + 0.7, BEGAN + 20),),
    )


@pytest.mark.parametrize(
    ("facts", "presses", "said"),
    [
        ([*OPENED, _fact("call.escalated", 0.5, 1), SECOND], 1, "early"),
        ([*OPENED, FIRST, _fact("call.escalated", 20, 2)], 1, "late"),
        ([*OPENED, FIRST], 1, "never came"),
        ([*OPENED, FIRST, FIRST, SECOND], 1, "where step 2 was due"),
        ([*OPENED, FIRST, SECOND, _fact("call.escalated", 2.1, 2)], 1, "early"),
        ([*OPENED, _fact("call.joined", 0), FIRST, SECOND], 1, "more than one call, or twice"),
        ([*OPENED, FIRST, SECOND], 2, "are in no call"),
        ([*OPENED, _fact("call.accepted", 0.5), FIRST], 1, "behind its accept"),
    ],
    ids=["early", "late", "left out", "twice", "a burst", "doubled", "lost", "behind the accept"],
)
def test_what_is_wrong_is_seen(facts: list[Event], presses: int, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        _judged(facts, presses)
