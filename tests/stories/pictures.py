"""A journal as text, one line a fact: what tests/snapshots holds and a person reads."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from dispatcher.core.call import Dispatched, Entry, Opened, PassedOver

SNAPSHOTS = Path(__file__).resolve().parents[1] / "snapshots"


def offset(seconds: float) -> str:
    """`+1:02:03.5`, hours only where there are any."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    clock = f"{minutes:02}:{rest / 10:04.1f}"
    return f"+{hours}:{clock}" if hours else f"+{clock}"


def journal(entries: Sequence[Entry], start_us: int, name_of: Callable[[str], str]) -> str:
    """The whole journal."""
    lines = []
    for entry in entries:
        when = offset((entry.at_us - start_us) / 1e6)
        call = name_of(entry.call) if entry.call is not None else "-"
        what = _what(entry, start_us, name_of)
        why = (
            entry.cause.kind
            if entry.cause.kind == "deadline"
            else f"{entry.cause.kind} {entry.cause.by or entry.cause.device or ''}".strip()
        )
        lines.append(f"{when:>11}  {entry.name:<21} {call:<7} {what}  [{why}]".replace("   [", "  ["))
    return "\n".join(lines) + "\n"


def _what(entry: Entry, start_us: int, name_of: Callable[[str], str]) -> str:
    fact = entry.fact
    match fact:
        case Opened():
            test = " test" if fact.test else ""
            return f"{fact.kind} {fact.key}{test} of {fact.resident or fact.area or 'nobody known'}"
        case Dispatched():
            asked = ", ".join(f"{one.to} ({one.reason}{_travel(one.travel_seconds)})" for one in fact.asked)
            over = ", ".join(f"{one.station} {one.reason}" for one in fact.passed_over)
            return f"step {fact.step}: {asked}" + (f"; not {over}" if over else "")
        case _:
            words = []
            for name, value in msgspec.structs.asdict(fact).items():
                if value in (None, "", (), 0, False) or name in ("text", "source", "device", "id"):
                    continue
                if name.endswith("_us") and name != "saved_us":
                    words.append(f"{name.removesuffix('_us')} {offset((value - start_us) / 1e6)}")
                elif name == "saved_us":
                    words.append(f"saved {value / 1e6:g} s")
                elif name == "of":
                    words.append(f"of {name_of(value)}")
                elif value is True:
                    words.append(name)
                elif isinstance(value, tuple):
                    words.append(f"{name} {' '.join(map(_one, value))}")
                else:
                    words.append(f"{name} {value}" if name in ("step", "repeat") else str(value))
            return ", ".join(words)


def _one(value: str | PassedOver) -> str:
    return f"{value.station} {value.reason}" if isinstance(value, PassedOver) else value


def _travel(seconds: float | None) -> str:
    return "" if seconds is None else f", {seconds:.0f} s"


def compare(name: str, picture: str) -> None:
    """The story's journal is as it was; a changed behaviour shows as a readable difference."""
    path = SNAPSHOTS / f"{name}.txt"
    if os.environ.get("YIJIAN_SNAPSHOTS") == "write":
        SNAPSHOTS.mkdir(exist_ok=True)
        path.write_text(picture, encoding="utf-8")
        return
    if not path.exists():
        pytest.fail(f"no snapshot yet: run once with YIJIAN_SNAPSHOTS=write and read {path.name}")
    assert picture == path.read_text(encoding="utf-8")
