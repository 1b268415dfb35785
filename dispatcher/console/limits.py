"""How long somebody waits after wrong passwords. Nobody is ever locked out; guessing gets slow.

    limits.begin(keys, now_us)     seconds to wait, before anything is looked at; 0: it is being looked at, and counts
    limits.right(keys, now_us)     it was right: the count of this login from here begins anew

What counts, and how it grows (the n-th beyond the free ones doubles the wait, up to the longest):

    this login from this address       5 free, then 1, 2, 4 … 300 s
    anything from this address        50 free, then 1, 2, 4 … 60 s
    this login from anywhere          50 free, then 1, 2, 4 … 30 s

A browser with a live session counts as the person of that session instead of as an address, and not as "anywhere". So
whoever guesses from outside slows down themselves, a login at most by half a minute, and a station whose PC has a session
not at all: the next shift logs in there. A password set anew at the command line begins all counts of its login
anew. An hour without a failure is forgotten. In memory: a restart forgets, and argon2id still takes its time.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

_KEYS_MAX = 10_000
_FORGOTTEN_US = 3_600_000_000


class Pace(NamedTuple):
    """So many are free, then each doubles the wait up to the longest."""

    free: int
    longest_seconds: float


HERE = Pace(5, 300.0)
ADDRESS = Pace(50, 60.0)
ANYWHERE = Pace(50, 30.0)


class Key(NamedTuple):
    """What is counted: `login` is empty where it is counted for all of them."""

    pace: Pace
    login: str = ""
    place: str = ""


@dataclass(slots=True)
class _Count:
    tries: int
    since_us: int
    last_us: int


def keys(login: str, address: str, person: str = "") -> tuple[Key, ...]:
    """What an attempt counts for. `person`: who is logged in in that browser already."""
    if person:
        return Key(HERE, login, f"user {person}"), Key(ADDRESS, place=f"user {person}")
    return Key(HERE, login, address), Key(ADDRESS, place=address), Key(ANYWHERE, login)


class Limits:
    """The counts of one process."""

    def __init__(self) -> None:
        self._counts: OrderedDict[Key, _Count] = OrderedDict()

    def begin(self, of: Iterable[Key], now_us: int) -> float:
        """Seconds to wait; 0: go on, and this one counts until it is `right`. Counted first: many at once are many."""
        of = tuple(of)
        wait = max(self._wait_seconds(key, now_us) for key in of)
        if wait > 0:
            return wait
        for key in of:
            count = self._counts.setdefault(key, _Count(0, now_us, now_us))
            count.tries += 1
            count.last_us = now_us
            self._counts.move_to_end(key)
        while len(self._counts) > _KEYS_MAX:
            self._counts.popitem(last=False)
        return 0.0

    def right(self, of: Iterable[Key]) -> None:
        """It was right: what is counted for this login here begins anew, the rest is as before it."""
        for key in of:
            if key.pace == HERE:
                self._counts.pop(key, None)
            else:
                self.neither(key)

    def neither(self, *of: Key) -> None:
        """It was neither right nor wrong: as if it had not been."""
        for key in of:
            count = self._counts.get(key)
            if count is not None:
                count.tries -= 1
                if count.tries <= 0:
                    del self._counts[key]

    def anew(self, of: Iterable[Key], changed_us: int) -> bool:
        """The password was set anew then: what was counted before counts no more. Whether there was anything."""
        old = [
            key for key in of if key.login and key in self._counts and self._counts[key].since_us < changed_us
        ]
        for key in old:
            del self._counts[key]
        return bool(old)

    def _wait_seconds(self, key: Key, now_us: int) -> float:
        count = self._counts.get(key)
        if count is None:
            return 0.0
        gone_us = now_us - count.last_us
        if gone_us > _FORGOTTEN_US:
            del self._counts[key]
            return 0.0
        beyond = count.tries - key.pace.free
        if beyond < 0:
            return 0.0
        due = min(key.pace.longest_seconds, 2.0 ** min(beyond, 30))
        # A clock that was put back makes nobody wait longer than that.
        return min(due, math.inf if gone_us < 0 else max(0.0, due - gone_us / 1e6))
