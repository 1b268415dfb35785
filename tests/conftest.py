"""Which databases the tests run on. `--database sqlite` or `--database postgresql`: on one of them only."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

BOTH = ("sqlite", "postgresql")
#: What runs on both: the stories, the rooms with rows, and of what is told from outside the life of a press.
OUTSIDE = ("life", "press")
ROOMS = ("desk", "feed", "inbox", "outbox", "register", "register_history", "board", "doubt", "people")

# How long an example takes says how busy the machine is, not whether it is right.
settings.register_profile("ours", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ours")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--database`."""
    parser.addoption("--database", choices=BOTH, help="run what runs on both databases on this one only")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests on both databases are there twice."""
    path = Path(metafunc.module.__file__)
    room = path.stem.removeprefix("test_")
    one = metafunc.config.getoption("database")
    if path.parent.name == "outside" and room in OUTSIDE and "server" in metafunc.fixturenames and not one:
        metafunc.parametrize("server", BOTH, indirect=True, scope="session")
    if path.parent.name == "stories" or (path.parent.name, room) in {
        ("dispatcher", room) for room in ROOMS
    } | {("crash", "kill")}:
        metafunc.parametrize("database", [one] if one else BOTH, indirect=True)


def pytest_collection_finish() -> None:
    """What collecting has made stays: the collector need not look at it again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """aiohttp keeps the last 1,024 applications that answered, with all that they hold: 3 GB of ours."""
    yield
    if (web_app := sys.modules.get("aiohttp.web_app")) is not None:
        web_app._cached_build_middleware.cache_clear()


@pytest.fixture(autouse=True)
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """The kind of database that this test runs on; of tests that have none, or one of their own: nothing."""
    if not hasattr(request, "param"):
        yield ""
        return
    import databases

    before, databases.chosen = databases.chosen, request.param
    yield request.param
    databases.chosen = before


def pytest_sessionfinish() -> None:
    """The server goes with the tests, however they went."""
    if (databases := sys.modules.get("databases")) is not None:
        databases.shared.end()
    if (postgres := sys.modules.get("postgres_server")) is not None:
        postgres.end_shared()
