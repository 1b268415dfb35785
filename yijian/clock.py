"""A machine without a battery for its clock wakes up in 1970: no rota and no deadline holds there."""

from __future__ import annotations

from config.doors import from_us
from yijian.errors import UsageError

#: 2020-01-01, long before this was written: a clock before it is not set.
EARLIEST_US = 1_577_836_800_000_000


def check(now_us: int) -> None:
    """Raises UsageError where the clock cannot be right."""
    if now_us < EARLIEST_US:
        raise UsageError(f"the clock says {from_us(now_us):%Y-%m-%d}: set it, then start again")
