"""Steps and deadlines: what happens when time passes and nobody has come.

A step that finds nobody able is not waited for: the next follows at once and the later ones move forward by the time
saved. After the last step it rings again and again, for ever; only an accept stops it.
"""

from __future__ import annotations

from collections.abc import Mapping

from dispatcher.core.call import (
    HELD,
    Accepted,
    Call,
    Dispatched,
    Due,
    Escalated,
    Lapsed,
    OfferState,
    Overdue,
    Skipped,
)
from dispatcher.core.draft import Draft
from dispatcher.core.fold import us
from dispatcher.core.route import Choice, World, again, choose, further, lost

#: So often it rings at the policy's pace; from then on five times as slowly, so that a forgotten call neither floods
#: the journal nor ever falls silent.
QUICK_REPEATS = 10
SLOW_FACTOR = 5


def first_step_us(call_policy_after: float, opened_us: int) -> int:
    """When the first step of a call is due."""
    return opened_us + us(call_policy_after)


def advance(draft: Draft, world: World, because: str) -> None:
    """Take the next step now, and go on over those that find nobody; after the last one, ring again."""
    while True:
        call = draft.now
        steps, step = call.policy.steps, call.step + 1
        if step >= len(steps):
            _ring_again(draft, world, because)
            return
        scheduled_us = call.steps_from_us + us(steps[step].after) - call.saved_us
        saved_us = call.saved_us + max(0, scheduled_us - draft.now_us)
        choice = choose(steps[step].to, call, world)
        next_us = _next_us(call, step, saved_us, draft.now_us) if choice.asked else draft.now_us
        if step > 0:
            expired = lost(call, world)
            draft.add(
                Escalated(step=step, because=because, next_us=next_us, saved_us=saved_us, expired=expired)
            )
        if choice.asked:
            _dispatch(draft, step, choice, next_us)
            return
        # Not waited for: the step after is taken in this same moment.
        last = step + 1 >= len(steps)
        draft.add(
            Skipped(
                step=step,
                reason=choice.nobody,
                saved_us=saved_us,
                next_us=_next_us(call, step, saved_us, draft.now_us) if last else draft.now_us,
            )
        )
        if last:
            gone = lost(draft.now, world)
            if not any(o.state is OfferState.OFFERED and o.to not in gone for o in draft.now.offers):
                # Nobody in the whole policy could be asked: then the desk is, always.
                desk = again(draft.now, world)
                _dispatch(draft, step, desk, _next_us(call, step, saved_us, draft.now_us))
            return
        because = "nobody"


def _next_us(call: Call, step: int, saved_us: int, now_us: int) -> int:
    steps = call.policy.steps
    if step + 1 < len(steps):
        return max(now_us, call.steps_from_us + us(steps[step + 1].after) - saved_us)
    return now_us + us(call.policy.repeat)


def _ring_again(draft: Draft, world: World, because: str) -> None:
    call = draft.now
    repeat = call.repeats + 1
    pause_us = us(call.policy.repeat) * (1 if repeat < QUICK_REPEATS else SLOW_FACTOR)
    next_us = draft.now_us + pause_us
    draft.add(
        Escalated(
            step=call.step,
            because=because,
            next_us=next_us,
            repeat=repeat,
            saved_us=call.saved_us,
            expired=lost(call, world),
        )
    )
    choice = again(draft.now, world)
    _dispatch(draft, call.step, choice, next_us)


def _dispatch(draft: Draft, step: int, choice: Choice, next_us: int | None) -> None:
    draft.add(
        Dispatched(
            step=step, asked=choice.asked, passed_over=choice.passed_over, tier=choice.tier, next_us=next_us
        )
    )


def lapse(draft: Draft, world: World, because: str, *, by: str = "", text: str = "") -> None:
    """The holder does not come: the call is everybody's again, and the next step is taken at once."""
    call = draft.now
    assert call.accepted is not None
    draft.add(Lapsed(because=because, station=call.accepted.station, by=by, text=text, next_us=draft.now_us))
    advance(draft, world, "released" if because == "released" else "lapsed")


def hand_to(draft: Draft, by: str, station: str, *, happened_us: int | None = None) -> None:
    """Somebody takes it; in this one fact everything else stops."""
    within_us = draft.now_us + us(draft.now.policy.en_route_within)
    draft.add(Accepted(by=by, station=station, within_us=within_us, happened_us=happened_us))


def fall_due(draft: Draft, world: World, waited: Mapping[str, int]) -> None:
    """Every deadline of the call that has passed, each once, in the order in which they fell due, however late we are.

    `waited`: those that count as passed although a clock that was put back says otherwise (`patience.py`), each with its
    moment: one that somebody has set anew since then is not meant.
    """
    passed = sorted(
        (moment, kind)
        for kind, moment in draft.now.deadlines.items()
        if moment <= draft.now_us or waited.get(kind) == moment
    )
    for moment, kind in passed:
        if draft.now.deadlines.get(kind) != moment:
            continue  # an earlier one has ended it: whoever lapsed cannot lapse again
        match kind:
            case Due.STEP:
                advance(draft, world, "time")
            case Due.EN_ROUTE_WITHIN | Due.REPRESS_WITHIN:
                lapse(draft, world, kind)
            case _:
                _overdue(draft, world, Due(kind))


def _overdue(draft: Draft, world: World, limit: Due) -> None:
    call = draft.now
    desk = world.roll.desk().id
    holder = call.accepted.station if call.state in HELD and call.accepted is not None else ""
    rings = tuple(dict.fromkeys(station for station in (holder, desk) if station))
    next_us = draft.now_us + us(call.policy.close_within) if limit is Due.CLOSE_WITHIN else None
    draft.add(Overdue(limit=limit, rings=rings, next_us=next_us))
    if limit is Due.ARRIVE_LIMIT:
        choice = further(draft.now, world)
        _dispatch(draft, max(draft.now.step, 0), choice, None)
