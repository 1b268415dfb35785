"""Carries one webhook message: signed as Standard Webhooks wants, redirects followed with every hop looked at.

    sender = WebhookSender(Targets.NONE)
    outcome = await sender.send(url=…, secret="whsec_…", message_id="al-0r7x…", timestamp_seconds=1764000902, body=b"{…}")
    await sender.close()

One try; when to try again is said by whoever asks. How many messages go to one webhook at once is theirs to bound too.
"""

from __future__ import annotations

import asyncio
import ssl
from functools import lru_cache

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from dispatcher.alerts.exchange import Answer, Exchange
from dispatcher.alerts.outcome import Outcome, of_error, of_status
from dispatcher.alerts.targets import TargetRefused, Targets, connector, hop, kept_target
from dispatcher.core.signing import signature, signing_key

TOTAL_SECONDS = 10.0
REDIRECTS_MAX = 3
#: Connections to one host and port; what is over that waits for one, within the time of its try.
PER_HOST = 256

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_key = lru_cache(2048)(signing_key)


class WebhookSender:
    """Sends webhooks from inside a running loop, as many at once as are asked for."""

    def __init__(
        self, targets: Targets, *, lookup: AbstractResolver | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self._targets = targets
        self._exchange = Exchange(connector(targets, per_host=PER_HOST, lookup=lookup, tls=tls))

    async def close(self) -> None:
        """Close every connection."""
        await self._exchange.close()

    async def send(
        self, *, url: str, secret: str, message_id: str, timestamp_seconds: int, body: bytes
    ) -> Outcome:
        """One try, at most TOTAL_SECONDS long. An empty secret means: unsigned. Never raises for what is out there."""
        try:
            key = _key(secret)
        except ValueError:
            # Kept so by an older version. Not sent unsigned: whoever set a secret relies on it.
            return Outcome("failed", "secret: not whsec_ and base64")
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp_seconds),
        }
        if key:
            headers["webhook-signature"] = signature(key, message_id, timestamp_seconds, body)
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                return await self._follow(kept_target(url, self._targets), headers, body)
        except (aiohttp.ClientError, OSError) as error:
            return of_error(error)

    async def _follow(self, url: URL, headers: dict[str, str], body: bytes) -> Outcome:
        for _ in range(REDIRECTS_MAX + 1):
            answer = await self._ask(url, headers, body)
            if answer.status not in _REDIRECTS:
                return of_status(answer.status, answer.retry_after, answer.date)
            if not answer.location:
                return Outcome("failed", f"http_{answer.status} without location")
            try:
                url = hop(url, answer.location, self._targets)
            except TargetRefused as refused:
                return Outcome("failed", f"http_{answer.status} refused: {refused.reason}")
        return Outcome("failed", "too many redirects")

    async def _ask(self, url: URL, headers: dict[str, str], body: bytes) -> Answer:
        try:
            return await self._exchange.ask("POST", url, headers, body, read=False)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            if isinstance(error, aiohttp.ClientConnectorError):
                raise
            # An idle line that the other side was just closing looks like this. The message keeps its id, so that one
            # which did arrive is known again; waiting for the next try would make a press seconds late.
            return await self._exchange.ask("POST", url, headers, body, read=False)
