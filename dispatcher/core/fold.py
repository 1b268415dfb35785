"""The fold: a call before a fact, a call after it.

Deadlines included: they follow from the facts, so that a journal read again gives the same call to the microsecond.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from dispatcher.core.call import (
    Accepted,
    AlertFact,
    AnyFact,
    Call,
    CancelRequested,
    Closed,
    Closing,
    Declined,
    Dispatched,
    Done,
    Due,
    EnRoute,
    Entry,
    Escalated,
    FollowedUp,
    Holder,
    Joined,
    Lapsed,
    Offer,
    OfferState,
    OnScene,
    Opened,
    Overdue,
    PassedOver,
    Reopened,
    Seen,
    Skipped,
    Spoke,
    SpokeWith,
    State,
)
from dispatcher.core.states import Impossible, after

#: How many stations passed over a call remembers: the nearest are the ones people ask about.
PASSED_OVER_MAX = 30
#: How many pairs of eyes a call remembers between two presses.
SEEN_MAX = 50

#: How many devices of one call are told how it goes.
SOURCES_MAX = 8

#: The graver kind names the call: a fall that follows a press makes it a fall.
_GRAVITY = ("manual", "inactivity", "press", "fall", "hazard")


def us(seconds: float) -> int:
    """Seconds as microseconds."""
    return round(seconds * 1_000_000)


def fold(call: Call | None, entry: Entry) -> Call:
    """The call after this entry. Raises Impossible where the fact does not fit."""
    fact, at_us = entry.fact, entry.at_us
    if call is None:
        if not isinstance(fact, Opened) or entry.call is None:
            raise Impossible(State.RECEIVED, entry.name)
        return _opened(entry.call, entry, fact)
    if isinstance(fact, AlertFact | FollowedUp):
        return (
            call  # who was told, and how she was a day later, is no part of the call: its row stays as it is
        )
    state = after(call.state, entry.name)
    return _apply(replace(call, seq=entry.seq), state, fact, at_us)


def refold(entries: Iterable[Entry]) -> dict[str, Call]:
    """Every call of these entries, folded from nothing."""
    calls: dict[str, Call] = {}
    for entry in entries:
        if entry.call is not None:
            calls[entry.call] = fold(calls.get(entry.call), entry)
    return calls


def _opened(call_id: str, entry: Entry, fact: Opened) -> Call:
    policy, at_us = fact.policy, entry.at_us
    return Call(
        id=call_id,
        district=entry.district,
        seq=entry.seq,
        state=State.RECEIVED,
        key=fact.key,
        kind=fact.kind,
        test=fact.test,
        device=fact.device,
        source=fact.source,
        sources=(fact.source,) if fact.source else (),
        resident=fact.resident,
        area=fact.area,
        by=fact.by,
        pressed_us=fact.pressed_us,
        opened_us=at_us,
        policy=policy,
        steps_from_us=at_us,
        deadlines={Due.STEP: fact.next_us, Due.CLOSE_WITHIN: at_us + us(policy.close_within)}
        | _arrival(call_policy=fact, at_us=at_us),
    )


def _arrival(*, call_policy: Opened | Call, at_us: int) -> dict[str, int]:
    policy = call_policy.policy
    limits = {Due.ARRIVE_GOAL: policy.arrive_goal, Due.ARRIVE_LIMIT: policy.arrive_limit}
    return {kind: at_us + us(seconds) for kind, seconds in limits.items() if seconds is not None}


def _without(deadlines: dict[str, int], *kinds: Due, **new: int | None) -> dict[str, int]:
    left = {kind: moment for kind, moment in deadlines.items() if kind not in kinds}
    left.update({kind: moment for kind, moment in new.items() if moment is not None})
    return left


def _marked(call: Call, to: str, state: OfferState) -> tuple[Offer, ...]:
    return tuple(replace(offer, state=state) if offer.to == to else offer for offer in call.offers)


def _withdrawn(call: Call, but: str = "") -> tuple[Offer, ...]:
    return tuple(
        replace(offer, state=OfferState.WITHDRAWN)
        if offer.state is OfferState.OFFERED and offer.to != but
        else offer
        for offer in call.offers
    )


def _joined(sources: tuple[str, ...], source: str) -> tuple[str, ...]:
    return sources if not source or source in sources or len(sources) >= SOURCES_MAX else (*sources, source)


def _apply(call: Call, state: State, fact: AnyFact, at_us: int) -> Call:
    d = call.deadlines
    match fact:
        case Joined():
            kind = max(call.kind, fact.kind, key=_GRAVITY.index)
            repress_us = fact.repress_us
            if repress_us is not None:
                repress_us = min(repress_us, d.get(Due.REPRESS_WITHIN, repress_us))
            return replace(
                call,
                state=state,
                kind=kind,
                presses=call.presses + 1,
                sources=_joined(call.sources, fact.source),
                cancel_requested=False,  # who presses again takes the cancel back
                seen_by=(),
                deadlines=_without(d, repress_within=repress_us),
            )
        case CancelRequested():
            return replace(call, cancel_requested=True)
        case Dispatched():
            return _dispatched(call, fact, at_us)
        case Escalated():
            expired = set(fact.expired)
            offers = tuple(
                replace(o, state=OfferState.EXPIRED) if o.to in expired else o for o in call.offers
            )
            return replace(
                call,
                step=fact.step,
                repeats=fact.repeat,
                saved_us=fact.saved_us,
                offers=offers,
                deadlines=_without(d, step=fact.next_us),
            )
        case Skipped():
            return replace(
                call, step=fact.step, saved_us=fact.saved_us, deadlines=_without(d, step=fact.next_us)
            )
        case Accepted():
            happened = fact.happened_us or at_us
            before = call.accepted
            offers = _withdrawn(call, but=fact.station)
            offers = tuple(
                replace(o, state=OfferState.ACCEPTED)
                if o.to == fact.station
                else (
                    replace(o, state=OfferState.WITHDRAWN)
                    if before is not None and o.to == before.station
                    else o
                )
                for o in offers
            )
            new = {"en_route_within": fact.within_us} if state is State.ACCEPTED else {}
            return replace(
                call,
                state=state,
                accepted=Holder(by=fact.by, station=fact.station, at_us=happened),
                former=None,
                repeats=0,  # should it lapse, it rings at the quick pace again
                en_route=call.en_route if state is State.ON_SCENE else None,
                offers=offers,
                deadlines=_without(d, Due.STEP, Due.EN_ROUTE_WITHIN, Due.REPRESS_WITHIN, **new),
            )
        case Declined():
            return replace(call, offers=_marked(call, fact.station, OfferState.DECLINED))
        case Lapsed():
            mark = OfferState.DECLINED if fact.because == "released" else OfferState.EXPIRED
            return replace(
                call,
                state=state,
                former=call.accepted,
                accepted=None,
                en_route=None,
                on_scene=None,
                offers=_marked(call, fact.station, mark),
                deadlines=_without(d, Due.EN_ROUTE_WITHIN, Due.REPRESS_WITHIN, step=fact.next_us),
            )
        case SpokeWith():
            spoke = Spoke(by=fact.by, at_us=fact.happened_us or at_us, result=fact.result)
            return replace(call, spoke=spoke, deadlines=_without(d, en_route_within=fact.within_us))
        case EnRoute():
            done = Done(by=fact.by, at_us=fact.happened_us or at_us)
            return replace(call, state=state, en_route=done, deadlines=_without(d, Due.EN_ROUTE_WITHIN))
        case OnScene():
            done = Done(by=fact.by, at_us=fact.happened_us or at_us, proof=fact.proof)
            return replace(
                call,
                state=state,
                on_scene=done,
                deadlines=_without(d, Due.EN_ROUTE_WITHIN, Due.ARRIVE_GOAL, Due.ARRIVE_LIMIT),
            )
        case Overdue():
            return replace(call, deadlines=_without(d, Due(fact.limit), **{fact.limit: fact.next_us}))
        case Seen():
            seen_by = call.seen_by if fact.by in call.seen_by else (*call.seen_by, fact.by)[-SEEN_MAX:]
            gone = (Due.REPRESS_WITHIN,) if fact.by_holder else ()
            return replace(call, seen_by=seen_by, deadlines=_without(d, *gone))
        case Closed():
            closing = Closing(
                by=fact.by,
                at_us=fact.happened_us or at_us,
                outcome=fact.outcome,
                evidence=fact.evidence,
                text=fact.text,
                of=fact.of,
            )
            return replace(call, state=state, closed=closing, offers=_withdrawn(call), deadlines={})
        case Reopened():
            deadlines = {Due.STEP: fact.next_us, Due.CLOSE_WITHIN: at_us + us(call.policy.close_within)}
            return replace(
                call,
                state=state,
                test=False,  # whoever reopens a test says it was none
                former=call.accepted,
                accepted=None,
                en_route=None,
                on_scene=None,
                closed=None,
                offers=_marked(call, call.accepted.station, OfferState.WITHDRAWN)
                if call.accepted is not None
                else call.offers,
                step=-1,
                repeats=0,
                saved_us=0,
                steps_from_us=at_us,
                deadlines=deadlines | _arrival(call_policy=call, at_us=at_us),
            )
        case _:  # transferred, noted, test.passed: nothing about the call itself
            return replace(call, state=state)


def _dispatched(call: Call, fact: Dispatched, at_us: int) -> Call:
    offers = list(call.offers)
    places = {offer.to: index for index, offer in enumerate(offers)}
    for asked in fact.asked:
        index = places.get(asked.to)
        if index is None:
            offers.append(
                Offer(
                    to=asked.to,
                    at_us=at_us,
                    last_us=at_us,
                    reason=asked.reason,
                    person=asked.person,
                    travel_seconds=asked.travel_seconds,
                    distance_m=asked.distance_m,
                )
            )
        else:
            before = offers[index]
            offers[index] = replace(
                before,
                last_us=at_us,
                offers=before.offers + 1,
                # Why it was first asked stays; that somebody chose it, or a limit passed, is said.
                reason=asked.reason
                if asked.reason.partition("+")[0] in ("transfer", "arrive_limit")
                else before.reason,
                travel_seconds=asked.travel_seconds
                if asked.travel_seconds is not None
                else before.travel_seconds,
                distance_m=asked.distance_m if asked.distance_m is not None else before.distance_m,
                state=OfferState.OFFERED,
            )
    asked_now = {asked.to for asked in fact.asked}
    over = {item.station: item for item in call.passed_over}
    over.update({item.station: item for item in fact.passed_over})
    passed_over: tuple[PassedOver, ...] = tuple(
        item for item in over.values() if item.station not in asked_now
    )
    return replace(
        call,
        # A transfer or a limit asks outside the steps, and moves none: not even the first, where that is yet to come.
        step=call.step if fact.next_us is None else fact.step,
        tier=call.tier if fact.tier is None else fact.tier,
        offers=tuple(offers),
        passed_over=passed_over[-PASSED_OVER_MAX:],
        deadlines=call.deadlines if fact.next_us is None else _without(call.deadlines, step=fact.next_us),
    )
