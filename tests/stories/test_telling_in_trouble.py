"""Stories of messages in bad moments, each once found by a night of the simulated world (simulators/world/seeds.toml)."""

from __future__ import annotations

import asyncio

from harness import story

from dispatcher import alert_rows, outbox
from dispatcher.alerts import rows
from dispatcher.store import OutcomeUnknown, StoreUnavailable
from stories.office import Office
from stories.test_telling import DAUGHTER, DOWN, HOOK, NURSE, hook, on_duty, quiet_town, staffed


@story(picture=False, district=staffed())
async def test_somebody_accepts_while_the_summons_is_read_from_the_table_and_it_is_not_sent(town):
    """Night 58: between the last look at the call and the sending its fact was read from disk."""
    office = await Office.at(town)
    await on_duty(town)
    office.answers[NURSE] = [DOWN]
    read, taken = town.feed.event, []

    async def slowly(district, seq):
        event = await read(district, seq)
        if event is not None and event.name == "call.dispatched" and not taken:
            taken.append(await town.accept("st-02", by="s-02"))
        return event

    town.feed.event = slowly
    await town.press("btn-01")
    await town.advance(seconds=20)
    assert taken
    assert office.said(NURSE) == []
    assert len([where for _, where, _ in office.tries if where == NURSE]) == 1
    quiet_town(town)


@story(picture=False, district=staffed(webhooks=[hook("wh-1", HOOK, "call.*")]))
async def test_a_new_endpoint_while_the_post_looks_through_its_own_costs_no_turn(town):
    """Night 24: the turn failed, and what was due waited for the next."""
    office = await Office.at(town)
    office.post._endpoint("webhook/wh-1").tabled = True
    read = town.store.read

    async def meanwhile(statement, parameters=None):
        if statement is rows.WAITING_LANES:
            office.post._endpoint("webhook/wh-2")
        return await read(statement, parameters)

    town.store.read = meanwhile
    await town.advance(seconds=3)
    assert "webhook/wh-2" in office.post._endpoints
    assert office.post.faults == 0


@story(picture=False, poll=1)
async def test_a_word_that_was_carried_late_is_not_carried_again_behind_a_newer_one(town):
    """Night 155: its lease was over before it was struck out, and the button showed accepted after closed."""
    await town.press("btn-01")
    await town.advance(seconds=2)
    town.out.clear()
    town._tasks[2].cancel()  # from here on this test is the carrier
    await town.accept("st-01")
    words = town.outbox.claim()
    taken = await anext(words)
    assert [parcel.news.state for parcel in taken] == ["accepted"]
    await town.advance(seconds=outbox.LEASE_SECONDS + 1)
    await town.outbox.carried([parcel.id for parcel in taken])
    again = asyncio.ensure_future(anext(words))
    await asyncio.sleep(3)
    assert not again.done(), "carried a second time"
    again.cancel()
    await asyncio.wait({again})
    town._tasks.pop(2)
    quiet_town(town)


@story(picture=False, district=staffed(webhooks=[hook("wh-1", HOOK, "call.*")]))
async def test_messages_of_a_commit_long_in_doubt_go_out_before_those_of_the_next(town):
    """Night 180: a relative could read that somebody is on the way before reading that she had called."""
    office = await Office.at(town)
    await on_duty(town)
    beneath = town.store._beneath
    write, read, doubt = beneath.write, beneath.read, []

    async def lost(work):
        if not doubt and any("fact" in row for do in work for row in do.rows):
            doubt.append(town.now)
            await write(work)
            raise OutcomeUnknown("the connection was lost")
        if doubt and town.now < doubt[0] + 8:
            raise StoreUnavailable("away")
        return await write(work)

    async def away(statement, parameters=None):
        if doubt and town.now < doubt[0] + 8:
            raise StoreUnavailable("away")
        return await read(statement, parameters)

    beneath.write, beneath.read = lost, away
    await town.send("btn-01")
    await town.advance(seconds=12)
    await town.accept("st-01", by="s-01", call=next(iter(town.ledger.open)))
    await town.advance(seconds=alert_rows.LEASE_SECONDS + 10)
    assert office.types(HOOK)[:3] == ["call.opened", "call.dispatched", "call.accepted"]
    assert "紧急求救" in office.said(DAUGHTER)[0]
    quiet_town(town)


@story(picture=False, poll=1, district=staffed(webhooks=[hook("wh-1", HOOK, "call.*")]))
async def test_put_back_by_an_hour_the_clock_puts_no_message_off_and_none_before_another(town):
    office = await Office.at(town)
    await on_duty(town)
    office.answers[HOOK] = [DOWN] * 2
    office.answers[DAUGHTER] = [DOWN]
    await town.press("btn-01")
    await town.advance(seconds=2)
    town.clock.set(-3600)
    await town.accept("st-01", by="s-01")
    await town.advance(seconds=30)
    assert office.types(HOOK)[:3] == ["call.opened", "call.dispatched", "call.accepted"]
    assert len(office.said(DAUGHTER)) == 2
    quiet_town(town)
