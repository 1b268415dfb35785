"""MQTT on the wire: every packet once, however the socket cuts it, and nothing of what is no MQTT."""

from __future__ import annotations

import random

import pytest

from gateway.transports.packets import MalformedError, Outgoing, puback, publish, split

PINGRESP, SUBACK = b"\xd0\x00", b"\x90\x03\x00\x01\x01"


class Taken:
    """What `split` handed over, in order."""

    def __init__(self) -> None:
        self.all: list[tuple[object, ...]] = []
        self.rest = b""

    def feed(self, data: bytes) -> None:
        self.rest = split(
            self.rest + data,
            lambda *message: self.all.append(("publish", *message)),
            lambda number: self.all.append(("puback", number)),
            lambda packet: self.all.append(("other", packet)),
        )


def stream() -> tuple[bytes, list[tuple[object, ...]]]:
    """Packets of every kind and length of length, and what they are."""
    chance = random.Random(5)
    parts: list[bytes] = []
    wanted: list[tuple[object, ...]] = []
    for size in (0, 1, 117, 118, 119, 127, 128, 300, 16_383, 16_384, 70_000):
        payload = chance.randbytes(size)
        for number in (0, 1, 65_535):
            retain = bool(size % 2)
            parts.append(publish("a/b", payload, number, retain=retain))
            wanted.append(("publish", b"a/b", payload, retain, number))
        parts += [puback(size % 65_536 or 7), PINGRESP, SUBACK]
        wanted += [("puback", size % 65_536 or 7), ("other", PINGRESP), ("other", SUBACK)]
    parts.append(publish("温/度", b"x"))
    wanted.append(("publish", "温/度".encode(), b"x", False, 0))
    return b"".join(parts), wanted


def test_every_packet_comes_once_and_in_order_however_it_is_cut() -> None:
    data, wanted = stream()
    for seed in range(20):
        chance, taken, at = random.Random(seed), Taken(), 0
        while at < len(data):
            size = chance.choice((1, 2, 3, 5, 100, 4096, 65_536)) if at % 65_536 < 2000 else 65_536
            taken.feed(data[at : at + size])
            at += size
        assert taken.all == wanted
        assert taken.rest == b""


def test_the_beginning_of_a_packet_waits_for_its_end() -> None:
    packet = publish("a", b"x" * 200, 9)
    for cut in range(len(packet)):
        taken = Taken()
        taken.feed(packet[:cut])
        assert (taken.all, taken.rest) == ([], packet[:cut])
        taken.feed(packet[cut:] + PINGRESP[:1])
        assert taken.all == [("publish", b"a", b"x" * 200, False, 9)]
        assert taken.rest == PINGRESP[:1]


@pytest.mark.parametrize(
    "data",
    [
        b"\x30\xff\xff\xff\xff\x01",  # a length of five bytes
        b"\x30\x00",  # without a topic
        b"\x30\x01a",
        b"\x30\x04\x00\x05ab",  # a topic that goes on behind the end
        b"\x32\x04\x00\x02ab",  # QoS 1 without a number
        b"\x32\x05\x00\x02ab\x01",
    ],
)
def test_what_is_no_mqtt_is_told(data: bytes) -> None:
    with pytest.raises(MalformedError):
        Taken().feed(data + b"\x00" * 8 if data[1] == 0xFF else data)


def test_noise_is_told_or_waited_for_and_nothing_else() -> None:
    chance = random.Random(3)
    for _ in range(2000):
        taken = Taken()
        try:
            taken.feed(chance.randbytes(chance.randrange(40)))
        except MalformedError:
            continue


def test_what_is_too_long_is_not_sent() -> None:
    with pytest.raises(ValueError, match="too long"):
        publish("x" * 70_000, b"")


def test_what_may_wait_goes_behind_everything_else_and_a_piece_at_a_time() -> None:
    out = Outgoing(bytes_max=1000)
    assert not out
    for number in range(20):
        out.put_last(b"last%02d" % number)
    out.put(b"ack")
    out.put(b"receipt")
    assert out.take(30) == b"ackreceipt"
    ping = b"\xc0\x00"
    assert out.take(30) == b"last00last01last02last03last04" + ping
    assert not out, "the broker has not read that far yet"
    out.put(b"receipt")
    assert out
    assert out.take(30) == b"receipt"
    assert out.reached()
    assert out.take(6) == b"last05" + ping
    assert out.reached()
    assert out.take(10_000).count(b"last") == 14
    assert not out.reached()
    assert not out


def test_what_may_wait_is_bounded_and_what_must_go_only_says_when_it_is_much() -> None:
    out = Outgoing(bytes_max=1000)
    for _ in range(1000):
        out.put_last(b"x" * 100)
    assert len(out.take(1 << 20)) == 1000 + 2
    out.put_last(b"y")
    assert out.reached()
    assert out.take(1) == b"y\xc0\x00", "there is room again"
    assert not out.full
    for _ in range(10):
        out.put(b"x" * 100)
    assert out.full
    out.put(b"x")
    assert len(out.take(1)) == 1001
