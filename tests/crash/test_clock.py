"""The clock is stepped under open calls, by libfaketime: nothing closes by it, nothing is doubled, presses are taken.

What a step does to deadlines is written in docs/operations.md: they go by the wall clock. Put forward, what is due by it
comes at once, each once; put back again, what was due stays due.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from email.utils import parsedate_to_datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from outside.harness import Button, Desk, Event, eventually

from crash.figures import note
from crash.trial import HARD, ONCE, limit, no_error_of_ours, trial_in, verified

_LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
HOUR, DAY = 3600, 86_400
STEPS = (HOUR, 0, -HOUR, DAY, -DAY, 0) if HARD else (HOUR, 0, -DAY)


async def _shows(desk: Desk, offset: float) -> None:
    """Wait until the process has seen its new clock: what was opened right before would wait for the old one."""

    async def seen() -> bool:
        date = (await desk.ask("GET", "//healthz")).headers["date"]
        return abs(parsedate_to_datetime(date).timestamp() - time.time() - offset) < HOUR / 2

    await eventually(seen, f"a clock that is {offset} s off", within=10, every=0.2)


def _last(event: Event) -> bool:
    return bool(event.state["step"] == len(ONCE.steps) - 1)


async def _call_of(desk: Desk, device: str) -> str:
    """The call of a press; its receipt may have gone out before the desk had decided."""

    async def opened() -> list[dict[str, Any]]:
        return await desk.all("/calls", device=device)

    (call,) = await eventually(opened, f"a call of {device}", within=10)
    return str(call["id"])


@pytest.mark.skipif(not _LIBRARIES, reason="no libfaketime here: apt-get install faketime")
@limit(240)
async def test_the_clock_is_put_forward_and_back_while_calls_are_open(tmp_path: Path) -> None:
    shown = tmp_path / "time"
    shown.write_text("+0")
    env = {
        "LD_PRELOAD": str(_LIBRARIES[0]),
        "FAKETIME_TIMESTAMP_FILE": str(shown),
        "FAKETIME_CACHE_DURATION": "1",  # without it the file is read each time that anybody asks for the time
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
                await _shows(desk, offset)
                button = await Button.on(trial.server, devices[number])
                await button.say(within=20)
                await button.close()
                calls.append(await _call_of(desk, devices[number]))
                await stream.fact("call.escalated", calls[-1], within=10, where=_last)
                await asyncio.sleep(0.5)  # whatever comes twice comes now
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
        assert await asyncio.to_thread(verified, trial.server) == []
        assert no_error_of_ours(trial.server)
