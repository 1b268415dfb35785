"""An open line: a way in that frames come by just now, its translator, and how answers get back to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from devices.family import Answer, Frame, Glancing, Heard, Outcome, Progress, Remembering, Session


@dataclass(slots=True, eq=False)
class OpenLine:
    """A way in that is open: its translator, and how answers get back to it.

    `send` never waits and never fails: an answer that is lost is asked for again. `carry` is for what nobody repeats:
    it says whether the answers are with the broker, or the port. `pause` stops and resumes the reading.
    """

    name: str
    family: str
    session: Session
    send: Callable[[Sequence[Answer]], None]
    carry: Callable[[Sequence[Answer]], Awaitable[bool]] | None = None
    pause: Callable[[bool], None] | None = None
    warned_at: float = field(default=-1e9)
    unreadable: int = 0
    remembers: bool = field(init=False)  #: its session has something to keep; asked once, not for every press
    #: Where its session can.
    glance: Callable[[Frame, datetime], Sequence[Answer] | None] | None = field(init=False)

    def __post_init__(self) -> None:
        self.remembers = isinstance(self.session, Remembering)
        self.glance = self.session.glance if isinstance(self.session, Glancing) else None


class Keeper(Protocol):
    """Keeps what a line's session must not forget (gateway/memory.py)."""

    async def keep(self, line: OpenLine) -> None:
        """Write it down when it changed; returns when it is on disk. Never raises."""
        ...


class _SilentSession:
    """The translator of what is answered by its own handler."""

    def receive(self, frame: Frame) -> Sequence[Heard]:  # noqa: ARG002
        return ()

    def answer(self, heard: Heard, outcomes: Sequence[Outcome]) -> Sequence[Answer]:  # noqa: ARG002
        return ()

    def progress(self, news: Progress) -> Sequence[Answer]:  # noqa: ARG002
        return ()


def _send_nothing(answers: Sequence[Answer]) -> None:
    pass


def silent_line(name: str, family: str) -> OpenLine:
    """The line of what is answered by its own handler (HTTP), and by nobody else."""
    return OpenLine(name, family, _SilentSession(), _send_nothing)
