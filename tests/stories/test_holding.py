"""Somebody takes it: what stops, what starts, and what happens when they do not move (contract, section 4)."""

from __future__ import annotations

from harness import Town, story

from stories.places import EVERYBODY


async def accepted(town: Town, device: str = "btn-01", station: str = "st-01") -> str:
    call = await town.press(device)
    town.expect_offer("st-01")
    await town.accept(station)
    town.expect_wearer(device, "received", "accepted")
    return call


async def on_the_way(town: Town) -> str:
    call = await accepted(town)
    await town.set_out("st-01")
    town.expect_wearer("btn-01", "en_route")
    return call


@story
async def test_settled_by_telephone_without_losing_the_call(town):
    await accepted(town)
    await town.spoke("st-01", "answered")
    town.expect_next("en_route_within", 300)
    await town.advance(minutes=4)
    assert town.expect_state("accepted").spoke.result == "answered", "she is well, and the call is still held"
    await town.close("st-01", evidence="spoke_to_resident")
    town.expect_wearer("btn-01", "closed")
    call = town.expect_state("closed")
    assert (call.closed.outcome, call.closed.evidence) == ("helped", "spoke_to_resident")
    assert call.en_route is call.on_scene is None, "nobody had to walk"


@story
async def test_spoke_answered_but_neither_set_out_nor_closed_goes_on_after_five_minutes(town):
    await accepted(town)
    await town.advance(minutes=1)
    await town.spoke("st-01", "answered")
    await town.advance(seconds=299)
    town.expect_state("accepted")
    await town.advance(seconds=1)
    town.expect_state("received")
    town.expect_wearer("btn-01", "received")
    # Steps count from the opening: six minutes have gone, the whole circle is due.
    town.expect_offer("st-02", "cen-1", *EVERYBODY)


@story
async def test_spoke_no_answer_changes_no_deadline(town):
    await accepted(town)
    await town.advance(seconds=100)
    await town.spoke("st-01", "no_answer")
    town.expect_next("en_route_within", 20)
    await town.advance(seconds=20)
    town.expect_state("received")
    town.expect_wearer("btn-01", "received")
    town.expect_offer("st-02", "cen-1")


@story
async def test_an_accept_withdraws_every_other_offer_and_stops_the_steps(town):
    await town.press("btn-01")
    await town.advance(minutes=2)
    town.expect_offer("st-01", "st-02", "cen-1")
    await town.accept("cen-1")
    town.expect_wearer("btn-01", "received", "accepted")
    assert town.offers() == {"st-01": "withdrawn", "st-02": "withdrawn", "cen-1": "accepted"}
    town.expect_next("en_route_within", 120)
    await town.set_out("cen-1")
    town.expect_wearer("btn-01", "en_route")
    await town.advance(minutes=12)
    town.expect_silence()


@story
async def test_of_two_who_accept_at_once_one_is_first_and_the_other_is_told_who(town):
    await accepted(town)
    decided = await town.accept("st-02", refused="accepted_already")
    assert "nurse of st-01" in decided.why
    await town.accept("st-01")  # the same person again: done already
    assert len(town.told("call.accepted")) == 1


@story
async def test_a_station_that_was_not_asked_may_take_it_and_so_may_the_desk(town):
    await accepted(town, station="st-03")
    await town.close("st-03", evidence="relative_confirmed")
    town.expect_wearer("btn-01", "closed")
    await accepted(town, station="")
    assert town.look().accepted.station == "desk"


@story(poll=60)
async def test_the_whole_way_by_its_steps_each_told_to_the_wearer(town):
    await on_the_way(town)
    await town.advance(minutes=5)
    await town.arrive("st-01", proof="nfc")
    town.expect_wearer("btn-01", "on_scene")
    await town.advance(minutes=20)
    await town.close("st-01", "hospital")
    town.expect_wearer("btn-01", "closed")
    await town.advance(hours=5)


@story
async def test_who_arrives_need_not_have_said_that_they_set_out(town):
    await accepted(town)
    await town.arrive("st-01")
    town.expect_wearer("btn-01", "on_scene")
    await town.set_out("st-01", refused="not_now")


@story
async def test_a_step_said_twice_by_the_same_person_is_done_once(town):
    await on_the_way(town)
    await town.set_out("st-01")
    await town.arrive("st-01")
    await town.arrive("st-01")
    await town.set_out("st-01")  # a retry that was long under way
    await town.close("st-01")
    await town.close("st-01")
    town.expect_wearer("btn-01", "on_scene", "closed")
    assert [e.name for e in town.events].count("call.closed") == 1


@story
async def test_a_holder_who_does_not_set_out_loses_it_and_the_next_is_asked_at_once(town):
    await accepted(town)
    await town.advance(seconds=119)
    town.expect_silence()
    await town.advance(seconds=1)
    town.expect_state("received")
    town.expect_wearer("btn-01", "received")
    town.expect_offer("st-02", "cen-1")
    assert town.offers()["st-01"] == "expired"


