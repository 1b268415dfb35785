"""People at the console: logging in, the cookie, what other sites cannot make a browser do, change of person, masks."""

from __future__ import annotations

import asyncio
import json
import statistics
import time

import pytest
from aiohttp import DummyCookieJar
from aiohttp.test_utils import TestClient, TestServer
from conftest import QUICK
from console_rooms import COMMUNITY, DISTRICT, STREET, call, offered, over

from config.proxies import networks
from dispatcher.console import totp
from dispatcher.console.app import Options, make_app
from dispatcher.console.passwords import Hasher
from dispatcher.console.sessions import LASTS_US
from dispatcher.console.stream import StreamOptions
from dispatcher.console.users import Users
from dispatcher.core.call import State
from dispatcher.store import StoreUnavailable
from dispatcher.tables import audit, sessions, users

PASSWORD = "correct horse battery"
OURS = {"X-Yijian": "console", "Sec-Fetch-Site": "same-origin"}
PHONE = "13800000001"


class Browser:
    """A browser: it keeps the cookie it was given, and says from where it asks."""

    def __init__(self, client: TestClient, **headers: str) -> None:
        self.client, self.headers, self.cookie, self.set_cookie = client, headers, "", ""

    async def ask(self, method: str, path: str, body=None, **headers: str):
        sent = {"Cookie": f"yijian_session={self.cookie}"} if self.cookie else {}
        sent |= OURS | self.headers | {name.replace("_", "-"): text for name, text in headers.items() if text}
        for name, text in headers.items():
            if not text:
                sent.pop(name.replace("_", "-"), None)
        async with self.client.request(method, f"/api/v1{path}", json=body, headers=sent) as response:
            raw = await response.read()
            self.answered = response.headers
            if "Set-Cookie" in response.headers:
                self.set_cookie = response.headers["Set-Cookie"]
                self.cookie = self.set_cookie.partition(";")[0].partition("=")[2]
            return response.status, json.loads(raw) if raw else None

    async def login(self, login="s-1", password=PASSWORD, **more):
        return await self.ask("POST", "/login", {"login": login, "password": password, **more})


@pytest.fixture
async def people(world):
    put = world.register.put
    await put("staff", {"id": "s-2", "name": "孙护理", "role": "station", "station": "st-1"})
    await put("staff", {"id": "d-1", "name": "区里", "role": "district", "area": STREET})
    await put("staff", {"id": "d-2", "role": "district", "station": "st-1"})
    await put("staff", {"id": "a-1", "name": "管理", "role": "admin"})
    await put("staff", {"id": "g-1", "role": "community", "area": COMMUNITY})
    for resident in ("r-1", "r-3"):
        item = world.rolls.default.residents[resident]
        contacts = [{"name": "女儿", "phone": "13900000002", "on": ["opened"]}]
        await put(
            "residents",
            {"id": item.id, "name": item.name, "area": item.area, "phone": PHONE, "contacts": contacts},
        )
    made = Users(world.store, world.clock, world.rolls)
    for login in ("s-1", "s-2", "s-3", "d-1", "d-2", "a-1", "g-1", "v-1"):
        await made.add(login, QUICK.hash(PASSWORD), "cli")
    return made


@pytest.fixture
async def client(world, tokens, people):
    options = Options(
        tokens=tokens,
        hasher=Hasher(QUICK),
        stream=StreamOptions(alive_seconds=0.2, still_seconds=0.5, token_seconds=0.2),
    )
    made = TestClient(TestServer(make_app(world.rooms, options)), cookie_jar=DummyCookieJar())
    async with made:
        yield made


@pytest.fixture
def browser(client):
    return Browser(client)


async def rows_of(world, table):
    return await world.store.read(table.select())


# ── in and out ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_somebody_logs_in_works_and_logs_out(browser, world):
    status, body = await browser.login()
    assert status == 200
    assert body == {
        "user": {"id": "s-1", "name": "王护理", "role": "station", "station": "st-1", "area": None}
    }
    parts = browser.set_cookie.split("; ")
    assert {"Path=/", "HttpOnly", "SameSite=Strict"} <= set(parts)
    assert "Secure" not in parts, "it came over plain HTTP"
    assert browser.cookie not in str(await rows_of(world, sessions)), "only its hash is kept"
    status, me = await browser.ask("GET", "/me")
    assert (status, me["id"], me["staff"], me["name"], me["role"], me["station"]) == (
        200,
        "s-1",
        "s-1",
        "王护理",
        "station",
        "st-1",
    )
    world.board.put(call())
    assert (await browser.ask("POST", "/calls/c-1/accept", {}))[0] == 200
    [(command, how)] = world.inbox.asked
    assert (command.by, command.station, how["source"]) == ("s-1", "st-1", "api/user:s-1")
    cookie = browser.cookie
    assert (await browser.ask("POST", "/logout"))[0] == 204
    assert browser.cookie == ""
    assert "Max-Age=0" in browser.set_cookie
    browser.cookie = cookie
    status, problem = await browser.ask("GET", "/me")
    assert (status, problem["detail"]) == (401, "this session is over: log in again")


