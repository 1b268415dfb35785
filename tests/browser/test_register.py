"""The register in daily work: somebody found by a few letters, an id that is taken, a workbook in with an error and out again."""

from __future__ import annotations

import asyncio
import io
import re

from openpyxl import Workbook, load_workbook
from playwright.async_api import Route, expect

from browser.screens import Console, House


async def test_somebody_is_found_by_the_initials_of_their_name(house: House) -> None:
    console = await house.console("d-01", "/#/residents")
    rows = console.find("[data-item]")
    await expect(rows).to_have_count(8)
    await console.find("[name=find]").fill("cgl")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("陈桂兰")
    await console.find("[name=find]").fill("桥头社区")
    await expect(rows).to_have_count(2)
    await console.find("[name=find]").fill("wsf")
    await console.page.keyboard.press("Enter")  # before the answer has come: it is meant all the same
    await expect(console.find("h2.serif")).to_have_text("卫素芳")

    console.may_fail("412 PUT /api/v1/residents/r-01")
    await console.go("/#/residents/+")
    await console.find('[data-field="id"] input').fill("r-01")
    await console.find('[data-field="name"] input').fill("同名同号")
    await console.find("[data-action=save]").click()
    await expect(console.find('[data-field="id"] .wrong')).to_have_text("这个编号已经有了")
    assert (await house.desk.get("/residents/r-01"))["name"] == "陈桂兰"

    await console.go("/#/devices/btn-02")
    await expect(console.find('[data-item="btn-02"] .sub')).to_have_text("周玉珍 · native")
    pick = console.find('[data-field="resident"] input')
    await expect(pick).to_have_value("周玉珍 r-02")
    await pick.fill("zsh")
    await console.find('[data-field="resident"] button').first.click()
    await expect(pick).to_have_value("郑淑华 r-04")


async def _downloaded(console: Console, button: str) -> Workbook:
    async with console.page.expect_download() as coming:
        await console.find(button).click()
    return load_workbook(io.BytesIO((await (await coming.value).path()).read_bytes()))


async def test_a_workbook_goes_in_with_its_errors_by_cell_and_comes_out_again(house: House) -> None:
    console = await house.console("d-01", "/#/sheets")
    book = await _downloaded(console, "[data-action=template]")
    sheet = book["老人"]
    heads = [str(cell.value).strip(" *") for cell in sheet[1]]
    row = sheet.max_row + 1
    for head, text in {"编号": "r-90", "姓名": "史新来", "出生年份": "一九四一"}.items():
        sheet.cell(row, heads.index(head) + 1, text)
    year = sheet.cell(row, heads.index("出生年份") + 1)

    async def choose() -> None:
        content = io.BytesIO()
        book.save(content)
        file = {"name": "老人.xlsx", "mimeType": "application/octet-stream", "buffer": content.getvalue()}
        await console.find("[name=file]").set_input_files([file])

    await choose()
    wrong = console.find(f'[data-errors] [data-cell="{year.coordinate}"]')
    await expect(wrong).to_contain_text(f"老人!{year.coordinate}")
    await expect(console.find("[data-action=load]")).to_have_count(0)
    seen = asyncio.Event()

    async def hold(route: Route) -> None:
        await seen.wait()
        await route.continue_()

    await console.page.route("**/district/preview**", hold, times=1)
    await choose()  # it is still being read when the right one is chosen: the last one is meant
    year.value = 1941
    await choose()
    load = console.find("[data-action=load]")
    await expect(load).to_be_visible()
    seen.set()
    await load.click()
    await expect(console.find("[data-said]")).to_contain_text("新增 1 条")
    assert (await house.desk.get("/residents/r-90"))["birth_year"] == 1941

    told = (await _downloaded(console, "[data-action=export]"))["老人"]
    rows = {line[0]: line for line in told.iter_rows(values_only=True)}
    assert "史新来" in rows["r-90"]
    assert re.search(r"\*{4}", str(rows["r-01"])), "telephones leave masked unless they are asked for"
    (await house.desk.delete("/residents/r-90")).ok(200, 204)
