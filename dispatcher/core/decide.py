"""The desk's judgement: a call as it stands, something that came in, the time and the register -> facts, or a refusal.

    decide_signal(signal, open_call, …)   a press opens a call or joins it
    open_by_hand(command, …)              somebody telephoned; every other step of a person: core/steps.py
    decide_due(call, …)                   time passed
    decide_unable(call, …)                who was asked can no longer come

Pure: no clock, no chance, no I/O. Everything a decision needs comes as an argument.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from devices.signal import CALLING, Key, SignalType
from dispatcher.core.call import (
    HELD,
    CancelRequested,
    Closed,
    Joined,
    Noted,
    OfferState,
    OnScene,
    Opened,
    Outcome,
    State,
    TestPassed,
)
from dispatcher.core.commands import (
    OpenByHand,
)
from dispatcher.core.district import Device
from dispatcher.core.draft import Draft, Refused
from dispatcher.core.escalate import advance, fall_due, first_step_us
from dispatcher.core.fold import us
from dispatcher.core.route import World, lost

__all__ = [
    "Heard",
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


def decide_due(draft: Draft, world: World, waited: Mapping[str, int] | None = None) -> None:
    """Time passed; for the deadlines in `waited` at those moments too, whatever the clock says."""
    fall_due(draft, world, waited or {})


def decide_unable(draft: Draft, world: World) -> None:
    """Who was asked can no longer come: when nobody is left who can, the next step is taken at once."""
    call = draft.now
    if call.state is not State.RECEIVED:
        return
    gone = set(lost(call, world))
    still = [offer for offer in call.offers if offer.state is OfferState.OFFERED and offer.to not in gone]
    if gone and not still:
        advance(draft, world, "expired")
