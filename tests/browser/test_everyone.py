"""For everyone who sits there: axe finds nothing on any page, by day and by night; a narrow screen and a large zoom will do.

axe-core is put in through the debugger, so that the Content-Security-Policy stays as it is shipped.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from outside.harness import eventually
from playwright.async_api import expect

from browser.screens import NARROW, Console, House, Screen

_AXE = Path(__file__).parents[2] / "dispatcher/console/web/node_modules/axe-core/axe.min.js"
_RUN = """async () => {
    const found = await axe.run({ runOnly: %s });
    return found.violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.html.slice(0, 160)).join(" | ")}`);
}"""
_ALL = '["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]'
#: By night the same page has other colours, and nothing else.
_COLOURS = '{ type: "rule", values: ["color-contrast", "link-in-text-block"] }'
#: What is wider than the page, so that it would have to be pushed sideways.
_WIDE = """() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    const wide = [...document.querySelectorAll("body *")].filter((one) => one.getBoundingClientRect().right > width + 1);
    return [`${document.documentElement.scrollWidth} > ${width}`, ...wide.slice(0, 5).map((one) => one.outerHTML.slice(0, 120))];
}"""
_CARD_FORMS = ("decline", "transfer", "note")
#: What is opened on a page of the menu; `+` is a new one.
_SECTIONS = {
    "residents": "r-01",
    "devices": "btn-01",
    "stations": "st-01",
    "staff": "s-01",
    "areas": "411055001001",
    "webhooks": "+",
}


async def _is_for_everyone(screen: Screen, what: str, *, narrow: bool = False, rules: str = _ALL) -> None:
    await screen.settled()
    if not await screen.page.evaluate("'axe' in window"):
        await screen.page.evaluate(_AXE.read_text(encoding="utf-8"))
    assert await screen.page.evaluate(_RUN % rules) == [], what
    if narrow:
        assert await screen.page.evaluate(_WIDE) == [], what


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing_on_the_console(house: House, theme: str) -> None:
    rules = _ALL if theme == "light" else _COLOURS
    stranger = await house.stranger(color_scheme=theme)
    await expect(stranger.find("[name=login]")).to_be_visible()
    await _is_for_everyone(stranger, "login", rules=rules)
    stranger.may_fail("^401 POST /api/v1/login$")
    await stranger.log_in("s-01", "not the password at all")
    await expect(stranger.find(".wrong")).not_to_be_empty()
    await _is_for_everyone(stranger, "login refused", rules=rules)

    console = await house.console("s-01", color_scheme=theme)
    await _is_for_everyone(console, "empty", rules=rules)
    await console.start_shift()
    red, green, yellow = [
        await house.press(f"btn-0{n}", key) for n, key in ((1, "emergency"), (2, "service"), (3, "family"))
    ]
    await house.press("btn-01")
    (await house.desk.post("/signals", {"device": "btn-04", "id": f"tamper-{theme}", "type": "tamper"})).ok(
        201
    )
    for call in (red, green, yellow):
        await expect(console.row(call)).to_be_visible()
    await expect(console.find("[data-lane=fault] [data-fault]")).to_be_visible()
    await _is_for_everyone(console, "with calls", rules=rules)
    for form in _CARD_FORMS:
        await console.open(red)
        await console.step(form)
        await expect(console.card(red).locator("form")).to_be_visible()
        await _is_for_everyone(console, form, rules=rules)
        await console.page.keyboard.press("Escape")
    await console.step("accept")
    await console.stands(red, "accepted")
    await console.step("close")
    await console.card(red).locator("[data-confirm=close]").click()
    await _is_for_everyone(console, "close, with what is wrong", rules=rules)
    await console.find("header [aria-expanded]").first.click()
    await _is_for_everyone(console, "sound", rules=rules)
    await console.find("header [aria-expanded]").last.click()
    await _is_for_everyone(console, "menu", rules=rules)
    await console.page.keyboard.press("Escape")
    await console.page.keyboard.press("?")
    await expect(console.page.get_by_role("dialog")).to_be_visible()
    await _is_for_everyone(console, "help", rules=rules)
    (await house.desk.post("/signals", {"device": "btn-04", "id": f"ok-{theme}", "type": "heartbeat"})).ok(
        201
    )


async def _in_the_menu(console: Console) -> list[str]:
    """Every page that the menu leads to, but for the queue."""
    await console.page.get_by_role("button", name="菜单").click()
    links = await console.find("nav a[href^='#/']").evaluate_all("all => all.map(one => one.hash.slice(2))")
    await console.page.keyboard.press("Escape")
    assert {"residents", "policies"} <= set(links)
    return [link for link in links if link]


async def test_axe_finds_nothing_on_any_page_of_the_menu(house: House) -> None:
    console = await house.console("d-01")
    for section in await _in_the_menu(console):
        item = _SECTIONS.get(section, "")
        await console.go(f"/#/{section}")
        await expect(console.find("main h1").first).to_be_visible()
        await _is_for_everyone(console, section)
        for one in {item, "+"} - {""} if item else set():
            await console.go(f"/#/{section}/{one}")
            form = console.find("main form")
            await expect(form).to_be_visible()
            await _is_for_everyone(console, f"{section} {one}")
        if item:
            await console.page.locator("[data-action=save]").click()  # an empty one: what is wrong is told
            await _is_for_everyone(console, f"{section}, with what is wrong")


async def test_axe_finds_nothing_on_the_phone_and_the_wall(house: House) -> None:
    call = await house.press("btn-01")
    phone = await house.phone("s-01", call)
    await _is_for_everyone(phone, "a call", narrow=True)
    await phone.step("accept")
    await phone.stands(call, "accepted")
    await phone.step("en-route")
    await expect(phone.find("[data-proof]").first).to_be_visible()  # how an arrival is shown
    await phone.step("close")
    await _is_for_everyone(phone, "close", narrow=True)
    await phone.go("/r/mine")
    await expect(phone.find(f'[data-call="{call}"]')).to_be_visible()
    await _is_for_everyone(phone, "mine", narrow=True)
    phone.may_fail("^404 GET /api/v1/calls/c-none")
    await phone.go("/r/c-none")
    await expect(phone.find("main")).to_contain_text("不在可见范围内")
    await _is_for_everyone(phone, "no call of ours", narrow=True)
    wall = await house.screen("d-01", "/wall", viewport={"width": 1920, "height": 1080})
    await expect(wall.find("main.wall")).to_be_visible()
    await _is_for_everyone(wall, "wall")


@pytest.mark.parametrize(
    ("how", "context"),
    [
        ("360 px", {"viewport": NARROW}),
        ("a zoom of 200 %", {"viewport": {"width": 640, "height": 400}, "device_scale_factor": 2}),
    ],
)
async def test_nothing_has_to_be_pushed_sideways(house: House, how: str, context: dict) -> None:
    stranger = await house.stranger(**context)
    await expect(stranger.find("[name=login]")).to_be_visible()
    assert await stranger.page.evaluate(_WIDE) == []
    console = await house.console("d-01", **context)
    call = await house.press("btn-01")
    await expect(console.row(call)).to_be_visible()
    assert await console.page.evaluate(_WIDE) == [], "queue"
    card = await console.open(call)
    for form in ("transfer", "note"):
        await console.step(form)
        assert await console.page.evaluate(_WIDE) == [], form
    await console.step("accept")
    await expect(card).to_have_attribute("data-state", "accepted")
    await console.step("close")
    assert await console.page.evaluate(_WIDE) == [], "close"
    for section in await _in_the_menu(console):
        item = _SECTIONS.get(section, "")
        for one in ("", item) if item else ("",):
            await console.go(f"/#/{section}/{one}" if one else f"/#/{section}")
            await expect(console.find("main h1, main h2").locator("visible=true").first).to_be_visible()
            await console.settled()
            assert await console.page.evaluate(_WIDE) == [], f"{section} {one}"


async def test_no_letter_is_smaller_than_sixteen_pixels(house: House) -> None:
    small = """() => [...document.querySelectorAll("body *")]
        .filter((one) => one.getClientRects().length > 0 && [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== ""))
        .filter((one) => Number.parseFloat(getComputedStyle(one).fontSize) < 16)
        .map((one) => one.outerHTML.slice(0, 120))"""
    console = await house.console("d-01")
    call = await house.press("btn-01")
    await console.open(call)
    await console.settled()
    assert await console.page.evaluate(small) == []
    for section, item in _SECTIONS.items():
        await console.go(f"/#/{section}/{item}" if item else f"/#/{section}")
        await console.settled()
        assert await console.page.evaluate(small) == [], section
    await console.go(f"/r/{call}")
    await console.settled()
    assert await console.page.evaluate(small) == []


async def test_what_is_new_is_said_aloud(house: House) -> None:
    """A screen reader is told of a call the moment it comes, and of a step that was taken."""
    console = await house.console("s-01")
    call = await house.press("btn-01")
    loud = console.find("p[role=alert][aria-live=assertive]")
    await expect(loud).to_contain_text("陈桂兰")
    await house.press("btn-01")
    await expect(loud).to_contain_text("再次按键")
    await console.open(call)
    await console.step("accept")
    told = console.card(call).locator(".told[role=status]")
    await eventually(told.count, "what came of the step")
