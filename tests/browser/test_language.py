"""Chinese and English: the whole page, what assistive technology is told, and the next day too."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from browser.screens import House


@pytest.mark.parametrize(("locale", "begins", "other"), [("zh-CN", "zh-CN", "en"), ("en-GB", "en", "zh-CN")])
async def test_the_language_is_the_browsers_until_somebody_chooses(
    house: House, locale: str, begins: str, other: str
) -> None:
    start = {"zh-CN": "开始值守", "en": "Start shift"}
    lane = {"zh-CN": "紧急求救", "en": "Emergency"}
    console = await house.console("s-01", locale=locale)
    html = console.find("html")
    button = console.find("[data-action=start-shift]")
    await expect(html).to_have_attribute("lang", begins)
    await expect(button).to_contain_text(start[begins])
    call = await house.press("btn-01")
    await expect(console.row(call)).to_contain_text(lane[begins])

    await console.page.get_by_role("button", name="菜单" if begins == "zh-CN" else "Menu").click()
    await console.find("nav [data-action=language]").click()
    await expect(html).to_have_attribute("lang", other)
    await expect(button).to_contain_text(start[other])
    await expect(console.row(call)).to_contain_text(lane[other])
    await expect(console.row(call)).to_contain_text("陈桂兰")

    await console.page.reload()
    await console.ready()
    await expect(html).to_have_attribute("lang", other)
    await expect(button).to_contain_text(start[other])
    # The phone and the wall of the same browser speak it too.
    await console.go(f"/r/{call}")
    await expect(console.find(f'main[data-call="{call}"]')).to_be_visible()
    await expect(html).to_have_attribute("lang", other)
    await console.go("/wall")
    await expect(console.find("main.wall")).to_be_visible()
    await expect(html).to_have_attribute("lang", other)


async def test_a_wrong_password_is_told_in_the_readers_language(house: House) -> None:
    console = await house.stranger(locale="en-GB")
    console.may_fail("^401 POST /api/v1/login$")
    await console.log_in("s-01", "not the password at all")
    await expect(console.find(".wrong")).to_contain_text("password")
    assert await console.find("[name=login]").input_value() == "s-01"
