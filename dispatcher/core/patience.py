"""How far ahead a deadline can lie. Farther off it is only where the clock was put back since it was set.

    10:00:00  received, st-01 is asked        step 10:01:00                  at most 60 s ahead
    09:50:00  the clock is put back           step 10:01:00, 660 s ahead  -> far_off: it is waited for 60 s, not 660

Deadlines are set by the wall clock, so that they survive a restart. By a clock that goes forward none lies farther ahead
than its whole length; one that does is waited for no longer than that, counted from when it was noticed, or for what was
left of it before, where somebody knows (`dispatcher/put_back.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

from dispatcher.core.call import Call, Due
from dispatcher.core.escalate import QUICK_REPEATS, SLOW_FACTOR
from dispatcher.core.fold import us
from dispatcher.core.steps import SPOKE_ANSWERED_SECONDS

#: A clock is corrected by a little all the time: that much more is no matter.
TOLERANCE_US = 2_000_000
#: Put back by so much, it has left behind what it had set.
BACK_US = 1_000_000
_STEP, _EN_ROUTE_WITHIN = Due.STEP.value, Due.EN_ROUTE_WITHIN.value


def longest_us(call: Call, kind: str) -> int:
    """The whole length of a deadline of this call: as far as it can lie ahead at any moment."""
    policy = call.policy
    if kind == _STEP:
        steps, step = policy.steps, call.step + 1
        if step < len(steps):
            # A step that comes early moves all later ones with it, so what lies between two is all there is.
            return us(max(0.0, steps[step].after - (steps[step - 1].after if step else 0.0)))
        return us(policy.repeat) * (1 if call.repeats < QUICK_REPEATS else SLOW_FACTOR)
    # Every other deadline is called as the policy calls its length.
    whole: float = getattr(policy, kind) or 0.0
    if kind == _EN_ROUTE_WITHIN and call.spoke is not None and call.spoke.result == "answered":
        whole = max(whole, SPOKE_ANSWERED_SECONDS)
    return us(whole)


def far_off(call: Call, now_us: int) -> Mapping[str, int]:
    """The deadlines that lie farther ahead than they can, each with how long it may still be waited for."""
    found: dict[str, int] = {}
    for kind, moment in call.deadlines.items():
        ahead_us = moment - now_us - TOLERANCE_US
        if ahead_us > 0 and ahead_us > (whole_us := longest_us(call, kind)):
            found[kind] = whole_us
    return found


class TwoClocks:
    """The wall clock held against one that only goes on: that is how anybody sees that it was put back."""

    def __init__(self) -> None:
        self._ahead_us: int | None = None

    def put_back(self, now_us: int, time: float) -> bool:
        """Whether the wall clock was put back since the last time this was asked. Both are to be read at one moment."""
        ahead_us, before_us = now_us - round(time * 1_000_000), self._ahead_us
        if before_us is None or ahead_us < before_us - BACK_US:
            self._ahead_us = ahead_us
            return before_us is not None
        self._ahead_us = max(before_us, ahead_us)
        return False
