"""A further press is heard; a cancel is a request; the keys beside each other (contract, sections 4 and 8.2)."""

from __future__ import annotations

from harness import story

from stories.places import town as places
from stories.test_holding import accepted, on_the_way


@story
async def test_pressed_again_while_the_helper_is_on_the_way_is_heard(town):
    call = await on_the_way(town)
    await town.advance(minutes=3)
    assert await town.press("btn-01") == call, "it joins, however old the call is"
    town.expect_ring("st-01", why="pressed again")
    town.expect_wearer("btn-01", "en_route")
    town.expect_next("repress_within", 60)
    await town.see("st-01")
    town.expect_next("arrive_goal", 720)
    assert town.expect_state("en_route").presses == 2
    await town.advance(minutes=5)
    town.expect_silence()


@story
async def test_pressed_again_and_not_seen_by_the_holder_the_call_goes_on_to_others(town):
    await on_the_way(town)
    await town.advance(minutes=5)
    await town.press("btn-01")
    town.expect_ring("st-01")
    town.expect_wearer("btn-01", "en_route")
    await town.see("st-02")  # other people's eyes do not count
    await town.advance(seconds=59)
    town.expect_state("en_route")
    await town.advance(seconds=1)
    assert town.told("call.lapsed")[0].because == "repress_within"
    town.expect_state("received")
    town.expect_wearer("btn-01", "received")
    town.expect_offer("st-02", "cen-1", "st-01", "st-02", "cen-1", "st-03", "far-1", "desk")


@story
async def test_a_third_press_does_not_put_off_the_moment_of_the_second(town):
    await on_the_way(town)
    await town.press("btn-01")
    await town.advance(seconds=40)
    await town.press("btn-01")
    town.expect_ring("st-01", times=2)
    town.expect_wearer("btn-01", "en_route", "en_route")
    town.expect_next("repress_within", 20)
    await town.see("st-01")


@story
async def test_seen_before_the_second_press_does_not_answer_it(town):
    await accepted(town)
    await town.see("st-01")
    await town.set_out("st-01")
    await town.press("btn-01")
    town.expect_ring("st-01")
    town.expect_wearer("btn-01", "en_route", "en_route")
    town.expect_next("repress_within", 60)
    await town.see("st-01")
    assert "repress_within" not in town.look().deadlines


@story
async def test_pressed_again_with_the_helper_beside_her_rings_at_the_desk_too(town):
    await accepted(town)
    await town.arrive("st-01")
    await town.press("btn-01")
    town.expect_ring("st-01", "desk")
    town.expect_wearer("btn-01", "on_scene", "on_scene")
    await town.see("st-01")
    town.expect_state("on_scene")


@story
async def test_a_call_the_desk_holds_is_seen_by_whoever_sits_at_the_desk(town):
    await accepted(town, station="")
    await town.press("btn-01")
    town.expect_ring("desk")
    town.expect_wearer("btn-01", "accepted")
    await town.see("", by="the colleague beside")
    town.expect_next("en_route_within", 120)


@story
async def test_pressed_again_before_anybody_took_it_rings_where_it_was_offered(town):
    call = await town.press("btn-01")
    await town.advance(minutes=1)
    town.expect_offer("st-01", "st-02")
    assert await town.press("btn-01") == call
    town.expect_ring("st-01", "st-02")
    town.expect_wearer("btn-01", "received", "received")
    town.expect_next("step", 60)


@story
async def test_the_same_press_repeated_by_the_device_is_one_press(town):
    call = await town.press("btn-01", id="9f3a-1042")
    kept = await town.send("btn-01", id="9f3a-1042")
    assert kept.result == "duplicate"
    assert await town.inbox.call_of(kept.id) == call
    assert town.look().presses == 1
    town.expect_offer("st-01")
    town.expect_wearer("btn-01", "received")


