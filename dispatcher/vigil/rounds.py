"""One press of our own every few minutes, and what is made of its failing: proven, or lost and by which stage.

    button ─press─> broker ─> gateway ─> inbox ─> desk ─> journal ─┬─> stream ─> StreamEar
      │ broker        │ receipt            │ desk                  └─> post ───> HookEar
      ▼               ▼                    ▼
    "the broker did not take it" · "no receipt" · "not decided" · "not on the stream" · "no webhook"

A round that fails is tried again soon; two in a row, and the canary is lost: that is told once, and once that it is back.
What alarms is its absence: `age_seconds` goes up by itself, whatever has become of the rounds.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import structlog

from config.doors import Clock, Ids
from dispatcher.vigil import counted

log = structlog.get_logger("canary")

#: A round that is not through by then has failed.
ROUND_SECONDS = 10.0
#: A failed round is tried again after this, or as soon as it would come anyway.
AGAIN_SECONDS = 10.0
#: So many failed rounds in a row are no chance any more.
LOST_AFTER = 2
#: Whatever the reason: not proven for so much longer than a round should take, it is lost.
GRACE_SECONDS = 60.0
#: The first round of a process: its broker may be only just up.
FIRST_SECONDS = 2.0


class Stage(StrEnum):
    """Where a press of the canary must show itself, in this order."""

    BROKER = "broker"
    RECEIPT = "receipt"
    DESK = "desk"
    STREAM = "stream"
    WEBHOOK = "webhook"


class Broken(Exception):  # noqa: N818 - it tells what happened
    """A stage cannot even be tried: `why` in a few words, without anybody's data."""

    def __init__(self, stage: Stage, why: str) -> None:
        super().__init__(f"{stage}: {why}")
        self.stage = stage
        self.why = why


#: Told by whoever sees the press of a round come by.
Tell = Callable[[Stage], None]


class Button(Protocol):
    """The canary's device."""

    @property
    def missing(self) -> frozenset[Stage]:
        """Stages that this installation does not have: it goes by what is there."""
        ...

    async def press(self, ref: str, tell: Tell) -> None:
        """Press with this id, and stay until the receipt names the call. Raises Broken."""
        ...


class Ear(Protocol):
    """Somebody at the other end."""

    def listening(self, ref: str, tell: Tell) -> AbstractAsyncContextManager[None]:
        """Listen for the press of this id, from before it is made. Raises Broken."""
        ...


@dataclass(frozen=True, slots=True)
class Round:
    """What became of one press: seconds from the press to each stage it reached; `failed` is the first it did not."""

    ref: str
    at_us: int
    took: dict[Stage, float] = field(default_factory=dict)
    missing: frozenset[Stage] = frozenset()
    failed: Stage | None = None
    why: str = ""

    @property
    def passed(self) -> bool:
        """Whether it went all the way."""
        return self.failed is None


@dataclass(frozen=True, slots=True)
class Lost:
    """It does not come through any more."""

    stage: Stage
    why: str
    since_us: int


class Canary:
    """The canary of one process. `run` it in a task; `every_seconds` 0: only by hand.

    `on_lost(Lost)`, `on_back(Lost)`: told once each; `on_round(Round)`: after every one.
    """

    def __init__(
        self, clock: Clock, ids: Ids, button: Button, ears: Sequence[Ear], *, every_seconds: float
    ) -> None:
        self._clock = clock
        self._ids = ids
        self._button = button
        self._ears = ears
        self._time = asyncio.get_running_loop().time
        self._one = asyncio.Lock()
        self._began = self._time()
        self._proven: float | None = None
        self._failures = 0
        self.every_seconds = every_seconds
        self.proven_us = 0  #: when a press last went all the way, by the clock; 0: not in this process
        self.last: Round | None = None
        self.told: Lost | None = None  #: lost, and told so
        self.on_lost: Callable[[Lost], None] = lambda _lost: None
        self.on_back: Callable[[Lost], None] = lambda _lost: None
        self.on_round: Callable[[Round], None] = lambda _round: None

    @property
    def age_seconds(self) -> float:
        """How long ago a press last went all the way; before the first one, how long we have run."""
        return self._time() - (self._began if self._proven is None else self._proven)

    @property
    def lost(self) -> Lost | None:
        """Why it is lost; None: it is not, or it is switched off."""
        if self.told is not None:
            return self.told
        if not self.every_seconds or self.age_seconds <= self.every_seconds + GRACE_SECONDS:
            return None
        # Not even its rounds come round any more.
        stage = self.last.failed if self.last is not None else None
        since_us = self._clock.now_us() - round(self.age_seconds * 1e6)
        return Lost(stage or Stage.BROKER, "no press was made", since_us)

    async def run(self) -> None:
        """Press, for ever."""
        if not self.every_seconds:
            return
        await asyncio.sleep(min(FIRST_SECONDS, self.every_seconds))
        while True:
            done = await self.once()
            await asyncio.sleep(self.every_seconds if done.passed else min(AGAIN_SECONDS, self.every_seconds))

    async def once(self) -> Round:
        """One round, and what follows from it. Rounds wait for each other."""
        async with self._one:
            done = await self._round()
            self._judge(done)
        return done

    async def _round(self) -> Round:
        ref = self._ids.new("canary")
        at_us = self._clock.now_us()
        missing = self._button.missing
        wanted = [stage for stage in Stage if stage not in missing]
        took: dict[Stage, float] = {}
        all_through = asyncio.Event()
        began = 0.0

        def tell(stage: Stage) -> None:
            took.setdefault(stage, self._time() - began)
            if all(one in took for one in wanted):
                all_through.set()

        failed, why = None, ""
        try:
            async with asyncio.timeout(ROUND_SECONDS), contextlib.AsyncExitStack() as stack:
                for ear in self._ears:
                    await stack.enter_async_context(ear.listening(ref, tell))
                began = self._time()
                await self._button.press(ref, tell)
                await all_through.wait()
        except TimeoutError:
            failed = next((stage for stage in wanted if stage not in took), wanted[-1])
            why = f"not within {ROUND_SECONDS:.0f} s"
        except Broken as broken:
            failed, why = broken.stage, broken.why
        except Exception:
            # A bug of ours in the watch must not take down what it watches.
            log.exception("canary_broken")
            failed, why = next((stage for stage in wanted if stage not in took), wanted[-1]), "our fault"
        return Round(ref, at_us, took, missing, failed, why)

    def _judge(self, done: Round) -> None:
        self.last = done
        counted.round_done({str(stage): seconds for stage, seconds in done.took.items()}, done.failed)
        if done.passed:
            before, self.told = self.told, None
            self._failures = 0
            self._proven, self.proven_us = self._time(), self._clock.now_us()
            if before is not None:
                log.warning("canary_back", stage=before.stage)
                self.on_back(before)
        else:
            self._failures += 1
            log.warning("canary_failed", stage=done.failed, why=done.why, times=self._failures)
            if self._failures >= LOST_AFTER and self.told is None and done.failed is not None:
                since_us = self.proven_us or done.at_us
                self.told = Lost(done.failed, done.why, since_us)
                log.error("canary_lost", stage=done.failed, why=done.why)
                self.on_lost(self.told)
        self.on_round(done)
