"""The canary, put together: its district, its button at the gateway, its ears at our own address, and who is told.

me = proving.await myself(rooms, "http://127.0.0.1:12349")     before the post: it must know our own webhook
proof = proving.Proof(settings, rooms, gateway, me)      proof.run() in a task, proof.route in the application
"""

from __future__ import annotations

import asyncio
import base64
import math
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web
from sqlalchemy import select

from config.doors import Ids
from config.settings import Settings
from dispatcher.alerts.targets import Targets
from dispatcher.alerts.webhook import WebhookSender
from dispatcher.console.access import Access
from dispatcher.core.canary import CODE, canary_roll, hears
from dispatcher.core.district import Role
from dispatcher.core.roll import Roll
from dispatcher.core.signing import PREFIX
from dispatcher.store import Do, Prepared, Store, insert
from dispatcher.tables import meta
from dispatcher.view import when
from dispatcher.vigil import counted
from dispatcher.vigil.ears import HookEar, StreamEar
from dispatcher.vigil.news import DeadMan, News
from dispatcher.vigil.rounds import Broken, Canary, Round, Stage, Tell
from gateway.canary import CanaryButton, Untaken
from gateway.gateway import Gateway

if TYPE_CHECKING:
    from yijian.house import House

_META = "canary"
_PUT = Prepared(insert(meta).on_conflict_do_nothing())


async def canary_of(store: Store, ids: Ids) -> Roll:
    """The canary's district. Its address is made once for a database: what a broker has kept of it is known again.

    By chance, so that no button anybody registers, or forgets to, is taken for it. Raises StoreUnavailable.
    """
    await store.write([Do(_PUT, [{"key": _META, "value": ids.new("canary")}])])
    rows = await store.read(select(meta.c.value).where(meta.c.key == _META))
    return canary_roll(str(rows[0][0]))


@dataclass(frozen=True, slots=True)
class Myself:
    """Where this process serves, and what the canary is known by there: made anew at each start."""

    base: str
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    path: str = field(default_factory=lambda: f"/canary/{secrets.token_urlsafe(32)}", repr=False)
    secret: str = field(
        default_factory=lambda: PREFIX + base64.b64encode(secrets.token_bytes(32)).decode(), repr=False
    )

    @property
    def hook_url(self) -> str:
        """Where the canary's webhook listens."""
        return self.base + self.path

    @property
    def access(self) -> dict[str, Access]:
        """Its token: it sees its own district and nothing else."""
        return {self.token: Access(id=CODE, role=Role.DISTRICT, area=CODE)}


async def myself(rooms: House, base: str) -> Myself:
    """What this process is to its canary. Raises StoreUnavailable."""
    made = Myself(base)
    # Also where it is switched off: what a broker has kept of it must never be a stranger's press.
    roll = rooms.register.rolls.canary = await canary_of(rooms.store, rooms.ids)
    hears(roll, made.hook_url, made.secret)
    return made


class _Button:
    """The gateway's button in the canary's shape: the rooms do not know each other."""

    def __init__(self, button: CanaryButton) -> None:
        self._button = button

    @property
    def missing(self) -> frozenset[Stage]:
        return frozenset() if self._button.by_broker else frozenset({Stage.BROKER})

    async def press(self, ref: str, tell: Tell) -> None:
        try:
            await self._button.press(ref, lambda stage: tell(Stage(stage)))
        except Untaken as untaken:
            raise Broken(Stage(untaken.stage), untaken.why) from untaken


class Proof:
    """Everything about the canary of this process."""

    def __init__(self, settings: Settings, rooms: House, gateway: Gateway, me: Myself) -> None:
        rolls = rooms.register.rolls
        assert rolls.canary is not None
        address = rolls.canary.devices[CODE].address
        self.ear = HookEar(me.path, me.secret, rooms.clock)
        self.canary = Canary(
            rooms.clock,
            rooms.ids,
            _Button(gateway.canary(address)),
            (StreamEar(me.base, me.token), self.ear),
            every_seconds=settings.canary_seconds,
        )
        self._webhooks = WebhookSender(Targets.ALL if settings.private_targets else Targets.NONE)
        self._news = News(rolls, self._webhooks, rooms.clock, rooms.ids)
        self._dead_man = DeadMan(settings.canary_ping_url or "", settings.canary_fail_url or "")
        self.canary.on_lost = self._news.lost
        self.canary.on_back = self._news.back
        self.canary.on_round = self._dead_man.after
        counted.read_off(self._age, lambda: self.canary.lost is not None)

    def _age(self) -> float:
        # Of one that is switched off nobody is to be alarmed: no comparison with it is true.
        return self.canary.age_seconds if self.canary.every_seconds else math.nan

    def route(self, app: web.Application) -> None:
        """Let the webhook be heard."""
        app.router.add_post(self.ear.path, self.ear.heard, name="canary")

    async def run(self) -> None:
        """Prove, for ever."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.canary.run(), name="canary rounds")
                group.create_task(self._news.run(), name="canary news")
                group.create_task(self._dead_man.run(), name="canary ping")
        finally:
            await self._webhooks.close()

    @property
    def degraded(self) -> list[str]:
        """What `/readyz` says is not well."""
        return ["canary"] if self.canary.lost is not None else []

    async def once(self) -> dict[str, Any]:
        """One round now, as the outside sees it."""
        return _shown(await self.canary.once())

    def view(self) -> dict[str, Any]:
        """How the canary is, as the outside sees it."""
        canary = self.canary
        lost = canary.lost
        state = "proven" if canary.proven_us else "waiting" if canary.every_seconds else "off"
        return {
            "state": "lost" if lost is not None else state,
            "stage": None if lost is None else lost.stage,
            "why": None if lost is None else lost.why,
            "every_seconds": canary.every_seconds,
            "age_seconds": round(canary.age_seconds, 1),
            "proven_at": when(canary.proven_us) if canary.proven_us else None,
            "last": None if canary.last is None else _shown(canary.last),
            "troubles": [],
        }


def _shown(done: Round) -> dict[str, Any]:
    """A round: the seconds to each stage; none: it was not reached, or is not there."""
    return {
        "passed": done.passed,
        "at": when(done.at_us),
        "failed": done.failed,
        "why": done.why or None,
        "stages": [
            {
                "stage": stage,
                "there": stage not in done.missing,
                "seconds": round(done.took[stage], 6) if stage in done.took else None,
            }
            for stage in Stage
        ],
    }