async def test_the_cookie_is_secure_where_the_browser_speaks_https(browser):
    browser.headers = {"X-Forwarded-Proto": "https"}
    await browser.login()
    assert browser.set_cookie.endswith("; Secure")


@pytest.mark.parametrize(
    ("login", "password"),
    [
        ("s-1", "wrong horse battery"),
        ("s-9", PASSWORD),
        ("r-1", PASSWORD),
        ("off", PASSWORD),
        ("gone", PASSWORD),
    ],
)
async def test_wrong_unknown_disabled_and_gone_get_the_same_words(browser, people, world, login, password):
    for name in ("off", "gone"):
        await world.register.put("staff", {"id": name, "role": "district"})
        await people.add(name, QUICK.hash(PASSWORD), "cli")
    await people.disable("off", "cli")
    await world.register.delete("staff", "gone")
    status, problem = await browser.login(login, password)
    assert (status, problem["detail"]) == (401, "no such login and password")
    assert browser.cookie == ""


async def test_they_take_the_same_time(world, tokens, people):
    """At today's real cost: the middle of many looks at a known and at an unknown login."""
    kept = await Hasher().hash(PASSWORD)
    await people.set_password("s-1", kept, "cli")
    options = Options(tokens=tokens)
    async with TestClient(TestServer(make_app(world.rooms, options)), cookie_jar=DummyCookieJar()) as client:
        took: dict[str, list[float]] = {"s-1": [], "nobody": []}
        for turn in range(2 * 12):
            login = ("s-1", "nobody")[turn % 2]
            browser = Browser(client, **{"X-Forwarded-For": f"192.0.2.{turn}"})
            began = time.perf_counter()
            assert (await browser.login(login, "wrong horse battery"))[0] == 401
            took[login].append(time.perf_counter() - began)
    known, unknown = (statistics.median(times) for times in took.values())
    assert min(known, unknown) > 0.01, "it costs something"
    assert 0.6 < unknown / known < 1.6, (known, unknown)


async def test_a_password_kept_at_an_older_cost_is_kept_anew(browser, people, world, tokens):
    before = (await people.find("s-1")).password
    async with TestClient(
        TestServer(make_app(world.rooms, Options(tokens=tokens))), cookie_jar=DummyCookieJar()
    ) as client:
        assert (await Browser(client).login())[0] == 200
    after = (await people.find("s-1")).password
    assert before != after
    assert "m=47104" in after


@pytest.mark.parametrize(
    ("who", "role", "area", "sees", "not_sees"),
    [
        ("a-1", "admin", None, "r-3", None),
        ("d-1", "district", DISTRICT, "r-3", None),
        ("g-1", "community", COMMUNITY, "r-1", "r-3"),
        ("s-3", "station", None, "r-3", "r-1"),
    ],
)
async def test_sight_is_the_roles(browser, who, role, area, sees, not_sees):
    _status, body = await browser.login(who)
    assert (body["user"]["role"], body["user"]["area"]) == (role, area)
    assert (await browser.ask("GET", f"/residents/{sees}"))[0] == 200
    if not_sees:
        assert (await browser.ask("GET", f"/residents/{not_sees}"))[0] == 404


async def test_a_change_of_the_register_acts_at_once(browser, world):
    await browser.login("s-1")
    assert (await browser.ask("GET", "/residents/r-1"))[0] == 200
    await world.register.put("staff", {"id": "s-1", "role": "station", "station": "st-3"})
    assert (await browser.ask("GET", "/residents/r-1"))[0] == 404
    assert (await browser.ask("GET", "/residents/r-3"))[0] == 200
    await world.register.put("staff", {"id": "s-1", "role": "volunteer"})
    assert (await browser.ask("GET", "/residents/r-3"))[0] == 403
    await world.register.delete("staff", "s-1")
    assert (await browser.ask("GET", "/me"))[0] == 401
    await world.register.put("staff", {"id": "s-1", "role": "admin"})
    world.clock.us += 1_000_000
    assert (await browser.ask("GET", "/me"))[0] == 401, "who has that id now is somebody else"
    assert (await Browser(browser.client).login("s-1"))[0] == 401
    assert "s-1" not in str(await rows_of(world, users))


