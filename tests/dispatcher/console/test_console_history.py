"""What was changed in the register, through the door: by whom, in whose sight, with which numbers."""

from __future__ import annotations

import asyncio

import pytest
from console_rooms import COMMUNITY, NEXT_COMMUNITY, OTHER_COMMUNITY
from sqlalchemy import select

from dispatcher.tables import audit

NUMBERS = {"r-1": COMMUNITY, "r-2": NEXT_COMMUNITY, "r-3": OTHER_COMMUNITY}


@pytest.fixture(autouse=True)
async def changed(api):
    """Each of the three has another number now, by people of the desk; and the district's own things."""
    assert (await api("PUT", "/staff/d-1", {"name": "王芳", "role": "district"}))[0] == 201
    for resident, area in NUMBERS.items():
        contacts = [{"name": "女儿", "phone": "13900000002", "webhook": "wh-1", "on": ["opened"]}]
        body = {"name": "改名", "phone": "13800000001", "area": area, "contacts": contacts}
        assert (await api("PUT", f"/residents/{resident}", body, who="desk_person"))[0] == 200
    hook = {"url": "https://example.org/hush", "secret": "whsec_aHVzaGh1c2hodXNoaHVzaGh1c2g="}
    assert (await api("PUT", "/webhooks/wh-1", hook))[0] == 200
    assert (await api("PUT", "/policies/service", {"repeat": 45}))[0] == 200


async def lines(api, who="admin", **query):
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    status, page = await api("GET", f"/history?{asked}", who=who)
    assert status == 200, page
    return page["items"]


async def test_who_changed_what_from_what_to_what_newest_first(api):
    found = await lines(api, section="residents", id="r-1")
    assert [line["act"] for line in found] == ["changed", "added"]
    line = found[0]
    assert (line["by"], line["by_name"], line["name"]) == ("d-1", "王芳", "改名")
    fields = {change["field"]: (change["before"], change["after"]) for change in line["changes"]}
    assert fields["phone"] == ("0374-1", "13800000001")
    assert fields["address"] == ("西大街1号", "")
    assert fields["location"] == ({"lat": 34.03, "lon": 113.82}, None)
    assert [line["id"] for line in await lines(api, by="d-1")] == ["r-3", "r-2", "r-1"]
    assert await lines(api, by="d-1", until="2026-11-24T01:15:00Z") == []
    assert len(await lines(api, by="d-1", since="2026-11-24T01:15:00Z")) == 3


async def test_a_secret_is_told_as_changed_and_never_shown(api):
    [changed, _added] = await lines(api, section="webhooks")
    assert changed["changes"] == [{"field": "url", "secret": True}, {"field": "secret", "secret": True}]
    assert "hush" not in str(await lines(api))


