"""`decode` and `listen`: what whoever stands before an unknown device is shown."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import aiomqtt
import msgspec
import pytest
from ears import a_gateway, running, until
from hypothesis import given, settings
from hypothesis import strategies as st
from test_serial import Hub, line

from devices.family import Line, Transport
from gateway.decode import Form, decode
from gateway.listen import listen

NOW = datetime(2026, 11, 24, 1, 15, tzinfo=UTC)
PRESS = b"$E,1042,hubA1,btn-000317,press,emergency,12,-61*5DB4\r\n"
SHOWN = {
    "device": "btn-000317",
    "type": "press",
    "key": "emergency",
    "id": "hubA1/1042/press/emergency",
    "at": None,
    "details": {"via": "hubA1", "rssi": -61},
    "age": 12.0,
}


def shown(family: str, data: bytes, form: Form = Form.RAW) -> list[dict[str, object]]:
    return [msgspec.json.decode(text) for text in decode(family, data, form, now=NOW)]


def test_raw_and_hex() -> None:
    wanted = [SHOWN, {"answer": "$A,1042*E287\r\n"}]
    assert shown("yj_line", PRESS) == wanted
    assert shown("yj_line", PRESS.hex(" ").encode(), Form.HEX) == wanted
    assert (
        shown("yj_line", PRESS[:9].hex().encode() + b"\n\n" + PRESS[9:].hex(":").encode(), Form.HEX) == wanted
    )


def test_what_cannot_be_read() -> None:
    assert shown("yj_line", PRESS.replace(b"5DB4", b"0000")) == [
        {"error": "checksum is wrong"},
        {"answer": "$N,1042,crc*0940\r\n"},
    ]
    assert shown("yj_line", b"zz", Form.HEX) == [{"error": "line 1 is not hexadecimal"}]
    assert shown("yj_line", PRESS[:10]) == [{"error": "the end of a frame is missing after 10 bytes"}]


def test_messages() -> None:
    body = '{"id":"1","type":"press","at":"2026-11-24T09:15:00+08:00"}'
    lines = [
        msgspec.json.encode({"topic": "yijian/v1/btn-01/up", "payload": body, "retain": False, "t": 1.5}),
        msgspec.json.encode({"topic": "yijian/v1/btn-01/up", "payload": {"id": "2", "type": "sos"}}),
        msgspec.json.encode({"topic": "yijian/v1/btn-01/up", "payload_hex": "ff"}),
        msgspec.json.encode({"topic": "yijian/v1/btn-01/up", "payload": body, "retain": True}),
        msgspec.json.encode({"topic": 3}),
        b"nonsense",
        b"",
    ]
    told = shown("native", b"\n".join(lines), Form.MQTT)
    assert told[0]["at"] == "2026-11-24T01:15:00Z"
    assert msgspec.json.decode(told[1]["answer"])["result"] == "stored"
    assert told[1]["topic"] == "yijian/v1/btn-01/down"
    assert "type" in told[2]["error"]
    assert msgspec.json.decode(told[3]["answer"])["result"] == "rejected"
    assert [("error" in each) for each in told[4:]] == [True, True, False, True, True]
    assert told[6] == {"answer": "", "topic": "yijian/v1/btn-01/up", "retain": True}


def test_what_is_asked_wrongly() -> None:
    with pytest.raises(LookupError, match="native"):
        list(decode("nokia", b"", now=NOW))
    with pytest.raises(ValueError, match="key"):
        list(decode("native", b"", now=NOW, options={"key": "00"}))


@settings(max_examples=100)
@given(
    data=st.binary(max_size=200), form=st.sampled_from(Form), family=st.sampled_from(["native", "yj_line"])
)
def test_no_bytes_raise(data: bytes, form: Form, family: str) -> None:
    assert all(isinstance(each, dict) for each in shown(family, data, form))


async def test_listen_on_a_port_answers_nothing(tmp_path: Path) -> None:
    hub = Hub(tmp_path / "hub")
    said: list[str] = []
    async with running(listen(line(hub), None, said.append, lambda: NOW)):
        await asyncio.sleep(0.1)
        hub.say(PRESS)
        await until(lambda: len(said) == 2)
        assert msgspec.json.decode(said[0]) == SHOWN
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await hub.hears(b"$")


async def test_listen_on_a_broker(tmp_path: Path, port: int) -> None:
    said: list[str] = []
    url = f"mqtt://127.0.0.1:{port}"
    native = Line("native", Transport.MQTT)
    async with a_gateway(tmp_path, port), running(listen(native, url, said.append, lambda: NOW)):
        await asyncio.sleep(0.2)
        async with aiomqtt.Client("127.0.0.1", port) as client:
            await client.publish("yijian/v1/btn-01/up", b'{"id":"1","type":"press"}', 1)
        await until(lambda: len(said) == 2)
        assert msgspec.json.decode(said[0])["device"] == "btn-01"
    with pytest.raises(OSError, match="broker"):
        await listen(native, url, said.append, lambda: NOW)
    with pytest.raises(ValueError, match="broker"):
        await listen(native, None, said.append, lambda: NOW)
    with pytest.raises(ValueError, match="does not come by"):
        await listen(Line("native", Transport.TCP), url, said.append, lambda: NOW)