async def test_a_district_makes_no_admins(browser, world):
    await browser.login("d-1")
    status, problem = await browser.ask("PUT", "/staff/d-1", {"id": "d-1", "role": "admin"})
    assert (status, problem["field"]) == (400, "role")
    status, problem = await browser.ask("POST", "/district", {"staff": [{"id": "x", "role": "admin"}]})
    assert (status, problem["field"]) == (400, "staff[0].role")
    assert (await browser.ask("PUT", "/staff/a-1", {"id": "a-1", "role": "admin", "name": "新名"}))[0] == 200
    await browser.login("a-1")
    assert (await browser.ask("PUT", "/staff/d-1", {"id": "d-1", "role": "admin"}))[0] == 200


async def test_a_session_lasts_a_shift_from_its_last_use(browser, world):
    await browser.login()
    for _ in range(6):
        world.clock.us += LASTS_US - 1_000_000
        assert (await browser.ask("GET", "/me"))[0] == 200
    world.clock.us += LASTS_US
    assert (await browser.ask("GET", "/me"))[0] == 401


async def test_a_session_holds_while_the_database_is_away(browser, world, monkeypatch):
    await browser.login()
    await browser.ask("GET", "/me")
    world.clock.us += 400_000_000

    async def away(*_):
        raise StoreUnavailable("away")

    monkeypatch.setattr(world.store, "read", away)
    monkeypatch.setattr(world.store, "write", away)
    assert (await browser.ask("GET", "/me"))[0] == 200
    other = Browser(browser.client)
    other.cookie = "x" * 43
    assert (await other.ask("GET", "/me"))[0] == 503
    assert (await Browser(browser.client).login())[0] == 503


@pytest.mark.parametrize("cookie", ["x", "a" * 5000, '"', "%00", "yj_no", "一".encode().decode("latin-1")])
async def test_nobody_is_known_by_a_cookie_of_nonsense(browser, cookie):
    browser.cookie = cookie
    assert (await browser.ask("GET", "/me"))[0] == 401


async def test_a_token_beats_the_cookie(browser):
    await browser.login()
    assert (await browser.ask("GET", "/me", Authorization="Bearer yj_no"))[0] == 401
    status, me = await browser.ask("GET", "/me", Authorization="Bearer secret-street")
    assert (status, me["role"]) == (200, "street")


# ── what other sites cannot make a browser do ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"X_Yijian": ""}, 403),
        ({"X_Yijian": "yes"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Sec_Fetch_Site": "none"}, 403),
        ({"Sec_Fetch_Site": "", "Origin": "http://evil.example"}, 403),
        ({"Sec_Fetch_Site": "", "Origin": "null"}, 403),
        ({"Sec_Fetch_Site": "", "Origin": "http://["}, 403),
        ({"Sec_Fetch_Site": ""}, 403),
        ({"Sec_Fetch_Site": "", "Origin": "http://HERE"}, 200),
    ],
)
async def test_a_change_by_cookie_comes_from_our_own_pages(browser, world, headers, status):
    world.board.put(call())
    await browser.login()
    if headers.get("Origin") == "http://HERE":
        headers = headers | {"Origin": f"http://{browser.client.host}:{browser.client.port}"}
    got, problem = await browser.ask("POST", "/calls/c-1/note", {"text": "x"}, **headers)
    assert got == status, problem
    assert bool(world.inbox.asked) == (status == 200)
    assert (await browser.ask("GET", "/calls/c-1", **headers))[0] == 200, "looking changes nothing"


async def test_a_token_needs_none_of_it(browser, world):
    world.board.put(call())
    headers = {"X_Yijian": "", "Sec_Fetch_Site": "", "Authorization": "Bearer secret-station"}
    assert (await browser.ask("POST", "/calls/c-1/note", {"text": "x"}, **headers))[0] == 200


