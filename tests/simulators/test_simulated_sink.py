"""Where the demo's messages end: it takes what is right, refuses what is not, and shows it to whoever looks."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from sim_tools import until
from standardwebhooks import Webhook

from simulators import sink as sinks
from simulators.district import generate
from simulators.messages import State
from simulators.sink import MESSAGES_MAX, MESSAGES_OF_ONE_MAX, Manners, Sink
from simulators.sink_page import preferred

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
FEED_SECRET = "whsec_AAAAsBQIhrscChlQIMV+b5sSYspob7oD"
PHONE = "+99913800000001"
DISTRICT: dict[str, Any] = {
    "district": {"timezone": "Asia/Shanghai"},
    "stations": [{"id": "st-1", "name": "北海托老站", "phone": "+99913800000008"}],
    "residents": [
        {
            "id": "r-1",
            "name": "李秀英",
            "contacts": [{"name": "王丽", "relation": "daughter", "phone": PHONE, "webhook": "wh-1"}],
        }
    ],
    "staff": [{"id": "s-1", "name": "张三", "phone": "+99913800000009", "station": "st-1"}],
    "webhooks": [
        {"id": "wh-1", "url": "http://x/hooks/wh-1", "secret": SECRET},
        {"id": "wh-district", "url": "http://x/hooks/wh-district", "secret": FEED_SECRET},
    ],
}


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    made = Sink(seed=1)
    await made.start()
    made.know(DISTRICT)
    yield made
    await made.stop()


@pytest.fixture
async def http(sink: Sink) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(sink.url) as session:
        yield session


def body_of(fact: str = "call.opened", call: str = "c-1", key: str = "emergency") -> bytes:
    about = {"id": call, "state": "received", "key": key}
    return json.dumps(
        {"type": fact, "timestamp": "2026-11-24T09:15:02Z", "data": {"seq": 1, "call": about}}
    ).encode()


def signed(
    body: bytes, *, id_: str = "msg-1", secret: str = SECRET, ago_seconds: float = 0.0
) -> dict[str, str]:
    """By the library that the standard's authors publish: not by our own reckoning."""
    from datetime import UTC, datetime, timedelta

    at = datetime.now(UTC) - timedelta(seconds=ago_seconds)
    return {
        "webhook-id": id_,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(id_, at, body.decode()),
        "Content-Type": "application/json",
    }


async def hook(http: aiohttp.ClientSession, to: str = "wh-1", body: bytes | None = None, **how: Any) -> int:
    body = body_of() if body is None else body
    async with http.post(f"/hooks/{to}", data=body, headers=signed(body, **how)) as answer:
        return answer.status


async def text(http: aiohttp.ClientSession, **fields: Any) -> tuple[int, dict[str, Any]]:
    async with http.post("/sms", json={"phone": PHONE, "text": "您好", "id": "a-1"} | fields) as answer:
        return answer.status, await answer.json()


async def page(http: aiohttp.ClientSession, path: str = "/", language: str = "en") -> str:
    async with http.get(path, headers={"Accept-Language": language}) as answer:
        assert answer.status == 200
        return await answer.text()


# --- what comes in ----------------------------------------------------------------------------------------------------


async def test_a_text_is_taken_as_a_provider_does(sink: Sink, http: aiohttp.ClientSession) -> None:
    heard: list[str] = []
    sink.on_message = lambda message: heard.append(message.text)
    status, answer = await text(http)
    assert (status, answer["Code"]) == (200, "OK")
    assert answer["BizId"]
    assert await text(http) == (200, answer)  # the same message once more has the same number
    assert heard == ["您好"]
    async with http.get("/messages") as listed:
        [item] = (await listed.json())["items"]
    assert item["to"] == PHONE
    assert item["owner"] == "relative"
    assert item["tries"] == 2


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"phone": None}, "phone"),
        ({"phone": "wang li"}, "phone"),
        ({"phone": "1" * 40}, "phone"),
        ({"text": ""}, "text"),
        ({"text": 7}, "text"),
        ({"text": "长" * 2001}, "text"),
        ({"id": ["a"]}, "id"),
        ({"id": "a" * 129}, "id"),
    ],
)
async def test_a_text_that_cannot_be_sent_names_the_field(
    http: aiohttp.ClientSession, sink: Sink, fields: dict[str, Any], named: str
) -> None:
    status, answer = await text(http, **fields)
    assert status == 400
    assert answer["Message"].startswith(named)
    assert sink.messages == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"phone":1e999}'])
