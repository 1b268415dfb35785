"""A shift at the console: a call from the press to its end, with the page that a nurse has before her."""

from __future__ import annotations

import asyncio
import time

import pytest
from outside.places import offers
from patience import PATIENCE
from playwright.async_api import expect

from browser.screens import Console, House


async def test_from_the_press_to_the_close(house: House) -> None:
    (
        await house.desk.post("/staff/s-01/duty", {"on": False})
    ).ok()  # the station has nobody until the shift starts
    console = await house.stranger()
    await console.log_in("s-02")
    await console.ready()
    await console.start_shift()

    pressed = time.monotonic()
    call = await house.press("btn-01")
    row = console.row(call)
    await expect(row).to_be_visible()
    assert time.monotonic() - pressed < 1.0 * PATIENCE, "a row within one second of the press"
    await expect(console.lane("emergency").locator(f'[data-call="{call}"]')).to_contain_text("陈桂兰")
    await expect(row).to_have_attribute("data-state", "received")
    assert offers(await house.desk.call(call)) == ["st-01"], "the shift is on duty"

    card = await console.open(call)
    await expect(card).to_contain_text("槐荫胡同1号楼2单元301室")
    await expect(card).to_contain_text("钥匙在门垫下")
    await console.step("accept")
    await console.stands(call, "accepted")
    await expect(card).to_contain_text("孙夜班")
    await console.step("en-route")
    await console.stands(call, "en_route")
    await card.locator("[data-proof=seen]").click()  # one tap, as the plain step is
    await console.stands(call, "on_scene")
    await expect(card.locator("ol.facts")).to_contain_text("见到老人")

    await console.step("close")
    await card.locator("[data-confirm=close]").click()
    await expect(card.locator("#close-outcome-wrong")).not_to_be_empty()
    await card.locator("[name=outcome][value=helped]").check()
    await card.locator("[data-confirm=close]").click()
    await expect(card.locator("#close-evidence-wrong")).not_to_be_empty()
    await card.locator("[name=evidence][value=on_site]").check()
    await card.locator("textarea[name=note]").fill("扶起来了，坐了一会儿")
    await card.locator("[data-confirm=close]").click()
    await expect(card).to_have_attribute("data-state", "closed")

    closed = await house.desk.call(call)
    assert closed["accepted"]["by"] == "s-02"
    assert closed["on_scene"]["proof"] == "seen"
    assert closed["closed"] | {"at": ""} == {
        "by": "s-02",
        "at": "",
        "outcome": "helped",
        "evidence": "on_site",
        "note": "扶起来了，坐了一会儿",
        "of": None,
    }
    await _ledger_is(console, call, await house.desk.journal(call), closed)


async def _ledger_is(console: Console, call: str, journal: list, closed: dict) -> None:
    """Every time of the ledger is the one that the interface tells."""
    first = {fact["fact"]: fact["at"] for fact in reversed(journal)}
    shown = (
        await console.card(call)
        .locator(".track time")
        .evaluate_all("times => times.map(time => time.dateTime)")
    )
    assert shown == [
        closed["pressed_at"],
        closed["opened_at"],
        first["call.dispatched"],
        first["call.seen"],
        *(closed[name]["at"] for name in ("accepted", "en_route", "on_scene", "closed")),
    ]


async def test_a_duty_that_was_not_written_down_is_said_in_red_and_asked_again(house: House) -> None:
    (await house.desk.post("/staff/s-02/duty", {"on": False})).ok()
    console = await house.console("s-02")
    console.may_fail(r"\b500 POST .*/duty")
    await console.page.route("**/duty", lambda route: route.fulfill(status=500, json={"detail": "no room"}))
    await console.find("[data-action=start-shift]").click()
    banner = console.find("[data-banner=duty]")
    await expect(banner).to_contain_text("上岗没有登记成功")
    await expect(console.find("[data-action=end-shift]")).to_contain_text("未登记上岗")
    await console.page.unroute("**/duty")
    await banner.get_by_role("button").click()
    await expect(banner).to_have_count(0)
    await expect(console.find("[data-action=end-shift]")).to_contain_text("值守中")
    assert (await house.desk.get("/staff/s-02"))["on_duty"] is True


async def test_a_station_hands_a_call_on_to_one_beyond_its_own_area(house: House) -> None:
    near, other = await asyncio.gather(house.console("s-01"), house.console("s-03"))
    call = await house.press("btn-04")
    card = await near.open(call)
    await near.step("transfer")
    choice = card.locator(".transfer label", has_text="东园日间照料中心")
    await expect(choice).to_contain_text("公里")
    await expect(card.locator(".transfer label", has_text="古槐区值班台")).to_be_visible()
    await choice.click()
    await card.locator("[data-confirm=transfer]").click()
    await expect(other.row(call)).to_contain_text("郑淑华")
    assert offers(await house.desk.call(call)) == ["st-01", "st-02"]


@pytest.mark.parametrize("answer", ["answered", "no_answer"])
async def test_the_telephones_answer_is_a_step(house: House, answer: str) -> None:
    console = await house.console("s-01")
    call = await house.press("btn-02")
    card = await console.open(call)
    await console.step("accept")
    await console.stands(call, "accepted")
    await console.step(f"spoke-{answer.replace('_', '-')}")
    await expect(card.locator(".spoke")).to_be_visible()
    spoke = (await house.desk.call(call))["spoke"]
    assert (spoke["result"], spoke["by"]) == (answer, "s-01")
    [fact] = [one for one in await house.desk.journal(call) if one["fact"] == "call.spoke"]
    await expect(card.locator(f'ol.facts time[datetime="{fact["at"]}"]')).to_have_count(1)


async def test_every_step_and_lane_has_the_name_it_was_promised(house: House) -> None:
    """What tests from outside hold on to."""
    stranger = await house.stranger()
    await expect(stranger.find("input[name=login]")).to_be_visible()
    await expect(stranger.find("input[name=password]")).to_have_attribute("type", "password")
    console = await house.console("s-01")
    for lane in ("emergency", "service", "family", "test", "fault"):
        await expect(console.lane(lane)).to_have_count(1)
    await expect(console.find("[data-action=start-shift]")).to_be_visible()
    calls = {
        key: await house.press(f"btn-0{n}", key)
        for n, key in enumerate(("emergency", "service", "family"), 1)
    }
    for key, call in calls.items():
        await expect(console.lane(key).locator(f'[data-call="{call}"][data-state=received]')).to_be_visible()
    (await house.desk.post("/devices/btn-04/test", {"for": 600})).ok(200, 201, 204)
    tested = await house.press("btn-04")
    await expect(console.find(f'[data-lane=emergency] [data-call="{tested}"]')).to_have_count(0)
    call = calls["emergency"]
    await console.open(call)
    offered = await _actions(console, call)
    assert offered >= {"accept", "decline", "spoke-answered", "spoke-no-answer", "transfer", "note"}
    await console.step("accept")
    await console.stands(call, "accepted")
    offered = await _actions(console, call)
    assert offered >= {
        "release",
        "en-route",
        "on-scene",
        "close",
        "spoke-answered",
        "spoke-no-answer",
        "transfer",
        "note",
    }


async def _actions(console: Console, call: str) -> set[str]:
    return set(
        await console.card(call)
        .locator("[data-action]")
        .evaluate_all("all => all.map(one => one.dataset.action)")
    )
