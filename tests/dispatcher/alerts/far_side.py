"""The other side of the line, real and on loopback: endpoints that do what they are told, names that lead anywhere."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Got:
    """One request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class FarSide:
    """An endpoint: what it got, over how many connections, and where it is."""

    port: int = 0
    got: list[Got] = field(default_factory=list)
    connections: set[object] = field(default_factory=set)
    scheme: str = "http"

    @property
    def url(self) -> str:
        return self.at("127.0.0.1")

    def at(self, host: str, path: str = "/hook") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"


@contextlib.asynccontextmanager
async def far_side(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[FarSide]:
    """An endpoint that answers so."""
    side = FarSide(scheme="https" if tls else "http")

    async def handle(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        side.got.append(Got(request.method, request.raw_path, request.headers.copy(), body))
        side.connections.add(request.transport)
        return await answer(request)

    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.01)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        side.port = runner.addresses[0][1]
        yield side
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def raw_side(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """The URL of something that speaks as it likes."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await talk(reader, writer)
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    finally:
        server.close()


def status(code: int, text: str = "", **headers: str) -> Answer:
    """Answers with a status."""

    async def answer(_: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=code, text=text, headers=named)

    return answer


async def hang(_: web.Request) -> web.StreamResponse:
    """Takes the request and says nothing."""
    await asyncio.sleep(60)
    return web.Response()


async def drip(request: web.Request) -> web.StreamResponse:
    """Says 200 at once, and then a byte a second."""
    response = web.StreamResponse(headers={"Content-Length": "60"})
    await response.prepare(request)
    for _ in range(60):
        await response.write(b".")
        await asyncio.sleep(1)
    return response


def flood(sent: list[int], megabytes: int = 50) -> Answer:
    """Answers with very much, and notes how much of it was taken."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(megabytes * 16):
            await response.write(b"x" * 65_536)
            sent.append(65_536)
        return response

    return answer


async def reset(request: web.Request) -> web.StreamResponse:
    """Cuts the line with a reset."""
    transport = request.transport
    assert transport is not None
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    transport.abort()
    await asyncio.sleep(60)
    return web.Response()


class Names(AbstractResolver):
    """A name server that says what it is told; a list of lists: another answer each time."""

    def __init__(self, names: Mapping[str, Iterable[str]] | None = None, *, hangs: bool = False) -> None:
        self.names = {name: list(addresses) for name, addresses in (names or {}).items()}
        self.asked: list[str] = []
        self._hangs = hangs

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        self.asked.append(host)
        if self._hangs:
            await asyncio.sleep(60)
        if host not in self.names:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self.names[host]
        ]

    async def close(self) -> None:
        pass


@dataclass(frozen=True)
class Certificates:
    """Where certificates are."""

    folder: Path

    def serving(self, name: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        return context

    @property
    def trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
