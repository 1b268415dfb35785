"""The register's history: each change in the same transaction as itself, field by field, and nothing that did not happen."""

from __future__ import annotations

import json
from typing import Any

import databases
import pytest

from dispatcher import bounds
from dispatcher.housekeeping import Housekeeping
from dispatcher.register import Register, WrongInput
from dispatcher.register_history import forget, of_person
from dispatcher.store import OutcomeUnknown, StoreUnavailable
from dispatcher.tables import history

DAY_US = 86_400_000_000
TOWN = {
    "district": {"code": "411002", "name": "魏都区"},
    "areas": [{"code": "c1", "kind": "community"}, {"code": "c2", "kind": "community"}],
    "stations": [{"id": "st-01", "kind": "day_care", "area": "c1"}],
    "webhooks": [{"id": "wh-1", "url": "https://example.org/hook"}],
    "residents": [{"id": "r-01", "name": "张桂兰", "phone": "13800000001", "area": "c1"}],
    "devices": [{"id": "btn-01", "resident": "r-01"}],
    "staff": [{"id": "s-01", "name": "王芳", "role": "station", "station": "st-01"}],
}


class Clock:
    def __init__(self) -> None:
        self.us = 1_795_000_000_000_000

    def now_us(self) -> int:
        return self.us


class House:
    def __init__(self) -> None:
        self.store, self.clock = databases.inline(), Clock()
        self.register = Register(self.store, self.clock)

    async def rows(self) -> list[dict[str, Any]]:
        """What is kept, oldest first."""
        names = [column.name for column in history.c]
        rows = await self.store.read(history.select().order_by(history.c.seq))
        found = [dict(zip(names, row, strict=True)) for row in rows]
        return [{**row, "body": json.loads(row["body"]) if row["body"] else ""} for row in found]

    async def last(self, count: int = 1) -> list[tuple[Any, ...]]:
        rows = (await self.rows())[-count:]
        return [(row["by"], row["act"], row["section"], row["id"], row["area"], row["body"]) for row in rows]

    async def count(self) -> int:
        return len(await self.rows())


@pytest.fixture
async def house(database) -> House:
    made = House()
    await made.register.load()
    await made.register.merge(json.dumps(TOWN).encode(), by="cli")
    return made


async def test_the_first_load_is_a_line_a_thing_without_values_and_the_made_desk_is_nobodys_doing(house):
    rows = await house.rows()
    assert {(row["by"], row["act"], row["body"]) for row in rows} == {("cli", "added", "")}
    assert {(row["section"], row["id"], row["area"]) for row in rows} == {
        ("districts", "411002", ""),
        ("areas", "c1", "c1"),
        ("areas", "c2", "c2"),
        ("stations", "st-01", "c1"),
        ("webhooks", "wh-1", ""),
        ("residents", "r-01", "c1"),
        ("devices", "btn-01", "c1"),
        ("staff", "s-01", "c1"),
    }


async def test_a_load_that_changes_nothing_writes_nothing_and_one_that_changes_one_thing_writes_that(house):
    before = await house.count()
    await house.register.merge(json.dumps(TOWN).encode(), by="s-01")
    await house.register.put("residents", TOWN["residents"][0], by="s-01")
    assert await house.count() == before
    moved = {**TOWN, "residents": [{**TOWN["residents"][0], "area": "c2", "notes": "耳背"}]}
    await house.register.merge(json.dumps(moved).encode(), by="s-01")
    assert await house.count() == before + 1
    changed = {"area": ["c1", "c2"], "notes": ["", "耳背"]}
    assert await house.last() == [("s-01", "changed", "residents", "r-01", "c2", changed)]


async def test_what_is_taken_away_and_what_lets_go_of_it_is_told(house):
    await house.register.put("devices", {"id": "btn-01", "resident": "r-01", "name": "卧室"}, by="s-01")
    await house.register.delete("residents", "r-01", by="s-01")
    assert sorted(await house.last(2)) == [
        ("s-01", "changed", "devices", "btn-01", "", {"resident": ["r-01", ""]}),
        ("s-01", "removed", "residents", "r-01", "c1", ""),
    ]


