"""Whose step it is: what only the holder and the desk may say of a call that somebody has."""

from __future__ import annotations

from harness import story

from dispatcher.core.commands import Transfer


def quiet(**how):
    return story(picture=False, **how)


@quiet()
async def test_only_the_holder_and_the_desk_say_that_the_resident_was_reached(town):
    await town.press("btn-01")
    await town.accept("st-01")
    before = town.expect_state("accepted").deadlines
    await town.spoke("st-02", "answered", refused="held_by_another")
    assert town.expect_state("accepted").deadlines == before, "nobody else gives the holder time"
    await town.spoke("", "answered")
    assert town.expect_state("accepted").deadlines != before
    town.out.clear()


@quiet()
async def test_only_the_holder_and_the_desk_send_a_held_call_on(town):
    await town.press("btn-01")
    await town.accept("st-01")
    await town.ask(Transfer(by="nurse of st-02", station="st-02", to="st-03"), refused="held_by_another")
    await town.ask(Transfer(by="nurse of st-01", station="st-01", to="st-03"))
    assert town.expect_state("accepted").offer_to("st-03") is not None
    town.out.clear()


@quiet()
async def test_before_anybody_has_it_whoever_was_asked_may_do_both(town):
    await town.press("btn-01")
    await town.spoke("st-01", "no_answer")
    await town.ask(Transfer(by="nurse of st-01", station="st-01", to="st-03"))
    assert town.expect_state("received").spoke.result == "no_answer"
    town.out.clear()
