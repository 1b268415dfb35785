"""Masked until asked for: who has a call in hand sees its numbers, everybody else says why; each time is a line."""

from __future__ import annotations

import asyncio

import pytest
from console_rooms import COMMUNITY, DISTRICT, OTHER_COMMUNITY, call, held, offered
from test_console_people import PHONE, Browser, browser, client, people, read_until

from dispatcher.core.call import OfferState, State
from dispatcher.tables import audit

__all__ = ["browser", "client", "people"]

MASKED = "138****0001"


async def lines(world):
    """Who saw whose numbers, and why."""
    query = audit.select().where(audit.c.act == "unmask").order_by(audit.c.seq)
    return [(row[2], row[4], row[5], row[8]) for row in await world.store.read(query)]


async def written(world, count):
    """So many of them, which come within a second or two."""
    for _ in range(60):
        if len(found := await lines(world)) >= count:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(found)


async def shown(browser, call_id="c-1"):
    _, view = await browser.ask("GET", f"/calls/{call_id}")
    return view["resident"]["phone"]


@pytest.mark.parametrize(
    ("login", "changes", "whole"),
    [
        ("s-1", {"offers": (offered("st-1"),)}, True),
        ("s-1", {"offers": (offered("st-1", OfferState.EXPIRED),)}, True),
        ("s-1", {"offers": (offered("st-1", OfferState.DECLINED),)}, False),
        ("s-1", {"offers": (offered("st-2"),)}, False),
        ("s-1", {"state": State.ACCEPTED, "accepted": held("st-1", "s-2")}, True),
        (
            "s-1",
            {"state": State.ACCEPTED, "accepted": held("st-2", "s-9"), "offers": (offered("st-1"),)},
            False,
        ),
        ("d-1", {"offers": (offered("st-1"),)}, False),
        ("d-1", {"offers": (offered("desk"),)}, True),
        ("d-1", {"state": State.ACCEPTED, "accepted": held("st-1", "d-1")}, True),
        ("g-1", {"offers": (offered("st-1"),)}, False),
        ("v-1", {"offers": (offered("v-1", person=True),)}, True),
    ],
)
async def test_a_call_comes_whole_to_whoever_has_it_in_hand(browser, world, login, changes, whole):
    await browser.login(login)
    world.board.put(call(**changes))
    assert await shown(browser) == (PHONE if whole else MASKED)
    if whole:
        for _ in range(3):
            await shown(browser)
        await asyncio.sleep(1.2)
        assert await lines(world) == [(login, "residents", "r-1", "c-1")], "once, and the reason is that call"
    else:
        await asyncio.sleep(1.2)
        assert await lines(world) == []


async def test_the_stream_brings_it_whole_too_and_that_is_written_down(browser, client, world):
    await browser.login()
    mine = call(offers=(offered("st-1"),))
    world.board.put(mine)
    world.feed.tell("call.dispatched", mine)
    headers = {"Cookie": f"yijian_session={browser.cookie}"}
    async with client.get("/api/v1/events?after=0", headers=headers) as stream:
        assert PHONE.encode() in await read_until(stream, b"call.dispatched")
        theirs = call(state=State.ACCEPTED, accepted=held("st-2", "s-9"), offers=mine.offers)
        world.board.put(theirs)
        world.feed.tell("call.accepted", theirs)
        assert PHONE.encode() not in await read_until(stream, b"call.accepted")
    assert await written(world, 1) == [("s-1", "residents", "r-1", "c-1")]


async def test_whoever_only_looks_on_says_why(browser, world):
    await browser.login("g-1")
    world.board.put(call(offers=(offered("st-1"),)))
    for why in ({}, {"why": None}, {"why": "  "}, {"why": "x"}, {"why": "a\u202eb"}, {"why": "x" * 201}):
        status, problem = await browser.ask("POST", "/calls/c-1/unmask", why)
        assert (status, problem["field"]) == (400, "why"), why
    assert await lines(world) == []
    status, numbers = await browser.ask("POST", "/calls/c-1/unmask", {"why": " 家属来电核对 "})
    assert status == 200
    assert (numbers["phone"], numbers["contacts"][0]["phone"]) == (PHONE, "13900000002")
    assert await lines(world) == [("g-1", "residents", "r-1", "家属来电核对")], "before it was answered"
    assert await shown(browser) == MASKED, "asked for once is shown once"


async def test_with_a_call_in_hand_nobody_types_a_reason(browser, world):
    await browser.login()
    status, problem = await browser.ask("POST", "/residents/r-1/unmask")
    assert (status, problem["field"]) == (400, "why")
    world.board.put(call(offers=(offered("st-1"),)))
    for path in ("/calls/c-1/unmask", "/residents/r-1/unmask"):
        status, numbers = await browser.ask("POST", path)
        assert (status, numbers["phone"]) == (200, PHONE)
    assert await lines(world) == [("s-1", "residents", "r-1", "c-1")] * 2


async def test_nobody_asks_beyond_their_scope(browser, api, world):
    world.board.put(call("c-3", resident="r-3", area=OTHER_COMMUNITY))
    for login in ("s-1", "g-1", "v-1"):
        one = Browser(browser.client)
        await one.login(login)
        for path in ("/calls/c-3/unmask", "/calls/nothing/unmask", "/residents/r-3/unmask"):
            status, answer = await one.ask("POST", path, {"why": "我想看看"})
            assert status == (403 if login == "v-1" and "residents" in path else 404), (login, path)
            assert PHONE not in str(answer)
    assert await lines(world) == []


async def test_whoever_telephoned_for_it_is_masked_and_asked_for_as_well(browser, world):
    await browser.login("d-1")
    world.board.put(call(resident=None, device=None))
    status, _ = await browser.ask("POST", "/calls/c-1/unmask", {"why": "回电"})
    assert status == 200
    [line] = await lines(world)
    assert line == ("d-1", "calls", "c-1", "回电")


async def test_the_district_reads_the_reason_and_erasing_takes_it_away(browser, api, world):
    await browser.login()
    await browser.ask("POST", "/residents/r-1/unmask", {"why": "她女儿李某来电"})
    _, found = await api("GET", "/audit?act=unmask", who="this_district")
    [item] = found["items"]
    assert (item["by"], item["id"], item["why"], item["district"], item["area"]) == (
        "s-1",
        "r-1",
        "她女儿李某来电",
        DISTRICT,
        COMMUNITY,
    )
    assert (await api("POST", "/residents/r-1/erase"))[0] == 200
    assert await lines(world) == [("s-1", "residents", "r-1", "[erased]")]
