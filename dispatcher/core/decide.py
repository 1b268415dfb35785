"""The desk's judgement: a call as it stands, something that came in, the time and the register -> facts, or a refusal.

    decide_signal(signal, open_call, …)   a press opens a call or joins it
    decide_command(command, call, …)      a person takes a step
    decide_due(call, …)                   time passed
    decide_unable(call, …)                who was asked can no longer come

Pure: no clock, no chance, no I/O. Everything a decision needs comes as an argument.
"""

from __future__ import annotations

from msgspec import Struct

from devices.signal import CALLING, Key, SignalType
from dispatcher.core.call import (
    HELD,
    Call,
    CancelRequested,
    Closed,
    Declined,
    Dispatched,
    EnRoute,
    Evidence,
    Holder,
    Joined,
    Noted,
    OfferState,
    OnScene,
    Opened,
    Outcome,
    Reopened,
    Seen,
    SpokeWith,
    State,
    TestPassed,
    Transferred,
)
from dispatcher.core.commands import (
    Accept,
    AnyCommand,
    Arrive,
    Close,
    Decline,
    Note,
    OpenByHand,
    Release,
    Reopen,
    See,
    SetOut,
    Speak,
    Transfer,
)
from dispatcher.core.district import Device
from dispatcher.core.draft import Draft, Refused
from dispatcher.core.escalate import advance, fall_due, first_step_us, hand_to, lapse
from dispatcher.core.fold import us
from dispatcher.core.route import World, lost
from dispatcher.core.states import fits

__all__ = [
    "Heard",
    "decide_command",
    "decide_due",
    "decide_signal",
    "decide_unable",
    "open_by_hand",
    "pressed_us",
]

#: A device's own clock counts only when it is within this of ours (contract, section 3).
CLOCK_TRUST_SECONDS = 120
#: An age beyond this is no age.
AGE_MAX_SECONDS = 30 * 86_400
#: After a resident answered the telephone, the holder has this long to set out or close (contract, section 4).
SPOKE_ANSWERED_SECONDS = 300
#: A close can be taken back this long.
REOPEN_SECONDS = 300


