"""Tells of the canary those who asked to hear: webhooks with `canary.lost` and `canary.restored`, and the dead man's switch.

Past the desk, the journal and the post: what is told is that one of them may be standing still. So these two are no
facts, and what is left to tell is kept in memory only; a process that dies starts anew and finds out for itself.

    canary ── lost ──> each webhook that hears it, signed, in order, again and again until it is taken (a day)
           ── every success ──> GET ping_url            whoever watches that raises when pings stop: also when we are dead
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from typing import Any, Protocol

import aiohttp
import msgspec
import structlog

from config.doors import Clock, Ids
from dispatcher.alerts.outcome import Outcome
from dispatcher.core.district import Webhook
from dispatcher.core.reach import webhook_hears
from dispatcher.core.roll import Rolls
from dispatcher.view import when
from dispatcher.vigil import counted
from dispatcher.vigil.rounds import Lost, Round

log = structlog.get_logger("canary")

LOST, RESTORED = "canary.lost", "canary.restored"
#: One that takes nothing for so many changes has other worries; the oldest is let go.
PENDING_MAX = 20
PAUSE_SECONDS, PAUSE_SECONDS_MAX, JITTER = 2.0, 300.0, 0.2
GIVE_UP_SECONDS = 86_400
PING_SECONDS = 10.0


class Sender(Protocol):
    """Carries a webhook's message."""

    async def send(
        self, *, url: str, secret: str, message_id: str, timestamp_seconds: int, body: bytes
    ) -> Outcome:
        """One try."""
        ...


class News:
    """What webhooks are told. `lost` and `back` never wait; `run` carries."""

    def __init__(
        self, rolls: Rolls, sender: Sender, clock: Clock, ids: Ids, chance: random.Random | None = None
    ) -> None:
        self._rolls = rolls
        self._sender = sender
        self._clock = clock
        self._ids = ids
        self._chance = chance or random.Random()
        self._pending: dict[tuple[str, str], deque[tuple[str, int, bytes]]] = {}
        self._busy: set[tuple[str, str]] = set()
        self._wake = asyncio.Event()

    def lost(self, lost: Lost) -> None:
        """The canary does not come through."""
        self._tell(LOST, lost)

    def back(self, lost: Lost) -> None:
        """It does again."""
        self._tell(RESTORED, lost)

    def _tell(self, name: str, lost: Lost) -> None:
        now_us = self._clock.now_us()
        for code, roll in self._rolls.by_code.items():
            for hook in roll.webhooks.values():
                if webhook_hears(hook, name, "", roll):
                    data = {
                        "district": code,
                        "stage": lost.stage,
                        "why": lost.why,
                        "since": when(lost.since_us),
                        "seq": None,
                        "cause": None,
                        "call": None,
                    }
                    body = msgspec.json.encode({"type": name, "timestamp": when(now_us), "data": data})
                    queue = self._pending.setdefault((code, hook.id), deque(maxlen=PENDING_MAX))
                    queue.append((self._ids.new("a"), now_us, body))
        self._wake.set()

    async def run(self) -> None:
        """Carry, for ever: one at a time for each webhook, all of them beside each other."""
        async with asyncio.TaskGroup() as group:
            while True:
                for place in list(self._pending):
                    if place not in self._busy:
                        self._busy.add(place)
                        group.create_task(self._carry(place), name="canary news")
                self._wake.clear()
                await self._wake.wait()

    async def _carry(self, place: tuple[str, str]) -> None:
        queue = self._pending[place]
        tries = 0
        while queue:
            message = queue[0]
            message_id, at_us, body = message
            outcome = await self._send(place, message_id, body)
            if outcome.fate == "retry" and self._clock.now_us() - at_us < GIVE_UP_SECONDS * 1_000_000:
                tries += 1
                pause = min(PAUSE_SECONDS_MAX, PAUSE_SECONDS * 2.0 ** min(tries - 1, 12))
                await asyncio.sleep(pause * (1 + self._chance.uniform(-JITTER, JITTER)))
                continue
            tries = 0
            if outcome.fate != "delivered":
                counted.NEWS_FAILED.inc()
                log.warning("canary_news_failed", webhook=place[1], why=outcome.why)
            if queue and queue[0] is message:  # a full queue may have let it go meanwhile
                queue.popleft()
        del self._pending[place]
        self._busy.discard(place)

    async def _send(self, place: tuple[str, str], message_id: str, body: bytes) -> Outcome:
        roll = self._rolls.by_code.get(place[0])
        hook: Webhook | None = roll.webhooks.get(place[1]) if roll is not None else None
        if hook is None:
            return Outcome("failed", "no such webhook")
        return await self._sender.send(
            url=hook.url,
            secret=hook.secret,
            message_id=message_id,
            timestamp_seconds=self._clock.now_us() // 1_000_000,
            body=body,
        )


class DeadMan:
    """The outside dead man's switch: pinged after each success (`url`), and after each failure where `fail_url` is set.

    A bare GET: no body, nothing about anybody. Its address may be a secret and is never logged.
    """

    def __init__(self, url: str, fail_url: str = "") -> None:
        self._url = url
        self._fail_url = fail_url
        self._next = ""
        self._wake = asyncio.Event()

    def after(self, done: Round) -> None:
        """A round is over."""
        if url := self._url if done.passed else self._fail_url:
            self._next = url
            self._wake.set()

    async def run(self) -> None:
        """Ping, for ever. One that is slow holds up nothing but the next ping."""
        timeout = aiohttp.ClientTimeout(total=PING_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                await self._wake.wait()
                self._wake.clear()
                counted.PINGS.labels(await self._ping(session, self._next)).inc()

    async def _ping(self, session: aiohttp.ClientSession, url: str) -> str:
        headers: dict[str, Any] = {"User-Agent": "yijian"}
        try:
            async with session.get(url, headers=headers, allow_redirects=False) as answer:
                if answer.status < 400:
                    return "taken"
                log.warning("canary_ping", status=answer.status)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            log.warning("canary_ping", error=type(error).__name__)
        return "failed"
