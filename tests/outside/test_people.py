"""People with logins of their own: from the command line to the name in the journal, on a real process.

Also what logging in costs others: while somebody guesses passwords, presses do not wait.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Self

import aiohttp
import pytest
from patience import PATIENCE
from postgres_server import PostgresServer
from postgres_server import server as database_server

from outside.harness import BASE, Desk, Events, Reply, Server, eventually

PASSWORD = "correct horse battery"
OURS = {"X-Yijian": "console", "Sec-Fetch-Site": "same-origin"}
PHONE = "+99913800000001"


def town() -> dict[str, Any]:
    """A street with a station, its three people, a resident with a button; and the district's own."""
    return {
        "district": {"code": "411002", "name": "试验区"},
        "areas": [{"code": "411002001", "kind": "street", "parent": "411002", "name": "一街"}],
        "stations": [
            {
                "id": "st-1",
                "kind": "care_station",
                "area": "411002001",
                "location": {"lat": 34.0, "lon": 113.8},
            }
        ],
        "residents": [
            {
                "id": "r-1",
                "name": "老人",
                "phone": PHONE,
                "area": "411002001",
                "location": {"lat": 34.001, "lon": 113.8},
            }
        ],
        "devices": [{"id": "btn-1", "resident": "r-1"}],
        "staff": [
            {"id": "s-1", "name": "王护理", "role": "station", "station": "st-1"},
            {"id": "s-2", "name": "孙护理", "role": "station", "station": "st-1"},
            {"id": "s-3", "name": "周护理", "role": "station", "station": "st-1"},
            {"id": "d-1", "name": "区里", "role": "district"},
        ],
    }


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """A database server of this module's own."""
    with database_server() as made:
        yield made


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The town on a server, on either database, with logins for some."""
    env = {}
    if request.param == "postgresql":
        env["YIJIAN_DATABASE"] = request.getfixturevalue("postgres").make("people")
    server = Server(tmp_path_factory.mktemp("people"), district=town(), env=env)
    try:
        server.start()
        for login in ("s-1", "s-2", "d-1"):
            ran = server.cli("user", "add", login, "--password-stdin", stdin=f"{PASSWORD}\n")
            assert ran.code == 0, ran.said  # while the server runs, on the same database
            assert login in ran.out
        yield server
    finally:
        server.end()


#: What does not differ between databases is told on one.
on_one = pytest.mark.parametrize("house", ["sqlite"], indirect=True)


class Browser(Desk):
    """Somebody at the console: known by the cookie that logging in gave."""

    def __init__(self, server: Server) -> None:
        super().__init__(server, None)

    async def __aenter__(self) -> Self:
        jar = aiohttp.CookieJar(unsafe=True)  # also for an address
        self._session = aiohttp.ClientSession(headers=OURS, cookie_jar=jar)
        return self

    async def login(self, login: str, password: str = PASSWORD) -> Reply:
        """By password."""
        return await self.post("/login", {"login": login, "password": password})


@pytest.fixture
async def browser(house: Server) -> AsyncIterator[Browser]:
    """A browser with nobody logged in."""
    async with Browser(house) as made:
        yield made


async def press(admin: Desk, number: str, device: str = "btn-1") -> str:
    """A press; its call."""
    body = {"device": device, "id": number, "type": "press"}
    call: str = (await admin.post("/signals", body)).ok(201)["call"]
    return call


async def test_from_the_command_line_to_the_name_in_the_journal(house: Server, browser: Browser) -> None:
    user = (await browser.login("s-1")).ok()["user"]
    assert user == {"id": "s-1", "name": "王护理", "role": "station", "station": "st-1", "area": None}
    me = await browser.get("/me")
    assert (me["id"], me["name"], me["role"], me["station"]) == ("s-1", "王护理", "station", "st-1")
    (await browser.post("/staff/s-1/duty", {"on": True})).ok()
    stream = await browser.events()
    async with Desk(house) as admin:
        call = await press(admin, "p-1")
        opened = await stream.fact("call.opened", call)
        assert opened.state["resident"]["phone"] == PHONE, "they must telephone now"
        taken = (await browser.step(call, "accept")).ok()
        assert (taken["accepted"]["by"], taken["accepted"]["name"]) == ("s-1", "王护理")
        [accepted] = [fact for fact in await admin.journal(call) if fact["fact"] == "call.accepted"]
        assert (accepted["by"], accepted["cause"]["by"], accepted["station"]) == ("s-1", "s-1", "st-1")
        closed = (await browser.step(call, "close", outcome="helped", evidence="spoke_to_resident")).ok()
        assert closed["resident"]["phone"] == "+999138****0001"
        over = await stream.fact("call.closed", call)
        assert over.state["resident"]["phone"] == "+999138****0001"
        await browser.get("/residents/r-1", unmask="phone")
        again = (await browser.post("/residents/r-1/unmask", {"why": "女儿来电核对号码"})).ok()
        assert again["phone"] == PHONE
        lines = await eventually(
            lambda: _three(admin, by="s-1", act="unmask", id="r-1"), "what was unmasked to stand in the log"
        )
        assert {(one["what"], one["area"]) for one in lines} == {("residents", "411002001")}
        whys = [one["why"] for one in lines]
        assert sorted(whys, key=str) == sorted(["女儿来电核对号码", None, call], key=str), (
            "the call in hand came whole, and is there once"
        )
        looks = await eventually(
            lambda: _items(admin, "/audit", by="s-1", act="listen"), "the stream to stand in the log"
        )
        assert looks[0]["what"] == "events"
    assert "correct horse" not in house.log
    assert PHONE not in house.log


async def _three(desk: Desk, **params: str) -> list[dict[str, Any]]:
    items = await _items(desk, "/audit", **params)
    return items if len(items) >= 3 else []


async def _items(desk: Desk, path: str, **params: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await desk.get(path, **params))["items"]
    return items


@on_one
async def test_the_shared_pc_changes_hands(house: Server, browser: Browser) -> None:
    async with Browser(house) as own:
        (await own.login("s-2")).ok()
        assert (await own.post("/me/pin", {"password": PASSWORD, "pin": "4711"})).status == 204
    (await browser.login("s-1")).ok()
    assert (await browser.get("/login/pin"))["items"] == [{"id": "s-2", "name": "孙护理"}]
    assert (await browser.post("/login/pin", {"login": "s-2", "pin": "4712"})).status == 401
    assert (await browser.get("/me"))["id"] == "s-1"
    (await browser.post("/login/pin", {"login": "s-2", "pin": "4711"})).ok()
    assert (await browser.get("/me"))["id"] == "s-2"
    assert (await browser.post("/logout")).status == 204
    assert (await browser.ask("GET", "/me")).status == 401


@pytest.mark.parametrize("how", ["disabled", "new password", "taken out", "session ended"])
async def test_who_is_out_is_out_within_seconds_the_stream_too(house: Server, how: str) -> None:
    async with Desk(house) as admin, Browser(house) as leaving, Browser(house) as beside:
        login = f"s-out-{how.replace(' ', '-')}"
        (await admin.put(f"/staff/{login}", {"role": "station", "station": "st-1"})).ok(201)
        assert house.cli("user", "add", login, "--password-stdin", stdin=PASSWORD).code == 0
        (await leaving.login(login)).ok()
        (await beside.login(login)).ok()
        stream: Events = await leaving.events()
        if how == "disabled":
            assert house.cli("user", "disable", login).code == 0
        elif how == "new password":
            assert (
                house.cli("user", "passwd", login, "--password-stdin", stdin="another " + PASSWORD).code == 0
            )
        elif how == "taken out":
            assert (await admin.delete(f"/staff/{login}")).status == 204
        else:
            [other] = [one for one in await beside.all("/me/sessions") if not one["current"]]
            assert (await beside.delete(f"/me/sessions/{other['id']}")).status == 204
        await eventually(lambda: stream.ended, "the stream to end", within=8)
        assert (await leaving.ask("GET", "/me")).status == 401
        status = (await leaving.login(login)).status
        assert status == (200 if how == "session ended" else 401)


@on_one
async def test_no_other_site_acts_with_somebodys_cookie(house: Server, browser: Browser) -> None:
    (await browser.login("d-1")).ok()
    item = await browser.get("/residents/r-1")
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"X-Yijian": ""},
        {"Sec-Fetch-Site": "same-site", "Origin": f"http://127.0.0.1:{house.mqtt_port}"},
    ):
        reply = await browser.ask("PUT", "/residents/r-1", json=item | {"name": "x"}, headers=headers)
        assert reply.status == 403
    assert (await browser.get("/residents/r-1"))["name"] == "老人"
    assert (await browser.put("/residents/r-1", item)).status == 200
    async with Desk(house) as admin:
        assert (await admin.get("/residents/r-1"))["phone"] == PHONE, "put back as it was, masked or not"


async def test_logins_live_through_a_restart_and_a_kill(house: Server, browser: Browser) -> None:
    (await browser.login("s-1")).ok()
    house.kill()
    house.start()
    assert (await browser.get("/me"))["id"] == "s-1"


@on_one
def test_the_command_line_says_in_one_line_what_is_wrong(house: Server) -> None:
    for words, stdin, told, code in (
        (("add", "nobody", "--password-stdin"), PASSWORD, "nobody", 1),
        (("add", "s-1", "--password-stdin"), PASSWORD, "passwd", 1),
        (("passwd", "s-3", "--password-stdin"), PASSWORD, "user add", 1),
        (("disable", "s-3"), None, "user add", 1),
        (("totp", "s-3"), None, "user add", 1),
        (("add", "s-3"), PASSWORD, "--password-stdin", 2),
        (("add", "s-3", "--password-stdin"), None, "no password", 2),
        (("add", "s-3", "--password-stdin"), "\n", "no password", 2),
        (("add", "s-3", "--password-stdin"), "short", "10", 2),
        (("add", "s-3", "--password-stdin"), "x" * 5000, "256", 2),
        (("add", "s-3", "--password-stdin"), b"\xff\xfe" * 8, "no text", 2),
        (("add", "s-3", "--password-stdin"), "Password1234", "commonest", 2),
        (("add", "s-3\n", "--password-stdin"), PASSWORD, "register", 1),
        (("add",), None, "LOGIN", 2),
    ):
        ran = house.cli("user", *words, stdin=stdin, LC_ALL="C")
        assert ran.code == code, ran.said
        assert told in ran.err, ran.err
        assert "Traceback" not in ran.said
        assert PASSWORD not in ran.said
    chinese = house.cli("user", "add", "nobody", "--password-stdin", stdin=PASSWORD, LC_ALL="zh_CN.UTF-8")
    assert "人员登记中没有 nobody" in chinese.err
    listed = house.cli("user", "list")
    assert "s-1" in listed.out
    assert "argon2" not in listed.said


@on_one
async def test_an_app_is_asked_for_once_it_is_set(house: Server, browser: Browser) -> None:
    async with Desk(house) as admin:
        (await admin.put("/staff/s-app", {"role": "station", "station": "st-1"})).ok(200, 201)
    assert house.cli("user", "add", "s-app", "--password-stdin", stdin=PASSWORD).code == 0
    ran = house.cli("user", "totp", "s-app")
    assert ran.out.startswith("otpauth://totp/Yijian%3As-app?secret=")
    assert len(ran.out.splitlines()) == 1
    reply = await browser.login("s-app")
    assert (reply.status, reply.body["field"]) == (401, "totp")
    assert house.cli("user", "totp", "s-app", "--off").code == 0
    (await browser.login("s-app")).ok()


def at(took: list[float], part: float) -> float:
    """That quantile, in milliseconds."""
    return round(took[int(part * (len(took) - 1))] * 1e3, 1)


@on_one
async def test_while_somebody_guesses_presses_do_not_wait(
    house: Server, record_property: Callable[[str, object], None]
) -> None:
    """Twenty guesses a second for five seconds from ever other addresses, and presses all the while."""
    stop = asyncio.Event()
    statuses: list[int] = []

    async def guess(session: aiohttp.ClientSession, number: int) -> None:
        body = {"login": f"guess-{number % 50}", "password": f"guess number {number}"}
        headers = {"X-Forwarded-For": f"198.51.100.{number % 250}"}
        async with session.post(f"{house.url}{BASE}/login", json=body, headers=headers) as answer:
            statuses.append(answer.status)

    async def guessing() -> None:
        number = 0
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
            while not stop.is_set():
                number += 1
                group.create_task(guess(session, number))
                await asyncio.sleep(0.05)

    async def presses(count: int, name: str) -> list[float]:
        took = []
        async with Desk(house) as admin:
            for number in range(count):
                body = {"device": "btn-1", "id": f"{name}-{number}", "type": "heartbeat"}
                began = time.monotonic()
                (await admin.post("/signals", body)).ok(201)
                took.append(time.monotonic() - began)
                await asyncio.sleep(0.02)
        return sorted(took)

    calm = await presses(100, "calm")
    task = asyncio.create_task(guessing())
    await asyncio.sleep(0.3)
    busy = await presses(200, "busy")
    stop.set()
    await task
    for name, took in (("calm", calm), ("guessing", busy)):
        record_property(f"press p50, p99 in ms, {name}", (at(took, 0.5), at(took, 0.99)))
    assert set(statuses) <= {401, 429}
    assert statuses.count(401) > 40, "they were really looked at"
    assert at(busy, 0.99) < 250 * PATIENCE, "99 of 100 presses"


def test_nothing_of_a_password_is_on_disk(house: Server) -> None:
    for file in Path(house.data).rglob("*"):
        if file.is_file() and not file.is_socket():
            assert PASSWORD.encode() not in file.read_bytes(), file
