"""From one shift to the next: what is open is handed over and signed by two, who was helped is asked after, who is there is seen."""

from __future__ import annotations

import re
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone

from outside.harness import Server
from playwright.async_api import expect

from browser.screens import House

_SHANGHAI = timezone(timedelta(hours=8))


async def test_a_shift_with_an_open_call_is_handed_over_and_signed_by_two(house: House) -> None:
    await house.give_pin("s-02", "4711")
    console = await house.console("s-01")
    await console.start_shift()
    call = await house.press("btn-01")
    await console.open(call)
    await console.step("accept")
    await console.stands(call, "accepted")
    await console.find("[data-action=end-shift]").click()
    dialog = console.find("dialog.leave-shift")
    await expect(dialog).to_contain_text("1 个未结呼叫")
    await console.page.keyboard.press("Escape")
    await expect(console.find("[data-action=end-shift]")).to_be_visible()
    await console.find("[data-action=end-shift]").click()
    await dialog.locator("[data-action=to-handover]").click()

    await console.find("textarea[name=note]").fill("陈桂兰家的钥匙在站里")
    await console.find("[data-action=give-shift]").click()
    waits = console.find("section.waits")
    await expect(waits).to_contain_text("请接班人来签名")
    await console.find("[data-action=who]").click()
    await console.find('[data-person="s-02"]').click()
    await console.find("[name=pin]").fill("4711")
    await console.page.keyboard.press("Enter")
    await waits.locator("[data-action=take-shift]").click()
    signed = console.find("article.paper .signed")
    await expect(signed).to_contain_text("王护理")
    await expect(signed).to_contain_text("孙夜班")
    paper = console.find("article.paper")
    await expect(paper).to_contain_text("陈桂兰家的钥匙在站里")
    await expect(paper).to_contain_text("槐荫胡同1号楼2单元301室")
    [kept] = (await house.desk.get("/handovers?station=st-01&limit=1"))["items"]
    assert (kept["given"]["by"], kept["taken"]["by"], kept["counts"]["calls"]) == ("s-01", "s-02", 1)

    await console.page.emulate_media(media="print")
    await expect(console.find("header.top")).to_be_hidden()
    await expect(console.find("article.paper .lines")).to_be_visible()
    printed = await console.page.pdf(prefer_css_page_size=True)
    sheets = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", printed)
    assert {(round(float(wide)), round(float(high))) for wide, high in sheets} == {(595, 842)}, "A4, upright"
    await console.page.emulate_media(media="screen")

    # s-01 goes as well, and nobody is there: the district is told, since the last hand-over was taken by who left.
    (await house.desk.post("/staff/s-01/duty", {"on": False})).ok()
    await console.find("header [aria-expanded]").last.click()
    await console.find("nav.sheet button.item").last.click()
    await expect(dialog).to_contain_text("1 个未结呼叫")
    await dialog.locator("[data-action=end-anyway]").click()
    await expect(console.find("[name=password]")).to_be_visible()
    district = await house.console("d-01")
    await expect(district.find("[data-banner=handover]")).to_contain_text("柳荫助老站已无人在岗")
    house.forget("s-01")
    house.forget("s-02")


async def test_who_was_helped_is_asked_after_on_the_next_day(house: House) -> None:
    call = await house.press("btn-03")
    closing = datetime.now(UTC)
    await house.desk.step(call, "accept", station="st-01")
    await house.desk.step(call, "close", outcome="helped", evidence="on_site")
    console = await house.console("s-01", "/#/followups")
    await console.page.get_by_role("button", name="以后的").click()
    row = console.find(f'[data-follow-up="{call}"]')
    await expect(row).to_contain_text("吴秀英")
    await expect(row).to_contain_text("柳荫助老站")
    tomorrow = (closing.astimezone(_SHANGHAI) + timedelta(days=1)).date()
    await expect(row).to_contain_text(f"{tomorrow.month}月{tomorrow.day}日 18:00")
    await row.locator("[data-action=follow-up]").click()
    await row.locator("button[type=submit]").click()
    await expect(row.locator(".wrong")).to_have_text("请选一项结果")
    await row.locator("input[value=well]").check()
    await row.locator("[name=note]").fill("能下床了")
    await row.locator("button[type=submit]").click()
    await expect(console.find(".said")).to_contain_text("吴秀英")
    asked = await house.desk.get(f"/followups/{call}")
    assert (asked["state"], asked["result"], asked["tries"][0]["by"]) == ("done", "well", "s-01")


