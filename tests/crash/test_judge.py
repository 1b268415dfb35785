"""The judge sees what it is there to see: one made-up town that is good, and each thing that can be wrong with it.

Two residents, a call each, one of them accepted and closed. Every case below changes one thing, as a defect would.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from outside.harness import Event

from crash.judge import LATE_SECONDS, Found, Plan, everybody_told, judge
from crash.swarm import Press

BEGAN = 1_000_000_000.0
PLAN = Plan((0, 1, 2), 3600)
END = 30.0


def _at(seconds: float) -> str:
    return datetime.fromtimestamp(BEGAN + seconds, UTC).isoformat()


def _fact(name: str, call: str, seconds: float, step: int = 0, cause: Any = None, offers: str = "") -> Event:
    """`offers`: a letter for each station that was asked, `o` for one that still is."""
    who = "r1" if call == "c1" else "r2"
    state = {
        "step": step,
        "resident": {"id": who},
        "key": "emergency",
        "dispatches": [
            {"station": f"st-{place}", "state": "offered" if letter == "o" else "withdrawn"}
            for place, letter in enumerate(offers)
        ],
    }
    at = {"at": _at(seconds), "call": call, "cause": cause or {"kind": "deadline"}, "state": state}
    return Event(0, "", name, at)


def _pressed(device: str, name: str) -> dict[str, str]:
    return {"kind": "signal", "device": device, "id": name}


def _told(device: str, name: str, call: str, key: str = "emergency") -> Press:
    receipts = [{"result": "stored", "call": call}, {"result": "duplicate", "call": call}]
    return Press(device, name, key, "press", 0, sent=2, receipts=receipts)


@dataclass
class Night:
    """All that the judge is shown."""

    facts: list[Event] = field(
        default_factory=lambda: [
            _fact("call.opened", "c1", 0, cause=_pressed("d1", "p1")),
            _fact("call.dispatched", "c1", 0, cause=_pressed("d1", "p1")),
            _fact("call.opened", "c2", 0.2, cause=_pressed("d3", "p2")),
            _fact("call.dispatched", "c2", 0.2, cause=_pressed("d3", "p2")),
            _fact("call.joined", "c1", 0.3, cause=_pressed("d2", "p3")),
            _fact("call.escalated", "c1", 1, 1),
            _fact("call.accepted", "c2", 1.1, cause={"kind": "command"}, offers="wa"),
            _fact("call.closed", "c2", 1.2, cause={"kind": "command"}),
            _fact("call.escalated", "c1", 2, 2),
        ]
    )
    presses: list[Press] = field(
        default_factory=lambda: [_told("d1", "p1", "c1"), _told("d3", "p2", "c2"), _told("d2", "p3", "c1")]
    )
    calls: list[dict[str, Any]] = field(
        default_factory=lambda: [
            {"id": "c1", "opened_at": _at(0), "presses": 2},
            {"id": "c2", "opened_at": _at(0.2), "presses": 1},
        ]
    )
    answered: list[tuple[str, str]] = field(
        default_factory=lambda: [("c2", "call.accepted"), ("c2", "call.closed")]
    )
    notified: Counter[str] = field(default_factory=lambda: Counter({"c1": 1, "c2": 2}))
    progress: list[tuple[str, str, str]] = field(
        default_factory=lambda: [("d1", "c1", "received"), ("d3", "c2", "accepted"), ("d3", "c2", "closed")]
    )
    away: tuple[tuple[float, float], ...] = ()
    gap: int = 0
    """So many numbers of the journal are left out in the middle."""

    def judged(self) -> Found:
        events = [
            Event(place, f"i{place}", fact.name, {**fact.data, "seq": place + self.gap * (place > 3)})
            for place, fact in enumerate(self.facts)
        ]
        owners = {"d1": "r1", "d2": "r1", "d3": "r2"}
        found = judge(events, self.presses, self.calls, PLAN, self.away, until=BEGAN + END, owners=owners)
        everybody_told(events, self.answered, self.notified, self.progress)
        return found

    def at(self, name: str, call: str = "c1", step: int = 0) -> int:
        """Where such a fact is."""
        return next(
            place
            for place, fact in enumerate(self.facts)
            if (fact.name, fact.call) == (name, call) and fact.state["step"] == step
        )

    def moved(self, step: int, seconds: float) -> None:
        """A step of the first call comes at another time, in its place of the journal."""
        del self.facts[self.at("call.escalated", step=step)]
        self.facts.append(_fact("call.escalated", "c1", seconds, step))
        self.facts.sort(key=lambda fact: fact.data["at"])


def test_a_good_town_passes() -> None:
    found = Night().judged()
    assert (found.presses, found.calls, found.steps, found.latest) == (3, 2, 2, 0)


def test_what_fell_due_while_nobody_was_there_is_due_at_the_end_of_that() -> None:
    case = Night(away=((BEGAN + 0.9, BEGAN + 20),))
    case.moved(1, 20)
    case.moved(2, 20)
    assert case.judged().latest == 0


def _lost(case: Night) -> None:
    del case.facts[case.at("call.joined")]
    case.calls[0]["presses"] = 1


def _lost_with_its_call(case: Night) -> None:
    case.facts = [fact for fact in case.facts if fact.call != "c2"]
    del case.calls[1]


def _nobodys_press(case: Night) -> None:
    case.facts.append(_fact("call.joined", "c1", 3, cause=_pressed("d2", "p9")))


def _joined_twice(case: Night) -> None:
    case.facts.append(case.facts[case.at("call.joined")])


def _in_two_calls(case: Night) -> None:
    case.facts.append(_fact("call.joined", "c2", 1, cause=_pressed("d2", "p3")))


def _second_open_call(case: Night) -> None:
    case.facts.append(_fact("call.opened", "c1", 3, cause=_pressed("d1", "p1")))


def _opened_its_own(case: Night) -> None:
    """The third press opens a call beside the open one of the same need."""
    fact = case.facts[case.at("call.joined")]
    case.facts[case.at("call.joined")] = Event(0, "", "call.opened", {**fact.data, "call": "c3"})
    case.presses[2].receipts = [{"result": "stored", "call": "c3"}]
    case.calls.append({"id": "c3", "opened_at": _at(0.3), "presses": 1})


def _joined_a_closed_one(case: Night) -> None:
    case.facts.append(_fact("call.joined", "c2", 3, cause=_pressed("d3", "p4")))
    case.presses.append(_told("d3", "p4", "c2"))


def _anothers_call(case: Night) -> None:
    case.facts[case.at("call.joined")] = _fact("call.joined", "c1", 0.3, cause=_pressed("d3", "p3"))
    case.presses[2] = _told("d3", "p3", "c1")


def _another_key(case: Night) -> None:
    case.presses[2].key = "service"


def _receipt_names_another(case: Night) -> None:
    case.presses[2].receipts[0]["call"] = "c2"


def _a_strangers(case: Night) -> None:
    case.presses[0].receipts[0]["result"] = "unknown_device"


def _sent_away(case: Night) -> None:
    case.presses[0].receipts[0]["result"] = "rejected"


def _counted_wrong(case: Night) -> None:
    case.calls[0]["presses"] = 3


def _not_in_the_list(case: Night) -> None:
    del case.calls[1]


def _gap(case: Night) -> None:
    case.gap = 1


def _never_asked(case: Night) -> None:
    del case.facts[case.at("call.dispatched")]


def _asked_twice(case: Night) -> None:
    case.facts.insert(case.at("call.dispatched"), case.facts[case.at("call.dispatched")])


def _early(case: Night) -> None:
    case.moved(1, 0.5)


def _late(case: Night) -> None:
    case.moved(2, 2.1 + LATE_SECONDS)


def _late_behind_a_span(case: Night) -> None:
    case.away = ((BEGAN + 0.9, BEGAN + 10),)
    case.moved(1, 10)
    case.moved(2, 10.1 + LATE_SECONDS)


def _left_out(case: Night) -> None:
    del case.facts[case.at("call.escalated", step=2)]


def _one_skipped(case: Night) -> None:
    del case.facts[case.at("call.escalated", step=1)]


def _step_twice(case: Night) -> None:
    case.facts.insert(case.at("call.escalated", step=2), case.facts[case.at("call.escalated", step=1)])


def _burst(case: Night) -> None:
    case.facts += [_fact("call.escalated", "c1", 2 + more / 10, 2) for more in (1, 2, 3)]


def _rings_behind_its_accept(case: Night) -> None:
    case.facts.append(_fact("call.escalated", "c2", 1.2, 1))


def _rings_behind_its_close(case: Night) -> None:
    case.facts.append(_fact("call.dispatched", "c2", 3))


def _still_asked(case: Night) -> None:
    case.facts[case.at("call.accepted", "c2")] = _fact("call.accepted", "c2", 1.1, offers="oa")


def _accepted_twice(case: Night) -> None:
    case.facts.insert(case.at("call.accepted", "c2"), case.facts[case.at("call.accepted", "c2")])


def _lapsed(case: Night) -> None:
    case.facts.append(_fact("call.lapsed", "c2", 1.15))


def _closed_by_a_timer(case: Night) -> None:
    case.facts[case.at("call.closed", "c2")] = _fact("call.closed", "c2", 1.2)


def _accept_is_gone(case: Night) -> None:
    case.answered.append(("c1", "call.accepted"))


def _nobody_notified(case: Night) -> None:
    del case.notified["c1"]


def _notified_of_nothing(case: Night) -> None:
    case.notified["c9"] = 1


def _wearer_told_of_nothing(case: Night) -> None:
    case.progress.append(("d1", "c9", "received"))


def _wearer_told_too_much(case: Night) -> None:
    case.progress.append(("d1", "c1", "accepted"))


def _another_wearer_told(case: Night) -> None:
    case.progress.append(("d1", "c2", "accepted"))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (_lost, "1 receipted presses are in no call"),
        (_lost_with_its_call, "1 receipted presses are in no call"),
        (_nobodys_press, "a press nobody made"),
        (_joined_twice, "more than one call, or twice"),
        (_in_two_calls, "more than one call, or twice"),
        (_second_open_call, "more than one call, or twice"),
        (_opened_its_own, "two open calls"),
        (_joined_a_closed_one, "which was closed"),
        (_anothers_call, "in a call of r1"),
        (_another_key, "of another key"),
        (_receipt_names_another, "a receipt names another call"),
        (_a_strangers, "what cannot be"),
        (_sent_away, "what cannot be"),
        (_counted_wrong, "c1"),
        (_not_in_the_list, "the list of calls and the journal differ"),
        (_gap, "gaps"),
        (_never_asked, "never happened"),
        (_asked_twice, "happened twice"),
        (_early, "early"),
        (_late, "late"),
        (_late_behind_a_span, "late"),
        (_left_out, "never came"),
        (_one_skipped, "where step 1 was due"),
        (_step_twice, "where step 2 was due"),
        (_burst, "early"),
        (_rings_behind_its_accept, "behind its accept"),
        (_rings_behind_its_close, "behind its close"),
        (_still_asked, "still asked"),
        (_accepted_twice, "accepted twice"),
        (_lapsed, "lost by its holder"),
        (_closed_by_a_timer, "was closed by"),
        (_accept_is_gone, "answered with success and never happened"),
        (_nobody_notified, "nobody was notified of 1 calls"),
        (_notified_of_nothing, "notified of a call that is not there"),
        (_wearer_told_of_nothing, "told of a call that is not there"),
        (_wearer_told_too_much, "no call.accepted"),
        (_another_wearer_told, "somebody else's call"),
    ],
    ids=lambda value: value.__name__.strip("_") if callable(value) else "",
)
def test_what_is_wrong_is_seen(wrong: Callable[[Night], None], said: str) -> None:
    case = Night()
    wrong(case)
    with pytest.raises(AssertionError, match=said):
        case.judged()
