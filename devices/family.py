"""What a device family is: a translator between one maker's frames and Signals, without I/O and without a clock.

A transport (gateway/transports) hands every Frame it received to a Session of the family; the session says what it
heard. Only once that is on disk does intake ask the session how to answer, and the transport carries the answer.

    transport --Frame--> Session.receive() --Heard--> intake --commit--> Session.answer() --Answer--> transport

A family is one file (`devices/<name>.py`) with a `FAMILY`, and one fixture file (`tests/frames/<name>.toml`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from msgspec import Struct

from devices.signal import Signal

#: Every family a register may name (contract, section 2), whether its translator is built yet or not.
FAMILY_NAMES = frozenset(
    {
        "native", "zigbee2mqtt", "rf433_hub", "rtl_433", "rflink", "yj_line", "sia_dc09", "scaip", "espa444", "chirpstack",
        "ttn", "gt06", "jt808", "h02", "watch_3g", "onenet", "ctwing", "cti", "shelly", "flic", "http_button",
    }
)  # fmt: skip


class Transport(StrEnum):
    """The ways a frame can come in."""

    MQTT = "mqtt"
    SERIAL = "serial"
    TCP = "tcp"
    UDP = "udp"
    HTTP = "http"


class Maturity(StrEnum):
    """How far a family is proven: from documents, on captured frames, on a real button."""

    DRAFT = "draft"
    CAPTURED = "captured"
    PROVEN = "proven"


class Frame(Struct, frozen=True, gc=False):
    """What a transport received: some bytes of a stream, or one message with its topic."""

    data: bytes
    topic: str = ""
    retain: bool = False


class Answer(Struct, frozen=True, gc=False):
    """What goes back: bytes for a stream (`topic` empty), or one message for a topic.

    `last`: behind everything else that is to be said, and not at all where that is too much.
    """

    data: bytes
    topic: str = ""
    qos: int = 0
    retain: bool = False
    last: bool = False


class Heard(Struct, frozen=True, gc=False):
    """One readable frame: its signals (the press first), and what the session needs to answer it.

    `heard` with no signals is fine: a hello, a status. `refused` says why the content cannot be taken (an unknown
    type): nothing of it is stored, the sender is told so and does not repeat. `names_call` says that the answer has a
    place for the call: then it is worth waiting a moment for the desk before it goes out.
    """

    signals: tuple[Signal, ...] = ()
    token: Any = None
    refused: str = ""
    names_call: bool = False


class Unreadable(Struct, frozen=True, gc=False):
    """Bytes that are no frame. `answers` go out at once (a request to send again); the bytes are counted, not stored."""

    error: str
    raw: bytes = b""
    answers: tuple[Answer, ...] = ()


class Replayed(Struct, frozen=True, gc=False):
    """A message that only looks like a signal: retained or re-published. Never a press; shown as a fault."""

    device: str
    error: str
    answers: tuple[Answer, ...] = ()


class Result(StrEnum):
    """What became of a signal at the inbox (contract, section 3)."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    UNKNOWN_DEVICE = "unknown_device"
    REJECTED = "rejected"
    BUSY = "busy"


class Outcome(Struct, frozen=True, gc=False):
    """What a device is told of one signal: the result, the call it is in when already known, our time, and why."""

    result: Result
    at: datetime
    call: str | None = None
    why: str = ""


class Progress(Struct, frozen=True, gc=False):
    """What the wearer is told of a call: `received|accepted|en_route|on_scene|closed`, and a line of text to show."""

    device: str
    call: str
    state: str
    text: str
    via: str = ""


class Session(Protocol):
    """One line's translator. It may remember what a stream needs (half a frame, a level); it never waits."""

    def receive(self, frame: Frame) -> Sequence[Heard | Unreadable | Replayed]:
        """Read what came. Never raises on any bytes."""
        ...

    def answer(self, heard: Heard, outcomes: Sequence[Outcome]) -> Sequence[Answer]:
        """How to answer `heard`, one outcome a signal in the same order (one `rejected` outcome where it was refused)."""
        ...

    def progress(self, news: Progress) -> Sequence[Answer]:
        """How to tell a wearer on this line how their call goes; nothing where the dialect has no word for it."""
        ...


@runtime_checkable
class Remembering(Protocol):
    """A session that must keep something over a restart of ours (the series of a wiped hub, the level of a stuck bit).

    The gateway writes `memory()` down whenever `changes` went up, before it answers, and hands it to `recall` of the
    line's next session. Without that a wiped hub's new press could be taken for an old one after our restart.
    """

    @property
    def changes(self) -> int:
        """Goes up with every change of the memory."""
        ...

    def memory(self) -> dict[str, Any]:
        """What is to be kept: JSON values only."""
        ...

    def recall(self, memory: Mapping[str, Any]) -> None:
        """Take up what an earlier session kept. Never raises, whatever the file held."""
        ...


@runtime_checkable
class Glancing(Protocol):
    """A session that sees at a glance what may be shed: for a flood, when reading everything takes too long."""

    def glance(self, frame: Frame, at: datetime) -> Sequence[Answer] | None:
        """What tells a plain sign of life `busy`, at that moment; None in every doubt: then the frame is read.

        Never of what asks for help, or changes anything: it is told so and forgotten.
        """
        ...


@runtime_checkable
class Streaming(Protocol):
    """A session that joins frames from pieces of a stream."""

    def rest(self) -> bytes:
        """The beginning of a frame that is still waiting for its end."""
        ...


class Family(Protocol):
    """A device family, as the registry knows it."""

    @property
    def name(self) -> str:
        """Its name in settings and in the register: `native`, `yj_line`."""
        ...

    @property
    def maturity(self) -> Maturity:
        """How far it is proven; the live gateway warns on `draft`."""
        ...

    @property
    def transports(self) -> frozenset[Transport]:
        """The transports it can come by."""
        ...

    @property
    def options(self) -> Mapping[str, str]:
        """The line settings of its own, each with one sentence; an unlisted key in a line is an error."""
        ...

    def topics(self, base: str) -> Sequence[str]:
        """What an MQTT line subscribes to, under its base topic; empty for other transports."""
        ...

    def session(self, options: Mapping[str, Any]) -> Session:
        """A fresh translator for one line or connection. Raises ValueError naming the option that is wrong."""
        ...

    def emit(self, signal: Signal) -> Frame:
        """The frame a device would send for this signal: for simulators, and for the round-trip test."""
        ...


@dataclass(frozen=True, slots=True)
class Line:
    """One configured way in, besides the native dialect (contract, section 2): `[[gateway.lines]]`."""

    family: str
    transport: Transport
    listen: str = ""
    port: str = ""
    baud: int = 9600
    topic: str = ""
    path: str = ""
    secret: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