async def test_nobody_is_logged_in_by_another_site(browser):
    for headers in (
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "", "Origin": "http://evil.example"},
    ):
        body = {"login": "s-1", "password": PASSWORD}
        assert (await browser.ask("POST", "/login", body, **headers))[0] == 403
    body = {"login": "s-1", "password": PASSWORD}
    assert (await browser.ask("POST", "/login", body, Sec_Fetch_Site="", X_Yijian=""))[0] == 200, "by hand"


# ── waiting ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_guessing_gets_slow_and_the_next_shift_logs_in_all_the_same(browser, client, people, world):
    colleague = Browser(client)
    assert (await colleague.login("s-2"))[0] == 200
    for _ in range(5):
        assert (await browser.login("s-1", "wrong horse battery"))[0] == 401
    status, _ = await browser.login("s-1")
    assert (status, browser.answered["Retry-After"]) == (429, "1")
    assert (await browser.login("s-3"))[0] == 200, "others from there are not kept waiting"
    browser.cookie = ""
    # On the station's own PC, where a colleague is logged in, the right password is right.
    assert (await colleague.login("s-1"))[0] == 200
    assert (await browser.login("s-1"))[0] == 429
    world.clock.us += 1_000_000
    assert (await browser.login("s-1", "wrong horse battery"))[0] == 401
    assert (await browser.login("s-1"))[0] == 429
    assert browser.answered["Retry-After"] == "2"
    # And at the command line a new password ends the waiting.
    await people.set_password("s-1", QUICK.hash(PASSWORD), "cli")
    assert (await browser.login("s-1"))[0] == 200


async def test_many_at_once_are_many(client):
    """A hundred guesses in the same moment are no hundred guesses."""
    got = await asyncio.gather(*(Browser(client).login("s-1", f"guess number {n}") for n in range(60)))
    statuses = [status for status, _ in got]
    assert statuses.count(401) == 5
    assert statuses.count(429) == 55


async def test_who_is_no_proxy_of_ours_is_believed_about_nothing(world, tokens, people):
    options = Options(tokens=tokens, hasher=Hasher(QUICK), proxies=networks("192.0.2.0/24"))
    async with TestClient(TestServer(make_app(world.rooms, options)), cookie_jar=DummyCookieJar()) as client:
        for turn in range(6):
            guess = Browser(client, **{"X-Forwarded-For": f"203.0.113.{turn}", "X-Forwarded-Proto": "https"})
            await guess.login("s-1", "wrong horse battery")
        assert (await guess.login("s-1"))[0] == 429, "one address, whatever it says of itself"
        assert (await guess.login("s-2"))[0] == 200
        assert "Secure" not in guess.set_cookie


@pytest.mark.parametrize("text", ["10.0.0.5/8", "proxy.example.org", "0.0.0.0/0", "::/0", 7])
def test_proxies_that_are_none_are_told(text):
    with pytest.raises(ValueError, match=r"^(is no text|has one|would believe)"):
        networks(text)


async def test_a_proxy_on_this_machine_says_whom_it_speaks_for(client):
    far, near = (Browser(client, **{"X-Forwarded-For": f"{at}, 203.0.113.{at}"}) for at in (1, 2))
    for _ in range(6):
        await far.login("s-1", "wrong horse battery")
    assert (await far.login("s-1"))[0] == 429
    assert (await near.login("s-1"))[0] == 200