async def test_nonsense_is_refused(http: aiohttp.ClientSession, sink: Sink, body: bytes) -> None:
    json_type = {"Content-Type": "application/json"}
    async with http.post("/sms", data=body, headers=json_type) as answer:
        assert answer.status == 400
    async with http.post("/hooks/wh-1", data=body, headers=json_type | signed(b"{}")) as answer:
        assert answer.status == 401
    assert await hook(http, body=b"[1]") == 400  # rightly signed, and nothing all the same
    assert sink.messages == []


async def test_fifty_megabytes_are_not_read(http: aiohttp.ClientSession, sink: Sink) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(800):
            yield b"x" * 65_536

    json_type = {"Content-Type": "application/json"}
    for path in ("/sms", "/hooks/wh-1"):
        try:
            async with http.post(path, data=endless(), headers=json_type) as answer:
                assert answer.status == 413
        except aiohttp.ClientOSError:
            pass  # it closed the line while we were still talking
    assert sink.messages == []
    assert (await text(http))[0] == 200


async def test_a_webhook_that_is_rightly_signed_is_taken(sink: Sink, http: aiohttp.ClientSession) -> None:
    assert await hook(http) == 200
    [one] = sink.messages
    assert (one.to, one.fact, one.call, one.key_pressed) == ("wh-1", "call.opened", "c-1", "emergency")


async def test_a_webhook_that_is_not_is_refused(sink: Sink, http: aiohttp.ClientSession) -> None:
    assert await hook(http, secret=FEED_SECRET) == 401
    assert await hook(http, ago_seconds=400) == 401
    assert await hook(http, ago_seconds=-400) == 401
    assert await hook(http, to="wh-9") == 404
    body = body_of()
    for change in (
        {"webhook-id": "msg-2"},
        {"webhook-timestamp": str(int(time.time()) - 1)},
        {"webhook-timestamp": "soon"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1a,abc v2,def"},
    ):
        async with http.post("/hooks/wh-1", data=body, headers=signed(body) | change) as answer:
            assert answer.status == 401, change
    async with http.post("/hooks/wh-1", data=body + b" ", headers=signed(body)) as answer:
        assert answer.status == 401
    assert sink.messages == []


async def test_one_right_signature_among_several_is_enough(http: aiohttp.ClientSession) -> None:
    body = body_of()
    headers = signed(body)
    headers["webhook-signature"] = f"v1,AAAA {headers['webhook-signature']}"
    async with http.post("/hooks/wh-1", data=body, headers=headers) as answer:
        assert answer.status == 200


async def test_nobody_elses_page_gets_in(sink: Sink, http: aiohttp.ClientSession) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        async with http.post("/sms", data=b"{}", headers={"Content-Type": kind}) as answer:
            assert answer.status == 415
    for host in ("evil.example", "evil.example:80", "", "127.0.0.1.evil.example"):
        async with http.get("/messages", headers={"Host": host}) as answer:
            assert answer.status in {400, 421}
    async with http.get("/messages") as answer:
        assert "Access-Control-Allow-Origin" not in answer.headers
    with pytest.raises(ValueError, match="loopback"):
        await Sink().start("0.0.0.0")


async def test_memory_is_bounded_and_one_does_not_crowd_out_another(
    sink: Sink, http: aiohttp.ClientSession
) -> None:
    await text(http, id="first")
    for number in range(2 * MESSAGES_OF_ONE_MAX):
        assert await hook(http, "wh-district", id_=f"m-{number}", secret=FEED_SECRET) == 200
    assert len(sink.messages) == 1 + MESSAGES_OF_ONE_MAX
    assert sink.messages[0].id == "first"
    for number in range(MESSAGES_MAX + 20):
        await text(http, phone=f"+999138{number:08d}", id=f"t-{number}")
    assert len(sink.messages) == MESSAGES_MAX
    assert sink.messages[-1].id == f"t-{MESSAGES_MAX + 19}"


async def test_ends_that_fail_are_shown_and_heard_when_it_came_at_last() -> None:
    sink = Sink(seed=1, manners=Manners(failing=1.0))
    heard: list[str] = []
    sink.on_message = lambda message: heard.append(message.id)
    await sink.start()
    sink.know(DISTRICT)
    async with aiohttp.ClientSession(sink.url) as http:
        assert await hook(http) == 500
        assert await hook(http) == 500
        assert sink.messages[0].state is State.FAILED
        assert heard == []
        assert "answered with an error" in await page(http)
        sink._manners = Manners()
        assert await hook(http) == 200
        assert heard == ["msg-1"]
        assert (sink.messages[0].state, sink.messages[0].tries) == (State.ARRIVED, 3)
        sink._manners = Manners(gone=1.0)
        assert await hook(http, id_="msg-2") == 410
        sink._manners = dataclasses.replace(
            sinks.MOODY, failing=0.0, slow=1.0, slow_seconds=(0.2, 0.2), gone=0.0
        )
        begin = time.monotonic()
        assert await hook(http, id_="msg-3") == 200
        assert time.monotonic() - begin >= 0.2
    await sink.stop()


# --- looking ----------------------------------------------------------------------------------------------------------


async def test_the_page_in_both_languages(http: aiohttp.ClientSession) -> None:
    assert "Nothing has arrived yet" in await page(http)
    assert "还没有消息" in await page(http, language="zh-CN,zh;q=0.9,en;q=0.8")
    await text(http, text="李秀英按下紧急呼叫")
    await text(http, phone="+99913800000009", text="请受理", id="a-2")
    await hook(http, body=body_of("call.accepted", key="family"), id_="m-2")
    english, chinese = await page(http), await page(http, "/?lang=zh-CN")
    assert "daughter of 李秀英" in english
    assert "李秀英的女儿" in chinese
    assert "北海托老站" in english
    assert "Accepted" in english
    assert "已受理" in chinese
    # Her texts and what her app heard are in one telephone.
    assert english.count("<article") == 2
    assert "请受理" not in await page(http, "/?show=relative")
    assert (await page(http, "/?who=%2B99913800000001")).count('<li class="message') == 2


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "zh-CN"),
        ("fr", "zh-CN"),
        ("en-GB,en;q=0.9", "en"),
        ("zh;q=0.5,en;q=0.4", "zh-CN"),
        ("de,en;q=0.3,zh;q=0.2", "en"),
        ("en;q=2, zh;q=x", "zh-CN"),
        (",;q=,;;" * 500, "zh-CN"),
    ],
)
def test_the_browsers_language(header: str, language: str) -> None:
    assert preferred(header) == language


