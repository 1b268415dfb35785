"""MQTT 3.1.1: frames from a broker to the intake, answers back. The one file that reaches below aiomqtt, to paho.

Why below: aiomqtt 2.x acknowledges a message before anybody has seen it. We hold every PUBACK until the signal is on
our disk, which needs paho's manual acknowledgement, switched on *before* connecting (what was queued for us can arrive
together with the CONNACK) and used only on the connection the message came by (message numbers begin again after a lost
session: a late PUBACK of an old connection could acknowledge a new press that is not stored). So every connection is a
new client object, and an ack knows its own.

    broker --PUBLISH--> take --> commit --> PUBACK (same connection) + receipt

The session is kept by the broker (clean session false, one fixed client id per gateway): what is sent while we are away
waits there. Subscriptions are made anew at each connection, in case the broker lost its memory.
"""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import aiomqtt
import paho.mqtt.client as paho
import structlog

from devices.family import Answer, Frame
from gateway import metrics
from gateway.intake import Intake
from gateway.lines import OpenLine
from gateway.transports.packets import PINGRESP, PUBACK, Outgoing, matches, puback, publish, split

log = structlog.get_logger()

_KEEPALIVE_SECONDS = 15
_CONNECT_WITHIN_SECONDS = 5.0
_CARRY_WITHIN_SECONDS = 10.0
_STARTING_SECONDS = 0.02
_AGAIN_SECONDS_MIN = 0.05  # our own broker needs that long to start
_AGAIN_SECONDS_MAX = 5.0
_IN_FLIGHT_MAX = 1000
_OUT_BYTES_MAX = 8 << 20  # a broker that reads nothing: keepalive ends it after 30 s
_PIECE_BYTES = 65_536  # read in one go: some hundred packets
_LAST_BYTES = 16_384  # of what can wait so much is under way: some hundred packets
_TOPICS_MAX = 50_000  # whose line is remembered
_REFUSED = 0x80  # from here on, what a SUBACK says is a refusal
_PORT, _TLS_PORT = 1883, 8883


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker is, and who we are there."""

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    ca_file: str | None = None

    @classmethod
    def parse(cls, url: str) -> BrokerAddress:
        """Read `mqtt(s)://user:password@host:port?ca=/path/of/ca.pem`. Raises ValueError, without the password in it."""
        parts = urlsplit(url)
        if parts.scheme not in {"mqtt", "mqtts", "tcp", "ssl"} or not parts.hostname:
            raise ValueError(
                "an MQTT broker is named like mqtt://user:password@host:1883, or mqtts://… with TLS"
            )
        tls = parts.scheme in {"mqtts", "ssl"}
        return cls(
            host=parts.hostname,
            port=parts.port or (_TLS_PORT if tls else _PORT),
            username=None if parts.username is None else unquote(parts.username),
            password=None if parts.password is None else unquote(parts.password),
            tls=tls,
            ca_file=next(iter(parse_qs(parts.query).get("ca", [])), None),
        )

    def client(self, client_id: str, *, clean_session: bool = False) -> aiomqtt.Client:
        """A client for one connection."""
        return aiomqtt.Client(
            self.host,
            self.port,
            username=self.username,
            password=self.password,
            identifier=client_id,
            clean_session=clean_session,
            keepalive=_KEEPALIVE_SECONDS,
            timeout=_CONNECT_WITHIN_SECONDS,
            max_inflight_messages=_IN_FLIGHT_MAX,
            tls_context=ssl.create_default_context(cafile=self.ca_file) if self.tls else None,
            # Nagle holds a receipt back until the broker's TCP has acknowledged the PUBACK before it: 11 to 41 ms.
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        )


class NotYet(OSError):  # noqa: N818
    """The broker is only just starting: looked for again at once, and nothing to warn of."""


class MqttTransport:
    """All lines that come by one broker. `run` it in a task."""

    def __init__(
        self, address: Callable[[], BrokerAddress], client_id: str, intake: Intake, *, chance: random.Random
    ) -> None:
        self._address = address
        self._client_id = client_id
        self._intake = intake
        self._chance = chance
        self._routes: list[tuple[list[str], OpenLine]] = []
        self._connection: _Connection | None = None
        self._known: dict[str, OpenLine] = {}
        self._subscribed = False
        self.times = 0  #: that a connection was made
        self._paused = False
        self._loop = asyncio.get_running_loop()
        self.beat = self._loop.time()

    @property
    def connected(self) -> bool:
        """Whether there is a connection with all subscriptions made."""
        return self._subscribed

    def add(self, line: OpenLine, topics: Sequence[str]) -> None:
        """A line, and what it subscribes to. Before `run`."""
        self._routes.extend((topic.split("/"), line) for topic in topics)

    def send(self, answers: Sequence[Answer]) -> None:
        """Hand answers to the broker, without waiting; without a connection they are lost, and senders repeat."""
        if self._connection is not None:
            for answer in answers:
                self._connection.publish(answer)

    async def carry(self, answers: Sequence[Answer]) -> bool:
        """Hand answers to the broker; True once it acknowledged each (QoS 0: once they are on their way)."""
        connection = self._connection
        if connection is None or not self._subscribed:
            return False
        pending = [future for answer in answers if (future := connection.publish(answer)) is not None]
        if pending:
            await asyncio.wait(pending, timeout=_CARRY_WITHIN_SECONDS)
        return all(future.done() and not future.cancelled() and future.result() for future in pending)

    def pause(self, paused: bool) -> None:
        """Stop reading, or read again: what is not read waits at the broker."""
        if paused != self._paused:
            self._paused = paused
            if self._connection is not None:
                self._connection.pause(paused)

    async def run(self) -> None:
        """Be connected, for ever."""
        again_seconds, told = _AGAIN_SECONDS_MIN, ""
        while True:
            while self._paused:
                # What we cannot take now is safe at the broker; a connection would only bring it again.
                self.beat = self._loop.time()
                await asyncio.sleep(_AGAIN_SECONDS_MIN)
            self.beat = connected_at = self._loop.time()
            try:
                await self._connect()
                reason = "the broker ended the connection"
            except NotYet:
                await asyncio.sleep(_STARTING_SECONDS)
                continue
            except (aiomqtt.MqttError, OSError, ValueError, RuntimeError) as error:
                reason = str(error) or type(error).__name__
            finally:
                self._connection, self._subscribed = None, False
                metrics.BROKER_CONNECTED.set(0)
            if self._loop.time() - connected_at > _AGAIN_SECONDS_MAX:
                again_seconds, told = _AGAIN_SECONDS_MIN, ""
            if reason != told:
                log.warning("no broker", reason=reason)
                told = reason
            await self._pause_before(again_seconds * (0.5 + self._chance.random()))
            again_seconds = min(again_seconds * 2, _AGAIN_SECONDS_MAX)

    async def _pause_before(self, seconds: float) -> None:
        """Wait so long before the next try, or until a broker of our own that was away is up again."""
        end, away = self._loop.time() + seconds, False
        while (left := end - self._loop.time()) > 0:
            try:
                self._address()
                if away:
                    return
            except OSError:
                away = True
            await asyncio.sleep(min(left, _AGAIN_SECONDS_MIN))

    async def _connect(self) -> None:
        """One connection, from its beginning to its end."""
        client = self._address().client(self._client_id)
        connection = _Connection(client, self._received)
        try:
            async with client:
                # Before subscribing: what was kept for us comes at once, and wants its answers.
                self._connection = connection
                codes = await client.subscribe([("/".join(levels), 1) for levels, _ in self._routes])
                if any(getattr(code, "value", code) >= _REFUSED for code in codes):
                    raise ValueError("the broker does not let this login subscribe to the devices' topics")
                self._subscribed = True
                self.times += 1
                metrics.BROKER_CONNECTED.set(1)
                log.info("connected to the broker")
                connection.pause(self._paused)
                await connection.ended(self._turn)
        finally:
            connection.close()

    def _turn(self) -> None:
        self.beat = self._loop.time()

    def _received(
        self,
        connection: _Connection,
        topic: str,
        payload: bytes,
        retain: bool,
        ack: Callable[[], None] | None,
    ) -> None:
        self._connection = connection  # it can come before we are told that we are connected
        line = self._known.get(topic)
        if line is None:
            line = self._line_of(topic)
        if line is not None:
            self._intake.take(line, Frame(payload, topic, retain), ack)
        elif ack is not None:
            # A subscription that the kept session still has, from settings that are gone.
            ack()

    def _line_of(self, topic: str) -> OpenLine | None:
        levels = topic.split("/")
        for wanted, line in self._routes:
            if matches(wanted, levels):
                if len(self._known) >= _TOPICS_MAX:
                    self._known.clear()
                self._known[topic] = line
                return line
        return None


class _Connection:
    """One connection: its acknowledgements, and what waits for the broker's."""

    def __init__(
        self,
        client: aiomqtt.Client,
        received: Callable[[_Connection, str, bytes, bool, Callable[[], None] | None], None],
    ) -> None:
        self._client = client
        self._paho: paho.Client = client._client  # noqa: SLF001 - see the head of this file
        self._received = received
        self._closed = self._paused = self._reads_on = False
        self._recv = self._paho._sock_recv  # noqa: SLF001
        self._for_paho = _ForPaho()
        self._rest = b""
        self._loop = asyncio.get_running_loop()
        self._pending: dict[int, asyncio.Future[bool]] = {}
        self._broken: asyncio.Future[None] = self._loop.create_future()
        client._disconnected.add_done_callback(lambda end: end.cancelled() or end.exception())  # noqa: SLF001 - it is known
        self._paho.manual_ack_set(True)
        # aiomqtt would put a task, a queue and a Topic object around every message.
        self._paho.on_message = self._on_message
        self._paho.on_publish = None
        # aiomqtt would have the loop watch the socket for every packet; it takes nearly all at once.
        self._watching = self._writing = False
        self._out = Outgoing(_OUT_BYTES_MAX)  #: at the end of this turn, in one piece
        self._flushes = False
        self._thread = threading.get_ident()
        self._paho.on_socket_register_write = self._on_want_write
        self._paho.on_socket_unregister_write = self._on_written
        self._paho.disable_logger()

    # -- what comes: while it connects, aiomqtt has paho read; from then on it is read here ---------------------------

    def _on_message(self, _client: paho.Client, _userdata: Any, message: paho.MQTTMessage) -> None:
        self._on_publish(message._topic, bytes(message.payload), message.retain, message.mid)  # noqa: SLF001

    def _on_publish(self, topic: bytes, payload: bytes, retain: bool, number: int) -> None:
        try:
            name = topic.decode()
        except UnicodeDecodeError:
            name = ""
        self._received(self, name, payload, retain, partial(self._ack, number) if number else None)

    def _on_puback(self, number: int) -> None:
        future = self._pending.pop(number, None)
        if future is not None and not future.done():
            future.set_result(True)

    def _on_other(self, packet: bytes) -> None:
        """What keeps the connection: paho's own work. To a ping of ours: the broker has read all that went before."""
        if packet[0] == PINGRESP and self._out.reached():
            self._flush()
        self._for_paho.give(packet)
        while self._for_paho.left and self._paho.socket() is not None:
            self._paho.loop_read()

    def pause(self, paused: bool) -> None:
        """Leave what the broker sends in the socket, or read it again."""
        self._paused = paused
        sock = self._paho.socket()
        if sock is None:
            return
        if paused:
            self._loop.remove_reader(sock.fileno())
        else:
            # Not before: until here aiomqtt reads, which asks the socket alone whether there is more.
            self._paho._sock_recv = self._for_paho.take  # type: ignore[method-assign]  # noqa: SLF001
            self._loop.add_reader(sock.fileno(), self._read)
            self._loop.call_soon(self._read)

    def _read(self) -> None:
        """A piece of what the socket holds. More than that: everybody else first, then on."""
        if self._reads_on or self._paused or self._closed:  # one round at a time
            return
        try:
            data = self._recv(_PIECE_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._break(error)
            return
        if not data:
            self._break(ConnectionResetError("the broker ended the connection"))
            return
        self._paho._last_bytes_received = time.monotonic()  # noqa: SLF001 - its keepalive would think us cut off
        try:
            if self._paho._in_packet["command"]:  # noqa: SLF001 - of a packet it has read the beginning
                self._for_paho.give(data)
                while self._for_paho.left and self._paho._in_packet["command"]:  # noqa: SLF001
                    self._paho.loop_read()
                data = self._for_paho.rest()
            if self._rest:
                data = self._rest + data
            self._rest = split(data, self._on_publish, self._on_puback, self._on_other)
        except Exception as error:  # noqa: BLE001 - like aiomqtt's own reader, whose place this takes
            self._break(error)
            return
        sock = self._paho.socket()
        # What TLS has decoded already never wakes the loop: github.com/eclipse-paho/paho.mqtt.python issue 131.
        if len(data) >= _PIECE_BYTES or (isinstance(sock, ssl.SSLSocket) and sock.pending()):
            self._reads_on = True
            self._loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        self._reads_on = False
        self._read()

    # -- what goes ----------------------------------------------------------------------------------------------------

    def _ack(self, number: int) -> None:
        if not self._closed:
            self._put(puback(number))

    def publish(self, answer: Answer) -> asyncio.Future[bool] | None:
        """Queue a message; for QoS 1 the future of its acknowledgement."""
        if answer.qos == 0:
            if not self._out.full:  # a receipt that is lost is asked for again
                self._put(publish(answer.topic, answer.data, retain=answer.retain), last=answer.last)
            return None
        future: asyncio.Future[bool] = self._loop.create_future()
        if self._closed or self._paho.socket() is None or len(self._pending) >= _IN_FLIGHT_MAX:
            future.set_result(False)
            return future
        number = self._paho._mid_generate()  # noqa: SLF001
        while number in self._pending:
            number = self._paho._mid_generate()  # noqa: SLF001
        self._pending[number] = future
        self._put(publish(answer.topic, answer.data, number, retain=answer.retain))
        return future

    def _put(self, packet: bytes, *, last: bool = False) -> None:
        (self._out.put_last if last else self._out.put)(packet)
        if not self._flushes:
            self._flushes = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """All that this turn wants to say, as one packet of paho's: for it, an acknowledgement needs nothing more."""
        self._flushes = False
        if self._out and not self._closed and not self._paho.want_write():
            data = self._out.take(_LAST_BYTES)
            self._writing = True
            try:
                self._paho._packet_queue(PUBACK, data, 0, 0)  # noqa: SLF001
            finally:
                self._writing = False
            self._write()

    def _on_want_write(self, _client: paho.Client, _userdata: Any, _sock: Any) -> None:
        if self._writing:
            return
        # While connecting, paho calls from the thread in which aiomqtt lets it connect.
        here = threading.get_ident() == self._thread
        (self._loop.call_soon if here else self._loop.call_soon_threadsafe)(self._write)

    def _write(self) -> None:
        """Send what waits; only what the socket does not take now needs the loop to watch it."""
        sock = self._paho.socket()
        if sock is None:
            return
        try:
            self._paho.loop_write()
        except Exception as error:  # noqa: BLE001 - a broken pipe: the connection is over
            self._break(error)
            return
        if self._paho.socket() is not sock:
            return  # writing has shown that the connection is over, and aiomqtt has been told
        if self._paho.want_write():
            if not self._watching:
                self._loop.add_writer(sock.fileno(), self._write)
                self._watching = True
        elif self._out:
            self._flush()

    def _on_written(self, _client: paho.Client, _userdata: Any, sock: Any) -> None:
        if self._watching:
            self._loop.remove_writer(sock.fileno())
            self._watching = False

    def _break(self, error: Exception) -> None:
        if not self._broken.done():
            self._broken.set_exception(aiomqtt.MqttError(str(error)))

    async def ended(self, turn: Callable[[], None]) -> None:
        """Wait for the end of the connection: aiomqtt says so to whoever waits for its (here always empty) messages."""
        waiting = asyncio.ensure_future(anext(aiter(self._client.messages)))
        try:
            while not waiting.done() and not self._broken.done():
                turn()
                await asyncio.wait((waiting, self._broken), timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
            (self._broken if self._broken.done() else waiting).result()
        finally:
            waiting.cancel()

    def close(self) -> None:
        """Nothing is acknowledged on it any more, and nobody waits for it."""
        self._closed = True
        for future in self._pending.values():
            if not future.done():
                future.set_result(False)
        self._pending.clear()
        self._broken.cancel()
        sock = self._paho.socket()
        if sock is not None and sock.fileno() >= 0:
            # A broker that took the connection and never said a word: aiomqtt leaves it open.
            self._loop.remove_reader(sock.fileno())
            self._loop.remove_writer(sock.fileno())
            sock.close()


class _ForPaho:
    """What is paho's to read, in the place of the socket: it asks for a packet's first byte, length and rest by themselves."""

    __slots__ = ("_at", "_data")

    def __init__(self) -> None:
        self._data = b""
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes that were not taken yet."""
        return len(self._data) - self._at

    def give(self, data: bytes) -> None:
        """More of it."""
        self._data, self._at = self.rest() + data, 0

    def rest(self) -> bytes:
        """What was not taken; it is taken by that."""
        data, self._data, self._at = self._data[self._at :], b"", 0
        return data

    def take(self, bufsize: int) -> bytes:
        """So many bytes or fewer, as a socket gives them. Raises BlockingIOError where there are none."""
        taken = self._data[self._at : self._at + bufsize]
        if not taken:
            raise BlockingIOError
        self._at += len(taken)
        return taken
