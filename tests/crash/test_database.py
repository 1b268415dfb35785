"""The database goes away under load, and comes back: presses wait or are told `busy`, and none is lost or doubled.

The process is never started again: it has to find its way by itself.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from outside.harness import Desk, eventually
from postgres_server import PostgresServer
from postgres_server import server as database_server

from crash.swarm import Press, Swarm
from crash.test_kill import SEED, a_town, judge

#: New presses must be stored again so soon after the server is back.
BACK_SECONDS = 3.0


def _ended_in_good_order(server: PostgresServer) -> None:
    server.stop()


def _power_cut(server: PostgresServer) -> None:
    server.kill()


def _one_process_of_it_killed(server: PostgresServer) -> None:
    """All others are then ended by the server, which recovers by itself."""
    pid = server.sql(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'yijian' AND datname LIKE 'crash%' LIMIT 1"
    )
    server.kill_process(int(pid))


def _everybody_shown_out(server: PostgresServer) -> None:
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'crash%'")


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    """A server of this test's own."""
    with database_server() as made:
        yield made


@pytest.mark.timeout(180)
async def test_the_database_goes_away_under_load_and_comes_back(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    server, place = a_town(tmp_path, 300, postgres.make("crash"))
    chance = random.Random(SEED)
    devices = [device["id"] for device in place.document["devices"]]
    chance.shuffle(devices)
    swarm = Swarm(server, devices, hubs=40, seed=SEED)
    troubles: list[Callable[[PostgresServer], None]] = [
        _everybody_shown_out,
        _one_process_of_it_killed,
        _power_cut,
        _ended_in_good_order,
        _everybody_shown_out,
        _power_cut,
    ]
    back: list[float] = []
    told = [0]

    def told_one(press: Press) -> None:
        told[0] += press.stored

    swarm.on_receipt = told_one

    async def trouble() -> None:
        for number, happens in enumerate(troubles):
            await asyncio.sleep(chance.uniform(0.5, 1.5))
            await asyncio.to_thread(happens, postgres)
            if not postgres.running:
                await asyncio.sleep(0.3 + number % 3)
                await asyncio.to_thread(postgres.start)
            else:
                await asyncio.to_thread(postgres.wait)
            began = time.monotonic()
            before = told[0]
            while told[0] <= before:
                assert time.monotonic() - began < 20, f"nothing is stored again after {happens.__name__}"
                await asyncio.sleep(0.02)
            back.append(time.monotonic() - began)

    try:
        await asyncio.to_thread(server.start)
        swarm.start()
        troubling = asyncio.create_task(trouble())
        await swarm.at_rate(150, until=troubling.done)
        await troubling
        await eventually(lambda: not swarm.waiting(), "every press to be receipted", within=20)
        assert max(back) < BACK_SECONDS, f"stored again so many seconds after it was back: {back}"
        async with Desk(server) as desk:

            async def steps_made() -> bool:
                received = await desk.all("/calls", state="received")
                return all(call["step"] >= 2 for call in received)

            await eventually(steps_made, "every open call to have made its steps", within=15, every=0.5)
            stream = await desk.events(after="0")
            calls = await desk.all("/calls")
            newest = max(call["seq"] for call in calls)
            await stream.until(lambda e: e.data["seq"] >= newest, "the whole journal", within=60)
            judge(stream.seen, list(swarm.presses.values()), calls)
        assert server.stop() == 0
        verified = server.cli("db", "verify", within=60)
        assert verified.code == 0, verified.said
        assert "Traceback" not in server.log, server.tail(60)
    finally:
        await swarm.stop()
        server.end()
