"""The way down: what wearers are told of their calls, from the downlink to the line that reaches them.

    claim a batch -> the family's words for it -> the line carries them -> carried, or returned for later

A device of the native dialect has its own topic. Any other is reached by the line it (or its hub) was last heard on;
until it was heard there is no line, and the message goes back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog
from msgspec.structs import replace

from devices.signal import Signal
from gateway import metrics
from gateway.lines import OpenLine
from gateway.ports import Down, Downlink

log = structlog.get_logger()

_ROUTES_MAX = 50_000
_AGAIN_SECONDS = 1.0


class Routes:
    """Which line reaches whom."""

    def __init__(self) -> None:
        self._always: dict[str, OpenLine] = {}
        self._heard: dict[tuple[str, str], OpenLine] = {}
        self._via: dict[tuple[str, str], str] = {}

    def always(self, family: str, line: OpenLine) -> None:
        """This line reaches every device of the family."""
        self._always[family] = line

    def heard(self, line: OpenLine, signal: Signal) -> None:
        """A device, and perhaps its hub, was heard on a line."""
        if line.family in self._always or line.carry is None:
            return
        self._put((line.family, signal.device), line)
        via = signal.details.get("via")
        if isinstance(via, str):
            self._put((line.family, via), line)
            self._via[(line.family, signal.device)] = via

    def closed(self, line: OpenLine) -> None:
        """Nobody is reached by that line any more."""
        for address in [address for address, way in self._heard.items() if way is line]:
            del self._heard[address]
            self._via.pop(address, None)

    def via(self, down: Down) -> str:
        """The hub the device was last heard through, where it is not told: a hub shows states for its own buttons."""
        return down.news.via or self._via.get((down.family, down.news.device), "")

    def find(self, down: Down) -> OpenLine | None:
        """The line to that device: its hub's where that is told, its own else."""
        news = down.news
        for address in (news.via, news.device):
            line = self._heard.get((down.family, address)) if address else None
            if line is not None:
                return line
        return self._always.get(down.family)

    def _put(self, address: tuple[str, str], line: OpenLine) -> None:
        if self._heard.get(address) is line:
            return
        self._heard[address] = line
        if len(self._heard) > _ROUTES_MAX:
            oldest = next(iter(self._heard))
            del self._heard[oldest]
            self._via.pop(oldest, None)


class Pump:
    """Carries what the downlink hands out. `run` it in a task."""

    def __init__(self, downlink: Downlink, routes: Routes) -> None:
        self._downlink = downlink
        self._routes = routes
        self._loop = asyncio.get_running_loop()
        self.beat = self._loop.time()

    async def run(self) -> None:
        """Carry batch after batch, for ever."""
        while True:
            try:
                await self._all()
            except Exception:
                # Whoever stands behind the downlink may be away; presses go on meanwhile.
                log.exception("the downlink failed")
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _all(self) -> None:
        batches = self._downlink.claim()
        while True:
            waiting = asyncio.ensure_future(anext(batches, None))
            try:
                while not waiting.done():
                    self.beat = self._loop.time()
                    await asyncio.wait((waiting,), timeout=1.0)
            except asyncio.CancelledError:
                waiting.cancel()
                await asyncio.wait((waiting,))
                raise
            batch = waiting.result()
            if batch is None:
                return
            await self._batch(batch)

    async def _batch(self, batch: Sequence[Down]) -> None:
        results = await asyncio.gather(*(self._one(down) for down in batch))
        carried = [down.id for down, done in zip(batch, results, strict=True) if done]
        returned = [down.id for down, done in zip(batch, results, strict=True) if not done]
        for down, done in zip(batch, results, strict=True):
            metrics.carried(down.family, "carried" if done else "returned").inc()
        if carried:
            await self._downlink.carried(carried)
        if returned:
            await self._downlink.returned(returned)

    async def _one(self, down: Down) -> bool:
        line = self._routes.find(down)
        if line is None or line.carry is None:
            return False
        try:
            answers = line.session.progress(replace(down.news, via=self._routes.via(down)))
            # Nothing to say on this line is said: it must not come back for ever.
            return not answers or await line.carry(answers)
        except Exception:
            log.exception("a message could not be carried", family=down.family, down=down.id)
            return False
