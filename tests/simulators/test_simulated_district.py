"""The generated district: the same for the same seed, whole in itself, plausible, and nobody's."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest

from dispatcher.core import hours as their_hours
from dispatcher.core.district import DistrictFile
from simulators import geography, hours
from simulators.district import generate, outlines


@pytest.fixture(scope="module")
def weidu() -> dict:
    return generate()


@pytest.fixture(scope="module")
def parsed(weidu: dict) -> DistrictFile:
    return msgspec.convert(json.loads(json.dumps(weidu)), DistrictFile)


def test_same_seed_same_district(weidu: dict) -> None:
    assert generate() == weidu
    assert generate(5) != generate(6)


def test_more_residents_leave_the_stations_alone(weidu: dict) -> None:
    larger = generate(residents=5000)
    assert larger["stations"] == weidu["stations"]
    assert larger["areas"] == weidu["areas"]


def test_weidus_shape(parsed: DistrictFile) -> None:
    assert parsed.district is not None
    assert parsed.district.code == "411002"
    kinds = Counter(str(area.kind) for area in parsed.areas)
    assert kinds["street"] == 13
    assert kinds["community"] == 86
    assert 172 <= kinds["grid"] <= 344
    stations = Counter(str(station.kind) for station in parsed.stations)
    assert stations["district_desk"] == 1
    assert stations["street_centre"] == 13
    assert stations["day_care"] > 40
    assert stations["care_station"] > 100
    assert len(parsed.residents) == 3000


def test_references_hold_and_ids_are_unique(parsed: DistrictFile) -> None:
    areas = {area.code for area in parsed.areas} | {"411002"}
    assert all(area.parent in areas for area in parsed.areas)
    assert all(area.code.startswith(area.parent) for area in parsed.areas)
    stations = {station.id for station in parsed.stations}
    residents = {resident.id for resident in parsed.residents}
    assert all(station.area in areas for station in parsed.stations)
    assert all(resident.area in areas for resident in parsed.residents)
    assert all(device.resident in residents for device in parsed.devices if device.resident)
    assert all(person.area in areas for person in parsed.staff)
    assert all(person.station in stations for person in parsed.staff if person.station)
    for rows in (parsed.stations, parsed.residents, parsed.devices, parsed.staff):
        assert len({row.id for row in rows}) == len(rows)
    assert len({device.source for device in parsed.devices}) == len(parsed.devices)
    assert len({area.name for area in parsed.areas if area.kind == "community"}) == 86


def test_the_dispatcher_finds_nothing_wrong(weidu: dict) -> None:
    check = pytest.importorskip("dispatcher.core.district_check")
    _, errors = check.check(json.dumps(weidu).encode())
    assert errors == []


def test_with_a_sink_some_hear_by_webhook_and_only_the_addresses_differ(weidu: dict) -> None:
    check = pytest.importorskip("dispatcher.core.district_check")
    one, other = (json.dumps(generate(sink=f"http://127.0.0.1:{port}")) for port in (4001, 4002))
    assert one.replace(":4001/", ":4002/") == other
    assert one == json.dumps(generate(sink="http://127.0.0.1:4001/"))
    _, errors = check.check(one.encode())
    assert errors == []

    document = json.loads(one)
    hooks = {row["id"]: row for row in document["webhooks"]}
    assert len({row["secret"] for row in hooks.values()}) == len(hooks)
    contacts = [contact for resident in document["residents"] for contact in resident["contacts"]]
    of_contacts = {contact["webhook"] for contact in contacts if "webhook" in contact}
    assert of_contacts | {"wh-district"} == set(hooks)
    assert 100 < len(of_contacts) < 400
    # A relative's hears what the relative asked for, not every call of the town.
    assert all(hooks[name]["events"] == [] for name in of_contacts)
    assert hooks["wh-district"]["events"] == ["call.*"]

    for contact in contacts:
        contact.pop("webhook", None)
    del document["webhooks"]
    assert document == weidu


def test_some_children_live_abroad_and_read_english(weidu: dict) -> None:
    contacts = [contact for resident in weidu["residents"] for contact in resident["contacts"]]
    abroad = [contact for contact in contacts if contact.get("language") == "en"]
    assert 0.01 < len(abroad) / len(contacts) < 0.1
    assert {contact["relation"] for contact in abroad} <= {"daughter", "son", "grandchild"}
    assert all(contact["name"][0].isascii() for contact in abroad)


def test_everybody_has_a_button_and_few_have_two(parsed: DistrictFile) -> None:
    owners = Counter(device.resident for device in parsed.devices if device.resident)
    assert len(owners) == len(parsed.residents)
    assert 0.05 < sum(count == 2 for count in owners.values()) / len(owners) < 0.15
    families = Counter(device.family for device in parsed.devices)
    assert families["native"] > 10 * families["yj_line"] > 0
    assert all(device.heartbeat == 900 for device in parsed.devices if device.family == "native")
    assert [device.id for device in parsed.devices if not device.resident] == [
        f"hub-{number:02d}" for number in range(1, 7)
    ]


def test_no_telephone_number_can_exist(weidu: dict) -> None:
    def phones(value: object) -> list[str]:
        if isinstance(value, dict):
            own = [value["phone"]] if "phone" in value else []
            return own + [phone for part in value.values() for phone in phones(part)]
        if isinstance(value, list):
            return [phone for part in value for phone in phones(part)]
        return []

    found = phones(weidu)
    assert len(found) > 6000
    assert all(phone.startswith("+999") for phone in found)


def test_hours_are_those_of_such_stations(parsed: DistrictFile) -> None:
    noon_of_a_tuesday = datetime(2026, 11, 24, 13, 0)
    always = [station for station in parsed.stations if station.hours == "always"]
    assert 3 <= len(always) <= 30

    def open_share(moment: datetime) -> float:
        return sum(hours.is_open(s.hours, moment) for s in parsed.stations) / len(parsed.stations)

    assert open_share(noon_of_a_tuesday.replace(hour=9)) > 0.9
    assert open_share(noon_of_a_tuesday) < 0.65
    assert open_share(noon_of_a_tuesday.replace(hour=2)) < 0.2
    assert open_share(datetime(2026, 11, 28, 10)) < 0.8
    assert all(
        s.on_call is None or s.on_call.prepare_seconds > 0
        for s in parsed.stations
        if s.kind == "street_centre"
    )
    assert any(s.on_call for s in parsed.stations)
    assert sum(s.closed is not None for s in parsed.stations) < 10


def test_our_hours_and_the_dispatchers_agree(parsed: DistrictFile) -> None:
    zone = ZoneInfo("Asia/Shanghai")
    chance = random.Random(3)
    days_off = frozenset(hours.HOLIDAYS)
    for station in chance.sample(parsed.stations, 60):
        compiled = their_hours.parse(station.hours)
        for _ in range(40):
            moment = datetime(2026, 9, 20, tzinfo=zone) + timedelta(minutes=chance.randrange(25 * 1440))
            ours = hours.is_open(station.hours, moment, days_off)
            assert ours == compiled.is_open(moment, zone, days_off), (station.hours, moment)


def test_where_people_live(parsed: DistrictFile) -> None:
    places = [resident.location for resident in parsed.residents]
    missing = sum(place is None for place in places) / len(places)
    datums = Counter(place.datum for place in places if place is not None)
    assert 0.01 < missing < 0.05
    assert 0.03 < datums["gcj02"] / len(places) < 0.09
    assert 0.01 < datums["bd09"] / len(places) < 0.05
    for place in places:
        if place is not None:
            assert abs(place.lat - 34.03) < 0.07
            assert abs(place.lon - 113.83) < 0.07


def test_shifted_datums_come_back() -> None:
    geo = pytest.importorskip("dispatcher.core.geo")
    from dispatcher.core.district import Location

    for datum, shifted in (("gcj02", geography.to_gcj02), ("bd09", geography.to_bd09)):
        lat, lon = shifted(geography.CENTRE)
        back = geo.to_wgs84(Location(lat, lon, datum))
        assert abs(back.lat - geography.CENTRE[0]) < 2e-5
        assert abs(back.lon - geography.CENTRE[1]) < 2e-5
        assert abs(lat - geography.CENTRE[0]) > 1e-4 or abs(lon - geography.CENTRE[1]) > 1e-3


def _inside(point: tuple[float, float], ring: geography.Ring) -> bool:
    lat, lon = point
    inside = False
    for (a_lat, a_lon), (b_lat, b_lon) in zip(ring, ring[1:] + ring[:1], strict=True):
        if (a_lon > lon) != (b_lon > lon) and lat < (b_lat - a_lat) * (lon - a_lon) / (b_lon - a_lon) + a_lat:
            inside = not inside
    return inside


def test_outlines_fit_the_district(weidu: dict) -> None:
    rings = outlines()
    assert set(rings) == {area["code"] for area in weidu["areas"]} | {"411002"}
    for station in weidu["stations"][14:]:
        point = (station["location"]["lat"], station["location"]["lon"])
        assert _inside(point, rings[station["area"]])
        assert _inside(point, rings[station["area"][:9]])
        assert _inside(point, rings["411002"])


def test_every_small_shape_works() -> None:
    for communities, streets in ((1, 1), (2, 13), (5, 2), (120, 15), (300, 40)):
        document = generate(3, communities=communities, residents=20, streets=streets, hubs=2, staff=False)
        msgspec.convert(document, DistrictFile)
        assert sum(area["kind"] == "community" for area in document["areas"]) == communities
        assert "staff" not in document
        outlines(3, communities=communities, streets=streets)
    with pytest.raises(ValueError, match="at least one community"):
        generate(communities=0)


def test_a_second_district_shares_no_id() -> None:
    one, two = generate(1, residents=100), generate(2, residents=100, code="411099", prefix="b-")
    for section in ("stations", "residents", "devices", "staff"):
        assert not {row["id"] for row in one[section]} & {row["id"] for row in two[section]}
    assert not {row["code"] for row in one["areas"]} & {row["code"] for row in two["areas"]}


def test_twenty_thousand_are_made_quickly() -> None:
    begin = time.process_time()
    document = generate(residents=20_000)
    assert time.process_time() - begin < 3.0
    assert len(document["devices"]) > 20_000
