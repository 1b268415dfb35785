"""A serial port: bytes of a hub to the intake, answers back; opened again whenever it was unplugged.

One task a port. The port is named by a path that survives replugging (`/dev/serial/by-id/…`), locked so that no second
program reads half of it, and opened again with growing pauses. What is read is handed on as it comes: the family finds
the frames in it, and leaves what stands before the first one. At each opening the family begins anew, so that half a
frame from before an unplugging is never joined to one from after.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import select
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import serial
import serial_asyncio_fast
import structlog

from devices.family import Answer, Frame, Session
from gateway.intake import Intake
from gateway.lines import OpenLine
from gateway.memory import LineMemory

log = structlog.get_logger()

_AGAIN_SECONDS_MIN = 0.2
_AGAIN_SECONDS_MAX = 5.0
#: Opens a port: the loop, what makes its protocol, the path; `(transport, protocol)`. Raises OSError.
Connect = Callable[..., Awaitable[tuple[Any, Any]]]

_OUT_BYTES_MAX = 64 * 1024  # a hub that reads nothing; it repeats whatever it has no answer to


class SerialTransport:
    """One port. `run` it in a task."""

    def __init__(
        self,
        name: str,
        port: str,
        baud: int,
        family: str,
        new_session: Callable[[], Session],
        intake: Intake,
        memory: LineMemory,
        *,
        chance: random.Random,
        opened: Callable[[OpenLine], None] | None = None,
        closed: Callable[[OpenLine], None] | None = None,
        connect: Connect = serial_asyncio_fast.create_serial_connection,
    ) -> None:
        self.name = name
        self._port = port
        self._baud = baud
        self._family = family
        self._new_session = new_session
        self._intake = intake
        self._memory = memory
        self._chance = chance
        self._opened = opened
        self._connect = connect
        self._closed = closed
        self._loop = asyncio.get_running_loop()
        self.beat = self._loop.time()
        self.open = False
        #: Why it is not open, for whoever looks for the fault; empty while it is.
        self.problem = "not opened yet"

    async def run(self) -> None:
        """Have the port open, for ever."""
        again_seconds = _AGAIN_SECONDS_MIN
        while True:
            self.beat = began = self._loop.time()
            try:
                await self._once()
                reason = "the port was closed"
            except (OSError, ValueError) as error:  # SerialException is an OSError
                reason = str(error)
            self.open = False
            if self._loop.time() - began > _AGAIN_SECONDS_MAX:
                again_seconds = _AGAIN_SECONDS_MIN
            if reason != self.problem:
                self.problem = reason
                log.warning("line is closed", line=self.name, reason=reason)
            await asyncio.sleep(again_seconds * (0.5 + self._chance.random()))
            again_seconds = min(again_seconds * 2, _AGAIN_SECONDS_MAX)

    async def _once(self) -> None:
        """Open the port, and stay until it is gone."""
        session = self._new_session()
        self._memory.recall(self.name, session)
        link = _Link(self._loop)
        line = OpenLine(self.name, self._family, session, link.send, link.carry, link.pause)
        link.received = lambda data: self._intake.take(line, Frame(data))
        transport, _ = await self._connect(
            self._loop, lambda: link, self._port, baudrate=self._baud, exclusive=True
        )
        try:
            self._intake.open(line)
            if self._opened is not None:
                self._opened(line)
            self.open = True
            self.problem = ""
            log.info("line is open", line=self.name)
            while not link.lost.done():
                self.beat = self._loop.time()
                await asyncio.wait((link.lost,), timeout=1.0)
            link.lost.result()
        finally:
            self._intake.close(line)
            self._memory.forget(line)
            if self._closed is not None:
                self._closed(line)
            # A port that is lost has closed itself; closed once more it would fail in a task that nobody awaits.
            if not link.lost.done():
                link.lost.cancel()
                with contextlib.suppress(OSError):
                    transport.abort()
            elif not link.lost.cancelled():
                link.lost.exception()  # we may have been stopped in the very moment: then nobody else looks at it


class _Link(asyncio.Protocol):
    """The port while it is open."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.lost: asyncio.Future[None] = loop.create_future()
        self.received: Callable[[bytes], None] = _drop
        self._transport: Any = None  # serial_asyncio_fast has no types

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self.received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if not self.lost.done():
            if exc is None:
                self.lost.set_result(None)
            else:
                self.lost.set_exception(exc if isinstance(exc, OSError) else OSError(str(exc)))

    def send(self, answers: Sequence[Answer]) -> None:
        self._write(b"".join(answer.data for answer in answers))

    async def carry(self, answers: Sequence[Answer]) -> bool:
        return self._write(b"".join(answer.data for answer in answers))

    def pause(self, paused: bool) -> None:
        if self._transport is not None:
            (self._transport.pause_reading if paused else self._transport.resume_reading)()

    def _write(self, data: bytes) -> bool:
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        waiting = transport.get_write_buffer_size()
        if waiting > _OUT_BYTES_MAX or not (waiting or _writable(transport.serial)):
            return False
        transport.write(data)
        return True


def _writable(port: serial.Serial) -> bool:
    """Whether the port takes a byte now. pyserial 3.5 spins in a full port's write for ever, and the loop with it."""
    return bool(select.select([], [port.fileno()], [], 0)[1])


def _drop(data: bytes) -> None:
    pass
