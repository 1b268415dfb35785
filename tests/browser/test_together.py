"""Several screens that show the same call: who was first, and what the others are told."""

from __future__ import annotations

import asyncio

from playwright.async_api import Route, expect

from browser.screens import Console, House


async def _hold_back(console: Console, what: str) -> asyncio.Event:
    """A slow line: what is sent there arrives only once the event is set."""
    go = asyncio.Event()

    async def later(route: Route) -> None:
        await go.wait()
        await route.continue_()

    await console.page.route(what, later)
    return go


async def test_of_two_who_accept_the_second_is_told_who_was_first(house: House) -> None:
    first, second = await asyncio.gather(house.console("s-01"), house.console("d-01"))
    call = await house.press("btn-01")
    for console in (first, second):
        await console.open(call)
    go = await _hold_back(second, "**/accept")
    second.may_fail(rf"^409 POST /api/v1/calls/{call}/accept$")
    await second.step("accept")
    await first.step("accept")
    await first.stands(call, "accepted")
    go.set()
    told = second.card(call).locator(".told.bad")
    await expect(told).to_contain_text("柳荫助老站 · 王护理")
    for console in (first, second):
        await console.stands(call, "accepted")
        await expect(console.card(call).locator(".holder")).to_contain_text("王护理")
        await expect(console.card(call).locator("[data-action=accept]")).to_have_count(0)
    held = await house.desk.call(call)
    assert held["accepted"]["by"] == "s-01"
    names = [fact["fact"] for fact in await house.desk.journal(call)]
    assert names.count("call.accepted") == 1


async def test_every_step_of_one_is_on_the_others_screen(house: House) -> None:
    doing, looking = await asyncio.gather(house.console("s-01"), house.console("k-01"))
    call = await house.press("btn-02")
    for console in (doing, looking):
        await console.open(call)
    for action, state in (("accept", "accepted"), ("en-route", "en_route"), ("on-scene", "on_scene")):
        await doing.step(action)
        await doing.stands(call, state)
        await looking.stands(call, state)
    tracks = [
        await console.card(call).locator(".track time").evaluate_all("all => all.map(one => one.dateTime)")
        for console in (doing, looking)
    ]
    assert tracks[0] == tracks[1]
    assert len(tracks[0]) == 7


async def test_a_call_that_another_station_takes_says_so_instead_of_vanishing(house: House) -> None:
    near, other = await asyncio.gather(house.console("s-01"), house.console("s-03"))
    call = await house.press("btn-03")
    await expect(near.row(call)).to_contain_text("吴秀英")
    await expect(other.row(call)).to_have_count(0)
    (await house.desk.step(call, "transfer", station="st-02")).ok()
    await expect(other.row(call)).to_contain_text("吴秀英")
    await near.open(call)
    await near.step("accept")
    await near.stands(call, "accepted")
    row = other.row(call)
    await expect(row).to_contain_text(
        "柳荫助老站"
    )  # the name of who has it, and nothing else of that station
    await expect(row).to_contain_text("本站不用再去")
    await expect(row).to_be_visible()
    await expect(row).not_to_contain_text("吴秀英")
    await expect(row).not_to_contain_text("槐荫胡同")
    await expect(row.locator("[data-action=accept]")).to_have_count(0)
