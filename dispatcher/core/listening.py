"""How long we have listened: a clock for each line that stands still while it is closed, or while what comes is refused.

A device is silent for as long as its line was open and nothing came. Pure: the time comes in as an argument.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

#: A line is forgiven so often for having been away.
AGAIN_SECONDS = 600.0


class LineUp(NamedTuple):
    """A line as the gateway has it: `open` while frames can come by it; `times` it was opened, where that is counted.

    `refused`: messages that were told `busy` and not taken, in a flood or while nothing can be stored.
    """

    name: str
    family: str
    open: bool
    times: int = 0
    refused: int = 0


class Listening:
    """How long we have listened to one line: `total` seconds. `since`: when it was last opened, or closed.

    `again`: when it came back after it had been open before. One that comes and goes does so once in ten minutes: what
    is forgiven because of it must not be forgiven for ever.
    """

    __slots__ = ("again", "family", "open", "refused", "since", "times", "total", "was_open")

    def __init__(self, family: str, since: float, *, is_open: bool) -> None:
        self.family = family
        self.open = is_open
        self.since = since
        self.total = 0.0
        self.again = -math.inf
        self.times = 0
        self.refused = 0
        self.was_open = is_open

    def look(self, now: float, line: LineUp) -> None:
        """Whether it has come back since it was last looked at, be it for a moment between two looks."""
        back = self.was_open and line.open and (not self.open or line.times > self.times > 0)
        if back and now - self.again > AGAIN_SECONDS:
            self.again = now
        self.was_open = self.was_open or line.open
        self.times = line.times

    def hears(self, line: LineUp) -> bool:
        """Whether all that was said by it since the last look was heard: else whoever seems silent may have spoken."""
        before, self.refused = self.refused, line.refused
        return self.open and line.open and before == line.refused


class Ears:
    """The clocks of all lines. What comes by no line of the gateway (HTTP) has one of its own, always open."""

    def __init__(self, now: float, most_seconds: float) -> None:
        self.turned = now
        self._most_seconds = most_seconds
        self._lines: dict[str, Listening] = {}
        self._own = Listening("", now, is_open=True)

    def listen(self, now: float, lines: Iterable[LineUp]) -> None:
        """Let the clocks go on. A machine that slept, or a loop that hung, did not listen."""
        passed = min(max(0.0, now - self.turned), self._most_seconds)
        self.turned = now
        self._own.total += passed
        for line in lines:
            known = self._lines.get(line.name)
            if known is None:
                known = self._lines[line.name] = Listening(line.family, now, is_open=line.open)
                known.times, known.refused = line.times, line.refused
                continue
            known.look(now, line)
            if known.hears(line):
                known.total += passed
            elif known.open != line.open:
                known.open, known.since = line.open, now

    def reading(self, line: str, now: float) -> float:
        """What that line's clock shows."""
        clock = self._lines.get(line, self._own)
        return clock.total + (now - self.turned) if clock.open else clock.total

    def of(self, line: str, family: str) -> Listening:
        """The clock of a line; without one, of the family's lines that which was open the least."""
        if line in self._lines:
            return self._lines[line]
        known = [one for one in self._lines.values() if one.family == family] if not line else []
        return min(known, key=lambda one: (one.open, one.total)) if known else self._own

    def lines(self) -> Iterator[tuple[str, Listening]]:
        """The gateway's lines."""
        yield from self._lines.items()
