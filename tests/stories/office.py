"""The post office of a story: what goes out by SMS and webhook, and receivers that fail as the story says."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from typing import Any

import msgspec
from sqlalchemy import select

from dispatcher.alerts.letters import Letters
from dispatcher.alerts.outcome import Outcome
from dispatcher.alerts.post import Post
from dispatcher.alerts.throttle import Throttle
from dispatcher.alerts.wording import Wording
from dispatcher.tables import alerts

DELIVERED = Outcome("delivered")


class Office:
    """Opens a post beside the town's desk: `office = await Office.at(town)`. `texts` and `news` are what arrived."""

    def __init__(self, town: Any, per_hour: int, poll: float, *, sms: bool) -> None:
        self.town = town
        self.poll = poll
        self.sms = sms
        self.per_hour = per_hour
        self.texts: list[tuple[str, str, str]] = []  #: phone, text, id
        self.news: list[tuple[str, str, str, dict[str, Any]]] = []  #: url, type, id, body
        self.tries: list[tuple[float, str, str]] = []  #: when, where, id
        self.answers: dict[str, list[Outcome]] = defaultdict(list)  #: by url or phone: what is answered first
        self.hangs: set[str] = set()
        self.task: asyncio.Task[None] | None = None

    @classmethod
    async def at(cls, town: Any, *, sms: bool = True, per_hour: int = 12, poll: float = 1) -> Office:
        office = cls(town, per_hour, poll, sms=sms)
        await office.open()
        return office

    async def open(self) -> None:
        """Start (again) on what is stored."""
        town = self.town
        self.post = Post(
            town.store,
            town.feed,
            town.ledger,
            town.rolls,
            town.inbox,
            town.clock,
            webhooks=self,
            texts=_Phones(self) if self.sms else None,
            letters=Letters(Wording.load(None), "https://yj.example"),
            throttle=Throttle(self.per_hour),
            chance=random.Random(7),
            poll_seconds=self.poll,
        )
        town.desk.sight.sms = self.sms
        town.desk.on_alerts = self.post.handed
        town.desk.on_left = self.post.left
        await self.post.open()
        self.task = asyncio.create_task(self.post.run(), name="post")
        town._tasks.append(self.task)
        await asyncio.sleep(0)

    async def send(
        self, *, url: str, secret: str, message_id: str, timestamp_seconds: int, body: bytes
    ) -> Outcome:
        """A webhook's receiver."""
        outcome = await self._answer(url, message_id)
        if outcome.fate == "delivered":
            content = msgspec.json.decode(body)
            self.news.append((url, content["type"], message_id, content["data"]))
        return outcome

    async def _answer(self, where: str, message_id: str) -> Outcome:
        self.tries.append((self.town.now, where, message_id))
        if where in self.hangs:
            await asyncio.sleep(10)
            return Outcome("retry", "timeout")
        await asyncio.sleep(0.001)
        return self.answers[where].pop(0) if self.answers[where] else DELIVERED

    def types(self, url: str) -> list[str]:
        """What arrived there, in order."""
        return [kind for where, kind, _, _ in self.news if where == url]

    def said(self, phone: str) -> list[str]:
        """The texts that arrived there."""
        return [text for where, text, _ in self.texts if where == phone]

    async def fates(self) -> list[tuple[str, str, str]]:
        """(fact, target, fate) of every message, in order."""
        query = select(alerts.c.fact, alerts.c.target, alerts.c.fate).order_by(alerts.c.seq)
        return [
            (str(fact), str(target), str(fate)) for fact, target, fate in await self.town.store.read(query)
        ]


class _Phones:
    """Every telephone there is."""

    def __init__(self, office: Office) -> None:
        self.office = office

    async def send(self, *, phone: str, text: str, message_id: str) -> Outcome:
        outcome = await self.office._answer(phone, message_id)
        if outcome.fate == "delivered":
            self.office.texts.append((phone, text, message_id))
            return Outcome("sent", provider="sms-1", provider_id=f"p-{message_id}")
        return outcome
