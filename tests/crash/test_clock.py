"""The clock is stepped under open calls, by libfaketime: nothing closes by it, nothing is doubled, presses are taken.

What a step does to deadlines is written in docs/operations.md: they go by the wall clock. Put forward, what is due by it
comes at once, each once; put back right behind a press, its steps come in their length all the same.

The zone of the district is another matter: it says when a station is open, and no deadline goes by it. So the night on which
summer time ends is lived through, in a process that itself believes to be elsewhere (TZ), and then the zone is changed.
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
from outside.harness import Button, Desk, Event, Events, Server, eventually
from outside.places import DISTRICT, Village

from crash.figures import note
from crash.judge import EARLY_SECONDS, LATE_SECONDS, seconds
from crash.trial import HARD, ONCE, limit, no_error_of_ours, trial_in, verified

_LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
HOUR, DAY = 3600, 86_400
#: In New York two o'clock becomes one: 2026-11-01T06:00:00Z.
SUMMER_ENDS = 1_793_512_800
STEPS = (HOUR, 0, -HOUR, DAY, -DAY, 0) if HARD else (HOUR, 0, -DAY)


async def _shows(desk: Desk, offset: float) -> None:
    """Wait until the process has seen its new clock."""

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


def _in(zone: str) -> dict[str, str]:
    return {"code": DISTRICT, "name": "试验区", "timezone": zone, "locale": "zh-CN"}


async def _straddles(desk: Desk, stream: Events, server: Server, device: str, delay: float) -> bool:
    """Press; the call makes its steps in a second. Whether summer time ended in it."""
    await asyncio.sleep(delay)
    button = await Button.on(server, device)
    await button.say(within=20)
    await button.close()
    call = await _call_of(desk, device)
    last = await stream.fact("call.escalated", call, within=20, where=_last)
    opened, at = (seconds(text) for text in (last.state["opened_at"], last.data["at"]))
    # Six call at once here: what is wrong with the night of the change would be wrong by an hour.
    assert ONCE.steps[-1] - EARLY_SECONDS <= at - opened <= ONCE.steps[-1] + 5 * LATE_SECONDS, last.data
    return opened < SUMMER_ENDS <= at


async def _rota(desk: Desk, place: Village) -> None:
    """A station that is open on Sundays from midnight to half past one, and there is half past one twice."""
    near = place.station("near")
    station = await desk.get(f"/stations/{near}")
    (await desk.put(f"/stations/{near}", station | {"hours": {"sun": ["00:00-01:30"]}})).ok(200)

    async def opens(where: str, *moments: tuple[str, bool]) -> None:
        for moment, is_open in moments:
            found = await desk.get(f"/residents/{place.resident}/routing", at=moment)
            able = [one["station"] for one in found["items"] if one["able"]]
            assert (near in able) is is_open, f"in {where}, {moment}"

    await opens(
        "New York",
        ("2026-11-01T03:59:00Z", False),  # Saturday, 23:59
        ("2026-11-01T05:20:00Z", True),  # 01:20 in summer
        ("2026-11-01T05:40:00Z", False),
        ("2026-11-01T06:20:00Z", True),  # 01:20 in winter
        ("2026-11-01T06:40:00Z", False),
        ("2026-03-08T06:20:00Z", True),  # 01:20, and then it is three
        ("2026-03-08T07:20:00Z", False),
    )
    (await desk.post("/district", {"district": _in("Europe/Berlin")})).ok(200)
    await opens(
        "Berlin",
        ("2026-11-01T05:20:00Z", False),
        ("2026-10-31T23:20:00Z", True),
        ("2026-10-25T00:20:00Z", False),  # 02:20 in summer
        ("2026-10-24T23:20:00Z", True),
        ("2027-03-28T00:20:00Z", True),  # 01:20, and then it is three
        ("2027-03-28T01:20:00Z", False),
    )


@pytest.mark.skipif(not _LIBRARIES, reason="no libfaketime here: apt-get install faketime")
@limit(240)
async def test_the_clock_is_put_forward_and_back_while_calls_are_open(tmp_path: Path) -> None:
    shown = tmp_path / "time"
    shown.write_text("+0")
    env = {
        "TZ": "Pacific/Kiritimati",
        "LD_PRELOAD": str(_LIBRARIES[0]),
        "FAKETIME_TIMESTAMP_FILE": str(shown),
        "FAKETIME_CACHE_DURATION": "1",  # without it the file is read each time that anybody asks for the time
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }

    def show(offset: float) -> None:
        fresh = shown.with_suffix(".new")
        fresh.write_text(f"{round(offset):+d}")
        fresh.rename(shown)

    async with trial_in(tmp_path / "town", residents=30, env=env, district=_in("America/New_York")) as trial:
        devices = [device["id"] for device in trial.place.document["devices"]][::2]
        calls: list[str] = []
        async with Desk(trial.server) as desk:
            stream = await desk.events()
            for number, offset in enumerate((0, *STEPS)):
                show(offset)
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
            show(HOUR)
            await _shows(desk, HOUR)
            button = await Button.on(trial.server, devices[len(calls)])
            await button.say(within=20)
            show(0)
            await button.close()
            call = await _call_of(desk, devices[len(calls)])
            await stream.fact("call.escalated", call, within=15, where=_last)
            straddling = 0
            while not straddling:  # a slow machine may have stood still just then
                assert len(devices) > len(calls) + 7, "no call was open when summer time ended"
                some, devices = devices[-6:], devices[:-6]
                show(SUMMER_ENDS - 2.5 - time.time())
                await _shows(desk, SUMMER_ENDS - 2.5 - time.time())
                straddling += sum(
                    await asyncio.gather(
                        *(
                            _straddles(desk, stream, trial.server, device, place * 0.4)
                            for place, device in enumerate(some)
                        )
                    )
                )
            await _rota(desk, trial.place)
        note("clock stepped", steps=len(STEPS), calls=len(calls), escalated=sum(escalated.values()))
        assert await asyncio.to_thread(trial.server.stop) == 0
        assert await asyncio.to_thread(verified, trial.server) == []
        assert no_error_of_ours(trial.server)