@story
async def test_a_fall_and_a_press_of_one_resident_on_any_device_are_one_call(town):
    call = await town.press("btn-01")
    await town.send("belt-01", "fall")
    town.expect_offer("st-01")
    town.expect_ring("st-01")
    town.expect_wearer("btn-01", "received")
    town.expect_wearer("belt-01", "received")
    assert town.calls == [call]
    assert town.look().kind == "fall", "the graver kind names it"
    await town.accept("st-01")
    town.expect_wearer("btn-01", "accepted")
    town.expect_wearer("belt-01", "accepted")


@story
async def test_inactivity_and_hazards_open_emergencies(town):
    await town.send("btn-01", "inactivity")
    await town.send("btn-02", "hazard", details={"hazard": "gas"})
    town.expect_offer("st-01", times=2)
    town.expect_wearer("btn-01", "received")
    town.expect_wearer("btn-02", "received")
    assert [town.look(call).key for call in town.calls] == ["emergency", "emergency"]


@story
async def test_an_emergency_beside_an_open_service_call_opens_its_own(town):
    service = await town.press("btn-01", "service")
    emergency = await town.press("btn-01", "emergency")
    assert service != emergency
    town.expect_offer("st-01", times=2)
    town.expect_wearer("btn-01", "received", "received")
    assert await town.press("btn-01", "service") == service
    assert await town.press("btn-01") == emergency, "a press without a key is the red one"
    town.expect_ring("st-01", times=2)
    town.expect_wearer("btn-01", "received", "received")


@story
async def test_a_press_after_the_close_opens_a_new_call(town):
    first = await accepted(town)
    await town.close("st-01", evidence="spoke_to_resident")
    town.expect_wearer("btn-01", "closed")
    assert await town.press("btn-01") != first
    town.expect_offer("st-01")
    town.expect_wearer("btn-01", "received")


@story
async def test_the_cancel_key_is_a_request_and_stops_nothing(town):
    await town.press("btn-01")
    town.expect_offer("st-01")
    town.expect_wearer("btn-01", "received")
    await town.send("btn-01", "cancel")
    await town.send("btn-01", "cancel")
    assert town.expect_state("received").cancel_requested
    assert len(town.told("call.cancel_requested")) == 1
    await town.advance(minutes=1)
    town.expect_offer("st-02")
    await town.press("btn-01")  # and who presses again wants it after all
    town.expect_ring("st-01", "st-02")
    town.expect_wearer("btn-01", "received")
    assert not town.look().cancel_requested


@story
async def test_an_impossible_clock_never_swallows_a_press(town):
    now_us = town.clock.now_us()
    for device, how in {
        "btn-01": {"at": town_time(town, 40 * 365 * 86_400)},
        "btn-02": {"age_seconds": -5.0},
        "btn-04": {"age_seconds": 1e12},
    }.items():
        await town.press(device, **how)
        assert town.look().pressed_us == now_us
        town.expect_wearer(device, "received")
    town.expect_offer("st-01", "st-01", "st-02")


@story
async def test_a_press_that_comes_in_late_shows_when_it_was_pressed(town):
    await town.press("btn-01", age_seconds=300.0, at=town_time(town, -20))
    town.expect_offer("st-01")
    town.expect_wearer("btn-01", "received")
    call = town.look()
    assert (call.opened_us - call.pressed_us) / 1e6 == 300, "age beats the clock"
    view = await town.board.view(call)
    assert view["late_seconds"] == 300
    town.expect_next("step", 60)  # steps count from the opening


def town_time(town, seconds):
    from datetime import timedelta

    from config.doors import from_us

    return from_us(town.clock.now_us()) + timedelta(seconds=seconds)


@story(district=places(devices=[{"id": "lost-01"}]))
async def test_a_registered_button_of_nobody_still_calls(town):
    await town.press("lost-01")
    town.expect_offer("desk")
    town.expect_wearer("lost-01", "received")
    assert (town.look().device, town.look().resident) == ("lost-01", None)
