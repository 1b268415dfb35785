"""The steps people take: what each command does to a call, or why it is refused.

A step done offline (`at_us`) that no longer fits is kept as a note instead. The same person's same step twice is one.
"""

from __future__ import annotations

from devices.signal import Key
from dispatcher.core.call import (
    HELD,
    Call,
    Closed,
    Declined,
    Dispatched,
    EnRoute,
    Evidence,
    Holder,
    Noted,
    OfferState,
    OnScene,
    Outcome,
    Reopened,
    Seen,
    SpokeWith,
    State,
    Transferred,
)
from dispatcher.core.commands import (
    Accept,
    AnyCommand,
    Arrive,
    Close,
    Decline,
    EndFault,
    FollowUp,
    Note,
    OpenByHand,
    Release,
    Reopen,
    See,
    SetOut,
    Speak,
    Transfer,
)
from dispatcher.core.draft import Draft, Refused
from dispatcher.core.escalate import advance, hand_to, lapse
from dispatcher.core.fold import us
from dispatcher.core.route import World
from dispatcher.core.states import fits

#: After a resident answered the telephone, the holder has this long to set out or close (contract, section 4).
SPOKE_ANSWERED_SECONDS = 300
#: A close can be taken back this long.
REOPEN_SECONDS = 300


def decide_command(
    command: AnyCommand, draft: Draft, world: World, *, other_open: Call | None = None
) -> Refused | None:
    """What a person's step does; None when it is done (or was done before by the same person).

    A step done offline (`at_us`) that no longer fits is kept as a note instead of being refused.
    `other_open` is another open call of the same resident and key, which forbids a reopening.
    """
    refused = _step(command, draft, world, other_open)
    if refused is None or command.at_us is None or refused.status != 409:
        return refused
    tag = command.__struct_config__.tag
    draft.add(
        Noted(
            by=command.by, step=str(tag), happened_us=_happened(command, draft), text=_text_id(command, draft)
        )
    )
    return None


def _step(command: AnyCommand, draft: Draft, world: World, other_open: Call | None) -> Refused | None:
    match command:
        case Accept():
            return _accept(command, draft, world)
        case Decline():
            return _decline(command, draft, world)
        case Release():
            return _release(command, draft, world)
        case Speak():
            return _speak(command, draft)
        case SetOut():
            return _set_out(command, draft, world)
        case Arrive():
            return _arrive(command, draft, world)
        case Close():
            return _close(command, draft)
        case Reopen():
            return _reopen(command, draft, world, other_open)
        case Transfer():
            return _transfer(command, draft, world)
        case Note():
            draft.add(Noted(by=command.by, text=draft.cause.id, happened_us=_happened(command, draft)))
            return None
        case See():
            return _see(command, draft, world)
        case OpenByHand() | EndFault() | FollowUp():
            raise AssertionError("this is no step of a call")


def _happened(command: AnyCommand, draft: Draft) -> int | None:
    """When an offline step was taken: not before the call was opened, not after now."""
    if command.at_us is None:
        return None
    opened_us = draft.call.opened_us if draft.call is not None else command.at_us
    return max(opened_us, min(command.at_us, draft.now_us))


def _text_id(command: AnyCommand, draft: Draft) -> str:
    return draft.cause.id if getattr(command, "text", "") else ""


def _misfit(call: Call, step: str) -> Refused:
    held = (
        f", held by {call.accepted.by} of {call.accepted.station or 'the desk'}"
        if call.accepted is not None
        else ""
    )
    return Refused("not_now", f"{step} does not fit: the call is {call.state}{held}")


def _acting_for(command: AnyCommand, world: World) -> str:
    """The station somebody acts for: whoever acts for none sits at the desk."""
    return command.station or world.roll.desk().id


def _may_act(command: AnyCommand, holder: Holder) -> bool:
    """A station's own people act for what it holds; whoever acts for no station acts for the desk, for any call."""
    return not command.station or command.station == holder.station or command.by == holder.by


def _not_holder(call: Call, command: AnyCommand) -> Refused | None:
    assert call.accepted is not None
    if _may_act(command, call.accepted):
        return None
    held = f"held by {call.accepted.by} of {call.accepted.station}"
    return Refused("held_by_another", f"the call is {call.state}, {held}")


def _accept(command: Accept, draft: Draft, world: World) -> Refused | None:
    call = draft.now
    station = command.station or world.roll.desk().id
    if station not in world.roll.stations and station != world.roll.desk().id:
        return Refused("unknown_station", "no such station", 400, "station")
    if call.state is State.CLOSED:
        return _misfit(call, "accept")
    if call.accepted is not None:
        if call.accepted.by == command.by and call.accepted.station == station:
            return None
        offer = call.offer_to(station)
        if offer is None or offer.state is not OfferState.OFFERED:
            return Refused(
                "accepted_already",
                f"{call.accepted.by} of {call.accepted.station or 'the desk'} was first: the call is {call.state}",
            )
    hand_to(draft, command.by, station, happened_us=_happened(command, draft))
    return None


def _decline(command: Decline, draft: Draft, world: World) -> Refused | None:
    call = draft.now
    offer = call.offer_to(command.station)
    if offer is not None and offer.state is OfferState.DECLINED:
        return None
    if call.state is State.CLOSED or offer is None or offer.state is not OfferState.OFFERED:
        return (
            _misfit(call, "decline")
            if call.state is not State.RECEIVED
            else Refused("not_offered", "it was not offered to that station")
        )
    draft.add(Declined(by=command.by, station=command.station, text=_text_id(command, draft)))
    if draft.now.state is State.RECEIVED:
        advance(draft, world, "declined")
    return None


