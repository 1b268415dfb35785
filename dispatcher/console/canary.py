"""The canary: whether a press still comes through, and one by hand."""

from __future__ import annotations

from msgspec import Struct

from dispatcher.console.access import WHOLE
from dispatcher.console.endpoint import Answer, Ask, Endpoint
from dispatcher.console.problems import Problem
from dispatcher.console.rooms import Proof


class StageView(Struct):
    """One stage of a press: `broker`, `receipt`, `desk`, `stream`, `webhook`.

    `seconds` from the press; null: it did not come so far. `there`: false where the installation has no such stage.
    """

    stage: str
    there: bool
    seconds: float | None


class RoundView(Struct):
    """One press of the canary: `failed` is the first stage it did not reach, `why` in a few words."""

    passed: bool
    at: str
    failed: str | None
    why: str | None
    stages: list[StageView]


class TroubleView(Struct):
    """Something of ours that is not well, and how much of it.

    `what`: `loop` (`value`: seconds of the slowest turn of late), `part` (`of` stands still), `overdue` (seconds of the oldest
    deadline), `asleep` (how many open calls nothing will wake), `growth` (how near `of` is to its bound; 1 = there).
    """

    what: str
    of: str
    value: float


class CanaryView(Struct):
    """`state`: `proven`, `waiting` for the first press, `lost`, or `off`; `stage` and `why` where it is lost.

    `age_seconds`: since a press last went all the way (before the first one: since the start), `proven_at`: when that was.
    """

    state: str
    stage: str | None
    why: str | None
    every_seconds: float
    age_seconds: float
    proven_at: str | None
    last: RoundView | None
    troubles: list[TroubleView]


def _proof(ask: Ask) -> Proof:
    if ask.rooms.proof is None:
        raise Problem(404, "this process has no canary")
    return ask.rooms.proof


async def look(ask: Ask) -> Answer:
    """How it is."""
    return Answer(_proof(ask).view())


async def press(ask: Ask) -> Answer:
    """One press, now: it takes until it is through, 10 s at most; longer where another one is on its way."""
    return Answer(await _proof(ask).once())


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/canary",
        name="getCanary",
        tag="canary",
        en="Whether a press still comes through from a button to a page, and when that was last proven",
        zh="从呼叫器到页面的全链路是否畅通，最近一次自检何时通过",
        handle=look,
        answer=CanaryView,
    ),
    Endpoint(
        method="POST",
        path="/canary",
        name="pressCanary",
        tag="canary",
        en="Press the canary once, now",
        zh="立即做一次全链路自检",
        handle=press,
        roles=WHOLE,
        answer=RoundView,
        writes=True,
    ),
)
