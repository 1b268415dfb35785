"""Moments as the outside reads them."""

from __future__ import annotations

import random

from config.doors import from_us
from dispatcher.view import when


def test_a_moment_is_cut_to_the_millisecond_in_every_century() -> None:
    chance = random.Random(1)
    moments = [0, -1, -1000, 999, 999_999, 1_000_000, 1_795_967_011_497_308]
    for us in moments + [chance.randrange(-(10**15), 4 * 10**15) for _ in range(500)]:
        assert when(us) == from_us(us).isoformat(timespec="milliseconds").replace("+00:00", "Z")
