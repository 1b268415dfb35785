"""A number is masked for whoever only looks on, until they say why; whoever has the call telephones at once."""

from __future__ import annotations

from playwright.async_api import expect

from browser.screens import House

PHONE, MASKED = "+99913855000001", "+999138****0001"


async def test_whoever_has_the_call_telephones_at_once_and_whoever_looks_on_says_why(house: House) -> None:
    call = await house.press("btn-01")
    console = await house.console("s-01")
    card = await console.open(call)
    await expect(card.locator(f'.phones a[href="tel:{PHONE}"]')).to_be_visible()
    await console.step("accept")
    await console.stands(call, "accepted")
    await expect(card.locator(f'.phones a[href="tel:{PHONE}"]')).to_be_visible()

    street = await house.console("k-01")
    await street.page.clock.install()
    card = await street.open(call)
    phones = card.locator(".phones")
    await expect(phones).to_contain_text(MASKED)
    assert PHONE not in await street.text()
    await phones.locator("[data-action=unmask]").first.click()
    dialog = street.find("dialog.ask-why")
    await dialog.locator("[data-confirm=unmask]").click()
    await expect(dialog).to_contain_text("请写明理由")
    await dialog.locator("[name=why]").fill("家属来电核对")
    await street.page.keyboard.press("Enter")
    await expect(phones.locator(f'a[href="tel:{PHONE}"]')).to_be_visible()
    await expect(dialog).to_have_count(0)
    await street.page.clock.fast_forward(61_000)
    await expect(phones).to_contain_text(MASKED)
    assert PHONE not in await street.text()

    await street.go("/#/residents/r-02")
    await street.find(".extras [data-action=unmask]").click()
    await dialog.locator("button", has_text="核对登记信息").click()
    await dialog.locator("[data-confirm=unmask]").click()
    await expect(street.find('.extras a[href="tel:+99913855000002"]')).to_be_visible()

    lines = (await house.desk.get("/audit", act="unmask"))["items"]
    told = [(one["by"], one["id"], one["why"]) for one in lines]
    assert told.count(("s-01", "r-01", call)) == 1, "it came with the call, and is written down once"
    assert ("k-01", "r-01", "家属来电核对") in told
    assert ("k-01", "r-02", "核对登记信息") in told


async def test_the_registers_form_asks_why_for_each_and_masks_again(house: House) -> None:
    before = await house.desk.get("/residents/r-05")
    (await house.desk.put("/residents/r-05", before | {"door_code": "4711#"})).ok()
    district = await house.screen("d-01", "/#/residents/r-05")
    await district.page.clock.install()
    boxes = {
        name: district.find(f'[data-field="{name}"] input')
        for name in ("phone", "door_code", "identity_number")
    }
    dialog = district.find("dialog.ask-why")

    async def ask(field: str, why: str) -> None:
        await district.find(f'[data-field="{field}"] button').click()
        await dialog.locator("[name=why]").fill(why)
        await district.page.keyboard.press("Enter")
        await expect(boxes[field]).to_be_editable()

    district.may_fail("400 PUT")
    await boxes["identity_number"].fill("11010519491231 0021")
    await district.find("[data-action=save]").click()
    await expect(district.find('[data-field="identity_number"] .wrong')).to_contain_text("身份证号不对")
    await boxes["identity_number"].fill("11010519491231002x")  # the example of GB 11643
    await district.find("[data-action=save]").click()
    await expect(boxes["identity_number"]).to_have_value("1****************X")

    await ask("door_code", "核对门禁")
    await expect(boxes["door_code"]).to_have_value("4711#")
    await expect(boxes["phone"]).to_have_value("+999138****0005")
    await expect(boxes["identity_number"]).to_have_value("1****************X")
    await ask("identity_number", "办理补贴")
    await expect(boxes["identity_number"]).to_have_value("11010519491231002X")
    await district.page.clock.fast_forward(61_000)
    await expect(boxes["door_code"]).to_have_value("****")
    await expect(boxes["identity_number"]).to_have_value("1****************X")
    await expect(district.find("[data-action=save] ~ .said")).not_to_contain_text("未保存")
    lines = (await house.desk.get("/audit", act="unmask"))["items"]
    told = {(one["by"], one["id"], one["why"]) for one in lines}
    assert told >= {("d-01", "r-05", "核对门禁"), ("d-01", "r-05", "identity_number: 办理补贴")}
    (await house.desk.put("/residents/r-05", before)).ok()


async def test_on_the_phone_too(house: House) -> None:
    call = await house.press("btn-01")
    mine = await house.phone("s-01", call)
    await expect(mine.find(f'.phones a[href="tel:{PHONE}"]')).to_be_visible()
    looking = await house.phone("d-01", call)
    await expect(looking.find(".phones")).to_contain_text(MASKED)
    await looking.find(".phones [data-action=unmask]").first.click()
    await looking.find("dialog.ask-why").locator("button", has_text="联系家属").click()
    await looking.find("[data-confirm=unmask]").click()
    await expect(looking.find(f'.phones a[href="tel:{PHONE}"]')).to_be_visible()
