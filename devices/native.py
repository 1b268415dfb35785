"""The native dialect: JSON over MQTT, for devices that were made or flashed for Yijian.

Maker: anyone. Document: `devices/README.md` names the topics; the public contract, section 3, is binding.

    topic    yijian/v1/btn-01/up                    the device's name is in the topic, never in the body
    payload  {"id":"9f3a-1042",                     unique per device; a repeat has the same one; required
              "type":"press",                       required; an unknown one is rejected
              "key":"emergency",                    of a press; unknown = emergency, never nothing
              "age":0.0,                            seconds since it happened, by a monotonic clock: beats `at`
              "at":"2026-11-24T09:15:02+08:00",     by the device's clock, which may be wrong
              "battery":87,"rssi":-61,"via":"hub-07","lat":34.02,"lon":113.82}

A signal that asks for help survives every wrong optional field: the field is left out and named in
`details["ignored"]`. Any other signal with a field of the wrong type is rejected and told which. Values that cannot be
(age -1, a battery of 300 %) are left out and named, of every signal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import msgspec

from devices.family import (
    Answer,
    Family,
    Frame,
    Heard,
    Maturity,
    Outcome,
    Progress,
    Replayed,
    Result,
    Session,
    Transport,
    Unreadable,
)
from devices.signal import CALLING, Key, Signal, SignalType

PREFIX = "yijian/v1/"
MAX_BODY_BYTES = 64 * 1024
MAX_AGE_SECONDS = 30 * 86_400.0
_MAX_DETAILS_BYTES = 4096
_MAX_TEXT = 64

_DEVICE = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
# RFC 3339, which is narrower than what datetime.fromisoformat takes (week dates, no separators).
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_NAMES_CALL = CALLING | {SignalType.CANCEL, SignalType.HELPER_ARRIVED, SignalType.TEST}
_TYPES: Mapping[str, SignalType] = {str(member): member for member in SignalType}
_KEYS: Mapping[str, Key] = {str(member): member for member in Key}
_DATUMS = frozenset({"wgs84", "gcj02", "bd09"})
_OWN_DETAILS = frozenset(
    {"battery", "rssi", "via", "lat", "lon", "datum", "device_time", "unmapped", "ignored", "retained"}
)
_STATUS: Mapping[str, SignalType] = {"online": SignalType.ONLINE, "offline": SignalType.OFFLINE}
#: What a glance takes for a heartbeat: longer ones, and names that are more than plain letters, are read.
_GLANCE_BYTES_MAX = 1024
_BEATS = re.compile(rb'"type"\s*:\s*"heartbeat"\s*[,}]').search
_ID = re.compile(rb'"id"\s*:\s*"([ !#-\[\]-~]{1,64})"').search
_UP = re.compile(f"{re.escape(PREFIX)}{_DEVICE.pattern}/up", re.ASCII).fullmatch
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class SignalError(ValueError):
    """What was sent is no signal. `field` names the member that is wrong, empty where it is the whole body."""

    def __init__(self, field_name: str, error: str) -> None:
        super().__init__(f"{field_name}: {error}" if field_name else error)
        self.field = field_name
        self.error = error


def valid_device(name: str) -> bool:
    """Whether a device may be called that: `[A-Za-z0-9._-]{1,64}`."""
    return _DEVICE.fullmatch(name) is not None


def parse(device: str, body: Mapping[str, Any] | bytes, strict: bool = False) -> Signal:
    """The Signal in a message of the native dialect, of MQTT and of `POST /signals` alike.

    `strict` (HTTP, where a programmer reads the answer) refuses an optional field of the wrong type even on a press;
    otherwise that is done only where nobody asks for help. Raises SignalError and nothing else, on any bytes.
    """
    if not valid_device(device):
        raise SignalError("device", "1 to 64 of the letters A-Z a-z 0-9 . _ - are needed")
    members = _members(body) if isinstance(body, bytes) else body
    signal_id = members.get("id")
    if not isinstance(signal_id, str) or not 1 <= len(signal_id) <= _MAX_TEXT or not _is_text(signal_id):
        raise SignalError("id", "a text of 1 to 64 characters is needed")
    kind = members.get("type")
    signal_type = _TYPES.get(kind) if isinstance(kind, str) else None
    if signal_type is None:
        why = f"unknown type {_clean(kind)[:40]!r}" if isinstance(kind, str) else "a text is needed"
        raise SignalError("type", why)
    reading = _Reading(members, lenient=signal_type in CALLING and not strict)
    key = _key(reading, pressed=signal_type is SignalType.PRESS)
    age = reading.number("age", 0.0, MAX_AGE_SECONDS)
    at = _at(reading)
    _position(reading)
    for name, low, high in (("battery", 0, 100), ("rssi", -250, 100)):
        value = reading.number(name, low, high)
        if value is not None:
            reading.details[name] = value
    via = reading.text("via")
    if via is not None:
        if 1 <= len(via) <= _MAX_TEXT and via.isprintable():
            reading.details["via"] = via
        else:
            reading.ignore("via")
    _more(reading)
    if reading.ignored:
        reading.details["ignored"] = reading.ignored
    return Signal(
        family="native",
        device=device,
        type=signal_type,
        id=_clean(signal_id),
        key=key,
        at=at,
        age_seconds=None if age is None else float(age),
        details=reading.details,
    )


@dataclass(slots=True)
class _Reading:
    """The optional members of one message, and what was wrong with them."""

    members: Mapping[str, Any]
    lenient: bool
    ignored: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)

    def ignore(self, name: str) -> None:
        if name not in self.ignored:
            self.ignored.append(name)

    def wrong_type(self, name: str, wanted: str) -> None:
        if not self.lenient:
            raise SignalError(name, f"{wanted} is needed")
        self.ignore(name)

    def number(self, name: str, low: float, high: float) -> float | int | None:
        """A finite number within bounds. A missing or null one is unknown, which is not 0."""
        value = self.members.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.wrong_type(name, "a number")
            return None
        # NaN is false in every comparison, so it is left out here too.
        if not low <= value <= high:
            self.ignore(name)
            return None
        return value

    def text(self, name: str) -> str | None:
        value = self.members.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or not _is_text(value):
            self.wrong_type(name, "a text")
            return None
        return value


def _key(reading: _Reading, *, pressed: bool) -> Key | None:
    text = reading.text("key")
    if not pressed:
        return None  # a key says nothing on what is no press; only its type is looked at
    if text is None:
        raw = reading.members.get("key")
        if isinstance(raw, int | float):
            # `{"key": 1}`: the register may know this device's keys by number.
            reading.details["unmapped"] = _number_text(raw)
        return Key.EMERGENCY
    key = _KEYS.get(text)
    if key is None:
        # An unknown code never swallows a press, it fails towards a call. The register may know the raw code.
        reading.details["unmapped"] = _clean(text)[:_MAX_TEXT]
        return Key.EMERGENCY
    return key


def _at(reading: _Reading) -> datetime | None:
    text = reading.text("at")
    if text is None:
        raw = reading.members.get("at")
        if isinstance(raw, int | float) and not isinstance(raw, bool):
            reading.details["device_time"] = _number_text(raw)
        return None
    reading.details["device_time"] = _clean(text)[:_MAX_TEXT]
    if _RFC3339.fullmatch(text):
        try:
            # Python takes at most six digits of a second.
            moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.upper()))
            return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    reading.ignore("at")
    return None


def _position(reading: _Reading) -> None:
    lat = reading.number("lat", -90, 90)
    lon = reading.number("lon", -180, 180)
    datum = reading.text("datum")
    if lat is None or lon is None:
        # Half a position is none.
        for name, value in (("lat", lat), ("lon", lon)):
            if value is not None:
                reading.ignore(name)
        return
    reading.details["lat"] = lat
    reading.details["lon"] = lon
    if datum is not None:
        if datum.lower() in _DATUMS:
            reading.details["datum"] = datum.lower()
        else:
            reading.ignore("datum")


def _more(reading: _Reading) -> None:
    """`details`: what kind of hazard it is. A text is kept as `hazard`, the members of an object under their own names."""
    said = reading.members.get("details")
    if said is None:
        return
    if isinstance(said, str) and _is_text(said):
        reading.details["hazard"] = _clean(said)[:200]
        return
    if not isinstance(said, Mapping):
        reading.wrong_type("details", "an object or a text")
        return
    try:
        body = _encode(said)
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError):
        body = b""
    if not 0 < len(body) <= _MAX_DETAILS_BYTES:
        reading.ignore("details")
        return
    if b"\\u0000" in body:
        body = body.replace(b"\\u0000", "\u2400".encode())
    for name, value in _decode(body).items():
        # Never over what the dialect itself means by that name.
        if name not in _OWN_DETAILS:
            reading.details.setdefault(name, value)


def _members(body: bytes) -> Mapping[str, Any]:
    if len(body) > MAX_BODY_BYTES:
        raise SignalError("", f"{len(body)} bytes, at most {MAX_BODY_BYTES} are taken")
    try:
        try:
            members = _decode(body)
        except msgspec.DecodeError:
            # Half a surrogate pair in an escape (`\ud83d`) is still JSON: it must not swallow a press.
            members = json.loads(body, parse_constant=_no_number)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise SignalError("", f"no JSON: {error}") from None
    if not isinstance(members, dict):
        raise SignalError("", "no JSON object")
    return members


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _is_text(value: str) -> bool:
    """Half a surrogate pair is no text: it can be neither stored nor sent. Python strings may hold one, JSON escapes too."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _number_text(value: float) -> str:
    """A number as text; one with thousands of digits too, which Python refuses to print."""
    try:
        return str(value)[:_MAX_TEXT]
    except ValueError:
        return "a very large number"


