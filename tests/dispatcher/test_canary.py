"""The canary on virtual time: lost after two rounds in a row, told once, and once that it is back; by which stage."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Any, Self

import looptime
import pytest
from harness import story

from config.doors import ClockIds, LoopClock
from dispatcher.alerts.outcome import DELIVERED, Outcome
from dispatcher.core.canary import CODE, canary_roll
from dispatcher.core.district import District, Webhook
from dispatcher.core.roll import Roll, Rolls
from dispatcher.housekeeping import Housekeeping, pruned
from dispatcher.verify import verify
from dispatcher.vigil.news import GIVE_UP_SECONDS, PENDING_MAX, News
from dispatcher.vigil.rounds import (
    AGAIN_SECONDS,
    FIRST_SECONDS,
    GRACE_SECONDS,
    ROUND_SECONDS,
    Broken,
    Canary,
    Lost,
    Stage,
    Tell,
)

EVERY = 300.0
START = datetime.fromisoformat("2026-11-24T10:00:00+08:00")


class Line:
    """The way of a press, as long as `works`; from `stops` on it reaches nobody, without a word or with one."""

    def __init__(self) -> None:
        self.stops: Stage | None = None
        self.says = ""
        self.missing: frozenset[Stage] = frozenset()
        self.pressed = 0
        self._ears: dict[Stage, Tell] = {}

    async def press(self, ref: str, tell: Tell) -> None:
        self.pressed += 1
        for stage in Stage:
            if stage is self.stops:
                if self.says:
                    raise Broken(stage, self.says)
                return
            await asyncio.sleep(0.002)
            if stage not in self.missing:
                self._ears.get(stage, tell)(stage)

    @contextlib.asynccontextmanager
    async def listening(self, ref: str, tell: Tell) -> AsyncIterator[None]:
        self._ears = {Stage.STREAM: tell, Stage.WEBHOOK: tell}
        yield
        self._ears = {}


class Hooks:
    """Where webhooks lead; `down`: nobody answers there."""

    def __init__(self) -> None:
        self.down = False
        self.tries = 0
        self.got: list[tuple[str, dict[str, object]]] = []

    async def send(
        self, *, url: str, secret: str, message_id: str, timestamp_seconds: int, body: bytes
    ) -> Outcome:
        self.tries += 1
        if self.down:
            return Outcome("retry", "http_503")
        self.got.append((message_id, json.loads(body)))
        return DELIVERED

    @property
    def names(self) -> list[object]:
        return [body["type"] for _, body in self.got]


class Watch:
    """A canary on its line, and who is told."""

    def __init__(self, every: float = EVERY) -> None:
        self.clock = LoopClock(START)
        ids = ClockIds(self.clock, random.Random(1))
        self.rolls = Rolls()
        self.rolls.default_code = "411002"
        roll = self.rolls.by_code["411002"] = Roll(District(code="411002"))
        roll.put(Webhook(id="wh-1", url="https://hooks.example/1", events=["canary.*"]))
        roll.put(Webhook(id="wh-2", url="https://hooks.example/2", events=["call.*"]))
        self.line, self.hooks = Line(), Hooks()
        self.canary = Canary(self.clock, ids, self.line, [self.line], every_seconds=every)
        self.news = News(self.rolls, self.hooks, self.clock, ids, random.Random(1))
        self.canary.on_lost, self.canary.on_back = self.news.lost, self.news.back

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self.canary.run()), asyncio.create_task(self.news.run())]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def on_virtual_time(story: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """A test of it."""

    def test() -> None:
        loop = looptime.patch_event_loop(asyncio.new_event_loop(), start=0)
        try:
            loop.run_until_complete(story())
        finally:
            loop.close()

    test.__name__, test.__doc__ = story.__name__, story.__doc__
    return test


@on_virtual_time
async def test_while_a_press_comes_through_nobody_is_told_anything() -> None:
    async with Watch() as watch:
        await asyncio.sleep(3 * EVERY + 10)
        assert watch.line.pressed == 4
        assert watch.canary.lost is None
        assert watch.canary.age_seconds < EVERY
        assert watch.hooks.tries == 0
        assert watch.canary.last is not None
        assert list(watch.canary.last.took) == list(Stage)


@on_virtual_time
async def test_a_broker_that_dies_is_told_once_and_once_that_it_is_back() -> None:
    async with Watch() as watch:
        await asyncio.sleep(EVERY / 2)
        watch.line.stops, watch.line.says = Stage.BROKER, "ConnectionRefusedError"
        # Within one interval and the grace, however long it lasts.
        await asyncio.sleep(EVERY + 2 * ROUND_SECONDS + AGAIN_SECONDS)
        lost = watch.canary.lost
        assert lost is not None
        assert (lost.stage, lost.why) == (Stage.BROKER, "ConnectionRefusedError")
        await asyncio.sleep(3600)
        assert watch.hooks.names == ["canary.lost"]
        watch.line.stops = None
        await asyncio.sleep(AGAIN_SECONDS + 1)
        assert watch.canary.lost is None
        await asyncio.sleep(3600)
        assert watch.hooks.names == ["canary.lost", "canary.restored"]
        told = watch.hooks.got[0][1]["data"]
        assert isinstance(told, dict)
        assert (told["district"], told["stage"]) == ("411002", "broker")


@on_virtual_time
async def test_one_failure_alone_alarms_nobody() -> None:
    async with Watch() as watch:
        watch.line.stops, watch.line.says = Stage.RECEIPT, "busy"
        await asyncio.sleep(FIRST_SECONDS + 1)
        watch.line.stops = None
        await asyncio.sleep(AGAIN_SECONDS + 1)
        assert watch.line.pressed == 2
        assert watch.canary.lost is None
        assert watch.hooks.tries == 0


@pytest.mark.parametrize("stage", list(Stage))
def test_the_stage_it_did_not_reach_is_named(stage: Stage) -> None:
    async def story() -> None:
        async with Watch() as watch:
            watch.line.stops = stage  # without a word: only time tells
            done = await watch.canary.once()
            assert done.failed is stage
            assert done.why == f"not within {ROUND_SECONDS:.0f} s"
            assert list(done.took) == list(Stage)[: list(Stage).index(stage)]

    on_virtual_time(story)()


@on_virtual_time
async def test_where_there_is_no_broker_it_goes_by_what_is_there() -> None:
    async with Watch() as watch:
        watch.line.missing = frozenset({Stage.BROKER})
        done = await watch.canary.once()
        assert done.passed
        assert done.missing == {Stage.BROKER}
        assert Stage.BROKER not in done.took


@on_virtual_time
async def test_its_absence_alarms_by_itself_also_where_not_even_a_round_comes_round() -> None:
    watch = Watch()  # nobody runs it
    await watch.canary.once()
    await asyncio.sleep(EVERY + GRACE_SECONDS - 1)
    assert watch.canary.lost is None
    await asyncio.sleep(2)
    assert watch.canary.lost is not None
    assert watch.canary.lost.why == "no press was made"


@on_virtual_time
async def test_switched_off_it_never_presses_and_is_never_lost() -> None:
    async with Watch(every=0) as watch:
        await asyncio.sleep(86_400)
        assert watch.line.pressed == 0
        assert watch.canary.lost is None
        assert (await watch.canary.once()).passed  # by hand it is still there


@on_virtual_time
async def test_a_webhook_that_is_down_hears_both_in_order_once_it_is_up() -> None:
    async with Watch() as watch:
        watch.hooks.down = True
        lost = Lost(Stage.DESK, "not within 10 s", watch.clock.now_us())
        watch.news.lost(lost)
        watch.news.back(lost)
        await asyncio.sleep(600)
        assert watch.hooks.tries > 3
        assert watch.hooks.got == []
        watch.hooks.down = False
        await asyncio.sleep(400)
        assert watch.hooks.names == ["canary.lost", "canary.restored"]
        assert len({message_id for message_id, _ in watch.hooks.got}) == 2


@on_virtual_time
async def test_a_webhook_that_stays_down_is_given_up_and_keeps_nothing_growing() -> None:
    async with Watch() as watch:
        watch.hooks.down = True
        for _ in range(3 * PENDING_MAX):
            watch.news.lost(Lost(Stage.DESK, "", watch.clock.now_us()))
        assert {len(queue) for queue in watch.news._pending.values()} == {PENDING_MAX}
        await asyncio.sleep(GIVE_UP_SECONDS + 3600)
        assert watch.news._pending == {}


def test_the_canarys_district_is_met_by_nobody_who_goes_through_the_districts() -> None:
    rolls = Rolls()
    rolls.by_code["411002"] = Roll(District(code="411002"))
    rolls.canary = canary_roll("canary-1")
    assert CODE not in rolls.by_code
    assert rolls.roll_of("devices", CODE) is None
    assert rolls.find(CODE) is rolls.canary
    found = rolls.device_by_source("native/canary-1")
    assert found is not None
    assert found[0] is rolls.canary
    assert rolls.device_by_source("native/canary-2") is None


@story(picture=False)
async def test_its_rows_are_gone_after_a_day_and_nobody_elses(town):
    """Its calls and inputs go, in its own journal alone: who reads a district's can go on from anywhere."""
    town.rolls.canary = canary_roll("canary-1")
    real = await town.press("btn-01")
    for _ in range(3):
        kept = await town.send("canary-1")
        call = await town.inbox.call_of(kept.id)
        assert call is not None
        assert town.look(call).closed.outcome == "test"
        await town.advance(seconds=1)
    assert town.roll.district.code not in {
        row[0] for row in rows(town, "SELECT district FROM calls WHERE id <> ?", real)
    }
    assert rows(town, "SELECT count(*) FROM calls WHERE district = ?", CODE) == [(3,)]
    assert {event.entry.district for event in town.events} == {town.roll.district.code}
    await town.accept("st-01", real)
    await town.close("st-01", call=real)
    await town.advance(hours=25)
    await Housekeeping(town.store, town.clock, keep_closed_days=0).once()
    for table in ("calls", "inbox", "journal"):
        assert rows(town, f"SELECT count(*) FROM {table} WHERE district = ?", CODE) == [(0,)], table
        assert rows(town, f"SELECT count(*) FROM {table}") != [(0,)], table
    assert set(await pruned(town.store)) == {CODE}
    assert [line async for line in verify(town.store)] == []
    town.out.clear()
    town.rolls.canary = None


def rows(town: Any, query: str, *values: Any) -> list[Any]:
    return town.store.connection.execute(query, values).fetchall()