async def test_on_the_day_itself_it_is_worked_through_to_the_third_try_and_who_is_late_is_seen(
    house: House,
) -> None:
    calls = []
    for device in ("btn-03", "btn-04"):
        calls.append(await house.press(device))
        await house.desk.step(calls[-1], "accept", station="st-01")
        await house.desk.step(calls[-1], "close", outcome="helped", evidence="on_site")
    hers, late = calls
    _the_day_is_there(house.server, hers, due_in_hours=3)
    _the_day_is_there(house.server, late, due_in_hours=-1)
    console = await house.console("s-01", "/#/followups")
    row = console.find(f'[data-follow-up="{hers}"]')
    rows = console.find("[data-follow-up]")
    await expect(rows.first).to_have_attribute("data-follow-up", late)
    await expect(rows.first).to_contain_text("逾期")
    await expect(row).to_contain_text("吴秀英")
    await expect(row).not_to_contain_text("逾期")
    await expect(row.get_by_role("link", name="打电话给吴秀英")).to_have_attribute(
        "href", "tel:+99913855000003"
    )
    district = await house.console("d-01", "/#/followups")
    await expect(district.find("main.follow")).to_contain_text("全区有 1 件回访逾期")

    for attempt in (1, 2, 3):
        await row.locator("[data-action=follow-up]").click()
        await row.locator("input[value=not_reached]").check()
        await row.locator("[name=note]").fill(f"没人接（{attempt}）")
        await row.locator("button[type=submit]").click()
        if attempt < 3:
            await expect(console.find("p.said")).to_contain_text("再访")
            await expect(row).to_have_count(0)
            _the_day_is_there(house.server, hers, due_in_hours=3)
            await console.page.get_by_role("button", name="今日待访").click()
            await expect(row).to_contain_text(f"没人接（{attempt}）")
    await expect(console.find("p.said")).to_contain_text("已登记：吴秀英")
    await console.page.get_by_role("button", name="已回访").click()
    await expect(row).to_contain_text("第 3 次")
    asked = await house.desk.get(f"/followups/{hers}")
    assert (asked["state"], asked["result"]) == ("done", "not_reached")
    assert [one["by"] for one in asked["tries"]] == ["s-01"] * 3
    await house.desk.post(f"/followups/{late}/done", {"result": "well"})


def _the_day_is_there(server: Server, call: str, due_in_hours: float) -> None:
    """The next day comes to one entry, not to the server, whose clock all stories share: its row says when it is due."""
    now_us = time.time_ns() // 1000
    due_us = now_us + round(due_in_hours * 3_600_000_000)
    with closing(sqlite3.connect(server.data / "yijian.sqlite", timeout=10)) as rows, rows:
        moved = rows.execute(
            "UPDATE follow_ups SET from_us = ?, due_us = ? WHERE call = ? AND state = 'waiting'",
            (min(now_us, due_us) - 1_000_000, due_us, call),
        )
        assert moved.rowcount == 1


async def test_who_is_on_duty_is_seen_and_where_nobody_is(house: House) -> None:
    (await house.desk.post("/staff/s-03/duty", {"on": False})).ok()
    district = await house.screen("d-01", "/#/duty")
    lines = district.find("[data-station]")
    await expect(lines.first).to_contain_text("东园日间照料中心")
    await expect(lines.first).to_contain_text("无人在岗")
    await expect(district.find('[data-station="st-01"]')).to_contain_text("王护理")
