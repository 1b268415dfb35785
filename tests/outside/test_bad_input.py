"""What nobody should send, on every way in: refused or dropped, and the service goes on as if nothing had been."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from typing import Any

import pytest
from patience import PATIENCE

from outside.harness import ADMIN_TOKEN
from outside.places import Town, station

DEEP = b'{"a":' * 20_000 + b"1" + b"}" * 20_000
DEEP_LISTS = b"[" * 100_000 + b"]" * 100_000

#: Payloads that hold no message with a usable id: counted and dropped, no receipt.
UNREADABLE: dict[str, bytes] = {
    "empty": b"",
    "no JSON": b"help!",
    "zeros": b"\x00" * 100,
    "not UTF-8": b'{"id":"\xff\xfe","type":"press"}',
    "half": b'{"id":"h-1","type":"press"',
    "a list": b'[{"id":"l-1","type":"press"}]',
    "a number": b"17",
    "a null": b"null",
    "200 KB": b'{"id":"big-1","type":"press","x":"' + b"A" * 200_000 + b'"}',
    "200 KB of spaces": b" " * 200_000 + b'{"id":"big-2","type":"press"}',
    "deep": DEEP,
    "deep lists": DEEP_LISTS,
    "no id": b'{"type":"press"}',
    "empty id": b'{"id":"","type":"press"}',
    "long id": b'{"id":"' + b"i" * 65 + b'","type":"press"}',
    "id is a number": b'{"id":7,"type":"press"}',
    "id is an object": b'{"id":{},"type":"press"}',
    "a lone surrogate as id": b'{"id":"\\ud800","type":"press"}',
}

#: Messages with a usable id and a wrong type: a receipt that says rejected, and why.
REJECTED: dict[str, bytes] = {
    "unknown type": b'{"id":"rej-1","type":"dance"}',
    "no type": b'{"id":"rej-2"}',
    "type is a number": b'{"id":"rej-3","type":5}',
    "type is a list": b'{"id":"rej-4","type":["press"]}',
    "a lone surrogate as type": b'{"id":"rej-5","type":"\\udfff"}',
}

#: A press with nonsense in everything but id and type: nothing here may swallow it.
ODD_PRESSES: dict[str, bytes] = {
    "NaN": b'{"id":"odd-1","type":"press","age":NaN,"battery":NaN}',
    "infinity": b'{"id":"odd-2","type":"press","age":1e999,"lat":-Infinity}',
    "a huge number": b'{"id":"odd-3","type":"press","age":' + b"9" * 400 + b"}",
    "a negative age": b'{"id":"odd-4","type":"press","age":-1e12}',
    "wrong types": b'{"id":"odd-5","type":"press","key":7,"at":{},"age":"old","battery":[],"rssi":"x","via":null}',
    "lone surrogates": b'{"id":"odd-6","type":"press","key":"\\ud800","via":"\\udfff","note":"\\ud83d"}',
    "unknown fields": b'{"id":"odd-7","type":"press","__proto__":{"a":1},"$where":"1","x":[[[[1]]]]}',
    "impossible place": b'{"id":"odd-8","type":"press","lat":999,"lon":"east"}',
    "key given twice": b'{"id":"odd-9","type":"press","type":"press","key":"service","key":"emergency"}',
    "a null byte in a text": b'{"id":"odd-10","type":"press","via":"a\\u0000b"}',
}


@pytest.mark.parametrize("name", UNREADABLE)
async def test_unreadable_over_mqtt_is_dropped_and_the_next_press_is_heard(town: Town, name: str) -> None:
    place = await town.village(near=station(600))
    button = await town.button(place)
    button.send(UNREADABLE[name])
    receipt = await button.press(within=4)
    assert receipt["result"] == "stored"
    assert [r["id"] for r in button.receipts if r["result"] != "rejected"] == [receipt["id"]]
    assert (await town.desk.call(receipt["call"]))["presses"] == 1, "only the press that could be read counts"


@pytest.mark.parametrize("name", REJECTED)
async def test_a_type_nobody_knows_is_rejected_with_the_reason(town: Town, name: str) -> None:
    place = await town.village(near=station(600))
    button = await town.button(place)
    button.send(REJECTED[name])
    (receipt,) = [await button.receipt(json.loads(REJECTED[name])["id"])]
    assert receipt["result"] == "rejected"
    assert receipt["why"]
    assert await town.desk.all("/calls", device=place.device) == []


@pytest.mark.parametrize("name", ODD_PRESSES)
async def test_nonsense_beside_id_and_type_never_swallows_a_press(town: Town, name: str) -> None:
    place = await town.village(near=station(600))
    button = await town.button(place)
    button.send(ODD_PRESSES[name])
    odd = ODD_PRESSES[name].split(b'"')[3].decode()
    strict = name in {"NaN", "infinity"}  # no JSON at all, for a strict reader: dropped is sensible too
    try:
        receipt = await button.receipt(odd, within=1.0 if strict else 4.0)
    except TimeoutError:
        if not strict:
            raise
        receipt = await button.press(within=4)
    assert receipt["result"] == "stored", receipt
    call = await town.desk.call(receipt["call"])
    assert call["key"] == "emergency"
    assert call["presses"] == 1


async def test_wrong_topics_disturb_nothing(town: Town) -> None:
    place = await town.village(near=station(600))
    button = await town.button(place)
    message = b'{"id":"t-1","type":"press"}'
    for topic in [
        "yijian/v1//up",
        "yijian/v1/" + "x" * 200 + "/up",
        "yijian/v1/a b/up",
        "yijian/v1/老人/up",
        "yijian/v1/x/y/up",
        "yijian/v2/x/up",
        "yijian/v1/..%2f/up",
        f"yijian/v1/{place.device}/down",
        f"yijian/v1/{place.device}/status",
    ]:
        other = await town.button(f"thrower-{abs(hash(topic)) % 10_000}")
        if topic.endswith("/down"):
            continue  # its own listener would hear it; the broker's rules are tested with logins
        other.mqtt.publish(topic, message)
    receipt = await button.press(within=4)
    assert (await town.desk.call(receipt["call"]))["presses"] == 1


async def test_a_flood_of_garbage_does_not_delay_a_press(town: Town) -> None:
    place = await town.village(people=2, near=station(600))
    thrower = await town.button(f"{place.name}-b2")
    for n in range(2000):
        thrower.mqtt.publish(f"yijian/v1/{place.name}-b2/up", b"\xff" * (n % 300), qos=n % 2)
    button = await town.button(f"{place.name}-b1")
    began = time.monotonic()
    await button.press(within=5)
    assert time.monotonic() - began < 4 * PATIENCE


@pytest.mark.parametrize(
    ("signal", "field"),
    [
        ({"id": "1", "type": "press"}, "device"),
        ({"device": "", "id": "1", "type": "press"}, "device"),
        ({"device": "a b", "id": "1", "type": "press"}, "device"),
        ({"device": "x" * 65, "id": "1", "type": "press"}, "device"),
        ({"device": 5, "id": "1", "type": "press"}, "device"),
        ({"device": "d", "type": "press"}, "id"),
        ({"device": "d", "id": "", "type": "press"}, "id"),
        ({"device": "d", "id": "i" * 65, "type": "press"}, "id"),
        ({"device": "d", "id": [1], "type": "press"}, "id"),
        ({"device": "d", "id": "1"}, "type"),
        ({"device": "d", "id": "1", "type": "dance"}, "type"),
        ({"device": "d", "id": "1", "type": None}, "type"),
    ],
)
async def test_a_wrong_signal_over_http_is_400_with_the_field(
    town: Town, signal: dict[str, Any], field: str
) -> None:
    reply = await town.desk.post("/signals", signal)
    assert reply.status == 400, reply.body
    assert reply.headers["content-type"].startswith("application/problem+json")
    assert field in str(reply.body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'"press"',
        DEEP[:60_000],
        DEEP_LISTS[:60_000],
        b'{"device":"\\ud800","id":"1","type":"press"}',
        b'{"device":"d","id":"\\udfff","type":"press"}',
        b'{"device":"d","device":"d","id":1e400,"type":"press"}',
    ],
)
@pytest.mark.parametrize("path", ["/signals", "/calls", "/district"])
async def test_what_is_no_json_object_is_400(town: Town, path: str, body: bytes) -> None:
    reply = await town.desk.ask("POST", path, data=body, headers={"Content-Type": "application/json"})
    assert reply.status == 400, reply.body
    assert reply.headers["content-type"].startswith("application/problem+json")


async def test_bodies_that_are_too_long_are_413(town: Town) -> None:
    for path, size in [
        ("/signals", 70_000),
        ("/calls", 1_100_000),
        ("/signals", 10_000_000),
        ("/calls", 10_000_000),
    ]:
        body = b'{"device":"d","id":"1","type":"press","x":"' + b"A" * size + b'"}'
        reply = await town.desk.ask("POST", path, data=body, headers={"Content-Type": "application/json"})
        assert reply.status == 413, (path, size, reply.body)


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("accept", {"station": 7}),
        ("accept", {"station": "no-such-station"}),
        ("accept", []),
        ("decline", {"station": None, "reason": {}}),
        ("spoke", {"result": "perhaps"}),
        ("spoke", {}),
        ("transfer", {}),
        ("transfer", {"station": "no-such-station"}),
        ("note", {"text": 5}),
        ("note", {"text": "x" * 200_000}),
        ("note", {"text": "\ud800"}),
        ("close", {"outcome": {}, "evidence": []}),
        ("accept", {"station": "desk-1", "at": "yesterday"}),
        ("accept", {"station": "desk-1", "at": 12}),
    ],
)
async def test_a_wrong_step_is_refused_with_the_field_and_changes_nothing(
    town: Town, verb: str, body: Any
) -> None:
    place = await town.village(near=station(600))
    _, call = await town.open_call(place)
    before = await town.desk.call(call)
    reply = await town.desk.post(f"/calls/{call}/{verb}", body)
    assert reply.status in {400, 404, 409, 413, 422}, reply.body
    assert reply.headers["content-type"].startswith("application/problem+json")
    assert await town.desk.call(call) == before


async def test_unfinished_requests_and_no_http_at_all_disturb_nobody(town: Town) -> None:
    port = town.server.http_port
    for start in [
        b"GET / HTTP/1.1\r\n",
        b"POST /api/v1/signals HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
        b"Authorization: Bearer " + ADMIN_TOKEN.encode() + b"\r\n\r\n{",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00" * 5000,
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    ]:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as bare:
            bare.sendall(start)
    for start in [b"\x10\xff\xff\xff\x7f", b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 64, b"\x30\x02\x00\x00"]:
        with socket.create_connection(("127.0.0.1", town.server.mqtt_port), timeout=5) as bare:
            bare.sendall(start)
    await asyncio.sleep(0)
    place = await town.village(near=station(600))
    button = await town.button(place)
    assert (await button.press(within=4))["result"] == "stored"


async def test_names_in_paths_that_lead_elsewhere_are_not_found(town: Town) -> None:
    for path in ["/stations/..%2f..%2fetc%2fpasswd", "/stations/%00", "/stations/%ff", "/calls/' OR 1=1 --"]:
        reply = await town.desk.ask("GET", path)
        assert reply.status in {400, 404}, path


async def test_no_500_was_ever_answered(town: Town) -> None:
    metrics = (await town.desk.ask("GET", "//metrics")).body
    for line in metrics.splitlines():
        if 'status="5' in line or 'code="5' in line:
            assert float(line.split()[-1]) == 0, line
    assert "Traceback" not in town.server.log
