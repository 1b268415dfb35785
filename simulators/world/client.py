"""A device's connection to the broker in memory: its status, its last will, and what it says and hears."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import aiomqtt

from simulators.world.broker import Broker, Link, Message


@dataclass(slots=True)
class _Topic:
    value: str


@dataclass(slots=True)
class _Heard:
    topic: _Topic
    payload: bytes


class WireClient:
    """The buttons' side: as much of `aiomqtt.Client` as `simulators.buttons` uses."""

    def __init__(
        self, broker: Broker, name: str, devices: Sequence[str], sloppy: Collection[str] = ()
    ) -> None:
        """`devices` have their status and their last will in it; those in `sloppy` let the broker retain what they say."""
        self._broker, self._name = broker, name
        self._status = [f"yijian/v1/{device}/status" for device in devices]
        self._sloppy = {f"yijian/v1/{device}/up" for device in sloppy}
        self._link: Link | None = None
        self._came: deque[Message] = deque()
        self._more = asyncio.Event()

    async def __aenter__(self) -> Self:
        wills = [(topic, b'{"state":"offline"}') for topic in self._status]
        link = await self._broker.connect(self._name, self._received, keep=False, owner=None, wills=wills)
        self._link = link
        for topic in self._status:
            while True:
                said = self._broker.publish(link, topic, b'{"state":"online"}', 1, retain=True)
                await asyncio.wait((said, link.lost), timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
                if link.lost.done():
                    raise aiomqtt.MqttError("lost")
                if said.done():
                    break
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._link is not None and not self._link.lost.done():
            self._link.lost.set_result(None)

    def _received(self, link: Link, number: int, message: Message) -> None:
        self._came.append(message)
        self._more.set()
        if message.qos:
            self._broker.acknowledge(link, number)

    async def subscribe(self, topics: Sequence[tuple[str, int]]) -> None:
        """Listen to these too."""
        if self._link is None or not self._link.open:
            raise aiomqtt.MqttError("lost")
        self._broker.add(self._link, [topic for topic, _ in topics])
        await asyncio.sleep(0.001)

    async def publish(self, topic: str, payload: bytes, qos: int = 0, retain: bool = False) -> None:
        """Send, and wait for the acknowledgement. One that was swallowed is as good as sent: who needs more repeats."""
        link = self._link
        if link is None or not link.open:
            raise aiomqtt.MqttError("lost")
        acknowledged = self._broker.publish(link, topic, payload, qos, retain=retain or topic in self._sloppy)
        if qos:
            await asyncio.wait((acknowledged, link.lost), timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
            if link.lost.done() and not acknowledged.done():
                raise aiomqtt.MqttError("lost")

    async def stay(self, seconds: float) -> None:
        """Be connected for so long. Raises MqttError where the connection ends before."""
        assert self._link is not None
        await asyncio.wait((self._link.lost,), timeout=seconds)
        if self._link.lost.done():
            raise aiomqtt.MqttError("lost")

    @property
    def messages(self) -> AsyncIterator[_Heard]:
        """What comes, until the connection ends."""
        return self._messages()

    async def _messages(self) -> AsyncIterator[_Heard]:
        assert self._link is not None
        lost = self._link.lost
        lost.add_done_callback(lambda _: self._more.set())
        while not lost.done():
            while self._came:
                message = self._came.popleft()
                yield _Heard(_Topic(message.topic), message.payload)
            self._more.clear()
            if not lost.done():
                await self._more.wait()
        raise aiomqtt.MqttError("lost")
