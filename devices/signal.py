"""The Signal: what any device said, in one shape, whatever its maker's dialect was."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct


class SignalType(StrEnum):
    """Everything a device can say (contract, section 3)."""

    PRESS = "press"
    CANCEL = "cancel"
    FALL = "fall"
    INACTIVITY = "inactivity"
    HAZARD = "hazard"
    HELPER_ARRIVED = "helper_arrived"
    TEST = "test"
    HEARTBEAT = "heartbeat"
    LOCATION = "location"
    BATTERY_LOW = "battery_low"
    BATTERY_OK = "battery_ok"
    MAINS_LOST = "mains_lost"
    MAINS_RESTORED = "mains_restored"
    TAMPER = "tamper"
    ONLINE = "online"
    OFFLINE = "offline"


class Key(StrEnum):
    """The three keys of a call button: red, green, yellow."""

    EMERGENCY = "emergency"
    SERVICE = "service"
    FAMILY = "family"


#: Signals that ask for help: each is in exactly one call, and nothing may swallow them.
CALLING = frozenset({SignalType.PRESS, SignalType.FALL, SignalType.INACTIVITY, SignalType.HAZARD})


class Signal(Struct, frozen=True, gc=False):
    """One thing a device said.

    `device` is the device's own address in its family (text: leading zeros count), not a register id;
    `id` is what makes a repeat recognisable, 1-64 characters, unique per device. An empty `id` means *state, not an
    event*: "online" of a status topic, a hub's heartbeat. It goes to the device's row, the newest one wins; it is no
    row of the inbox, is never a repeat, and never asks for help;
    `at` is when it happened by the *device's* clock, aware or None: whoever stores it decides whether to believe it;
    `age_seconds` is how long ago it happened by a monotonic clock, which beats `at`;
    `details` holds what else was said, JSON values only: `battery` (percent), `rssi`, `via` (the hub's address),
    `lat`, `lon`, `datum`, `device_time`, `unmapped` (a code we do not know, as text), `ignored` (names of fields that
    made no sense and were left out), `retained` (a status that a broker kept: no sign of life) and so on. Never a name,
    never an address of a person.
    """

    family: str
    device: str
    type: SignalType
    id: str
    key: Key | None = None
    at: datetime | None = None
    age_seconds: float | None = None
    details: dict[str, Any] = {}
