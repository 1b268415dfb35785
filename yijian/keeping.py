"""The watch over ourselves, put together: the canary, the pulse, what grows; and systemd told how we are.

keeper = Keeper(settings, rooms, gateway, post, proof, notifier)       keeper.run() in a task
keeper.degraded   ["broker", "canary", "growth:disk"]                  what /readyz says
keeper.view()     how the canary is, and what else is not well         what the console asks
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from config.settings import Settings
from dispatcher.alerts.post import Post
from dispatcher.console.stream import READERS_MAX, Streams
from dispatcher.store import StoreUnavailable
from dispatcher.vigil import counted
from dispatcher.vigil.growth import Growth
from dispatcher.vigil.pulse import Pulse
from dispatcher.vigil.systemd import Notifier
from gateway.gateway import Gateway
from yijian.proving import Proof

if TYPE_CHECKING:
    from yijian.house import House

log = structlog.get_logger("vigil")

LOOK_SECONDS = 10.0
LOOK_AT_TABLES_SECONDS = 600.0
_SQLITE = "sqlite:///"


class Keeper:
    """The watch of one process."""

    def __init__(
        self,
        settings: Settings,
        rooms: House,
        gateway: Gateway,
        post: Post,
        proof: Proof,
        notifier: Notifier,
        *,
        keep_closed_days: float,
    ) -> None:
        self._rooms = rooms
        self._gateway = gateway
        self._post = post
        self._proof = proof
        self._notifier = notifier
        self._streams: Streams | None = None
        self._time = asyncio.get_running_loop().time
        self.pulse = Pulse(
            self._parts,
            rooms.ledger,
            rooms.store,
            rooms.clock,
            alive=lambda: notifier.alive(self._time()),
            dump=_written_to(sys.stderr),
        )
        file = settings.database.removeprefix(_SQLITE)
        self.growth = Growth(
            self._depths,
            rooms.store,
            rooms.clock,
            settings.data,
            Path(file) if file != settings.database else None,
            keep_closed_days,
            settings.memory_mb * 1024 * 1024,
        )

    def watches(self, streams: Streams) -> None:
        """The open event streams are looked at too."""
        self._streams = streams

    def _parts(self) -> Mapping[str, object]:
        # The desk asks the store for what is pending once a second: while it turns, the store answers.
        return {"desk": self._rooms.desk.turned_us, **self._gateway.beats}

    def _depths(self) -> Mapping[str, tuple[float, float]]:
        streams = {"stream.readers": (self._streams.readers, READERS_MAX)} if self._streams else {}
        inbox, post = self._rooms.inbox.depth, self._post.depth
        return {**self._gateway.depths, "inbox.fresh": inbox, "post.hand": post, **streams}

    async def run(self) -> None:
        """Watch, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._proof.run(), name="canary")
            group.create_task(self.pulse.run(), name="pulse")
            group.create_task(self._every(LOOK_SECONDS, self._look), name="growth")
            group.create_task(self._tables(), name="growth of tables")

    async def _every(self, seconds: float, look: Callable[[], None]) -> None:
        while True:
            try:
                look()
            except Exception:
                # A bug of ours in the watch must not take down what it watches.
                log.exception("not_looked")
            await asyncio.sleep(seconds)

    def _look(self) -> None:
        self.growth.look()
        for part in self.pulse.parts:
            counted.STALLED.labels(part).set(part in self.pulse.stalled)
        canary = self._proof.canary
        proven = "off" if not canary.every_seconds else "lost" if canary.lost else "proven"
        self._notifier.status(f"open calls {len(self._rooms.ledger.open)}, canary {proven}")

    async def _tables(self) -> None:
        while True:
            try:
                await self.growth.look_at_tables()
            except StoreUnavailable as error:
                log.warning("not_looked", error=str(error))
            except Exception:
                log.exception("not_looked")
            await asyncio.sleep(LOOK_AT_TABLES_SECONDS)

    # ── what is told ─────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def troubles(self) -> list[dict[str, Any]]:
        """What is not well: `what`, `of`, `value`."""
        pulse = self.pulse
        found: list[tuple[str, str, float]] = []
        if pulse.slowest_seconds:
            found.append(("loop", "", pulse.slowest_seconds))
        found += [("part", name, 0.0) for name in sorted(pulse.stalled)]
        if pulse.overdue:
            found.append(("overdue", "", pulse.overdue_seconds))
        if pulse.asleep:  # which ones is in the log: here anybody asks
            found.append(("asleep", "", len(pulse.asleep)))
        found += [("growth", name, ratio) for name, ratio in sorted(self.growth.high.items())]
        return [{"what": what, "of": of, "value": round(value, 2)} for what, of, value in found]

    @property
    def degraded(self) -> list[str]:
        """The same for `/readyz`, with the broker and the canary."""
        found = [] if self._gateway.broker_up else ["broker"]
        found += self._proof.degraded
        for one in self.troubles:
            found.append(f"{one['what']}:{one['of']}" if one["of"] else one["what"])
        return found

    def view(self) -> dict[str, Any]:
        """How the canary is, and what else is not well."""
        return {**self._proof.view(), "troubles": self.troubles}

    async def once(self) -> dict[str, Any]:
        """One round of the canary, now."""
        return await self._proof.once()


def _written_to(stream: Any) -> Any:
    """Where stacks are dumped: a file of the system's; None where there is none (under a test, say)."""
    try:
        stream.fileno()
    except (AttributeError, OSError, ValueError):
        return None
    return stream
