"""The one table: every step that is legal by the contract is in it, every one that is not names itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dispatcher.core.call import AnyFact, State
from dispatcher.core.states import LIFE, Impossible, after, fits

NAMES = {fact.__struct_config__.tag for fact in AnyFact.__args__}
#: Facts that are of no call, make one, or say nothing about the call itself.
OUTSIDE = {
    "call.opened",
    "call.followed_up",  # how she is a day later
    *(name for name in NAMES if name.startswith(("device.", "area.", "coverage.", "alert."))),
}


def test_every_state_has_a_row_and_every_cell_is_a_fact():
    assert set(LIFE) == set(State)
    for row in LIFE.values():
        assert set(row) <= NAMES


def test_every_fact_of_a_call_can_happen_somewhere():
    assert {fact for row in LIFE.values() for fact in row} == NAMES - OUTSIDE


@pytest.mark.parametrize(
    ("state", "fact", "then"),
    [
        ("received", "call.accepted", "accepted"),
        ("accepted", "call.en_route", "en_route"),
        ("accepted", "call.closed", "closed"),
        ("en_route", "call.on_scene", "on_scene"),
        ("on_scene", "call.closed", "closed"),
        ("closed", "call.reopened", "received"),
        ("en_route", "call.lapsed", "received"),
        ("on_scene", "call.lapsed", "received"),
        ("en_route", "call.accepted", "accepted"),
        ("on_scene", "call.accepted", "on_scene"),
    ],
)
def test_the_life_of_a_call(state, fact, then):
    assert after(State(state), fact) == then


@pytest.mark.parametrize("state", ["accepted", "en_route", "on_scene", "closed"])
@pytest.mark.parametrize("fact", ["call.escalated", "call.skipped"])
def test_no_step_is_taken_while_somebody_holds_it_or_when_it_is_over(state, fact):
    assert not fits(State(state), fact)
    with pytest.raises(Impossible, match=f"{fact} cannot happen to a call that is {state}"):
        after(State(state), fact)


def test_nothing_but_words_changes_a_closed_call():
    assert set(LIFE[State.CLOSED]) == {"call.noted", "call.seen", "call.reopened"}


def test_the_drawing_in_the_documents_is_of_this_table():
    script = Path(__file__).resolve().parents[3] / "docs" / "draw_life.py"
    assert subprocess.run([sys.executable, str(script), "--check"], check=False).returncode == 0
