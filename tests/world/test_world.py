"""The simulated world: nights from their seeds, with the production rooms, faults, and a checker for every promise."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from simulators.world import run
from simulators.world.night import play
from simulators.world.promises import CHECKS
from yijian.world import build

SEEDS = 40


@pytest.mark.timeout(600)
def test_all_promises_are_kept_in_every_night():
    results = list(run.many(range(1, SEEDS + 1), build))
    assert not [f"seed {one.seed}: {one.found}" for one in results if one.found]
    assert sum(one.presses for one in results) > 5 * SEEDS, "hardly anybody pressed"
    assert sum(one.kills for one in results) > SEEDS, "hardly anything was killed"


@pytest.mark.timeout(600)
def test_what_a_seed_once_found_stays_mended():
    results = list(run.many([kept.seed for kept in run.kept()], build))
    assert not [f"seed {one.seed}: {one.found}" for one in results if one.found]


def test_one_seed_is_one_night_in_every_process():
    def digest(hash_seed: str) -> str:
        code = "from simulators.world.night import play; from yijian.world import build; print(play(4, build).digest)"
        env = {**os.environ, "PYTHONHASHSEED": hash_seed}
        told = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
        )
        return told.stdout.strip()

    one, other = digest("1"), digest("4711")
    assert len(one) == 64
    assert one == other == play(4, build).digest


def test_every_promise_of_the_contract_is_watched():
    assert {check.promise for check in CHECKS.values()} == set(range(11))
