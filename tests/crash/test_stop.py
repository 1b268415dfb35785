"""Stopped and let go on again: Yijian, its broker, PostgreSQL's processes. What was due meanwhile comes once, no burst.

Stopped is worse than dead: connections stay open, locks stay held, and afterwards everybody believes that no time has
passed. These calls ring every three seconds, so that a burst would be seen.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from outside.harness import eventually
from patience import PATIENCE
from postgres_server import PostgresServer
from postgres_server import server as database_server

from crash.broker import outside_broker
from crash.trial import AGAIN, HARD, limit, trial_in

#: A broker ends a connection that has said nothing for 22 s; and we one, after 30.
LONG_SECONDS = 35.0 if HARD else 25.0
#: The server is given 6 s to answer a statement.
SHORT_SECONDS = 40.0 if HARD else 8.0
RATE = 60 if HARD else 10


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    """A server of this test's own."""
    with database_server() as made:
        yield made


async def _stopped(pids: list[int], seconds: float) -> None:
    """Stop these processes for a while."""
    assert pids, "nobody to stop"
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@limit(180)
async def test_yijian_is_stopped_for_half_a_minute(tmp_path: Path) -> None:
    async with trial_in(tmp_path, residents=60, plan=AGAIN) as trial:
        trial.operator.patience_seconds = 60
        async with trial.pressing(RATE):
            await asyncio.sleep(4)
            async with trial.away():
                await _stopped([trial.server.pid], LONG_SECONDS)
                back = await trial.decided_again()
            await asyncio.sleep(4)
        await trial.judged("Yijian stopped", stopped_s=LONG_SECONDS, back_s=round(back, 2))
    assert back < 10 * PATIENCE


@limit(180)
@pytest.mark.parametrize("whose", ["embedded", "outside"])
async def test_its_broker_is_stopped(tmp_path: Path, whose: str) -> None:
    async with AsyncExitStack() as stack:
        env, start = {}, whose == "embedded"
        if whose == "outside":
            broker = stack.enter_context(outside_broker(tmp_path / "broker"))
            env["YIJIAN_MQTT"] = broker.url
        town = trial_in(tmp_path / "town", residents=60, plan=AGAIN, env=env, start=start)
        trial = await stack.enter_async_context(town)
        if whose == "outside":
            trial.server.mqtt_port = broker.port
            await trial.start()
        async with trial.pressing(RATE):
            await asyncio.sleep(3)
            brokers = await eventually(trial.server.brokers, "a broker to stop", within=10)
            await _stopped(brokers, SHORT_SECONDS)  # and the desk goes on: nothing may be late
            back = await trial.decided_again(40)
            await asyncio.sleep(3)
        await trial.judged(
            f"{whose} broker stopped", stopped_s=SHORT_SECONDS, back_s=round(back, 2), within=40
        )
    assert back < 10 * PATIENCE


@limit(240)
async def test_the_processes_of_postgresql_that_serve_us_are_stopped(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    async with trial_in(tmp_path, postgres.make("crash"), residents=60, plan=AGAIN) as trial:
        trial.operator.patience_seconds = 60
        async with trial.pressing(RATE):
            await asyncio.sleep(3)
            async with trial.away():
                pids = postgres.sql("SELECT pid FROM pg_stat_activity WHERE datname = 'crash'").split()
                await _stopped([int(pid) for pid in pids], SHORT_SECONDS)
                back = await trial.decided_again(40)
            await asyncio.sleep(3)
        await trial.judged(
            "PostgreSQL's processes stopped", stopped_s=SHORT_SECONDS, back_s=round(back, 2), within=40
        )
    assert back < 10 * PATIENCE
