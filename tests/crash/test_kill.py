"""kill -9 at rate: whatever was receipted is in exactly one call, and every due step happened once, in its time.

The process is killed again and again at seeded moments: somewhere, right behind a receipt, right behind a burst of
presses, while it is starting, right behind an accept. The buttons go on pressing and repeating all the while, and an
operator goes on accepting and closing. At the end the journal is held against what the devices were told.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from patience import PATIENCE

from crash.trial import HARD, SEED, Trial, limit, trial_in, url_of

MOMENTS = ("somewhere", "behind a receipt", "behind a burst", "while starting", "behind an accept")


@dataclass(frozen=True)
class Ordeal:
    """How hard it is made."""

    rate: float
    kills: int
    seconds_between: tuple[float, float]
    residents: int = 300


GENTLE = Ordeal(rate=50, kills=5, seconds_between=(0.2, 0.8), residents=120)
FULL = Ordeal(rate=300, kills=10, seconds_between=(0.3, 2.5))
HARDEST = Ordeal(rate=600, kills=15, seconds_between=(0.2, 2.5), residents=1500)


class Killer:
    """Kills the server at chosen moments, and starts it again at once."""

    def __init__(self, trial: Trial, ordeal: Ordeal) -> None:
        self._trial, self._ordeal, self._random = trial, ordeal, random.Random(SEED)
        self._armed: asyncio.Future[None] | None = None
        self._trigger = ""
        self._countdown = 0
        self._struck = 0.0
        self.kills: Counter[str] = Counter()
        trial.swarm.on_receipt = lambda _: self.moment("behind a receipt")
        trial.swarm.after_burst = lambda: self.moment("behind a burst")
        trial.operator.on_answer = lambda: self.moment("behind an accept")

    def moment(self, name: str) -> None:
        """Such a moment is now: the one armed for may strike, in the same breath."""
        if self._armed is None or self._armed.done() or name != self._trigger:
            return
        self._countdown -= 1
        if self._countdown <= 0:
            self._kill()
            self._armed.set_result(None)

    def _kill(self) -> None:
        self._struck = self._struck or time.time()
        self._trial.server.kill()

    async def run(self) -> None:
        """All the kills of the ordeal."""
        trial = self._trial
        for number in range(self._ordeal.kills):
            await asyncio.sleep(self._random.uniform(*self._ordeal.seconds_between))
            how = MOMENTS[number % len(MOMENTS)]
            if how == "while starting":
                self._kill()
                trial.server.launch()
                await asyncio.sleep(self._random.uniform(0.05, 0.9))
                self._kill()
            elif how == "somewhere":
                self._kill()
            else:
                self._trigger, self._countdown = how, self._random.randint(1, 30)
                if how == "behind an accept":
                    self._countdown = 1 + self._countdown % 3
                self._armed = asyncio.get_running_loop().create_future()
                try:
                    async with asyncio.timeout(10 * PATIENCE):
                        await asyncio.shield(self._armed)
                except TimeoutError as never:
                    raise TimeoutError(
                        f"no moment {how!r} came within 10 s:\n{trial.server.tail()}"
                    ) from never
                self._armed = None
            self.kills[how] += 1
            await trial.again(15)
            trial.spans.append((self._struck, time.time()))
            self._struck = 0.0


async def ordeal(trial: Trial, how: Ordeal, what: str) -> None:
    """Press, kill, repeat, settle; and judge."""
    killer = Killer(trial, how)
    async with trial.pressing(how.rate):
        await killer.run()
    assert sum(killer.kills.values()) == how.kills
    presses = trial.swarm.presses.values()
    found = await trial.judged(what, kills=how.kills, rate=how.rate)
    assert any(len(press.receipts) > 1 or press.sent > 1 for press in presses), "nobody ever repeated"
    assert found.steps, "nothing ever fell due"


@limit(240)
async def test_killed_again_and_again_no_press_is_lost_or_doubled_and_no_step_happens_twice(
    tmp_path: Path, database: str
) -> None:
    how = FULL if os.environ.get("CRASH_FULL") else GENTLE
    async with trial_in(tmp_path, url_of(database), residents=how.residents, hubs=40) as trial:
        await ordeal(trial, how, f"kill -9, {database}")


@pytest.mark.skipif(not HARD, reason="CRASH_HARD=1 asks for it")
@limit(600)
async def test_the_hard_series_600_a_second_and_15_kills(tmp_path: Path, database: str) -> None:
    async with trial_in(tmp_path, url_of(database), residents=HARDEST.residents, hubs=40) as trial:
        await ordeal(trial, HARDEST, f"kill -9 at 600/s, {database}")
