"""What happens when time passes: steps, repeats, limits."""

from __future__ import annotations

import itertools

import pytest
from small_town import NOW_US, SECOND, SmallTown

from devices.signal import Key
from dispatcher.core.call import OfferState, State
from dispatcher.core.commands import Accept, Decline, Transfer
from dispatcher.core.decide import decide_due, decide_unable
from dispatcher.core.district import Policy, Step, Target
from dispatcher.core.escalate import QUICK_REPEATS, SLOW_FACTOR
from dispatcher.core.steps import decide_command


def policy(*steps, **more):
    fields = {
        "repeat": 60,
        "en_route_within": 120,
        "repress_within": 60,
        "arrive_goal": None,
        "arrive_limit": None,
        "close_within": 14_400,
    }
    return Policy(steps=tuple(Step(after, to) for after, to in steps), **{**fields, **more})


def due(town, call):
    """The call after its next deadline, and the names of what happened."""
    town.now_us = call.due[1]
    draft = town.draft(call)
    decide_due(draft, town.world())
    return draft.now, [told.entry.name.removeprefix("call.") for told in draft.told]


def test_what_was_waited_for_and_set_anew_in_the_same_turn_is_not_due():
    """Night 216: the clock was put back, a step had been waited for, and in that turn somebody declined: two at once."""
    town = SmallTown(("a", "care", 100), ("b", "care", 200), ("c", "care", 300))
    call = town.pressed()
    waited = {"step": call.deadlines["step"]}
    town.now_us -= 600 * SECOND
    draft = town.draft(call)
    decide_command(Decline(by="n", station="a"), draft, town.world())
    decide_due(draft, town.world(), waited)
    assert [told.entry.name for told in draft.told] == ["call.declined", "call.escalated", "call.dispatched"]
    town.now_us += 1 * SECOND
    draft = town.draft(call)
    decide_due(draft, town.world(), waited)
    assert [told.entry.name for told in draft.told] == ["call.escalated", "call.dispatched"]


def test_an_empty_step_in_the_middle_costs_no_time():
    town = SmallTown(("a", "care", 100))
    town.roll.policies["emergency"] = policy(
        (0, Target.NEAREST), (60, Target.NEXT), (120, Target.VOLUNTEERS), (600, Target.DISTRICT)
    )
    call, names = due(town, town.pressed())
    assert names == ["escalated", "skipped", "escalated", "skipped", "escalated", "dispatched"]
    assert call.saved_us == 540 * SECOND
    assert call.offer_to("desk") is not None


def test_a_policy_that_finds_nobody_at_all_asks_the_desk():
    town = SmallTown()
    town.roll.policies["emergency"] = policy((0, Target.VOLUNTEERS), (60, Target.CONTACTS))
    call = town.pressed()
    assert [(offer.to, offer.reason) for offer in call.offers] == [("desk", "nobody_else")]
    assert call.deadlines["step"] == NOW_US + 60 * SECOND


def test_an_empty_last_step_leaves_those_asked_before_to_answer():
    town = SmallTown(("a", "care", 100))
    town.roll.policies["emergency"] = policy((0, Target.NEAREST), (60, Target.VOLUNTEERS))
    call, names = due(town, town.pressed())
    assert names == ["escalated", "skipped"]
    assert [offer.to for offer in call.offers] == ["a"]
    assert call.due == ("step", NOW_US + 120 * SECOND)


def test_an_empty_first_and_only_step_does_not_rest_on_an_offer_that_cannot_be_taken():
    town = SmallTown(("a", "care", 100))
    town.roll.policies["emergency"] = policy((10, Target.VOLUNTEERS))
    call = town.pressed()
    draft = town.draft(call, by="op")
    assert decide_command(Transfer(by="op", to="a"), draft, town.world()) is None
    town.roll.remove("stations", "a")
    draft = town.draft(draft.now)
    decide_unable(draft, town.world())
    assert draft.now.offer_to("desk") is not None


