"""The figures' short form: that they can be taken at all, and are not off by far. `make bench` takes them at length."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from outside.harness import Server
from patience import PATIENCE
from playwright.async_api import Browser

from browser import measure
from browser.screens import House

CALLS = 200


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def crowded(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A larger town, for both."""
    server = Server(tmp_path_factory.mktemp("crowded"), district=measure.crowded(CALLS))
    async with House.opened(server, browser) as here:
        yield here
        await here.leave()


async def test_a_press_is_painted_while_fifty_facts_a_second_come(crowded: House) -> None:
    figures: dict[str, float] = {}

    def tell(name: str, value: float, unit: str, **_: Any) -> None:
        figures[name] = value

    await measure.painted_at(crowded, 2, tell, pages=2)
    await crowded.leave()
    await crowded.tidy()
    assert 0 < figures["press to painted, 50 facts/s, p50"] < 500 * PATIENCE
    assert 0 < figures["page interactive on loopback"] < 3000 * PATIENCE


async def test_a_crowded_page_stays_quick(crowded: House) -> None:
    figures: dict[str, float] = {}

    def tell(name: str, value: float, unit: str, **_: Any) -> None:
        figures[name] = value

    await measure.crowd_at(crowded, 3, tell, CALLS)
    assert figures[f"longest task, {CALLS} open calls, 50 facts/s"] < 250 * PATIENCE
