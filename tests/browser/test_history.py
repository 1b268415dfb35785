"""Who changed what in the register: on the item's own page, and on the page of all changes."""

from __future__ import annotations

import re

from playwright.async_api import expect

from browser.screens import NARROW, House


async def test_a_changed_number_stands_in_the_history_with_the_name_of_who_changed_it(house: House) -> None:
    before = await house.desk.get("/residents/r-04")
    district = await house.screen("d-01", "/#/residents/r-04")
    phone = district.find('[data-field="phone"] input')
    await expect(phone).to_be_visible()
    await district.find('[data-field="phone"] button').click()
    await district.find("dialog.ask-why [name=why]").fill("换了号码")
    await district.page.keyboard.press("Enter")
    await expect(phone).to_be_editable()
    await phone.fill("13712345678")
    panel = district.find('[data-part="history"]')
    await panel.locator("summary").click()
    await district.find("[data-action=save]").click()
    newest = panel.locator("[data-history]").first
    await expect(newest).to_contain_text("把 电话 由“")
    await expect(newest).to_contain_text("改为“137****5678”")
    name = (await house.desk.get("/staff/d-01"))["name"]
    await expect(newest).to_contain_text(name)
    await expect(newest.locator("time")).to_have_text(re.compile(r"^\d+月\d+日 \d\d:\d\d$"))

    everything = await house.screen("d-01", "/#/history", viewport=NARROW, locale="en-GB")
    line = everything.find("[data-history]").first
    await expect(line.get_by_role("link")).to_have_attribute("href", "#/residents/r-04")
    await expect(line).to_contain_text("changed Telephone from “")
    await everything.find("[name=section]").select_option("stations")
    await everything.find("[data-action=search]").click()
    await expect(everything.find('a[href="#/residents/r-04"]')).to_have_count(0)
    assert await everything.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
        "nothing sticks out"
    )
    (await house.desk.put("/residents/r-04", before)).ok()
