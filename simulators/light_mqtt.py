"""One MQTT 3.1.1 connection that costs a socket and a few hundred bytes: so that one process can be 20,000 devices.

It knows CONNECT with a last will, SUBSCRIBE, PUBLISH at QoS 0 and 1, PUBACK, PINGREQ and DISCONNECT, and waits for
nothing but the CONNACK. Whoever needs a client for one device takes aiomqtt (`buttons.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

#: Topic, payload.
Hear = Callable[[str, bytes], None]

_KEEP_ALIVE_SECONDS = 60
_CONNACK, _PUBLISH, _PINGREQ, _DISCONNECT = 2, 3, b"\xc0\x00", b"\xe0\x00"


class Login(NamedTuple):
    """Where the broker is, and who says so."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None


class LightMqtt(asyncio.Protocol):
    """Made by `connect`; `gone` is done once the connection is."""

    def __init__(self, hear: Hear | None) -> None:
        loop = asyncio.get_running_loop()
        self._hear = hear
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._connack: asyncio.Future[int] = loop.create_future()
        self._number = 0
        self._ping: asyncio.TimerHandle | None = None
        self.gone: asyncio.Future[None] = loop.create_future()

    @classmethod
    async def connect(
        cls,
        login: Login,
        client_id: str,
        hear: Hear | None = None,
        *,
        will: tuple[str, bytes] | None = None,
        within_seconds: float = 20.0,
    ) -> LightMqtt:
        """Connect; the last will is retained. Raises OSError where nobody answers in time, or says no."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(within_seconds):
                _, made = await loop.create_connection(lambda: cls(hear), login.host, login.port)
                code = await made.introduce(login, client_id, will)
        except TimeoutError as error:
            raise OSError("the broker did not answer") from error
        if code:
            made.vanish()
            raise OSError(f"the broker refused the connection with code {code}")
        return made

    async def introduce(self, login: Login, client_id: str, will: tuple[str, bytes] | None) -> int:
        """Say who we are; what the broker answers: 0 is welcome."""
        self._write(_connect(login, client_id, will))
        code = await self._connack
        self._stay()
        return code

    def subscribe(self, topics: Sequence[str], qos: int = 1) -> None:
        """Ask for what comes under these topics."""
        body = self._next().to_bytes(2, "big") + b"".join(_text(topic) + bytes([qos]) for topic in topics)
        self._write(b"\x82" + _length(len(body)) + body)

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        """Say it. At QoS 1 the broker acknowledges, which nobody waits for."""
        name = _text(topic)
        number = self._next().to_bytes(2, "big") if qos else b""
        body = name + number + payload
        self._write(bytes([0x30 | qos << 1 | retain]) + _length(len(body)) + body)

    @property
    def unsent(self) -> int:
        """Bytes that the system has not taken yet."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def leave(self) -> None:
        """Say goodbye: no last will."""
        self._write(_DISCONNECT)
        if self._transport is not None:
            self._transport.close()

    def vanish(self) -> None:
        """Go without a word: the broker says the last will."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is there."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, _error: Exception | None) -> None:
        """The socket is gone."""
        if self._ping is not None:
            self._ping.cancel()
        if not self._connack.done():
            self._connack.set_exception(ConnectionResetError("the broker ended the connection"))
        if not self.gone.done():
            self.gone.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Some of a packet, or several."""
        self._buffer += data
        start = 0
        while (packet := _packet(self._buffer, start)) is not None:
            first, body, start = packet
            if first >> 4 == _PUBLISH:
                self._published(first, body)
            elif first >> 4 == _CONNACK and not self._connack.done():
                self._connack.set_result(body[1])
        del self._buffer[:start]

    def _published(self, first: int, body: bytes) -> None:
        end = 2 + int.from_bytes(body[:2], "big")
        topic = body[2:end].decode("utf-8", "replace")
        if first & 0x06:
            self._write(b"\x40\x02" + body[end : end + 2])
            end += 2
        if self._hear is not None:
            self._hear(topic, body[end:])

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _next(self) -> int:
        self._number = self._number % 65_535 + 1
        return self._number

    def _stay(self) -> None:
        self._write(_PINGREQ)
        self._ping = asyncio.get_running_loop().call_later(_KEEP_ALIVE_SECONDS / 2, self._stay)


def _connect(login: Login, client_id: str, will: tuple[str, bytes] | None) -> bytes:
    flags, rest = 0x02, _text(client_id)
    if will is not None:
        flags |= 0x04 | 0x08 | 0x20
        rest += _text(will[0]) + _text(will[1])
    for bit, value in ((0x80, login.username), (0x40, login.password)):
        if value is not None:
            flags |= bit
            rest += _text(value)
    body = _text("MQTT") + bytes([4, flags]) + _KEEP_ALIVE_SECONDS.to_bytes(2, "big") + rest
    return b"\x10" + _length(len(body)) + body


def _packet(buffer: bytearray, start: int) -> tuple[int, bytes, int] | None:
    """The packet that begins there: its first byte, its body, where the next one begins; None until all of it is there."""
    size, shift, at = 0, 0, start + 1
    while at < len(buffer):
        digit = buffer[at]
        size |= (digit & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not digit & 0x80:
            return (
                (buffer[start], bytes(buffer[at : at + size]), at + size)
                if len(buffer) >= at + size
                else None
            )
    return None


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
