"""How much news one contact gets in an hour at most: a button that is stuck must not make a relative deaf to it.

A summons is never held back.
"""

from __future__ import annotations

from collections import OrderedDict, deque

from dispatcher.alerts import rows
from dispatcher.store import Store

_HOUR_US = 3600 * 1_000_000
#: So many people are remembered, those heard from last.
PEOPLE_MAX = 20_000


class Throttle:
    """`per_hour` messages of news for each person."""

    def __init__(self, per_hour: int) -> None:
        self._per_hour = per_hour
        self._told: OrderedDict[str, deque[int]] = OrderedDict()

    async def open(self, store: Store, now_us: int) -> None:
        """What was sent within the last hour counts also after a restart. Raises StoreUnavailable."""
        for target, at_us in await store.read(rows.TOLD_LATELY, {"b_since_us": now_us - _HOUR_US}):
            self.count(str(target), int(at_us))

    def allows(self, target: str, now_us: int) -> bool:
        """Whether this person may be told one more thing now."""
        told = self._told.get(target)
        if told is None:
            return True
        while told and told[0] <= now_us - _HOUR_US:
            told.popleft()
        return len(told) < self._per_hour

    def count(self, target: str, now_us: int) -> None:
        """They were told something."""
        self._told.setdefault(target, deque(maxlen=self._per_hour)).append(now_us)
        self._told.move_to_end(target)
        if len(self._told) > PEOPLE_MAX:
            self._told.popitem(last=False)
