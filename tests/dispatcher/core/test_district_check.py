"""A district file checked: everything that is wrong, at once, with its path; never a traceback."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.policies import POLICIES
from devices.signal import Key
from dispatcher.core.district import DistrictFile, Location, Policy
from dispatcher.core.district_check import check, check_item, dump
from dispatcher.core.geo import distance_m, from_wgs84
from dispatcher.core.roll import DEFAULT_POLICIES

GOOD: dict[str, Any] = {
    "district": {"code": "411002", "name": "魏都区", "timezone": "Asia/Shanghai", "holidays": ["2026-10-01"]},
    "areas": [
        {"code": "411002001", "name": "西关街道", "kind": "street", "parent": "411002"},
        {"code": "411002001003", "name": "某社区", "kind": "community", "parent": "411002001"},
    ],
    "stations": [
        {
            "id": "st-01",
            "name": "托老站",
            "kind": "care_station",
            "area": "411002001003",
            "location": {"lat": 34.03, "lon": 113.82},
            "travel": "e_bike",
            "hours": {"mon": ["08:00-12:00", "14:00-18:00"], "holidays": "closed"},
            "on_call": {"hours": {"mon": ["20:00-08:00"]}, "phone": "0374-1234567", "prepare_seconds": 300},
            "capacity": 2,
            "closed": {"until": "2026-10-08T08:00:00+08:00", "reason": "装修"},
        }
    ],
    "residents": [
        {
            "id": "r-01",
            "name": "王秀英",
            "phone": "138 0000 0000",
            "area": "411002001003",
            "location": {"lat": 34.0305, "lon": 113.821},
            "door_code": "0123#",
            "notes": "第二行\n开门密码",
            "contacts": [{"name": "女儿", "phone": "139", "webhook": "wh-1", "on": ["opened", "closed"]}],
        }
    ],
    "devices": [{"id": "btn-01", "resident": "r-01", "heartbeat": 900, "keys": {"1": "emergency"}}],
    "staff": [{"id": "s-01", "name": "李", "role": "station", "area": "411002001003", "station": "st-01"}],
    "webhooks": [{"id": "wh-1", "url": "http://127.0.0.1:9/x", "secret": "whsec_c2VjcmV0", "area": "411002"}],
    "policies": {"emergency": {"repeat": 30}},
    "roads": "roads.osm.pbf",
}


class Register:
    """What is known, as a table."""

    def __init__(self, default="411002", owners=(), parents=(), sources=()):
        self.default_district = default
        self.within = ""
        self._owners = dict(owners)
        self._parents = dict(parents)
        self._sources = dict(sources)

    def owner(self, section, item_id):
        return self._owners.get((section, item_id))

    def parent(self, area):
        return self._parents.get(area, "")

    def device_of(self, source):
        return self._sources.get(source)


def changed(**sections: Any) -> bytes:
    """The good file with sections replaced; a function changes the one that is there; None leaves one out."""
    content = json.loads(json.dumps(GOOD))
    for name, value in sections.items():
        if callable(value):
            value(content[name])
        elif value is None:
            content.pop(name, None)
        else:
            content[name] = value
    return json.dumps(content).encode()


def errors(raw: bytes, known: Any = None) -> dict[str, str]:
    file, problems = check(raw) if known is None else check(raw, known)
    assert (file is None) == bool(problems)
    assert len({problem.path for problem in problems}) == len(problems)
    return {problem.path: problem.error for problem in problems}


def put(section: str, place: int = 0, **fields: Any) -> bytes:
    return changed(**{section: lambda rows: rows[place].update(fields)})


def test_a_good_file():
    file, problems = check(changed())
    assert problems == []
    assert file is not None
    assert file.policies["emergency"] == Policy(
        steps=DEFAULT_POLICIES[Key.EMERGENCY].steps,
        repeat=30,
        en_route_within=120,
        repress_within=60,
        arrive_goal=900,
        arrive_limit=1800,
        close_within=14400,
    )
    assert file.webhooks[0].events == ["call.*"]
    assert check(dump(file)) == (file, [])
    assert dump(check(dump(file))[0]) == dump(file)
    assert "魏都区" in dump(file).decode()
    assert check(b"\xef\xbb\xbf" + dump(file)) == (file, [])


def test_an_empty_file_and_one_with_policies_only():
    assert check(b"{}") == (DistrictFile(), [])
    file, _ = check(b'{"policies":{"service":{"repeat":60}}}')
    assert file is not None
    assert file.policies["service"].arrive_goal is None
    assert file.policies["service"].silent == "21:00-07:00"


def test_default_policies_pass_their_own_rules():
    assert errors(changed(policies=POLICIES)) == {}


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "line 1, column 1"),
        (b"{", "line 1, column 2"),
        (b'{"areas": [],\n "stations": [}', "line 2, column 15"),
        ('{"名": 1,}'.encode(), "column 9"),
        (b'{"district": NaN}', "line 1, column 14"),
        (b'{\n"capacity": 1e400}', "line 2, column 13: number out of range"),
        (b'{"capacity": ' + b"9" * 5000 + b"}", "column 14: number out of range"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b'{"roads": "\\ud800"}', "column 12: half of a surrogate pair"),
        (b'{"roads": "\\udc00 x"}', "half of a surrogate pair"),
        (b'{"roads": "\x00"}', "line 1, column 12"),
        (b'{"roads": "\xed\xa0\x80"}', "UTF-8"),
        ('{"roads": "魏都区"}'.encode("gbk"), "looks like GBK: save it as UTF-8"),
        ('{"roads": "某"}'.encode("utf-16"), "looks like UTF-16"),
        ('{"roads": "某"}'.encode("utf-16-le"), "looks like UTF-16"),
        (b"\x00" * 10, "UTF-8"),
        (b"\xff", "UTF-8"),
        (b"[]", "must be an object"),
        (b"null", "must be an object"),
        (b'"x"', "must be an object"),
    ],
)
def test_what_is_no_file_at_all(raw, words):
    found = errors(raw)
    assert list(found) == [""]
    assert words in found[""]
    _item, problems = check_item("stations", raw, "st-01")
    assert words in problems[0].error


LONG = "x" * 5000


@pytest.mark.parametrize(
    ("raw", "path", "words"),
    [
        (changed(residens=[]), "residens", "unknown key"),
        (changed(areas={}), "areas", "list"),
        (changed(stations="x"), "stations", "list"),
        (changed(policies=[]), "policies", "object"),
        (changed(roads=7), "roads", "file"),
        (changed(devices=[None]), "devices[0]", "must be an object, not null"),
        (changed(district=[]), "district", "must be an object, not a list"),
        (changed(district={"name": "x"}), "district.code", "missing"),
        (changed(district={"code": "a b"}), "district.code", "A-Z"),
        (changed(district={"code": "4" * 60}), "district.code", "59"),
        (
            put("stations", hours={"mon": ["25:00-26:00"]}),
            "stations[0].hours.mon[0]",
            "25:00 is no time of day",
        ),
        (put("stations", hours={"mon": [8]}), "stations[0].hours.mon[0]", "must be text, not a number"),
        (put("stations", hours={"mon": "08:00-12:00"}), "stations[0].hours.mon", "list"),
        (put("stations", hours={"monday": []}), "stations[0].hours.monday", "no day"),
        (put("stations", hours={"a.b": []}), 'stations[0].hours["a.b"]', "no day"),
        (put("stations", hours=8), "stations[0].hours", "must be text or an object, not a number"),
        (put("stations", hours="never"), "stations[0].hours", "always"),
        (
            put("stations", on_call={"hours": {"sun": ["08:00-08:00"]}}),
            "stations[0].on_call.hours.sun[0]",
            "same",
        ),
        (
            put("stations", on_call={"prepare_seconds": -1}),
            "stations[0].on_call.prepare_seconds",
            "0 or more",
        ),
        (put("stations", on_call={"phone": "0" * 33}), "stations[0].on_call.phone", "32"),
        (put("stations", capacity=-1), "stations[0].capacity", "between 0"),
        (put("stations", capacity=2.5), "stations[0].capacity", "a whole number"),
        (put("stations", capacity=True), "stations[0].capacity", "not true or false"),
        (put("stations", capacity=10**30), "stations[0].capacity", "between 0"),
        (put("stations", kind="hospital"), "stations[0].kind", "care_station"),
        (put("stations", kind=7), "stations[0].kind", "must be one of care_station"),
        (put("stations", colour="red"), "stations[0].colour", "unknown key"),
        (put("stations", hour="always"), "stations[0].hour", "did you mean hours?"),
        (put("stations", area="nowhere"), "stations[0].area", "not in areas"),
        (put("stations", closed={"until": "2026-10-08"}), "stations[0].closed.until", "offset"),
        (put("stations", closed={"until": "2026-10-08T08:00:00"}), "stations[0].closed.until", "offset"),
        (put("stations", location={"lat": 91, "lon": 0}), "stations[0].location.lat", "between -90 and 90"),
        (put("stations", location={"lat": 1}), "stations[0].location.lon", "missing"),
        (put("stations", location={"lat": 1, "lon": 2, "datum": "x"}), "stations[0].location.datum", "gcj02"),
        (put("stations", location={"lat": 10**30, "lon": 2}), "stations[0].location.lat", "between"),
        (
            put("stations", location={"lat": "34", "lon": 2}),
            "stations[0].location.lat",
            "must be a number, not text",
        ),
        (put("devices", id="-" * 65), "devices[0].id", "1 to 64"),
        (put("stations", name="x" * 201), "stations[0].name", "200"),
        (put("stations", name="a\u0000b"), "stations[0].name", "control"),
        (put("stations", phone="1\n2"), "stations[0].phone", "control"),
        (put("residents", door_code="1" * 65), "residents[0].door_code", "64"),
        (put("residents", door_code="1\n2"), "residents[0].door_code", "control"),
        (put("residents", door_code=1234), "residents[0].door_code", "must be text"),
        *(
            (put("residents", identity_number=number), "residents[0].identity_number", "last one checks")
            for number in (
                "110105194912310021",  # its last digit
                "11010519491331002X",  # no such month
                "1101051949123100",
                "110105491231002",  # of the old kind
                "11010519491231002x",
                "１１０１０５１９４９１２３１００２X",
                "****",
            )
        ),
        (put("residents", notes="x" * 4001), "residents[0].notes", "4000"),
        (put("residents", notes="\u0000"), "residents[0].notes", "control"),
        (put("residents", language="zh_CN"), "residents[0].language", "zh-CN"),
        (put("residents", birth_year=19), "residents[0].birth_year", "1850"),
        (put("residents", contacts=[{"on": ["open"]}]), "residents[0].contacts[0].on[0]", "opened"),
        (
            put("residents", contacts=[{"webhook": "x"}]),
            "residents[0].contacts[0].webhook",
            "not in webhooks",
        ),
        (put("residents", contacts=[7]), "residents[0].contacts[0]", "an object"),
        (put("residents", contacts=[{}] * 51), "residents[0].contacts", "50"),
        (put("devices", heartbeat=0), "devices[0].heartbeat", "more than 0"),
        (put("devices", heartbeat=1e12), "devices[0].heartbeat", "10 years"),
        (put("devices", resident="nobody"), "devices[0].resident", "not in residents"),
        (put("devices", keys={"1": "red"}), "devices[0].keys.1", "emergency"),
        (put("devices", family="Native!"), "devices[0].family", "native"),
        (put("staff", role="boss"), "staff[0].role", "admin"),
        (put("staff", station="x"), "staff[0].station", "not in stations"),
        (put("webhooks", url="ftp://x/"), "webhooks[0].url", "http"),
        (put("webhooks", url="http://"), "webhooks[0].url", "host"),
        (put("webhooks", url="http://[::1"), "webhooks[0].url", "no URL"),
        (put("webhooks", url="http://x:99999/"), "webhooks[0].url", "no URL"),
        (put("webhooks", url="http://x/a b"), "webhooks[0].url", "spaces"),
        (put("webhooks", secret="c2VjcmV0"), "webhooks[0].secret", "whsec_"),
        (put("webhooks", secret="whsec_"), "webhooks[0].secret", "base64"),
        (put("webhooks", secret="whsec_!!"), "webhooks[0].secret", "base64"),
        (put("webhooks", events=["calls.*"]), "webhooks[0].events[0]", "call.*"),
        (put("areas", 1, parent="411002001003"), "areas[1].parent", "the area itself"),
        (put("areas", 0, parent="nowhere"), "areas[0].parent", "not in areas"),
        (
            changed(areas=lambda rows: rows.append({"code": "411002", "kind": "grid"})),
            "areas[2].code",
            "the district itself",
        ),
        (changed(policies={"red": {}}), "policies.red", "emergency"),
        (changed(policies={"emergency": 7}), "policies.emergency", "object"),
        (changed(policies={"emergency": {"steps": []}}), "policies.emergency.steps", "at least one"),
        (changed(policies={"emergency": {"repeat": 0}}), "policies.emergency.repeat", "more than 0"),
        (changed(policies={"emergency": {"repeat": None}}), "policies.emergency.repeat", "not null"),
        (
            changed(policies={"emergency": {"arrive_goal": -5}}),
            "policies.emergency.arrive_goal",
            "more than 0",
        ),
        (
            changed(policies={"emergency": {"close_within": 1e10}}),
            "policies.emergency.close_within",
            "10 years",
        ),
        (changed(policies={"emergency": {"silent": "9-5"}}), "policies.emergency.silent", "no span"),
        (
            changed(policies={"emergency": {"steps": [{"after": -1, "to": "nearest"}]}}),
            "policies.emergency.steps[0].after",
            "0 or more",
        ),
        (
            changed(
                policies={"emergency": {"steps": [{"after": 9, "to": "nearest"}, {"after": 8, "to": "next"}]}}
            ),
            "policies.emergency.steps[1].after",
            "earlier",
        ),
        (
            changed(policies={"emergency": {"steps": [{"after": 9, "to": "mayor"}]}}),
            "policies.emergency.steps[0].to",
            "nearest",
        ),
        (changed(district=lambda d: d.update(timezone="Asia/Xuchang")), "district.timezone", "Asia/Shanghai"),
        (
            changed(district=lambda d: d.update(timezone="../../etc/passwd")),
            "district.timezone",
            "Asia/Shanghai",
        ),
        (changed(district=lambda d: d.update(timezone="\u0000")), "district.timezone", "Asia/Shanghai"),
        (changed(district=lambda d: d.update(timezone=LONG)), "district.timezone", "Asia/Shanghai"),
        (changed(district=lambda d: d.update(timezone="")), "district.timezone", "Asia/Shanghai"),
        (changed(district=lambda d: d.update(locale="Chinese, please")), "district.locale", "zh-CN"),
        (changed(district=lambda d: d.update(holidays=["20261001"])), "district.holidays[0]", "2026-10-01"),
        (changed(district=lambda d: d.update(holidays=["2026-02-30"])), "district.holidays[0]", "2026-10-01"),
    ],
)
def test_one_thing_wrong(raw, path, words):
    found = errors(raw)
    assert list(found) == [path]
    assert words in found[path]


def test_everything_wrong_is_said_at_once():
    content = json.loads(changed())
    content["stations"][0] |= {
        "kind": 1,
        "capacity": -2,
        "hours": {"mon": ["x"], "foo": []},
        "name": None,
        "zz": 1,
    }
    content["residents"].append({"name": "no id", "area": "x", "contacts": [{"on": [1, "open"]}, 5]})
    content["devices"] = [{"id": "a"}, {"id": "a"}, {"id": "b", "address": "a"}, {}]
    content["policies"] = {"emergency": {"steps": [{"after": "x"}], "repeat": -1, "speed": 1}}
    assert set(errors(json.dumps(content).encode())) == {
        "stations[0].kind",
        "stations[0].capacity",
        "stations[0].hours.mon[0]",
        "stations[0].hours.foo",
        "stations[0].name",
        "stations[0].zz",
        "residents[1].id",
        "residents[1].area",
        "residents[1].contacts[0].on[0]",
        "residents[1].contacts[0].on[1]",
        "residents[1].contacts[1]",
        "devices[1].id",
        "devices[2].address",
        "devices[3].id",
        "policies.emergency.steps[0].after",
        "policies.emergency.steps[0].to",
        "policies.emergency.repeat",
        "policies.emergency.speed",
    }


def test_no_more_than_a_thousand():
    found = check(json.dumps({"residents": [{"id": ""}] * 5000}).encode())[1]
    assert len(found) == 1001
    assert "more than 1000" in found[-1].error


def test_duplicates_name_the_id():
    raw = changed(stations=lambda rows: rows.append(dict(rows[0])))
    assert errors(raw) == {"stations[1].id": "'st-01' is in stations twice"}


def test_an_area_cycle_and_one_that_hangs_below_it():
    areas = [
        {"code": "a", "kind": "street", "parent": "b"},
        {"code": "b", "kind": "street", "parent": "a"},
        {"code": "c", "kind": "grid", "parent": "a"},
    ]
    assert set(errors(json.dumps({"areas": areas}).encode())) == {f"areas[{n}].parent" for n in range(3)}
    deep = [{"code": f"a{n}", "kind": "grid", "parent": f"a{n - 1}" if n else ""} for n in range(9)]
    assert set(errors(json.dumps({"areas": deep}).encode())) == {"areas[8].parent"}


def test_places_are_wgs84_afterwards():
    place = Location(34.03, 113.82)
    for datum in ("gcj02", "bd09"):
        shifted = from_wgs84(place, datum)
        raw = put("residents", location={"lat": shifted.lat, "lon": shifted.lon, "datum": datum})
        file, _ = check(raw)
        assert file is not None
        kept = file.residents[0].location
        assert kept is not None
        assert kept.datum == "wgs84"
        assert distance_m(kept, place) < 0.01


def test_references_to_what_is_registered():
    known = Register(
        owners={
            ("areas", "a1"): "411002",
            ("areas", "b1"): "411003",
            ("stations", "st-02"): "411002",
            ("stations", "st-03"): "411003",
            ("residents", "r-9"): "411003",
            ("districts", "411003"): "411003",
        }
    )
    assert errors(put("stations", area="a1"), known) == {}
    assert errors(put("staff", station="st-02"), known) == {}
    assert errors(b'{"residents":[{"id":"r-1","area":"411002"}]}', known) == {}
    assert "of another district, 411003" in errors(put("stations", area="b1"), known)["stations[0].area"]
    assert "of another district, 411003" in errors(put("staff", station="st-03"), known)["staff[0].station"]
    assert "of another district, 411003" in errors(put("residents", id="r-9"), known)["residents[0].id"]
    assert "another district" in errors(put("areas", code="411003"), known)["areas[0].code"]
    assert "of another district" in errors(changed(district={"code": "b1"}), known)["district.code"]


def test_an_area_cycle_by_way_of_the_register():
    known = Register(owners={("areas", "up"): "411002"}, parents={"up": "411002001"})
    assert "lies in itself" in errors(put("areas", parent="up"), known)["areas[0].parent"]


def test_one_source_one_device():
    known = Register(sources={"native/btn-01": "old"})
    assert "already the device old" in errors(changed(), known)["devices[0].address"]
    # The old one is in the file too, under another address: then it is free.
    raw = changed(devices=[{"id": "btn-01"}, {"id": "old", "address": "elsewhere"}])
    assert errors(raw, known) == {}
    assert errors(changed(), Register(sources={"native/btn-01": "btn-01"})) == {}


def test_one_item():
    station, problems = check_item(
        "stations", json.dumps({"kind": "day_care", "name": "x"}).encode(), "st-09"
    )
    assert problems == []
    assert station is not None
    assert station.id == "st-09"  # type: ignore[union-attr]
    area, problems = check_item("areas", b'{"code":"a","kind":"grid"}', "a")
    assert problems == []
    assert area is not None

    def wrong(section, body, item_id, **more):
        item, found = check_item(section, json.dumps(body).encode(), item_id, **more)
        assert item is None
        return {problem.path: problem.error for problem in found}

    assert set(wrong("stations", {"id": "other"}, "st-09")) == {"id", "kind"}
    assert set(wrong("stations", {"kind": "day_care", "hours": {"mon": ["x"]}, "area": "q"}, "st-09")) == {
        "hours.mon[0]",
        "area",
    }
    assert set(wrong("residents", {"contacts": [{"webhook": "w"}]}, "r")) == {"contacts[0].webhook"}
    assert set(wrong("residents", [], "r")) == {""}
    assert set(wrong("devices", {}, "bad id")) == {"id"}
    known = Register(owners={("areas", "b1"): "411003"}, sources={"native/x": "y"})
    assert set(wrong("stations", {"kind": "day_care", "area": "b1"}, "s", known=known)) == {"area"}
    assert check_item("stations", b'{"kind":"day_care","area":"b1"}', "s", known, "411003")[1] == []
    assert set(wrong("devices", {"address": "x"}, "z", known=known)) == {"address"}


def test_one_policy():
    policy, problems = check_item("policies", b'{"repeat": 90}', "emergency")
    assert problems == []
    assert isinstance(policy, Policy)
    assert policy.repeat == 90
    assert [p.path for p in check_item("policies", b'{"repeat": -1, "x": 1}', "emergency")[1]] == [
        "x",
        "repeat",
    ]
    assert check_item("policies", b"{}", "blue")[1]


def test_an_unknown_section_is_our_mistake():
    with pytest.raises(ValueError, match="pets"):
        check_item("pets", b"{}", "x")


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes(raw):
    errors(raw)


leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["always", "mon", "street", "gcj02", "emergency", "st-01", "r-01", ""]),
)
words = st.sampled_from(
    ["mon", "id", "code", "lat", "lon", "datum", "after", "to", "x", "holidays", "a.b", "\x00"]
)
junk = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3)
)


def replaced(content: Any, draw: Any) -> Any:
    """The content with one value, somewhere in it, replaced by junk."""
    if isinstance(content, dict) and content and draw(st.integers(0, 4)):
        key = draw(st.sampled_from(sorted(content)))
        return {**content, key: replaced(content[key], draw)}
    if isinstance(content, list) and content and draw(st.integers(0, 4)):
        place = draw(st.integers(0, len(content) - 1))
        return [*content[:place], replaced(content[place], draw), *content[place + 1 :]]
    return draw(junk)


@settings(max_examples=600)
@given(st.data())
def test_any_junk_in_a_good_file(data):
    content = GOOD
    for _ in range(data.draw(st.integers(1, 3))):
        content = replaced(content, data.draw)
    file, problems = check(json.dumps(content).encode())
    assert (file is None) == bool(problems)
    if file is not None:
        assert check(dump(file)) == (file, [])
    if isinstance(content, dict):
        for section in ("stations", "residents", "devices", "areas", "staff", "webhooks"):
            rows = content.get(section)
            for row in rows if isinstance(rows, list) else []:
                check_item(section, json.dumps(row).encode(), "x")


def big(residents: int = 20_000, extra_devices: int = 2_000) -> dict[str, Any]:
    communities = [{"code": f"c{n}", "kind": "community", "parent": "s0"} for n in range(200)]
    return {
        "district": {"code": "411002"},
        "areas": [{"code": "s0", "kind": "street", "parent": "411002"}, *communities],
        "residents": [
            {
                "id": f"r-{n}",
                "name": "王秀英",
                "phone": "13800000000",
                "address": f"某路 {n} 号",
                "area": f"c{n % 200}",
                "location": {"lat": 34.0 + n / 1e6, "lon": 113.8 + n / 1e6, "datum": "gcj02"},
                "notes": "高血压",
                "contacts": [{"name": "女儿", "relation": "daughter", "phone": "139", "on": ["opened"]}],
            }
            for n in range(residents)
        ],
        "devices": [
            {"id": f"btn-{n}", "family": "native", "resident": f"r-{n % residents}", "heartbeat": 900}
            for n in range(residents + extra_devices)
        ],
    }


def test_a_whole_town_is_quick():
    content = big()
    raw = json.dumps(content).encode()
    started = time.process_time()
    file, problems = check(raw)
    fine_seconds = time.process_time() - started
    assert problems == []
    assert file is not None
    content["residents"][19_999]["name"] = 7
    content["devices"][3]["heartbeat"] = -1
    raw = json.dumps(content).encode()
    started = time.process_time()
    assert set(errors(raw)) == {"residents[19999].name", "devices[3].heartbeat"}
    wrong_seconds = time.process_time() - started
    assert max(fine_seconds, wrong_seconds) < 4.0  # of the processor, which three lanes of tests share
