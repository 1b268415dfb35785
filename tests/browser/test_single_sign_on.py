"""The organisation's login, as a person meets it: a button, another site, and back at the call."""

from __future__ import annotations

import asyncio
import time

from oidc_provider import LittleProvider
from patience import PATIENCE
from playwright.async_api import expect

from browser.screens import House


async def test_the_button_leads_to_the_provider_and_back_to_work(
    vouched_house: House, provider: LittleProvider
) -> None:
    house = vouched_house
    await house.give_login("s-01")
    provider.person = "s-01"
    console = await house.stranger("/#/calls")
    console.may_fail("401 GET .*/me")
    button = console.find("[data-action=oidc]")
    await expect(button).to_have_text("古槐区统一登录")
    await button.click()
    await console.ready()
    assert console.page.url == f"{house.server.url}/#/calls"
    cookies = {one["name"]: one for one in await console.context.cookies()}
    assert (cookies["yijian_session"]["sameSite"], cookies["yijian_session"]["httpOnly"]) == ("Strict", True)
    call = await house.press("btn-01")
    await console.open(call)
    await console.step("accept")
    await console.stands(call, "accepted")
    told = {fact["fact"]: fact.get("by") for fact in await house.desk.journal(call)}
    assert told["call.accepted"] == "s-01"


async def test_a_stranger_and_a_provider_that_is_away_are_told_in_both_languages(
    vouched_house: House, provider: LittleProvider
) -> None:
    house = vouched_house
    provider.person = "nobody-here"
    console = await house.stranger()
    console.may_fail("401 GET .*/me")
    console.may_fail("403 GET /login/oidc/back")
    await console.find("[data-action=oidc]").click()
    page = console.find("[data-told=unknown]")
    await expect(page).to_contain_text("请联系本区管理员开通")
    await expect(page).to_contain_text("Ask your administrator")
    await page.get_by_role("link", name="用密码登录").click()
    await expect(console.find("[name=password]")).to_be_visible()

    provider.slow_seconds = 20.0
    console.may_fail("503 GET /login/oidc")
    # What it said of itself is known already, so the browser itself waits at the provider; a fresh server asks first.
    console.may_fail("net::ERR_.* GET /(icon.svg|api/v1/login/ways)")  # the page may still be asking
    await asyncio.to_thread(house.server.kill)
    await asyncio.to_thread(house.server.start)
    await console.go("/")
    began = time.monotonic()
    await console.find("[data-action=oidc]").click()
    await expect(console.find("[data-told=away]")).to_contain_text("暂时连不上")
    assert time.monotonic() - began < 4.0 * PATIENCE
    provider.slow_seconds = 0.0
    await console.find("[data-told=away]").get_by_role("link", name="用密码登录").click()
    await console.log_in("s-02")
    await console.ready()
