"""The pages, the demo's door, health and figures."""

from __future__ import annotations

import asyncio
import re
from html.parser import HTMLParser
from importlib import resources

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from dispatcher.console.app import Options, make_app, make_runner
from dispatcher.console.endpoint import Part
from dispatcher.console.rooms import Health

WEB = resources.files("dispatcher.console").joinpath("plain")


async def test_the_page_and_its_files(client):
    async with client.get("/plain") as response:
        page = await response.text()
        assert response.status == 200
        assert response.content_type == "text/html"
        assert "script-src 'self'" in response.headers["Content-Security-Policy"]
        assert "unsafe" not in response.headers["Content-Security-Policy"]
        tag = response.headers["ETag"]
    async with client.get("/plain", headers={"If-None-Match": tag}) as response:
        assert response.status == 304
    for name, kind in re.findall(r'(?:src|href)="/web/([\w.]+\.(\w+))"', page):
        async with client.get(f"/web/{name}") as response:
            assert response.status == 200, name
            assert (
                response.content_type
                == {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}[kind]
            )
    for odd in ("/web/nothing.js", "/web/%2e%2e%2fapp.py", "/web/", "/web/..%2f..%2fstore.py"):
        async with client.get(odd) as response:
            assert response.status == 404


def test_nothing_inline_and_nothing_from_elsewhere():
    class Check(HTMLParser):
        def handle_starttag(self, tag, attrs):
            names = dict(attrs)
            assert not any(name.startswith("on") for name in names)
            assert "style" not in names
            assert tag != "style"
            assert tag != "script" or names.get("src")

    for entry in WEB.iterdir():
        text = entry.read_text()
        assert not re.search(r"https?://(?!www\.w3\.org)", text), entry.name
        if entry.name.endswith(".html"):
            Check().feed(text)
        assert "innerHTML" not in text
        assert "eval(" not in text


def test_modules_import_what_there_is():
    names = {entry.name for entry in WEB.iterdir()}
    for name in names:
        for found in re.findall(r'from "\./([\w.]+)"', WEB.joinpath(name).read_text()):
            assert found in names
            exported = WEB.joinpath(found).read_text()
            for line in re.findall(
                rf'import {{([^}}]*)}} from "\./{re.escape(found)}"', WEB.joinpath(name).read_text()
            ):
                for word in line.split(","):
                    assert re.search(rf"export (async )?(function|const) {word.strip()}\b", exported), word


def test_every_word_is_said_in_both_languages():
    words = WEB.joinpath("words.js").read_text()
    pairs = re.findall(r'^  "?([\w-]+)"?: \["(.+)", "(.+)"\],$', words, re.MULTILINE)
    known = {name for name, _, _ in pairs}
    assert len(known) > 100
    for name, chinese, english in pairs:
        assert re.search(r"[\u4e00-\u9fff]", chinese) or name == "language"
        assert english
        assert set(re.findall(r"{\w+}", chinese)) == set(re.findall(r"{\w+}", english))
    for entry in WEB.iterdir():
        text = entry.read_text()
        for used in re.findall(r'say\("([\w-]+)"', text) + re.findall(r'data-word="([\w-]+)"', text):
            assert used in known, used


LOOPBACK = ["localhost:1", "127.0.0.1:12349", "[::1]:12349", "127.0.0.1"]


@pytest.mark.parametrize(
    "host", [*LOOPBACK, "evil.example:12349", "10.0.0.5", "", "127.0.0.1.nip.io", "localhost.evil.example"]
)
async def test_the_demos_door_opens_on_this_machine_only(client, host):
    async with client.get("/demo-login", headers={"Host": host}) as response:
        assert response.status == (200 if host in LOOPBACK else 404)
        if response.status == 200:
            assert (await response.json())["token"] == "secret-admin"
            assert response.headers["Cache-Control"] == "no-store"
            assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize(
    "header",
    [
        {"X-Forwarded-For": "10.0.0.1"},
        {"Forwarded": "for=10.0.0.1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_no_proxy_and_no_other_page_gets_the_demos_token(client, header):
    async with client.get("/demo-login", headers=header) as response:
        assert response.status == 404


async def test_without_a_demo_there_is_no_such_door(world, tokens):
    app = make_app(world.rooms, Options(tokens=tokens))
    async with TestClient(TestServer(app)) as client, client.get("/demo-login") as response:
        assert response.status == 404


async def test_alive_and_ready(client, world):
    async with client.get("/healthz") as response:
        assert response.status == 200
    async with client.get("/readyz") as response:
        assert (response.status, await response.json()) == (200, {"ready": True, "degraded": []})
    world.health = Health(degraded=["broker"])
    async with client.get("/readyz") as response:
        assert (response.status, (await response.json())["degraded"]) == (200, ["broker"])
    world.health = Health(gone=["database", "desk"], degraded=["broker"])
    async with client.get("/readyz") as response:
        problem = await response.json()
        assert (response.status, problem["gone"]) == (503, ["database", "desk"])
        assert response.headers["Retry-After"]


async def test_figures_without_ids(client, api):
    await api("GET", "/residents/r-1")
    await api("GET", "/nothing-here-77")
    async with client.get("/metrics") as response:
        text = await response.text()
        assert response.content_type == "text/plain"
    assert 'yijian_http_requests_total{operation="getResident",status="200"}' in text
    assert "r-1" not in text
    assert "nothing-here-77" not in text


async def test_a_gateway_serves_signals_and_health_only(world, tokens):
    options = Options(tokens=tokens, parts=frozenset({Part.GATEWAY}))
    async with TestClient(TestServer(make_app(world.rooms, options))) as client:
        headers = {"Authorization": "Bearer secret-admin"}
        async with client.post(
            "/api/v1/signals", json={"device": "btn-r-1", "id": "p", "type": "press"}, headers=headers
        ) as response:
            assert response.status == 201
        for path in ("/healthz", "/readyz", "/metrics"):
            async with client.get(path) as response:
                assert response.status == 200
        for path in ("/", "/api/v1/calls", "/api/v1/events"):
            async with client.get(path, headers=headers) as response:
                assert response.status == 404


async def test_nothing_that_was_sent_is_in_a_log(world, tokens, caplog, capsys):
    world.inbox.fail = RuntimeError("about 13800001111")  # ours, and it must not talk either
    caplog.set_level("DEBUG")
    runner = make_runner(make_app(world.rooms, Options(tokens=tokens)))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    for head in (
        b"GET /api/v1/calls?phone=13800001111 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret-admin\r\n\r\n",
        b"GET /api/v1/calls HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer 13800001111\x00\r\n\r\n",
        b"GET /\x00 13800001111\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00 13800001111\r\n\r\n",
        b'POST /api/v1/calls HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret-admin\r\nContent-Length: 25\r\n\r\n{"phone": "13800001111" }',
        b"POST /api/v1/calls HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret-admin\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n13800001111",
        b"POST /api/v1/calls HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n13800001111",
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head)
        async with asyncio.timeout(20):
            assert await reader.read(200)
        writer.close()
    await runner.cleanup()
    out = capsys.readouterr()
    assert "request_failed" in out.out
    for text in (caplog.text, out.out, out.err):
        assert "13800001111" not in text
        assert "secret-admin" not in text
