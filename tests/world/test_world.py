"""The simulated world: nights from their seeds, with the production rooms, faults, and a checker for every promise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulators.world import run
from simulators.world.mistakes import MUTANTS
from simulators.world.mutants import SEEDS_MAX, at_large, found, hunt, table
from simulators.world.night import SMALL_DAY_SECONDS, play
from simulators.world.promises import CHECKS
from yijian.world import build

SEEDS = 200


@pytest.mark.timeout(1200)
def test_all_promises_are_kept_in_every_night():
    results = list(run.many(range(1, SEEDS + 1), build, day_seconds=SMALL_DAY_SECONDS))
    assert not [f"seed {one.seed}: {one.found}" for one in results if one.found]
    assert sum(one.presses for one in results) > 3 * SEEDS, "hardly anybody pressed"
    assert sum(one.kills for one in results) > SEEDS // 4, "hardly anything was killed"


@pytest.mark.timeout(600)
def test_what_a_seed_once_found_stays_mended():
    results = [run.one(kept.seed, build, kept.day_seconds) for kept in run.kept()]
    assert results
    assert not [f"seed {one.seed}: {one.found}" for one in results if one.found]


def test_one_seed_is_one_night_in_every_process():
    code = "from simulators.world.night import play; from yijian.world import build; print(play(4, build, 80.0).digest)"
    # Another order of sets and hashes than here.
    env = {**os.environ, "PYTHONHASHSEED": "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"}
    told = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    # The first night of a process is like any other: of those before nothing is left.
    play(24, build, SMALL_DAY_SECONDS)
    digest = play(4, build, SMALL_DAY_SECONDS).digest
    assert len(digest) == 64
    assert told.stdout.strip() == digest


def test_every_promise_of_the_contract_is_watched():
    assert {check.promise for check in CHECKS.values()} == set(range(11))


def test_every_mistake_still_has_its_place_in_the_code():
    assert len(MUTANTS) >= 20
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    for mutant in MUTANTS:
        functions = {found(edit.at) for edit in mutant.edits}
        before = {function: function.__code__ for function in functions}
        with at_large(mutant):
            assert all(function.__code__ is not before[function] for function in functions)
        assert all(function.__code__ is before[function] for function in functions), "it outlived its hunt"


def test_the_list_of_mistakes_is_that_of_the_code():
    """Whoever adds, renames or takes away a mistake or a checker writes the list anew: `make sim-mutants`."""
    text = (Path(__file__).parents[2] / "docs" / "mutants.md").read_text("utf-8")
    assert text.startswith(table(()).rstrip("\n"))
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if "| `" in line
    ]
    listed = [(name.strip("`"), promise, says) for name, promise, says, *_ in cells]
    assert listed == [(one.name, str(one.promise or "-"), one.says) for one in MUTANTS]
    for name, _, _, found_by, nights in cells:
        assert found_by.strip("`") in CHECKS, f"{name} is found by {found_by}, which is no checker"
        assert 1 <= int(nights) <= SEEDS_MAX, f"{name} is found in night {nights}"


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("receipt_before_commit", "receipt_after_commit"),
        ("puback_before_commit", "puback_after_commit"),
        ("deadline_in_memory_only", "deadline_is_a_row"),
        ("accept_leaves_the_step", "accept_stops_all"),
        ("two_accepts_both_win", "one_holder"),
        ("repress_rings_nobody", "repress_is_heard"),
        ("messages_apart_from_facts", "alert_with_its_fact"),
    ],
)
def test_a_deliberate_mistake_is_found(name: str, check: str):
    mutant = next(one for one in MUTANTS if one.name == name)
    assert hunt(mutant, build, 10, SMALL_DAY_SECONDS).check == check
