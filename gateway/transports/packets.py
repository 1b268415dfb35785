"""MQTT 3.1.1 on the wire, as much of it as a reader of very many small messages needs. Pure: bytes in, values out.

    split(b"…", on_publish, on_puback, on_other) -> the beginning of a packet that is not all there yet

A whole piece of what the socket held is read in one go: one packet a call, with an object for each, is what took half of
the time when twenty thousand heartbeats came in a second.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

PUBLISH, PUBACK, PINGRESP = 0x30, 0x40, 0xD0
_PINGREQ = b"\xc0\x00"
_KIND, _QOS, _RETAIN = 0xF0, 0x06, 0x01
_QOS_2 = 0x04
_PUBACK_LENGTH = 2

#: A message: its topic and payload as they came, whether it was kept, and its number (0 at QoS 0).
OnPublish = Callable[[bytes, bytes, bool, int], None]


class MalformedError(ValueError):
    """These bytes are no MQTT: the connection is of no use any more."""


def split(
    data: bytes, on_publish: OnPublish, on_puback: Callable[[int], None], on_other: Callable[[bytes], None]
) -> bytes:
    """Hand over every whole packet, in order; what is left is the beginning of one. Raises MalformedError.

    Messages up to QoS 1 and their acknowledgements are read here, `on_other` gets any other packet as it is.
    """
    at, end = 0, len(data)
    while end - at >= 2:
        head, length, start = data[at], data[at + 1], at + 2
        if length & 0x80:
            length &= 0x7F
            shift = 7
            while True:
                if start == end:
                    return data[at:]
                if shift > 21:
                    raise MalformedError("a length of more than four bytes")
                byte = data[start]
                start += 1
                length |= (byte & 0x7F) << shift
                shift += 7
                if not byte & 0x80:
                    break
        stop = start + length
        if stop > end:
            break
        kind = head & _KIND
        if kind == PUBLISH and head & _QOS < _QOS_2:
            body = start + 2 + (data[start] << 8 | data[start + 1]) if length >= 2 else stop + 1
            topic = data[start + 2 : body]
            number = 0
            if head & _QOS:
                body += 2
                if body <= stop:
                    number = data[body - 2] << 8 | data[body - 1]
            if body > stop:
                raise MalformedError("a message that is shorter than its topic")
            on_publish(topic, data[body:stop], bool(head & _RETAIN), number)
        elif kind == PUBACK and length == _PUBACK_LENGTH:
            on_puback(data[start] << 8 | data[start + 1])
        else:
            on_other(data[at:stop])
        at = stop
    return data[at:]


def puback(number: int) -> bytes:
    """The acknowledgement of a message."""
    return bytes((PUBACK, _PUBACK_LENGTH, number >> 8, number & 0xFF))


def publish(topic: str, payload: bytes, number: int = 0, *, retain: bool = False) -> bytes:
    """A message; with a number it is of QoS 1. Raises ValueError where it is too long for the protocol."""
    name = topic.encode()
    length = 2 + len(name) + (2 if number else 0) + len(payload)
    if len(name) > 0xFFFF or length >= 1 << 28:
        raise ValueError("too long for MQTT")
    packet = bytearray((PUBLISH | (0x02 if number else 0) | retain,))
    while True:
        length, byte = length >> 7, length & 0x7F
        packet.append(byte | (0x80 if length else 0))
        if not length:
            break
    packet += len(name).to_bytes(2, "big")
    packet += name
    if number:
        packet += number.to_bytes(2, "big")
    packet += payload
    return bytes(packet)


def matches(wanted: Sequence[str], levels: Sequence[str]) -> bool:
    """Whether a topic is one of a subscription's, both split at the slashes."""
    for position, level in enumerate(wanted):
        if level == "#":
            return True
        if position >= len(levels) or level not in ("+", levels[position]):
            return False
    return len(wanted) == len(levels)


class Outgoing:
    """What is to be written: first what came by `put`, in order; what came by `put_last` only where there is nothing else.

    In a flood that is the answer to each heartbeat that was shed, megabytes of it, and a broker with many senders takes
    one packet of ours for one of each of theirs. What the system has taken nobody can overtake: so only one piece of
    it is under way, with a ping behind it, and the next one goes when that is answered.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._first = bytearray()
        self._last: deque[bytes] = deque()
        self._last_bytes = 0
        self._under_way = False

    def __bool__(self) -> bool:
        return bool(self._first or (self._last and not self._under_way))

    @property
    def full(self) -> bool:
        """Whether whoever can do without should say nothing more."""
        return len(self._first) >= self._bytes_max

    def put(self, packet: bytes) -> None:
        """This goes out next."""
        self._first += packet

    def put_last(self, packet: bytes) -> None:
        """This goes out when there is nothing else; not at all, where too much waits already."""
        if self._last_bytes < self._bytes_max:
            self._last.append(packet)
            self._last_bytes += len(packet)

    def take(self, most: int) -> bytes:
        """All that goes first, or, where there is none, so many bytes (and a packet) of the rest."""
        if self._first:
            taken = bytes(self._first)
            self._first.clear()
            return taken
        packets, size = [], 0
        while self._last and size < most:
            packets.append(self._last.popleft())
            size += len(packets[-1])
        self._last_bytes -= size
        self._under_way = True
        return b"".join((*packets, _PINGREQ))

    def reached(self) -> bool:
        """A ping was answered; whether there is more to be written because of it."""
        self._under_way = False
        return bool(self)
