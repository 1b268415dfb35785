"""One question and its answer over HTTP, with a bound on everything the other side could make large or slow.

Nothing is unpacked (a kilobyte can become a gigabyte), no cookie is kept, no proxy of the environment is asked, and
of an answer at most 16 KiB are read: of a longer one the line is cut.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
from typing import NamedTuple

import aiohttp
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, hdrs
from yarl import URL

ANSWER_BYTES_MAX = 16_384
CONNECT_SECONDS = 5.0
#: What is left of an answer that says nothing we need is waited for so long, to keep the line; then it is cut.
_REST_SECONDS = 1.0

USER_AGENT = f"Yijian/{importlib.metadata.version('yijian')}"


class Answer(NamedTuple):
    """What came back. `content` is at most ANSWER_BYTES_MAX long, and empty where nobody wanted it."""

    status: int
    location: str
    retry_after: str
    date: str
    content: bytes = b""
    charset: str = "utf-8"
    cut: bool = False  #: was it longer?


def session(connector: TCPConnector) -> ClientSession:
    """A session that keeps nothing between two messages but its connections."""
    return ClientSession(
        connector=connector,
        cookie_jar=DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        read_bufsize=ANSWER_BYTES_MAX,
        timeout=ClientTimeout(total=None, connect=CONNECT_SECONDS),
        headers={
            hdrs.USER_AGENT: USER_AGENT,
            hdrs.ACCEPT: "*/*",
            hdrs.ACCEPT_ENCODING: "identity",
        },
        skip_auto_headers=(hdrs.CONTENT_TYPE,),
    )


async def ask(
    session: ClientSession,
    method: str,
    url: URL,
    headers: dict[str, str],
    body: bytes | None,
    *,
    read: bool,
) -> Answer:
    """Send, and take the answer; `read`: its content too. Redirects are not followed. Time is bounded by the caller.

    The line of an answer that was not read to its end is cut. Raises aiohttp.ClientError, OSError (TargetRefused among
    them), TimeoutError.
    """
    async with session.request(method, url, headers=headers, data=body, allow_redirects=False) as answer:
        content, cut = b"", False
        if read:
            content, cut = await _content(answer)
        elif not answer.content.is_eof():
            await _let_go(answer)
        get = answer.headers.get
        return Answer(
            answer.status,
            get(hdrs.LOCATION, ""),
            get(hdrs.RETRY_AFTER, ""),
            get(hdrs.DATE, ""),
            content,
            (answer.charset or "utf-8") if read else "utf-8",
            cut,
        )


async def _content(answer: aiohttp.ClientResponse) -> tuple[bytes, bool]:
    """The answer's content up to the bound, and whether there was more."""
    content = bytearray()
    while len(content) <= ANSWER_BYTES_MAX:
        piece = await answer.content.read(ANSWER_BYTES_MAX + 1 - len(content))
        if not piece:
            return bytes(content), False
        content += piece
    return bytes(content[:ANSWER_BYTES_MAX]), True


async def _let_go(answer: aiohttp.ClientResponse) -> None:
    """Read what nobody needs, to use the line again; where that is much or slow, cut the line. The status counts."""
    with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with asyncio.timeout(_REST_SECONDS):
            await _content(answer)
