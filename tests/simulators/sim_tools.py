"""What these tests share: a real Mosquitto of our own that can be stopped and started, and things that run meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import serial

from devices import yj_line
from devices.family import Frame, Heard
from devices.signal import Signal


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Mosquitto:
    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        self._config.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        self._process = await asyncio.create_subprocess_exec(
            program,
            "-c",
            str(self._config),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(10):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    return
                await asyncio.sleep(0.02)

    async def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            self._process = None


@asynccontextmanager
async def running(*works: Coroutine[Any, Any, Any]) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work) for work in works]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


async def until(true: Callable[[], Any], seconds: float = 8.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.01)


class Gateway:
    """Opens the port as a gateway does, and answers by the real family's session."""

    def __init__(self, path: Path, *, acknowledge: bool = True) -> None:
        self.port = serial.Serial(str(path), 115200, timeout=0, exclusive=True)
        self.session = yj_line.FAMILY.session({})
        self.signals: list[Signal] = []
        self.acknowledge = acknowledge

    async def run(self) -> None:
        while True:
            await asyncio.sleep(0.01)
            for item in self.session.receive(Frame(self.port.read(4096))):
                if isinstance(item, Heard):
                    self.signals += item.signals
                    if self.acknowledge and item.token:
                        self.port.write(yj_line.frame("A", item.token))
