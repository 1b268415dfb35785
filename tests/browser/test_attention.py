"""What calls for attention: sound, the title, the tab's picture, the browser's notices; and `seen`, which is real.

What is heard is tapped where the page gives it to the browser: every sound that is started or stopped, with its length.
"""

from __future__ import annotations

from typing import Any

from outside.harness import eventually
from playwright.async_api import expect

from browser.screens import Console, House

_TAP = """
window.heard = [];
for (const name of ["start", "stop"]) {
    const real = AudioBufferSourceNode.prototype[name];
    AudioBufferSourceNode.prototype[name] = function (...given) {
        if (this.buffer !== null) {
            const samples = this.buffer.getChannelData(0);
            const loud = samples.reduce((most, one) => Math.max(most, Math.abs(one)), 0);
            window.heard.push({ what: name, seconds: this.buffer.duration, again: this.loop, loud, state: this.context.state });
        }
        return real.apply(this, given);
    };
}
window.noticed = [];
window.Notification = class extends window.Notification {
    constructor(title, how) { super(title, how); window.noticed.push({ title, body: how.body, tag: how.tag }); }
};
"""


async def _sounding(console: Console) -> dict[str, Any] | None:
    """What is heard now."""
    heard = await console.page.evaluate("window.heard")
    return heard[-1] if heard and heard[-1]["what"] == "start" else None


async def _sounds(console: Console) -> dict[str, Any]:
    return await eventually(lambda: _sounding(console), "a sound")


async def _is_quiet(console: Console) -> None:
    async def quiet() -> bool:
        return await _sounding(console) is None

    await eventually(quiet, "the sound to end")


async def test_a_sound_of_its_own_for_each_key_until_somebody_accepts(house: House) -> None:
    await house.policy("service", silent="")  # at whatever hour this runs
    await house.policy("family", silent="")
    console = await house.console("s-01", before=_TAP)
    await console.start_shift()
    await expect(console.find("[data-banner=sound]")).to_have_count(0)
    lengths = {}
    for key in ("service", "family", "emergency"):
        call = await house.press("btn-01", key)
        sound = await _sounds(console)
        assert sound["again"], "it repeats"
        assert sound["loud"] > 0.3
        assert sound["state"] == "running"
        lengths[key] = sound["seconds"]
        await console.open(call)
        await console.step("accept")
        await console.stands(call, "accepted")
        await _is_quiet(console)
    assert len(set(lengths.values())) == 3, lengths
    # A red one is heard although a green one rang before.
    green = await house.press("btn-02", "service")
    assert (await _sounds(console))["seconds"] == lengths["service"]
    await house.press("btn-02", "emergency")

    async def red() -> bool:
        sound = await _sounding(console)
        return sound is not None and sound["seconds"] == lengths["emergency"]

    await eventually(red, "the red sound over the green one")
    assert (await house.desk.call(green))["state"] == "received"


async def test_muted_it_comes_back_after_thirty_seconds(house: House) -> None:
    console = await house.console("s-01", before=_TAP)
    await console.page.clock.install()
    await console.start_shift()
    await house.press("btn-01")
    await _sounds(console)
    await console.page.keyboard.press("m")
    await _is_quiet(console)
    await console.page.clock.fast_forward(25_000)
    assert await _sounding(console) is None, "still muted"
    await console.page.clock.fast_forward(5_100)
    await _sounds(console)


async def test_without_a_shift_nothing_sounds_and_the_page_says_so(house: House) -> None:
    console = await house.console("s-01", before=_TAP)
    await expect(console.find("[data-banner=shift]")).to_be_visible()
    call = await house.press("btn-01")
    await expect(console.row(call)).to_be_visible()
    assert await console.page.evaluate("window.heard") == []


async def test_title_and_the_tabs_picture_count_those_who_wait(house: House) -> None:
    console = await house.console("s-01")
    icon = console.find('link[rel="icon"]')
    await expect(icon).to_have_attribute("href", "/icon.svg")
    first = await house.press("btn-01")
    await expect(console.page).to_have_title("(1) 紧急求救 · 一键 调度工作台")
    one = await icon.get_attribute("href")
    assert one is not None
    assert one.startswith("data:image/png")
    await house.press("btn-02")
    await expect(console.page).to_have_title("(2) 紧急求救 · 一键 调度工作台")
    await expect(icon).not_to_have_attribute("href", one)
    (await house.desk.step(first, "accept", station="st-01")).ok()
    await expect(console.page).to_have_title("(1) 紧急求救 · 一键 调度工作台")
    await expect(icon).to_have_attribute("href", one)


async def test_the_browser_gives_notice_where_the_page_is_behind_another(house: House) -> None:
    console = await house.console("s-01", before=_TAP, permissions=["notifications"])
    await console.start_shift()
    await console.hide()
    call = await house.press("btn-01")
    [notice] = await eventually(lambda: console.page.evaluate("window.noticed"), "a notice")
    assert notice["tag"] == call
    assert notice["title"] == "紧急求救"
    assert "柳荫" in notice["body"]
    assert "陈桂兰" not in str(notice), "a screen in a public room is read by anybody"


async def test_seen_is_told_only_of_what_was_painted_and_could_be_seen(house: House) -> None:
    console = await house.console("s-01")
    await console.hide()
    hidden = await house.press("btn-01")
    await expect(console.row(hidden)).to_be_attached()
    # Another's fact about it comes through: the page had its time.
    (await house.desk.step(hidden, "note", text="先记一笔")).ok()
    await expect(console.page).to_have_title("(1) 紧急求救 · 一键 调度工作台")
    assert (await house.desk.call(hidden))["seen_by"] == []
    await console.show()
    await eventually(lambda: _seen(house, hidden), "the call to be seen")

    # Far down in a long queue, it is seen once somebody scrolls there.
    calls = []
    for number in range(14):
        body = {
            "name": f"来电 {number}",
            "address": f"古槐路 {number} 号",
            "area": "411055001001",
            "key": "service",
        }
        calls.append((await house.desk.post("/calls", body)).ok(201)["id"])
    await eventually(lambda: _seen(house, calls[0]), "the first to be seen")
    last = calls[-1]
    await expect(console.lane("service").locator("h2 .number")).to_have_text("14")
    assert (await house.desk.call(last))["seen_by"] == []
    await console.find("#calls").evaluate("list => list.scrollTo(0, list.scrollHeight)")
    await expect(console.row(last)).to_be_in_viewport()
    await eventually(lambda: _seen(house, last), "the last to be seen")


async def _seen(house: House, call: str) -> bool:
    return bool((await house.desk.call(call))["seen_by"])
