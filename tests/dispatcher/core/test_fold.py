"""A call is the fold of its facts."""

from __future__ import annotations

import msgspec
import pytest
from small_town import SECOND, SmallTown

from dispatcher.core.call import Asked as One
from dispatcher.core.call import Call, Cause, Dispatched, EnRoute, Entry, Joined, OfferState
from dispatcher.core.commands import Accept, Close, Reopen, SetOut
from dispatcher.core.fold import SOURCES_MAX, fold, refold, us
from dispatcher.core.states import Impossible
from dispatcher.core.steps import decide_command


def entry(call, fact, seq):
    return Entry(
        district="d",
        seq=seq,
        at_us=call.opened_us + seq,
        call=call.id,
        device=None,
        cause=Cause(kind="signal"),
        fact=fact,
    )


def test_seconds_as_microseconds_are_exact():
    assert us(0.1) == 100_000
    assert us(1e9) == 10**15


def test_a_call_begins_with_its_opening():
    town = SmallTown()
    with pytest.raises(Impossible):
        fold(None, entry(town.pressed(), EnRoute(by="n"), 1))


def test_a_call_is_the_same_after_it_was_written_down():
    call = SmallTown(("a", "care", 100)).pressed()
    assert msgspec.json.decode(msgspec.json.encode(call), type=Call) == call


def test_a_journal_that_lost_its_beginning_says_so():
    town = SmallTown(("a", "care", 100))
    draft = town.draft(town.pressed(), by="n")
    for command in (
        Accept(by="n", station="a"),
        SetOut(by="n", station="a"),
        Close(by="n", station="a", outcome="helped", evidence="on_site"),
    ):
        decide_command(command, draft, town.world())
    entries = [told.entry for told in draft.told]
    with pytest.raises(Impossible):
        refold(entries)


def test_an_offer_outside_the_steps_moves_none():
    call = SmallTown(("a", "care", 100)).pressed()
    before = call.step
    call = fold(call, entry(call, Dispatched(step=7, asked=(One(to="b", reason="transfer"),)), 9))
    assert call.step == before


def test_after_a_reopening_nobody_is_shown_as_having_it():
    town = SmallTown(("a", "care", 100))
    draft = town.draft(town.pressed(), by="n")
    for command in (
        Accept(by="n", station="a"),
        Close(by="n", station="a", outcome="helped", evidence="on_site"),
    ):
        assert decide_command(command, draft, town.world()) is None
    town.roll.put(SmallTown.station("a", "care", 100, hours={}))
    assert decide_command(Reopen(by="n"), draft, town.world()) is None
    assert draft.now.offer_to("a").state is OfferState.WITHDRAWN
    assert draft.now.former.station == "a"


def test_what_a_call_remembers_is_bounded():
    call = SmallTown(("a", "care", 100)).pressed()
    for number in range(300):
        call = fold(
            call, entry(call, Joined(kind="press", pressed_us=0, source=f"native/x{number}"), number + 10)
        )
    assert call.presses == 301
    assert len(call.sources) == SOURCES_MAX
    assert len(msgspec.json.encode(call)) < 4000
    assert call.deadlines["step"] - call.opened_us == 60 * SECOND
