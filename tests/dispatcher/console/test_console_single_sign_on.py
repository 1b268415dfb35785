"""The organisation's login: a browser goes to a real little provider and comes back, or does not get in."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import DummyCookieJar
from aiohttp.test_utils import TestClient, TestServer
from conftest import QUICK
from oidc_provider import SECRET, LittleProvider
from patience import PATIENCE
from yarl import URL

from config.oidc import OidcClient
from dispatcher.alerts.targets import Targets, connector
from dispatcher.console.app import Options, make_app
from dispatcher.console.oidc import Provider
from dispatcher.console.passwords import Hasher
from dispatcher.console.users import Users
from dispatcher.tables import audit, sessions, users

PASSWORD = "correct horse battery"


class Browser:
    """It keeps cookies by name and follows redirects by hand; the provider is another site."""

    def __init__(self, client: TestClient) -> None:
        self.client, self.cookies, self.set_cookies = client, {}, []

    async def go(self, address, **headers: str):
        """The status, where it leads, and the page."""
        here = URL(address)
        if here.host not in {None, "127.0.0.1"} or (here.port or self.client.port) != self.client.port:
            async with self.client.session.get(here, allow_redirects=False) as response:
                return response.status, response.headers["Location"], await response.text()
        sent = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} | headers
        async with self.client.get(
            here.relative() if here.is_absolute() else here, headers=sent, allow_redirects=False
        ) as response:
            for text in response.headers.getall("Set-Cookie", []):
                self.set_cookies.append(text)
                name, _, value = text.partition(";")[0].partition("=")
                self.cookies[name] = value
                if "Max-Age=0" in text:
                    self.cookies.pop(name)
            self.answered = response.headers
            return response.status, response.headers.get("Location", ""), await response.text()

    async def to_the_provider(self, back="/") -> str:
        """Where the provider sends back to, with the code."""
        status, there, _ = await self.go(URL("/login/oidc").with_query({"return": back}))
        assert status == 302
        self.sent_to = URL(there)
        status, there, _ = await self.go(there)
        assert status == 302
        return there

    async def enter(self, back="/"):
        return await self.go(await self.to_the_provider(back))

    async def me(self):
        sent = {"Cookie": f"yijian_session={self.cookies.get('yijian_session', '')}"}
        async with self.client.get("/api/v1/me", headers=sent) as response:
            return (await response.json())["staff"] if response.status == 200 else None


@pytest.fixture
async def provider(world):
    made = LittleProvider(world.clock)
    async with made.server:
        yield made


@pytest.fixture
async def people(world):
    await world.register.put("staff", {"id": "off", "name": "停用", "role": "district"})
    made = Users(world.store, world.clock, world.rolls)
    for login in ("s-1", "s-3", "off"):
        await made.add(login, QUICK.hash(PASSWORD), "cli")
    await made.disable("off", "cli")
    return made


@asynccontextmanager
async def console(world, tokens, client, *, targets=Targets.LOOPBACK, private=True, public_url=""):
    made = Provider(client, world.clock, lambda: connector(targets, per_host=8), private=private)
    options = Options(tokens=tokens, hasher=Hasher(QUICK), provider=made, public_url=public_url)
    async with TestClient(TestServer(make_app(world.rooms, options)), cookie_jar=DummyCookieJar()) as served:
        yield Browser(served)


@pytest.fixture
def oidc(provider):
    return OidcClient(
        issuer=provider.issuer, client_id="yijian", client_secret=SECRET, label_zh="统一登录", label_en="SSO"
    )


@pytest.fixture
async def browser(world, tokens, people, oidc):
    async with console(world, tokens, oidc) as made:
        yield made


def told(page: str) -> str:
    """Which of the pages that is."""
    return page.partition('data-told="')[2].partition('"')[0]


# ── the good way ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_somebody_goes_to_the_provider_and_comes_back_logged_in(browser, world, provider):
    status, there, _ = await browser.enter("/r/c-1?from=sms")
    assert (status, there) == (302, "/r/c-1?from=sms")
    assert await browser.me() == "s-1"
    trip, session, gone = browser.set_cookies
    assert gone.startswith("yijian_oidc=; Path=/login/oidc; Max-Age=0")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(session.split("; "))
    assert {"HttpOnly", "SameSite=Lax", "Path=/login/oidc", "Max-Age=600"} <= set(trip.split("; "))
    assert browser.sent_to.query["prompt"] == "login", "PCs are shared"
    [row] = await world.store.read(sessions.select())
    assert "oidc" in row
    assert ("s-1", "login", "sessions/oidc") in {
        (one.by, one.act, one.what) for one in await rows(world, audit)
    }
    assert SECRET not in str(browser.sent_to)
    assert browser.answered["Referrer-Policy"] == "no-referrer"
    assert provider.asked == ["openid-configuration", "authorize", "token", "keys"]


async def rows(world, table):
    names = [column.name for column in table.c]
    return [
        type("Row", (), dict(zip(names, row, strict=True))) for row in await world.store.read(table.select())
    ]


async def test_an_elliptic_key_signs_as_well_and_a_rotated_one_is_looked_up_once(browser, provider, world):
    assert (await browser.enter())[0] == 302
    provider.rotate()
    assert (await browser.enter())[0] == 302
    assert provider.asked.count("keys") == 2
    assert (await browser.enter())[0] == 302
    assert provider.asked.count("keys") == 2, "it is known now"
    provider.header = {"kid": "of nobody"}
    world.clock.us += 1_000_000
    assert told((await browser.enter())[2]) == "unfit"
    assert provider.asked.count("keys") == 2, "not again so soon"
    world.clock.us += 20_000_000
    assert told((await browser.enter())[2]) == "unfit"
    assert provider.asked.count("keys") == 3


async def test_whoever_was_logged_in_in_that_browser_is_out(browser, world):
    await browser.enter()
    first = browser.cookies["yijian_session"]
    await browser.enter()
    assert browser.cookies["yijian_session"] != first
    browser.cookies["yijian_session"] = first
    assert await browser.me() is None


async def test_the_login_form_is_told_of_the_button_without_asking_the_provider(browser, provider, client):
    provider.down = True
    async with browser.client.get("/api/v1/login/ways") as response:
        assert await response.json() == {
            "password": True,
            "oidc": {"label": {"zh-CN": "统一登录", "en": "SSO"}},
        }
    assert provider.asked == []
    async with client.get("/api/v1/login/ways") as response:  # a console without one
        assert await response.json() == {"password": True, "oidc": None}
    async with client.get("/login/oidc") as response:
        assert response.status == 404


# ── where it leads ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "place",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "/r/../../x",
        "\t//evil.example",
        "/%2f/evil.example",
        "javascript:alert(1)",
        "/r/c-1\r\nSet-Cookie: x=y",
        "/api/v1/logout",
    ],
)
async def test_it_leads_to_our_own_pages_and_nowhere_else(browser, place):
    status, there, _ = await browser.enter(place)
    assert (status, there) == (302, "/")


@pytest.mark.parametrize("place", ["/", "/wall", "/r/mine", "/#/residents", "/?x=1#/calls/c-1"])
async def test_it_leads_back_to_where_somebody_came_from(browser, place):
    assert (await browser.enter(place))[:2] == (302, place)


async def test_the_address_that_is_registered_is_the_public_one(world, tokens, people, oidc):
    async with console(world, tokens, oidc, public_url="https://yijian.example.cn") as browser:
        back = URL(await browser.to_the_provider())
        assert str(back.with_query(None)) == "https://yijian.example.cn/login/oidc/back"


async def test_another_site_cannot_begin_it(browser, provider):
    status, _, page = await browser.go("/login/oidc", **{"Sec-Fetch-Site": "cross-site"})
    assert (status, told(page)) == (403, "foreign")
    assert provider.asked == []


# ── what does not get in ──────────────────────────────────────────────────────────────────────────────────────────────


async def refused(browser, there, what, status):
    answer = await browser.go(there)
    assert (answer[0], told(answer[2])) == (status, what)
    assert "用密码登录" in answer[2]
    assert "Log in with the password" in answer[2]
    policy = browser.answered["Content-Security-Policy"]
    assert "form-action 'none'" in policy
    assert "unsafe" not in policy
    assert await browser.me() is None


async def test_another_state_and_another_browsers_are_refused(browser, provider):
    there = URL(await browser.to_the_provider())
    await refused(browser, str(there.update_query(state="guessed")), "stale", 400)
    there = await browser.to_the_provider()
    browser.cookies.clear()  # a link that somebody was sent: not this browser's
    await refused(browser, there, "stale", 400)
    there = await browser.to_the_provider()
    body, _, signature = browser.cookies["yijian_oidc"].partition(".")
    browser.cookies["yijian_oidc"] = f"{body[:-4]}AAAA.{signature}"
    await refused(browser, there, "stale", 400)
    assert "token" not in provider.asked


async def test_of_two_windows_the_later_one_goes_on(browser):
    first = await browser.to_the_provider()
    second = await browser.to_the_provider()
    await refused(browser, first, "stale", 400)
    assert (await browser.go(second))[0] == 302


async def test_a_code_is_good_once(browser, provider):
    there = await browser.to_the_provider()
    kept = browser.cookies["yijian_oidc"]
    assert (await browser.go(there))[0] == 302
    browser.cookies = {"yijian_oidc": kept}
    await refused(browser, there, "stale", 400)
    # With another way begun, the code alone is nothing either.
    fresh = URL(await browser.to_the_provider()).update_query(code=URL(there).query["code"])
    await refused(browser, str(fresh), "unfit", 502)


async def test_whoever_stays_at_the_provider_too_long_begins_again(browser, world):
    there = await browser.to_the_provider()
    world.clock.us += 601_000_000
    await refused(browser, there, "stale", 400)


async def test_the_provider_says_no(browser, provider):
    there = URL(await browser.to_the_provider())
    no = there.with_query(error="access_denied", state=there.query["state"])
    await refused(browser, str(no), "refused", 403)
    assert "token" not in provider.asked


@pytest.mark.parametrize("issuer", ["https://evil.example", ""])
async def test_a_code_of_another_issuer_is_not_taken_to_ours(browser, provider, issuer):
    there = URL(await browser.to_the_provider()).update_query(iss=issuer)
    await refused(browser, str(there), "unfit", 502)
    assert "token" not in provider.asked


@pytest.mark.parametrize("way", ["unsigned", "by_the_public_key", "by_a_key_of_its_own"])
async def test_a_token_that_is_not_signed_by_the_providers_key(browser, provider, way):
    provider.sign = getattr(provider, way)
    await refused(browser, await browser.to_the_provider(), "unfit", 502)


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "another"},
        {"aud": ["yijian", "another"]},
        {"aud": ["yijian"], "azp": "another"},
        {"azp": "another"},
        {"aud": None},
        {"exp": 0},
        {"exp": None},
        {"exp": "tomorrow"},
        {"iat": 4_000_000_000},
        {"iat": None},
        {"nonce": "of another login"},
        {"nonce": None},
        {"nonce": "\ud800"},
        {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
        {"sub": None},
        {"preferred_username": None},
        {"preferred_username": ["s-1"]},
        {"preferred_username": ""},
    ],
    ids=str,
)
async def test_a_token_that_is_not_for_us_not_of_now_or_of_nobody(browser, provider, claims):
    provider.claims = claims
    await refused(browser, await browser.to_the_provider(), "unfit", 502)
    provider.claims = {}
    assert (await browser.enter())[0] == 302, "and the next one is let in"


async def test_clocks_may_be_a_minute_apart(browser, provider, world):
    now = world.clock.now_us() // 1_000_000
    provider.claims = {"exp": now - 59, "iat": now - 300}
    assert (await browser.enter())[0] == 302
    provider.claims = {"exp": now + 300, "iat": now + 59}
    assert (await browser.enter())[0] == 302
    browser.cookies.clear()
    provider.claims = {"exp": now - 61, "iat": now - 300}
    await refused(browser, await browser.to_the_provider(), "unfit", 502)


async def test_several_audiences_are_fine_where_we_are_the_party(browser, provider):
    provider.claims = {"aud": ["another", "yijian"], "azp": "yijian"}
    assert (await browser.enter())[0] == 302


@pytest.mark.parametrize(
    ("wanted", "claims", "status"),
    [
        ({"acr": ("gold", "silver")}, {"acr": "silver"}, 302),
        ({"acr": ("gold", "silver")}, {"acr": "paper"}, 502),
        ({"acr": ("gold",)}, {}, 502),
        ({"amr": ("mfa", "pwd")}, {"amr": ["pwd", "otp", "mfa"]}, 302),
        ({"amr": ("mfa",)}, {"amr": ["pwd"]}, 502),
        ({"amr": ("mfa",)}, {"amr": "mfa"}, 502),
        ({"amr": ("mfa",)}, {}, 502),
    ],
)
async def test_how_somebody_logged_in_there_can_be_required(
    world, tokens, people, oidc, provider, wanted, claims, status
):
    provider.claims = claims
    async with console(world, tokens, replace(oidc, **wanted)) as browser:
        assert (await browser.enter())[0] == status


@pytest.mark.parametrize(
    ("person", "noted"), [("nobody-here", False), ("r-1", False), ("v-1", False), ("off", True)]
)
async def test_whom_the_provider_knows_and_we_do_not(browser, provider, world, person, noted):
    """A stranger, a resident, staff without a login, a login that is disabled: none gets in, and none is made."""
    before = len(await rows(world, users))
    provider.person = person
    await refused(browser, await browser.to_the_provider(), "unknown", 403)
    assert len(await rows(world, users)) == before
    await asyncio.sleep(1.2)  # looks and refusals are written within a second
    assert any(one.act == "refused" and one.by == person for one in await rows(world, audit)) is noted


# ── when it is away ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("how", ["down", "slow", "gone"])
async def test_a_provider_that_is_away_is_told_within_three_seconds(browser, provider, how):
    if how == "down":
        provider.down = True
    elif how == "slow":
        provider.slow_seconds = 20.0
    else:
        await provider.server.close()
    began = time.monotonic()
    answers = await asyncio.gather(*(browser.go("/login/oidc") for _ in range(5)))
    assert time.monotonic() - began < 3.0 * PATIENCE, "and nobody waits for the one before"
    assert {(status, told(page)) for status, _, page in answers} == {(503, "away")}
    async with browser.client.post("/api/v1/login", json={"login": "s-1", "password": PASSWORD}) as response:
        assert response.status == 200, "the password still opens"


async def test_a_slow_one_holds_up_nobody_who_has_come_back(browser, provider):
    there = await browser.to_the_provider()
    provider.slow_seconds = 20.0
    began = time.monotonic()
    await refused(browser, there, "away", 503)
    assert time.monotonic() - began < 3.0 * PATIENCE


async def test_a_wrong_answer_that_is_slow_is_waited_for_once(browser, provider):
    provider.slow_seconds = 1.0
    provider.discovery = {"issuer": "https://evil.example"}
    began = time.monotonic()
    answers = await asyncio.gather(*(browser.go("/login/oidc") for _ in range(5)))
    assert time.monotonic() - began < 2.0 * PATIENCE
    assert sorted(told(page) for _, _, page in answers) == [*["away"] * 4, "unfit"]


async def test_it_goes_away_while_somebody_is_there_and_comes_back(browser, provider, world):
    there = await browser.to_the_provider()
    provider.down = True
    await refused(browser, there, "away", 503)
    provider.down = False
    world.clock.us += 3_000_000
    assert (await browser.enter())[0] == 302


async def test_what_it_said_of_itself_is_kept_while_it_is_away(browser, provider, world):
    await browser.enter()
    provider.down = True
    world.clock.us += 4_000_000_000
    status, there, _ = await browser.go("/login/oidc")
    assert status == 302
    assert there.startswith(provider.issuer)


# ── where it may lead us ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "discovery",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://sso.example/token"},
        {"jwks_uri": "http://169.254.169.254/latest"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": None},
        {"token_endpoint": "https://u:p@sso.example/token"},
        {"jwks_uri": 7},
    ],
    ids=str,
)
async def test_a_discovery_document_that_leads_elsewhere_is_not_believed(browser, provider, discovery):
    provider.discovery = discovery
    status, _, page = await browser.go("/login/oidc")
    assert (status, told(page)) == (502, "unfit")
    assert provider.asked == ["openid-configuration"]


async def test_too_long_an_answer_is_not_read(browser, provider):
    provider.discovery = {"more": "x" * 400_000}
    status, _, page = await browser.go("/login/oidc")
    assert (status, told(page)) == (503, "away")


async def test_a_redirect_of_the_provider_is_not_followed(browser, provider, world, oidc):
    elsewhere = LittleProvider(world.clock)
    async with elsewhere.server:
        provider.discovery = {"token_endpoint": f"{provider.issuer}/moved"}
        provider.moved_to = f"{elsewhere.issuer}/token"
        await refused(browser, await browser.to_the_provider(), "unfit", 502)
        assert provider.asked[-1] == "moved"
        assert elsewhere.asked == []


@pytest.mark.parametrize(("targets", "private"), [(Targets.NONE, True), (Targets.LOOPBACK, False)])
async def test_loopback_is_only_asked_where_the_settings_allow_it(
    world, tokens, people, oidc, provider, targets, private
):
    async with console(world, tokens, oidc, targets=targets, private=private) as browser:
        status, _, page = await browser.go("/login/oidc")
        assert told(page) in {"away", "unfit"}
        assert status in {502, 503}
    assert provider.asked == []
