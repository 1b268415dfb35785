"""The broker is killed under load, the embedded one and one of the installation's own; and everything at once.

What a broker acknowledged and lost, its devices say again: they count on receipts, which come from us.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from pathlib import Path

from outside.harness import eventually
from patience import PATIENCE
from postgres_server import server as database_server

from crash.broker import Broker, outside_broker
from crash.trial import HARD, SEED, Trial, limit, trial_in

KILLS = 15 if HARD else 3
RATE = 300 if HARD else 25
#: New presses are stored again so soon after the broker is back: our longest pause between two tries is 7.5 s.
BACK_SECONDS = 10 * PATIENCE


async def _back(trial: Trial) -> float:
    """The seconds until a press by MQTT is receipted again."""
    return await trial.stored_again()


@limit(300)
async def test_the_embedded_broker_is_killed_again_and_again(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    back: list[float] = []
    async with trial_in(tmp_path) as trial:
        async with trial.pressing(RATE):
            for _ in range(KILLS):
                await asyncio.sleep(chance.uniform(0.3, 1.0))
                (broker,) = await eventually(trial.server.brokers, "a broker to kill", within=10)
                os.kill(broker, signal.SIGKILL)
                back.append(await _back(trial))
        await trial.judged("embedded broker killed", kills=KILLS, slowest_back_s=round(max(back), 2))
    assert max(back) < BACK_SECONDS


@limit(300)
async def test_an_outside_broker_is_killed_again_and_again(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    back: list[float] = []
    with outside_broker(tmp_path / "broker") as broker:
        env = {"YIJIAN_MQTT": broker.url}
        async with trial_in(tmp_path / "town", env=env, start=False) as trial:
            trial.server.mqtt_port = broker.port
            await trial.start()
            async with trial.pressing(RATE):
                for number in range(KILLS):
                    await asyncio.sleep(chance.uniform(0.3, 1.0))
                    await asyncio.to_thread(broker.kill)
                    await asyncio.sleep(number % 3 / 2)
                    await asyncio.to_thread(broker.start)
                    back.append(await _back(trial))
            await trial.judged("outside broker killed", kills=KILLS, slowest_back_s=round(max(back), 2))
    assert max(back) < BACK_SECONDS


@limit(400)
async def test_yijian_its_broker_and_its_database_are_killed_at_once(tmp_path: Path) -> None:
    """A power cut of the whole room. They come back in any order; Yijian is started again as often as it ends."""
    chance = random.Random(SEED)
    back: list[float] = []
    with outside_broker(tmp_path / "broker") as broker, database_server() as postgres:
        env = {"YIJIAN_MQTT": broker.url}
        async with trial_in(tmp_path / "town", postgres.make("crash"), env=env, start=False) as trial:
            trial.server.mqtt_port = broker.port
            trial.operator.patience_seconds = 40
            await trial.start()
            async with trial.pressing(RATE):
                for _ in range(10 if HARD else 3):
                    await asyncio.sleep(chance.uniform(0.5, 1.2))
                    async with trial.away():
                        _all_killed(trial, broker)
                        await asyncio.to_thread(postgres.kill)
                        began = time.monotonic()
                        first_to_last = [postgres.start, broker.start, None]
                        chance.shuffle(first_to_last)
                        coming = [
                            asyncio.create_task(trial.again() if start is None else _later(start, number))
                            for number, start in enumerate(first_to_last)
                        ]
                        await asyncio.gather(*coming)
                        await trial.stored_again()
                        back.append(time.monotonic() - began)
            await trial.judged(
                "all killed at once", kills=len(back), slowest_back_s=round(max(back), 2), within=40
            )


def _all_killed(trial: Trial, broker: Broker) -> None:
    trial.server.kill()
    broker.kill()


async def _later(start: object, number: int) -> None:
    await asyncio.sleep(0.4 * number)
    assert callable(start)
    await asyncio.to_thread(start)
