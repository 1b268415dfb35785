"""One server and one browser for all stories (starting them costs time); each person gets a fresh profile."""

from __future__ import annotations

import re
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from oidc_provider import SECRET, LittleProvider
from outside.harness import Desk, Server
from patience import PATIENCE
from playwright.async_api import Browser, async_playwright, expect

from browser.screens import ARGUMENTS, House, chromium
from browser.town import PERSONAL, district, usual_duty
from config.doors import SystemClock

_HERE = Path(__file__).parent
_FAILED = pytest.StashKey[bool]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The browser lives on one event loop, and all its stories with it."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Remember how a story went, so that it can keep its pictures."""
    report = yield
    if report.when == "call":
        item.stash[_FAILED] = report.failed
    return report


def built() -> Path:
    """The pages that a person gets; the small one without a build is another console."""
    dist = _HERE.parents[1] / "dispatcher" / "console" / "web" / "dist"
    assert (dist / "index.html").is_file(), "the console's pages are not built: `make console`"
    return dist


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The town's server."""
    built()
    running = Server(tmp_path_factory.mktemp("browser"), district=district())
    try:
        running.start()
        yield running
        said = [mark for mark in PERSONAL if mark in running.log]
        assert not said, f"the log names people: {said}"
    finally:
        running.end()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The browser."""
    expect.set_options(timeout=8_000 * PATIENCE)
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        yield running
        await running.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def town(server: Server, browser: Browser) -> AsyncIterator[House]:
    """The house of all stories."""
    async with Desk(server) as desk:
        await usual_duty(desk)
        yield House(server, browser, desk)


@pytest_asyncio.fixture(loop_scope="session")
async def house(request: pytest.FixtureRequest, town: House) -> AsyncIterator[House]:
    """The house of one story. Afterwards its calls are closed, its screens too; of one that failed pictures are kept."""
    yield town
    try:
        await _end(request, town)
    finally:
        await town.tidy()


@pytest_asyncio.fixture(loop_scope="session")
async def own_house(request: pytest.FixtureRequest, browser: Browser, tmp_path: Path) -> AsyncIterator[House]:
    """A house whose server may be killed: nobody else lives there."""
    async with House.opened(Server(tmp_path / "own", district=district()), browser) as alone:
        yield alone
        await _end(request, alone)


@pytest_asyncio.fixture(loop_scope="session")
async def provider() -> AsyncIterator[LittleProvider]:
    """An organisation's login, on another site than the house: a browser tells `localhost` from 127.0.0.1."""
    made = LittleProvider(SystemClock(), "localhost")
    async with made.server:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def vouched_house(
    request: pytest.FixtureRequest, browser: Browser, provider: LittleProvider, tmp_path: Path
) -> AsyncIterator[House]:
    """A house where people can come in by the login of their organisation."""
    env = {
        "YIJIAN_OIDC_ISSUER": provider.issuer,
        "YIJIAN_OIDC_CLIENT_ID": "yijian",
        "YIJIAN_OIDC_CLIENT_SECRET": SECRET,
        "YIJIAN_OIDC_LABEL_ZH": "古槐区统一登录",
        "YIJIAN_PRIVATE_TARGETS": "true",
    }
    server = Server(tmp_path / "vouched", district=district(), env=env)
    async with House.opened(server, browser) as made:
        yield made
        await _end(request, made)
    assert SECRET not in server.log


async def _end(request: pytest.FixtureRequest, house: House) -> None:
    failed = request.node.stash.get(_FAILED, True)
    if failed or any(screen.complaints for screen in house.screens):
        story = re.sub(r"[^\w.-]+", "-", request.node.name)
        folder = Path(tempfile.gettempdir()) / "yijian-browser" / story
        await house.keep(folder)
        request.node.add_report_section("teardown", "pictures", f"kept in {folder}")
    complaints = await house.leave()
    assert failed or not complaints, "the pages complained:\n" + "\n".join(complaints)
