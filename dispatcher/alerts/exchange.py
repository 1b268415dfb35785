"""One question and its answer over HTTP, with a bound on everything the other side could make large or slow.

Nothing is unpacked (a kilobyte can become a gigabyte), no cookie is kept, no proxy of the environment is asked, and
of an answer at most 16 KiB are read: of a longer one the line is cut.

aiohttp connects, keeps lines and reads answers; its session, which does much more than that, is gone around: a message
cost 0.35 ms with it, and a press has one for each webhook.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import aiohttp
from aiohttp import ClientRequest, ClientTimeout, TCPConnector
from aiohttp.client_proto import ResponseHandler
from aiohttp.helpers import parse_mimetype
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import StreamReader
from yarl import URL

ANSWER_BYTES_MAX = 16_384
CONNECT_SECONDS = 5.0
#: What is left of an answer that says nothing we need is waited for so long, to keep the line; then it is cut.
_REST_SECONDS = 1.0
#: Whose lines are known by name; of further ones the oldest is made again.
_HOSTS_KEPT = 1024

USER_AGENT = f"Yijian/{importlib.metadata.version('yijian')}"
_OURS = {"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
_WITHIN = ClientTimeout(total=None, connect=CONNECT_SECONDS)
_NO_HEADER = re.compile(r"[\r\n\0]")


class Answer(NamedTuple):
    """What came back. `content` is at most ANSWER_BYTES_MAX long, and empty where nobody wanted it."""

    status: int
    location: str
    retry_after: str
    date: str
    content: bytes = b""
    charset: str = "utf-8"
    cut: bool = False  #: was it longer?


class Exchange:
    """Questions to whoever the connector goes to. It keeps nothing between two but the connector's lines."""

    def __init__(self, connector: TCPConnector) -> None:
        self._connector = connector
        self._to = lru_cache(_HOSTS_KEPT)(_to)

    async def close(self) -> None:
        """Close every line."""
        await self._connector.close()

    async def ask(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None, *, read: bool
    ) -> Answer:
        """Send, and take the answer; `read`: its content too. Redirects are not followed. Time is bounded by the caller.

        The line of an answer that was not read to its end is cut. Raises aiohttp.ClientError, OSError (TargetRefused among
        them), TimeoutError; ValueError where a header is none.
        """
        said = _request(method, url, headers, body)
        try:
            line = await self._connector.connect(self._to(url.origin()), [], _WITHIN)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError from error
        try:
            protocol, transport = line.protocol, line.transport
            if protocol is None or transport is None:
                raise aiohttp.ServerDisconnectedError
            protocol.set_response_params(
                read_until_eof=True, auto_decompress=False, read_bufsize=ANSWER_BYTES_MAX
            )
            transport.write(said)
            answer, rest = await _answer(protocol, read=read)
            if rest.is_eof():
                line.release()
            return answer
        finally:
            line.close()  # what was released is not ours any more


def _to(origin: URL) -> ClientRequest:
    """The name by which the connector knows whose line is asked for."""
    return ClientRequest("GET", origin, loop=asyncio.get_running_loop())


def _request(method: str, url: URL, headers: Mapping[str, str], body: bytes | None) -> bytes:
    given = {name.lower() for name in headers}
    lines = [f"{method} {url.raw_path_qs} HTTP/1.1", f"Host: {url.host_port_subcomponent}"]
    lines += [f"{name}: {value}" for name, value in _OURS.items() if name.lower() not in given]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None or method != "GET":
        lines.append(f"Content-Length: {len(body or b'')}")
    if any(map(_NO_HEADER.search, lines)):
        raise ValueError("a header of more than one line")
    return "\r\n".join((*lines, "", "")).encode() + (body or b"")


async def _answer(protocol: ResponseHandler, *, read: bool) -> tuple[Answer, StreamReader]:
    """The answer, and the rest of its content."""
    try:
        message, rest = await protocol.read()
        while 100 <= message.code < 200:  # on its way to one
            message, rest = await protocol.read()
    except HttpProcessingError as error:
        raise aiohttp.ClientPayloadError("no HTTP") from error
    content, cut, charset = b"", False, "utf-8"
    if read:
        content, cut = await _content(rest)
        kind = parse_mimetype(message.headers.get("Content-Type", ""))
        charset = kind.parameters.get("charset", charset)
    elif not rest.is_eof():
        await _let_go(rest)
    get = message.headers.get
    return (
        Answer(
            message.code,
            get("Location", ""),
            get("Retry-After", ""),
            get("Date", ""),
            content,
            charset,
            cut,
        ),
        rest,
    )


async def _content(rest: StreamReader) -> tuple[bytes, bool]:
    """The answer's content up to the bound, and whether there was more."""
    content = bytearray()
    while len(content) <= ANSWER_BYTES_MAX:
        piece = await rest.read(ANSWER_BYTES_MAX + 1 - len(content))
        if not piece:
            return bytes(content), False
        content += piece
    return bytes(content[:ANSWER_BYTES_MAX]), True


async def _let_go(rest: StreamReader) -> None:
    """Read what nobody needs, to use the line again; where that is much or slow, cut the line. The status counts."""
    with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with asyncio.timeout(_REST_SECONDS):
            await _content(rest)
