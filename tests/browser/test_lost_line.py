"""The line to the server is lost: by a power cut, by a laptop that sleeps, by a phone in a lift."""

from __future__ import annotations

import time
from collections import Counter
from datetime import datetime

import pytest
from outside.harness import eventually
from playwright.async_api import expect

from browser.screens import Console, House

GONE = r"^net::ERR_(CONNECTION_REFUSED|CONNECTION_RESET|EMPTY_RESPONSE|INCOMPLETE_CHUNKED_ENCODING|INTERNET_DISCONNECTED) "


async def _shown(console: Console) -> list[tuple[str, str]]:
    rows = await console.find("[data-lane] [data-call]").evaluate_all(
        "rows => rows.filter(row => row.dataset.state !== 'closed').map(row => [row.dataset.call, row.dataset.state])"
    )
    return sorted((call, state) for call, state in rows)


async def _open_calls(house: House) -> list[tuple[str, str]]:
    return sorted((call["id"], call["state"]) for call in await house.desk.all("/calls", state="open"))


async def _shows_what_is(console: Console, house: House) -> None:
    """The same rows as the interface tells, each once."""

    async def same() -> bool:
        return await _shown(console) == await _open_calls(house)

    try:
        await eventually(same, "the rows to be what the interface tells", within=10)
    except TimeoutError:
        assert await _shown(console) == await _open_calls(house)


async def _ledger_tells_each_fact_once(console: Console, house: House, call: str) -> None:
    card = await console.open(call)
    await card.locator("ol.facts + button").click()
    journal = Counter(fact["at"] for fact in await house.desk.journal(call))

    async def told() -> Counter[str]:
        return Counter(
            await card.locator("ol.facts time").evaluate_all("all => all.map(one => one.dateTime)")
        )

    try:
        await eventually(lambda: _same(told, journal), "the ledger to tell each fact once")
    except TimeoutError:
        assert await told() == journal


async def _same(told, journal) -> bool:
    return await told() == journal


async def test_the_server_is_killed_in_the_middle_of_a_shift(own_house: House) -> None:
    house = own_house
    console = await house.console("s-01")
    await console.start_shift()
    before, held = await house.press("btn-01"), await house.press("btn-02")
    await console.open(held)
    await console.step("accept")
    await console.stands(held, "accepted")
    console.may_fail(GONE)

    await house.power_cut()
    await expect(console.find("[data-banner=lost]")).to_be_visible()
    await expect(console.row(before)).to_be_visible()
    await house.power_back()
    # Before the page is back, things have happened.
    during = await house.press("btn-03")
    await house.press("btn-01")
    (await house.desk.step(before, "note", text="邻居在敲门")).ok()
    (await house.desk.step(held, "close", outcome="helped", evidence="on_site")).ok()

    await console.ready()
    await expect(console.find("[data-banner=lost]")).to_have_count(0)
    await _shows_what_is(console, house)
    assert await _shown(console) == sorted([(before, "received"), (during, "received")])
    await expect(console.card(held)).to_have_attribute("data-state", "closed")
    await _ledger_tells_each_fact_once(console, house, before)
    # It is live again, and the shift goes on.
    await expect(console.find("[data-action=end-shift]")).to_be_visible()
    later = await house.press("btn-04")
    await expect(console.row(later)).to_be_visible()


@pytest.mark.parametrize("how", ["frozen", "offline"])
async def test_a_laptop_sleeps_while_two_minutes_of_facts_go_by(house: House, how: str) -> None:
    console = await house.console("d-01")
    kept, ends = await house.press("btn-01"), await house.press("btn-05")
    await expect(console.row(ends)).to_be_visible()
    debugger = await console.context.new_cdp_session(console.page)
    if how == "frozen":
        await debugger.send("Page.setWebLifecycleState", {"state": "frozen"})
    else:
        console.may_fail(GONE)
        await console.context.set_offline(True)

    comes = await house.press("btn-07", "service")
    (await house.desk.step(ends, "accept", station="st-02")).ok()
    for number in range(240):  # two a second, for two minutes
        (await house.desk.step(kept, "note", text=f"第 {number} 条")).ok()
    (await house.desk.step(ends, "close", outcome="helped", evidence="on_site")).ok()
    (await house.desk.step(comes, "accept", station="st-03")).ok()

    if how == "frozen":
        await debugger.send("Page.setWebLifecycleState", {"state": "active"})
    else:
        await console.context.set_offline(False)
    await console.ready()
    await _shows_what_is(console, house)
    assert await _shown(console) == sorted([(kept, "received"), (comes, "accepted")])
    await _ledger_tells_each_fact_once(console, house, kept)


async def test_a_phone_without_a_network_keeps_the_step_its_time_and_its_proof(house: House) -> None:
    call = await house.press("btn-01")
    home = (await house.desk.call(call))["resident"]["location"]
    phone = await house.phone(
        "s-01",
        call,
        geolocation={"latitude": home["lat"] + 0.001, "longitude": home["lon"]},
        permissions=["geolocation"],
    )
    await phone.step("accept")
    await phone.stands(call, "accepted")
    await phone.page.evaluate("navigator.serviceWorker.ready.then(() => caches.open('yijian-shell'))")
    await eventually(lambda: _kept_for_later(phone), "the page to be kept for later")

    phone.may_fail(GONE)
    await phone.context.set_offline(True)
    await phone.step("en-route")
    pressed = time.time()
    await phone.stands(call, "en_route")
    unsent = phone.find("[data-unsent]")
    await expect(unsent).to_be_visible()
    assert (await house.desk.call(call))["state"] == "accepted"

    await phone.page.reload()  # the service worker has the page
    await expect(unsent).to_be_visible()
    await phone.stands(call, "en_route")
    await phone.find("[data-proof=location]").click()  # a phone knows where it is without a network too
    await phone.stands(call, "on_scene")

    again = time.time()
    await phone.context.set_offline(False)
    await expect(unsent).to_have_count(0, timeout=20_000)
    await phone.stands(call, "on_scene")
    await expect(phone.find("main .told")).to_contain_text("已补发")
    now = await house.desk.call(call)
    assert (now["state"], now["on_scene"]["proof"]) == ("on_scene", "location")
    done = datetime.fromisoformat(now["en_route"]["at"]).timestamp()
    assert abs(done - pressed) < 1.5, "when it was really done"
    assert done < again
    [told] = [fact for fact in await house.desk.journal(call) if fact["fact"] == "call.en_route"]
    assert datetime.fromisoformat(told["at"]).timestamp() >= again, "and when it was told"


async def _kept_for_later(phone) -> bool:
    kept = await phone.page.evaluate("caches.match('/r/mine').then((page) => page !== undefined)")
    return kept and await phone.page.evaluate("navigator.serviceWorker.controller !== null")
