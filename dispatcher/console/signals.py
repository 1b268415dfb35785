"""A signal over HTTP: the native dialect in a request (contract, section 3), for programs and for a button's app.

`device` is a device of the register, of any family (the signal is then that device's), or any other name: an unknown
device, whose press is a call for the district like any other.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from devices.family import Result
from devices.native import SignalError, parse
from devices.signal import Key, SignalType
from dispatcher.console.access import STAFFED
from dispatcher.console.endpoint import Answer, Ask, Endpoint, Part
from dispatcher.console.problems import Problem, wrong
from dispatcher.console.shapes import SignalView
from dispatcher.core.district import Device
from dispatcher.core.roll import Roll

_BYTES_MAX = 65_536
#: A registered id need not be a name the native dialect would allow; the signal's own rules are asked under this one.
_STAND_IN = "registered"


async def _signal(ask: Ask) -> Answer:
    members = dict(ask.members)
    name = members.pop("device", None)
    if not isinstance(name, str):
        raise wrong("device", "a text is needed")
    home, device = _device(ask, name)
    if not _may_speak_as(ask, home, device):
        # The same words whether there is such a device or not: that it exists is itself knowledge.
        raise Problem(403, "this device is none of those in your scope", field="device")
    try:
        signal = parse(name if device is None else _STAND_IN, members, strict=True)
    except SignalError as error:
        raise wrong(error.field, error.error) from None
    if device is not None:
        signal = replace(signal, family=device.family, device=device.address or device.id)
    [kept] = await ask.rooms.inbox.put([(signal, ask.now_us, ask.access.source)])
    call = await ask.rooms.inbox.call_of(kept.id) if kept.id else None
    if call is not None and not ask.scope.sees_every_district():
        # She may have moved since it was opened; a stranger's press belongs to the default district.
        found = await ask.rooms.board.get(call)
        call = call if found is not None and ask.scope.sees_call(found) else None
    status = 200 if kept.result is Result.DUPLICATE else 201
    return Answer({"signal": kept.id or None, "result": kept.result, "call": call}, status)


def _device(ask: Ask, name: str) -> tuple[Roll | None, Device | None]:
    """The device of this id, or the one that calls itself so; its district too."""
    home = ask.scope.rolls.roll_of("devices", name)
    if home is not None:
        return home, home.devices[name]
    return ask.scope.rolls.device_by_source(f"native/{name}") or (None, None)


def _may_speak_as(ask: Ask, home: Roll | None, device: Device | None) -> bool:
    if home is None or device is None:  # a press of an unknown device is the district's
        return ask.scope.sees_all(ask.scope.home() or ask.scope.rolls.default)
    return ask.scope.sees_device(home, device)


_BODY: dict[str, Any] = {
    "type": "object",
    "required": ["device", "id", "type"],
    "properties": {
        "device": {"type": "string", "minLength": 1, "maxLength": 128},
        "id": {
            "type": "string",
            "minLength": 1,
            "maxLength": 64,
            "description": "unique per device: a repeat has the same",
        },
        "type": {"enum": list(SignalType)},
        "key": {"enum": list(Key), "description": "of a press; `emergency` where it is left out or unknown"},
        "at": {"type": "string", "format": "date-time"},
        "age": {"type": "number", "description": "seconds since it happened; beats `at`"},
        "battery": {"type": "number"},
        "rssi": {"type": "number"},
        "via": {"type": "string"},
        "lat": {"type": "number"},
        "lon": {"type": "number"},
        "datum": {"enum": ["wgs84", "gcj02", "bd09"]},
        "details": {"type": ["object", "string"]},
    },
}

ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/signals",
        name="putSignal",
        tag="signals",
        en="Something a device says; answered after it is on disk",
        zh="上报设备信号（落盘后才应答）",
        handle=_signal,
        roles=STAFFED,
        body=_BODY,
        bytes_max=_BYTES_MAX,
        answer=SignalView,
        statuses={201: "Stored", 200: "A repeat of what was stored before"},
        writes=True,
        part=Part.GATEWAY,
    ),
)
