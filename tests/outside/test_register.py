"""The register and the district file: what is put is what is got, all of a file or nothing, and routing explained."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from outside.places import (
    DESK,
    DISTRICT,
    NEVER,
    Town,
    Village,
    district,
    every_day,
    offers,
    station,
)


def asked(explained: dict[str, Any]) -> list[dict[str, Any]]:
    """The stations a routing explanation would ask, in order."""
    return [entry for entry in explained["items"] if entry["able"]]


def unable(explained: dict[str, Any], station_id: str) -> str:
    """Why it would not ask that station."""
    (entry,) = [entry for entry in explained["items"] if entry["station"] == station_id]
    assert not entry["able"], entry
    return str(entry["reason"])


async def routing(town: Town, place: Village, at: str | None = None) -> dict[str, Any]:
    got: dict[str, Any] = await town.desk.get(f"/residents/{place.resident}/routing", at=at)
    return got


async def test_put_takes_what_get_gave(town: Town) -> None:
    place = await town.village(near=station(600))
    worker = {"id": f"{place.name}-s1", "name": "欧阳班长", "phone": "13803749999", "role": "station"}
    worker |= {"area": place.community, "station": place.station("near")}
    (await town.desk.put(f"/staff/{worker['id']}", worker)).ok(200, 201, 204)
    for path in [
        f"/stations/{place.station('near')}",
        f"/residents/{place.resident}",
        f"/devices/{place.device}",
        f"/areas/{place.community}",
        f"/staff/{place.name}-s1",
        "/policies/emergency",
    ]:
        before = await town.desk.get(path)
        (await town.desk.put(path, before)).ok(200, 201, 204)
        assert await town.desk.get(path) == before, path


async def test_what_was_put_is_what_is_got(town: Town) -> None:
    place = await town.village(near=station(600))
    loaded = place.document
    for path, put in [
        (f"/stations/{place.station('near')}", loaded["stations"][0]),
        (f"/residents/{place.resident}", loaded["residents"][0]),
        (f"/devices/{place.device}", loaded["devices"][0]),
        (f"/areas/{place.community}", loaded["areas"][1]),
    ]:
        got = await town.desk.get(path)
        assert {key: got.get(key) for key in put} == put, path


async def test_lists_hold_what_was_put_and_deleting_takes_it_out(town: Town) -> None:
    place = await town.village(near=station(600))
    spare = {"id": f"{place.name}-spare", "family": "native", "address": f"{place.name}-spare"}
    (await town.desk.put(f"/devices/{spare['id']}", spare)).ok(200, 201, 204)
    assert spare["id"] in [device["id"] for device in await town.desk.all("/devices")]
    (await town.desk.delete(f"/devices/{spare['id']}")).ok(200, 204)
    assert spare["id"] not in [device["id"] for device in await town.desk.all("/devices")]
    assert (await town.desk.ask("GET", f"/devices/{spare['id']}")).status == 404
    assert (await town.desk.delete(f"/devices/{spare['id']}")).status == 404


async def test_what_an_open_call_needs_cannot_be_deleted(town: Town) -> None:
    place = await town.village(near=station(600))
    _, call = await town.open_call(place)
    needed = [
        f"/devices/{place.device}",
        f"/residents/{place.resident}",
        f"/stations/{place.station('near')}",
    ]
    for path in needed:
        reply = await town.desk.delete(path)
        assert reply.status == 409, (path, reply.body)
        assert reply.headers["content-type"].startswith("application/problem+json")
    (await town.desk.step(call, "accept", station=place.station("near"))).ok()
    (await town.desk.step(call, "close", outcome="false_alarm", evidence="spoke_to_resident")).ok()
    for path in needed:
        (await town.desk.delete(path)).ok(200, 204)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/stations/{v}-x", {"name": "x", "kind": "castle"}, "kind"),
        ("/stations/{v}-x", {"name": "x", "kind": "care_station", "location": {"lat": 99, "lon": 0}}, "lat"),
        (
            "/stations/{v}-x",
            {"name": "x", "kind": "care_station", "hours": {"mon": ["25:00-26:00"]}},
            "hours",
        ),
        ("/stations/{v}-x", {"name": "x", "kind": "care_station", "capacity": -1}, "capacity"),
        ("/stations/{v}-x", {"name": 5, "kind": "care_station"}, "name"),
        ("/devices/{v}-x", {"family": "telepathy", "address": "x"}, "family"),
        ("/devices/{v}-x", {"family": "native", "address": "x", "resident": "no-such"}, "resident"),
        ("/residents/{v}-x", {"name": "x", "area": "no-such-area"}, "area"),
        ("/policies/emergency", {"steps": [{"after": 0, "to": "the moon"}]}, "to"),
        ("/policies/emergency", {"steps": []}, "steps"),
        ("/policies/emergency", {"steps": [{"after": -5, "to": "nearest"}]}, "after"),
    ],
)
async def test_a_wrong_row_is_400_and_names_the_field(
    town: Town, path: str, body: dict[str, Any], field: str
) -> None:
    place = await town.village(near=station(600))
    path = path.format(v=place.name)
    if not path.startswith("/policies"):
        base = {
            "area": place.community,
            "location": place.at(10),
            "travel": "walk",
            "hours": "always",
            "capacity": 1,
        }
        body = {"id": f"{place.name}-x", **(base if path.startswith("/stations") else {}), **body}
    reply = await town.desk.put(path, body)
    assert reply.status == 400, reply.body
    assert field in str(reply.body)
    assert (await town.desk.ask("GET", path)).status == (200 if path.startswith("/policies") else 404)


async def test_a_district_file_is_taken_whole_or_not_at_all_and_every_error_has_its_path(town: Town) -> None:
    place = await town.village(near=station(600))
    file = district(
        areas=[
            {"code": f"{DISTRICT}998", "name": "好街道", "kind": "street", "parent": DISTRICT},
            {"code": f"{DISTRICT}998001", "name": "孤儿", "kind": "community", "parent": "000000"},
        ],
        stations=[
            {**place.document["stations"][0], "id": f"{place.name}-good"},
            {**place.document["stations"][0], "id": f"{place.name}-bad", "hours": {"mon": ["8-12"]}},
            {
                **place.document["stations"][0],
                "id": f"{place.name}-worse",
                "location": {"lat": "north", "lon": 7},
            },
        ],
        residents=[{**place.document["residents"][0], "id": f"{place.name}-r9", "area": "nowhere"}],
        devices=[{"id": f"{place.name}-d9", "family": "native", "address": "d9", "resident": "nobody"}],
        policies={"emergency": {"steps": [{"after": 0, "to": "heaven"}]}},
    )
    reply = await town.desk.post("/district", file)
    assert reply.status == 400, reply.body
    errors = reply.body["errors"]
    assert all(error["path"] and error["error"] for error in errors)
    paths = [error["path"] for error in errors]
    for part in ("areas", "hours", "location", "residents", "devices", "policies"):
        assert any(part in path for path in paths), f"no error about {part}: {errors}"
    assert (await town.desk.ask("GET", f"/stations/{place.name}-good")).status == 404
    assert (await town.desk.ask("GET", f"/areas/{DISTRICT}998")).status == 404


async def test_a_district_file_may_leave_every_section_out_and_merges_by_id(town: Town) -> None:
    place = await town.village(near=station(600))
    only = {"district": {"code": DISTRICT, "name": "试验区", "timezone": "Asia/Shanghai", "locale": "zh-CN"}}
    (await town.desk.post("/district", only)).ok(200, 201)
    renamed = {**place.document["stations"][0], "name": "换了名字的站"}
    (await town.desk.post("/district", {**only, "stations": [renamed]})).ok(200, 201)
    assert (await town.desk.get(f"/stations/{place.station('near')}"))["name"] == "换了名字的站"
    assert (await town.desk.get(f"/residents/{place.resident}"))["id"] == place.resident


async def test_an_id_of_another_district_is_an_error(town: Town) -> None:
    place = await town.village(near=station(600))
    other = {
        "district": {"code": "511099", "name": "别处", "timezone": "Asia/Shanghai", "locale": "zh-CN"},
        "stations": [{**place.document["stations"][0], "area": "511099"}],
    }
    reply = await town.desk.post("/district", other)
    assert reply.status == 400, reply.body
    assert reply.body["errors"][0]["path"]


async def test_routing_explains_whom_it_would_ask_and_why_not_the_others(town: Town) -> None:
    place = await town.village(shut=station(200, hours=NEVER), near=station(600), far=station(2000))
    explained = await routing(town, place)
    order = [entry["station"] for entry in asked(explained)]
    assert order[:2] == [place.station("near"), place.station("far")]
    assert "clos" in unable(explained, place.station("shut"))


async def test_by_day_the_open_at_night_who_is_on_call_with_the_time_to_get_ready(town: Town) -> None:
    place = await town.village(
        near=station(
            600,
            hours=every_day("08:00-12:00", "14:00-18:00"),
            on_call={"hours": every_day("18:00-08:00"), "phone": "0374-7700-0002", "prepare_seconds": 300},
        ),
        owl=station(900, hours=every_day("20:00-06:00")),
        day=station(1200, hours=every_day("00:00-24:00")),
    )
    near, owl = place.station("near"), place.station("owl")

    morning = await routing(town, place, "2026-12-01T10:00:00+08:00")
    first = asked(morning)[0]
    assert first["station"] == near
    assert "clos" in unable(morning, owl)

    lunch = await routing(town, place, "2026-12-01T13:00:00+08:00")
    assert asked(lunch)[0]["station"] == place.station("day"), "closed over lunch, and not on call then"
    assert "clos" in unable(lunch, near)

    night = await routing(town, place, "2026-12-01T23:30:00+08:00")
    by_night = {entry["station"]: entry["travel_seconds"] for entry in asked(night)}
    assert by_night[near] == pytest.approx(first["travel_seconds"] + 300, abs=1)
    assert [entry["station"] for entry in asked(night)][:2] == sorted([near, owl], key=lambda s: by_night[s])

    after_midnight = await routing(town, place, "2026-12-02T05:59:00+08:00")
    assert owl in [entry["station"] for entry in asked(after_midnight)], "a span may cross midnight"
    same_in_utc = await routing(town, place, "2026-12-01T21:59:00Z")
    assert asked(same_in_utc) == asked(after_midnight)


async def test_nobody_on_duty_is_a_reason_until_somebody_says_so(town: Town) -> None:
    place = await town.village(near=station(600), far=station(2000))
    worker = {"id": f"{place.name}-s1", "name": "欧阳护理员", "phone": "13803748888", "role": "station"}
    worker |= {"area": place.community, "station": place.station("near")}
    (await town.desk.put(f"/staff/{worker['id']}", worker)).ok(200, 201, 204)

    nobody = await routing(town, place)
    assert asked(nobody)[0]["station"] == place.station("far")
    assert "duty" in unable(nobody, place.station("near"))
    button = await town.button(place)
    call = await town.desk.call((await button.press("service"))["call"])
    assert offers(call) == [place.station("far")]

    (await town.desk.post(f"/staff/{worker['id']}/duty", {"on": True})).ok(200, 204)
    assert asked(await routing(town, place))[0]["station"] == place.station("near")
    (await town.desk.post(f"/staff/{worker['id']}/duty", {"on": False})).ok(200, 204)
    assert asked(await routing(town, place))[0]["station"] == place.station("far")


async def test_a_resident_without_a_location_is_routed_by_area_and_it_says_so(town: Town) -> None:
    place = await town.village(near=station(600))
    resident = {key: value for key, value in place.document["residents"][0].items() if key != "location"}
    (await town.desk.put(f"/residents/{place.resident}", resident)).ok(200, 201, 204)
    button = await town.button(place)
    call = await town.desk.call((await button.press())["call"])
    (dispatch,) = call["dispatches"]
    assert dispatch["station"] == place.station("near")
    assert "area" in dispatch["reason"]


async def test_test_mode_of_an_area_holds_for_its_devices(town: Town) -> None:
    place = await town.village(people=2, near=station(600))
    (await town.desk.post(f"/areas/{place.community}/test", {"for": 600})).ok(200, 201, 202, 204)
    for number in (1, 2):
        button = await town.button(f"{place.name}-b{number}")
        test, real = await button.press(), await button.press()
        assert (await town.desk.call(test["call"]))["test"] is True
        assert (await town.desk.call(real["call"]))["test"] is False


def to_gcj02(lat: float, lon: float) -> tuple[float, float]:
    """The shifted coordinates that Chinese maps show for a WGS 84 point (the published formula)."""
    x, y = lon - 105.0, lat - 35.0
    s = lambda k: math.sin(k * math.pi)  # noqa: E731
    wave = (20 * s(6 * x) + 20 * s(2 * x)) * 2 / 3
    north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * math.sqrt(abs(x)) + wave
    north += (20 * s(y) + 40 * s(y / 3)) * 2 / 3 + (160 * s(y / 12) + 320 * s(y / 30)) * 2 / 3
    east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * math.sqrt(abs(x)) + wave
    east += (20 * s(x) + 40 * s(x / 3)) * 2 / 3 + (150 * s(x / 12) + 300 * s(x / 30)) * 2 / 3
    eccentricity, axis = 0.00669342162296594323, 6378245.0
    rad = math.radians(lat)
    magic = 1 - eccentricity * math.sin(rad) ** 2
    north = math.degrees(north / ((axis * (1 - eccentricity)) / (magic * math.sqrt(magic))))
    east = math.degrees(east / (axis / math.sqrt(magic) * math.cos(rad)))
    return lat + north, lon + east


async def test_chinese_map_coordinates_are_converted_once_at_the_door(town: Town) -> None:
    place = await town.village(near=station(600))
    true_lat, true_lon = 34.03, 113.82
    lat, lon = to_gcj02(true_lat, true_lon)
    assert abs(lat - true_lat) + abs(lon - true_lon) > 0.003, "some 500 m apart"
    shop = {**place.document["stations"][0], "id": f"{place.name}-gcj"}
    shop["location"] = {"lat": lat, "lon": lon, "datum": "gcj02"}
    (await town.desk.put(f"/stations/{shop['id']}", shop)).ok(200, 201, 204)

    got = await town.desk.get(f"/stations/{shop['id']}")

    assert got["location"]["lat"] == pytest.approx(true_lat, abs=5e-5)
    assert got["location"]["lon"] == pytest.approx(true_lon, abs=5e-5)
    assert got["location"].get("datum") in {None, "wgs84"}
    (await town.desk.put(f"/stations/{shop['id']}", got)).ok(200, 201, 204)
    assert await town.desk.get(f"/stations/{shop['id']}") == got, "converted once, not again"
    (await town.desk.delete(f"/stations/{shop['id']}")).ok(200, 204)


async def test_there_is_always_a_desk(town: Town) -> None:
    stations = await town.desk.all("/stations")
    assert [s["id"] for s in stations if s["kind"] == "district_desk"] == [DESK]


async def test_the_file_can_be_checked_and_exported_by_the_command_line(town: Town, tmp_path: Any) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps(district(), ensure_ascii=False), encoding="utf-8")
    wrong = district(residents=[{"id": "r", "name": "x", "area": "nowhere"}])
    wrong["stations"][0]["hours"] = {"mon": ["08:00"]}
    bad.write_text(json.dumps(wrong, ensure_ascii=False), encoding="utf-8")

    checked = town.server.cli("district", "check", str(good))
    assert checked.code == 0, checked.said
    refused = town.server.cli("district", "check", str(bad))
    assert refused.code in {1, 2}, refused.said
    assert "hours" in refused.said
    assert "residents" in refused.said, "all errors at once"
    assert town.server.cli("district", "check", str(tmp_path / "none.json")).code in {1, 2}

    exported = town.server.cli("district", "export")
    assert exported.code == 0, exported.said
    file = json.loads(exported.out)
    assert file["district"]["code"] == DISTRICT
    again = tmp_path / "again.json"
    again.write_text(exported.out, encoding="utf-8")
    assert town.server.cli("district", "check", str(again)).code == 0
