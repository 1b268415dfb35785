"""What goes out is a row until it is carried; the newest word wins; nothing grows."""

from __future__ import annotations

import pytest
from harness import LINGER, story

from dispatcher.outbox import LEASE_SECONDS, STALE_SECONDS, WORDS
from dispatcher.store import StoreUnavailable


def quiet(**how):
    return story(picture=False, **how)


def waiting(town):
    return town.store.connection.execute("SELECT count(*) FROM outbox").fetchone()[0]


@quiet(poll=1)
async def test_what_was_carried_is_struck_out(town):
    await town.press("btn-01")
    town.expect_offer("st-01")
    town.expect_wearer("btn-01", "received")
    await town.advance(seconds=1)
    assert waiting(town) == 0


@quiet(poll=1)
async def test_what_a_dead_process_had_in_hand_comes_back_at_the_start(town):
    await town.press("btn-01")
    town.expect_offer("st-01")
    town.out.clear()
    await town.kill()  # carried, and not struck out yet: at least once means it may come again
    await town.boot()
    town.expect_wearer("btn-01", "received")


@quiet(poll=1)
async def test_the_lease_brings_back_what_nobody_finished(town):
    await town.kill()
    batch = town.outbox.claim()
    await town.send("btn-01")
    await town.boot()
    await town.advance(seconds=LINGER)
    town.out.clear()
    await batch.aclose()
    town._tasks[2].cancel()  # the carrier dies with the next word in its hands
    await town.accept("st-01")
    taken = await anext(town.outbox.claim())
    assert [parcel.news.state for parcel in taken] == ["accepted"]
    assert waiting(town) == 1
    await town.advance(seconds=LEASE_SECONDS + 1)
    again = await anext(town.outbox.claim())
    assert [parcel.id for parcel in again] == [parcel.id for parcel in taken]
    town._tasks.pop(2)


@quiet(poll=1)
async def test_an_older_word_that_waits_is_dropped_when_a_newer_one_has_arrived(town):
    town.line_up = False
    await town.press("btn-01")
    town.expect_offer("st-01")
    await town.advance(seconds=0.5)
    town.line_up = True
    await town.accept("st-01")
    town.expect_wearer("btn-01", "accepted")
    await town.set_out("st-01")
    await town.advance(minutes=2)
    # "received" after "accepted" would frighten her.
    town.expect_wearer("btn-01", "en_route")
    assert waiting(town) == 0


@quiet(poll=1)
async def test_put_back_by_an_hour_the_clock_puts_no_word_off_and_takes_none_out_of_anybodys_hands(town):
    """Night 654: a word that could not be carried was due in an hour, and she was never told that somebody comes."""
    await town.press("btn-01")
    town.expect_offer("st-01")
    town.expect_wearer("btn-01", "received")
    town.line_up = False
    await town.accept("st-01")
    await town.advance(seconds=1)
    town.line_up = True
    town.clock.set(-3600)
    await town.advance(seconds=LEASE_SECONDS - 2)
    town.expect_silence()  # somebody whose clock is right may have it in hand still
    await town.advance(seconds=4)
    town.expect_wearer("btn-01", "accepted")
    await town.advance(seconds=1)
    assert waiting(town) == 0


@quiet(poll=60)
async def test_a_wearer_out_of_reach_for_long_is_given_up_on(town):
    town.line_up = False
    await town.press("btn-01", "service")
    await town.accept("st-01")
    await town.close("st-01", "service_done", evidence=None)
    town.expect_offer("st-01")
    await town.advance(seconds=STALE_SECONDS + 200)
    assert waiting(town) == 0
    assert town.outbox.failed >= 1


@quiet(poll=1)
async def test_many_calls_to_an_unreachable_device_keep_one_word_each(town):
    town.line_up = False
    for _ in range(5):
        await town.press("btn-01")
        await town.accept("st-01")
        await town.close("st-01")
        await town.advance(seconds=3)
    assert waiting(town) <= 6
    town.out.clear()
    town.line_up = True
    await town.advance(minutes=2)
    assert {out.what for out in town.out} == {"closed"}
    town.out.clear()


@quiet(poll=1)
async def test_a_full_disk_loses_no_word(town):
    town._tasks[2].cancel()
    await town.press("btn-01")
    town.expect_offer("st-01")
    parcels = await anext(town.outbox.claim())
    await town.outbox.carried([parcel.id for parcel in parcels])
    town.store.fail = lambda _work: StoreUnavailable("full")
    with pytest.raises(StoreUnavailable):
        await town.outbox.flush()
    town.store.fail = lambda _work: None
    await town.outbox.flush()
    assert waiting(town) == 0
    town._tasks.pop(2)


def test_every_state_has_words_in_both_languages():
    assert (
        WORDS["zh"].keys() == WORDS["en"].keys() == {"received", "accepted", "en_route", "on_scene", "closed"}
    )