def test_it_rings_ten_times_at_the_policys_pace_and_then_five_times_as_slowly():
    town = SmallTown(("a", "care", 100))
    town.roll.policies["service"] = policy((0, Target.NEAREST))
    call = town.pressed(Key.SERVICE)
    moments = []
    for _ in range(15):
        call, names = due(town, call)
        assert names == ["escalated", "dispatched"]
        moments.append(town.now_us)
    pauses = [(b - a) // SECOND for a, b in itertools.pairwise(moments)]
    assert pauses == [60] * (QUICK_REPEATS - 1) + [60 * SLOW_FACTOR] * 5
    assert [offer.offers for offer in call.offers] == [16]


def test_however_late_a_deadline_is_taken_once():
    town = SmallTown(("a", "care", 100), ("b", "care", 200))
    call = town.pressed()
    town.now_us += 8 * 3600 * SECOND
    names = []
    while call.due[1] <= town.now_us:
        draft = town.draft(call)
        decide_due(draft, town.world())
        call = draft.now
        names += [told.entry.name for told in draft.told]
    assert names.count("call.overdue") == 3
    assert names.count("call.escalated") == 3
    assert call.repeats == 0


def test_what_fell_due_first_happens_first():
    town = SmallTown(("a", "care", 100), ("b", "care", 200), ("c", "care", 300))
    call = town.pressed()
    town.now_us += 3600 * SECOND
    draft = town.draft(call)
    decide_due(draft, town.world())
    # The step of the first minute before the limit of the thirtieth: b is the next, c is what the limit finds further.
    assert [(offer.to, offer.reason) for offer in draft.now.offers] == [
        ("a", "nearest"),
        ("b", "next"),
        ("c", "arrive_limit"),
        ("desk", "arrive_limit"),
    ]


def test_the_limit_goes_on_past_the_one_who_holds_it():
    town = SmallTown(("a", "care", 100), ("b", "care", 200))
    draft = town.draft(town.pressed(), by="n")
    decide_command(Accept(by="n", station="b"), draft, town.world())
    call = draft.now
    town.now_us += 100 * SECOND
    draft = town.draft(call)
    decide_due(draft, town.world())
    assert not draft.told, "nothing is due before its time"
    assert call.state is State.ACCEPTED


@pytest.mark.parametrize("reason_suffix", ["by_area", "on_call"])
def test_an_offer_of_a_limit_says_so_also_where_the_reason_says_more(reason_suffix):
    from dispatcher.core.district import OnCall

    fields = {"by_area": {"metres": None}, "on_call": {"metres": 100, "hours": {}, "on_call": OnCall()}}[
        reason_suffix
    ]
    town = SmallTown(SmallTown.station("a", "care", fields.pop("metres"), **fields), ("b", "care", 90_000))
    call = town.pressed()
    draft = town.draft(call, by="n")
    decide_command(Accept(by="n", station="b"), draft, town.world())
    assert draft.now.offer_to("a").state is OfferState.WITHDRAWN
    from dispatcher.core.commands import SetOut

    decide_command(SetOut(by="n", station="b"), draft, town.world())
    call, _ = due(town, draft.now)  # arrive_goal
    call, _ = due(town, call)
    offer = call.offer_to("a")
    assert (offer.state, offer.reason) == (OfferState.OFFERED, f"arrive_limit+{reason_suffix}")


def test_a_decline_after_the_last_step_is_the_next_ringing():
    town = SmallTown(("a", "care", 100), ("b", "care", 200))
    town.roll.policies["service"] = policy((0, Target.NEAREST), (60, Target.NEXT))
    call, _ = due(town, town.pressed(Key.SERVICE))
    draft = town.draft(call, by="n")
    decide_command(Decline(by="n", station="a"), draft, town.world())
    assert [told.entry.name for told in draft.told] == ["call.declined", "call.escalated", "call.dispatched"]
    assert [one.to for one in draft.told[-1].entry.fact.asked] == ["b"]
