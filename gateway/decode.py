r"""`yijian decode`: frames in, a JSON line per Signal and per answer out. For whoever stands before an unknown device.

    {"device":"btn-01","type":"press","key":"emergency","id":"9f3a-1042","at":null,"details":{"battery":87}}
    {"answer":"{\"type\":\"receipt\",…}","topic":"yijian/v1/btn-01/down"}        as if it had been stored
    {"answer_hex":"0680"}                                                       where an answer is no text
    {"error":"checksum is wrong"}                                               a frame that cannot be read

Nothing is stored, and nothing is sent anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from devices.family import Answer, Frame, Heard, Outcome, Replayed, Result, Session, Streaming, Unreadable
from devices.registry import family
from devices.signal import Signal

_encode = msgspec.json.Encoder().encode
_CHUNK_BYTES = 4096


class Form(StrEnum):
    """How the frames are written down."""

    RAW = "raw"
    HEX = "hex"
    MQTT = "mqtt"


def decode(
    family_name: str,
    data: bytes,
    form: Form = Form.RAW,
    *,
    now: datetime,
    options: Mapping[str, Any] | None = None,
) -> Iterator[str]:
    """The JSON lines for these frames, answers as if everything was stored `now`.

    `options` are the family's own (a key). Raises LookupError for an unknown family and ValueError for a wrong option,
    before the first line.
    """
    session = family(family_name).session(options or {})
    if form is Form.MQTT:
        return _lines(session, _messages(data), now)
    if form is Form.HEX:
        return _lines(session, _hex(data), now)
    pieces = (Frame(data[start : start + _CHUNK_BYTES]) for start in range(0, len(data), _CHUNK_BYTES))
    return _lines(session, pieces, now)


def read_frame(session: Session, frame: Frame, now: datetime) -> Iterator[str]:
    """The JSON lines for one frame, or one piece of a stream."""
    for piece in session.receive(frame):
        if isinstance(piece, Heard):
            yield from _heard(session, piece, now)
        elif isinstance(piece, Replayed):
            yield _text({"error": f"replayed: {piece.error}", "device": piece.device})
            yield from map(_answer, piece.answers)
        elif isinstance(piece, Unreadable):
            yield _text({"error": piece.error})
            yield from map(_answer, piece.answers)


def _lines(session: Session, frames: Iterator[Frame | str], now: datetime) -> Iterator[str]:
    for frame in frames:
        if isinstance(frame, str):
            yield _text({"error": frame})
        else:
            yield from read_frame(session, frame, now)
    if isinstance(session, Streaming) and (rest := session.rest()):
        yield _text({"error": f"the end of a frame is missing after {len(rest)} bytes"})


def _heard(session: Session, heard: Heard, now: datetime) -> Iterator[str]:
    if heard.refused:
        yield _text({"error": heard.refused})
        outcomes: Sequence[Outcome] = [Outcome(Result.REJECTED, now, why=heard.refused)]
    else:
        for signal in heard.signals:
            yield _text(_signal(signal))
        outcomes = [Outcome(Result.STORED, now) for _ in heard.signals]
    yield from map(_answer, session.answer(heard, outcomes))


def _signal(signal: Signal) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "device": signal.device,
        "type": signal.type,
        "key": signal.key,
        "id": signal.id,
        "at": signal.at,
        "details": signal.details,
    }
    if signal.age_seconds is not None:
        shown["age"] = signal.age_seconds
    return shown


def _answer(answer: Answer) -> str:
    shown: dict[str, Any]
    try:
        text = answer.data.decode()
        printable = all(letter.isprintable() or letter in "\r\n\t" for letter in text)
    except UnicodeDecodeError:
        text, printable = "", False
    shown = {"answer": text} if printable else {"answer_hex": answer.data.hex()}
    if answer.topic:
        shown["topic"] = answer.topic
    if answer.retain:
        shown["retain"] = True
    return _text(shown)


def _text(line: Mapping[str, Any]) -> str:
    return _encode(line).decode()


def _hex(data: bytes) -> Iterator[Frame | str]:
    """One piece a line; spaces and colons between the bytes do not matter."""
    for number, line in enumerate(data.splitlines(), 1):
        digits = line.decode("ascii", errors="replace").replace(":", " ").strip()
        if not digits:
            continue
        try:
            yield Frame(bytes.fromhex(digits))
        except ValueError:
            yield f"line {number} is not hexadecimal"


def _messages(data: bytes) -> Iterator[Frame | str]:
    """A message a line: {"topic","payload","retain","t"}; the payload as text, as JSON, or as `payload_hex`."""
    for number, line in enumerate(data.splitlines(), 1):
        if not line.strip():
            continue
        try:
            message = msgspec.json.decode(line)
            topic = message["topic"]
            payload = message.get("payload", "")
            if "payload_hex" in message:
                body = bytes.fromhex(message["payload_hex"])
            else:
                body = payload.encode() if isinstance(payload, str) else _encode(payload)
        except (msgspec.MsgspecError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            yield f"line {number} is no JSON object with topic and payload"
            continue
        if not isinstance(topic, str):
            yield f"line {number}: topic must be a text"
            continue
        yield Frame(body, topic, bool(message.get("retain", False)))
