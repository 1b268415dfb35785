"""A small MQTT 3.1.1 client on asyncio sockets: cheap enough to make load with, plain enough to send wrong things.

It knows CONNECT, SUBSCRIBE, PUBLISH at QoS 0 and 1, PUBACK, PINGREQ and DISCONNECT, and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

OnMessage = Callable[[str, bytes, bool], None]
"""Called with topic, payload and whether the RETAIN flag was set."""


def _length(number: int) -> bytes:
    out = bytearray()
    while True:
        number, digit = divmod(number, 128)
        out.append(digit | (0x80 if number else 0))
        if not number:
            return bytes(out)


def _text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return len(raw).to_bytes(2, "big") + raw


def publish_packet(
    topic: str, payload: bytes, packet_id: int | None = None, *, retain: bool = False, dup: bool = False
) -> bytes:
    """The bytes of a PUBLISH: at QoS 1 where there is a packet id, else at QoS 0."""
    name = _text(topic)
    number = b"" if packet_id is None else packet_id.to_bytes(2, "big")
    first = 0x30 | (0x08 if dup else 0) | (0x02 if packet_id is not None else 0) | (0x01 if retain else 0)
    return bytes([first]) + _length(len(name) + len(number) + len(payload)) + name + number + payload


class Mqtt(asyncio.Protocol):
    """One connection to a broker."""

    def __init__(self, on_message: OnMessage | None = None) -> None:
        loop = asyncio.get_running_loop()
        self._on_message = on_message
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._connected: asyncio.Future[int] = loop.create_future()
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._packet_id = 0
        self._ping: asyncio.TimerHandle | None = None
        self.closed: asyncio.Future[None] = loop.create_future()

    @classmethod
    async def connect(
        cls,
        port: int,
        client_id: str,
        on_message: OnMessage | None = None,
        *,
        host: str = "127.0.0.1",
        will: tuple[str, bytes, bool] | None = None,
        clean: bool = True,
        keep_alive: int = 60,
        within: float = 10.0,
    ) -> Mqtt:
        """Connect; raises OSError or TimeoutError where nobody answers as an MQTT broker would."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(within):
            _, client = await loop.create_connection(lambda: cls(on_message), host, port)
        flags = (0x02 if clean else 0) | (0x04 | 0x08 if will else 0) | (0x20 if will and will[2] else 0)
        body = _text("MQTT") + bytes([4, flags]) + keep_alive.to_bytes(2, "big") + _text(client_id)
        if will:
            body += _text(will[0]) + _text(will[1])
        client.write(b"\x10" + _length(len(body)) + body)
        try:
            async with asyncio.timeout(within):
                code = await client._connected
        except TimeoutError as silence:
            client.abort()
            raise TimeoutError(f"no CONNACK from port {port} within {within} s") from silence
        if code:
            client.abort()
            raise ConnectionRefusedError(f"the broker refused the connection with code {code}")
        client._keep_alive(keep_alive / 2)
        return client

    async def subscribe(self, *topics: str, qos: int = 1, within: float = 10.0) -> None:
        """Subscribe, and wait until the broker has granted all of it."""
        number = self._next_id()
        body = number.to_bytes(2, "big") + b"".join(_text(topic) + bytes([qos]) for topic in topics)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        self.write(b"\x82" + _length(len(body)) + body)
        async with asyncio.timeout(within):
            granted = await self._waiting[number]
        if any(code > 2 for code in granted):
            raise PermissionError(f"the broker refused a subscription: {granted!r} for {topics}")

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        """Send, without waiting for the broker's acknowledgement (which proves nothing here)."""
        self.write(publish_packet(topic, payload, self._next_id() if qos else None, retain=retain))

    async def publish_and_wait(
        self, topic: str, payload: bytes, *, retain: bool = False, within: float = 10.0
    ) -> None:
        """Send at QoS 1 and wait for the PUBACK."""
        number = self._next_id()
        self._waiting[number] = asyncio.get_running_loop().create_future()
        self.write(publish_packet(topic, payload, number, retain=retain))
        async with asyncio.timeout(within):
            await self._waiting[number]

    def write(self, data: bytes) -> None:
        """Send raw bytes; silently nothing on a connection that is gone, as a radio would."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    async def close(self) -> None:
        """Leave politely, so that no last will is sent."""
        self.write(b"\xe0\x00")
        if self._transport is not None:
            self._transport.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                await asyncio.shield(self.closed)

    def abort(self) -> None:
        """Vanish without a word."""
        if self._transport is not None:
            self._transport.abort()

    def _next_id(self) -> int:
        self._packet_id = self._packet_id % 65_535 + 1
        return self._packet_id

    def _keep_alive(self, every: float) -> None:
        self.write(b"\xc0\x00")
        self._ping = asyncio.get_running_loop().call_later(every, self._keep_alive, every)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._ping is not None:
            self._ping.cancel()
        lost = ConnectionResetError("the broker closed the connection")
        for waiting in [self._connected, *self._waiting.values()]:
            if not waiting.done():
                waiting.set_exception(lost)
                waiting.exception()  # looked at, so that nobody is told of it who did not ask
        if not self.closed.done():
            self.closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        start = 0
        while True:
            size, shift, at = 0, 0, start + 1
            while at < len(buffer):
                digit = buffer[at]
                size |= (digit & 0x7F) << shift
                at += 1
                shift += 7
                if not digit & 0x80:
                    break
            else:
                break
            if len(buffer) < at + size:
                break
            self._packet(buffer[start], bytes(buffer[at : at + size]))
            start = at + size
        if start:
            del buffer[:start]

    def _packet(self, first: int, body: bytes) -> None:
        kind = first >> 4
        if kind == 3:
            after_topic = 2 + int.from_bytes(body[:2], "big")
            topic = body[2:after_topic].decode("utf-8", "replace")
            if first & 0x06:
                self.write(b"\x40\x02" + body[after_topic : after_topic + 2])
                after_topic += 2
            if self._on_message is not None:
                self._on_message(topic, body[after_topic:], bool(first & 0x01))
        elif kind == 2:
            if not self._connected.done():
                self._connected.set_result(body[1])
        elif kind in {4, 9}:
            waiting = self._waiting.pop(int.from_bytes(body[:2], "big"), None)
            if waiting is not None and not waiting.done():
                waiting.set_result(body[2:])
