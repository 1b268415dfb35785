r"""YJ-LINE/1: our own line dialect for radio hubs on a USB or serial port.

Maker: whoever builds a hub; a proposal of this project, written down in `devices/README.md`. ASCII, 115200 8N1.

    $E,1042,hubA1,btn-000317,press,emergency,12,-61*5DB4\r\n
    |||    |     |          |     |         |  |   ||
    |||    |     |          |     |         |  |   |+ CRC-16/CCITT-FALSE over what stands between $ and *, 4 hex digits
    |||    |     |          |     |         |  |   + end of the body, which has at most 200 bytes
    |||    |     |          |     |         |  + RSSI in dBm
    |||    |     |          |     |         + seconds since it happened
    |||    |     |          |     + key of a press, `-` or empty where there is none
    |||    |     |          + type of the event, a word of the native dialect
    |||    |     + address of the button
    |||    + address of the hub
    ||+ sequence number, kept in the hub's flash: goes on over its restarts
    |+ E event, Y hello, H heartbeat; back: A stored, N not (crc: send again, busy: later, format: never), S state
    + start; `$ * , % CR LF` inside a field are percent-encoded

    $Y,0,hubA1,7,v1*AE71            hello: boot counter, protocol (`v1+state`: the hub shows states)
    $H,0,hubA1,3600,2,0*8543        heartbeat: uptime in seconds, events waiting, events dropped
    $A,1042*E287                    on our disk: the hub forgets the event
    $N,1042,crc*0940                send it again
    $S,0,btn-000317,c-07,accepted   (with its CRC) the call of that button is accepted; only to hubs that said v1+state

A hub repeats an event until it hears A. The identity of an event is hub, sequence number, type and key. A hello with a
*lower* boot counter than the last one is a hub that was wiped, whose numbers begin again: from then on a series mark
is part of the identity. A hello with a higher one is a mere restart, and a repeat after it is still a repeat.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, unquote_to_bytes

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
from devices.signal import Key, Signal, SignalType

MAX_BODY_BYTES = 200
_CRC_DIGITS = 4
_MAX_AGE_SECONDS = 30 * 86_400.0
_MAX_ID = 64
_HUBS_MAX = 256  # of one line; a line has one hub, two where they are chained

_TYPES: Mapping[str, SignalType] = {str(member): member for member in SignalType}
_KEYS: Mapping[str, Key] = {str(member): member for member in Key}
_BREAK = re.compile(rb"[$\r\n]")
_SEQ = re.compile(rb"[A-Za-z],([0-9]{1,10})(?:,|\Z)")
_NUMBER = re.compile(r"[+-]?[0-9]{1,9}(?:\.[0-9]{1,6})?", re.ASCII)


def crc16(body: bytes) -> int:
    """CRC-16/CCITT-FALSE: polynomial 1021, start FFFF, nothing reflected."""
    return binascii.crc_hqx(body, 0xFFFF)


def frame(*fields: str) -> bytes:
    """One frame with its checksum and line end, fields percent-encoded."""
    body = ",".join(_encode(text) for text in fields).encode("ascii")
    return b"$%s*%04X\r\n" % (body, crc16(body))


def _encode(text: str) -> str:
    return quote(text, safe=" !\"#&'()+-./:;<=>?@[\\]^_`{|}~")


def _field(raw: bytes) -> str:
    """A field as text that any database takes, and that differs where the bytes differ."""
    data = unquote_to_bytes(raw) if b"%" in raw else raw
    return data.decode("utf-8", errors="backslashreplace").replace("\0", "\u2400").strip()


class YjLineSession:
    """Translates one port. It remembers half a frame, and of each hub its boot counter and series."""

    def __init__(self, *, shows_state: bool = False) -> None:
        self._buffer = bytearray()
        self._in_noise = False
        self._shows_state_always = shows_state
        self._shows_state: set[str] = set()
        self._hubs: dict[str, tuple[int, int]] = {}
        self._changes = 0

    # -- what is kept over a restart -------------------------------------------------------------------------------

    @property
    def changes(self) -> int:
        """Goes up when a hub says hello with another boot counter."""
        return self._changes

    def memory(self) -> dict[str, Any]:
        """Per hub: the last boot counter, how often it was wiped, and whether it shows states."""
        return {hub: [boot, series, hub in self._shows_state] for hub, (boot, series) in self._hubs.items()}

    def recall(self, memory: Mapping[str, Any]) -> None:
        """Take up what an earlier session kept; what does not look like it is left."""
        for hub, kept in memory.items():
            match kept:
                case [int(boot), int(series), bool(shows)]:
                    self._hubs[hub] = (boot, series)
                    if shows:
                        self._shows_state.add(hub)
                case _:
                    continue

    def rest(self) -> bytes:
        """The beginning of a frame whose end has not come yet."""
        return bytes(self._buffer)

    # -- bytes to frames -------------------------------------------------------------------------------------------

    def receive(self, frame: Frame) -> Sequence[Heard | Unreadable | Replayed]:
        """Join what came to what was there, and read every frame that is whole."""
        self._buffer += frame.data
        heard: list[Heard | Unreadable | Replayed] = []
        while self._buffer:
            start = self._buffer.find(b"$")
            if start != 0:
                self._skip(len(self._buffer) if start < 0 else start, "no frame", heard)
                continue
            star = self._buffer.find(b"*", 1, MAX_BODY_BYTES + 2)
            torn = _BREAK.search(self._buffer, 1, star + 1 + _CRC_DIGITS if star > 0 else MAX_BODY_BYTES + 2)
            if torn is not None:
                # A new start, or a line end, where the frame should go on: its end was lost. It may be what is next.
                self._skip(torn.start(), "frame without an end", heard)
            elif star > 0:
                if len(self._buffer) < star + 1 + _CRC_DIGITS:
                    break
                body = bytes(self._buffer[1:star])
                digits = bytes(self._buffer[star + 1 : star + 1 + _CRC_DIGITS])
                del self._buffer[: star + 1 + _CRC_DIGITS]
                self._in_noise = False
                heard.append(self._checked(body, digits))
            elif len(self._buffer) > MAX_BODY_BYTES + 1:
                self._skip(1, f"body of more than {MAX_BODY_BYTES} bytes", heard)
            else:
                break
        return heard

    def _skip(self, count: int, error: str, heard: list[Heard | Unreadable | Replayed]) -> None:
        """Leave bytes that belong to no frame; a run of them is told once, line ends are none."""
        skipped = bytes(self._buffer[:count])
        del self._buffer[:count]
        if not skipped.strip(b"\r\n"):
            return
        if skipped.startswith(b"$") or not self._in_noise:
            heard.append(Unreadable(error, skipped[:MAX_BODY_BYTES]))
        self._in_noise = True

    def _checked(self, body: bytes, digits: bytes) -> Heard | Unreadable:
        raw = b"$%s*%s" % (body, digits)
        try:
            right = int(digits, 16) == crc16(body)
        except ValueError:
            right = False
        seq = _SEQ.match(body)
        if not right:
            answers = (Answer(_answer("N", seq[1].decode(), "crc")),) if seq else ()
            return Unreadable("checksum is wrong", raw, answers)
        fields = [_field(part) for part in body.split(b",")]
        match fields[0]:
            case "E":
                return self._event(fields, seq[1].decode() if seq else "", raw)
            case "H":
                return _heartbeat(fields, raw)
            case "Y":
                return self._hello(fields, raw)
            case "A" | "N" | "S":
                # Our own words come back: an echoing adapter. An answer to them would come back too, for ever.
                return Unreadable("our own answer came back", raw)
            case _ if seq:
                return Heard(token=seq[1].decode(), refused="kind: E, Y or H is needed")
            case _:
                return Unreadable("unknown kind of frame", raw)

    # -- frames to signals -----------------------------------------------------------------------------------------

    def _event(self, fields: list[str], seq: str, raw: bytes) -> Heard | Unreadable:
        if not seq:
            return Unreadable("event without a sequence number", raw)
        _, _, hub, device, kind, key_text, age, rssi = [*fields, *[""] * 8][:8]
        if not hub and not device:
            return Heard(token=seq, refused="device: is missing, and so is the hub")
        details: dict[str, Any] = {"via": hub} if hub else {}
        ignored: list[str] = []
        if not device:
            # A press of nobody is still a press in the home where that hub stands.
            device = hub
            ignored.append("device")
        signal_type, key = _meaning(kind, key_text, details)
        age_seconds = _number(age, 0, _MAX_AGE_SECONDS, "age", ignored)
        strength = _number(rssi, -250, 100, "rssi", ignored)
        if strength is not None:
            details["rssi"] = int(strength) if strength == int(strength) else strength
        if ignored:
            details["ignored"] = ignored
        signal = Signal(
            family="yj_line",
            device=device,
            type=signal_type,
            id=self._identity(hub, seq, kind, key_text),
            key=key,
            age_seconds=age_seconds,
            details=details,
        )
        return Heard(signals=(signal,), token=seq)

    def _identity(self, hub: str, seq: str, kind: str, key: str) -> str:
        series = self._hubs.get(hub, (0, 0))[1]
        identity = f"{hub}/{int(seq)}/{kind}/{key}" + (f"/{series}" if series else "")
        if len(identity) > _MAX_ID:
            digest = hashlib.blake2s(identity.encode(), digest_size=16).hexdigest()
            identity = f"{int(seq)}/{digest}"
        return identity

    def _hello(self, fields: list[str], raw: bytes) -> Heard | Unreadable:
        _, _, hub, boot_text, protocol = [*fields, *[""] * 5][:5]
        if not hub:
            return Unreadable("hello without a hub", raw)
        details: dict[str, Any] = {"protocol": protocol} if protocol else {}
        boot = _number(boot_text, 0, 2**32, "boot", [])
        shows = "state" in protocol.split("+")[1:]
        before = (self._hubs.get(hub), hub in self._shows_state)
        if boot is not None:
            details["boot"] = int(boot)
            last_boot, series = self._hubs.get(hub, (0, 0))
            if boot < last_boot:
                series += 1  # wiped: its sequence numbers begin again, and must not be taken for the old ones
            self._hubs.pop(hub, None)
            self._hubs[hub] = (int(boot), series)
            while len(self._hubs) > _HUBS_MAX:
                del self._hubs[next(iter(self._hubs))]
        (self._shows_state.add if shows else self._shows_state.discard)(hub)
        if before != (self._hubs.get(hub), hub in self._shows_state):
            self._changes += 1
        return Heard(signals=(Signal("yj_line", hub, SignalType.ONLINE, "", details=details),))

    # -- answers ---------------------------------------------------------------------------------------------------

    def answer(self, heard: Heard, outcomes: Sequence[Outcome]) -> Sequence[Answer]:
        """A once it is stored; N busy where it could not be; N format for what will never be taken."""
        if heard.token is None or not outcomes:
            return ()
        match outcomes[0].result:
            case Result.BUSY:
                return (Answer(_answer("N", heard.token, "busy")),)
            case Result.REJECTED:
                return (Answer(_answer("N", heard.token, "format")),)
            case _:
                return (Answer(_answer("A", heard.token)),)

    def progress(self, news: Progress) -> Sequence[Answer]:
        """S, to hubs that said they show states; a plain v1 hub would not know the word."""
        if not (self._shows_state_always or news.via in self._shows_state):
            return ()
        whole = frame("S", "0", news.device, news.call, news.state)
        if len(whole) > MAX_BODY_BYTES + len(b"$*CCCC\r\n"):
            return ()
        return (Answer(whole),)


def _answer(*fields: str) -> bytes:
    return frame(*fields)


def _meaning(kind: str, key_text: str, details: dict[str, Any]) -> tuple[SignalType, Key | None]:
    """Type and key. What a call button says that we do not know is an emergency: it fails towards a call."""
    signal_type = _TYPES.get(kind)
    if signal_type is None:
        details["unmapped"] = f"{kind},{key_text}" if key_text not in {"", "-"} else kind
        return SignalType.PRESS, Key.EMERGENCY
    if signal_type is not SignalType.PRESS:
        return signal_type, None
    if key_text in {"", "-"}:
        return signal_type, Key.EMERGENCY
    key = _KEYS.get(key_text)
    if key is None:
        details["unmapped"] = key_text
        return signal_type, Key.EMERGENCY
    return signal_type, key


def _number(text: str, low: float, high: float, name: str, ignored: list[str]) -> float | None:
    if text in {"", "-"}:
        return None
    value = float(text) if _NUMBER.fullmatch(text) else None
    if value is None or not low <= value <= high:
        ignored.append(name)
        return None
    return value


def _heartbeat(fields: list[str], raw: bytes) -> Heard | Unreadable:
    """The hub lives. No id: it is state, the newest one counts, and it is not answered."""
    _, _, hub, uptime, queue, dropped = [*fields, *[""] * 6][:6]
    if not hub:
        return Unreadable("heartbeat without a hub", raw)
    details: dict[str, Any] = {}
    for name, text in (("uptime_seconds", uptime), ("queue", queue), ("dropped", dropped)):
        value = _number(text, 0, 2**32, name, [])
        if value is not None:
            details[name] = int(value)
    return Heard(signals=(Signal("yj_line", hub, SignalType.HEARTBEAT, "", details=details),))


class YjLine:
    """The YJ-LINE/1 family."""

    name = "yj_line"
    # Our own proposal: its frames are right by definition, no hub has been built with it yet.
    maturity = Maturity.DRAFT
    transports = frozenset({Transport.SERIAL})
    options: Mapping[str, str] = MappingProxyType(
        {
            "shows_state": "true when the hubs of this line show states, whatever their hello said",
        }
    )

    def topics(self, base: str) -> Sequence[str]:  # noqa: ARG002 - a line has no topics
        """None."""
        return ()

    def session(self, options: Mapping[str, Any]) -> Session:
        """A translator for one port."""
        for name in options:
            if name not in self.options:
                raise ValueError(f"{name}: unknown option of yj_line")
        shows_state = options.get("shows_state", False)
        if not isinstance(shows_state, bool):
            raise ValueError("shows_state: true or false is needed")  # noqa: TRY004 - the protocol says ValueError
        return YjLineSession(shows_state=shows_state)

    def emit(self, signal: Signal) -> Frame:
        """What a hub sends for this signal: the hub is `details.via`, the sequence number is that of the id."""
        details = signal.details
        if not signal.id and signal.type is SignalType.HEARTBEAT:
            counts = (details.get(name, "") for name in ("uptime_seconds", "queue", "dropped"))
            return Frame(frame("H", "0", signal.device, *map(str, counts)))
        if not signal.id:
            boot, protocol = details.get("boot", ""), details.get("protocol", "v1")
            return Frame(frame("Y", "0", signal.device, str(boot), str(protocol)))
        kind, key = str(signal.type), str(signal.key or "-")
        parts = signal.id.split("/")
        seq = next((part for part in parts[:2] if part.isdecimal()), str(binascii.crc32(signal.id.encode())))
        if "unmapped" in details:
            kind, key = parts[2:4] if len(parts) > 3 else (kind, str(details["unmapped"]))
        elif len(parts) > 3:
            key = parts[3]
        wrong = details.get("ignored", [])
        age = "?" if "age" in wrong else "" if signal.age_seconds is None else f"{signal.age_seconds:g}"
        rssi = "?" if "rssi" in wrong else str(details.get("rssi", ""))
        return Frame(frame("E", seq, str(details.get("via", "hub")), signal.device, kind, key, age, rssi))


FAMILY: Family = YjLine()
