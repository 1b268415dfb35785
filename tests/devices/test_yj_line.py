"""What the fixture file cannot say of YJ-LINE: the memory of hubs, noise, and the dialect's own vectors."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.family import Frame, Heard, Progress, Remembering, Streaming, Unreadable
from devices.yj_line import FAMILY, MAX_BODY_BYTES, YjLineSession, crc16, frame

PRESS = b"$E,1042,hubA1,btn-000317,press,emergency,12,-61*5DB4\r\n"


def ids(session: YjLineSession, *frames: bytes) -> list[str]:
    pieces = [piece for data in frames for piece in session.receive(Frame(data))]
    return [
        signal.id for piece in pieces if isinstance(piece, Heard) for signal in piece.signals if signal.id
    ]


def test_the_checksum_of_the_standard_text() -> None:
    assert crc16(b"123456789") == 0x29B1


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        (("Y", "0", "hubA1", "7", "v1"), b"$Y,0,hubA1,7,v1*AE71\r\n"),
        (("A", "1042"), b"$A,1042*E287\r\n"),
        (("N", "1042", "crc"), b"$N,1042,crc*0940\r\n"),
        (("H", "0", "hubA1", "3600", "2", "0"), b"$H,0,hubA1,3600,2,0*8543\r\n"),
        (("E", "1042", "hubA1", "btn-000317", "press", "emergency", "12", "-61"), PRESS),
    ],
)
def test_vectors(fields: tuple[str, ...], wanted: bytes) -> None:
    assert frame(*fields) == wanted


def test_a_wiped_hub_is_remembered_over_our_restart() -> None:
    first = YjLineSession()
    assert isinstance(first, Remembering)
    assert isinstance(first, Streaming)
    (old,) = ids(
        first, frame("Y", "0", "hubA1", "7", "v1"), frame("E", "3", "hubA1", "b", "press", "emergency")
    )
    (new,) = ids(
        first, frame("Y", "0", "hubA1", "1", "v1"), frame("E", "3", "hubA1", "b", "press", "emergency")
    )
    assert old != new
    second = YjLineSession()
    second.recall(first.memory())
    assert ids(second, frame("E", "3", "hubA1", "b", "press", "emergency")) == [new]
    assert ids(
        second, frame("Y", "0", "hubA1", "2", "v1"), frame("E", "3", "hubA1", "b", "press", "emergency")
    ) == [new]


def test_only_a_change_counts_as_one() -> None:
    session = YjLineSession()
    for hello, changes in ((b"7", 1), (b"7", 1), (b"8", 2), (b"1", 3)):
        session.receive(Frame(frame("Y", "0", "hubA1", hello.decode(), "v1")))
        assert session.changes == changes


@pytest.mark.parametrize(
    "memory", [{}, {"hubA1": 3}, {"hubA1": [1]}, {"hubA1": ["x", 2, True]}, {"hubA1": None}]
)
def test_a_spoilt_memory_is_left(memory: dict[str, object]) -> None:
    session = YjLineSession()
    session.recall(memory)
    assert ids(session, PRESS) == ["hubA1/1042/press/emergency"]


def test_states_only_where_they_are_understood() -> None:
    news = Progress("btn-000317", "c-07", "accepted", "x", via="hubA1")
    assert YjLineSession().progress(news) == ()
    assert FAMILY.session({"shows_state": True}).progress(news)
    told = YjLineSession()
    told.receive(Frame(frame("Y", "0", "hubA1", "9", "v1+state")))
    assert told.progress(news)
    kept = YjLineSession()
    kept.recall(told.memory())
    assert kept.progress(news)
    assert told.progress(Progress("b", "c" * 300, "accepted", "x", via="hubA1")) == ()


def test_noise_is_told_once_and_does_not_grow() -> None:
    session = YjLineSession()
    told = [piece for _ in range(1000) for piece in session.receive(Frame(b"\x00\xff" * 500))]
    assert len(told) == 1
    assert session.rest() == b""
    endless = session.receive(Frame(b"$" + b"x" * 100_000))
    assert all(isinstance(piece, Unreadable) for piece in endless)
    assert len(session.rest()) <= MAX_BODY_BYTES + 2
    assert ids(session, PRESS) == ["hubA1/1042/press/emergency"]


def test_a_body_of_exactly_200_bytes() -> None:
    filler = "x" * (MAX_BODY_BYTES - len("E,1,,b,press,emergency"))
    whole = frame("E", "1", filler, "b", "press", "emergency")
    assert whole.index(b"*") == MAX_BODY_BYTES + 1
    (identity,) = ids(YjLineSession(), whole)
    assert len(identity) <= 64
    assert ids(YjLineSession(), frame("E", "1", filler + "x", "b", "press", "emergency")) == []


def test_shows_state_must_be_true_or_false() -> None:
    with pytest.raises(ValueError, match="shows_state"):
        FAMILY.session({"shows_state": "yes"})


@settings(max_examples=200)
@given(
    noise=st.lists(st.binary(max_size=40).filter(lambda data: b"$" not in data), min_size=3, max_size=3),
    cut=st.integers(min_value=1, max_value=60),
)
def test_presses_are_found_in_any_noise(noise: list[bytes], cut: int) -> None:
    whole = noise[0] + PRESS + noise[1] + PRESS + noise[2]
    pieces = [whole[start : start + cut] for start in range(0, len(whole), cut)]
    assert ids(YjLineSession(), *pieces) == ["hubA1/1042/press/emergency"] * 2
