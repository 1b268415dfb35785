"""Supervision and coverage, put together: on the desk's rows, with the gateway's lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dispatcher.core.listening import LineUp
from dispatcher.coverage import Coverage
from dispatcher.supervision import Supervision
from gateway.gateway import Gateway

if TYPE_CHECKING:
    from yijian.house import House


@dataclass(frozen=True, slots=True)
class Watch:
    """Who watches over devices and communities: two rooms, a task each."""

    supervision: Supervision
    coverage: Coverage

    def offline(self) -> int:
        """How many devices are known to be offline."""
        return self.supervision.offline

    def by(self, gateway: Gateway) -> None:
        """Listen by the lines of this gateway from now on."""

        def lines() -> Iterator[LineUp]:
            return (
                LineUp(line.name, line.family, line.open, line.times, line.refused) for line in gateway.lines
            )

        self.supervision.lines = lines


async def watch(rooms: House) -> Watch:
    """Both rooms, going on from what is stored. Raises StoreUnavailable."""
    book, rolls = rooms.desk.reports, rooms.register.rolls
    supervision = Supervision(rooms.store, rolls, rooms.inbox, book, rooms.clock)
    await supervision.open()
    coverage = Coverage(rolls, rooms.ledger, rooms.desk.sight, rooms.inbox, book, rooms.clock)
    return Watch(supervision, coverage)
