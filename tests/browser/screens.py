"""What a story in a browser stands on: a house with people at screens, and buttons that are pressed.

    console = await house.console("s-01")        a browser of their own, logged in, with the queue on the screen
    call = await house.press("btn-01")           a real press over MQTT, until it is receipted
    await expect(console.row(call)).to_be_visible()
    await console.open(call)                     the card
    await console.step("accept")                 a button of the card that is open
    await console.stands(call, "accepted")

    phone = await house.phone("s-01", call)      the responder's page, on a phone
    wall = await house.screen("d-01", "/wall")   any other page

Whatever a page complains about (an error on its console, an exception that nobody caught, something that the
Content-Security-Policy forbade, a request that was refused) fails the story, unless the story said before that it will
happen: `console.may_fail("409 POST .*/accept")`.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

from outside.harness import Button, Desk, Server, eventually
from outside.places import close_all
from patience import PATIENCE
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    Response,
    expect,
)
from playwright.async_api import Error as PlaywrightError

from browser.town import LOGINS, PASSWORD, calm, give_login, usual_duty

_NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDE = {"width": 1280, "height": 800}
NARROW = {"width": 360, "height": 740}
#: Before anybody is known every page asks who we are, and whether this is a demo.
_USUAL = r"^401 GET /api/v1/me$|^404 GET /demo-login$"
_TELL_FORBIDDEN = """document.addEventListener("securitypolicyviolation", (event) =>
    console.error(`forbidden by the policy: ${event.violatedDirective} ${event.blockedURI}`))"""

_PAINTED = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"
_HIDE = """(state) => {
    Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
    Object.defineProperty(document, "hidden", { configurable: true, get: () => state === "hidden" });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def chromium() -> str:
    """The browser of this machine."""
    for name in _NAMES:
        if path := shutil.which(name):
            return path
    raise AssertionError(
        "there is no Chromium here: `make install-dev` as root, or `apt-get install chromium`"
    )


Kind = TypeVar("Kind", bound="Screen")


class Screen:
    """Somebody's browser window, in a context of its own."""

    def __init__(self, house: House, who: str, context: BrowserContext, page: Page) -> None:
        self.house = house
        self.who = who
        self.context = context
        self.page = page
        self.troubles: list[str] = []
        self._expected = [_USUAL]
        context.on("console", self._heard)
        context.on("weberror", lambda error: self.troubles.append(f"uncaught: {error.error}"))
        self._asking: set[Request] = set()
        context.on("request", self._asked)
        context.on("requestfinished", self._over)
        context.on("response", self._answered)
        context.on("requestfailed", self._failed)

    def may_fail(self, pattern: str) -> None:
        """From now on troubles with this pattern are part of the story."""
        self._expected.append(pattern)

    @property
    def complaints(self) -> list[str]:
        """Troubles that no story expects."""
        return [one for one in self.troubles if not any(re.search(how, one) for how in self._expected)]

    def _heard(self, message: ConsoleMessage) -> None:
        # What could not be loaded is told by its answer, with more words.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.troubles.append(f"console: {message.text}")

    def _asked(self, request: Request) -> None:
        self._asking.add(request)

    def _over(self, request: Request) -> None:
        self._asking.discard(request)

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self._over(response.request)  # nobody may read what else it says
            self.troubles.append(f"{response.status} {self._words(response.request)}")

    def _failed(self, request: Request) -> None:
        self._over(request)
        # Aborted: by the page itself, or because it was left.
        if request.failure != "net::ERR_ABORTED":
            self.troubles.append(f"{request.failure} {self._words(request)}")

    def _words(self, request: Request) -> str:
        return f"{request.method} {request.url.removeprefix(self.house.server.url)}"

    async def go(self, path: str) -> Self:
        """Show a page of the house."""
        await self.page.goto(self.house.server.url + path, wait_until="domcontentloaded")
        return self

    async def settled(self) -> None:
        """Everything that was asked for is there and painted, but for the stream, which never ends."""

        async def calm() -> bool:
            await self.page.evaluate(_PAINTED)
            return all("/api/v1/events" in asked.url for asked in self._asking)

        for _ in range(2):  # what was painted may have asked for more
            try:
                await eventually(calm, "the page to be there", within=10)
            except TimeoutError as late:
                raise TimeoutError(f"still asked for: {[self._words(one) for one in self._asking]}") from late

    async def hide(self) -> None:
        """Another tab is before it. A browser without a screen has no such thing, so the page is only told."""
        await self.page.evaluate(_HIDE, "hidden")

    async def show(self) -> None:
        """Back to this tab."""
        await self.page.evaluate(_HIDE, "visible")

    async def text(self) -> str:
        """Everything that can be read on the page."""
        return await self.page.evaluate("document.title + document.body.innerText")

    def find(self, selector: str) -> Locator:
        """What is found on the page."""
        return self.page.locator(selector)

    async def log_in(self, login: str, password: str = PASSWORD) -> None:
        """Fill the form and send it, as a person does."""
        await self.house.give_login(login)
        await self.page.fill("[name=login]", login)
        await self.page.fill("[name=password]", password)
        await self.page.click("form button[type=submit]")


class Console(Screen):
    """The dispatch console."""

    def lane(self, name: str) -> Locator:
        """A lane of the queue: emergency, service, family, test, fault."""
        return self.find(f"[data-lane={name}]")

    def row(self, call: str) -> Locator:
        """A call's row in the queue."""
        return self.find(f'[data-lane] [data-call="{call}"]')

    def card(self, call: str) -> Locator:
        """A call's card."""
        return self.find(f'article[data-call="{call}"]')

    async def open(self, call: str) -> Locator:
        """Choose the row, and wait for the card."""
        await self.row(call).get_by_role("button").first.click()
        await expect(self.card(call)).to_be_visible()
        return self.card(call)

    async def step(self, action: str) -> None:
        """Press a step's button on the card that is open."""
        await self.find(f"article [data-action={action}]").click()

    async def stands(self, call: str, state: str) -> None:
        """Row and card both show this state."""
        await expect(self.card(call)).to_have_attribute("data-state", state)
        await expect(self.row(call)).to_have_attribute("data-state", state)

    async def start_shift(self) -> None:
        """The click at the beginning of a shift."""
        async with self.page.expect_response("**/duty"):
            await self.page.click("[data-action=start-shift]")
        await expect(self.find("[data-action=end-shift]")).to_be_visible()

    async def ready(self) -> Self:
        """Logged in, the lists read, the stream open."""
        await expect(self.find(".link.live")).to_be_visible()
        if "#/" not in self.page.url:
            await expect(self.find("#calls")).not_to_contain_text("正在读取")
            await expect(self.lane("emergency")).to_be_attached()
        return self


class Phone(Screen):
    """The responder's page, `/r/{call}`."""

    def call(self, call: str) -> Locator:
        """The call that is shown."""
        return self.find(f'main[data-call="{call}"]')

    async def step(self, action: str) -> None:
        """Press a step's button."""
        await self.find(f"main [data-action={action}]").click()

    async def stands(self, call: str, state: str) -> None:
        """It shows this state."""
        await expect(self.call(call)).to_have_attribute("data-state", state)


@dataclass
class House:
    """The server of a story, somebody with every right at its interface, and everybody's screens."""

    server: Server
    browser: Browser
    desk: Desk
    screens: list[Screen] = field(default_factory=list)
    _buttons: dict[str, Button] = field(default_factory=dict)
    _changed: set[str] = field(default_factory=set)
    _logins: set[str] = field(default_factory=set)
    _states: dict[str, Any] = field(default_factory=dict)

    async def press(self, device: str, key: str = "emergency", **more: Any) -> str:
        """Press a button until it has its receipt; the call that it opened or joined."""
        if device not in self._buttons:
            self._buttons[device] = await Button.on(self.server, device)
        call: str = (await self._buttons[device].press(key, **more))["call"]
        return call

    async def policy(self, key: str, **changes: Any) -> None:
        """Another policy for the calls of this story."""
        (await self.desk.put(f"/policies/{key}", calm() | changes)).ok(200, 201)
        self._changed.add(key)

    async def power_cut(self) -> None:
        """The server is gone at once, and every button's connection with it."""
        self.server.kill()
        await self._let_go_of_buttons()

    async def power_back(self) -> None:
        """It starts again on the same data and the same ports."""
        await asyncio.to_thread(self.server.start)

    async def _let_go_of_buttons(self) -> None:
        for button in self._buttons.values():
            await button.close()
        self._buttons.clear()

    async def console(self, who: str, path: str = "/", **context: Any) -> Console:
        """The console of somebody who has logged in."""
        made = await self._made(Console, who, context)
        await made.go(path)
        return await made.ready()

    async def phone(self, who: str, call: str, **context: Any) -> Phone:
        """The phone of somebody who has logged in, with this call on it."""
        how = {"viewport": NARROW, "is_mobile": True, "has_touch": True, **context}
        made = await self._made(Phone, who, how)
        await made.go(f"/r/{call}")
        await expect(made.find("main")).to_be_visible()
        return made

    async def screen(self, who: str, path: str, **context: Any) -> Screen:
        """Any page, as somebody who has logged in; `who` empty: nobody has."""
        return await (await self._made(Screen, who, context)).go(path)

    async def stranger(self, path: str = "/", **context: Any) -> Console:
        """A browser in which nobody has logged in yet."""
        return await (await self._made(Console, "", context)).go(path)

    # Of the context everything that Playwright's `new_context` takes, and `before`: a script that runs before the page's own.
    async def _made(self, kind: type[Kind], who: str, context: dict[str, Any]) -> Kind:
        how: dict[str, Any] = {"viewport": WIDE, "locale": "zh-CN", "timezone_id": "Asia/Shanghai", **context}
        if who:
            how["storage_state"] = await self._state(who)
        before = how.pop("before", None)
        window = await self.browser.new_context(**how)
        window.set_default_timeout(10_000 * PATIENCE)
        await window.tracing.start(snapshots="BROWSER_SNAPSHOTS" in os.environ)
        await window.add_init_script(_TELL_FORBIDDEN)
        if before is not None:
            await window.add_init_script(before)
        made = kind(self, who, window, await window.new_page())
        self.screens.append(made)
        return made

    async def give_login(self, who: str) -> None:
        """Whoever is in the register has a login from now on."""
        if who in LOGINS and who not in self._logins:
            await give_login(self.server, who)
            self._logins.add(who)

    async def _state(self, who: str) -> Any:
        """The cookie of somebody: every browser of theirs begins with it. They log in again where a story ended it."""
        if not await self._opens(who):
            await self.give_login(who)
            context = await self.browser.new_context()
            headers = {"X-Yijian": "console", "Sec-Fetch-Site": "same-origin"}
            answer = await context.request.post(
                f"{self.server.url}/api/v1/login", data={"login": who, "password": PASSWORD}, headers=headers
            )
            assert answer.ok, f"{who} cannot log in: {answer.status} {await answer.text()}"
            self._states[who] = await context.storage_state()
            await context.close()
        return self._states[who]

    async def give_pin(self, who: str, pin: str) -> None:
        """They can change to this PC by it from now on."""
        context = await self.browser.new_context(storage_state=await self._state(who))
        headers = {"X-Yijian": "console", "Sec-Fetch-Site": "same-origin"}
        body = {"pin": pin, "password": PASSWORD}
        answer = await context.request.post(f"{self.server.url}/api/v1/me/pin", data=body, headers=headers)
        assert answer.ok, f"{who} has no PIN: {answer.status} {await answer.text()}"
        await context.close()

    def forget(self, who: str) -> None:
        """Their session is about to end: the next browser of theirs logs in anew."""
        self._states.pop(who, None)

    async def _opens(self, who: str) -> bool:
        """Whether the cookie from their last login is still good."""
        if who not in self._states:
            return False
        context = await self.browser.new_context(storage_state=self._states[who])
        answer = await context.request.get(f"{self.server.url}/api/v1/me")
        await context.close()
        return answer.ok

    async def keep(self, folder: Path) -> None:
        """Save what is to be seen for whoever looks why the story failed: pictures, traces, complaints."""
        folder.mkdir(parents=True, exist_ok=True)
        for number, screen in enumerate(self.screens, 1):
            name = f"{number}-{screen.who or 'nobody'}"
            for place, page in enumerate(screen.context.pages, 1):
                with suppress(PlaywrightError):
                    await page.screenshot(path=folder / f"{name}-{place}.png")
            with suppress(PlaywrightError):
                await screen.context.tracing.stop(path=folder / f"{name}.zip")
            (folder / f"{name}.txt").write_text("\n".join(screen.troubles), encoding="utf-8")
        (folder / "server.log").write_text(self.server.log, encoding="utf-8")

    @classmethod
    @asynccontextmanager
    async def opened(cls, server: Server, browser: Browser) -> AsyncIterator[Self]:
        """A house whose server starts and ends with it, with the usual people on duty."""
        try:
            server.start()
            async with Desk(server) as desk:
                await usual_duty(desk)
                yield cls(server, browser, desk)
        finally:
            server.end()

    async def leave(self) -> list[str]:
        """Close everything; what the screens complained of."""
        complaints = [f"{one.who or 'nobody'}: {words}" for one in self.screens for words in one.complaints]
        for screen in self.screens:
            with suppress(PlaywrightError):
                await screen.context.close()
        await self._let_go_of_buttons()
        self.screens.clear()
        return complaints

    async def tidy(self) -> None:
        """Nothing of this story is on the next one's screens: its calls are closed, duty and policies are the usual ones."""
        await usual_duty(self.desk)
        for key in self._changed:
            (await self.desk.put(f"/policies/{key}", calm())).ok()
        self._changed.clear()
        await close_all(self.desk, await self.desk.all("/calls", state="open"))
