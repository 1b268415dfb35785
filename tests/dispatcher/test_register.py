"""The register: rows and memory in step, all or nothing, and always a district with a desk."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import databases
import pytest
from sqlalchemy import create_engine, select

from dispatcher.core.district import District, Station, StationKind
from dispatcher.core.district_check import check, dump
from dispatcher.core.roll import Rolls
from dispatcher.register import InUse, Register, WrongInput
from dispatcher.store import Do, InlineStore, Prepared, SqliteStore, StoreUnavailable
from dispatcher.tables import calls, districts, metadata, residents, stations

NOW_US = 1_790_000_000_000_000


class Clock:
    def __init__(self) -> None:
        self.us = NOW_US

    def now_us(self) -> int:
        return self.us


TOWN: dict[str, Any] = {
    "district": {"code": "411002", "name": "魏都区"},
    "areas": [
        {"code": "c1", "kind": "community", "parent": "s1"},
        {"code": "s1", "kind": "street", "parent": "411002"},
    ],
    "stations": [{"id": "st-01", "kind": "care_station", "area": "c1"}],
    "residents": [
        {"id": "r-01", "name": "王秀英", "area": "c1", "contacts": [{"name": "女儿", "webhook": "wh-1"}]}
    ],
    "devices": [{"id": "btn-01", "resident": "r-01"}],
    "staff": [{"id": "s-01", "role": "station", "station": "st-01"}],
    "webhooks": [{"id": "wh-1", "url": "http://127.0.0.1:9/"}],
    "policies": {"service": {"repeat": 60}},
    "roads": "roads.osm.pbf",
}
VILLAGE = {
    "district": {"code": "411003"},
    "stations": [{"id": "st-v", "kind": "day_care"}, {"id": "v-desk", "kind": "district_desk"}],
}


def raw(content: dict[str, Any]) -> bytes:
    return json.dumps(content).encode()


@pytest.fixture
def store(database):
    return databases.inline()


@pytest.fixture
async def register(store):
    made = Register(store, Clock())
    await made.load()
    return made


def seen(rolls: Rolls) -> dict[str, Any]:
    """All that memory holds, to compare."""
    return {
        "default": rolls.default_code,
        **{
            code: {
                name: dict(sorted(value.items())) if isinstance(value, dict) else value
                for name, value in vars(roll).items()
                if name not in {"version", "map_version", "zone", "staff_at", "_desk"}
            }
            | {"staff_at": {station: people for station, people in roll.staff_at.items() if people}}
            for code, roll in rolls.by_code.items()
        },
    }


async def in_step(register: Register, store: InlineStore) -> None:
    """Another process that loads now sees the same."""
    other = Register(store, register._clock)
    await other.load()
    assert seen(other.rolls) == seen(register.rolls)
    assert other.export() == register.export()


def problems(caught: Any) -> dict[str, str]:
    return {error.path: error.error for error in caught.value.errors}


async def test_an_empty_installation_has_a_district_with_a_desk(register, store):
    assert register.rolls.default.district == District(code="default")
    assert register.rolls.default.desk() is register.rolls.default.stations["desk-default"]
    assert register.export().stations == []
    assert register.export().district is None
    await in_step(register, store)


async def test_a_town_is_loaded_whole(register, store):
    counts = await register.merge(raw(TOWN))
    assert counts == {
        "areas": 2,
        "stations": 1,
        "webhooks": 1,
        "residents": 1,
        "devices": 1,
        "staff": 1,
        "policies": 1,
    }
    roll = register.rolls.default
    assert roll.district.name == "魏都区"
    assert list(register.rolls.by_code) == ["411002"]
    assert roll.desk() == Station(id="desk-411002", kind=StationKind.DISTRICT_DESK)
    assert register.rolls.device_by_source("native/btn-01")[1].resident == "r-01"
    assert roll.policy("service").repeat == 60
    await in_step(register, store)


async def test_export_is_what_was_loaded(register, store):
    await register.merge(raw(TOWN))
    file, _ = check(raw(TOWN))
    assert register.export() == file
    version = register.rolls.default.version
    await register.merge(dump(register.export()))
    assert register.rolls.default.version == version  # nothing new, nothing written
    await in_step(register, store)


async def test_merge_is_by_id(register, store):
    await register.merge(raw(TOWN))
    await register.merge(raw({"residents": [{"id": "r-02", "area": "c1"}, {"id": "r-01", "name": "新名"}]}))
    roll = register.rolls.default
    assert set(roll.residents) == {"r-01", "r-02"}
    assert roll.residents["r-01"].name == "新名"
    await register.merge(raw({"district": {"code": "411002", "name": "新区", "timezone": "Asia/Urumqi"}}))
    assert roll.district.name == "新区"
    assert roll.zone.key == "Asia/Urumqi"
    await in_step(register, store)


async def test_all_or_nothing(register, store):
    before = seen(register.rolls)
    with pytest.raises(WrongInput) as caught:
        await register.merge(
            raw({**TOWN, "devices": [{"id": "btn-01", "resident": "nobody"}, {"id": "b b"}]})
        )
    assert set(problems(caught)) == {"devices[0].resident", "devices[1].id"}
    assert seen(register.rolls) == before
    store.fail = lambda _work: StoreUnavailable("disk full")
    with pytest.raises(StoreUnavailable):
        await register.merge(raw(TOWN))
    assert seen(register.rolls) == before
    store.fail = lambda _work: None
    await register.merge(raw(TOWN))
    await in_step(register, store)


async def test_whoever_sees_one_district_is_told_nothing_of_another(register, store):
    await register.merge(raw(TOWN))
    await register.merge(raw(VILLAGE))
    for wrong in (
        {"district": {"code": "411002"}},
        {"district": {"code": "411009"}},
        {"district": {"code": "411002"}, "staff": [{"id": "s-9", "role": "grid", "area": "nowhere"}]},
    ):
        with pytest.raises(WrongInput) as caught:
            await register.merge(raw(wrong), within="411003")
        assert problems(caught) == {"district.code": "is outside your scope"}
    with pytest.raises(WrongInput) as caught:
        await register.merge(raw({"stations": [{"id": "st-01", "kind": "day_care"}]}), within="411003")
    assert problems(caught) == {"stations[0].id": "st-01 is of another district"}
    staff = {"id": "s-9", "role": "station", "station": "st-01"}
    with pytest.raises(WrongInput) as caught:
        await register.put("staff", staff, "411003", within="411003")
    assert problems(caught)["station"].endswith("is of another district")
    # A file that names no district goes to theirs, not to the default one.
    await register.merge(raw({"staff": [{"id": "s-v", "role": "grid"}]}), within="411003")
    assert "s-v" in register.rolls["411003"].staff
    await in_step(register, store)


async def test_two_districts_keep_their_ids_apart(register, store):
    await register.merge(raw(TOWN))
    await register.merge(raw(VILLAGE))
    assert register.rolls.default_code == "411002"
    with pytest.raises(WrongInput) as caught:
        await register.merge(
            raw({"district": {"code": "411003"}, "stations": [{"id": "st-01", "kind": "day_care"}]})
        )
    assert "of another district, 411002" in problems(caught)["stations[0].id"]
    with pytest.raises(WrongInput) as caught:
        await register.put("staff", {"id": "s-9", "role": "station", "station": "st-01"}, "411003")
    assert "of another district" in problems(caught)["station"]
    with pytest.raises(WrongInput) as caught:
        await register.put("staff", {"id": "s-9", "role": "station"}, "411009")
    assert "no district" in problems(caught)["district"]
    # Without a district an item stays where it is.
    _item, new = await register.put("stations", {"id": "st-v", "kind": "day_care", "name": "村"})
    assert not new
    assert register.rolls["411003"].stations["st-v"].name == "村"
    await in_step(register, store)


async def test_what_came_before_the_first_district_is_taken_over(register, store):
    await register.put("residents", {"id": "r-00", "area": "default"})
    await register.put("devices", {"id": "b-00", "resident": "r-00"})
    await register.put("staff", {"id": "s-00", "role": "volunteer"})
    await register.put_policy("family", {"repeat": 99})
    await register.duty("s-00", True, "admin")
    await register.test_mode(["b-00"], NOW_US + 1, "admin")
    await in_step(register, store)
    await register.merge(raw({**TOWN, "devices": [{"id": "b-00", "name": "新"}]}))
    roll = register.rolls["411002"]
    assert register.rolls.default is roll
    assert "default" not in register.rolls.by_code  # it has no history
    assert roll.residents["r-00"].area == "411002"
    assert roll.devices["b-00"].name == "新"
    assert roll.on_duty == {"s-00"}
    assert roll.on_duty_since_us == {"s-00": NOW_US}
    assert roll.test_until_us == {"b-00": NOW_US + 1}
    assert roll.policy("family").repeat == 99
    assert "desk-default" not in roll.stations
    await in_step(register, store)


async def test_a_district_in_which_calls_were_opened_stays(register, store):
    call = dict.fromkeys(("id", "state", "key", "body"), "x") | {
        "district": "default",
        "seq": 1,
        "test": 0,
    }
    call |= {"device": None, "resident": None, "area": None, "opened_us": 1, "closed_us": None, "due_us": 2}
    await store.write([Do(Prepared(calls.insert().values(**dict.fromkeys(call, None))), [call])])
    await register.put("residents", {"id": "r-00"})
    await register.merge(raw(TOWN))
    assert list(register.rolls.by_code) == ["default", "411002"]
    assert register.rolls.default_code == "411002"
    assert "r-00" in register.rolls["411002"].residents
    assert list(register.rolls["default"].stations) == ["desk-default"]
    other = Register(store, Clock())
    await other.load()
    assert other.rolls.default_code == "411002"
    assert set(other.rolls.by_code) == {"default", "411002"}
    # A second district changes nothing of that.
    await register.merge(raw(VILLAGE))
    assert register.rolls.default_code == "411002"
    await in_step(register, store)


async def test_a_named_desk_takes_the_place_of_the_made_one(register, store):
    await register.merge(raw(TOWN))
    await register.put("stations", {"id": "hotline", "kind": "district_desk"})
    assert register.rolls.default.desk().id == "hotline"
    assert "desk-411002" not in register.rolls.default.stations
    await register.delete("stations", "hotline")
    assert register.rolls.default.desk().id == "desk-411002"
    await register.delete("stations", "desk-411002")  # there always is one
    assert register.rolls.default.desk().id == "desk-411002"
    await in_step(register, store)
    # Once somebody changed it, it is a station like any other.
    await register.put("stations", {"id": "desk-411002", "kind": "district_desk", "phone": "12349"})
    assert [station.id for station in register.export().stations] == ["desk-411002", "st-01"]
    await register.put("stations", {"id": "hotline", "kind": "district_desk"})
    assert "desk-411002" in register.rolls.default.stations
    await in_step(register, store)


async def test_a_made_desk_that_holds_a_call_stays_behind_the_named_one(register, store):
    await register.merge(raw(TOWN))
    register.needed_by = lambda _section, item_id: "c-1" if item_id == "desk-411002" else None
    await register.put("stations", {"id": "hotline", "kind": "district_desk"})
    assert "desk-411002" in register.rolls.default.stations
    assert register.rolls.default.desk().id == "hotline"
    await in_step(register, store)
    other = Register(store, Clock())
    await other.load()  # when nobody knows yet which calls are open
    assert "desk-411002" in other.rolls.default.stations
    assert other.rolls.default.desk().id == "hotline"
    register.needed_by = lambda _section, _id: None
    await register.put("stations", {"id": "st-02", "kind": "day_care"})
    assert "desk-411002" not in register.rolls.default.stations


async def test_put_says_what_is_wrong_and_what_is_new(register, store):
    await register.merge(raw(TOWN))
    kept, new = await register.put(
        "residents", {"id": "r-09", "location": {"lat": 34.0, "lon": 113.8, "datum": "gcj02"}}
    )
    assert new
    assert kept.location.datum == "wgs84"
    assert await register.put("residents", kept) == (kept, False)
    with pytest.raises(WrongInput) as caught:
        await register.put("residents", {"id": "r-09", "name": 7, "area": "x", "colour": 1})
    assert set(problems(caught)) == {"name", "area", "colour"}
    for members in ({}, {"id": 7}, {"id": None}):
        with pytest.raises(WrongInput) as caught:
            await register.put("residents", members)
        assert set(problems(caught)) == {"id"}
    with pytest.raises(WrongInput) as caught:
        await register.put("devices", {"id": "other", "address": "btn-01"})
    assert "already the device btn-01" in problems(caught)["address"]
    with pytest.raises(WrongInput) as caught:
        await register.put("areas", {"code": "s1", "kind": "street", "parent": "c1"})
    assert "lies in itself" in problems(caught)["parent"]
    await in_step(register, store)


async def test_two_devices_swap_their_addresses(register, store):
    await register.merge(raw({"devices": [{"id": "a", "address": "1"}, {"id": "b", "address": "2"}]}))
    await register.merge(raw({"devices": [{"id": "a", "address": "2"}, {"id": "b", "address": "1"}]}))
    assert register.rolls.device_by_source("native/1")[1].id == "b"
    assert register.rolls.device_by_source("native/2")[1].id == "a"
    await in_step(register, store)


async def test_delete_lets_go_of_what_referred_to_it(register, store):
    await register.merge(raw(TOWN))
    roll = register.rolls.default
    await register.duty("s-01", True, "x")
    await register.test_mode(["btn-01"], NOW_US + 9, "x")
    assert await register.delete("webhooks", "wh-1")
    assert roll.residents["r-01"].contacts[0].webhook == ""
    assert await register.delete("areas", "c1")
    assert roll.residents["r-01"].area == roll.stations["st-01"].area == "s1"
    assert await register.delete("stations", "st-01")
    assert roll.staff["s-01"].station == ""
    assert await register.delete("residents", "r-01")
    assert roll.devices["btn-01"].resident == ""
    await in_step(register, store)
    assert await register.delete("devices", "btn-01")
    assert await register.delete("staff", "s-01")
    assert not roll.on_duty
    assert not roll.test_until_us
    assert not await register.delete("staff", "s-01")
    assert not await register.delete("areas", "s1", "411003")
    assert check(dump(register.export()))[1] == []
    await in_step(register, store)
    await register.merge(raw(TOWN))  # what was kept about the old ones is gone
    assert not roll.on_duty
    await in_step(register, store)


async def test_delete_never_widens_what_people_see(register):
    await register.merge(raw(TOWN))
    await register.put("staff", {"id": "g", "role": "grid", "area": "c1"})
    with pytest.raises(WrongInput, match="staff g is bound to it"):
        await register.delete("areas", "c1")
    assert "c1" in register.rolls.default.areas


async def test_what_an_open_call_needs_stays(register):
    await register.merge(raw(TOWN))
    register.needed_by = lambda section, item_id: (
        "c-7" if (section, item_id) == ("residents", "r-01") else None
    )
    with pytest.raises(InUse) as caught:
        await register.delete("residents", "r-01")
    assert caught.value.call == "c-7"
    assert await register.delete("devices", "btn-01")


async def test_policies(register, store):
    await register.merge(raw(TOWN))
    kept = await register.put_policy("emergency", {"repeat": 30})
    assert kept.repeat == 30
    assert await register.put_policy("emergency", kept) == kept
    assert register.rolls.default.policy("emergency").repeat == 30
    with pytest.raises(WrongInput) as caught:
        await register.put_policy("emergency", {"repeat": -1, "steps": []})
    assert set(problems(caught)) == {"repeat", "steps"}
    with pytest.raises(WrongInput):
        await register.put_policy("blue", {})
    await in_step(register, store)
    assert await register.delete_policy("emergency")
    assert not await register.delete_policy("emergency")
    assert register.rolls.default.policy("emergency").repeat == 60
    await in_step(register, store)


async def test_duty_and_test_mode(register, store):
    await register.merge(raw(TOWN))
    roll = register.rolls.default
    version = roll.version
    await register.duty("s-01", True, "s-01")
    assert roll.on_duty == {"s-01"}
    assert roll.version > version
    await in_step(register, store)
    await register.duty("s-01", False, "s-01")
    await register.duty("s-01", False, "s-01")
    assert roll.on_duty == set()
    await register.test_mode(["btn-01"], NOW_US + 600, "admin")
    assert roll.test_until_us == {"btn-01": NOW_US + 600}
    await in_step(register, store)
    register._clock.us += 601
    other = Register(store, register._clock)
    await other.load()
    assert other.rolls.default.test_until_us == {}
    await register.test_mode(["btn-01"], register._clock.us, "admin")
    assert roll.test_until_us == {}
    for wrong in (
        register.duty("nobody", True, "x"),
        register.test_mode(["btn-01", "none"], NOW_US + 9**9, "x"),
    ):
        with pytest.raises(WrongInput):
            await wrong
    assert roll.test_until_us == {}
    await in_step(register, store)


async def test_pages(register):
    await register.merge(
        raw({"residents": [{"id": f"r-{n:02}", "name": "甲" if n % 2 else "乙"} for n in range(10)]})
    )
    page, after = register.page("residents", limit=4)
    assert ([one.id for one in page], after) == (["r-00", "r-01", "r-02", "r-03"], "r-03")
    page, after = register.page("residents", after, 6)
    assert ([one.id for one in page][-1], after) == ("r-09", None)
    page, after = register.page("residents", "r-04", 2, lambda _roll, one: one.name == "甲")
    assert ([one.id for one in page], after) == (["r-05", "r-07"], "r-07")
    await register.put("residents", {"id": "r-08x"})
    assert [one.id for one in register.page("residents", "r-08")[0]] == ["r-08x", "r-09"]


class SlowStore(InlineStore):
    """A commit that takes a while, as on a disk."""

    async def write(self, work):
        await asyncio.sleep(0.02)
        return await super().write(work)


async def test_who_asks_and_goes_away_leaves_rows_and_memory_in_step():
    store = SlowStore()
    metadata.create_all(store._engine)
    register = Register(store, Clock())
    await register.load()
    asking = asyncio.create_task(register.merge(raw(TOWN)))
    await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert "r-01" in register.rolls["411002"].residents
    await in_step(register, store)


async def test_changes_wait_for_each_other():
    store = SlowStore()
    metadata.create_all(store._engine)
    register = Register(store, Clock())
    await register.load()
    await asyncio.gather(
        register.merge(raw(TOWN)),
        *(register.put("residents", {"id": f"r-{n}", "area": "c1"}) for n in range(5)),
    )
    assert len(register.rolls["411002"].residents) == 6
    await in_step(register, store)


def big(count: int = 20_000) -> dict[str, Any]:
    return {
        "district": {"code": "411002"},
        "areas": [{"code": f"c{n}", "kind": "community", "parent": "411002"} for n in range(200)],
        "residents": [
            {
                "id": f"r-{n}",
                "name": "王秀英",
                "phone": "13800000000",
                "address": f"某路 {n} 号",
                "area": f"c{n % 200}",
                "location": {"lat": 34.0 + n / 1e6, "lon": 113.8},
                "contacts": [{"name": "女儿", "phone": "139", "on": ["opened"]}],
            }
            for n in range(count)
        ],
        "devices": [{"id": f"btn-{n}", "resident": f"r-{n}", "heartbeat": 900} for n in range(count)],
    }


async def test_a_whole_town_comes_up_quickly(tmp_path):
    path = tmp_path / "yijian.sqlite"
    metadata.create_all(create_engine(f"sqlite:///{path}"))
    store = SqliteStore(path)
    await store.open()
    try:
        register = Register(store, Clock())
        await register.load()
        content = raw(big())
        await register.merge(content)
        other = Register(store, Clock())
        started = time.process_time()
        await other.load()
        load_seconds = time.process_time() - started
        assert len(other.rolls.default.devices) == 20_000
        assert load_seconds < 1.5
        assert len(await store.read(select(residents.c.id))) == 20_000
        assert await store.read(select(districts.c.code)) == [("411002",)]
        assert await store.read(select(stations.c.id)) == [("desk-411002",)]
    finally:
        await store.close()
