"""Nobody sees another's resident: not by an address, not by the interface with their own cookie."""

from __future__ import annotations

import json

import pytest
from playwright.async_api import expect

from browser.screens import House
from browser.town import DISTRICT, FAR_COMMUNITY, OTHER_STREET

#: What would give her away: her name, her telephone, her address, her daughter, her key.
MARKS = ("卫素芳", "+99913855000007", "槐荫胡同7号楼", "卫小妹", "钥匙在门垫下（7号）", "+99913855100007")

_FETCH = """async (paths) => {
    const answers = [];
    for (const path of paths) {
        const answer = await fetch("/api/v1" + path, { headers: { "X-Yijian": "console" } });
        answers.push([path, answer.status, await answer.text()]);
    }
    return answers;
}"""
#: The whole journal as it is told to them: over when nothing has come for a while.
_STREAM = """async () => {
    const stop = new AbortController();
    let told = "", quiet;
    const wait = (ms) => { clearTimeout(quiet); quiet = setTimeout(() => stop.abort(), ms); };
    wait(10000);
    try {
        const answer = await fetch("/api/v1/events?after=0", { signal: stop.signal });
        const reader = answer.body.getReader();
        const decoder = new TextDecoder();
        for (;;) {
            wait(told === "" ? 1500 : 500);
            const { value, done } = await reader.read();
            if (done) break;
            told += decoder.decode(value, { stream: true });
        }
    } catch { /* its time is over */ }
    return told;
}"""


@pytest.mark.parametrize("who", ["s-01", "k-01", "g-01", "v-01"])
async def test_whose_area_it_is_not_sees_nothing_of_her(house: House, who: str) -> None:
    call = await house.press("btn-07")
    (await house.desk.step(call, "note", text="卫素芳的邻居来电")).ok()
    screen = await house.screen(who, "/")
    screen.may_fail(r"^40[034] GET /api/v1/")
    await expect(screen.find(".link.live")).to_be_visible()
    for path in (
        "/",
        f"/#/calls/{call}",
        f"/r/{call}",
        "/#/residents/r-07",
        "/#/open/r-07",
        "/#/devices/btn-07",
        "/#/residents",
        "/wall",
        f"/?district={DISTRICT}#/residents/r-07",
    ):
        await screen.go(path)
        await expect(screen.find("main").first).to_be_visible()
        await screen.settled()
        await _reads_no_mark(await screen.text(), path)
    paths = [
        f"/calls/{call}",
        f"/calls/{call}/journal",
        "/calls?resident=r-07&state=open",
        f"/calls?area={FAR_COMMUNITY}",
        f"/calls?area={OTHER_STREET}&limit=500",
        "/calls?station=st-03",
        "/calls?device=btn-07",
        f"/calls?district={DISTRICT}&limit=500",
        "/residents/r-07",
        "/residents/r-07?unmask=phone",
        "/residents/r-07/routing",
        "/residents?limit=500",
        f"/residents?area={FAR_COMMUNITY}",
        "/devices/btn-07",
        f"/alerts?call={call}",
        "/district",
        "/audit?id=r-07",
        "/faults",
        "/coverage",
    ]
    for path, status, body in await screen.page.evaluate(_FETCH, paths):
        await _reads_no_mark(body, path)
        if path.startswith((f"/calls/{call}", "/residents/r-07", "/devices/btn-07")):
            assert status in (403, 404), (path, status)
    told = await screen.page.evaluate(_STREAM)
    await _reads_no_mark(told, "/events")
    assert call not in told


async def _reads_no_mark(text: str, where: str) -> None:
    found = [mark for mark in MARKS if mark in text or json.dumps(mark)[1:-1] in text]
    assert found == [], where


async def test_who_has_no_page_for_it_is_shown_none(house: House) -> None:
    """A station looks at the register and changes nothing; what is the district's is not in its menu."""
    console = await house.console("s-01")
    await console.page.get_by_role("button", name="菜单").click()
    menu = console.find("nav a")
    addresses = await menu.evaluate_all("all => all.map(one => one.getAttribute('href'))")
    assert "#/residents" in addresses
    assert "#/webhooks" not in addresses
    await console.go("/#/webhooks")
    await expect(console.lane("emergency")).to_be_attached()
    await console.go("/#/residents/r-01")
    await expect(console.find("form.item, form").first).to_be_visible()
    await expect(console.find("[data-action=save]")).to_have_count(0)
    await expect(console.find("[data-action=remove]")).to_have_count(0)


async def test_after_logging_out_nothing_is_left_on_the_page(house: House) -> None:
    call = await house.press("btn-01")
    console = await house.stranger()
    await console.log_in("s-02")
    await console.ready()
    await console.open(call)
    await console.page.get_by_role("button", name="菜单").click()
    await console.find("nav button").last.click()
    await expect(console.find("[name=login]")).to_be_visible()
    assert "陈桂兰" not in await console.text()
    [status] = [one[1] for one in await console.page.evaluate(_FETCH, ["/me"])]
    assert status == 401
