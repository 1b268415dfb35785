"""Odd input: whatever a device or a person says, a press becomes a call and a refusal leaves no fact."""

from __future__ import annotations

import pytest
from small_town import NOW_US, SECOND, SmallTown

from devices.signal import CALLING, Key, SignalType
from dispatcher.core.call import Evidence, Outcome, State
from dispatcher.core.commands import Accept, Arrive, Close, OpenByHand, Release, See, SetOut, Transfer
from dispatcher.core.decide import Heard, decide_signal, key_of, open_by_hand, pressed_us
from dispatcher.core.steps import decide_command


def heard(**more):
    fields = {"id": "x", "source": "native/b-1", "type": SignalType.PRESS, "received_us": NOW_US}
    return Heard(**{**fields, **more})


@pytest.mark.parametrize(
    ("said", "seconds_ago"),
    [
        ({}, 0),
        ({"at_us": NOW_US - 119 * SECOND}, 119),
        ({"at_us": NOW_US - 121 * SECOND}, 0),
        ({"at_us": NOW_US + 100 * SECOND}, 0),  # believed, but nobody presses in the future
        ({"at_us": 0}, 0),
        ({"age_seconds": 300.0}, 300),
        ({"age_seconds": 300.0, "at_us": NOW_US - 5 * SECOND}, 300),
        ({"age_seconds": -1.0, "at_us": NOW_US - 5 * SECOND}, 5),
        ({"age_seconds": float("nan")}, 0),
        ({"age_seconds": float("inf")}, 0),
        ({"age_seconds": 1e300}, 0),
    ],
)
def test_when_it_was_pressed(said, seconds_ago):
    assert pressed_us(heard(**said)) == NOW_US - seconds_ago * SECOND


def test_doubt_is_an_emergency():
    assert key_of(heard()) is Key.EMERGENCY
    for kind in CALLING - {SignalType.PRESS}:
        assert key_of(heard(type=kind, key=Key.SERVICE)) is Key.EMERGENCY


@pytest.mark.parametrize(
    "kind", [SignalType.HEARTBEAT, SignalType.CANCEL, SignalType.HELPER_ARRIVED, SignalType.TAMPER]
)
def test_what_asks_for_nothing_opens_nothing(kind):
    town = SmallTown()
    draft = town.draft()
    decide_signal(heard(type=kind), draft, town.world(), in_test=False)
    assert not draft.told


def held(town, station="a"):
    draft = town.draft(town.pressed(), by="n")
    assert decide_command(Accept(by="n", station=station), draft, town.world()) is None
    return draft.now


@pytest.mark.parametrize(
    ("command", "status", "field"),
    [
        (Accept(by="n", station="nowhere"), 400, "station"),
        (Transfer(by="n", to="nowhere"), 400, "station"),
        (Close(by="n", station="a", outcome=Outcome.HELPED), 400, "evidence"),
        (
            Close(by="n", station="a", outcome=Outcome.NO_CONTACT, evidence=Evidence.RELATIVE_CONFIRMED),
            400,
            "evidence",
        ),
        (Close(by="n", station="a", outcome=Outcome.DUPLICATE, evidence=Evidence.ON_SITE), 400, "of"),
        (Close(by="x", station="b", outcome=Outcome.HELPED, evidence=Evidence.ON_SITE), 409, ""),
        (Accept(by="x", station="b"), 409, ""),
        (SetOut(by="x", station="b"), 409, ""),
        (Release(by="x", station="b"), 409, ""),
    ],
)
def test_a_refusal_names_what_is_wrong_and_leaves_no_fact(command, status, field):
    town = SmallTown(("a", "care", 100), ("b", "care", 200))
    draft = town.draft(held(town), by=command.by)
    refused = decide_command(command, draft, town.world())
    assert refused is not None
    assert (refused.status, refused.field, draft.told) == (status, field, [])
    assert refused.why


def test_a_wrong_step_done_offline_is_still_wrong():
    town = SmallTown(("a", "care", 100))
    draft = town.draft(held(town), by="n")
    refused = decide_command(
        Close(by="n", station="a", outcome=Outcome.HELPED, at_us=NOW_US), draft, town.world()
    )
    assert refused is not None
    assert refused.status == 400, "without evidence it is no close, whenever it was"


def test_the_desk_acts_for_the_holder_and_the_same_again_is_said_before():
    town = SmallTown(("a", "care", 100))
    call = held(town)
    for command in (SetOut(by="op"), Arrive(by="op")):
        for _ in range(2):
            draft = town.draft(call, by="op")
            assert decide_command(command, draft, town.world()) is None
            call = draft.now
    assert call.state is State.ON_SCENE
    draft = town.draft(call, by="op")
    decide_command(Release(by="op"), draft, town.world())
    again = town.draft(draft.now, by="op")
    assert decide_command(Release(by="op"), again, town.world()) is None
    assert not again.told


def test_of_a_call_the_desk_holds_every_eye_at_the_desk_is_the_holders():
    town = SmallTown(("a", "care", 100))
    call = held(town, station="")
    draft = town.draft(call, by="colleague")
    decide_command(See(by="colleague"), draft, town.world())
    assert draft.now.seen_by == ("colleague",)
    assert draft.told[0].entry.fact.by_holder
    draft = town.draft(call, by="x")
    decide_command(See(by="x", station="a"), draft, town.world())
    assert not draft.told[0].entry.fact.by_holder


def test_a_call_by_hand_for_nobody_known_is_opened_and_two_of_them_are_two():
    town = SmallTown()
    for number in (1, 2):
        draft = town.draft(by="op")
        assert (
            open_by_hand(OpenByHand(by="op", key="emergency", text="an old man"), draft, town.world(at=None))
            is None
        )
        assert [told.entry.name for told in draft.told] == ["call.opened", "call.noted", "call.dispatched"], (
            number
        )
