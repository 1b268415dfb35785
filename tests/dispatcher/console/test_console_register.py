"""The register over HTTP: what GET gave PUT takes, lists that stay whole while rows come, keys, deletes, the file."""

from __future__ import annotations

import json

import pytest
from console_rooms import COMMUNITY, NOW

SECTIONS = {
    "stations": "st-1",
    "residents": "r-1",
    "devices": "btn-r-1",
    "staff": "s-1",
    "areas": COMMUNITY,
    "webhooks": "wh-1",
}


@pytest.mark.parametrize(("section", "item_id"), SECTIONS.items())
async def test_put_takes_what_get_gave(api, section, item_id):
    _, before = await api("GET", f"/{section}/{item_id}")
    status, after = await api("PUT", f"/{section}/{item_id}", before)
    assert (status, after) == (200, before)
    for member in ("id", "code"):
        if member in before:
            status, problem = await api("PUT", f"/{section}/other", before)
            assert (status, problem["field"]) == (400, member)


async def test_add_change_and_take_away(api, world):
    status, made = await api("PUT", "/residents/r-new", {"name": "新来", "area": COMMUNITY})
    assert (status, made["id"]) == (201, "r-new")
    assert (await api("PUT", "/residents/r-new", {"name": "改名"}))[0] == 200
    assert (await api("GET", "/residents/r-new"))[1] == {"id": "r-new", "name": "改名"}
    assert await api("DELETE", "/residents/r-new") == (204, None)
    assert (await api("DELETE", "/residents/r-new"))[0] == 404
    assert "r-new" not in world.rolls.default.residents


async def test_a_location_is_wgs84_past_the_door(api):
    _, made = await api("PUT", "/residents/r-1", {"location": {"lat": 34.03, "lon": 113.82, "datum": "bd09"}})
    assert "datum" not in made["location"]
    assert made["location"]["lat"] != 34.03


async def test_what_an_open_call_needs_stays(api, world):
    world.needed["r-1"] = "c-77"
    status, problem = await api("DELETE", "/residents/r-1")
    assert (status, problem["call"]) == (409, "c-77")
    assert "r-1" in world.rolls.default.residents


async def test_all_errors_of_an_item(api, world):
    status, problem = await api(
        "PUT", "/stations/st-9", {"kind": "palace", "hours": {"mon": ["25:00-26:00"]}, "area": "nowhere"}
    )
    assert status == 400
    paths = {error["path"] for error in problem["errors"]}
    assert {"kind", "area"} <= paths
    assert len(paths) >= 3
    assert not world.register.asked


async def test_all_errors_of_a_file_and_nothing_done(api, world):
    file = {
        "stations": [{"id": "st-8", "kind": "care_station"}, {"id": "st-9", "kind": "palace"}],
        "residents": [{"id": "r-9", "area": "nowhere"}, {"id": 7}],
        "surprise": 1,
    }
    status, problem = await api("POST", "/district", file)
    assert status == 400
    assert {error["path"] for error in problem["errors"]} >= {
        "stations[1].kind",
        "residents[0].area",
        "residents[1].id",
    }
    assert "st-8" not in world.rolls.default.stations
    status, loaded = await api("POST", "/district", {"stations": file["stations"][:1]})
    assert (status, loaded["stations"]) == (200, 1)
    _, exported = await api("GET", "/district")
    assert "st-8" in {station["id"] for station in exported["stations"]}
    status, _ = await api("POST", "/district", exported)
    assert status == 200


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"\xff\xfe{", b'{"residents":{}}', b"[" * 100_000])
async def test_a_file_that_is_none(api, raw):
    status, problem = await api("POST", "/district", data=raw)
    assert status == 400
    assert problem["errors"]


async def test_lists_stay_whole_while_rows_come(api):
    found, cursor, number = [], "", 0
    while True:
        _, page = await api("GET", f"/residents?limit=1{cursor}")
        found += [one["id"] for one in page["items"]]
        number += 1
        await api("PUT", f"/residents/a-{number}", {"name": "before"})
        await api("PUT", f"/residents/z-{number:02}", {"name": "after"}) if number < 3 else None
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert found == sorted(set(found))
    assert {"r-1", "r-2", "r-3", "r-g", "z-01", "z-02"} <= set(found)


async def test_lists_are_asked_by(api):
    _, page = await api("GET", f"/residents?area={COMMUNITY}")
    assert {one["id"] for one in page["items"]} == {"r-1", "r-g"}
    _, page = await api("GET", "/devices?resident=r-1")
    assert {one["id"] for one in page["items"]} == {"btn-r-1", "panel"}
    [name] = {one["resident_name"] for one in page["items"]}
    assert name == (await api("GET", "/residents/r-1"))[1]["name"]
    _, device = await api("GET", "/devices/btn-r-1")
    assert await api("PUT", "/devices/btn-r-1", device | {"resident_name": "told, not written"}) == (
        200,
        device,
    )
    _, page = await api("GET", "/staff?station=st-3")
    assert {one["id"] for one in page["items"]} == {"s-3"}


