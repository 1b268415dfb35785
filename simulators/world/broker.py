"""A broker in memory, and the gateway's way to it. Devices speak to it through `client.py`.

It keeps what QoS 1 promises, and loses what Mosquitto loses (measured): killed, what it acknowledged in the last half
second is gone. Between it and everybody else messages are lost with their connection, come late or come twice.

    WireClient.publish ──> Broker ══session of the gateway══> WireWay ──> intake.take(line, frame, ack) ── PUBACK ──> gone
    retained ──kept──> delivered as such to whoever subscribes          a connection lost ──> its last will, now or later
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from contextvars import Context
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from devices.family import Answer, Frame
from gateway.transports.packets import matches
from simulators.world.loop import Process, WorldLoop, context_of
from simulators.world.weather import Weather

#: Killed or restarted, the broker has lost what it took so shortly before (docs: design of the gateway, measured).
FORGETS_SECONDS = 0.5
#: A connection that is simply gone is missed after this at most: one and a half keepalives.
MISSED_SECONDS = 45.0
_CARRY_WITHIN_SECONDS = 10.0


@dataclass(slots=True)
class Message:
    """A message at the broker."""

    topic: str
    payload: bytes
    qos: int
    at: float
    retain: bool = False


@dataclass(slots=True, eq=False)
class Session:
    """What the broker knows of one client: what it listens to, and what it has not acknowledged."""

    topics: list[list[str]] = field(default_factory=list)
    waiting: OrderedDict[int, Message] = field(default_factory=OrderedDict)
    link: Link | None = None


@dataclass(slots=True, eq=False)
class Link:
    """One connection: whom it belongs to, and its end."""

    client: str
    context: Context
    receive: Callable[[Link, int, Message], None]
    lost: asyncio.Future[None]
    owner: Process | None = None
    wills: Sequence[tuple[str, bytes]] = ()
    paused: bool = False
    free: list[float] = field(default_factory=lambda: [0.0, 0.0])  #: until when each direction is busy

    @property
    def open(self) -> bool:
        """Whether anything can still go by it."""
        return not self.lost.done() and not (self.owner is not None and self.owner.dead)


class Broker:
    """The broker, and the network around it."""

    def __init__(
        self, loop: WorldLoop, weather: Weather, chance: random.Random, tell: Callable[[str, str], None]
    ) -> None:
        self._loop, self._weather, self._chance, self._tell = loop, weather, chance, tell
        self._sessions: dict[str, Session] = {}
        self._links: list[Link] = []
        self._numbers = itertools.count(1)
        self._down_until = 0.0
        self._parted: dict[str, float] = {}
        self.kept: dict[str, Message] = {}  #: what is retained
        self._kept_lately: deque[tuple[float, str, Message | None]] = deque(maxlen=1000)
        self._unmissed: dict[str, Link] = {}  #: connections that are gone, and their wills not out yet
        self.unwilled: set[str] = set()  #: whose last will has died with the broker
        #: Called with the topic and payload of whatever the gateway sends down, as it leaves.
        self.on_down: Callable[[str, bytes], None] = lambda _topic, _payload: None
        #: Called with the message that the gateway acknowledges, as it does.
        self.on_ack: Callable[[Message], None] = lambda _message: None

    # ── connections ──────────────────────────────────────────────────────────────────────────────────────────────

    async def connect(
        self,
        client: str,
        receive: Callable[[Link, int, Message], None],
        *,
        keep: bool,
        owner: Process | None,
        wills: Sequence[tuple[str, bytes]] = (),
    ) -> Link:
        """A connection. `keep`: the session outlives it; `wills`: said when it is lost. Raises OSError."""
        await asyncio.sleep(self._chance.uniform(0.002, 0.05))
        now = self._loop.time()
        if now < self._down_until or now < self._parted.get(client, 0.0):
            raise ConnectionRefusedError("no broker")
        session = self._sessions.get(client)
        if session is None or not keep:
            session = self._sessions[client] = Session()
        if session.link is not None:
            self._lose(session.link)
        self.unwilled.discard(client)
        if (before := self._unmissed.pop(client, None)) is not None:
            self._mourn(before)  # by its return at the latest
        link = Link(client, context_of(owner), receive, self._loop.create_future(), owner, wills)
        session.link = link
        self._links = [one for one in self._links if one.open]
        self._links.append(link)
        return link

    def subscribe(self, link: Link, topics: Sequence[str]) -> None:
        """What it wants to hear from now on; and all it has not acknowledged comes again."""
        session = self._sessions[link.client]
        session.topics = [topic.split("/") for topic in topics]
        for number, message in list(session.waiting.items()):
            self._send(session, number, message)
        for message in list(self.kept.values()):
            if any(matches(wanted, message.topic.split("/")) for wanted in session.topics):
                self._queue(session, replace(message, at=self._loop.time()))

    def add(self, link: Link, topics: Sequence[str]) -> None:
        """Some more."""
        self._sessions[link.client].topics += [topic.split("/") for topic in topics]

    def pause(self, link: Link, paused: bool) -> None:
        """It reads nothing for a while."""
        link.paused = paused
        if not paused and link.open:
            session = self._sessions[link.client]
            for number, message in list(session.waiting.items()):
                self._send(session, number, message)

    def _lose(self, link: Link) -> None:
        if not link.lost.done():
            link.lost.set_result(None)
        session = self._sessions.get(link.client)
        if session is not None and session.link is link:
            session.link = None
        if link.wills:
            # Most are missed at once; one whose end nobody sent is missed when its keepalive has passed.
            after = 0.0 if self._chance.random() < 0.7 else self._chance.uniform(1, MISSED_SECONDS)
            self._unmissed[link.client] = link
            self._loop.call_later(after, self._mourn, link, context=context_of(None))

    def _mourn(self, link: Link) -> None:
        """Its last will is said, once."""
        wills, link.wills = link.wills, ()
        if self._unmissed.get(link.client) is link:
            del self._unmissed[link.client]
        for topic, payload in wills:
            self._tell("will", topic.split("/")[2])
            self._spread(Message(topic, payload, 1, self._loop.time(), retain=True))

    # ── messages ─────────────────────────────────────────────────────────────────────────────────────────────────

    def publish(
        self, link: Link, topic: str, payload: bytes, qos: int, *, retain: bool = False
    ) -> asyncio.Future[None]:
        """Send a message; the future ends with the broker's acknowledgement (never, where the connection ends first)."""
        acknowledged: asyncio.Future[None] = self._loop.create_future()
        if self._chance.random() < self._weather.lost:
            return acknowledged  # the radio swallowed it
        self._travel(link, 0, self._arrived, link, Message(topic, payload, qos, 0.0, retain), acknowledged)
        return acknowledged

    def _arrived(self, link: Link, message: Message, acknowledged: asyncio.Future[None]) -> None:
        if not link.open or self._loop.time() < self._down_until:
            return
        message.at = self._loop.time()
        self._spread(message)
        self._travel(link, 1, _done, acknowledged)

    def keep(self, message: Message) -> None:
        """Retain it; an empty one ends what was retained."""
        before = self.kept.pop(message.topic, None)
        self._kept_lately.append((self._loop.time(), message.topic, before))
        if message.payload:
            self.kept[message.topic] = message

    def _spread(self, message: Message) -> None:
        """To everybody who listens now. To them it is no replay, retained or not (MQTT 3.1.1, 3.3.1.3)."""
        if message.retain:
            self.keep(message)
        levels = message.topic.split("/")
        for session in self._sessions.values():
            if any(matches(wanted, levels) for wanted in session.topics):
                self._queue(session, replace(message, retain=False))

    def _queue(self, session: Session, message: Message) -> None:
        number = next(self._numbers)
        if message.qos:
            session.waiting[number] = message
        self._send(session, number, message)

    def _send(self, session: Session, number: int, message: Message) -> None:
        link = session.link
        if link is None or link.paused or not link.open:
            return
        times = 2 if message.qos and self._chance.random() < self._weather.doubled else 1
        if not message.qos and self._chance.random() < self._weather.lost:
            return
        for _ in range(times):
            self._travel(link, 1, self._deliver, link, number, message)

    def _deliver(self, link: Link, number: int, message: Message) -> None:
        if link.open:
            link.receive(link, number, message)

    def acknowledge(self, link: Link, number: int) -> None:
        """The client has it."""
        session = self._sessions.get(link.client)
        if session is None or not link.open:
            return
        message = session.waiting.get(number)
        if message is not None:
            self.on_ack(message)
            self._travel(link, 0, session.waiting.pop, number, None)

    def _travel(self, link: Link, way: int, arrive: Callable[..., Any], *what: Any) -> None:
        """Over the wire, one after the other; now and then one comes late, behind those after it."""
        now = self._loop.time()
        when = max(now, link.free[way]) + self._chance.uniform(0.0001, 0.004)
        if self._chance.random() < self._weather.late:
            when += self._chance.uniform(0, self._weather.late_seconds)
        else:
            link.free[way] = when
        self._loop.call_at(when, arrive, *what, context=link.context if way else context_of(None))

    # ── what goes wrong ──────────────────────────────────────────────────────────────────────────────────────────

    def restart(self) -> None:
        """It is killed and started again, and has lost what it took last; or stopped, and says every last will at once."""
        now = self._loop.time()
        forgotten = 0
        if self._chance.random() < self._weather.orderly_restarts:
            self._down_until = now + self._chance.uniform(0.1, 3.0)
            for link in list(self._links):
                self._lose(link)
            self._tell("fault", f"broker restarts in good order, {len(self._unmissed)} last wills at once")
            for link in list(self._unmissed.values()):
                self._mourn(link)
            return
        while self._kept_lately:
            at, topic, before = self._kept_lately.pop()
            if at <= now - FORGETS_SECONDS:
                break
            self.kept.pop(topic, None)
            if before is not None:
                self.kept[topic] = before
        self._kept_lately.clear()
        for session in self._sessions.values():
            for number, message in list(session.waiting.items()):
                if message.at > now - FORGETS_SECONDS:
                    del session.waiting[number]
                    forgotten += 1
        self._down_until = now + self._chance.uniform(0.1, 3.0)
        for link in (*self._links, *self._unmissed.values()):
            if link.wills:
                self.unwilled.add(link.client)
            link.wills = ()  # it has died before it could say them
            self._lose(link)
        self._unmissed.clear()
        self._tell("fault", f"broker is killed, {forgotten} acknowledged messages lost")

    def cut(self) -> None:
        """One of the connections ends."""
        open_links = [link for link in self._links if link.open]
        if open_links:
            link = self._chance.choice(open_links)
            self._tell("fault", f"connection of {link.client} cut")
            self._lose(link)

    def part(self) -> None:
        """A client is cut off for a while."""
        client = self._chance.choice(sorted(self._sessions) or [""])
        seconds = self._chance.uniform(2, 30)
        self._parted[client] = self._loop.time() + seconds
        session = self._sessions.get(client)
        if session is not None and session.link is not None:
            self._lose(session.link)
        self._tell("fault", f"{client} cut off for {seconds:.0f} s")

    def dark(self, clients: Sequence[str], seconds: float) -> None:
        """The power of these is gone."""
        for client in clients:
            self._parted[client] = self._loop.time() + seconds
            session = self._sessions.get(client)
            if session is not None and session.link is not None:
                self._lose(session.link)
        self._tell("fault", f"power cut for {seconds:.0f} s: {', '.join(clients)}")

    def mend(self, client: str) -> None:
        """Everybody reaches everybody again; that client once more anew, since what it said may have been swallowed."""
        session = self._sessions.get(client)
        if session is not None and session.link is not None:
            self._lose(session.link)
        self._down_until = 0.0
        self._parted.clear()


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class WireWay:
    """The gateway's way to the broker (`gateway.BrokerWay`): what `transports.mqtt` does, without a socket."""

    def __init__(
        self, broker: Broker, process: Process, client: str, intake: Any, chance: random.Random
    ) -> None:
        self._broker, self._process, self._client, self._intake = broker, process, client, intake
        self._chance = chance
        self._routes: list[tuple[list[str], Any]] = []
        self._link: Link | None = None
        self._paused = False
        self._loop = asyncio.get_running_loop()
        self.connected = False
        self.beat = self._loop.time()

    def add(self, line: Any, topics: Sequence[str]) -> None:
        """A line, and what it subscribes to."""
        self._routes.extend((topic.split("/"), line) for topic in topics)

    def send(self, answers: Sequence[Answer]) -> None:
        """Hand answers to the broker, without waiting."""
        if self._link is not None:
            for answer in answers:
                self._publish(self._link, answer)

    async def carry(self, answers: Sequence[Answer]) -> bool:
        """Hand answers to the broker; True once it acknowledged each."""
        link = self._link
        if link is None or not self.connected:
            return False
        pending = [self._publish(link, answer) for answer in answers if answer.qos]
        for answer in answers:
            if not answer.qos:
                self._publish(link, answer)
        if pending:
            try:
                async with asyncio.timeout(_CARRY_WITHIN_SECONDS):
                    for future in pending:
                        await asyncio.wait((future, link.lost), return_when=asyncio.FIRST_COMPLETED)
            except TimeoutError:
                return False
        return all(future.done() for future in pending)

    def _publish(self, link: Link, answer: Answer) -> asyncio.Future[None]:
        self._broker.on_down(answer.topic, answer.data)
        return self._broker.publish(link, answer.topic, answer.data, answer.qos, retain=answer.retain)

    def pause(self, paused: bool) -> None:
        """Stop reading, or read again."""
        if paused != self._paused:
            self._paused = paused
            if self._link is not None:
                self._broker.pause(self._link, paused)

    async def run(self) -> None:
        """Be connected, for ever."""
        while True:
            self.beat = self._loop.time()
            try:
                link = await self._broker.connect(
                    self._client, self._received, keep=True, owner=self._process
                )
            except OSError:
                await asyncio.sleep(self._chance.uniform(0.2, 2.0))
                continue
            self._link = link
            self._broker.subscribe(link, ["/".join(levels) for levels, _ in self._routes])
            self._broker.pause(link, self._paused)
            self.connected = True
            try:
                await asyncio.shield(link.lost)
            finally:
                self._link, self.connected = None, False
            await asyncio.sleep(self._chance.uniform(0.05, 0.5))

    def _received(self, link: Link, number: int, message: Message) -> None:
        levels = message.topic.split("/")
        ack = partial(self._broker.acknowledge, link, number) if message.qos else None
        for wanted, line in self._routes:
            if matches(wanted, levels):
                self._intake.take(line, Frame(message.payload, message.topic, message.retain), ack)
                return
        if ack is not None:
            ack()
