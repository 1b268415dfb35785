"""The audit log: who looked at whose record and who changed what, and that nothing of it goes missing silently."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from aiohttp import DummyCookieJar
from aiohttp.test_utils import TestClient, TestServer
from conftest import QUICK
from console_rooms import COMMUNITY, DISTRICT, World, call
from prometheus_client import REGISTRY
from test_console_people import PASSWORD, Browser

from dispatcher.console.app import Options, make_app, table
from dispatcher.console.audit import WAITING_MAX, Audit, Entry, what_of
from dispatcher.console.endpoint import Act
from dispatcher.console.passwords import Hasher
from dispatcher.console.users import Users
from dispatcher.core.district import Role
from dispatcher.store import StoreUnavailable
from dispatcher.tables import audit

#: What is looked at without a line, and why.
NOT_WRITTEN = {
    # signals, and the steps of a call: in the inbox and the journal
    "putSignal",
    "openCall",
    "endFault",
    # about no resident: places, machines, messages without names, rules, oneself
    "listStations",
    "getStation",
    "listDevices",
    "getDevice",
    "listAreas",
    "getArea",
    "listWebhooks",
    "getWebhook",
    "listPolicies",
    "getPolicy",
    "listAlerts",
    "listFaults",
    "getFault",
    "listMissingHandovers",
    "listHandovers",  # who gave and who took; whom it was about is in the sheet, and a look at that is a line
    "listCoverage",
    "getCoverage",
    "getMap",
    "getDistrictSettings",  # its name, its zone, its holidays
    "getCanary",
    "pressCanary",
    "getLoginWays",
    "getMe",
    "getOwnLogin",
    "getTemplate",
    "listColleagues",
    "listSessions",
    "followUp",  # decided by the desk: the journal has it
    "newTotp",  # keeps nothing and tells nothing: a fresh secret that is nobody's yet
}
#: Written by themselves, in the transaction of what they do; test_console_bad_input.py asks each for its line.
WRITE_THEIR_OWN = {
    "login",
    "loginByPin",
    "logout",
    "setPassword",
    "setPin",
    "setTotp",
    "removeTotp",
    "endSession",
    "addLogin",
    "resetLogin",
    "disableLogin",
    "enableLogin",
    "removeLoginTotp",
    "endLoginSessions",
}


async def lines(world: World) -> list[tuple[str, str, str, str, str, str]]:
    await asyncio.sleep(0)
    rows = await world.store.read(audit.select().order_by(audit.c.seq))
    return [tuple(row[2:8]) for row in rows]


async def settled(world: World, count: int) -> list[tuple[str, str, str, str, str, str]]:
    """So many lines, which come within a second or two."""
    for _ in range(60):
        if len(found := await lines(world)) >= count:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(found)


def test_every_endpoint_is_written_down_or_says_why_not():
    for endpoint in table():
        if endpoint.name.startswith("step"):
            assert endpoint.audit is None, "the journal has it"
        else:
            assert (endpoint.audit is None) == (endpoint.name in NOT_WRITTEN | WRITE_THEIR_OWN), endpoint.name
        if endpoint.method in {"PUT", "DELETE"} and not endpoint.session:
            assert endpoint.audit in {Act.CHANGE, Act.REMOVE}, endpoint.name


async def test_looks_changes_and_exports_are_lines(api, world):
    world.board.put(call())
    for who, method, path, body in (
        ("station", "GET", "/residents/r-1", None),
        ("station", "GET", "/residents", None),
        ("station", "GET", "/residents?area=411002001001", None),
        ("station", "GET", "/calls/c-1", None),
        ("station", "GET", "/calls/c-1/journal", None),
        ("station", "GET", "/calls?resident=r-1", None),
        ("station", "GET", "/residents/r-1/routing", None),
        ("admin", "PUT", "/residents/r-9", {"area": COMMUNITY}),
        ("admin", "PUT", "/residents/r-9", {"name": "x"}),
        ("admin", "DELETE", "/residents/r-9", None),
        ("admin", "PUT", "/policies/emergency", {"repeat": 30}),
        ("station", "POST", "/staff/s-1/duty", {"on": True}),
        ("street", "POST", "/devices/btn-r-1/test", {}),
        ("this_district", "GET", "/district", None),
        ("this_district", "POST", "/district", {"residents": []}),
        ("admin", "POST", "/residents/r-g/erase", None),
    ):
        status, answer = await api(method, path, body, who=who)
        assert status in {200, 201, 204}, (path, answer)
    found = await settled(world, 16)
    assert sorted(found) == sorted(
        [
            ("s-1", "look", "residents", "r-1", DISTRICT, COMMUNITY),
            ("s-1", "list", "residents", "", DISTRICT, ""),
            ("s-1", "list", "residents", "", DISTRICT, COMMUNITY),
            ("s-1", "look", "calls", "c-1", DISTRICT, COMMUNITY),
            ("s-1", "look", "calls/journal", "c-1", DISTRICT, COMMUNITY),
            ("s-1", "list", "calls", "r-1", DISTRICT, ""),
            ("s-1", "look", "residents/routing", "r-1", DISTRICT, COMMUNITY),
            ("admin", "add", "residents", "r-9", DISTRICT, COMMUNITY),
            ("admin", "change", "residents", "r-9", DISTRICT, ""),
            ("admin", "remove", "residents", "r-9", DISTRICT, ""),
            ("admin", "change", "policies", "emergency", DISTRICT, ""),
            ("s-1", "change", "staff/duty", "s-1", DISTRICT, COMMUNITY),
            ("token:t-street", "change", "devices/test", "btn-r-1", DISTRICT, COMMUNITY),
            ("token:t-this", "export", "district", "", DISTRICT, ""),
            ("token:t-this", "change", "district", "", DISTRICT, ""),
            ("admin", "erase", "residents", "r-g", DISTRICT, f"{COMMUNITY}-1"),
        ]
    )


async def test_what_was_refused_was_not_looked_at(api, world):
    assert (await api("GET", "/residents/r-3", who="station"))[0] == 404
    assert (await api("PUT", "/residents/r-1", {"id": "x"}, who="admin"))[0] == 400
    assert (await api("GET", "/district", who="station"))[0] == 403
    await asyncio.sleep(1.2)
    assert await lines(world) == []


async def test_a_change_is_on_disk_before_it_is_answered(api, world):
    await api("PUT", "/residents/r-9", {"name": "x"})
    assert len(await lines(world)) == 1


async def test_a_repeat_by_its_key_is_one_change(api, world):
    for _ in range(3):
        await api("PUT", "/residents/r-9", {"name": "x"}, headers={"Idempotency-Key": "k-1"})
    assert len(await lines(world)) == 1


async def test_a_list_that_is_asked_for_again_and_again_is_one_look(api, world):
    for _ in range(5):
        await api("GET", "/residents", who="station")
        await api("GET", "/residents/r-1", who="station")
    assert [line[1] for line in await settled(world, 6)].count("list") == 1
    world.clock.us += 600_000_000
    await api("GET", "/residents", who="station")
    await settled(world, 7)


async def test_logins_refusals_and_unmasking_are_lines(world, tokens):
    users = Users(world.store, world.clock, world.rolls)
    await users.add("s-1", QUICK.hash(PASSWORD), "cli")
    options = Options(tokens=tokens, hasher=Hasher(QUICK))
    async with TestClient(TestServer(make_app(world.rooms, options)), cookie_jar=DummyCookieJar()) as client:
        browser = Browser(client)
        await browser.login("s-1", "wrong horse battery")
        await browser.login("my-secret-typed-in-the-wrong-field", "x")
        await browser.login()
        await browser.ask("GET", "/residents/r-1")
        await browser.ask("GET", "/residents/r-1?unmask=phone")
        await browser.ask("POST", "/me/pin", {"password": PASSWORD, "pin": "4711"})
        await browser.ask("POST", "/logout")
    found = await lines(world)
    assert sorted((act, what, one) for _by, act, what, one, _district, _area in found) == sorted(
        [
            ("add", "users", "s-1"),
            ("refused", "sessions", "s-1"),
            ("login", "sessions/password", "s-1"),
            ("look", "residents", "r-1"),
            ("unmask", "residents", "r-1"),
            ("change", "users/pin", "s-1"),
            ("logout", "sessions", "s-1"),
        ]
    ), "all of it is written when the process ends in order; what was typed for a login is not"
    assert {line[0] for line in found} == {"cli", "s-1"}


async def test_it_is_searched_by_everything_and_page_by_page(api, world):
    log = Audit(world.store, world.clock)
    for number in range(25):
        at_us = world.clock.us + number * 1_000_000
        await log.keep(
            Entry(
                at_us=at_us,
                by=f"s-{number % 5}",
                act=Act.LOOK if number % 2 else Act.LIST,
                what="residents",
                id=f"r-{number % 3}",
                district=DISTRICT,
            )
        )

    async def count(**query: str) -> int:
        asked = "&".join(f"{name}={value.replace('+', '%2B')}" for name, value in query.items())
        status, body = await api("GET", f"/audit?limit=500&what=residents&{asked}")
        assert status == 200
        return len(body["items"])

    assert await count() == 25
    assert await count(by="s-1") == 5
    assert await count(act="look") == 12
    assert await count(id="r-0") == 9
    assert await count(by="s-1", act="look", id="r-0") == 1
    assert await count(since="2026-11-24T09:15:20+08:00") == 5
    assert await count(until="2026-11-24T01:15:20Z") == 20
    seen, cursor = [], ""
    while cursor is not None:
        more = f"&cursor={cursor}" if cursor else ""
        _, page = await api("GET", f"/audit?limit=7&what=residents{more}")
        seen += [item["seq"] for item in page["items"]]
        cursor = page["next"]
    assert len(seen) == 25
    assert seen == sorted(seen, reverse=True)
    _, page = await api("GET", "/audit?limit=1&what=residents")
    [item] = page["items"]
    assert (item["by"], item["act"], item["id"], item["at"]) == ("s-4", "list", "r-0", "2026-11-24T01:15:24Z")


@pytest.mark.parametrize("cursor", ["x", "LTE", "MS41", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk"])
async def test_cursors_that_are_none(api, cursor):
    status, problem = await api("GET", f"/audit?cursor={cursor}")
    assert (status, problem["field"]) == (400, "cursor")


async def test_a_district_reads_of_itself_and_others_nothing(api, world):
    log = Audit(world.store, world.clock)
    for district in (DISTRICT, "411003", ""):
        entry = Entry(at_us=0, by="x", act=Act.LOOK, what="residents", district=district)
        await log.keep(replace(entry, id=f"in-{district}"))
    for who in ("station", "volunteer"):
        assert (await api("GET", "/audit", who=who))[0] == 403
    _, page = await api("GET", "/audit?by=x", who="this_district")
    assert [item["district"] for item in page["items"]] == [DISTRICT]
    _, page = await api("GET", "/audit?by=x", who="district")
    assert len(page["items"]) == 3
    _, page = await api("GET", f"/audit?by=x&district={DISTRICT}", who="admin")
    assert [item["district"] for item in page["items"]] == [None, DISTRICT]


def entry(number: int) -> Entry:
    return Entry(at_us=number, by="s-1", act=Act.LOOK, what="residents", id=f"r-{number}")


async def test_while_the_database_is_away_it_waits_and_what_is_dropped_is_counted(world):
    log = Audit(world.store, world.clock)
    dropped = REGISTRY.get_sample_value("yijian_audit_dropped_total")
    world.store.fail = lambda _work: StoreUnavailable("full")
    await log.keep(entry(0))
    for number in range(1, WAITING_MAX + 500):
        log.note(entry(number))
    await log.flush()
    assert await lines(world) == []
    assert REGISTRY.get_sample_value("yijian_audit_dropped_total") - dropped == 500
    assert REGISTRY.get_sample_value("yijian_audit_waiting") == WAITING_MAX
    world.store.fail = lambda _work: None
    await log.flush()
    found = await lines(world)
    assert [line[3] for line in found] == [f"r-{number}" for number in range(WAITING_MAX)]
    assert REGISTRY.get_sample_value("yijian_audit_waiting") == 0


async def test_what_comes_while_it_writes_is_written_too(world):
    log = Audit(world.store, world.clock)
    for number in range(450):
        log.note(entry(number))
    flushing = asyncio.create_task(log.flush())
    for number in range(450, 700):
        log.note(entry(number))
        await asyncio.sleep(0)
    await flushing
    await log.flush()
    assert [line[3] for line in await lines(world)] == [f"r-{number}" for number in range(700)]


async def test_tokens_are_made_and_ended_with_a_line(tokens, world):
    issued = await tokens.create(Role.DISTRICT)
    await tokens.revoke(issued.id)
    await tokens.revoke(issued.id)
    await tokens.revoke("t-nothing")
    assert [line[:4] for line in await lines(world)] == [
        ("cli", "add", "tokens", issued.id),
        ("cli", "remove", "tokens", issued.id),
    ]


def test_what_is_the_address_without_ids():
    named = {endpoint.name: what_of(endpoint) for endpoint in table()}
    assert (named["getResident"], named["getRouting"], named["eraseResident"], named["exportDistrict"]) == (
        "residents",
        "residents/routing",
        "residents",
        "district",
    )
