"""A connection that can be spoilt: a small proxy between Yijian and whatever it talks to.

async with Proxy("127.0.0.1", port) as proxy:        Yijian is told proxy.port
    proxy.stall()             nobody reads: bytes pile up on both sides, and come when healed
    proxy.swallow()           half open: what is said is lost, no end is told, and new connections fare the same
    proxy.trickle(1)          so many bytes a second
    proxy.reset()             RST to every connection there is; new ones are served
    proxy.refuse()            RST to new connections too
    proxy.cut_answers(b"COMMIT", every=3)   of each third such question the answer is lost, and the connection with it
    proxy.heal()              new connections are served; a half open one never recovers, as in life
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from enum import Enum, auto
from typing import Self

_AT_ONCE = 65_536


class _Way(Enum):
    OPEN = auto()
    STALLED = auto()
    SWALLOWED = auto()
    REFUSED = auto()


class _Pair:
    """One connection, and the one it is passed on to."""

    def __init__(
        self,
        near: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        far: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self.near, self.far = near, far
        self.lost = False  #: was half open once: it stays so
        self.cut = False  #: the next answer ends it

    def reset(self) -> None:
        """RST both ways: what is under way is lost."""
        for _, writer in (self.near, self.far):
            sock = writer.get_extra_info("socket")
            if sock is not None:
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class Proxy:
    """Passes connections on, as well as it is allowed to."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._way = _Way.OPEN
        self._pace: float | None = None
        self._match, self._every, self._matched = b"", 0, 0
        self._changed = asyncio.Event()
        self._pairs: set[_Pair] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.connections = 0  #: how many there were in all
        self.cuts = 0  #: how many answers were cut off
        self.carried = 0  #: bytes passed on, both ways

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_AT_ONCE)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for pair in self._pairs:
            pair.reset()

    # what may be done to it

    def stall(self) -> None:
        """Read nothing more, on either side."""
        self._set(_Way.STALLED)

    def swallow(self) -> None:
        """Lose what is said, and tell nobody."""
        self._set(_Way.SWALLOWED)
        for pair in self._pairs:
            pair.lost = True

    def trickle(self, bytes_a_second: float) -> None:
        """Pass on so little."""
        self._pace = bytes_a_second
        self._set(_Way.OPEN)

    def reset(self) -> int:
        """RST to all there are; how many that were."""
        pairs = list(self._pairs)
        for pair in pairs:
            pair.reset()
        return len(pairs)

    def refuse(self) -> None:
        """RST to all, and to whoever comes."""
        self._set(_Way.REFUSED)
        self.reset()

    def cut_answers(self, match: bytes, *, every: int) -> None:
        """Pass questions with these bytes on, and of every so many lose the answer and the connection."""
        self._match, self._every = match, every

    def heal(self) -> None:
        """As if nothing had been."""
        self._pace = None
        self._match = b""
        self._set(_Way.OPEN)

    def _set(self, way: _Way) -> None:
        self._way = way
        self._changed.set()
        self._changed = asyncio.Event()

    # what it does

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            far = await asyncio.open_connection(*self._to, limit=_AT_ONCE)
        except OSError:
            writer.transport.abort()
            return
        pair = _Pair((reader, writer), far)
        pair.lost = self._way is _Way.SWALLOWED
        if self._way is _Way.REFUSED:
            pair.reset()
            return
        self._pairs.add(pair)
        ways = [
            asyncio.create_task(self._carry(pair, reader, far[1], asking=True)),
            asyncio.create_task(self._carry(pair, far[0], writer, asking=False)),
        ]
        self._tasks.update(ways)
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            pass  # the loop ends; asyncio would tell of it
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._tasks.difference_update(ways)
            self._pairs.discard(pair)
            for side in (writer, far[1]):
                side.close()

    async def _carry(
        self, pair: _Pair, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, asking: bool
    ) -> None:
        while True:
            await self._open(pair)
            try:
                data = await reader.read(_AT_ONCE if self._pace is None else 1)
            except ConnectionError:
                return
            if not data:
                if pair.lost:
                    await asyncio.Event().wait()  # nobody is told
                return
            await self._open(pair)  # what was read just as it was stalled waits too
            if pair.lost:
                continue
            if not asking and pair.cut:
                self.cuts += 1
                pair.reset()
                return
            if asking and self._match and self._match in data:
                self._matched += 1
                pair.cut = pair.cut or self._matched % self._every == 0
            self.carried += len(data)
            with contextlib.suppress(ConnectionError):
                writer.write(data)
                await writer.drain()
            if self._pace is not None:
                changed = self._changed
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(len(data) / self._pace):
                        await changed.wait()

    async def _open(self, pair: _Pair) -> None:
        while self._way is _Way.STALLED and not pair.lost:
            await self._changed.wait()
