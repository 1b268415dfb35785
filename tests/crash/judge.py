"""What is held against the journal at the end: every press in one call, every due step once and in its time.

    found = judge(events, presses, calls, plan, away)
    everybody_told(events, answered, told)        what staff were answered, who was notified, what wearers heard

`away` are the spans in which something that is needed was not there, in seconds since 1970: what falls due in one of
them is due at its end. Nothing may come early, nothing twice, and what is late must not be followed by all that it was
late for: from one ringing to the next the policy's pause goes by.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from outside.harness import Event
from patience import PATIENCE

from crash.swarm import Press

#: A step may come so many seconds late on a machine that does other work, or behind the end of a span.
LATE_SECONDS = 3.0 * PATIENCE
#: What was due so shortly before a span may not have been done when it began.
ABOUT_SECONDS = 0.5 * PATIENCE
#: A moment is told in microseconds and reckoned in floats.
EARLY_SECONDS = 0.005
#: From then on it rings five times as slowly: `contract.md`, section 7.
QUICK_REPEATS = 10

#: What has happened when a wearer is told that state.
_TOLD_BY = {"received": "call.opened", "accepted": "call.accepted", "closed": "call.closed"}

Spans = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Plan:
    """When the policy of these calls asks whom: seconds after the opening, then the pause between two ringings."""

    steps: tuple[float, ...]
    repeat: float

    def due(self, opened: float, rung: Sequence[float]) -> float:
        """When the next ringing is due, `rung` being when each one since step 0 was."""
        number = len(rung) + 1
        if number < len(self.steps):
            return opened + self.steps[number]
        before = number - len(self.steps)
        slow = 5 if before >= QUICK_REPEATS else 1
        return rung[-1] + self.repeat * slow


@dataclass
class Found:
    """What there was, for the table."""

    presses: int = 0
    calls: int = 0
    steps: int = 0
    late: list[float] = field(default_factory=list)
    """Of each step the seconds behind its due moment, or behind the end of the span that moment was in."""

    @property
    def latest(self) -> float:
        """The latest of them."""
        return round(max(self.late, default=0.0), 2)


def seconds(told: str) -> float:
    """A moment as the outside tells it, in seconds since 1970."""
    return datetime.fromisoformat(told).timestamp()


def behind(moment: float, away: Spans) -> float:
    """The moment, or the end of the span it is in, or was about to be done in."""
    for begin, end in sorted(away):
        if begin - ABOUT_SECONDS <= moment <= end:
            moment = end
    return moment


def judge(
    events: list[Event],
    presses: list[Press],
    calls: list[dict[str, Any]],
    plan: Plan,
    away: Spans = (),
    *,
    until: float | None = None,
    owners: Mapping[str, str] | None = None,
) -> Found:
    """Hold the journal and the calls against what the devices said and were told, and against the clock.

    `until`: when the calls were read, in seconds since 1970; from then on nothing can be missing. `owners`: whose
    device it is.
    """
    the_journal(events)
    as_receipted(presses)
    by_call = presses_in_calls(events, presses, calls)
    one_open_call_each(events)
    where_they_belong(events, presses, owners or {})
    found = Found(len(presses), len(calls))
    for call in calls:
        one_life(call, by_call[call["id"]])
        in_time(call, by_call[call["id"]], plan, away, until or seconds(events[-1].data["at"]), found)
    return found


def the_journal(events: list[Event]) -> None:
    """Each fact once, and no number left out."""
    ids = [event.id for event in events]
    assert len(ids) == len(set(ids)), "a fact came twice on the stream"
    seqs = [event.data["seq"] for event in events]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs))), "the journal has gaps"


def as_receipted(presses: list[Press]) -> None:
    """No button of the register is a stranger's, and none was sent away."""
    wrong = [
        (press.device, press.id, receipt["result"])
        for press in presses
        for receipt in press.receipts
        if receipt["result"] not in {"stored", "duplicate", "busy"}
    ]
    assert not wrong, f"{len(wrong)} receipts say what cannot be: {wrong[:3]}"


def presses_in_calls(
    events: list[Event], presses: list[Press], calls: list[dict[str, Any]]
) -> defaultdict[str, list[Event]]:
    """Every press in exactly one call, the one its receipts named; the facts of each call."""
    homes: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    by_call: defaultdict[str, list[Event]] = defaultdict(list)
    for event in events:
        if event.call:
            by_call[event.call].append(event)
        if event.name in {"call.opened", "call.joined"}:
            homes[event.data["cause"]["device"], event.data["cause"]["id"]].append(event.call or "")

    lost = [p for p in presses if (p.device, p.id) not in homes]
    assert not lost, f"{len(lost)} receipted presses are in no call: {lost[:3]}"
    doubled = {name: home for name, home in homes.items() if len(home) != 1}
    assert not doubled, (
        f"{len(doubled)} presses are in more than one call, or twice: {list(doubled.items())[:3]}"
    )
    assert set(homes) == {(p.device, p.id) for p in presses}, "a press nobody made"
    for press in presses:
        assert press.calls <= {homes[press.device, press.id][0]}, f"a receipt names another call: {press}"
    assert {call["id"] for call in calls} == set(by_call), "the list of calls and the journal differ"
    return by_call


def one_open_call_each(events: list[Event]) -> None:
    """Nobody has two open calls of one key."""
    open_by_need: dict[tuple[str, str], str] = {}
    for event in events:
        if event.name == "call.opened":
            need = (event.state["resident"]["id"], event.state["key"])
            assert need not in open_by_need, (
                f"{need} has two open calls: {open_by_need[need]} and {event.call}"
            )
            open_by_need[need] = event.call or ""
        elif event.name == "call.closed":
            del open_by_need[event.state["resident"]["id"], event.state["key"]]


