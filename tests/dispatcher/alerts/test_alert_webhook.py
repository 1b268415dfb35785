"""One webhook message over the wire: signed so that a stranger's library believes it, and never held up by one endpoint."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import time
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from far_side import (
    Answer,
    Certificates,
    FarSide,
    Names,
    drip,
    far_side,
    flood,
    hang,
    raw_side,
    reset,
    status,
)
from patience import PATIENCE
from standardwebhooks import Webhook, WebhookVerificationError

from dispatcher.alerts import webhook
from dispatcher.alerts.outcome import DELIVERED, Outcome, of_status
from dispatcher.alerts.targets import Targets
from dispatcher.alerts.webhook import WebhookSender

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
BODY = '{"type":"call.opened","data":{"name":"王秀英","phone":"+99913800000001"}}'.encode()


@pytest.fixture
async def sender() -> AsyncIterator[WebhookSender]:
    made = WebhookSender(Targets.LOOPBACK)
    yield made
    await made.close()


async def send(sender: WebhookSender, url: str, secret: str = SECRET, message_id: str = "al-0001") -> Outcome:
    return await sender.send(
        url=url, secret=secret, message_id=message_id, timestamp_seconds=int(time.time()), body=BODY
    )


async def outcome_of(sender: WebhookSender, answer: Answer) -> Outcome:
    async with far_side(answer) as side:
        return await send(sender, side.url)


# ── what goes out ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_strangers_library_believes_the_signature(sender: WebhookSender) -> None:
    async with far_side(status(200, "thanks")) as side:
        assert await send(sender, side.at("127.0.0.1", "/hook?room=1&sign=a%2Bb")) == DELIVERED
    (got,) = side.got
    assert (got.method, got.path) == ("POST", "/hook?room=1&sign=a%2Bb")
    assert got.body == BODY
    assert Webhook(SECRET).verify(got.body, dict(got.headers))["type"] == "call.opened"
    assert got.headers["webhook-id"] == "al-0001"
    assert got.headers["Content-Type"] == "application/json"
    assert got.headers["User-Agent"].startswith("Yijian/")
    assert "br" not in got.headers["Accept-Encoding"]
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(got.body + b" ", dict(got.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + base64.b64encode(b"another").decode()).verify(got.body, dict(got.headers))


async def test_a_secret_without_padding_is_the_same_secret(sender: WebhookSender) -> None:
    secret = "whsec_" + base64.b64encode(b"sixteen bytes ok").decode().rstrip("=")
    async with far_side(status(200)) as side:
        assert await send(sender, side.url, secret) == DELIVERED
    assert Webhook(secret).verify(side.got[0].body, dict(side.got[0].headers))


async def test_without_a_secret_it_goes_unsigned_and_with_a_wrong_one_it_does_not_go(
    sender: WebhookSender,
) -> None:
    async with far_side(status(200)) as side:
        assert await send(sender, side.url, secret="") == DELIVERED
        assert "webhook-signature" not in side.got[0].headers
        assert side.got[0].headers["webhook-id"] == "al-0001"
        for wrong in ("whsec_", "whsec_!!", "s3cret", "whsec_c2VjcmV0_w"):
            outcome = await send(sender, side.url, secret=wrong)
            assert outcome == Outcome("failed", "secret: not whsec_ and base64")
    assert len(side.got) == 1


async def test_lines_are_kept_and_cookies_are_not() -> None:
    sender = WebhookSender(Targets.LOOPBACK, lookup=Names({"hooks.example": ["127.0.0.1"]}))
    try:
        async with far_side(status(200, "thanks", Set_Cookie="a=b; Path=/")) as side:
            for _ in range(5):
                assert await send(sender, side.at("hooks.example")) == DELIVERED
    finally:
        await sender.close()
    assert len(side.connections) == 1
    assert not any("Cookie" in got.headers for got in side.got)


async def test_proxies_and_logins_of_the_environment_are_not_asked(
    sender: WebhookSender, monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password s3cret")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    async with far_side(status(200)) as side:
        assert await send(sender, side.url) == DELIVERED
    assert "Authorization" not in side.got[0].headers


# ── what comes back ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("code", [200, 201, 202, 204, 299])
async def test_any_2xx_is_delivered(sender: WebhookSender, code: int) -> None:
    assert await outcome_of(sender, status(code)) == DELIVERED


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504, 599])
async def test_what_may_pass_is_tried_again(sender: WebhookSender, code: int) -> None:
    assert await outcome_of(sender, status(code)) == Outcome("retry", f"http_{code}")


@pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 410, 413, 422, 451, 300, 304])
async def test_what_will_not_pass_is_parked(sender: WebhookSender, code: int) -> None:
    assert await outcome_of(sender, status(code)) == Outcome("failed", f"http_{code}")


async def test_retry_after_is_honoured_up_to_an_hour(sender: WebhookSender) -> None:
    async def pause(value: str, date: str = "Tue, 24 Nov 2026 01:15:00 GMT") -> float | None:
        outcome = await outcome_of(sender, status(429, "", Retry_After=value, Date=date))
        assert outcome.fate == "retry"
        return outcome.retry_after_seconds

    assert await pause("30") == 30
    assert await pause("0") == 0
    assert await pause("99999999999999999999") == 3600
    # A moment counts from the other side's own clock, however wrong ours or theirs is.
    assert await pause("Tue, 24 Nov 2026 01:16:30 GMT") == 90
    assert await pause("Tue, 24 Nov 2026 01:00:00 GMT") == 0
    assert await pause("Wed, 25 Nov 2026 01:15:00 GMT") == 3600
    assert await pause("soon") is None
    assert await pause("-5") is None
    assert await pause("٣") is None
    assert of_status(503, "Tue, 24 Nov 2026 01:16:30 GMT", "") == Outcome("retry", "http_503")
    assert of_status(400, "30").retry_after_seconds is None


# ── endpoints that behave badly ───────────────────────────────────────────────────────────────────────────────────────


async def test_an_endpoint_that_hangs_costs_its_own_time_and_nobody_elses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(webhook, "TOTAL_SECONDS", 1.5)
    monkeypatch.setattr(webhook, "PER_HOST", 40)
    sender = WebhookSender(Targets.LOOPBACK)
    try:
        async with far_side(hang) as dead, far_side(status(204)) as well:
            stuck = [asyncio.create_task(send(sender, dead.url)) for _ in range(80)]
            while len(dead.got) < 40:
                await asyncio.sleep(0.01)
            began = time.monotonic()
            for _ in range(20):
                assert await send(sender, well.url) == DELIVERED
            assert time.monotonic() - began < 0.75 * PATIENCE
            assert len(dead.connections) == 40  # the others wait for a line, within their own time
            for outcome in await asyncio.gather(*stuck):
                assert outcome.fate == "retry"
                assert outcome.why.startswith("timeout")
    finally:
        await sender.close()


async def test_an_answer_that_drips_is_taken_by_its_status(sender: WebhookSender) -> None:
    began = time.monotonic()
    assert await outcome_of(sender, drip) == DELIVERED
    assert time.monotonic() - began < 3 * PATIENCE


async def test_a_status_line_that_drips_is_a_timeout(
    sender: WebhookSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "TOTAL_SECONDS", 0.6)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for letter in "HTTP/1.1 200 OK":
            writer.write(letter.encode())
            await writer.drain()
            await asyncio.sleep(0.1)

    async with raw_side(talk) as url:
        assert await send(sender, url) == Outcome("retry", "timeout")


async def test_fifty_megabytes_are_not_read(sender: WebhookSender) -> None:
    sent: list[int] = []
    assert await outcome_of(sender, flood(sent)) == DELIVERED
    assert sum(sent) < 20_000_000  # what the kernel's buffers took, before the line was cut
    assert await outcome_of(sender, flood(sent)) == DELIVERED


async def test_nothing_is_unpacked(sender: WebhookSender) -> None:
    async def bomb(_: web.Request) -> web.StreamResponse:
        return web.Response(body=b"\x1f\x8b no gzip at all", headers={"Content-Encoding": "gzip"})

    async with far_side(bomb) as side:
        for _ in range(3):
            assert await send(sender, side.url) == DELIVERED  # unpacking it would have failed
    assert len(side.connections) == 1


async def test_a_line_that_is_reset_is_tried_once_more_at_once_and_then_later(sender: WebhookSender) -> None:
    async with far_side(reset) as side:
        outcome = await send(sender, side.url)
    assert outcome.fate == "retry"
    assert outcome.why in {"connection: connection reset by peer", "connection closed"}
    assert [got.headers["webhook-id"] for got in side.got] == ["al-0001", "al-0001"]


async def test_an_idle_line_that_was_closed_meanwhile_costs_no_waiting(sender: WebhookSender) -> None:
    """Many servers close after five seconds: the next press must not pay for it with a retry seconds later."""
    answers = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answers
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(len(BODY))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        answers += 1
        # The next request is met by a closed line, as when both happen at once.
        await reader.read(1)

    async with raw_side(talk) as url:
        for _ in range(3):
            assert await send(sender, url) == DELIVERED
    assert answers == 3


@pytest.mark.parametrize(
    "said",
    [
        b"220 smtp.example ESMTP\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: a\r\n" % number for number in range(20_000)) + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"",
    ],
)
async def test_what_is_no_http_is_tried_again(sender: WebhookSender, said: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        await writer.drain()

    async with raw_side(talk) as url:
        outcome = await send(sender, url)
    assert outcome.fate == "retry"
    assert outcome.why in {"no http answer", "connection closed", "connection: connection reset by peer"}


async def test_a_body_that_breaks_off_after_200_was_delivered(sender: WebhookSender) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nthan")
        await writer.drain()

    async with raw_side(talk) as url:
        assert await send(sender, url) == DELIVERED


async def test_nobody_listening_and_names_that_are_none(sender: WebhookSender) -> None:
    async with far_side(status(200)) as side:
        gone = side.url
    assert await send(sender, gone) == Outcome("retry", "connect: connection refused")


async def test_a_name_server_that_hangs_is_a_timeout_and_others_are_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(webhook, "TOTAL_SECONDS", 0.5)
    sender = WebhookSender(Targets.LOOPBACK, lookup=Names(hangs=True))
    try:
        async with far_side(status(200)) as side:
            stuck = asyncio.create_task(send(sender, "http://hooks.example/x"))
            await asyncio.sleep(0)
            assert await send(sender, side.url) == DELIVERED
            assert await stuck == Outcome("retry", "timeout")
    finally:
        await sender.close()


# ── redirects ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_a_redirect_keeps_method_body_and_signature(sender: WebhookSender, code: int) -> None:
    async with (
        far_side(status(200)) as there,
        far_side(status(code, Location=there.at("127.0.0.1", "/new"))) as here,
    ):
        assert await send(sender, here.url) == DELIVERED
    (first,), (second,) = here.got, there.got
    assert (second.method, second.path, second.body) == ("POST", "/new", BODY)
    assert second.headers["webhook-signature"] == first.headers["webhook-signature"]
    assert Webhook(SECRET).verify(second.body, dict(second.headers))


async def test_three_redirects_are_followed_and_a_circle_is_not(sender: WebhookSender) -> None:
    async def on(request: web.Request) -> web.StreamResponse:
        left = int(request.path.rpartition("/")[2])
        return web.Response(status=307, headers={"Location": f"/{left - 1}"}) if left else web.Response()

    async with far_side(on) as side:
        assert await send(sender, side.at("127.0.0.1", "/3")) == DELIVERED
        assert await send(sender, side.at("127.0.0.1", "/4")) == Outcome("failed", "too many redirects")
    async with far_side(status(302, Location="/hook")) as circle:
        assert await send(sender, circle.url) == Outcome("failed", "too many redirects")
    assert len(circle.got) == 4


@pytest.mark.parametrize(
    ("location", "why"),
    [
        (None, "http_302 without location"),
        ("", "http_302 without location"),
        ("http://169.254.169.254/latest/meta-data/", "http_302 refused: private address"),
        ("http://10.0.0.1/", "http_302 refused: private address"),
        ("http://[fd00:ec2::254]/", "http_302 refused: private address"),
        ("http://0.0.0.0/", "http_302 refused: unspecified address"),
        ("http://2852039166/", "http_302 refused: has a number for a host"),
        ("gopher://127.0.0.1/", "http_302 refused: must be an http"),
        ("file:///etc/passwd", "http_302 refused: must be an http"),
        ("http://user:pass@127.0.0.1/", "http_302 refused: has a user"),
        ("http://inner.example/", "refused: private address"),
    ],
)
async def test_a_redirect_leads_nowhere_we_would_not_go(location: str | None, why: str) -> None:
    sender = WebhookSender(Targets.LOOPBACK, lookup=Names({"inner.example": ["192.168.0.1"]}))
    headers = {} if location is None else {"Location": location}
    try:
        async with far_side(status(302, **headers)) as side:
            outcome = await send(sender, side.url)
    finally:
        await sender.close()
    assert outcome.fate == "failed"
    assert outcome.why.startswith(why)


async def test_from_outside_a_redirect_to_loopback_is_refused() -> None:
    """As an installation without YIJIAN_PRIVATE_TARGETS meets it; the public endpoint is played by a name."""
    async with far_side(status(200)) as inside:
        sender = WebhookSender(Targets.NONE)
        try:
            assert await send(sender, inside.url) == Outcome("failed", "refused: loopback address")
            outcome = await send(sender, inside.at("localhost"))
        finally:
            await sender.close()
    assert outcome == Outcome("failed", "refused: loopback address")
    assert inside.got == []


# ── certificates ──────────────────────────────────────────────────────────────────────────────────────────────────────


@contextlib.asynccontextmanager
async def served(certificates: Certificates, name: str) -> AsyncIterator[FarSide]:
    async with far_side(status(200), certificates.serving(name)) as side:
        yield side


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("alone", "tls: certificate verify failed: self-signed certificate"),
        ("other", "tls: certificate verify failed: hostname mismatch"),
        ("over", "tls: certificate verify failed: certificate has expired"),
    ],
)
async def test_a_wrong_certificate_is_one_clear_line_and_sends_nothing(
    certificates: Certificates, name: str, why: str
) -> None:
    sender = WebhookSender(Targets.LOOPBACK, tls=certificates.trusting)
    try:
        async with served(certificates, name) as side:
            assert await send(sender, side.at("localhost")) == Outcome("retry", why)
    finally:
        await sender.close()
    assert side.got == []


async def test_a_right_certificate_is_trusted_by_who_knows_its_signer_alone(
    certificates: Certificates, sender: WebhookSender
) -> None:
    knowing = WebhookSender(Targets.LOOPBACK, tls=certificates.trusting)
    try:
        async with served(certificates, "good") as side:
            assert await send(knowing, side.at("localhost")) == DELIVERED
            outcome = await send(sender, side.at("localhost"))
    finally:
        await knowing.close()
    assert outcome.fate == "retry"
    assert outcome.why.startswith("tls: certificate verify failed: ")
    assert len(side.got) == 1


async def test_tls_to_a_port_without_tls_and_plain_to_one_with(
    certificates: Certificates, sender: WebhookSender
) -> None:
    async with far_side(status(200)) as plain:
        outcome = await send(sender, plain.url.replace("http://", "https://"))
    assert outcome.fate == "retry"
    assert outcome.why.startswith("tls: ")
    async with served(certificates, "good") as secure:
        outcome = await send(sender, secure.url.replace("https://", "http://"))
    assert outcome.fate in {"retry", "failed"}
    assert secure.got == []


# ── what it says ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_no_outcome_repeats_a_url_a_number_or_a_body(
    sender: WebhookSender, certificates: Certificates
) -> None:
    whys = []
    loud = status(400, "no +99913800000001 here: s3cret", X_Token="s3cret")
    for answer in (loud, status(500, "s3cret"), status(302, Location="http://10.0.0.1/s3cret"), reset):
        async with far_side(answer) as side:
            whys.append((await send(sender, side.at("127.0.0.1", "/s3cret?key=s3cret"))).why)
    async with served(certificates, "other") as side:
        whys.append((await send(sender, side.at("localhost", "/s3cret"))).why)
    whys.append((await send(sender, "http://s3cret.invalid/s3cret")).why)
    whys.append((await send(sender, "http://u:s3cret@127.0.0.1/")).why)
    for why in whys:
        assert why
        assert len(why) < 120
        assert not any(word in why for word in ("s3cret", "999", "127.0.0.1", "10.0.0.1", "localhost", "://"))


async def test_a_send_that_is_given_up_leaves_no_line_behind(sender: WebhookSender) -> None:
    async with far_side(hang) as side:
        task = asyncio.create_task(send(sender, side.url))
        while not side.got:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        transport = next(iter(side.connections))
        for _ in range(100):
            if transport.is_closing():
                break
            await asyncio.sleep(0.01)
        assert transport.is_closing()