async def test_of_a_webhook_only_that_it_was_changed(house):
    hook = {
        "id": "wh-1",
        "url": "https://example.org/other?key=hush",
        "secret": "whsec_aHVzaGh1c2hodXNoaHVzaGh1c2g=",
    }
    await house.register.put("webhooks", {**hook, "area": "c1"}, by="admin")
    [(*_, body)] = await house.last()
    assert body == {"url": None, "secret": None, "area": ["", "c1"]}


async def test_policies_and_the_districts_own_settings(house):
    await house.register.put_policy("service", {"repeat": 45}, by="admin")
    [(*_, section, key, _area, body)] = await house.last()
    default = body["repeat"][0]
    assert (section, key, body) == ("policies", "service", {"repeat": [default, 45.0]})
    await house.register.delete_policy("service", by="admin")
    [(*_, body)] = await house.last()
    assert body == {"repeat": [45.0, default]}
    renamed = {"district": {"code": "411002", "name": "魏都新区"}}
    await house.register.merge(json.dumps(renamed).encode(), by="admin")
    assert await house.last() == [
        ("admin", "changed", "districts", "411002", "", {"name": ["魏都区", "魏都新区"]})
    ]


async def test_what_was_registered_before_there_was_a_district_is_not_changed_by_being_taken_over(database):
    house = House()
    await house.register.load()
    await house.register.put("residents", {"id": "r-00", "area": "default"}, by="admin")
    await house.register.put_policy("family", {"repeat": 99}, by="admin")
    before = await house.count()
    await house.register.merge(json.dumps({"district": {"code": "411002"}}).encode(), by="admin")
    assert await house.count() == before + 2
    assert await house.last(2) == [
        ("admin", "changed", "residents", "r-00", "411002", {"area": ["default", "411002"]}),
        ("admin", "added", "districts", "411002", "", ""),
    ]


async def test_it_happens_with_the_change_or_not_at_all_and_once(house, monkeypatch):
    before, write, tries = await house.count(), house.store.write, []
    with pytest.raises(WrongInput):
        await house.register.put("residents", {"id": "r-01", "area": "nowhere"}, by="s-01")

    async def away(work: Any) -> Any:
        raise StoreUnavailable("away")

    monkeypatch.setattr(house.store, "write", away)
    with pytest.raises(StoreUnavailable):
        await house.register.put("residents", {"id": "r-01", "phone": "1"}, by="s-01")
    monkeypatch.setattr(house.store, "write", write)
    assert await house.count() == before

    async def unknown(work: Any) -> Any:
        done = await write(work)
        tries.append(1)
        if len(tries) == 1:
            raise OutcomeUnknown("nobody knows")
        return done

    monkeypatch.setattr(house.store, "write", unknown)
    monkeypatch.setattr("dispatcher.register._AGAIN_SECONDS", 0.0)
    await house.register.put("residents", {"id": "r-01", "phone": "1"}, by="s-01")
    assert len(tries) == 2
    assert await house.count() == before + 1


async def test_what_is_said_of_a_person_can_be_emptied_and_that_it_was_changed_stays(house):
    put = house.register.put
    await put("residents", {"id": "r-01", "name": "张桂兰", "phone": "2", "area": "c1"}, by="s-01")
    await put("devices", {"id": "btn-01", "resident": "r-01", "name": "桂兰的"}, by="s-01")
    await put("devices", {"id": "btn-01"}, by="s-01")
    await put("staff", {"id": "s-01", "name": "王小芳", "role": "station", "station": "st-01"}, by="s-01")
    about = await of_person(house.store, "residents", "r-01")
    assert about == {("residents", "r-01"), ("devices", "btn-01")}
    before = await house.count()
    assert await forget(house.store, sorted(about)) == 3
    assert await house.count() == before
    assert [row["body"] for row in await house.rows() if row["id"] in {"r-01", "btn-01"}] == [""] * 5
    assert await of_person(house.store, "residents", "r-01") == set()
    assert [body for *_, body in await house.last()] == [{"name": ["王芳", "王小芳"]}]


async def test_it_is_kept_for_three_years(house):
    assert bounds.BOUNDS["history"].days == 1095
    house.clock.us += 1094 * DAY_US
    await house.register.put("residents", {"id": "r-01", "phone": "1"}, by="s-01")
    await Housekeeping(house.store, house.clock).once()
    assert await house.count() == 9
    house.clock.us += 2 * DAY_US
    await Housekeeping(house.store, house.clock).once()
    assert await house.count() == 1
