"""The network between a program and PostgreSQL, as it can be: cut in the middle of a commit, or silent.

async with Wire(server.port) as wire:        # connect to wire.port
    wire.cut_at_commit = "after"             # the next COMMIT arrives, its answer does not
    wire.silent = True                       # nothing goes through, nothing is closed
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self

COMMIT = b"COMMIT\0"


class Wire:
    """A TCP proxy on a free port of loopback."""

    def __init__(self, to_port: int) -> None:
        self._to = to_port
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.cut_at_commit = ""
        self.cuts = 0
        self.silent = False

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_error: object) -> None:
        assert self._server is not None
        self._server.close()
        self.silent = False
        self.cut()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)

    def cut(self) -> None:
        """Every connection is gone."""
        for writer in self._open:
            writer.transport.abort()
        self._open.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, to_writer}
        deaf = asyncio.Event()  #: no answer comes back any more
        both = [
            asyncio.create_task(self._there(reader, to_writer, deaf)),
            asyncio.create_task(self._back(to_reader, writer, deaf)),
        ]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in both:
                pump.cancel()
            for end in (writer, to_writer):
                end.transport.abort()
                self._open.discard(end)
            self._tasks.discard(task)

    async def _there(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, deaf: asyncio.Event
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await self._read(reader):
                if self.cut_at_commit and COMMIT in data:
                    how, self.cut_at_commit = self.cut_at_commit, ""
                    self.cuts += 1
                    deaf.set()
                    if how == "after":
                        writer.write(data)
                        await asyncio.sleep(0.2)  # long enough for the server to have done it
                    return
                writer.write(data)
                await writer.drain()

    async def _back(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, deaf: asyncio.Event
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await self._read(reader):
                if not deaf.is_set():
                    writer.write(data)
                    await writer.drain()

    async def _read(self, reader: asyncio.StreamReader) -> bytes:
        data = await reader.read(65_536)
        while self.silent:
            await asyncio.sleep(0.02)
        return data
