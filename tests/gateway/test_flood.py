"""A flood: far more heartbeats than can be stored, and presses in between. They are shed first, and nothing grows."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc

import msgspec
from ears import Ear, running, until
from patience import PATIENCE
from prometheus_client import REGISTRY

from config.doors import SystemClock
from devices.signal import SignalType
from gateway.fakes import FakeInbox
from gateway.intake import Intake, Limits

RATE, SECONDS, TICK = 20_000, 3.0, 0.01


def shed(line: str) -> float:
    return REGISTRY.get_sample_value("yijian_shed_total", {"line": line}) or 0.0


class Forgetful(FakeInbox):
    """Stores only what asks for help: what is measured must not be the test's own memory."""

    async def put(self, arrivals):
        asking = [arrival for arrival in arrivals if arrival.signal.type is SignalType.PRESS]
        plain = [arrival for arrival in arrivals if arrival.signal.type is not SignalType.PRESS]
        kept = dict(zip(map(id, asking), await super().put(asking), strict=True))
        more = [self._put(arrival) for arrival in plain[:1]] * len(plain)
        del self.arrivals[100:]
        kept |= dict(zip(map(id, plain), more, strict=True))
        return [kept[id(arrival)] for arrival in arrivals]


class Counting(Ear):
    """Remembers of what it was told how often, and when a press was receipted."""

    def __init__(self, intake: Intake, name: str) -> None:
        super().__init__(intake, name)
        self.told: dict[str, int] = {}
        self.receipted: dict[str, float] = {}
        self.line.send = self.hear

    def hear(self, answers) -> None:
        for answer in answers:
            said = msgspec.json.decode(answer.data)
            self.told[said["result"]] = self.told.get(said["result"], 0) + 1
            if said["id"].startswith("p") and said["result"] == "stored":
                self.receipted[said["id"]] = asyncio.get_running_loop().time()


async def test_twenty_thousand_heartbeats_a_second_cost_no_press_and_no_memory() -> None:
    # A disk that takes a hundred signals in 20 ms: a quarter of what is offered.
    inbox = Forgetful(commit_seconds=0.02)
    intake = Intake(inbox, SystemClock(), limits=Limits(batch_signals_max=100))
    ear = Counting(intake, "flood")
    before, sent, offered = shed("flood"), {}, 0
    loop = asyncio.get_running_loop()
    highest = 0

    async def flood() -> None:
        nonlocal offered, highest
        began = loop.time()
        while (now := loop.time() - began) < SECONDS:
            due = round(now * RATE)
            for number in range(offered, min(due, offered + 1000)):
                ear.press(f"h{number}", "heartbeat")
            offered = min(due, offered + 1000)
            if len(sent) < now * 20:
                name = f"p{len(sent)}"
                sent[name] = loop.time()
                ear.press(name)
            ear.acked.clear()
            highest = max(highest, len(intake._others) + len(intake._urgent))
            await asyncio.sleep(TICK)

    async with running(intake.run()):
        await flood()
        gc.collect()
        tracemalloc.start()
        await flood_again(ear, intake, loop)
        gc.collect()
        grown, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        await until(lambda: len(ear.receipted) == len(sent))
    assert len(sent) >= 10
    assert max(ear.receipted[name] - at for name, at in sent.items()) < 3.0 * PATIENCE, (
        "presses wait a commit, not a queue"
    )
    assert offered > RATE * SECONDS / 10, "there was no flood"
    assert shed("flood") - before == ear.told["busy"] > 0, "each that was shed is counted, and told"
    limits = Limits()
    assert highest <= limits.others_max + limits.urgent_max
    assert grown < 20_000_000


async def flood_again(ear: Counting, intake: Intake, loop: asyncio.AbstractEventLoop) -> None:
    """A second of the same, while memory is watched: the queue is full already."""
    end, number = loop.time() + 1.0, 0
    while loop.time() < end:
        for _ in range(50):
            number += 1
            ear.press(f"again{number}", "heartbeat")
        ear.acked.clear()
        await asyncio.sleep(TICK)
