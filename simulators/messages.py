"""A message as somebody has it on their telephone: what came, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Channel(StrEnum):
    """How it came."""

    SMS = "sms"
    WEBHOOK = "webhook"


class State(StrEnum):
    """What became of it at the other end."""

    FAILED = "failed"  #: answered with an error: it must come again
    ARRIVED = "arrived"
    READ = "read"
    RANG = "rang"  #: they telephone the resident
    TOLD = "told"  #: they telephoned 12349 and said how it is


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `to` is a telephone number or the id of a webhook. Times are microseconds since 1970."""

    channel: Channel
    to: str
    id: str
    text: str = ""
    fact: str = ""
    call: str = ""
    call_state: str = ""
    key_pressed: str = ""
    number: int = 0
    at_us: int = 0
    state: State = State.ARRIVED
    state_us: int = 0
    tries: int = 1

    @property
    def key(self) -> tuple[Channel, str, str]:
        """What it is known by: however often it is tried, it is one message."""
        return self.channel, self.to, self.id