def _clean(value: str) -> str:
    """Text that every database takes: NUL becomes its picture, half surrogates a question mark."""
    if "\0" in value:
        value = value.replace("\0", "\u2400")
    return value if _is_text(value) else value.encode(errors="replace").decode()


class NativeSession:
    """Translates the native dialect. It remembers nothing, one does for all devices of a broker."""

    def receive(self, frame: Frame) -> Sequence[Heard | Unreadable | Replayed]:
        """Read one message of `up` or `status`."""
        device, _, channel = frame.topic.removeprefix(PREFIX).rpartition("/")
        if not frame.topic.startswith(PREFIX) or channel not in {"up", "status"}:
            return (Unreadable("not a topic of the native dialect", frame.data[:MAX_BODY_BYTES]),)
        if not valid_device(device):
            return (Unreadable("the topic names no valid device", frame.data[:MAX_BODY_BYTES]),)
        if not frame.data:
            return ()  # a retained message being cleared, perhaps by ourselves
        if channel == "status":
            return (_status(device, frame.data, retained=frame.retain),)
        if frame.retain:
            # A broker hands it to everyone who subscribes, for ever: an old press would ring at every restart of ours.
            clear = Answer(b"", topic=frame.topic, qos=1, retain=True)
            return (Replayed(device, "retained message on the topic up", (clear,)),)
        return (_up(device, frame.data),)

    def glance(self, frame: Frame, at: datetime) -> Sequence[Answer] | None:
        """A heartbeat is told `busy` unread. One `type` and one `id` in all of it, and no escape: it can be nothing else."""
        data, topic = frame.data, frame.topic
        if frame.retain or len(data) > _GLANCE_BYTES_MAX or b"\\" in data:
            return None
        if data.count(b'"type"') != 1 or data.count(b'"id"') != 1 or _BEATS(data) is None:
            return None
        name = _ID(data)
        if name is None or _UP(topic) is None:
            return None
        receipt = b'{"type":"receipt","id":"%s","result":"busy","at":%s}' % (name[1], _encode(at))
        return (Answer(receipt, topic=topic.removesuffix("up") + "down", last=True),)

    def answer(self, heard: Heard, outcomes: Sequence[Outcome]) -> Sequence[Answer]:
        """The receipt: the only word that counts for the device."""
        if heard.token is None or not outcomes:
            return ()
        device, signal_id = heard.token
        outcome = outcomes[0]
        receipt: dict[str, Any] = {"type": "receipt", "id": signal_id, "result": outcome.result}
        if outcome.call is not None:
            receipt["call"] = outcome.call
        receipt["at"] = outcome.at
        if outcome.result is Result.REJECTED:
            receipt["why"] = outcome.why
        return (Answer(_encode(receipt), topic=f"{PREFIX}{device}/down"),)

    def progress(self, news: Progress) -> Sequence[Answer]:
        """How the call goes, to the device's own topic. QoS 1: nothing repeats it, unlike a receipt."""
        if not valid_device(news.device):
            return ()
        body = {"type": "state", "call": news.call, "state": news.state, "text": news.text}
        return (Answer(_encode(body), topic=f"{PREFIX}{news.device}/down", qos=1),)


