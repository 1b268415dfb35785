"""The canary's two ears: a reader of the event stream like any console, and a webhook like anybody's.

Both are asked over HTTP at the address where this process serves, so what they hear has been through the server, the
scope, the signature and the socket. The stream is opened anew for each round: that a page can come is part of the proof.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from config.doors import Clock
from dispatcher.core.canary import CODE, LAST_FACT
from dispatcher.core.signing import signature, signing_key
from dispatcher.vigil.rounds import Broken, Stage, Tell

_BODY_BYTES_MAX = 65_536
_LINE_BYTES_MAX = 262_144
#: As Standard Webhooks has it: older than this is a replay.
_FRESH_SECONDS = 300


class StreamEar:
    """A reader of the canary's events. `base` is where this process serves, `token` what it is known by there."""

    def __init__(self, base: str, token: str) -> None:
        self._base = base
        self._token = token

    @contextlib.asynccontextmanager
    async def listening(self, ref: str, tell: Tell) -> AsyncIterator[None]:
        """Read the stream from before the press."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
        headers = {"Authorization": f"Bearer {self._token}"}
        url = f"{self._base}/api/v1/events"
        async with aiohttp.ClientSession(timeout=timeout, read_bufsize=_LINE_BYTES_MAX) as session:
            try:
                answer = await session.get(url, params={"district": CODE}, headers=headers)
            except (aiohttp.ClientError, OSError) as error:
                raise Broken(Stage.STREAM, type(error).__name__) from error
            if answer.status != 200:
                raise Broken(Stage.STREAM, f"HTTP {answer.status}")
            reading = asyncio.create_task(_read(answer, ref, tell), name="canary-stream")
            try:
                yield
            finally:
                reading.cancel()
                with contextlib.suppress(asyncio.CancelledError, aiohttp.ClientError, ValueError):
                    await reading
                answer.close()


async def _read(answer: aiohttp.ClientResponse, ref: str, tell: Tell) -> None:
    async for line in answer.content:
        if line.startswith(b"data:") and _is_of(line[5:], ref):
            tell(Stage.STREAM)
            return


def _is_of(data: bytes, ref: str) -> bool:
    try:
        event = msgspec.json.decode(data)
    except msgspec.DecodeError:
        return False
    return isinstance(event, dict) and event.get("fact") == LAST_FACT and _cause(event) == ref


def _cause(event: dict[str, Any]) -> object:
    cause = event.get("cause")
    return cause.get("id") if isinstance(cause, dict) else None


class HookEar:
    """The webhook of the canary: `heard` is its handler at `path`; what is not signed with `secret` was never there."""

    def __init__(self, path: str, secret: str, clock: Clock) -> None:
        self.path = path
        self._key = signing_key(secret)
        self._clock = clock
        self._waiting: tuple[str, Tell] | None = None

    @contextlib.asynccontextmanager
    async def listening(self, ref: str, tell: Tell) -> AsyncIterator[None]:
        """Whoever comes during the round is heard."""
        self._waiting = (ref, tell)
        try:
            yield
        finally:
            self._waiting = None

    async def heard(self, request: web.Request) -> web.Response:
        """A message. 404 where it is none of ours."""
        body = await request.content.read(_BODY_BYTES_MAX + 1)
        if len(body) > _BODY_BYTES_MAX or not self._signed(request, body):
            return web.Response(status=404)
        try:
            message = msgspec.json.decode(body)
        except msgspec.DecodeError:
            return web.Response(status=404)
        if self._waiting is not None and isinstance(message, dict):
            ref, tell = self._waiting
            data = message.get("data")
            if message.get("type") == LAST_FACT and isinstance(data, dict) and _cause(data) == ref:
                tell(Stage.WEBHOOK)
        return web.Response(status=204)

    def _signed(self, request: web.Request, body: bytes) -> bool:
        given = request.headers.get("webhook-signature", "")
        message_id = request.headers.get("webhook-id", "")
        seconds = request.headers.get("webhook-timestamp", "")
        if not given.isascii() or not seconds.isascii() or not seconds.isdigit() or len(seconds) > 12:
            return False
        if abs(int(seconds) - self._clock.now_us() // 1_000_000) > _FRESH_SECONDS:
            return False
        return hmac.compare_digest(given, signature(self._key, message_id, int(seconds), body))
