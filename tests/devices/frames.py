"""Reads the fixture files: frames as a family hears them, and what must come of each."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from devices.family import Answer, Frame, Heard, Outcome, Progress, Replayed, Result, Session, Unreadable
from devices.signal import Key, Signal, SignalType

FOLDER = Path(__file__).parent.parent / "frames"
NOW = datetime(2026, 11, 24, 1, 15, 2, 300_000, tzinfo=UTC)


@dataclass(frozen=True)
class Example:
    """One frame of a fixture file."""

    family: str
    name: str
    frame: Frame
    before: tuple[Frame, ...]
    given: dict[str, Any]
    options: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.family}: {self.name}"

    @property
    def signals(self) -> list[Signal]:
        return [_signal(self.family, said) for said in self.given.get("signals", [])]

    @property
    def answers(self) -> list[Answer] | None:
        said = self.given.get("answers")
        return None if said is None else [_answer(each) for each in said]


def examples() -> list[Example]:
    return [
        Example(
            table["family"],
            given["name"],
            _frame(given),
            tuple(Frame(text.encode()) for text in given.get("before", [])),
            given,
            table.get("options", {}),
        )
        for table in _tables()
        for given in table["frame"]
    ]


def progresses() -> list[tuple[str, tuple[Frame, ...], Progress, list[Answer]]]:
    return [
        (
            table["family"],
            tuple(Frame(text.encode()) for text in given.get("before", [])),
            Progress(given["device"], given["call"], given["state"], given["text"], given.get("via", "")),
            [_answer(each) for each in given["answers"]],
        )
        for table in _tables()
        for given in table.get("progress", [])
    ]


def hear(
    session: Session, frames: list[Frame], result: Result = Result.STORED, call: str | None = None
) -> tuple[list[Signal], list[Answer], list[Heard | Unreadable | Replayed]]:
    """Everything that comes of some frames, answers as intake would ask for them."""
    signals: list[Signal] = []
    answers: list[Answer] = []
    pieces: list[Heard | Unreadable | Replayed] = []
    for frame in frames:
        for piece in session.receive(frame):
            pieces.append(piece)
            if not isinstance(piece, Heard):
                answers += piece.answers
                continue
            signals += piece.signals
            outcomes = [Outcome(result, NOW, call) for _ in piece.signals]
            if piece.refused:
                outcomes = [Outcome(Result.REJECTED, NOW, why=piece.refused)]
            answers += session.answer(piece, outcomes)
    return signals, answers, pieces


def _tables() -> list[dict[str, Any]]:
    return [tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.toml"))]


def _frame(given: dict[str, Any]) -> Frame:
    data = bytes.fromhex(given["hex"]) if "hex" in given else given["text"].encode()
    return Frame(data * given.get("repeat", 1), given.get("topic", ""), given.get("retain", False))


def _signal(family: str, said: dict[str, Any]) -> Signal:
    return Signal(
        family=family,
        device=said["device"],
        type=SignalType(said["type"]),
        id=said["id"],
        key=Key(said["key"]) if "key" in said else None,
        at=said.get("at"),
        age_seconds=said.get("age"),
        details=said.get("details", {}),
    )


def _answer(said: dict[str, Any]) -> Answer:
    data = bytes.fromhex(said["hex"]) if "hex" in said else said["text"].encode()
    return Answer(data, said.get("topic", ""), said.get("qos", 0), said.get("retain", False))
