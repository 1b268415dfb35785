"""What the judge hears by is itself held to its word: the receiver of webhooks, the hubs, the spoilt connections."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from standardwebhooks.webhooks import Webhook

from crash.notified import SECRET, Notified
from crash.proxy import Proxy
from crash.swarm import Press, Swarm


async def _sent(
    notified: Notified, name: str, call: str, *, kind: str = "call.opened", secret: str = SECRET
) -> int:
    body = json.dumps({"type": kind, "data": {"call": {"id": call}}})
    now = datetime.now(UTC)
    headers = {
        "webhook-id": name,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(name, now, body),
    }
    url = str(notified.hook["url"])
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
        return answer.status


async def test_whoever_is_notified_knows_a_repeat_another_id_and_a_forgery() -> None:
    async with Notified() as notified:
        assert await _sent(notified, "m1", "c1") == await _sent(notified, "m1", "c1") == 204
        assert (notified.opened, notified.wrong) == ({"c1": 2}, [])
        await _sent(notified, "m2", "c1")
        assert "another id" in notified.wrong.pop()
        assert await _sent(notified, "m3", "c3", secret=SECRET[:-4] + "AAA=") == 400
        assert "not signed" in notified.wrong.pop()
        assert "c3" not in notified.opened
        await _sent(notified, "m4", "c1", kind="call.closed")
        assert "nobody wanted" in notified.wrong.pop()


def _heard(swarm: Swarm, press: str, result: str = "stored") -> None:
    told = {"type": "receipt", "id": press, "result": result, "call": "c1"}
    swarm._hubs[0]._hear("yijian/v1/d1/down", json.dumps(told).encode(), retain=False)


async def test_a_hub_repeats_until_stored_and_keeps_what_it_cannot_place() -> None:
    server: Any = SimpleNamespace(mqtt_port=0)
    swarm = Swarm(server, ["d1"], hubs=1, seed=1)
    press = swarm.press_somewhere()
    _heard(swarm, press.id, "busy")
    assert swarm.waiting() == [press]
    assert swarm.stored == 0
    _heard(swarm, press.id)
    _heard(swarm, press.id, "duplicate")
    assert (swarm.waiting(), swarm.stored, swarm.calls) == ([], 1, ["c1"])
    _heard(swarm, "another")
    assert swarm.strange == [("d1", "another")]


@pytest.mark.parametrize(
    ("result", "stored"),
    [("stored", True), ("duplicate", True), ("busy", False), ("rejected", False)],
)
def test_only_what_is_stored_lets_a_button_rest(result: str, stored: bool) -> None:
    press = Press("d1", "p1", "emergency", "press", 0, receipts=[{"result": result}])
    assert press.stored is stored


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()


async def test_a_connection_is_spoilt_as_it_is_said() -> None:
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    async with server, Proxy("127.0.0.1", server.sockets[0].getsockname()[1]) as proxy:

        async def asked(
            line: bytes, by: tuple[asyncio.StreamReader, asyncio.StreamWriter], within: float = 5
        ) -> bytes:
            by[1].write(line)
            async with asyncio.timeout(within):
                return await by[0].readline()

        async def open_one() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            return await asyncio.open_connection("127.0.0.1", proxy.port)

        near = await open_one()
        assert await asked(b"1\n", near) == b"1\n"
        proxy.stall()
        with pytest.raises(TimeoutError):
            await asked(b"2\n", near, within=0.05)
        proxy.heal()
        assert await asked(b"", near) == b"2\n", "what was stalled comes"
        proxy.cut_answers(b"COMMIT", every=2)
        assert await asked(b"COMMIT\n", near) == b"COMMIT\n"
        with pytest.raises(ConnectionError):
            await asked(b"COMMIT\n", near)
        assert proxy.cuts == 1
        proxy.heal()
        near = await open_one()
        assert await asked(b"3\n", near) == b"3\n"
        assert proxy.reset() == 1
        with pytest.raises(ConnectionError):
            await asked(b"", near)
        near = await open_one()
        await asked(b"4\n", near)
        proxy.swallow()
        with pytest.raises(TimeoutError):
            await asked(b"5\n", near, within=0.05)
        proxy.heal()
        with pytest.raises(TimeoutError):
            await asked(b"6\n", near, within=0.05)  # a half open one never recovers
        assert await asked(b"7\n", await open_one()) == b"7\n"
        proxy.refuse()
        with pytest.raises(ConnectionError):
            await asked(b"8\n", await open_one())
