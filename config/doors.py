"""What comes in by the door: time, ids and chance. Nobody in the house asks the operating system for them.

The system's own in production; a virtual clock and a seed in tests and in the simulated world, so that one seed
replays one night exactly.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_us(moment: datetime) -> int:
    """Microseconds since 1970 of an aware moment: how times are stored and reckoned with."""
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def from_us(us: int) -> datetime:
    """The aware UTC moment of so many microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=us)


class Clock(Protocol):
    """Wall-clock time. Waiting is the event loop's business, so that a virtual loop makes virtual time."""

    def now_us(self) -> int:
        """Microseconds since 1970, UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_us(self) -> int:
        """Microseconds since 1970, UTC."""
        return time.time_ns() // 1000


class LoopClock:
    """Wall-clock time that goes as the running event loop's time goes, from a given start: virtual on a virtual loop."""

    def __init__(self, start: datetime) -> None:
        self._start_us = to_us(start)
        self._loop = asyncio.get_running_loop()
        self._zero = self._loop.time()

    def now_us(self) -> int:
        """Microseconds since 1970, UTC."""
        return self._start_us + round((self._loop.time() - self._zero) * 1_000_000)

    def set(self, seconds: float) -> None:
        """Somebody sets it on by so much, or back."""
        self._start_us += round(seconds * 1_000_000)


class Ids(Protocol):
    """Fresh identities."""

    def new(self, kind: str) -> str:
        """A new id that begins with `kind` and a hyphen, sortable by time of making: at most 40 characters."""
        ...


_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]


def _base32(number: int, pairs: int) -> str:
    """Twice so many digits of the number."""
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(10 * pairs - 10, -1, -10)])


class ClockIds:
    """Ids of a millisecond clock and 40 bits of chance, e.g. `c-0r7x2m9k4bq8t3nv5w`: they sort by time."""

    def __init__(self, clock: Clock, chance: random.Random | None = None) -> None:
        self._clock = clock
        # Ids must not collide, they need not be secret: seeded once by the system, then quick.
        self._bits = (chance or random.Random(secrets.randbits(256))).getrandbits

    def new(self, kind: str) -> str:
        """A new id that begins with `kind` and a hyphen."""
        return f"{kind}-{_base32(self._clock.now_us() // 1000, 5)}{_base32(self._bits(40), 4)}"
