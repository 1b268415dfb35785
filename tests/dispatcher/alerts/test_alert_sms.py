"""One text message: escaped so that a name breaks nothing, and carried by whichever provider is well."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree as ET

import pytest
from aiohttp import web
from far_side import Answer, FarSide, Names, far_side, flood, hang, raw_side, reset, status
from patience import PATIENCE
from yarl import URL

from config.sms import SmsProvider, read_sms
from dispatcher.alerts import sms
from dispatcher.alerts.exchange import Exchange
from dispatcher.alerts.outcome import Outcome
from dispatcher.alerts.sms import SmsSender, telephone
from dispatcher.alerts.targets import Targets, connector

PHONE = "+99913800000001"
TEXT = '紧急求救：王"秀"英\\，3号楼&501室=+100% <急>{phone}${PATH}'
JSON_BODY = '{"to":"{phone}","content":"{text}","ref":"{id}","n":{"m":[1,2]}}'


def provider(url: str, environ: Mapping[str, str] | None = None, **keys: Any) -> SmsProvider:
    """A provider as the settings would read it."""
    wrong: list[str] = []
    table = {"kind": "http", "url": url, "body": JSON_BODY, **keys}
    table = {key: value for key, value in table.items() if value is not None}
    read = read_sms([table], environ or {}, lambda key, message: wrong.append(f"{key}: {message}"))
    assert wrong == []
    return read[0]


@contextlib.asynccontextmanager
async def sending(*providers: SmsProvider, targets: Targets = Targets.LOOPBACK) -> AsyncIterator[SmsSender]:
    made = SmsSender(providers, targets)
    try:
        yield made
    finally:
        await made.close()


async def send(sender: SmsSender, text: str = TEXT) -> Outcome:
    return await sender.send(phone=PHONE, text=text, message_id="al-0001")


async def one(answer: Answer, **keys: Any) -> tuple[Outcome, FarSide]:
    """What one provider that answers so makes of a message."""
    async with far_side(answer) as side, sending(provider(side.url, **keys)) as sender:
        return await send(sender), side


# ── what goes out ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_json_body_stays_json_whatever_the_text() -> None:
    outcome, side = await one(status(200))
    assert outcome == Outcome("sent", provider="sms-1")
    (got,) = side.got
    assert json.loads(got.body) == {"to": PHONE, "content": TEXT, "ref": "al-0001", "n": {"m": [1, 2]}}
    assert (got.method, got.path) == ("POST", "/hook")
    assert got.headers["Content-Type"] == "application/json; charset=utf-8"
    assert got.headers["User-Agent"].startswith("Yijian/")


async def test_a_form_stays_a_form() -> None:
    _, side = await one(status(200), body="user=care&to={phone}&msg={text}&ref={id}")
    assert parse_qs(side.got[0].body.decode(), strict_parsing=True) == {
        "user": ["care"],
        "to": [PHONE],
        "msg": [TEXT],
        "ref": ["al-0001"],
    }
    assert side.got[0].headers["Content-Type"].startswith("application/x-www-form-urlencoded")


async def test_xml_stays_xml_and_plain_text_plain() -> None:
    body = '<sms to="{phone}"><text>{text}</text></sms>'
    _, side = await one(status(200), body=body, headers={"Content-Type": "text/xml; charset=utf-8"})
    read = ET.fromstring(side.got[0].body.decode())
    assert (read.get("to"), read.findtext("text")) == (PHONE, TEXT)
    _, side = await one(status(200), body="{phone}\n{text}", headers={"Content-Type": "text/plain"})
    assert side.got[0].body.decode() == f"{PHONE}\n{TEXT}"


async def test_in_the_url_values_are_url_coded() -> None:
    async with far_side(status(200)) as side:
        url = side.at("127.0.0.1", "/{id}/send?to={phone}&msg={text}&key=${SMS_KEY}#part")
        asked = provider(url, {"SMS_KEY": "a&b=c/d"}, method="GET", body=None)
        async with sending(asked) as sender:
            assert (await send(sender)).fate == "sent"
    (got,) = side.got
    parts = urlsplit(got.path)
    assert (got.method, parts.path, got.body) == ("GET", "/al-0001/send", b"")
    assert parse_qs(parts.query, strict_parsing=True) == {"to": [PHONE], "msg": [TEXT], "key": ["a&b=c/d"]}


async def test_headers_hold_secrets_of_the_environment_and_the_id() -> None:
    async with far_side(status(200)) as side:
        headers = {"Authorization": "Bearer ${SMS_TOKEN}", "X-Ref": "y-{id}"}
        asked = provider(side.url, {"SMS_TOKEN": "s3cret{phone}"}, headers=headers, method="PUT")
        assert "s3cret" not in repr(asked)
        async with sending(asked) as sender:
            await send(sender)
    (got,) = side.got
    assert got.method == "PUT"
    assert (
        got.headers["Authorization"] == "Bearer s3cret{phone}"
    )  # what stood in a variable is not filled in again
    assert got.headers["X-Ref"] == "y-al-0001"


def test_a_telephone_number_is_digits_or_nothing() -> None:
    assert telephone("+999 138-0000 0001") == "+99913800000001"
    assert telephone("(0374) 233.4567") == "03742334567"
    assert telephone("12349") == "12349"
    for wrong in (
        "",
        "+",
        "12",
        "0374-2334567/2334568",
        "2334567转801",
        "13800000001;13800000002",
        "１３８００",
        "a" * 9,
        "1" * 21,
    ):
        assert telephone(wrong) == "", wrong


async def test_without_a_number_or_a_provider_nothing_is_asked() -> None:
    async with far_side(status(200)) as side, sending(provider(side.url)) as sender:
        outcome = await sender.send(phone="转801", text="x", message_id="al-1")
        assert outcome == Outcome("failed", "no telephone number")
    assert side.got == []
    async with sending() as nobody:
        assert await send(nobody) == Outcome("failed", "no provider")


# ── what counts ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("accepted", "code", "text", "fate"),
    [
        (None, 200, "", "sent"),
        (None, 202, "anything", "sent"),
        ("200", 200, "", "sent"),
        (200, 200, "", "sent"),
        ("200", 202, "", "retry"),
        ("2xx", 202, "", "sent"),
        (["200", "202"], 202, "", "sent"),
        ("code=0", 200, '{"code":0}', "sent"),
        ("code=0", 200, '{"code":"0"}', "sent"),
        ("code=0", 200, '{"code":33,"msg":"s3cret"}', "retry"),
        ("code=0", 200, '{"code":false}', "retry"),
        ("code=0", 200, "{}", "retry"),
        ("code=0", 200, "code=0", "retry"),
        ("code=0", 500, '{"code":0}', "retry"),
        (["code=0", "code=17"], 200, '{"code":17}', "sent"),
        (["201", "code=0"], 200, '{"code":0}', "retry"),
        (["201", "code=0"], 201, '{"code":0}', "sent"),
        ("ok=true", 200, '{"ok":true}', "sent"),
        ("Data.Status=OK", 200, '{"Data":{"Status":"OK"}}', "sent"),
        ("Data.Status=OK", 200, '{"Data":["OK"]}', "retry"),
        ("SendStatusSet.0.Code=Ok", 200, '{"SendStatusSet":[{"Code":"Ok"}]}', "sent"),
        ("SendStatusSet.1.Code=Ok", 200, '{"SendStatusSet":[{"Code":"Ok"}]}', "retry"),
        ("=0", 200, "0\r\n", "sent"),
        ("=OK", 200, "OK", "sent"),
        ("=0", 200, "41", "retry"),
        ("404", 404, "", "sent"),
        ("code=0", 200, "[" * 16_000, "retry"),
        ("code=0", 200, '{"code":0' + " " * 20_000 + "}", "retry"),
    ],
)
async def test_what_counts_as_accepted(accepted: object, code: int, text: str, fate: str) -> None:
    outcome, _ = await one(status(code, text), accepted=accepted)
    assert outcome.fate == fate
    assert "s3cret" not in outcome.why


async def test_the_providers_own_id_is_kept() -> None:
    async def said(text: str, path: str = "Data.BizId") -> str:
        outcome, _ = await one(status(200, text), id_from=path)
        assert outcome.fate == "sent"
        return outcome.provider_id

    assert await said('{"Data":{"BizId":"9007^0"}}') == "9007^0"
    assert await said('{"Data":{"BizId":12345678901234567890}}') == "12345678901234567890"
    assert await said('{"ids":["a","b"]}', "ids.1") == "b"
    assert await said('{"Data":{"BizId":{}}}') == ""
    assert await said('{"Data":null}') == ""
    assert await said("no json") == ""
    assert await said('{"Data":{"BizId":"a\\u0000b' + "x" * 300 + '"}}') == "ab" + "x" * 98


async def test_an_answer_in_a_chinese_charset_is_read() -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body="成功".encode("gbk"), headers={"Content-Type": "text/plain; charset=gbk"})

    outcome, _ = await one(answer, accepted="=成功")
    assert outcome.fate == "sent"


# ── providers that fail ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "answer", [status(500), status(400), status(429), reset, status(200, '{"code":1}'), hang]
)
async def test_the_next_provider_takes_over(answer: Answer) -> None:
    async with far_side(answer) as first, far_side(status(200, '{"code":0,"sid":"b-7"}')) as second:
        keys = {"accepted": "code=0", "id_from": "sid", "timeout": 0.5}
        a, b = (provider(side.url, name=name, **keys) for side, name in ((first, "a"), (second, "b")))
        async with sending(a, b) as sender:
            assert await send(sender) == Outcome("sent", provider="b", provider_id="b-7")
    assert [json.loads(got.body)["ref"] for got in (*first.got, *second.got)] == ["al-0001", "al-0001"]


async def test_when_all_refuse_for_good_it_is_parked_and_else_tried_again() -> None:
    async with far_side(status(400)) as no, far_side(status(403)) as never, far_side(status(503)) as later:
        a, b, c = (provider(side.url, name=name) for side, name in ((no, "a"), (never, "b"), (later, "c")))
        async with sending(a, b) as sender:
            assert await send(sender) == Outcome("failed", "a http_400; b http_403", provider="b")
        async with sending(a, c) as sender:
            assert await send(sender) == Outcome("retry", "a http_400; c http_503", provider="c")
        async with sending(a) as sender:
            assert await send(sender) == Outcome("failed", "http_400", provider="a")


async def test_retry_after_counts_where_all_say_one() -> None:
    async with (
        far_side(status(429, "", Retry_After="40")) as slow,
        far_side(status(503, "", Retry_After="20")) as slower,
        far_side(status(500)) as silent,
    ):
        a, b, c = (
            provider(side.url, name=name) for side, name in ((slow, "a"), (slower, "b"), (silent, "c"))
        )
        async with sending(a, b) as sender:
            assert (await send(sender)).retry_after_seconds == 20
        async with sending(a, c) as sender:
            assert (await send(sender)).retry_after_seconds is None


async def test_all_that_hang_are_a_timeout_to_be_tried_again() -> None:
    async with far_side(hang) as first, far_side(hang) as second:
        a, b = (provider(side.url, name=name, timeout=0.5) for side, name in ((first, "a"), (second, "b")))
        async with sending(a, b) as sender:
            assert await send(sender) == Outcome("retry", "timeout", provider="b")
    assert len(first.got) == len(second.got) == 1


async def test_a_provider_that_keeps_failing_is_asked_last_and_tried_again_after_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sms, "REST_SECONDS", 0.8)
    well = False

    async def sick(request: web.Request) -> web.StreamResponse:
        return web.Response() if well else await hang(request)

    async with far_side(sick) as first, far_side(status(200)) as second:
        a, b = (provider(side.url, name=name, timeout=0.5) for side, name in ((first, "a"), (second, "b")))
        async with sending(a, b) as sender:
            for _ in range(3):
                assert (await send(sender)).provider == "b"
            assert len(first.got) == 3
            # It rests: nobody waits for it any more.
            began = time.monotonic()
            for _ in range(5):
                assert (await send(sender)).provider == "b"
            assert time.monotonic() - began < 0.4 * PATIENCE
            assert len(first.got) == 3
            # After its rest one message looks how it is; those beside it do not wait.
            await asyncio.sleep(0.9)
            began = time.monotonic()
            probe = asyncio.create_task(send(sender))
            await asyncio.sleep(0.05)
            assert (await send(sender)).provider == "b"
            assert time.monotonic() - began < 0.4 * PATIENCE
            assert (await probe).provider == "b"
            assert len(first.got) == 4
            assert (await send(sender)).provider == "b"
            assert len(first.got) == 4  # one failure is enough now
            await asyncio.sleep(0.9)
            well = True
            for _ in range(3):
                assert (await send(sender)).provider == "a"


async def test_one_that_rests_is_still_asked_when_the_others_fail() -> None:
    answers = iter([500, 500, 500, 200])

    async def sick(_: web.Request) -> web.StreamResponse:
        return web.Response(status=next(answers))

    second_well = True

    async def other(_: web.Request) -> web.StreamResponse:
        return web.Response(status=200 if second_well else 500)

    async with (
        far_side(sick) as first,
        far_side(other) as second,
        sending(provider(first.url, name="a"), provider(second.url, name="b")) as sender,
    ):
        for _ in range(3):
            assert (await send(sender)).provider == "b"
        second_well = False
        assert (await send(sender)).provider == "a"


async def test_a_clear_no_is_no_illness() -> None:
    """Ten wrong numbers in a row must not put the provider to rest."""
    async with (
        far_side(status(400)) as first,
        far_side(status(200)) as second,
        sending(provider(first.url, name="a"), provider(second.url, name="b")) as sender,
    ):
        for _ in range(10):
            assert (await send(sender)).provider == "b"
    assert len(first.got) == 10


async def test_each_message_has_a_line_of_its_own() -> None:
    async with far_side(status(200)) as side, sending(provider(side.url)) as sender:
        for _ in range(3):
            assert (await send(sender)).fate == "sent"
    assert len(side.connections) == 3


async def test_redirects_are_not_followed() -> None:
    async with far_side(status(200)) as there:
        outcome, _ = await one(status(307, Location=there.url))
    assert outcome == Outcome("failed", "http_307", provider="sms-1")
    assert there.got == []


async def test_fifty_megabytes_and_lines_that_break_are_no_answer() -> None:
    sent: list[int] = []
    outcome, _ = await one(flood(sent), accepted="code=0")
    assert outcome == Outcome("retry", "not accepted: answer too long", provider="sms-1")
    assert sum(sent) < 20_000_000

    async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"code":0}')
        await writer.drain()

    async with raw_side(broken) as url, sending(provider(url, accepted="code=0")) as sender:
        assert await send(sender) == Outcome("retry", "no http answer", provider="sms-1")


async def test_inner_addresses_need_leave() -> None:
    async with far_side(status(200)) as side:
        async with sending(provider(side.url), targets=Targets.NONE) as sender:
            outcome = await send(sender)
            assert outcome == Outcome("failed", "refused: loopback address", provider="sms-1")
        made = SmsSender(
            [provider("http://sms.example/x")], Targets.LOOPBACK, lookup=Names({"sms.example": ["10.0.0.8"]})
        )
        try:
            assert (await send(made)).why == "refused: private address"
        finally:
            await made.close()
    assert side.got == []


async def test_a_wrong_certificate_is_one_clear_line(certificates: Any) -> None:
    async with (
        far_side(status(200), certificates.serving("alone")) as side,
        sending(provider(side.at("localhost"))) as sender,
    ):
        outcome = await send(sender)
    assert outcome.fate == "retry"
    assert outcome.why == "tls: certificate verify failed: self-signed certificate"
    assert side.got == []


async def test_no_why_holds_a_number_a_text_or_a_key() -> None:
    async with far_side(status(400, f"{PHONE} is s3cret")) as side:
        asked = provider(side.at("127.0.0.1", "/s3cret?k=${K}"), {"K": "s3cret"})
        async with sending(asked, provider("http://10.1.1.1/s3cret", name="b")) as sender:
            outcome = await send(sender)
    assert outcome.why == "sms-1 http_400; b refused: private address"


async def test_what_is_filled_in_adds_no_header() -> None:
    lines = Exchange(connector(Targets.LOOPBACK, per_host=0))
    try:
        async with far_side(status(200)) as side:
            for value in ("a\r\nX: b", "a\nX: b", "a\0b"):
                with pytest.raises(ValueError, match="more than one line"):
                    await lines.ask("GET", URL(side.url), {"X-Text": value}, None, read=True)
            assert side.got == []
            answer = await lines.ask("GET", URL(side.url), {"accept": "text/plain"}, None, read=True)
            assert answer.status == 200
            assert [value for name, value in side.got[0].headers.items() if name.lower() == "accept"] == [
                "text/plain"
            ]
            assert "Content-Length" not in side.got[0].headers
    finally:
        await lines.close()