# ── an authenticator app ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_with_an_app_the_password_alone_is_not_enough(browser, people, world):
    secret = totp.new_secret()
    await people.set_totp("s-1", secret, "cli")
    status, problem = await browser.login()
    assert (status, problem["field"]) == (401, "totp")
    status, problem = await browser.login(password="wrong horse battery", totp="000000")
    assert "field" not in problem, "a wrong password says nothing of an app"
    code = totp.code(secret, world.clock.us // 30_000_000)
    wrong = f"{(int(code) + 1) % 10**6:06}"
    status, problem = await browser.login(totp=wrong)
    assert (status, problem["field"]) == (401, "totp")
    assert (await browser.login(totp=code))[0] == 200
    status, problem = await Browser(browser.client).login(totp=code)
    assert (status, problem["field"]) == (401, "totp"), "a code is good once"
    world.clock.us += 30_000_000
    code = totp.code(secret, world.clock.us // 30_000_000)
    both = await asyncio.gather(*(Browser(browser.client).login(totp=code) for _ in range(2)))
    assert sorted(status for status, _ in both) == [200, 401]


# ── change of person on a shared PC ───────────────────────────────────────────────────────────────────────────────────


async def with_pin(client, login, pin):
    """Somebody sets their PIN, in a browser of their own."""
    own = Browser(client)
    assert (await own.login(login))[0] == 200
    assert (await own.ask("POST", "/me/pin", {"password": PASSWORD, "pin": pin}))[0] == 204
    return own


async def test_two_clicks_and_a_pin(browser, client, world):
    await with_pin(client, "s-2", "4711")
    await with_pin(client, "s-3", "8153")
    await with_pin(client, "d-2", "9372")
    await browser.login("s-1")
    earlier = browser.cookie
    status, colleagues = await browser.ask("GET", "/login/pin")
    assert (status, colleagues["items"]) == (200, [{"id": "s-2", "name": "孙护理"}])
    for login, pin in (("s-3", "8153"), ("d-2", "9372"), ("s-1", "4711"), ("nobody", "4711")):
        status, problem = await browser.ask("POST", "/login/pin", {"login": login, "pin": pin})
        assert status == 401, f"{login}: another station, a wider sight, no PIN, nobody"
        assert problem["detail"].startswith("no such login and PIN here")
    status, body = await browser.ask("POST", "/login/pin", {"login": "s-2", "pin": "4711"})
    assert (status, body["user"]["id"]) == (200, "s-2")
    assert (await browser.ask("GET", "/me"))[1]["id"] == "s-2"
    mine, browser.cookie = browser.cookie, earlier
    assert (await browser.ask("GET", "/me"))[1]["id"] == "s-1", (
        "an answer that was lost can be asked for again"
    )
    world.clock.us += 61_000_000
    assert (await browser.ask("GET", "/me"))[0] == 401, "its cookie was written over: it ends within a minute"
    browser.cookie = mine
    assert (await browser.ask("GET", "/me"))[0] == 200
    ledger = [row[2:5] for row in await rows_of(world, audit) if row[4] == "sessions/pin"]
    assert ledger == [("s-1", "logout", "sessions/pin"), ("s-2", "login", "sessions/pin")]


async def test_steps_after_the_change_are_the_new_persons(browser, client, world):
    await with_pin(client, "s-2", "4711")
    await browser.login("s-1")
    world.board.put(call())
    assert (await browser.ask("POST", "/calls/c-1/accept", {}))[0] == 200
    assert (await browser.ask("POST", "/login/pin", {"login": "s-2", "pin": "4711"}))[0] == 200
    assert (await browser.ask("POST", "/calls/c-1/en-route", {}))[0] == 200
    assert [command.by for command, _how in world.inbox.asked] == ["s-1", "s-2"]


# ── an authenticator app of one's own ─────────────────────────────────────────────────────────────────────────────────


async def test_an_app_is_kept_once_it_has_shown_a_code(browser, world):
    await browser.login()
    assert (await browser.ask("GET", "/me/login"))[1]["totp"] is False
    status, new = await browser.ask("POST", "/me/totp/new")
    assert status == 200
    assert new["uri"] == totp.uri(new["secret"], "s-1")
    assert new["picture"].startswith("<svg ")
    assert "<script" not in new["picture"]
    given = {"password": PASSWORD, "secret": new["secret"]}
    code = totp.code(new["secret"], world.clock.us // 30_000_000)
    for change, field in (
        ({"code": "000000"}, "code"),
        ({"code": code, "password": "wrong horse battery"}, "password"),
        ({"code": code, "secret": "A" * 31 + "!"}, "secret"),
        ({"code": code, "secret": "AAAA" + "=" * 28}, "secret"),
    ):
        status, problem = await browser.ask("POST", "/me/totp", given | change)
        assert (status, problem["field"]) == (400, field)
    assert (await browser.ask("POST", "/me/totp", given | {"code": code}))[0] == 204
    assert (await browser.ask("GET", "/me/login"))[1]["totp"] is True
    assert (await browser.ask("POST", "/me/totp", given | {"code": code}))[0] == 409, "one at a time"
    status, problem = await browser.login()
    assert (status, problem["field"]) == (401, "totp")
    status, problem = await browser.login(totp=code)
    assert status == 401, "a code is good once, also the one it was kept with"
    world.clock.us += 30_000_000
    assert (await browser.login(totp=totp.code(new["secret"], world.clock.us // 30_000_000)))[0] == 200


async def test_it_is_taken_away_with_a_code_only(browser, people, world):
    secret = totp.new_secret()
    await browser.login()
    assert (await browser.ask("POST", "/me/totp/remove", {"password": PASSWORD, "code": "1"}))[0] == 409
    await people.set_totp("s-1", secret, "cli")
    for _ in range(5):
        status, problem = await browser.ask(
            "POST", "/me/totp/remove", {"password": PASSWORD, "code": "000000"}
        )
        assert (status, problem["field"]) == (400, "code")
    code = totp.code(secret, world.clock.us // 30_000_000)
    given = {"password": PASSWORD, "code": code}
    assert (await browser.ask("POST", "/me/totp/remove", given))[0] == 429, "guessing gets slow"
    world.clock.us += 2_000_000
    given["code"] = totp.code(secret, world.clock.us // 30_000_000)
    assert (await browser.ask("POST", "/me/totp/remove", given))[0] == 204
    assert (await people.find("s-1")).totp == ""


async def test_without_a_session_a_pin_opens_nothing(browser, client):
    await with_pin(client, "s-2", "4711")
    assert (await browser.ask("POST", "/login/pin", {"login": "s-2", "pin": "4711"}))[0] == 401
    headers = {"Authorization": "Bearer secret-station"}
    assert (await browser.ask("POST", "/login/pin", {"login": "s-2", "pin": "4711"}, **headers))[0] == 403


async def test_after_five_wrong_pins_the_password_is_asked_for(browser, client, world):
    await with_pin(client, "s-2", "4711")
    await browser.login("s-1")
    for _ in range(5):
        assert (await browser.ask("POST", "/login/pin", {"login": "s-2", "pin": "9999"}))[0] == 401
    world.clock.us += 3_700_000_000
    assert (await browser.ask("POST", "/login/pin", {"login": "s-2", "pin": "4711"}))[0] == 401
    assert (await Browser(client).login("s-2"))[0] == 200
    assert (await browser.ask("POST", "/login/pin", {"login": "s-2", "pin": "4711"}))[0] == 200


# ── one's own ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_new_password_ends_the_other_sessions(browser, client, people):
    other = Browser(client)
    await other.login()
    await browser.login()
    change = {"password": PASSWORD, "new": "another horse battery"}
    wrong = await browser.ask("POST", "/me/password", change | {"password": "not this one at all"})
    assert (wrong[0], wrong[1]["field"]) == (400, "password")
    for new in ("short", "1234567890", PASSWORD):
        status, problem = await browser.ask("POST", "/me/password", change | {"new": new})
        assert (status, problem["field"]) == (400, "new")
    assert (await browser.ask("POST", "/me/password", change))[0] == 204
    assert (await browser.ask("GET", "/me"))[0] == 200
    assert (await other.ask("GET", "/me"))[0] == 401
    assert (await other.login())[0] == 401
    assert (await other.login(password="another horse battery"))[0] == 200


async def test_a_pin_needs_the_password_and_is_no_plain_one(browser):
    await browser.login()
    for body, field in (
        ({"password": "wrong horse battery", "pin": "4711"}, "password"),
        ({"password": PASSWORD, "pin": "1111"}, "pin"),
        ({"password": PASSWORD, "pin": "12"}, "pin"),
        ({"pin": "4711"}, "password"),
    ):
        status, problem = await browser.ask("POST", "/me/pin", body)
        assert (status, problem["field"]) == (400, field)
    assert (await browser.ask("POST", "/me/pin", {"password": PASSWORD}))[0] == 204


async def test_ones_own_sessions_and_nobody_elses(browser, client):
    phone, other = Browser(client), Browser(client)
    await phone.login()
    await browser.login()
    await other.login("s-2")
    _, listed = await browser.ask("GET", "/me/sessions")
    assert [one["current"] for one in listed["items"]] == [True, False]
    _, [theirs] = (
        (await other.ask("GET", "/me/sessions"))[0],
        (await other.ask("GET", "/me/sessions"))[1]["items"],
    )
    assert (await browser.ask("DELETE", f"/me/sessions/{theirs['id']}"))[0] == 404
    assert (await browser.ask("DELETE", f"/me/sessions/{listed['items'][1]['id']}"))[0] == 204
    assert (await phone.ask("GET", "/me"))[0] == 401
    assert (await other.ask("GET", "/me"))[0] == 200


async def test_a_stream_ends_with_its_session(browser, client, world, people):
    await browser.login()
    other = Browser(client)
    await other.login()
    headers = {"Cookie": f"yijian_session={browser.cookie}"}
    async with client.get("/api/v1/events", headers=headers) as stream:
        assert stream.status == 200
        world.board.put(call())
        world.feed.tell("call.opened", call())
        assert b"call.opened" in await read_until(stream, b"call.opened")
        _, listed = await other.ask("GET", "/me/sessions")
        [mine] = [one["id"] for one in listed["items"] if not one["current"]]
        assert (await other.ask("DELETE", f"/me/sessions/{mine}"))[0] == 204
        async with asyncio.timeout(20):
            await stream.read()  # it comes to its end


async def test_a_stream_ends_when_the_login_is_disabled_or_the_role_changes(browser, client, world, people):
    for change in (
        lambda: world.register.put("staff", {"id": "s-1", "role": "station", "station": "st-3"}),
        lambda: people.disable("s-1", "cli"),
    ):
        assert (await browser.login())[0] == 200
        async with client.get(
            "/api/v1/events", headers={"Cookie": f"yijian_session={browser.cookie}"}
        ) as stream:
            assert stream.status == 200
            await change()
            world.clock.us += 1_000_001
            async with asyncio.timeout(20):
                await stream.read()


async def read_until(stream, wanted: bytes) -> bytes:
    told = b""
    async with asyncio.timeout(20):
        while wanted not in told:
            part = await stream.content.readany()
            assert part, told
            told += part
    return told


# ── masks ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_numbers_are_masked_until_asked_for(browser, api):
    await browser.login()
    _, item = await browser.ask("GET", "/residents/r-1")
    assert (item["phone"], item["contacts"][0]["phone"]) == ("138****0001", "139****0002")
    _, listed = await browser.ask("GET", "/residents")
    assert PHONE not in json.dumps(listed)
    _, item = await browser.ask("GET", "/residents/r-1?unmask=phone")
    assert (item["phone"], item["contacts"][0]["phone"]) == (PHONE, "13900000002")
    status, problem = await browser.ask("GET", "/residents/r-1?unmask=all")
    assert (status, problem["field"]) == (400, "unmask")
    assert (await browser.ask("GET", "/residents/r-3?unmask=phone"))[0] == 404
    assert (await api("GET", "/residents/r-1", who="station"))[1]["phone"] == PHONE, (
        "programs see it as before"
    )


async def test_the_code_of_a_door_is_shown_while_somebody_must_come_and_else_when_asked_for(
    browser, world, api
):
    await browser.login("d-1")
    _, item = await browser.ask("GET", "/residents/r-1")
    status, item = await browser.ask("PUT", "/residents/r-1", item | {"door_code": "0123#"})
    assert (status, item["door_code"]) == (200, "****")
    _, item = await browser.ask("GET", "/residents/r-1?unmask=phone")
    assert (item["phone"], item["door_code"]) == (PHONE, "****")
    _, item = await browser.ask("GET", "/residents/r-1?unmask=door_code")
    assert (item["phone"], item["door_code"]) == ("138****0001", "0123#")
    _, listed = await browser.ask("GET", "/residents")
    assert "0123#" not in json.dumps(listed)

    await browser.ask("PUT", "/residents/r-1", item | {"door_code": "****", "name": "新名字"})
    assert (await api("GET", "/residents/r-1"))[1]["door_code"] == "0123#", "stars leave it as it was"
    status, problem = await browser.ask("PUT", "/residents/r-2", {"name": "x", "door_code": "****"})
    assert (status, problem["field"]) == (400, "door_code"), "stars are no code"

    world.board.put(call(offers=(offered("desk"),)))
    assert (await browser.ask("GET", "/calls/c-1"))[1]["resident"]["door_code"] == "0123#"
    world.board.put(call(state=State.CLOSED, closed=over()))
    assert (await browser.ask("GET", "/calls/c-1"))[1]["resident"]["door_code"] == "****"


IDENTITY = "11010519491231002X"  # the example of GB 11643


async def test_an_identity_number_is_seen_by_nobody_but_who_says_why(browser, world, api):
    await browser.login("d-1")
    _, item = await browser.ask("GET", "/residents/r-1")
    status, problem = await browser.ask(
        "PUT", "/residents/r-1", item | {"identity_number": IDENTITY[:-1] + "1"}
    )
    assert (status, problem["errors"][0]["path"]) == (400, "identity_number")
    assert IDENTITY[:-1] not in json.dumps(problem)
    status, item = await browser.ask("PUT", "/residents/r-1", item | {"identity_number": IDENTITY})
    assert (status, item["identity_number"]) == (200, "1****************X")
    await browser.ask("PUT", "/residents/r-1", item | {"name": "新名字"})
    assert world.rolls.default.residents["r-1"].identity_number == IDENTITY, "stars leave it as it was"
    status, problem = await browser.ask(
        "PUT", "/residents/r-2", {"name": "x", "identity_number": "1****************X"}
    )
    assert (status, problem["field"]) == (400, "identity_number")
    whole = (await api("GET", "/residents/r-1"))[1]
    assert whole["identity_number"] == "1****************X", "to programs too"
    await api("PUT", "/residents/r-1", whole | {"notes": "x"})
    assert world.rolls.default.residents["r-1"].identity_number == IDENTITY

    world.board.put(call(offers=(offered("desk"),)))
    for path in (
        "/residents?limit=500",
        "/residents?search=110105",
        "/residents/r-1?unmask=phone",
        "/calls/c-1",
        "/history?section=residents&id=r-1",
        "/district/export?format=json&unmask=phone",
    ):
        for ask in (browser.ask, api):
            status, told = await ask("GET", path)
            assert status == 200
            assert (path.startswith("/district") and ask is api) or IDENTITY not in json.dumps(told), path
    assert (await browser.ask("GET", "/residents?search=11010519491231"))[1]["items"] == []
    _, numbers = await browser.ask("POST", "/residents/r-1/unmask", {"why": "核对登记"})
    assert "identity_number" not in numbers
    only = {"what": "identity_number"}
    status, problem = await browser.ask("POST", "/residents/r-1/unmask", only)
    assert (status, problem["field"]) == (400, "why"), "a call in hand is no reason"
    _, numbers = await browser.ask("POST", "/residents/r-1/unmask", only | {"why": "办理补贴"})
    assert numbers == {"identity_number": IDENTITY}
    _, found = await browser.ask("GET", "/audit?act=unmask&limit=1")
    assert found["items"][0]["why"] == "identity_number: 办理补贴"


async def test_an_open_call_shows_whom_to_telephone_and_a_closed_one_masks(browser, world):
    await browser.login()
    world.board.put(call(offers=(offered("st-1"),)))
    _, view = await browser.ask("GET", "/calls/c-1")
    assert (view["resident"]["phone"], view["resident"]["contacts"][0]["phone"]) == (PHONE, "13900000002")
    world.board.put(call(state=State.CLOSED, closed=over()))
    for path in ("/calls/c-1", "/calls"):
        _, view = await browser.ask("GET", path)
        assert PHONE not in json.dumps(view)
        assert "138****0001" in json.dumps(view)
    _, view = await browser.ask("POST", "/calls/c-1/note", {"text": "x"})
    assert view["resident"]["phone"] == "138****0001"


async def test_what_was_masked_is_put_back_as_it_was(browser, world):
    await browser.login("d-1")
    _, item = await browser.ask("GET", "/residents/r-1")
    item["name"] = "新名字"
    status, answer = await browser.ask("PUT", "/residents/r-1", item)
    assert (status, answer["phone"]) == (200, "138****0001")
    kept = world.rolls.default.residents["r-1"]
    assert (kept.name, kept.phone, kept.contacts[0].phone) == ("新名字", PHONE, "13900000002")
    status, problem = await browser.ask("PUT", "/residents/r-1", item | {"phone": "139****0001"})
    assert (status, problem["field"]) == (400, "phone")


async def test_the_stream_masks_what_is_over(browser, client, world):
    await browser.login()
    open_call = call(offers=(offered("st-1"),))
    world.board.put(open_call)
    world.feed.tell("call.opened", open_call)
    headers = {"Cookie": f"yijian_session={browser.cookie}"}
    async with client.get("/api/v1/events?after=0", headers=headers) as stream:
        told = await read_until(stream, b"call.opened")
        assert PHONE.encode() in told
        closed = call(state=State.CLOSED, closed=over())
        world.board.put(closed)
        world.feed.tell("call.closed", closed)
        told = await read_until(stream, b"138****0001")
        assert PHONE.encode() not in told
    async with client.get("/api/v1/events?after=0", headers=headers) as stream:
        told = await read_until(stream, b"call.closed")
        assert told.count(b"138****0001") == 2
        assert PHONE.encode() not in told, "read again from earlier on, it is masked too"
    headers = {"Authorization": "Bearer secret-station"}
    async with client.get("/api/v1/events?after=0", headers=headers) as stream:
        assert PHONE.encode() in await read_until(stream, b"call.closed")
