"""The database goes away under load, and comes back: presses wait or are told `busy`, and none is lost or doubled.

The process is never started again: it has to find its way by itself.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from patience import PATIENCE
from postgres_server import PostgresServer
from postgres_server import server as database_server

from crash.trial import HARD, SEED, limit, trial_in

#: New presses must be stored again so soon after the server is back.
BACK_SECONDS = 3.0 * PATIENCE


def ended_in_good_order(server: PostgresServer) -> None:
    server.stop()


def power_cut(server: PostgresServer) -> None:
    server.kill()


def one_process_of_it_killed(server: PostgresServer) -> None:
    """All others are then ended by the server, which recovers by itself."""
    pid = server.sql(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'yijian' AND datname LIKE 'crash%' LIMIT 1"
    )
    server.kill_process(int(pid))


def everybody_shown_out(server: PostgresServer) -> None:
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'crash%'")


TROUBLES: tuple[Callable[[PostgresServer], None], ...] = (
    everybody_shown_out,
    one_process_of_it_killed,
    power_cut,
    ended_in_good_order,
    everybody_shown_out,
    power_cut,
)


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    """A server of this test's own."""
    with database_server() as made:
        yield made


@limit(300)
async def test_the_database_goes_away_under_load_and_comes_back(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    chance = random.Random(SEED)
    back: dict[str, float] = {}
    async with trial_in(tmp_path, postgres.make("crash"), residents=80) as trial:
        async with trial.pressing(300 if HARD else 40, settling=False):
            for number, happens in enumerate(TROUBLES * (4 if HARD else 1)):
                await asyncio.sleep(chance.uniform(0.3, 0.8))
                async with trial.away():
                    await asyncio.to_thread(happens, postgres)
                    if not postgres.running:
                        await asyncio.sleep(0.3 + number % 2)
                        await asyncio.to_thread(postgres.start)
                    else:
                        await asyncio.to_thread(postgres.wait)
                    seconds = await trial.stored_again() + await trial.decided_again()
                name = happens.__name__
                back[name] = max(back.get(name, 0), round(seconds, 2))
        assert max(back.values()) < BACK_SECONDS * PATIENCE, f"seconds until it stored again: {back}"
        await trial.judged(
            "PostgreSQL goes and comes", **{f"{name}_s": value for name, value in back.items()}
        )
