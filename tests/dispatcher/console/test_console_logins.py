"""Looking after a district's logins, and searching who looked at what."""

from __future__ import annotations

import asyncio
import csv
import io

from console_rooms import COMMUNITY
from test_console_people import PASSWORD, Browser, browser, client, people, rows_of

from dispatcher.console.audit import Entry, written
from dispatcher.console.endpoint import Act
from dispatcher.console.logins import START_US
from dispatcher.tables import audit, sessions, users

__all__ = ["browser", "client", "people"]  # what pytest finds here


async def admin(client) -> Browser:
    made = Browser(client)
    assert (await made.login("a-1"))[0] == 200
    return made


async def test_a_start_password_is_good_for_setting_ones_own_and_nothing_else(client, world):
    boss = await admin(client)
    await world.register.put("staff", {"id": "n-1", "name": "新来的", "role": "station", "station": "st-1"})
    status, given = await boss.ask("POST", "/users", {"login": "n-1"})
    assert (status, given["login"]) == (201, "n-1")
    assert (await boss.ask("POST", "/users", {"login": "n-1"}))[0] == 409
    fresh = Browser(client)
    status, body = await fresh.login("n-1", given["password"])
    assert (status, body["start"]) == (200, True)
    assert (await fresh.ask("GET", "/me"))[1]["start"] is True
    for method, path in (
        ("GET", "/residents/r-1"),
        ("GET", "/calls"),
        ("GET", "/events"),
        ("GET", "/login/pin"),
    ):
        status, problem = await fresh.ask(method, path)
        assert (status, problem["code"]) == (403, "own_password_first"), path
    change = {"password": given["password"], "new": "another horse battery"}
    assert (await fresh.ask("POST", "/me/password", change))[0] == 204
    assert (await fresh.ask("GET", "/me"))[1]["start"] is False
    assert (await fresh.ask("GET", "/residents/r-1"))[0] == 200, "the same session goes on"
    assert (await Browser(client).login("n-1", given["password"]))[0] == 401


async def test_a_start_password_that_is_not_used_in_a_week_is_none(client, world):
    boss = await admin(client)
    _status, given = await boss.ask("POST", "/users/s-2/password")
    world.clock.us += START_US
    assert (await Browser(client).login("s-2", given["password"]))[0] == 401


async def test_a_reset_ends_what_was_open_and_the_pin(client, people):
    theirs = Browser(client)
    await theirs.login("s-2")
    assert (await theirs.ask("POST", "/me/pin", {"password": PASSWORD, "pin": "4711"}))[0] == 204
    boss = await admin(client)
    assert (await boss.ask("POST", "/users/s-2/password"))[0] == 200
    assert (await theirs.ask("GET", "/me"))[0] == 401
    assert (await people.find("s-2")).pin == ""
    assert (await Browser(client).login("s-2"))[0] == 401, "the old password is gone"


async def test_disabled_and_back_and_the_last_administrator_stays(client, world, people):
    boss = await admin(client)
    theirs = Browser(client)
    await theirs.login("s-2")
    status, shown = await boss.ask("POST", "/users/s-2/disable")
    assert (status, shown["disabled"] is None) == (200, False)
    assert (await theirs.ask("GET", "/me"))[0] == 401
    assert (await boss.ask("POST", "/users/s-2/enable"))[1]["disabled"] is None
    assert (await boss.ask("POST", "/users/a-1/disable"))[1]["code"] == "own"
    token = Browser(client, Authorization="Bearer secret-admin")
    status, problem = await token.ask("POST", "/users/a-1/disable")
    assert (status, problem["code"]) == (409, "last_admin")
    await world.register.put("staff", {"id": "a-2", "role": "admin"})
    await people.add("a-2", "x", "cli")
    assert (await token.ask("POST", "/users/a-1/disable"))[0] == 200
    assert (await token.ask("POST", "/users/a-2/disable"))[0] == 409


async def test_a_district_looks_after_its_people_but_not_after_administrators(client):
    district = Browser(client)
    assert (await district.login("d-1"))[0] == 200
    _status, listed = await district.ask("GET", "/users")
    assert {"s-1", "a-1"} <= {one["id"] for one in listed["items"]}
    for path in ("/users/a-1/password", "/users/a-1/disable", "/users/a-1/totp/remove"):
        assert (await district.ask("POST", path))[0] == 403, path
    assert (await district.ask("GET", "/users/a-1/sessions"))[0] == 403
    assert (await district.ask("POST", "/users", {"login": "nobody"}))[1]["field"] == "login"
    station = Browser(client)
    await station.login("s-1")
    assert (await station.ask("GET", "/users"))[0] == 403


async def test_a_lost_phone_and_a_forgotten_browser(client, people, world):
    await people.set_totp("s-2", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "cli")
    boss = await admin(client)
    assert (await boss.ask("POST", "/users/s-2/totp/remove"))[1]["totp"] is False
    theirs = Browser(client)
    await theirs.login("s-2")
    assert len((await boss.ask("GET", "/users/s-2/sessions"))[1]["items"]) == 1
    assert (await boss.ask("POST", "/users/s-2/logout"))[0] == 204
    assert (await theirs.ask("GET", "/me"))[0] == 401
    told = {(row[2], row[3], row[4], row[5]) for row in await rows_of(world, audit)}
    assert ("a-1", "change", "users/totp", "s-2") in told
    assert ("a-1", "change", "users/sessions", "s-2") in told


async def test_a_start_password_is_kept_as_a_hash_and_in_no_log(client, world):
    boss = await admin(client)
    _status, given = await boss.ask("POST", "/users/s-2/password")
    assert len(given["password"]) == 17
    for table in (users, sessions, audit):
        assert given["password"] not in str(await rows_of(world, table))


# ── the audit log ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_community_finds_who_looked_at_its_own_residents_only(client, world, api):
    await api("GET", "/residents/r-1", who="admin")
    await api("GET", "/residents/r-3", who="admin")
    local = Browser(client)
    await local.login("g-1")
    for _ in range(40):
        _status, found = await local.ask("GET", "/audit?act=look")
        if found["items"]:
            break
        await asyncio.sleep(0.05)
    assert {one["id"] for one in found["items"]} == {"r-1"}
    assert {one["area"] for one in found["items"]} == {COMMUNITY}
    assert found["items"][0]["name"] == world.rolls.default.residents["r-1"].name
    assert found["items"][0]["by"] is None, "who that was is the district's to know"
    assert (await local.ask("GET", "/audit?by=a-1"))[1]["items"] == []
    station = Browser(client)
    await station.login("s-1")
    assert (await station.ask("GET", "/audit"))[0] == 403


async def test_a_file_of_it_is_written_down_itself_and_holds_no_formula(client, world):
    boss = await admin(client)
    await boss.ask("POST", "/users/s-2/logout")
    formula = Entry(at_us=world.clock.us, by="=1+1", act=Act.LOOK, what="residents")
    await world.store.write([written(formula)])
    async with client.get(
        "/api/v1/audit/file", headers={"Cookie": f"yijian_session={boss.cookie}"}
    ) as response:
        assert response.status == 200
        assert response.content_type == "text/csv"
        assert "attachment" in response.headers["Content-Disposition"]
        text = (await response.read()).decode("utf-8-sig")
    lines = list(csv.DictReader(io.StringIO(text)))
    assert any(line["what"] == "users/sessions" and line["by"] == "a-1" for line in lines)
    assert any(line["by"] == "'=1+1" for line in lines)
    exports = [row for row in await rows_of(world, audit) if row[3] == "export"]
    assert [(row[2], row[4]) for row in exports] == [("a-1", "audit/file")]
