"""How a call ends, and how it does not (contract, section 4 and 8.5)."""

from __future__ import annotations

from harness import story

from stories.places import EVERYBODY
from stories.test_holding import accepted


@story
async def test_an_emergency_is_not_closed_without_evidence(town):
    await accepted(town)
    await town.close("st-01", "false_alarm", evidence=None, refused="evidence_needed")
    town.expect_state("accepted")
    await town.close("st-01", "false_alarm", evidence="spoke_to_resident")
    town.expect_wearer("btn-01", "closed")


@story
async def test_no_contact_needs_somebody_who_was_there(town):
    await accepted(town)
    await town.close("st-01", "no_contact", evidence="spoke_to_resident", refused="evidence_needed")
    await town.close("st-01", "no_contact", evidence="on_site")
    town.expect_wearer("btn-01", "closed")


@story
async def test_a_duplicate_names_the_other_call(town):
    other = await accepted(town)
    await town.press("btn-02")
    town.expect_offer("st-01")
    await town.accept("")
    town.expect_wearer("btn-02", "received", "accepted")
    await town.close("", "duplicate", refused="of_needed")
    await town.close("", "duplicate", of=town.calls[-1], refused="of_needed")
    await town.close("", "duplicate", of=other)
    town.expect_wearer("btn-02", "closed")


@story
async def test_nobody_closes_a_call_that_nobody_took(town):
    await town.press("btn-01")
    town.expect_offer("st-01")
    town.expect_wearer("btn-01", "received")
    await town.close("", refused="not_now")
    await town.close("st-01", refused="not_now")


@story
async def test_only_the_holder_or_the_desk_closes_it(town):
    await accepted(town)
    await town.close("st-02", refused="held_by_another")
    await town.close("")
    town.expect_wearer("btn-01", "closed")


@story
async def test_a_service_call_is_closed_without_evidence(town):
    await town.press("btn-01", "service")
    town.expect_offer("st-01")
    await town.accept("st-01")
    await town.close("st-01", "service_done", evidence=None)
    town.expect_wearer("btn-01", "received", "accepted", "closed")


@story
async def test_reopened_within_five_minutes_it_begins_again(town):
    await accepted(town)
    await town.close("st-01")
    town.expect_wearer("btn-01", "closed")
    await town.advance(minutes=5)
    await town.reopen("st-01", text="she pressed the wrong one")
    town.expect_offer("st-01", why="nearest")
    town.expect_wearer("btn-01", "received")
    call = town.expect_state("received")
    assert call.closed is call.accepted is None
    assert town.offers() == {"st-01": "offered"}
    await town.advance(minutes=3)
    town.expect_offer("st-02", "cen-1", *EVERYBODY)
    await town.advance(minutes=12)
    town.expect_ring("desk", why="arrive_goal")  # fifteen minutes from the reopening
    town.expect_offer(*EVERYBODY, times=10)


@story
async def test_reopened_without_its_former_station_nobody_is_shown_as_having_accepted(town):
    await accepted(town)
    await town.close("st-01")
    await town.change("stations", "st-01", closed={"reason": "fire drill"})
    await town.reopen()
    town.expect_offer("st-02")
    town.expect_wearer("btn-01", "closed", "received")
    assert town.offers() == {"st-01": "withdrawn", "st-02": "offered"}


@story
async def test_after_five_minutes_it_stays_closed(town):
    await accepted(town)
    await town.close("st-01")
    town.expect_wearer("btn-01", "closed")
    await town.advance(seconds=301)
    await town.reopen("st-01", refused="too_late")


@story
async def test_it_is_not_reopened_beside_a_newer_one(town):
    first = await accepted(town)
    await town.close("st-01")
    town.expect_wearer("btn-01", "closed")
    await town.press("btn-01")
    town.expect_offer("st-01")
    town.expect_wearer("btn-01", "received")
    decided = await town.reopen("st-01", first, refused="another_open")
    assert town.calls[1] in decided.why


@story
async def test_a_note_can_be_written_at_any_time(town):
    await accepted(town)
    await town.note("keys are with the neighbour")
    await town.close("st-01")
    await town.note("thanked us")
    town.expect_wearer("btn-01", "closed")
    history = await town.board.history(town.calls[0])
    assert [row["note"] for row in history if row["fact"] == "call.noted"] == [
        "keys are with the neighbour",
        "thanked us",
    ]
    town.expect_state("closed")


@story
async def test_steps_on_a_closed_call_say_that_it_is_closed(town):
    await accepted(town)
    await town.close("st-01")
    town.expect_wearer("btn-01", "closed")
    for step in (town.accept, town.decline, town.release, town.set_out, town.arrive):
        decided = await step("st-02", refused="not_now")
        assert "closed" in decided.why
    await town.spoke("st-01", "answered", refused="not_now")
    await town.transfer("st-02", refused="not_now")
    await town.see("st-01")
