"""Nonsense in every field of every form: a clear message beside it, nothing executed, nothing saved."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator, expect

from browser.screens import NARROW, Console, House

MARKUP = '<img src=x onerror="window.executed=1"><script>window.executed=1</script>'
LONG = "王" * 500
#: By section: what is wrong with a field, and the text. The id and the name of the form are good ones meanwhile.
NONSENSE: dict[str, list[tuple[str, str]]] = {
    "residents": [
        ("id", "编 号!"),
        ("id", ""),
        ("name", ""),
        ("name", MARKUP),
        ("name", LONG),
        ("name", "。。。"),
        ("phone", "请打给我"),
        ("phone", "<b>138</b>"),
        ("birth_year", "去年"),
        ("birth_year", "1066"),
        ("address", MARKUP),
        ("address", LONG + "王"),
        ("location.lat", "north"),
        ("location.lon", "181"),
        ("notes", "门" * 4001),
        ("contacts[0].name", MARKUP),
        ("contacts[0].relation", LONG),
        ("contacts[0].phone", "没有"),
    ],
    "devices": [
        ("id", "a b"),
        ("name", MARKUP),
        ("address", LONG),
        ("heartbeat", "never"),
        ("heartbeat", "0"),
    ],
    "stations": [
        ("id", "../../etc"),
        ("name", MARKUP),
        ("name", LONG),
        ("phone", "+"),
        ("capacity", "-1"),
        ("capacity", "many"),
        ("location.lat", "91"),
        ("hours", "25:00-26:00"),
        ("hours", "早八点"),
        ("on_call.phone", "家里"),
        ("on_call.prepare_seconds", "soon"),
        ("closed.reason", LONG),
    ],
    "staff": [("id", "王 护理"), ("name", MARKUP), ("name", LONG), ("phone", "x")],
    "areas": [("code", "四一一"), ("name", MARKUP), ("name", LONG)],
    "webhooks": [
        ("id", "<>"),
        ("url", "javascript:alert(1)"),
        ("url", "ftp://example.org"),
        ("secret", "short"),
        ("events", "no.such"),
    ],
}
_ID = {"areas": "code"}


def _field(console: Console, path: str) -> Locator:
    return console.find(f'[data-field="{path}"]')


def _input(console: Console, path: str) -> Locator:
    return _field(console, path).locator("input:not([type=radio]):not([type=checkbox]), textarea").first


async def _told(console: Console, path: str, text: str) -> None:
    """A message stands beside the field, and the field says that it is wrong."""
    where = f"{path}: {text[:40]!r}"
    await expect(_field(console, path).locator(".wrong").first, where).not_to_be_empty()
    invalid = _field(console, path).locator('[aria-invalid="true"]')
    await expect(invalid.first, where).to_be_visible()
    assert await console.page.evaluate("window.executed") is None


@pytest.mark.parametrize("section", NONSENSE)
async def test_nonsense_in_a_register_form(house: House, section: str) -> None:
    console = await house.console("a-01", f"/#/{section}/+")
    console.may_fail(rf"^400 PUT /api/v1/{section}/")
    form = console.find("main form")
    await expect(form).to_be_visible()
    good = {_ID.get(section, "id"): "411055777" if section == "areas" else "test-0"}
    if section == "webhooks":
        good["url"] = "http://127.0.0.1:9/hook"
    else:
        good["name"] = "试一试"
    if section == "residents":
        await form.get_by_role("button", name="加一位联系人").click()
    if section == "stations":
        await _field(console, "hours").locator("input[type=radio]").last.check()
        await _field(console, "closed").locator("input[type=checkbox]").check()
        await console.find('[data-field="on_call"] input[type=checkbox]').first.check()
    for path, text in good.items():
        await _input(console, path).fill(text)
    for path, text in NONSENSE[section]:
        box = _input(console, path)
        before = await box.input_value()
        await box.fill(text)
        await box.blur()
        await console.find("[data-action=save]").click()
        await _told(console, path, text)
        await box.fill(before)
        await box.blur()
    there = await house.desk.ask("GET", f"/{section}/{good[_ID.get(section, 'id')]}")
    assert there.status == 404, "nothing was saved"


async def test_nonsense_in_policies_and_holidays(house: House) -> None:
    console = await house.console("a-01", "/#/policies")
    console.may_fail("^400 PUT /api/v1/policies/emergency$")
    await expect(console.find("form")).to_be_visible()
    for path, text in (
        ("steps[1].after", "-5"),
        ("steps[1].after", "bald"),
        ("repeat", "0"),
        ("repeat", "often"),
        ("en_route_within", ""),
        ("close_within", "-1"),
        ("silent", "night"),
        ("silent", "25:00-26:00"),
    ):
        box = _input(console, path)
        before = await box.input_value()
        await box.fill(text)
        await console.find("[data-action=save]").click()
        await _told(console, path, text)
        await box.fill(before)
    policy = await house.desk.get("/policies/emergency")
    assert policy["repeat"] == 600
    await console.go("/#/holidays")
    days = _input(console, "district.holidays")
    await expect(days).to_be_enabled()
    for text in ("国庆节", "2026-13-45", MARKUP):
        await days.fill(text)
        await console.find("[data-action=save]").click()
        await _told(console, "district.holidays", text)


async def test_nonsense_while_opening_a_call_by_hand(house: House) -> None:
    console = await house.console("s-01", "/#/open")
    await console.page.fill("[name=find]", MARKUP)
    await expect(console.find("#open-hits li")).to_have_count(0)
    await console.page.fill("[name=find]", "x" * 90)
    await console.page.click("[data-action=stranger]")
    for path, text in (
        ("name", MARKUP),
        ("name", LONG),
        ("phone", "不知道"),
        ("address", LONG + "王"),
        ("note", "门" * 4001),
    ):
        box = _input(console, path)
        await box.fill(text)
        await console.find("[data-action=open-call]").click()
        await _told(console, path, text)
        await box.fill("13800" if path == "phone" else "某处")
    assert await house.desk.all("/calls", state="open") == []


async def test_a_name_that_is_markup_is_text_wherever_it_is_shown(house: House) -> None:
    """The interface is told such a name by another program; every page shows it as it is, and runs nothing of it."""
    body = {
        "name": MARKUP,
        "address": MARKUP,
        "phone": "+99913855999999",
        "area": "411055001001",
        "location": {"lat": 34.02, "lon": 113.85},
        "note": MARKUP,
        "key": "emergency",
    }
    call = (await house.desk.post("/calls", body)).ok(201)["id"]
    console = await house.console("s-01")
    await expect(console.row(call)).to_contain_text("<img src=x")
    card = await console.open(call)
    await expect(card.locator("h2")).to_contain_text(MARKUP)
    await expect(card).to_contain_text("<script>window.executed=1</script>")
    await console.step("note")
    await card.locator("[name=text]").fill(MARKUP)
    await card.locator("[data-confirm=note]").click()
    await expect(card.locator("ol.facts")).to_contain_text("<img src=x")
    phone = await house.phone("s-01", call)
    await expect(phone.call(call)).to_contain_text(MARKUP)
    wall = await house.screen("d-01", "/wall", viewport={"width": 1920, "height": 1080})
    await expect(wall.find("main.wall")).to_be_visible()
    for screen in (console, phone, wall):
        await screen.settled()
        assert await screen.page.evaluate("window.executed") is None
        assert await screen.find("img[src=x], img[onerror]").count() == 0
        assert await screen.find("body script:not([src])").count() == 0


async def test_the_longest_name_pushes_nothing_aside(house: House) -> None:
    name = "欧阳" * 100
    body = {
        "id": "r-90",
        "name": name,
        "address": "长街" * 250,
        "area": "411055001001",
        "location": {"lat": 34.02, "lon": 113.85},
    }
    (await house.desk.put("/residents/r-90", body)).ok(201)
    call = (await house.desk.post("/calls", {"resident": "r-90", "key": "emergency"})).ok(201)["id"]
    for viewport in (None, NARROW):
        console = await house.console("s-01", **({} if viewport is None else {"viewport": viewport}))
        await expect(console.row(call)).to_be_visible()
        await console.open(call)
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert await console.page.evaluate(wide) == 0
        box = await console.card(call).locator("[data-action=accept]").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= (NARROW if viewport else {"width": 1280})["width"]
    (await house.desk.step(call, "accept", station="st-01")).ok()
    (await house.desk.step(call, "close", outcome="helped", evidence="on_site")).ok()
    assert (await house.desk.delete("/residents/r-90")).status == 204