def _release(command: Release, draft: Draft, world: World) -> Refused | None:
    call = draft.now
    if call.state not in HELD:
        former = call.former
        if call.state is State.RECEIVED and former is not None and _may_act(command, former):
            return None  # given back already
        return _misfit(call, "release")
    if (refused := _not_holder(call, command)) is not None:
        return refused
    lapse(draft, world, "released", by=command.by, text=_text_id(command, draft))
    return None


def _speak(command: Speak, draft: Draft) -> Refused | None:
    call = draft.now
    if not call.open:
        return _misfit(call, "spoke")
    # It gives the holder time: so only they, and the desk, may say so.
    if call.accepted is not None and (refused := _not_holder(call, command)) is not None:
        return refused
    within_us = None
    if command.result == "answered" and call.state is State.ACCEPTED:
        within_us = draft.now_us + us(SPOKE_ANSWERED_SECONDS)
    draft.add(
        SpokeWith(
            by=command.by, result=command.result, within_us=within_us, happened_us=_happened(command, draft)
        )
    )
    return None


def _former_returns(command: AnyCommand, draft: Draft, world: World) -> None:
    """Whoever let it lapse and sets out after all takes it again, unless somebody else has it by now."""
    former = draft.now.former
    if draft.now.state is not State.RECEIVED or former is None:
        return
    if former.by == command.by or former.station == _acting_for(command, world):
        hand_to(draft, command.by, former.station, happened_us=_happened(command, draft))


def _set_out(command: SetOut, draft: Draft, world: World) -> Refused | None:
    _former_returns(command, draft, world)
    call = draft.now
    if (
        call.open
        and call.accepted is not None
        and call.en_route is not None
        and _may_act(command, call.accepted)
    ):
        return None  # said before
    if call.state is not State.ACCEPTED:
        return _misfit(call, "en-route")
    if (refused := _not_holder(call, command)) is not None:
        return refused
    draft.add(EnRoute(by=command.by, happened_us=_happened(command, draft)))
    return None


def _arrive(command: Arrive, draft: Draft, world: World) -> Refused | None:
    _former_returns(command, draft, world)
    call = draft.now
    if call.state is State.ON_SCENE and call.accepted is not None and _may_act(command, call.accepted):
        return None  # said before
    if call.state not in (State.ACCEPTED, State.EN_ROUTE):
        return _misfit(call, "on-scene")
    if (refused := _not_holder(call, command)) is not None:
        return refused
    draft.add(OnScene(by=command.by, proof=command.proof, happened_us=_happened(command, draft)))
    return None


def _close(command: Close, draft: Draft) -> Refused | None:
    call = draft.now
    if call.closed is not None:
        same = call.closed.by == command.by and call.closed.outcome == command.outcome
        return None if same else _misfit(call, "close")
    if call.state not in HELD:
        return _misfit(call, "close")
    if (refused := _not_holder(call, command)) is not None:
        return refused
    if call.key == Key.EMERGENCY and not call.test and command.evidence is None:
        return Refused("evidence_needed", "an emergency is closed only with evidence", 400, "evidence")
    if command.outcome is Outcome.NO_CONTACT and command.evidence is not Evidence.ON_SITE:
        return Refused(
            "evidence_needed", "no_contact needs evidence on_site: somebody was there", 400, "evidence"
        )
    if command.outcome is Outcome.DUPLICATE and (not command.of or command.of == call.id):
        return Refused("of_needed", "a duplicate names the other call", 400, "of")
    draft.add(
        Closed(
            by=command.by,
            outcome=command.outcome,
            evidence=command.evidence,
            text=_text_id(command, draft),
            of=command.of,
            happened_us=_happened(command, draft),
        )
    )
    return None


def _reopen(command: Reopen, draft: Draft, world: World, other_open: Call | None) -> Refused | None:
    call = draft.now
    if call.closed is None:
        return _misfit(call, "reopen")
    if draft.now_us - call.closed.at_us > us(REOPEN_SECONDS):
        return Refused("too_late", "a call can be reopened for five minutes; open a new one")
    if other_open is not None:
        return Refused("another_open", f"the resident's call {other_open.id} is open: go on with that one")
    draft.add(Reopened(by=command.by, text=_text_id(command, draft), next_us=draft.now_us))
    advance(draft, world, "reopened")
    return None


def _transfer(command: Transfer, draft: Draft, world: World) -> Refused | None:
    call = draft.now
    if command.to not in world.roll.stations and command.to != world.roll.desk().id:
        return Refused("unknown_station", "no such station", 400, "station")
    if not fits(call.state, "call.transferred") or not call.open:
        return _misfit(call, "transfer")
    if call.accepted is not None and (refused := _not_holder(call, command)) is not None:
        return refused
    if call.accepted is not None and call.accepted.station == command.to:
        return Refused("held_already", "that station holds the call")
    draft.add(Transferred(by=command.by, station=command.to))
    asked = world.reach_of(command.to, call)
    draft.add(Dispatched(step=max(call.step, 0), asked=(asked,), next_us=None))
    return None


def _see(command: See, draft: Draft, world: World) -> Refused | None:
    call = draft.now
    holder = call.accepted if call.state in HELD else None
    by_holder = holder is not None and (
        command.by == holder.by or _acting_for(command, world) == holder.station
    )
    if command.by in call.seen_by and not (by_holder and "repress_within" in call.deadlines):
        return None
    if not call.open:
        return None
    draft.add(Seen(by=command.by, station=command.station, by_holder=by_holder))
    return None