def _up(device: str, body: bytes) -> Heard | Unreadable:
    try:
        members = _members(body)
        signal = parse(device, members)
    except SignalError as error:
        if error.field in {"", "id"}:
            return Unreadable(str(error), body[:MAX_BODY_BYTES])
        return Heard(token=(device, members["id"]), refused=str(error))
    return Heard(signals=(signal,), token=(device, members["id"]), names_call=signal.type in _NAMES_CALL)


def _status(device: str, body: bytes, *, retained: bool) -> Heard | Unreadable:
    try:
        state = _members(body).get("state")
    except SignalError as error:
        return Unreadable(str(error), body[:MAX_BODY_BYTES])
    signal_type = _STATUS.get(state) if isinstance(state, str) else None
    if signal_type is None:
        return Unreadable("state: online or offline is needed", body[:MAX_BODY_BYTES])
    # What the broker kept is how it was when somebody last said so: no sign of life now.
    details = {"retained": True} if retained else {}
    return Heard(signals=(Signal(family="native", device=device, type=signal_type, id="", details=details),))


class Native:
    """The native family."""

    name = "native"
    # The dialect is ours, so its frames are right by definition; no real button has been pressed in front of us.
    maturity = Maturity.CAPTURED
    transports = frozenset({Transport.MQTT})
    options: Mapping[str, str] = MappingProxyType({})

    def topics(self, base: str) -> Sequence[str]:
        """`up` and `status` of every device; the base is fixed by the dialect."""
        prefix = base.rstrip("/") + "/" if base else PREFIX
        return (f"{prefix}+/up", f"{prefix}+/status")

    def session(self, options: Mapping[str, Any]) -> Session:
        """A translator; there is nothing to set."""
        for name in options:
            raise ValueError(f"{name}: the native dialect has no options")
        return NativeSession()

    def emit(self, signal: Signal) -> Frame:
        """What a device sends for this signal."""
        if not signal.id:
            retain = bool(signal.details.get("retained"))
            return Frame(_encode({"state": signal.type}), f"{PREFIX}{signal.device}/status", retain=retain)
        body: dict[str, Any] = {"id": signal.id, "type": signal.type}
        details = dict(signal.details)
        ignored = details.pop("ignored", [])
        unmapped = details.pop("unmapped", None)
        if signal.key is not None:
            body["key"] = signal.key if unmapped is None else unmapped
        device_time = details.pop("device_time", None)
        if signal.at is not None or device_time is not None:
            body["at"] = device_time if device_time is not None else signal.at
        if signal.age_seconds is not None:
            body["age"] = signal.age_seconds
        for name in ("battery", "rssi", "via", "lat", "lon", "datum"):
            if name in details:
                body[name] = details.pop(name)
        if details:
            body["details"] = details
        # A field that made no sense is made up again, so that the same thing is heard.
        body.update({name: [] for name in ignored if name not in body})
        return Frame(_encode(body), f"{PREFIX}{signal.device}/up")


FAMILY: Family = Native()
