"""Spoilt connections between Yijian and its broker, its database, a webhook and an SMS provider.

Each is stalled, half open, reset, as slow as a byte a second, and cut off in the middle of an answer. Afterwards all that
was promised holds, and everybody was told.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

import pytest
from aiohttp import web
from outside.harness import Desk, eventually
from patience import PATIENCE
from postgres_server import PostgresServer
from postgres_server import server as database_server

from crash.broker import outside_broker
from crash.figures import note
from crash.proxy import Proxy
from crash.trial import HARD, Trial, limit, trial_in

RATE = 60 if HARD else 10
#: A broker's silence is noticed after two keepalives, so 30 s.
SILENT_SECONDS = 45.0 if HARD else 32.0
#: The database is given 6 s for a statement, 3 s for a connection.
AWAY_SECONDS = 20.0 if HARD else 4.0


class Provider:
    """An SMS provider that keeps what it was given: by id, how often."""

    def __init__(self) -> None:
        self.texts: defaultdict[str, int] = defaultdict(int)
        self.port = 0

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/send", self._receive)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _receive(self, request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        self.texts[body["id"]] += 1
        return web.json_response({"code": 0})


def _sms(port: int) -> str:
    return f"""
[[alerts.sms]]
kind = "http"
name = "one"
url = "http://127.0.0.1:{port}/send"
body = '{{"to":"{{phone}}","text":"{{text}}","id":"{{id}}"}}'
timeout = 4
"""


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    """A server of this test's own."""
    with database_server() as made:
        yield made


async def _spoil_receivers(*proxies: Proxy) -> None:
    """All that can be wrong with an endpoint, one after the other, the same for each."""
    for seconds in (AWAY_SECONDS, AWAY_SECONDS):
        for spoil in (Proxy.stall, Proxy.swallow, Proxy.refuse, lambda proxy: proxy.trickle(1)):
            for proxy in proxies:
                spoil(proxy)
            await asyncio.sleep(seconds)
            for proxy in proxies:
                proxy.heal()
                proxy.reset()
            await asyncio.sleep(0.5)
    for proxy in proxies:
        proxy.cut_answers(b"POST ", every=2)
    await eventually(
        lambda: all(proxy.cuts for proxy in proxies), "an answer of each to be cut off", within=40
    )
    for proxy in proxies:
        proxy.heal()


@limit(400)
async def test_broker_webhook_and_sms_provider_are_reached_by_spoilt_connections(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        broker = stack.enter_context(outside_broker(tmp_path / "broker"))
        link = await stack.enter_async_context(Proxy("127.0.0.1", broker.port))
        provider = await stack.enter_async_context(Provider())
        texts = await stack.enter_async_context(Proxy("127.0.0.1", provider.port))
        env = {"YIJIAN_MQTT": f"mqtt://127.0.0.1:{link.port}"}
        trial = await stack.enter_async_context(
            trial_in(tmp_path / "town", residents=60, env=env, start=False, staff=_staff())
        )
        trial.server.settings(_sms(texts.port))
        trial.server.mqtt_port = broker.port  # the buttons' own way is a good one
        hooks = await stack.enter_async_context(Proxy("127.0.0.1", trial.notified.port))
        trial.notified.port = hooks.port
        await trial.start()
        async with trial.pressing(RATE):
            receivers = asyncio.create_task(_spoil_receivers(hooks, texts))
            back = await _spoil_the_broker(trial, link)
            await receivers
        await trial.judged("spoilt: broker, webhook, SMS", within=60, **back)
        await _texts_told(trial, provider)


async def _spoil_the_broker(trial: Trial, link: Proxy) -> dict[str, float]:
    """Each fault, and the seconds until a press is stored again once it is over."""
    back = {}
    for name, seconds in (("reset", 0), ("stall", 3), ("trickle", 3), ("swallow", SILENT_SECONDS)):
        await asyncio.sleep(1)
        if name == "trickle":
            link.trickle(1)
        else:
            getattr(link, name)()
        await asyncio.sleep(seconds)
        if name == "swallow":
            await _not_pretending(trial)
        link.heal()
        back[f"after_{name}_s"] = round(await trial.stored_again(40), 2)
    return back


async def _not_pretending(trial: Trial) -> None:
    """A broker that has said nothing for half a minute is not called well."""
    async with Desk(trial.server) as desk:

        async def told() -> bool:
            ready = await desk.ask("GET", "//readyz")
            return ready.status == 200 and ready.body["degraded"] == ["broker"]

        await eventually(told, "/readyz to call the broker degraded", within=15, every=0.5)


def _staff() -> list[dict[str, Any]]:
    """Somebody at the desk, who is summoned by SMS."""
    return [
        {
            "id": "s-crash",
            "name": "欧阳雪静",
            "phone": "+99913800000001",
            "role": "district",
            "area": "411099",
            "station": "desk-1",
        }
    ]


async def _texts_told(trial: Trial, provider: Provider) -> None:
    again = sum(times - 1 for times in provider.texts.values())
    note("spoilt: SMS", texts=len(provider.texts), told_again=again)
    assert provider.texts, "nobody was written to"


@limit(400)
async def test_the_database_is_reached_by_a_spoilt_connection(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    url = postgres.make("crash")
    back: dict[str, float] = {}
    async with Proxy("127.0.0.1", postgres.port) as link:
        through = url.replace(f":{postgres.port}/", f":{link.port}/")
        async with trial_in(tmp_path, through, residents=60) as trial:
            trial.operator.patience_seconds = 60
            async with trial.pressing(RATE):
                for name in ("reset", "stall", "swallow", "refuse", "trickle"):
                    await asyncio.sleep(1)
                    async with trial.away():
                        if name == "trickle":
                            link.trickle(1)
                        else:
                            getattr(link, name)()
                        await asyncio.sleep(0 if name == "reset" else AWAY_SECONDS)
                        link.heal()
                        back[f"after_{name}_s"] = round(await trial.decided_again(30), 2)
                # The commit was done, or was not: nobody knows but the database.
                async with trial.away():
                    link.cut_answers(b"COMMIT\x00", every=3)
                    await asyncio.sleep(4)
                    link.heal()
                    back["after_cut_s"] = round(await trial.decided_again(30), 2)
            assert link.cuts > 3, f"only {link.cuts} answers of a commit were cut off"
            await trial.judged("spoilt: PostgreSQL", within=40, commits_cut=link.cuts, **back)
            assert "desk_settled happened=true" in trial.server.log.replace("event=", ""), (
                "no commit was in doubt and had happened"
            )
            # Told to stop while every connection is half open: nobody says goodbye to it.
            await asyncio.to_thread(trial.server.start)
            async with Desk(trial.server) as desk:
                await asyncio.gather(*(desk.get("/stations") for _ in range(8)))
            link.swallow()
            assert await asyncio.to_thread(trial.server.stop) == 0
    assert max(back.values()) < 15 * PATIENCE, back
