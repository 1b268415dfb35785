"""The green and the yellow key, and test mode (contract, sections 4, 7 and 8.8)."""

from __future__ import annotations

from harness import story


@story(poll=30)
async def test_a_service_call_is_patient_and_ends_at_the_desk(town):
    await town.press("btn-01", "service")
    town.expect_offer("st-01")
    town.expect_wearer("btn-01", "received")
    await town.advance(minutes=10)
    town.expect_offer("st-02", why="next")
    await town.advance(minutes=20)
    town.expect_offer("desk", why="district")
    await town.advance(minutes=29)
    town.expect_silence()
    await town.advance(minutes=1)
    town.expect_offer("st-01", "st-02", "desk")
    await town.accept("st-02")
    town.expect_wearer("btn-01", "accepted")
    await town.set_out("st-02")
    town.expect_wearer("btn-01", "en_route")
    await town.advance(hours=3)  # no arrival limits: it was asked for the afternoon
    town.expect_silence()


@story(poll=30)
async def test_the_family_key_without_a_way_to_reach_relatives_asks_the_nearest_at_once(town):
    await town.press("btn-04", "family")
    town.expect_offer("st-01", why="nearest")
    town.expect_wearer("btn-04", "received")
    assert town.told("call.skipped")[0].reason == "no_channel"
    # Two minutes were saved: the next is asked eight minutes later, not ten.
    town.expect_next("step", 480)
    await town.advance(minutes=8)
    town.expect_offer("st-02")
    await town.advance(minutes=20)
    town.expect_offer("desk")


@story
async def test_a_districts_own_policy_is_kept_by_the_calls_opened_under_it(town):
    await town.register.put_policy(
        "emergency", {"steps": [{"after": 0, "to": "nearest"}, {"after": 5, "to": "everyone"}]}
    )
    await town.press("btn-01")
    town.expect_offer("st-01")
    await town.policy("emergency")
    await town.advance(seconds=5)
    town.expect_offer("st-01", "st-02", "st-03", "cen-1", "far-1", "desk")
    town.expect_wearer("btn-01", "received")


@story
async def test_a_transfer_before_the_first_step_does_not_take_its_place(town):
    steps = [{"after": 10, "to": "nearest"}, {"after": 20, "to": "next"}]
    await town.policy("emergency", steps=steps)
    await town.press("btn-01")
    town.expect_wearer("btn-01", "received")
    await town.transfer("far-1")
    town.expect_offer("far-1", why="transfer")
    await town.advance(seconds=10)
    town.expect_offer("st-01", why="nearest")
    await town.advance(seconds=10)
    town.expect_offer("st-02", why="next")


async def _test_mode(town, seconds=600):
    await town.register.test_mode(["btn-01"], town.clock.now_us() + seconds * 1_000_000, "op")


@story
async def test_the_first_press_in_test_mode_is_the_test_and_the_next_one_is_real(town):
    await _test_mode(town)
    test = await town.press("btn-01")
    town.expect_wearer("btn-01", "received", "closed")
    call = town.expect_state("closed")
    assert (call.test, call.closed.outcome) == (True, "test")
    assert len(town.told("test.passed")) == 1
    assert await town.press("btn-01") != test
    town.expect_offer("st-01")
    town.expect_wearer("btn-01", "received")
    assert not town.look().test


@story
async def test_test_mode_ends_by_itself(town):
    await _test_mode(town)
    await town.advance(seconds=601)
    await town.press("btn-01")
    town.expect_offer("st-01")
    town.expect_wearer("btn-01", "received")


@story
async def test_a_fall_in_test_mode_is_real(town):
    await _test_mode(town)
    await town.send("btn-01", "fall")
    town.expect_offer("st-01")
    town.expect_wearer("btn-01", "received")


@story
async def test_a_press_that_joined_a_real_call_used_the_test_up(town):
    await town.press("btn-01")
    town.expect_offer("st-01")
    await _test_mode(town)
    await town.press("btn-01")
    town.expect_ring("st-01")
    await town.accept("st-01")
    await town.close("st-01")
    town.expect_wearer("btn-01", "received", "received", "accepted", "closed")
    await town.press("btn-01")
    town.expect_offer("st-01")
    town.expect_wearer("btn-01", "received")


@story
async def test_test_mode_survives_a_power_cut_and_its_end_does_too(town):
    await _test_mode(town)
    await town.dark(minutes=1)
    await town.press("btn-01")
    town.expect_wearer("btn-01", "received", "closed")
    await town.dark(minutes=1)
    await town.press("btn-01")
    town.expect_offer("st-01")
    town.expect_wearer("btn-01", "received")


@story
async def test_a_test_signal_is_no_call(town):
    kept = await town.send("btn-01", "test")
    assert await town.inbox.call_of(kept.id) is None
    assert town.calls == []
    assert len(town.told("test.passed")) == 1
    # Beside an open call as well.
    await town.press("btn-01")
    town.expect_offer("st-01")
    town.expect_wearer("btn-01", "received")
    kept = await town.send("btn-01", "test")
    assert await town.inbox.call_of(kept.id) is None
    assert town.look().presses == 1


@story
async def test_a_reopened_test_was_none(town):
    await _test_mode(town)
    await town.press("btn-01")
    town.expect_wearer("btn-01", "received", "closed")
    await town.reopen()
    town.expect_offer("st-01")
    town.expect_wearer("btn-01", "received")
    assert not town.look().test
