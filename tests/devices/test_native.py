"""What the fixture file cannot say of the native dialect: the strict reading of HTTP, and hypothesis on members."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from devices.family import Frame, Heard, Outcome, Result
from devices.native import FAMILY, SignalError, parse
from devices.signal import CALLING, Key, SignalType

PRESS = {"id": "1", "type": "press"}
AT = datetime(2026, 11, 24, 1, 15, 2, 123456, tzinfo=UTC)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
OPTIONAL = ["key", "at", "age", "battery", "rssi", "via", "lat", "lon", "datum", "details"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("battery", "full"),
        ("age", "old"),
        ("at", 17),
        ("key", 17),
        ("lat", "x"),
        ("via", 3),
        ("details", 4),
        ("rssi", True),
    ],
)
def test_strict_refuses_wrong_types_and_names_them(field: str, value: object) -> None:
    with pytest.raises(SignalError) as caught:
        parse("btn-01", PRESS | {field: value}, strict=True)
    assert caught.value.field == field
    assert parse("btn-01", PRESS | {field: value}).details["ignored"] == [field]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("battery", 300),
        ("age", -1),
        ("at", "1970-01-01T00:00:00Z"),
        ("key", "blue"),
        ("lat", 999),
        ("at", "yesterday"),
    ],
)
def test_strict_lets_impossible_values_pass(field: str, value: object) -> None:
    assert parse("btn-01", PRESS | {field: value}, strict=True).type is SignalType.PRESS


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", ""),
        (b"[]", ""),
        (b"\xff", ""),
        (b'{"id":"1","type":"press","x":NaN}', ""),
        (b"9" * 5000, ""),
        ({}, "id"),
        ({"id": ""}, "id"),
        ({"id": None}, "id"),
        ({"id": "\ud800", "type": "press"}, "id"),
        ({"id": "1"}, "type"),
        ({"id": "1", "type": 3}, "type"),
        ({"id": "1", "type": "PRESS"}, "type"),
    ],
)
def test_what_is_no_signal(body: object, field: str) -> None:
    for strict in (True, False):
        with pytest.raises(SignalError) as caught:
            parse("btn-01", body, strict)
        assert caught.value.field == field


@pytest.mark.parametrize("device", ["", "a b", "a/b", "é", "x" * 65, "a\n", "+"])
def test_device_names(device: str) -> None:
    with pytest.raises(SignalError) as caught:
        parse(device, PRESS)
    assert caught.value.field == "device"


def test_every_type_of_the_contract() -> None:
    for signal_type in SignalType:
        signal = parse("btn-01", {"id": "1", "type": signal_type.value})
        assert signal.type is signal_type
        assert signal.key == (Key.EMERGENCY if signal_type is SignalType.PRESS else None)


def test_nul_is_stored_as_its_picture_and_answered_as_sent() -> None:
    """PostgreSQL takes no NUL in a text; a press must not founder on that."""
    frame = FAMILY.emit(parse("btn-01", {"id": "a", "type": "press"}))
    session = FAMILY.session({})
    heard = session.receive(type(frame)(b'{"id":"a\\u0000b","type":"press","key":"\\u0000"}', frame.topic))[0]
    assert heard.signals[0].id == "a\u2400b"
    assert heard.signals[0].details["unmapped"] == "\u2400"
    assert heard.token == ("btn-01", "a\0b")


def test_details_of_a_hazard_cannot_pass_for_ours() -> None:
    said = {"hazard": "gas", "battery": "full", "unmapped": 3, "ppm": 400}
    assert parse("gas-1", {"id": "1", "type": "hazard", "details": said}).details == {
        "hazard": "gas",
        "ppm": 400,
    }
    for odd in ({"x": "y" * 5000}, [1], {"x": "\ud800"}):
        assert parse("gas-1", {"id": "1", "type": "hazard", "details": odd}).details == {
            "ignored": ["details"]
        }


def test_half_a_position_is_none() -> None:
    details = parse("btn-01", PRESS | {"lat": 34.0}).details
    assert details == {"ignored": ["lat"]}


@settings(max_examples=300)
@given(members=st.dictionaries(st.sampled_from(OPTIONAL), json_values), strict=st.booleans())
def test_optional_members_never_swallow_a_press(members: dict[str, object], strict: bool) -> None:
    for signal_type in CALLING:
        body = {**members, "id": "1", "type": signal_type.value}
        assert parse("btn-01", body).type is signal_type
        try:
            parse("btn-01", body, strict=strict)
        except SignalError as error:
            assert strict
            assert error.field in OPTIONAL  # noqa: PT017 - most bodies raise nothing


def a_frame(body: bytes, topic: str = "yijian/v1/btn-01/up", *, retain: bool = False) -> Frame:
    return Frame(body, topic, retain)


def test_a_glance_knows_a_plain_heartbeat() -> None:
    session = FAMILY.session({})
    for body in (
        b'{"id":"9f3a-1042","type":"heartbeat"}',
        b'{"type" : "heartbeat", "battery":80,"id": "9f3a-1042"}',
        b'{"id":"9f3a-1042","type":"heartbeat","battery":80,"rssi":-60,"via":"hub-07","details":{"fw":"1.2"}}',
    ):
        [read] = session.receive(a_frame(body))
        [busy] = session.answer(read, (Outcome(Result.BUSY, AT),))
        assert session.glance(a_frame(body), AT) == (replace(busy, last=True),)


@pytest.mark.parametrize(
    "frame",
    [
        a_frame(b'{"id":"1","type":"heartbeat","type":"press"}'),  # the last one counts
        a_frame(b'{"id":"1","type":"heartbeat","\\u0074ype":"press"}'),
        a_frame(b'{"id":"1","details":{"type":"heartbeat"},"type":"press"}'),
        a_frame(b'{"id":"1","type":"press","via":"\\"type\\":\\"heartbeat\\","}'),
        a_frame(b'{"id":"1","type":"heartbeat","id":"2"}'),
        a_frame(b'{"id":"1","type":"heartbeats"}'),
        a_frame(b'{"id":"1","type":"press","via":"heartbeat"}'),
        a_frame(b'{"id":"","type":"heartbeat"}'),
        a_frame(b'{"id":"%s","type":"heartbeat"}' % (b"x" * 65)),
        a_frame('{"id":"心","type":"heartbeat"}'.encode()),
        a_frame(b'{"type":"heartbeat"}'),
        a_frame(b'{"id":"1","type":"heartbeat","x":"%s"}' % (b"x" * 2000)),
        a_frame(b'{"id":"1","type":"heartbeat"}', retain=True),
        a_frame(b'{"id":"1","type":"heartbeat"}', "yijian/v1/btn-01/status"),
        a_frame(b'{"id":"1","type":"heartbeat"}', "yijian/v1/b b/up"),
        a_frame(b'{"id":"1","type":"heartbeat"}', "elsewhere/btn-01/up"),
    ],
)
def test_a_glance_sends_every_doubt_to_the_reader(frame: Frame) -> None:
    assert FAMILY.session({}).glance(frame, AT) is None


@settings(max_examples=500)
@given(
    members=st.dictionaries(
        st.sampled_from([*OPTIONAL, "type", "id", "details"]) | st.text(max_size=8),
        json_values | st.sampled_from(["heartbeat", "press", {"type": "heartbeat", "id": "2"}]),
    ),
    kind=st.sampled_from(sorted(SignalType)),
)
def test_what_a_glance_takes_for_a_heartbeat_reads_as_one(members: dict[str, object], kind: str) -> None:
    body = json.dumps({**members, "id": "1", "type": kind}, ensure_ascii=False).encode(errors="replace")
    session = FAMILY.session({})
    if session.glance(a_frame(body), AT) is not None:
        [heard] = session.receive(a_frame(body))
        assert not isinstance(heard, Heard) or heard.refused or heard.signals[0].type is SignalType.HEARTBEAT
    elif kind == "heartbeat" and not members:
        pytest.fail("a plain heartbeat")