@story
async def test_the_former_holder_who_sets_out_after_all_has_it_again(town):
    await accepted(town)
    await town.advance(seconds=130)
    town.expect_wearer("btn-01", "received")
    town.expect_offer("st-02", "cen-1")
    await town.set_out("st-01")
    town.expect_wearer("btn-01", "accepted", "en_route")
    assert town.expect_state("en_route").accepted.station == "st-01"
    assert town.offers() == {"st-01": "accepted", "st-02": "withdrawn", "cen-1": "withdrawn"}


@story
async def test_the_former_holder_comes_too_late_when_another_has_it(town):
    await accepted(town)
    await town.advance(seconds=120)
    town.expect_offer("st-02", "cen-1")
    await town.accept("st-02")
    town.expect_wearer("btn-01", "received", "accepted")
    decided = await town.set_out("st-01", refused="held_by_another")
    assert "st-02" in decided.why
    town.expect_state("accepted")


@story
async def test_a_release_gives_it_to_the_next_and_not_to_the_same_again(town):
    await on_the_way(town)
    await town.release("st-01", text="flat tyre")
    town.expect_wearer("btn-01", "received")
    town.expect_offer("st-02")
    assert town.offers()["st-01"] == "declined"
    await town.release("st-01")  # said twice
    await town.advance(minutes=2)
    town.expect_offer("cen-1", "st-02", "cen-1", "st-03", "far-1", "desk")


@story
async def test_a_transfer_asks_the_other_at_once_and_the_holder_keeps_it_until_they_accept(town):
    await on_the_way(town)
    await town.transfer("st-03")
    town.expect_offer("st-03", why="transfer")
    assert town.expect_state("en_route").accepted.station == "st-01"
    town.expect_next("arrive_goal", 900)
    await town.accept("st-03")
    town.expect_wearer("btn-01", "accepted")
    call = town.expect_state("accepted")
    assert (call.accepted.station, call.en_route) == ("st-03", None)
    assert town.offers() == {"st-01": "withdrawn", "st-03": "accepted"}
    await town.arrive("st-01", refused="held_by_another")


@story
async def test_a_transfer_that_is_declined_leaves_the_call_with_its_holder(town):
    await accepted(town)
    await town.transfer("st-03")
    town.expect_offer("st-03")
    await town.decline("st-03")
    town.expect_state("accepted")
    await town.advance(seconds=120)  # the deadline went on meanwhile
    town.expect_state("received")
    town.expect_wearer("btn-01", "received")
    town.expect_offer("st-02", "cen-1")


@story
async def test_a_transfer_before_anybody_took_it_lets_the_steps_go_on(town):
    await town.press("btn-01")
    await town.transfer("far-1")
    town.expect_offer("st-01", "far-1")
    town.expect_wearer("btn-01", "received")
    await town.advance(minutes=1)
    town.expect_offer("st-02")


@story
async def test_the_arrival_goal_rings_and_the_limit_asks_others_too(town):
    await on_the_way(town)
    await town.advance(minutes=15)
    town.expect_ring("st-01", "desk", why="arrive_goal")
    await town.advance(minutes=15)
    town.expect_ring("st-01", "desk", why="arrive_limit")
    town.expect_offer("st-02", "desk", why="arrive_limit")
    assert town.expect_state("en_route").accepted.station == "st-01", "who is on the way stays on the way"
    await town.accept("st-02")
    town.expect_wearer("btn-01", "accepted")
    assert town.look().accepted.station == "st-02"


@story(poll=60)
async def test_a_call_that_stays_open_is_said_again_and_never_closed_by_a_timer(town):
    await on_the_way(town)
    await town.arrive("st-01")
    town.expect_wearer("btn-01", "on_scene")
    await town.advance(hours=4)
    town.expect_ring("st-01", "desk", why="close_within")
    await town.advance(hours=4)
    town.expect_ring("st-01", "desk", why="close_within")
    town.expect_state("on_scene")
    town.expect_next("close_within", 4 * 3600)


@story
async def test_the_helpers_button_at_her_side_is_the_arrival(town):
    await accepted(town)
    await town.send("btn-01", "helper_arrived")
    town.expect_wearer("btn-01", "on_scene")
    assert town.expect_state("on_scene").on_scene.proof == "device"


@story
async def test_the_helpers_button_before_anybody_took_it_is_a_note_and_the_steps_go_on(town):
    await town.press("btn-01")
    await town.send("btn-01", "helper_arrived")
    town.expect_state("received")
    assert town.told("call.noted")[0].step == "helper_arrived"
    await town.advance(minutes=1)
    town.expect_offer("st-01", "st-02")
    town.expect_wearer("btn-01", "received")


@story
async def test_a_step_taken_offline_keeps_its_time_and_one_that_no_longer_fits_is_a_note(town):
    await accepted(town)
    left_us = town.clock.now_us()
    await town.advance(seconds=90)
    await town.set_out("st-01", at_us=left_us)
    town.expect_wearer("btn-01", "en_route")
    assert town.look().en_route.at_us == left_us
    decided = await town.accept("st-02", at_us=left_us)
    assert decided.noted
    assert town.told("call.noted")[0].step == "accept"
    assert town.look().accepted.station == "st-01"
    # Neither before the opening nor in the future, whatever the telephone's clock says.
    await town.arrive("st-01", at_us=left_us + 10**15)
    town.expect_wearer("btn-01", "on_scene")
    assert town.look().on_scene.at_us == town.clock.now_us()