async def test_policies(api, world):
    _, page = await api("GET", "/policies")
    assert [one["key"] for one in page["items"]] == ["emergency", "service", "family"]
    _, policy = await api("GET", "/policies/service")
    assert (await api("DELETE", "/policies/service"))[0] == 404
    status, changed = await api("PUT", "/policies/service", policy | {"repeat": 60.0})
    assert (status, changed["repeat"]) == (200, 60.0)
    assert (await api("PUT", "/policies/service", {"key": "family"}))[0] == 400
    assert (await api("PUT", "/policies/purple", policy))[0] == 404
    assert (await api("DELETE", "/policies/service"))[0] == 204
    assert (await api("GET", "/policies/service"))[1] == policy


async def test_one_key_one_outcome(api, world):
    headers = {"Idempotency-Key": "once"}
    first = await api("PUT", "/residents/r-5", {"name": "一"}, headers=headers)
    assert first[0] == 201
    assert await api("PUT", "/residents/r-5", {"name": "一"}, headers=headers) == first
    assert [asked for asked in world.register.asked if asked[0] == "put"] == [("put", "residents")]
    status, problem = await api("PUT", "/residents/r-5", {"name": "二"}, headers=headers)
    assert (status, problem["field"]) == (422, "Idempotency-Key")
    assert (await api("PUT", "/residents/r-6", {"name": "一"}, headers=headers))[0] == 422
    assert (await api("PUT", "/residents/r-5", {"name": "二"}, headers=headers, who="district"))[0] == 200
    world.clock.us += 25 * 3600 * 1_000_000
    assert (await api("PUT", "/residents/r-5", {"name": "三"}, headers=headers))[0] == 200
    assert await api("DELETE", "/residents/r-5", headers={"Idempotency-Key": "gone"}) == (204, None)
    assert await api("DELETE", "/residents/r-5", headers={"Idempotency-Key": "gone"}) == (204, None)


async def test_a_wrong_write_uses_up_no_key(api):
    headers = {"Idempotency-Key": "k"}
    assert (await api("PUT", "/residents/r-5", {"area": "nowhere"}, headers=headers))[0] == 400
    assert (await api("PUT", "/residents/r-5", {"name": "好"}, headers=headers))[0] == 201


async def test_test_mode(api, world):
    assert await api("POST", "/devices/btn-r-1/test", {"for": 600}) == (
        200,
        {"devices": ["btn-r-1"], "until": "2026-11-24T01:25:00Z"},
    )
    assert world.rolls.default.test_until_us == {"btn-r-1": NOW + 600_000_000}
    _, answer = await api("POST", f"/areas/{COMMUNITY}/test", {"for": 60})
    assert answer["devices"] == ["btn-r-1", "btn-r-g", "panel"]
    _, answer = await api("POST", f"/areas/{COMMUNITY}/test", {"for": 0})
    assert answer["until"] is None
    assert world.rolls.default.test_until_us == {}
    for bad in (-1, 86_401, "600", 1e400, True):
        raw = json.dumps({"for": bad}).replace("Infinity", "1e999")
        status, problem = await api("POST", "/devices/btn-r-1/test", data=raw)
        assert (status, problem["field"]) == (400, "for")


async def test_who_is_on_duty_is_told_with_the_staff_since_when_and_not_changed_by_writing_them(api, world):
    assert (await api("GET", "/staff/s-1"))[1]["on_duty"] is False
    assert (await api("GET", "/staff/s-1"))[1]["on_duty_since"] is None
    await api("POST", "/staff/s-1/duty", {"on": True})
    _, since = await api("GET", "/staff/s-1")
    assert since["on_duty"] is True
    assert since["on_duty_since"].endswith("Z")
    world.clock.us += 60_000_000
    await api("POST", "/staff/s-1/duty", {"on": True})
    _, listed = await api("GET", "/staff")
    assert [one for one in listed["items"] if one["on_duty"]] == [since], "who says so twice came once"

    status, back = await api("PUT", "/staff/s-1", since | {"on_duty": False, "name": "新名字"})
    assert (status, back) == (200, since | {"name": "新名字"}), (
        "what GET gave can be written; duty is said elsewhere"
    )
    await api("POST", "/staff/s-1/duty", {"on": False})
    assert (await api("GET", "/staff/s-1"))[1]["on_duty_since"] is None


async def test_a_station_tells_whether_it_is_open_now_and_that_is_not_written(api, world):
    _, one = await api("GET", "/stations/st-1")
    assert one["open_now"] is True
    status, back = await api("PUT", "/stations/st-1", one | {"closed": {"reason": "停电"}})
    assert (status, back["open_now"]) == (200, False)
    _, again = await api(
        "PUT", "/stations/st-1", {name: value for name, value in back.items() if name != "closed"}
    )
    assert again == one, "what GET gave can be written"


async def test_duty(api, world):
    assert await api("POST", "/staff/s-1/duty", {"on": True}) == (200, {"staff": "s-1", "on": True})
    assert world.rolls.default.on_duty == {"s-1"}
    assert (await api("POST", "/staff/s-1/duty", {"on": False}))[0] == 200
    assert world.rolls.default.on_duty == set()


async def test_routing_at_a_time(api):
    status, answer = await api("GET", "/residents/r-1/routing?at=2026-11-24T09:15:00%2B08:00")
    assert (status, answer["items"][0]["at"]) == (200, NOW)
    _, answer = await api("GET", "/residents/r-1/routing?at=2026-11-24T09:15:00+08:00")
    assert answer["items"][0]["at"] == NOW