class Heard(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A stored signal, as the desk reads it: `id` is the device's own, `source` family/address, `device` if registered."""

    id: str
    source: str
    type: SignalType
    received_us: int
    key: Key | None = None
    at_us: int | None = None
    age_seconds: float | None = None
    device: Device | None = None

    @property
    def device_id(self) -> str:
        """The register's id of it; of one that is not in the register, the name it gave itself."""
        return self.device.id if self.device is not None else self.source.partition("/")[2].rstrip("#")


def pressed_us(heard: Heard) -> int:
    """When it really happened, as far as can be believed: age beats the device's clock, which beats nothing."""
    if heard.age_seconds is not None and 0 <= heard.age_seconds <= AGE_MAX_SECONDS:
        return heard.received_us - us(heard.age_seconds)
    if heard.at_us is not None and abs(heard.at_us - heard.received_us) <= us(CLOCK_TRUST_SECONDS):
        return min(heard.at_us, heard.received_us)
    return heard.received_us


def key_of(heard: Heard) -> Key:
    """The key of the call a signal belongs to: falls, inactivity and hazards are emergencies, and so is doubt."""
    if heard.type is SignalType.PRESS:
        return heard.key or Key.EMERGENCY
    return Key.EMERGENCY


def decide_signal(heard: Heard, draft: Draft, world: World, *, in_test: bool) -> None:
    """What a signal does. `draft.call` is the open call it would join, if there is one."""
    if heard.type in CALLING:
        if draft.call is not None:
            _join(draft, world, heard.type, pressed_us(heard), device=heard.device_id, source=heard.source)
        else:
            _open_signal(heard, draft, world, in_test=in_test and heard.type is SignalType.PRESS)
        return
    call = draft.call
    match heard.type:
        case SignalType.TEST:
            draft.aside(TestPassed(source=heard.source), device=heard.device_id)
        case SignalType.CANCEL if call is not None and not call.cancel_requested:
            # A request for a person to judge; nothing stops by it.
            draft.add(CancelRequested(device=heard.device_id))
        case SignalType.HELPER_ARRIVED if call is not None:
            if call.state in (State.ACCEPTED, State.EN_ROUTE) and call.accepted is not None:
                draft.add(OnScene(by=call.accepted.by, proof="device"))
            elif call.state is State.RECEIVED:
                draft.add(Noted(by="device", step="helper_arrived"))
        case _:
            pass


def _open_signal(heard: Heard, draft: Draft, world: World, *, in_test: bool) -> None:
    key = key_of(heard)
    resident = world.roll.residents.get(heard.device.resident) if heard.device is not None else None
    policy = world.roll.policy(key)
    draft.add(
        Opened(
            key=key,
            kind=heard.type,
            pressed_us=pressed_us(heard),
            policy=policy,
            next_us=first_step_us(policy.steps[0].after, draft.now_us),
            test=in_test,
            device=heard.device_id,
            source=heard.source,
            resident=resident.id if resident is not None else None,
            area=resident.area if resident is not None else "",
        )
    )
    if in_test:
        draft.add(TestPassed(source=heard.source))
        draft.add(Closed(by="test", outcome=Outcome.TEST))
    elif draft.now.deadlines["step"] <= draft.now_us:
        advance(draft, world, "opened")


def _join(
    draft: Draft,
    world: World,
    kind: str,
    pressed: int,
    *,
    device: str | None = None,
    source: str = "",
    by: str = "",
) -> None:
    call = draft.now
    if call.state in HELD and call.accepted is not None:
        # She pressed again: whoever holds the call must have seen it, or it lapses.
        rings = [call.accepted.station or world.roll.desk().id]
        if call.state is State.ON_SCENE:
            rings.append(world.roll.desk().id)
        repress_us: int | None = draft.now_us + us(call.policy.repress_within)
    else:
        rings = [offer.to for offer in call.offers if offer.state is OfferState.OFFERED and not offer.person]
        repress_us = None
    draft.add(
        Joined(
            kind=kind,
            pressed_us=pressed,
            device=device,
            source=source,
            by=by,
            rings=tuple(dict.fromkeys(rings)),
            repress_us=repress_us,
        )
    )


def open_by_hand(command: OpenByHand, draft: Draft, world: World) -> Refused | None:
    """A call somebody telephoned in; of a resident with an open call of that key it joins."""
    resident = None
    if command.resident is not None:
        resident = world.roll.residents.get(command.resident)
        if resident is None:
            return Refused("unknown_resident", "no such resident", 400, "resident")
    if draft.call is not None:
        _join(draft, world, "manual", draft.now_us, by=command.by)
    else:
        policy = world.roll.policy(Key(command.key))
        draft.add(
            Opened(
                key=command.key,
                kind="manual",
                pressed_us=draft.now_us,
                policy=policy,
                next_us=first_step_us(policy.steps[0].after, draft.now_us),
                resident=resident.id if resident is not None else None,
                area=resident.area if resident is not None else command.area,
                by=command.by,
            )
        )
    if command.text:
        draft.add(Noted(by=command.by, text=draft.cause.id))
    if (
        draft.now.state is State.RECEIVED
        and draft.now.step < 0
        and draft.now.deadlines["step"] <= draft.now_us
    ):
        advance(draft, world, "opened")
    return None


def decide_due(draft: Draft, world: World) -> None:
    """Time passed."""
    fall_due(draft, world)


def decide_unable(draft: Draft, world: World) -> None:
    """Who was asked can no longer come: when nobody is left who can, the next step is taken at once."""
    call = draft.now
    if call.state is not State.RECEIVED:
        return
    gone = set(lost(call, world))
    still = [offer for offer in call.offers if offer.state is OfferState.OFFERED and offer.to not in gone]
    if gone and not still:
        advance(draft, world, "expired")


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
        case OpenByHand():
            raise AssertionError("a call is opened by open_by_hand")


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
