"""Without a pointer: from the login to the close, with a focus that can be seen at each stop."""

from __future__ import annotations

from playwright.async_api import expect

from browser.screens import Console, House
from browser.town import PASSWORD

#: What has the focus, and whether its outline can be seen against what is behind it.
_FOCUS = """() => {
    const at = document.activeElement;
    const style = getComputedStyle(at);
    const box = at.getBoundingClientRect();
    return {
        what: at.dataset.action ?? at.dataset.confirm ?? at.name ?? at.className ?? at.tagName,
        tag: at.tagName,
        wide: Number.parseFloat(style.outlineWidth),
        style: style.outlineStyle,
        colour: style.outlineColor,
        inView: box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
    };
}"""


async def _stop(console: Console) -> dict:
    """Where the focus is: it must be seen."""
    at = await console.page.evaluate(_FOCUS)
    assert at["tag"] != "BODY", "the focus is nowhere"
    assert at["style"] != "none", at
    assert at["wide"] >= 2, at
    assert at["inView"], at
    return at


async def _tab_to(console: Console, selector: str, most: int = 40) -> None:
    """Tab until it has the focus; every stop on the way is seen."""
    for _ in range(most):
        await console.page.keyboard.press("Tab")
        await _stop(console)
        if await console.page.evaluate("(wanted) => document.activeElement.matches(wanted)", selector):
            return
    raise AssertionError(f"the tab key does not reach {selector} in {most} stops")


async def test_from_the_login_to_the_close_without_a_pointer(house: House) -> None:
    call = await house.press("btn-01")
    console = await house.stranger()
    await house.give_login("s-01")
    keys = console.page.keyboard
    await expect(console.find("[name=login]")).to_be_focused()
    await _stop(console)
    await keys.type("s-01")
    await keys.press("Tab")
    await expect(console.find("[name=password]")).to_be_focused()
    await _stop(console)
    await keys.type(PASSWORD)
    await keys.press("Enter")
    await console.ready()
    await _tab_to(console, "[data-action=start-shift]")
    await keys.press("Enter")
    await expect(console.find("[data-action=end-shift]")).to_be_visible()

    await keys.press("j")
    await expect(console.card(call)).to_be_visible()
    await expect(console.row(call).locator(".open")).to_be_focused()
    await _stop(console)
    await keys.press("a")
    await console.stands(call, "accepted")
    await _tab_to(console, "article [data-action=close]")
    await keys.press("Enter")
    form = console.card(call).locator("form.close")
    await expect(form.locator("[name=outcome]").first).to_be_focused()
    await _stop(console)
    await keys.press("Space")
    await expect(form.locator("[name=outcome]").first).to_be_checked()
    await _tab_to(console, "[name=evidence]")
    await keys.press("Space")
    await _tab_to(console, "textarea[name=note]")
    await keys.type("电话里说好了")
    await _tab_to(console, "[data-confirm=close]")
    await keys.press("Enter")
    await expect(console.card(call)).to_have_attribute("data-state", "closed")
    closed = (await house.desk.call(call))["closed"]
    assert (closed["outcome"], closed["note"]) == ("helped", "电话里说好了")


async def test_the_keys_are_written_down_and_escape_leads_back(house: House) -> None:
    console = await house.console("s-01")
    keys = console.page.keyboard
    call = await house.press("btn-01")
    await expect(console.row(call)).to_be_visible()
    await keys.press("?")
    help_ = console.page.get_by_role("dialog")
    await expect(help_).to_be_visible()
    await _stop(console)
    await keys.press("Escape")
    await expect(help_).to_have_count(0)
    await keys.press("j")
    await expect(console.card(call)).to_be_visible()
    await keys.press("n")
    note = console.card(call).locator("[name=text]")
    await expect(note).to_be_focused()
    await keys.type("ace")  # letters of a note are no steps
    await keys.press("Escape")
    await expect(note).to_have_count(0)
    assert (await house.desk.call(call))["state"] == "received"
