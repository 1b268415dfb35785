"""The canary on a real system: a press of its own all the way, seen by nobody; and what is told when it does not come."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
from aiohttp import web

from outside.harness import Desk, Server, eventually, free_port
from outside.places import district

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
EVERY = 1.0
STAGES = ["broker", "receipt", "desk", "stream", "webhook"]


class Broker:
    """An outside broker that can die."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        self._config.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\n", encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        path = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin"}
        self._process = subprocess.Popen(
            ["mosquitto", "-c", str(self._config)], env=path, stderr=subprocess.DEVNULL
        )

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None


class Outside:
    """What is out there: a webhook that hears everything, and a dead man's switch."""

    def __init__(self) -> None:
        self.port = free_port()
        self.heard: list[dict[str, Any]] = []
        self.pings: list[tuple[float, str]] = []

    async def hook(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.heard.append(standardwebhooks.Webhook(SECRET).verify(body, dict(request.headers)))
        return web.Response()

    async def ping(self, request: web.Request) -> web.Response:
        assert await request.read() == b""
        self.pings.append((time.monotonic(), request.path_qs))
        return web.Response()

    def names(self, prefix: str = "") -> list[str]:
        return [one["type"] for one in self.heard if one["type"].startswith(prefix)]


@pytest.fixture
async def outside() -> AsyncIterator[Outside]:
    there = Outside()
    app = web.Application()
    app.router.add_post("/hook", there.hook)
    app.router.add_get("/ping", there.ping)
    app.router.add_get("/ping/fail", there.ping)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", there.port).start()
    yield there
    await runner.cleanup()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path)
    made.start()
    yield made
    made.kill()


def served(folder: Path, there: Outside, **env: str) -> Server:
    document = district()
    document["webhooks"] = [
        {"id": "wh-1", "url": f"http://127.0.0.1:{there.port}/hook", "secret": SECRET, "events": ["*"]}
    ]
    env = {
        "YIJIAN_CANARY_SECONDS": str(EVERY),
        "YIJIAN_CANARY_PING_URL": f"http://127.0.0.1:{there.port}/ping",
        "YIJIAN_CANARY_PING_FAIL_URL": f"http://127.0.0.1:{there.port}/ping/fail",
        "YIJIAN_PRIVATE_TARGETS": "true",
        **env,
    }
    return Server(folder / "server", district=document, env=env)


async def state(desk: Desk) -> str:
    found: str = (await desk.get("/canary"))["state"]
    return found


async def metric(desk: Desk, name: str) -> float:
    text = (await desk.ask("GET", "//metrics")).ok()
    return float(next(line.split()[1] for line in text.splitlines() if line.startswith(f"{name} ")))


@pytest.mark.parametrize(
    ("private", "database"), [("true", "sqlite"), ("false", "sqlite"), ("true", "postgresql")]
)
async def test_it_goes_all_the_way_and_shows_nowhere(
    tmp_path: Path, outside: Outside, private: str, database: str
) -> None:
    env = {"YIJIAN_PRIVATE_TARGETS": private}
    if database == "postgresql":
        import postgres_server

        env["YIJIAN_DATABASE"] = postgres_server.shared().make("canary")
    server = served(tmp_path, outside, **env)
    try:
        server.start()
        async with Desk(server) as desk:
            stream = await desk.events(after="0")
            await eventually(lambda: len(outside.pings) >= 3, "three rounds", within=15)
            found = await desk.get("/canary")
            assert found["state"] == "proven"
            assert [one["stage"] for one in found["last"]["stages"]] == STAGES
            assert all(0 < one["seconds"] < 5 for one in found["last"]["stages"])
            assert (await desk.ask("GET", "//readyz")).ok() == {"ready": True, "degraded": []}
            # Nobody's queue, list, figure, webhook or page.
            (await desk.post("/signals", {"device": "somebody", "id": "real", "type": "press"})).ok(201)
            real = (await stream.fact("call.opened")).data["call"]
            listed = await desk.get("/calls")
            assert [one["id"] for one in listed["items"]] == [real]
            assert {one.data["call"] for one in stream.seen} <= {real, None}
            text = (await desk.ask("GET", "//metrics")).ok()
            assert 'yijian_presses_total{key="emergency"} 1.0' in text
            assert "~canary" not in json.dumps([listed, await desk.get("/alerts"), await desk.get("/audit")])
            if private == "true":
                await eventually(lambda: "call.opened" in outside.names(), "the real call's webhook")
                assert {one["data"]["call"]["id"] for one in outside.heard if one["data"].get("call")} == {
                    real
                }
            assert outside.names("canary") == []
        assert server.stop() == 0
        ran = server.cli("db", "verify")
        assert ran.code == 0, ran.said
    finally:
        server.end()