def where_they_belong(events: list[Event], presses: list[Press], owners: Mapping[str, str]) -> None:
    """A press is in a call of its own resident and of its own key, and in none that was closed."""
    keys = {(press.device, press.id): press.key for press in presses}
    closed: set[str | None] = set()
    for event in events:
        if event.name == "call.closed":
            closed.add(event.call)
        if event.name not in {"call.opened", "call.joined"}:
            continue
        device, name = event.data["cause"]["device"], event.data["cause"]["id"]
        resident, key = event.state["resident"]["id"], event.state["key"]
        assert event.call not in closed, f"{name} of {device} joined {event.call}, which was closed"
        assert owners.get(device, resident) == resident, f"{name} of {device} is in a call of {resident}"
        assert keys[device, name] == key, f"{name} of {device} is in a call of another key: {key}"


def one_life(call: dict[str, Any], facts: list[Event]) -> None:
    """Opened once, accepted and closed at most once, and nothing rings behind the accept."""
    names = [fact.name for fact in facts]
    assert names.count("call.opened") == 1, names
    assert call["presses"] == 1 + names.count("call.joined"), call["id"]
    first = [fact for fact in facts if fact.name == "call.dispatched" and fact.state["step"] == 0]
    assert len(first) >= 1, f"step 0 of {call['id']} never happened: {names}"
    if "call.escalated" in names:
        before = names[: names.index("call.escalated")]
        assert before.count("call.dispatched") == 1, f"step 0 of {call['id']} happened twice: {names}"
    if "call.accepted" in names:
        accepted = names.index("call.accepted")
        assert "call.escalated" not in names[accepted:], f"{call['id']} escalated behind its accept: {names}"
        left = [
            offer["station"] for offer in facts[accepted].state["dispatches"] if offer["state"] == "offered"
        ]
        assert not left, f"{call['id']} was accepted, and these are still asked: {left}"
    assert names.count("call.accepted") <= 1, f"{call['id']} was accepted twice: {names}"
    assert names.count("call.closed") <= 1, f"{call['id']} was closed twice: {names}"
    assert not {"call.lapsed", "call.reopened"} & set(names), f"{call['id']} was lost by its holder: {names}"
    if "call.closed" in names:
        end = names.index("call.closed")
        assert not {"call.escalated", "call.dispatched"} & set(names[end:]), (
            f"{call['id']} rings behind its close: {names}"
        )
        closed = facts[end]
        assert closed.data["cause"]["kind"] == "command", f"{call['id']} was closed by {closed.data['cause']}"


def everybody_told(
    events: list[Event],
    answered: Collection[tuple[str, str]],
    notified: Counter[str],
    progress: Collection[tuple[str, str, str]],
) -> None:
    """Nothing that was answered with success is gone, everybody heard of every call, and nobody of one that is not.

    `answered`: call and fact that a 200 told of; `notified`: how often somebody was sent each call's opening;
    `progress`: device, call and state that a wearer was told.
    """
    happened = Counter((event.call, event.name) for event in events)
    lost = [answer for answer in answered if not happened[answer]]
    assert not lost, f"{len(lost)} commands were answered with success and never happened: {lost[:3]}"
    known = {event.call for event in events if event.name == "call.opened"}
    unheard = sorted(call for call in known if call and not notified[call])
    assert not unheard, f"nobody was notified of {len(unheard)} calls: {unheard[:3]}"
    assert notified.keys() <= known, "somebody was notified of a call that is not there"
    devices = defaultdict(set)
    for event in events:
        if event.name in {"call.opened", "call.joined"}:
            devices[event.call].add(event.data["cause"]["device"])
    for device, call, state in progress:
        assert call in known, f"a wearer was told of a call that is not there: {call}"
        assert device in devices[call], f"the wearer of {device} was told of somebody else's call {call}"
        told = _TOLD_BY[state]
        assert happened[call, told], f"the wearer of {device} was told {state!r} of {call}: no {told}"


def in_time(
    call: dict[str, Any], facts: list[Event], plan: Plan, away: Spans, until: float, found: Found
) -> None:
    """Every due step exactly once: not early, not late, none left out, none that the policy does not have."""
    opened = seconds(call["opened_at"])
    rung: list[float] = []
    for fact in facts:
        if fact.name == "call.accepted":
            until = min(until, seconds(fact.data["at"]))
        if fact.name != "call.escalated":
            continue
        step = min(len(rung) + 1, len(plan.steps) - 1)
        assert fact.state["step"] == step, (
            f"{call['id']} made step {fact.state['step']} where step {step} was due"
        )
        due, at = plan.due(opened, rung), seconds(fact.data["at"])
        assert at >= due - EARLY_SECONDS, (
            f"step {step} of {call['id']} came {due - at:.3f} s early, as number {len(rung) + 1}"
        )
        late = min(at - due, max(0.0, at - behind(due, away)))
        assert late <= LATE_SECONDS, (
            f"step {step} of {call['id']} came {late:.1f} s late: due {due:.2f}, at {at:.2f}, away {away}"
        )
        found.late.append(late)
        rung.append(at)
    found.steps += len(rung)
    due = behind(plan.due(opened, rung), away)
    assert due + LATE_SECONDS >= until, (
        f"ringing number {len(rung) + 1} of {call['id']} was due {until - due:.1f} s before the end and never came"
    )