async def test_everything_that_came_is_escaped(http: aiohttp.ClientSession) -> None:
    evil = '<script>alert(1)</script>" onload="x" \ud800 &amp; \u202e'
    raw = json.dumps({"phone": "+999138", "text": evil, "id": evil}).encode()
    async with http.post("/sms", data=raw, headers={"Content-Type": "application/json"}) as answer:
        assert answer.status == 200
    body = json.dumps(
        {"type": "<b>x</b>", "data": {"call": {"id": "<i>", "state": 1, "key": '"><img src=x>'}}}
    ).encode()
    assert await hook(http, body=body) == 200
    for path in ("/", "/?who=%22%3E%3Cscript%3E", "/?show=%3Cb%3E&lang=%3Cb%3E"):
        shown = await page(http, path)
        assert "&lt;script&gt;" in shown
        for broken in ("<script>alert", "<b>", "<i>", "<img src=x", '" onload'):
            assert broken not in shown
    async with http.get("/messages") as answer:
        assert answer.status == 200


async def test_the_page_loads_nothing_from_elsewhere(http: aiohttp.ClientSession) -> None:
    async with http.get("/") as answer:
        policy = answer.headers["Content-Security-Policy"]
        content = await answer.text()
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in content.replace("http-equiv", "")
    for path, kind in (
        ("/sink.css", "text/css"),
        ("/sink.js", "text/javascript"),
        ("/sink.svg", "image/svg+xml"),
    ):
        assert f'"{path}"' in content
        async with http.get(path) as answer:
            assert answer.status == 200
            assert answer.content_type == kind
    async with http.get("/sink.py") as answer:
        assert answer.status == 404


async def test_whoever_watches_hears_of_a_change(sink: Sink, http: aiohttp.ClientSession) -> None:
    async with http.get("/events") as answer:
        assert answer.content_type == "text/event-stream"
        assert await answer.content.readline() == b": here\n"
        await text(http)
        async with asyncio.timeout(3):
            await answer.content.readuntil(b"data: 1\n")
        sink.mark(sink.messages[0], State.READ)
        async with asyncio.timeout(3):
            await answer.content.readuntil(b"data: 2\n")
    await until(lambda: sink._watchers == 0)


async def test_not_too_many_watch(
    sink: Sink, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sinks, "_WATCHERS_MAX", 1)
    async with http.get("/events") as first:
        await first.content.readline()
        async with http.get("/events") as second:
            assert second.status == 503


async def test_the_generated_districts_webhooks_end_here(sink: Sink, http: aiohttp.ClientSession) -> None:
    document = generate(3, communities=2, residents=60, streets=1, sink=sink.url)
    sink.know(document)
    for webhook in document["webhooks"]:
        assert webhook["url"].startswith(sink.url + "/hooks/")
        body = body_of()
        headers = signed(body, id_=webhook["id"], secret=webhook["secret"])
        async with http.post(webhook["url"], data=body, headers=headers) as answer:
            assert answer.status == 200
    assert len(sink.messages) == len(document["webhooks"]) > 1