async def test_a_broker_that_dies_is_told_by_every_way_that_does_not_need_it(
    tmp_path: Path, outside: Outside, broker: Broker
) -> None:
    server = served(tmp_path, outside, YIJIAN_MQTT=f"mqtt://127.0.0.1:{broker.port}")
    try:
        server.start()
        async with Desk(server) as desk:
            await eventually(lambda: outside.pings, "a first round", within=15)
            broker.kill()
            died = time.monotonic()

            async def is_lost() -> bool:
                return await state(desk) == "lost"

            await eventually(is_lost, "it is lost", within=EVERY + 10)
            assert time.monotonic() - died < EVERY + 10
            assert (await desk.get("/canary"))["stage"] == "broker"
            assert "canary" in (await desk.ask("GET", "//readyz")).ok()["degraded"]
            assert await metric(desk, "yijian_canary_lost") == 1
            await eventually(lambda: outside.names("canary"), "the webhook of it")
            age = await metric(desk, "yijian_canary_age_seconds")
            assert age > 0
            taken = len([path for _, path in outside.pings if path == "/ping"])
            await asyncio.sleep(2 * EVERY)
            assert len([path for _, path in outside.pings if path == "/ping"]) == taken, "pinged all the same"
            assert any(path == "/ping/fail" for _, path in outside.pings)
            ran = await asyncio.to_thread(server.cli, "canary")
            assert ran.code == 1, ran.said
            assert "the broker did not take it" in ran.out

            broker.start()

            async def is_back() -> bool:
                return await state(desk) == "proven"

            await eventually(is_back, "it is back", within=20)
            await eventually(lambda: len(outside.names("canary")) == 2, "the webhook of its return")
            await asyncio.sleep(2 * EVERY)
            assert outside.names("canary") == ["canary.lost", "canary.restored"]
            ran = await asyncio.to_thread(server.cli, "canary", LANG="zh_CN.UTF-8", LC_ALL="")
            assert ran.code == 0, ran.said
            assert "全链路畅通" in ran.out
    finally:
        server.end()


async def test_by_hand_without_a_right_to_it_or_a_server(tmp_path: Path, outside: Outside) -> None:
    server = served(tmp_path, outside, YIJIAN_CANARY_SECONDS="0")
    silent = await asyncio.to_thread(server.cli, "canary")
    assert (silent.code, len(silent.err.splitlines())) == (1, 1), silent.said
    assert "does not answer" in silent.err
    try:
        server.start()
        for wrong in ("", "nobodys-token"):
            ran = await asyncio.to_thread(server.cli, "canary", "--url", server.url, YIJIAN_ADMIN_TOKEN=wrong)
            assert (ran.code, len(ran.err.splitlines())) == (2, 1), ran.said
        assert (await asyncio.to_thread(server.cli, "canary", "--url", "nowhere")).code == 2
        ran = await asyncio.to_thread(server.cli, "canary", "--json")
        assert ran.code == 0, ran.said
        [done] = ran.json_lines()
        assert [one["stage"] for one in done["stages"]] == STAGES
        async with Desk(server) as desk:
            assert await state(desk) == "proven"
    finally:
        server.end()


async def test_what_a_broker_kept_of_it_over_a_crash_is_still_nobodys_call(
    tmp_path: Path, outside: Outside
) -> None:
    """Its presses while we were dead come in afterwards: by its address, which is the database's, they are tests."""
    server = served(tmp_path, outside)
    try:
        server.start()
        await eventually(lambda: outside.pings, "a first round", within=15)
        server.kill()
        with contextlib.closing(sqlite3.connect(server.data / "yijian.sqlite")) as database:
            [[address]] = database.execute("SELECT value FROM meta WHERE key = 'canary'").fetchall()
        server.env["YIJIAN_CANARY_SECONDS"] = "0"
        server.start()
        async with Desk(server) as desk:
            for number in range(3):
                body = {"device": address, "id": f"old-{number}", "type": "press"}
                assert (await desk.post("/signals", body)).ok(201)["call"]
            assert (await desk.get("/calls"))["items"] == []
            assert await metric(desk, 'yijian_open_calls{state="received"}') == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(server.pid, signal.SIGKILL)
        server.end()
