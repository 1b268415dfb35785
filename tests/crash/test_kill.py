"""kill -9 at rate: whatever was receipted is in exactly one call, and every due step happened once.

The process is killed again and again at seeded moments: somewhere, right behind a receipt, right behind a burst of
presses, while it is starting. The buttons go on pressing and repeating all the while, and an operator goes on
accepting and closing. At the end the journal is held against what the devices were told.

`CRASH_HARD=1` asks for more: 600 presses a second and 15 kills. `CRASH_SEED=n` replays one choice of moments.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
import uuid
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import postgres_server
import pytest
from outside.harness import PATIENCE, Desk, Event, Server, eventually
from outside.places import Village, district, policy, station, steps, village

from crash.notified import Notified
from crash.swarm import Press, Swarm

SEED = int(os.environ.get("CRASH_SEED", "1"))
STEPS = steps((0, "nearest"), (1, "next"), (2, "district"))
MOMENTS = ("somewhere", "behind a receipt", "behind a burst", "while starting", "behind an accept")


@dataclass(frozen=True)
class Ordeal:
    """How hard it is made."""

    rate: float
    kills: int
    seconds_between: tuple[float, float]
    residents: int = 300


GENTLE = Ordeal(rate=150, kills=4, seconds_between=(0.3, 1.5))
FULL = Ordeal(rate=300, kills=10, seconds_between=(0.3, 2.5))
HARD = Ordeal(rate=600, kills=15, seconds_between=(0.2, 2.5), residents=1500)


def a_town(folder: Path, residents: int, database: str = "") -> tuple[Server, Village]:
    """One village with many residents of two buttons each, and stations that are never full. `database`: its URL."""
    env = {"YIJIAN_DATABASE": database} if database else {}
    place = village(
        people=residents,
        devices_each=2,
        near=station(500, capacity=1_000_000),
        far=station(900, capacity=1_000_000),
    )
    document = district(**{key: place.document[key] for key in ("areas", "residents", "devices")})
    document["stations"] += place.document["stations"]
    once = policy(steps=STEPS, repeat=3600, en_route_within=3600, repress_within=3600)
    document["policies"] = {"emergency": once, "service": once}
    env["YIJIAN_PRIVATE_TARGETS"] = "true"
    return Server(folder, district=document, env=env), place


class Killer:
    """Kills the server at chosen moments, and starts it again at once."""

    def __init__(self, server: Server, swarm: Swarm, ordeal: Ordeal, chance: random.Random) -> None:
        self._server, self._swarm, self._ordeal, self._random = server, swarm, ordeal, chance
        self._armed: asyncio.Future[None] | None = None
        self._trigger = ""
        self._countdown = 0
        self.kills: Counter[str] = Counter()
        swarm.on_receipt = lambda _: self.moment("behind a receipt")
        swarm.after_burst = lambda: self.moment("behind a burst")

    def moment(self, name: str) -> None:
        """Such a moment is now: the one armed for may strike, in the same breath."""
        if self._armed is None or self._armed.done() or name != self._trigger:
            return
        self._countdown -= 1
        if self._countdown <= 0:
            self._server.kill()
            self._armed.set_result(None)

    async def run(self) -> None:
        """All the kills of the ordeal."""
        for number in range(self._ordeal.kills):
            await asyncio.sleep(self._random.uniform(*self._ordeal.seconds_between))
            how = MOMENTS[number % len(MOMENTS)]
            if how == "while starting":
                self._server.kill()
                self._server.launch()
                await asyncio.sleep(self._random.uniform(0.05, 0.9))
                self._server.kill()
            elif how == "somewhere":
                self._server.kill()
            else:
                self._trigger, self._countdown = how, self._random.randint(1, 30)
                if how == "behind an accept":
                    self._countdown = 1 + self._countdown % 3
                self._armed = asyncio.get_running_loop().create_future()
                try:
                    await asyncio.wait_for(asyncio.shield(self._armed), 10 * PATIENCE)
                except TimeoutError as never:
                    raise TimeoutError(
                        f"no moment {how!r} came within 10 s:\n{self._server.tail()}"
                    ) from never
                self._armed = None
            self.kills[how] += 1
            self._server.launch()
            await asyncio.to_thread(self._server.wait_ready, 15)


class Operator:
    """Accepts and closes calls all the while, and asks again under the same key where the server died over it."""

    def __init__(self, server: Server, killer: Killer, place: Village, chance: random.Random) -> None:
        self._server, self._killer, self._place, self._random = server, killer, place, chance
        self.settled: set[str] = set()
        self.accepted: set[str] = set()

    async def run(self, swarm: Swarm) -> None:
        """Settle one call after the other."""
        async with Desk(self._server) as desk:
            while True:
                fresh = [call for call in swarm.calls[-200:] if call not in self.settled]
                if not fresh:
                    await asyncio.sleep(0.02)
                    continue
                call = self._random.choice(fresh)
                self.settled.add(call)
                await self._surely(desk, call, "accept", {"station": self._place.station("near")})
                self.accepted.add(call)
                if self._random.random() < 0.7:
                    await self._surely(desk, call, "close", {"outcome": "false_alarm", "evidence": "on_site"})
                await asyncio.sleep(0.05)

    async def _surely(self, desk: Desk, call: str, verb: str, body: dict[str, str]) -> None:
        key = f"{call}-{verb}"
        deadline = time.monotonic() + 20 * PATIENCE
        while True:
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                reply = await desk.post(f"/calls/{call}/{verb}", body, Idempotency_Key=key)
                if reply.status not in {500, 502, 503}:
                    reply.ok()
                    self._killer.moment("behind an accept")
                    return
            assert time.monotonic() < deadline, f"{verb} of {call} had no answer within 20 s"
            await asyncio.sleep(0.05)


def judge(events: list[Event], presses: list[Press], calls: list[dict[str, Any]]) -> None:
    """Hold the journal and the calls against what the devices said and were told."""
    ids = [event.id for event in events]
    assert len(ids) == len(set(ids)), "a fact came twice on the stream"
    seqs = [event.data["seq"] for event in events]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs))), "the journal has gaps"

    homes: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    by_call: defaultdict[str, list[Event]] = defaultdict(list)
    for event in events:
        if event.call:
            by_call[event.call].append(event)
        if event.name in {"call.opened", "call.joined"}:
            homes[event.data["cause"]["device"], event.data["cause"]["id"]].append(event.call or "")

    lost = [p for p in presses if (p.device, p.id) not in homes]
    assert not lost, f"{len(lost)} receipted presses are in no call: {lost[:3]}"
    doubled = {name: home for name, home in homes.items() if len(home) != 1}
    assert not doubled, (
        f"{len(doubled)} presses are in more than one call, or twice: {list(doubled.items())[:3]}"
    )
    assert set(homes) == {(p.device, p.id) for p in presses}, "a press nobody made"
    for press in presses:
        assert press.calls <= {homes[press.device, press.id][0]}, f"a receipt names another call: {press}"

    assert {call["id"] for call in calls} == set(by_call), "the list of calls and the journal differ"
    open_by_need: dict[tuple[str, str], str] = {}
    for event in events:
        if event.name == "call.opened":
            need = (event.state["resident"]["id"], event.state["key"])
            assert need not in open_by_need, (
                f"{need} has two open calls: {open_by_need[need]} and {event.call}"
            )
            open_by_need[need] = event.call or ""
        elif event.name == "call.closed":
            del open_by_need[event.state["resident"]["id"], event.state["key"]]

    for call in calls:
        facts = by_call[call["id"]]
        names = [fact.name for fact in facts]
        assert names.count("call.opened") == 1, names
        assert call["presses"] == 1 + names.count("call.joined"), call["id"]
        first = [fact for fact in facts if fact.name == "call.dispatched" and fact.state["step"] == 0]
        assert len(first) == 1, f"step 0 of {call['id']} happened {len(first)} times: {names}"
        steps_done = [fact.state["step"] for fact in facts if fact.name == "call.escalated"]
        assert steps_done == sorted(set(steps_done)), f"a step of {call['id']} happened twice: {steps_done}"
        if call["state"] == "received":
            assert steps_done == [1, 2], f"{call['id']} has not made every step once: {steps_done}"
        if "call.accepted" in names:
            behind = names[names.index("call.accepted") :]
            assert "call.escalated" not in behind, f"{call['id']} escalated behind its accept: {names}"
        assert names.count("call.accepted") <= 1, names
        assert names.count("call.closed") <= 1, names


async def ordeal(server: Server, place: Village, how: Ordeal) -> None:
    """Press, kill, repeat, settle; and judge."""
    async with Notified() as notified:
        await _ordeal(server, place, how, notified)


async def _ordeal(server: Server, place: Village, how: Ordeal, notified: Notified) -> None:
    chance = random.Random(SEED)
    devices = [device["id"] for device in place.document["devices"]]
    chance.shuffle(devices)
    swarm = Swarm(server, devices, hubs=40, seed=SEED)
    killer = Killer(server, swarm, how, chance)
    operator = Operator(server, killer, place, chance)
    await asyncio.to_thread(server.start)
    async with Desk(server) as desk:
        (await desk.put("/webhooks/wh-crash", notified.hook)).ok(201)
    swarm.start()
    killing = asyncio.create_task(killer.run())
    settling = asyncio.create_task(operator.run(swarm))
    try:
        await swarm.at_rate(how.rate, until=lambda: killing.done() or settling.done())
        await killing
        settling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await settling

        def all_receipted() -> bool:
            return not swarm.waiting()

        try:
            await eventually(all_receipted, "every press to be receipted after the last kill", within=20)
        except TimeoutError:
            raise AssertionError(
                f"{len(swarm.waiting())} presses have no receipt: {swarm.waiting()[:3]}"
            ) from None

        async with Desk(server) as desk:

            async def steps_made() -> bool:
                received = await desk.all("/calls", state="received")
                return all(call["step"] >= 2 for call in received)

            await eventually(steps_made, "every open call to have made its steps", within=15, every=0.5)
            stream = await desk.events(after="0")
            calls = await desk.all("/calls")
            newest = max(call["seq"] for call in calls)
            await stream.until(
                lambda e: e.data["seq"] >= newest, "the whole journal on the stream", within=60
            )
            presses = list(swarm.presses.values())
            story = f"kills {dict(killer.kills)}, {len(presses)} presses sent {sum(p.sent for p in presses)} times, "
            story += f"{len(calls)} calls, {len(operator.settled)} settled"
            print(story)  # noqa: T201
            assert sum(killer.kills.values()) == how.kills
            assert any(len(press.receipts) > 1 or press.sent > 1 for press in presses), "nobody ever repeated"
            judge(stream.seen, presses, calls)
            told = {call for _, call, _ in swarm.progress}
            known = {call["id"] for call in calls}
            assert told <= known, "a wearer was told of a call that is not there"
            await eventually(
                lambda: known <= notified.opened.keys(), "somebody to be notified of every call", within=60
            )
            assert notified.opened.keys() <= known, "somebody was notified of a call that is not there"
            again = sum(times - 1 for times in notified.opened.values())
            print(f"notified of {len(known)} calls, {again} of them again after a kill")  # noqa: T201
        assert server.stop() == 0
        verified = server.cli("db", "verify", within=60)
        assert verified.code == 0, verified.said
        assert "Traceback" not in server.log, server.tail(60)
    finally:
        settling.cancel()
        killing.cancel()
        await swarm.stop()


def url_of(database: str) -> str:
    """An empty PostgreSQL database; nothing for SQLite."""
    return postgres_server.shared().make(f"crash_{uuid.uuid4().hex}") if database == "postgresql" else ""


@pytest.mark.timeout(240)
async def test_killed_again_and_again_no_press_is_lost_or_doubled_and_no_step_happens_twice(
    tmp_path: Path, database: str
) -> None:
    how = FULL if os.environ.get("CRASH_FULL") else GENTLE
    server, place = a_town(tmp_path, how.residents, url_of(database))
    try:
        await ordeal(server, place, how)
    finally:
        server.end()


@pytest.mark.skipif(not os.environ.get("CRASH_HARD"), reason="CRASH_HARD=1 asks for it")
@pytest.mark.timeout(600)
async def test_the_hard_series_600_a_second_and_15_kills(tmp_path: Path, database: str) -> None:
    server, place = a_town(tmp_path, HARD.residents, url_of(database))
    try:
        await ordeal(server, place, HARD)
    finally:
        server.end()
