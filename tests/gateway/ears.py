"""What the gateway's tests share: a free port, a broker of the test's own, and a gateway that runs as long as a test."""

from __future__ import annotations

import asyncio
import random
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from config.doors import SystemClock
from devices.family import Answer, Line
from devices.registry import family
from gateway.fakes import FakeDownlink, FakeInbox
from gateway.gateway import Gateway, GatewayOptions
from gateway.intake import Intake, Limits
from gateway.lines import OpenLine

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(Path(__file__).parent))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def port() -> int:
    return free_port()


async def until(condition: Callable[[], object], within_seconds: float = 10.0) -> None:
    """Wait for what must come true."""
    async with asyncio.timeout(within_seconds):
        while not condition():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(*coroutines) -> AsyncIterator[list[asyncio.Task]]:
    """Run these beside the test; their errors are the test's."""
    tasks = [asyncio.ensure_future(each) for each in coroutines]
    try:
        yield tasks
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def a_gateway(
    folder: Path,
    port: int,
    inbox: FakeInbox | None = None,
    downlink: FakeDownlink | None = None,
    lines: tuple[Line, ...] = (),
    **options,
) -> AsyncIterator[tuple[Gateway, FakeInbox]]:
    inbox = inbox or FakeInbox()
    told = {"mqtt_listen": f"127.0.0.1:{port}", "mqtt_anonymous": True} | options
    gateway = Gateway(
        GatewayOptions(data=folder, lines=lines, **told),
        inbox,
        downlink or FakeDownlink(),
        SystemClock(),
        chance=random.Random(1),
    )
    async with running(gateway.run()):
        await until(lambda: gateway.broker_up)
        yield gateway, inbox


class Ear:
    """A line without a transport: what the intake says to it is kept."""

    def __init__(self, intake: Intake, name: str = "test", family_name: str = "native") -> None:
        self.said: list[Answer] = []
        self.acked: list[str] = []
        self.paused: list[bool] = []
        self.line = OpenLine(
            name, family_name, family(family_name).session({}), self.said.extend, None, self.paused.append
        )
        self._intake = intake
        intake.open(self.line)

    def press(self, signal_id: str, kind: str = "press", device: str = "btn-01") -> None:
        from devices.family import Frame

        body = f'{{"id":"{signal_id}","type":"{kind}"}}'.encode()
        frame = Frame(body, f"yijian/v1/{device}/up")
        self._intake.take(self.line, frame, lambda: self.acked.append(signal_id))


@pytest.fixture
async def inbox() -> FakeInbox:
    return FakeInbox()


@pytest.fixture
async def intake(inbox: FakeInbox) -> Intake:
    return Intake(inbox, SystemClock(), limits=Limits(call_within_seconds=0.3, again_seconds_min=0.05))
