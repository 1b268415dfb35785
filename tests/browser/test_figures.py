"""The figures' short form: that they can be taken at all, and are not off by far. `make bench` takes them at length."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from outside.harness import PATIENCE

from browser import measure


async def test_a_press_is_painted_while_fifty_facts_a_second_come(tmp_path: Path) -> None:
    figures: dict[str, float] = {}

    def tell(name: str, value: float, unit: str, **_: Any) -> None:
        figures[name] = value

    await measure.painted(tmp_path, 3, tell)
    assert 0 < figures["press to painted, 50 facts/s, p50"] < 500 * PATIENCE
    assert 0 < figures["page interactive on loopback"] < 3000 * PATIENCE


async def test_a_crowded_page_stays_quick(tmp_path: Path) -> None:
    figures: dict[str, float] = {}

    def tell(name: str, value: float, unit: str, **_: Any) -> None:
        figures[name] = value

    await measure.crowd(tmp_path, 4, tell, calls=200)
    assert figures["longest task, 200 open calls, 50 facts/s"] < 250 * PATIENCE
