"""A trial: a town that presses and is answered, something that breaks, and the judgement.

async with trial_in(tmp_path, "sqlite") as trial:
    async with trial.pressing(60):                  60 presses a second, and an operator who settles some calls
        async with trial.away():                    what falls due in here is due at its end
            trial.server.kill()
            await trial.again()                     started again, as a supervisor does
    await trial.judged("killed once")               everything receipted, every step made, the journal held against it
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import postgres_server
import pytest
from outside.harness import Desk, Server, eventually
from outside.places import Village, district, policy, station, steps, village
from patience import PATIENCE

from config.settings import load
from crash.figures import note
from crash.judge import Found, Plan, everybody_told, judge
from crash.notified import Notified
from crash.swarm import Swarm
from yijian import compose

SEED = int(os.environ.get("CRASH_SEED", "1"))
#: The long forms: `make crash`.
HARD = bool(os.environ.get("CRASH_HARD"))


def limit(seconds: float) -> pytest.MarkDecorator:
    """How long a test may take, on a slow machine as many times as long as OUTSIDE_PATIENCE says."""
    return pytest.mark.timeout(seconds * PATIENCE)


#: Two further steps, and then for an hour nothing.
ONCE = Plan((0, 0.5, 1), 3600)
#: Two further steps, and then again and again.
AGAIN = Plan((0, 0.5, 1), 3)


def a_town(
    folder: Path,
    residents: int,
    database: str = "",
    *,
    plan: Plan = ONCE,
    env: Mapping[str, str] | None = None,
    **sections: Any,
) -> tuple[Server, Village]:
    """One village with many residents of two buttons each, and stations that are never full. `database`: its URL."""
    place = village(
        people=residents,
        devices_each=2,
        near=station(500, capacity=1_000_000),
        far=station(900, capacity=1_000_000),
    )
    document = district(**{key: place.document[key] for key in ("areas", "residents", "devices")})
    document["stations"] += place.document["stations"]
    asked = steps(*zip(plan.steps, ("nearest", "next", "district"), strict=True))
    patient = policy(
        steps=asked,
        repeat=plan.repeat,
        en_route_within=86_400,
        repress_within=86_400,
        arrive_goal=86_400,
        arrive_limit=86_400,
        close_within=86_400,
    )
    document["policies"] = {"emergency": patient, "service": patient}
    document |= sections
    more = {"YIJIAN_PRIVATE_TARGETS": "true", **(env or {})}
    if database:
        more["YIJIAN_DATABASE"] = database
    return Server(folder, district=document, env=more), place


def url_of(database: str) -> str:
    """An empty PostgreSQL database; nothing for SQLite."""
    return postgres_server.shared().make(f"crash_{uuid.uuid4().hex}") if database == "postgresql" else ""


def verified(server: Server) -> list[str]:
    """What `yijian db verify` would tell, without starting Python once more for each test."""
    settings = load(None, server.environment, {})
    return asyncio.run(compose.db_verify(settings))


def no_error_of_ours(server: Server) -> bool:
    """Whatever broke, no exception went uncaught; the log shows one in a line, or as a traceback."""
    found = [line for line in server.lines if "Traceback" in line or " exception=" in line]
    assert not found, "\n".join(found[:5])
    return True


class Operator:
    """Accepts and closes calls all the while, and asks again under the same key where the server died over it."""

    def __init__(self, server: Server, place: Village, chance: random.Random) -> None:
        self._server, self._place, self._random = server, place, chance
        self.settled: set[str] = set()
        self.left: set[str] = set()
        """Every third one is left alone, so that it goes on ringing."""
        self.answered: list[tuple[str, str]] = []
        """Call and fact of each step that was answered with success."""
        self.patience_seconds = 20.0
        self.on_answer: Callable[[], None] = lambda: None

    async def run(self, swarm: Swarm) -> None:
        """Settle one call after the other."""
        async with Desk(self._server) as desk:
            while True:
                fresh = [call for call in swarm.calls[-200:] if call not in self.settled | self.left]
                if not fresh:
                    await asyncio.sleep(0.02)
                    continue
                call = self._random.choice(fresh)
                if self._random.random() < 1 / 3:
                    self.left.add(call)
                    continue
                self.settled.add(call)
                await self._surely(desk, call, "accept", {"station": self._place.station("near")})
                self.answered.append((call, "call.accepted"))
                if self._random.random() < 0.7:
                    await self._surely(desk, call, "close", {"outcome": "false_alarm", "evidence": "on_site"})
                    self.answered.append((call, "call.closed"))
                await asyncio.sleep(0.05)

    async def _surely(self, desk: Desk, call: str, verb: str, body: dict[str, str]) -> None:
        key = f"{call}-{verb}"
        deadline = time.monotonic() + self.patience_seconds * PATIENCE
        while True:
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                reply = await desk.ask(
                    "POST", f"/calls/{call}/{verb}", json=body, headers={"Idempotency-Key": key}, within=5
                )
                if reply.status not in {500, 502, 503}:
                    reply.ok()
                    self.on_answer()
                    return
            assert time.monotonic() < deadline, (
                f"{verb} of {call} had no answer within {self.patience_seconds} s"
            )
            await asyncio.sleep(0.05)


class Trial:
    """One town, what it went through, and its judgement."""

    def __init__(self, server: Server, place: Village, plan: Plan, notified: Notified, *, hubs: int) -> None:
        self.server, self.place, self.plan, self.notified = server, place, plan, notified
        self.chance = random.Random(SEED)
        devices = [device["id"] for device in place.document["devices"]]
        self.chance.shuffle(devices)
        self.swarm = Swarm(server, devices, hubs=hubs, seed=SEED)
        self.operator = Operator(server, place, random.Random(SEED))
        self.spans: list[tuple[float, float]] = []
        self.starts: list[float] = []
        """How long each start took, from the launch to the `ready` line."""

    async def start(self) -> None:
        """The server, somebody to be notified, the buttons."""
        await asyncio.to_thread(self.server.start, 60)
        async with Desk(self.server) as desk:
            (await desk.put("/webhooks/wh-crash", self.notified.hook)).ok(201)
        self.swarm.start()

    async def again(self, within: float = 30.0) -> float:
        """Launch it, as often as it ends for want of something, until it is ready; the seconds the last start took."""
        deadline = time.monotonic() + within * PATIENCE
        while True:
            began = time.monotonic()
            self.server.launch()
            try:
                await asyncio.to_thread(self.server.wait_ready, deadline - time.monotonic())
            except AssertionError as ended:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"it does not come back within {within} s") from ended
                await asyncio.sleep(0.2)
            else:
                self.starts.append(time.monotonic() - began)
                return self.starts[-1]

    @contextlib.asynccontextmanager
    async def away(self, *, wait: bool = False) -> AsyncIterator[None]:
        """Something is not there. With `wait` the span ends once a press has been stored again."""
        began = time.time()
        try:
            yield
            if wait:
                await self.stored_again()
        finally:
            self.spans.append((began, time.time()))

    async def stored_again(self, within: float = 20.0) -> float:
        """Wait for the next receipt that says stored; the seconds until it came."""
        began, before = time.monotonic(), self.swarm.stored
        await eventually(
            lambda: self.swarm.stored > before, "a press to be stored again", within=within, every=0.01
        )
        return time.monotonic() - began

    async def decided_again(self, within: float = 20.0) -> float:
        """Press until a receipt names the call: then the desk decides; the seconds until then."""
        began = time.monotonic()
        made = [self.swarm.press_somewhere()]

        def named() -> bool:
            if made[-1].stored and not made[-1].calls:  # receipted without waiting for the desk any longer
                made.append(self.swarm.press_somewhere())
            return any(press.calls for press in made)

        await eventually(named, "a receipt that names a call", within=within, every=0.01)
        return time.monotonic() - began

    @contextlib.asynccontextmanager
    async def pressing(self, rate: float, *, settling: bool = True) -> AsyncIterator[None]:
        """So many presses a second, while the block runs, and an operator; a failure of either ends it."""
        over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            load = group.create_task(self.swarm.at_rate(rate, until=over.is_set), name="presses")
            work = group.create_task(self.operator.run(self.swarm), name="operator") if settling else None
            try:
                yield
            finally:
                over.set()
                if work is not None:
                    work.cancel()
            await load

    async def judged(self, what: str, *, within: float = 20.0, **figures: object) -> Found:
        """Wait until everything is receipted and every step is made; then judge, and end the server in good order."""
        swarm = self.swarm
        try:
            await eventually(lambda: not swarm.waiting(), "every press to be receipted", within=within)
        except TimeoutError:
            raise AssertionError(
                f"{len(swarm.waiting())} presses have no receipt: {swarm.waiting()[:3]}"
            ) from None
        presses = list(swarm.presses.values())
        async with Desk(self.server) as desk:

            async def steps_made() -> bool:
                received = await desk.all("/calls", state="received")
                return all(call["step"] >= len(self.plan.steps) - 1 for call in received)

            await eventually(steps_made, "every open call to have made its steps", within=within, every=0.2)
            stream = await desk.events(after="0")
            until = time.time()
            calls = await desk.all("/calls")
            newest = max(call["seq"] for call in calls)
            await stream.until(
                lambda e: e.data["seq"] >= newest, "the whole journal on the stream", within=60
            )
            seen = stream.seen[: 1 + next(n for n, e in enumerate(stream.seen) if e.data["seq"] >= newest)]
            owners = {device["id"]: device["resident"] for device in self.place.document["devices"]}
            found = judge(seen, presses, calls, self.plan, self.spans, until=until, owners=owners)
            known = {call["id"] for call in calls}
            with contextlib.suppress(TimeoutError):  # who was not is told below
                await eventually(
                    lambda: known <= self.notified.opened.keys(), "everybody to be notified", within=60
                )
            everybody_told(seen, self.operator.answered, self.notified.opened, swarm.progress)
            assert not self.notified.wrong, self.notified.wrong[:3]
            assert not swarm.strange, f"receipts of presses that nobody made: {swarm.strange[:3]}"
        again = sum(times - 1 for times in self.notified.opened.values())
        starts = {"slowest_start_s": round(max(self.starts), 2)} if self.starts else {}
        note(
            what,
            **figures,
            presses=found.presses,
            sent=sum(press.sent for press in presses),
            held_back=swarm.held_back,
            impossible_times=sum(bool(press.impossible) for press in presses),
            busy=sum(press.busy for press in presses),
            calls=found.calls,
            steps=found.steps,
            latest_step_s=found.latest,
            notified_again=again,
            **starts,
        )
        assert await asyncio.to_thread(self.server.stop) == 0
        differences = await asyncio.to_thread(verified, self.server)
        assert not differences, differences[:5]
        assert no_error_of_ours(self.server)
        return found


@contextlib.asynccontextmanager
async def trial_in(
    folder: Path,
    database: str = "",
    *,
    residents: int = 120,
    hubs: int = 20,
    plan: Plan = ONCE,
    env: Mapping[str, str] | None = None,
    start: bool = True,
    **sections: Any,
) -> AsyncIterator[Trial]:
    """A trial on that database (its URL, or nothing for SQLite), started, and gone at the end."""
    server, place = a_town(folder, residents, database, plan=plan, env=env, **sections)
    async with Notified() as notified:
        trial = Trial(server, place, plan, notified, hubs=hubs)
        try:
            if start:
                await trial.start()
            yield trial
        finally:
            await trial.swarm.stop()
            server.end()