async def test_page_by_page_it_is_the_same_list(api):
    whole, found, cursor = [line["seq"] for line in await lines(api)], [], ""
    assert whole == sorted(whole, reverse=True)
    for _ in range(len(whole)):
        _, page = await api("GET", "/history?limit=3" + (f"&cursor={cursor}" if cursor else ""))
        found += [line["seq"] for line in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert found == whole
    assert (await api("GET", "/history?cursor=zz"))[0] == 400
    assert (await api("GET", "/history?section=calls"))[0] == 400


@pytest.mark.parametrize(
    ("who", "seen"),
    [
        ("admin", {"r-1", "r-2", "r-3"}),
        ("this_district", {"r-1", "r-2", "r-3"}),
        ("street", {"r-1", "r-2"}),
        ("community", {"r-1"}),
        ("station", {"r-1"}),
        ("station_3", {"r-3"}),
        ("grid", set()),
    ],
)
async def test_each_sees_what_was_changed_in_their_area(api, who, seen):
    found = await lines(api, who)
    assert {
        line["id"] for line in found if line["act"] == "changed" and line["section"] == "residents"
    } == seen
    for resident in NUMBERS:
        assert bool(await lines(api, who, section="residents", id=resident)) == (resident in seen)
    whole = who in {"admin", "this_district"}
    assert bool({"webhooks", "policies", "districts"} & {line["section"] for line in found}) == whole
    assert ("wh-1" in str(found)) == whole


async def test_who_it_was_is_told_as_far_as_they_are_in_sight(api):
    [changed, added] = await lines(api, "community", section="residents", id="r-1")
    assert (changed["by"], changed["by_name"]) == (None, None), "the district's people are out of its sight"
    assert added["by"] == "", "the installation itself"
    assert await lines(api, "community", by="d-1") == []


async def test_nobody_else_asks(api):
    assert (await api("GET", "/history", who="volunteer"))[0] == 403
    assert (await api("GET", "/history", who="nobody"))[0] == 401


async def test_whoever_moved_away_is_out_of_sight_with_all_that_was(api):
    body = {"name": "改名", "area": OTHER_COMMUNITY}
    await api("PUT", "/residents/r-1", body)
    assert await lines(api, "community", section="residents", id="r-1") == []
    assert "r-1" not in {line["id"] for line in await lines(api, "community")}
    # Where they are now, what came with them is told, and not what was before.
    [line] = await lines(api, "station_3", section="residents", id="r-1")
    assert ("area", COMMUNITY, OTHER_COMMUNITY) in {
        (change["field"], change["before"], change["after"])
        for change in line["changes"]
        if change["field"] == "area"
    }


async def test_numbers_are_masked_for_who_has_logged_in_and_a_relatives_webhook_is_the_districts(api):
    [line, _added] = await lines(api, "person", section="residents", id="r-1")
    fields = {change["field"]: change for change in line["changes"]}
    assert fields["phone"]["after"] == "138****0001"
    assert fields["contacts"]["after"] == [{"name": "女儿", "phone": "139****0002", "on": ["opened"]}]
    assert "13800000001" not in str(line)
    [line, _added] = await lines(api, "station", section="residents", id="r-1")
    assert "13900000002" in str(line["changes"])


async def test_a_doors_code_is_masked_and_that_it_was_changed_is_told(api):
    kept = (await api("GET", "/residents/r-1"))[1]
    await api("PUT", "/residents/r-1", {**kept, "door_code": "4711#"})
    await api("PUT", "/residents/r-1", {**kept, "door_code": "0815#"})
    changed = (await lines(api, "person", section="residents", id="r-1"))[0]
    assert [change["field"] for change in changed["changes"]] == ["door_code"]
    assert "4711" not in str(changed)
    assert "0815" not in str(changed)
    [change] = (await lines(api, section="residents", id="r-1"))[0]["changes"]
    assert (change["before"], change["after"]) == ("4711#", "0815#")


async def test_that_only_a_relatives_webhook_was_changed_is_the_districts_alone(api):
    kept = (await api("GET", "/residents/r-1"))[1]
    contacts = [{**contact, "webhook": ""} for contact in kept["contacts"]]
    await api("PUT", "/residents/r-1", {**kept, "contacts": contacts})
    assert [change["field"] for change in (await lines(api, id="r-1"))[0]["changes"]] == ["contacts"]
    assert (await lines(api, "station", id="r-1"))[0]["changes"] == []


async def test_looking_is_written_down(api, world):
    await lines(api, "station", section="residents", id="r-1")
    await lines(api, "station", section="residents", id="r-3")
    asked: list[tuple[str, ...]] = []
    for _ in range(60):
        query = select(audit.c.by, audit.c.act, audit.c.id, audit.c.area).where(audit.c.what == "history")
        asked = [tuple(row) for row in await world.store.read(query.order_by(audit.c.seq))]
        if len(asked) == 2:
            break
        await asyncio.sleep(0.05)
    assert asked[0] == ("s-1", "look", "r-1", COMMUNITY)
    assert "r-3" not in asked[1], "whoever is out of sight is not named"


async def test_who_was_erased_leaves_only_that_something_was_changed(api):
    assert (await api("POST", "/residents/r-1/erase", {}))[0] == 200
    found = await lines(api, section="residents", id="r-1")
    assert [(line["act"], line["changes"], line["erased"]) for line in found] == [
        ("removed", [], False),
        ("changed", [], True),
        ("added", [], False),
    ]
    assert "13800000001" not in str(await lines(api, id="r-1"))
