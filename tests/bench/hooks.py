"""Receivers of webhooks that cost next to nothing: they read as little of HTTP as will do, and note when what came."""

from __future__ import annotations

import asyncio
import re
import time

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_PRESS = re.compile(rb'"cause":\{"kind":"signal",[^}]*?"id":"([a-z]+)-(\d+)"')
_ANSWER = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"


class Receiver(asyncio.Protocol):
    """One connection; a receiver that hangs reads and never answers."""

    def __init__(self, hooks: Hooks, endpoint: int, *, hangs: bool) -> None:
        self._hooks = hooks
        self._endpoint = endpoint
        self._hangs = hangs
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A sender has come."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._hooks.open.add(transport)

    def connection_lost(self, _error: Exception | None) -> None:
        """It has gone."""
        if self._transport is not None:
            self._hooks.open.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        """Some of a request, or several."""
        self._rest += data
        while (end := self._rest.find(b"\r\n\r\n")) >= 0:
            found = _LENGTH.search(self._rest, 0, end + 2)
            size = end + 4 + (int(found[1]) if found else 0)
            if len(self._rest) < size:
                return
            body, self._rest = self._rest[end + 4 : size], self._rest[size:]
            if self._hangs:
                self._hooks.swallowed += 1
                continue
            self._hooks.got(self._endpoint, body)
            assert self._transport is not None
            self._transport.write(_ANSWER)


class Hooks:
    """So many endpoints on ports of their own; the last `hanging` of them never answer."""

    def __init__(self, run: str, endpoints: int, hanging: int) -> None:
        self._run = run.encode()
        self.ports: list[int] = []
        self.hanging = hanging
        self.arrived: list[dict[int, float]] = [{} for _ in range(endpoints)]
        self.twice = 0
        self.swallowed = 0
        self.open: set[asyncio.Transport] = set()
        self._servers: list[asyncio.Server] = []

    async def start(self) -> None:
        """Listen."""
        loop = asyncio.get_running_loop()
        for endpoint in range(len(self.arrived)):
            hangs = endpoint >= len(self.arrived) - self.hanging

            def receiver(endpoint: int = endpoint, *, hangs: bool = hangs) -> Receiver:
                return Receiver(self, endpoint, hangs=hangs)

            server = await loop.create_server(receiver, "127.0.0.1", 0)
            self._servers.append(server)
            self.ports.append(server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Hang up."""
        for server in self._servers:
            server.close()
        for transport in list(self.open):
            transport.abort()
        await asyncio.sleep(0.05)

    def got(self, endpoint: int, body: bytes) -> None:
        """A message has arrived."""
        now = time.perf_counter()
        found = _PRESS.search(body)
        if found is None or found[1] != self._run:
            return
        number = int(found[2])
        if number in self.arrived[endpoint]:
            self.twice += 1
        else:
            self.arrived[endpoint][number] = now

    @property
    def answering(self) -> list[dict[int, float]]:
        """What arrived at the endpoints that answer."""
        return self.arrived[: len(self.arrived) - self.hanging]
