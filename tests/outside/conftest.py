"""One server for all stories (starting costs time), and for each story a town on it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1]))

from outside.harness import Desk, Hub, Server
from outside.listener import Listener
from outside.places import Town, district


@pytest.fixture(scope="session")
def hub_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """The serial port of the shared server, with a hub behind it."""
    hub = Hub(tmp_path_factory.mktemp("serial") / "hub")
    hub.plug()
    yield hub
    hub.unplug()


@pytest.fixture(scope="session")
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, hub_port: Hub
) -> Iterator[Server]:
    """The shared server: a desk, calm policies, a serial line. Of what runs on both databases there are two."""
    line = {"family": "yj_line", "transport": "serial", "port": str(hub_port.name), "baud": 115_200}
    env = {}
    if getattr(request, "param", request.config.getoption("database")) == "postgresql":
        import postgres_server

        env["YIJIAN_DATABASE"] = postgres_server.shared().make("outside")
    beside = hasattr(request, "param") and env  # the serial port belongs to the other one
    running = Server(
        tmp_path_factory.mktemp("shared"), district=district(), lines=[] if beside else [line], env=env
    )
    try:
        running.start()
        yield running
    finally:
        running.end()


@pytest.fixture(scope="session")
def listener(server: Server) -> Iterator[Listener]:
    """Somebody who has the stream of facts open all the time, and does nothing else."""
    ear = Listener(server)
    yield ear
    ear.close()


@pytest.fixture
async def town(server: Server, listener: Listener) -> AsyncIterator[Town]:
    """A story's town; afterwards what it left open is closed."""
    assert listener.alive, "the listener's stream of facts ended"
    async with Desk(server) as desk:
        here = Town(server, desk, await desk.events())
        yield here
        await here.tidy()


@pytest.fixture
async def hub(hub_port: Hub) -> AsyncIterator[Hub]:
    """The hub at the serial port, listening."""
    hub_port.frames.clear()
    hub_port.listen()
    yield hub_port
    hub_port.quiet()
