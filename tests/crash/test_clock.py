"""The clock is stepped under open calls, by libfaketime: nothing closes by it, nothing is doubled, presses are taken.

What a step does to deadlines is written in docs/operations.md: they go by the wall clock. Put forward, what is due by it
comes at once, each once; put back again, what was due stays due.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from outside.harness import Button, Desk

from crash.figures import note
from crash.trial import HARD, ONCE, trial_in

_LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
HOUR, DAY = 3600, 86_400
STEPS = (HOUR, 0, -HOUR, DAY, -DAY, 0) if HARD else (HOUR, 0, -DAY)


@pytest.mark.skipif(not _LIBRARIES, reason="no libfaketime here: apt-get install faketime")
@pytest.mark.timeout(240)
async def test_the_clock_is_put_forward_and_back_while_calls_are_open(tmp_path: Path) -> None:
    shown = tmp_path / "time"
    shown.write_text("+0")
    env = {
        "LD_PRELOAD": str(_LIBRARIES[0]),
        "FAKETIME_TIMESTAMP_FILE": str(shown),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }
    async with trial_in(tmp_path / "town", residents=30, env=env) as trial:
        devices = [device["id"] for device in trial.place.document["devices"]][::2]
        calls: list[str] = []
        async with Desk(trial.server) as desk:
            stream = await desk.events()
            for number, offset in enumerate((0, *STEPS)):
                fresh = shown.with_suffix(".new")
                fresh.write_text(f"{offset:+d}")
                fresh.rename(shown)
                button = await Button.on(trial.server, devices[number])
                calls.append((await button.press(within=20))["call"])
                await button.close()
                await asyncio.sleep(4)
            assert len(set(calls)) == len(calls)
            for call in calls:
                assert (await desk.call(call))["state"] == "received", "a call moved by the clock alone"
            escalated = Counter(
                (event.call, event.state["step"]) for event in stream.seen if event.name == "call.escalated"
            )
            # The last step rings again after an hour: once more for each time that the clock was put an hour forward.
            shifts = [now - before for before, now in pairwise((0, *STEPS))]
            again = sum(shift >= ONCE.repeat for shift in shifts)
            for (call, step), times in escalated.items():
                most = 1 + again if step == len(ONCE.steps) - 1 else 1
                assert times <= most, f"step {step} of {call} was taken {times} times"
            # Put forward and left there, every step is due: each is taken.
            assert escalated[calls[0], 1] == 1 <= escalated[calls[0], 2]
        note("clock stepped", steps=len(STEPS), calls=len(calls), escalated=sum(escalated.values()))
        assert await asyncio.to_thread(trial.server.stop) == 0
        verified = await asyncio.to_thread(trial.server.cli, "db", "verify")
        assert verified.code == 0, verified.said
        assert "Traceback" not in trial.server.log, trial.server.tail(60)
