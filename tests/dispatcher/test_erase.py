"""A person is erased: not found any more in the database's file, while the journal still folds to the same calls."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from pathlib import Path

import pytest
from harness import MORNING, Town, play
from kept import numbers, save
from msgspec.structs import replace
from stories import places

from config.doors import SystemClock
from dispatcher.core.commands import Accept, Close, Note, Place
from dispatcher.erase import Erasure, erased_since, forgetting
from dispatcher.register import InUse, Register
from dispatcher.store import SqliteStore
from dispatcher.tables import metadata
from dispatcher.verify import verify

#: Planted, and unlike anything else in the file.
PLANTED = (
    "欧阳雪梅",
    "+99913572468",
    "桃源胡同九弄七号",
    "钥匙在青花瓶里",
    "她摔在厨房",
    "34.012345",
    "113.854321",
    "雪梅的按钮",
    "#77*13579",
    "11010519491231002X",  # the example of GB 11643
)
NURSE = ("慕容护士", "+99924681357")


def a_town(path: Path, *, open_call: bool = False) -> None:
    district = places.town(
        residents=[
            {
                "id": "r-77",
                "name": PLANTED[0],
                "phone": PLANTED[1],
                "address": PLANTED[2],
                "notes": PLANTED[3],
                "door_code": PLANTED[8],
                "identity_number": PLANTED[9],
                "area": "c1",
                "location": {"lat": float(PLANTED[5]), "lon": float(PLANTED[6])},
            }
        ],
        devices=[{"id": "btn-77", "resident": "r-77", "name": PLANTED[7]}],
        staff=[{"id": "s-77", "name": NURSE[0], "phone": NURSE[1], "role": "station", "station": "st-01"}],
    )

    async def tell(town: Town) -> None:
        await town.register.duty("s-77", True, "op")
        for _ in range(3):
            where = {"lat": float(PLANTED[5]), "lon": float(PLANTED[6])}
            call = await town.press("btn-77", details=where)
            await town.ask(Accept(by="s-77", station="st-01"), call)
            await town.ask(Note(by="s-77", station="st-01", text=PLANTED[4]), call)
            await town.ask(
                Close(by="s-77", station="st-01", outcome="helped", evidence="on_site", text=PLANTED[4]), call
            )
        by_hand = Place(name=PLANTED[0], phone=PLANTED[1], address=PLANTED[2])
        call = await town.telephone(resident="r-77", place=by_hand, text=PLANTED[3])
        await town.ask(Accept(by="s-77", station="st-01"), call)
        await town.ask(
            Close(by="s-77", station="st-01", outcome="other", evidence="on_site", text="好"), call
        )
        other = await town.press("btn-02")
        await town.ask(Accept(by="nurse", station="st-01"), other)
        await town.ask(Note(by="nurse", station="st-01", text="别人的话"), other)
        await town.ask(Close(by="nurse", station="st-01", outcome="helped", evidence="on_site"), other)
        if open_call:
            await town.ask(Accept(by="s-77", station="st-01"), await town.press("btn-77"))
        save(town.store.connection, path)
        town.out.clear()

    play(tell, MORNING, district, 5.0)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(
            "INSERT INTO replies VALUES ('t', 'k', 'q', 200, ?, 0)",
            (f'{{"id":"r-77","name":"{PLANTED[0]}"}}',),
        )
        connection.execute("INSERT INTO tokens VALUES ('t-1', 'h', 'station', '', 'st-01', 's-77', 0, NULL)")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A town whose calls are all closed."""
    a_town(tmp_path / "yijian.sqlite")
    return tmp_path / "yijian.sqlite"


@pytest.fixture
def busy(tmp_path: Path) -> Path:
    """One of hers is open, and the nurse holds it."""
    a_town(tmp_path / "yijian.sqlite", open_call=True)
    return tmp_path / "yijian.sqlite"


@contextlib.asynccontextmanager
async def erasing(path: Path):
    store = SqliteStore(path)
    await store.open()
    register = Register(store, SystemClock())
    await register.load()
    try:
        yield Erasure(store, register, SystemClock(), forgetting(store)), store, register
    finally:
        await store.close()


def found(path: Path, words: tuple[str, ...]) -> list[str]:
    """Which of these words stand anywhere in the database's files."""
    content = b"".join(
        file.read_bytes() for file in sorted(path.parent.iterdir()) if file.name.startswith(path.name)
    )
    return [word for word in words if word.encode() in content]


async def test_nothing_of_them_is_in_the_file_any_more_and_the_journal_is_as_it_was(path: Path) -> None:
    # Written anew by a connection of ours, as every database is: rows move, and what moved is written over.
    assert found(path, PLANTED) == list(PLANTED), "the planted words are not there: nothing would be shown"
    journal = numbers(path, "SELECT * FROM journal ORDER BY seq")
    calls = numbers(path, "SELECT id, body FROM calls ORDER BY id")
    async with erasing(path) as (erasure, store, register):
        her = register.rolls.default.residents["r-77"]
        await register.put("residents", replace(her, notes="", name=her.name + "们"), by="s-77")
        removed = await erasure.erase("residents", "r-77", "admin")
        assert removed == {
            "calls": 4,
            "texts": 8,
            "places": 4,
            "inputs": 11,
            "replies": 1,
            "devices": 1,
            "history": 3,
        }
        # While the server goes on, with its connections open: not in the file, not in its log.
        assert found(path, PLANTED) == []
        assert [line async for line in verify(store)] == []
        device = register.rolls.default.devices["btn-77"]
        assert (device.resident, device.name) == ("", "")
        assert (
            await erasure.erase("residents", "r-77", "admin") is not None
        )  # asked again: their calls are known still
        assert await erasure.erase("residents", "r-99", "admin") is None
        assert await erased_since(store, 0) == [("residents", "r-77")]
        assert await erased_since(store, SystemClock().now_us()) == []
    assert numbers(path, "SELECT * FROM journal ORDER BY seq") == journal
    assert numbers(path, "SELECT id, body FROM calls ORDER BY id") == calls
    assert numbers(path, "SELECT count(*) FROM texts WHERE body = '别人的话'") == [(1,)]
    assert numbers(path, "SELECT count(*) FROM texts WHERE body = '[erased]'") == [(8,)]


async def test_of_the_staff_the_name_goes_and_the_tokens_and_what_they_wrote_stays(path: Path) -> None:
    async with erasing(path) as (erasure, store, _register):
        removed = await erasure.erase("staff", "s-77", "admin")
        assert removed == {
            "calls": 0,
            "texts": 0,
            "places": 0,
            "inputs": 0,
            "replies": 0,
            "tokens": 1,
            "devices": 0,
            "history": 0,
        }
        assert [line async for line in verify(store)] == []
    assert found(path, NURSE) == []
    assert numbers(path, "SELECT count(*) FROM duty") == [(0,)]
    assert numbers(path, "SELECT count(*) FROM texts WHERE body = ?", PLANTED[4]) == [(6,)]


async def test_who_was_deleted_before_is_still_in_the_history_until_they_are_erased(path: Path) -> None:
    async with erasing(path) as (erasure, _store, register):
        nurse = register.rolls.default.staff["s-77"]
        await register.put("staff", replace(nurse, phone="+99900000001"), by="admin")
        await register.delete("staff", "s-77", by="admin")
        assert NURSE[1] in found(path, NURSE)
        removed = await erasure.erase("staff", "s-77", "admin")
        assert removed is not None
        assert removed["history"] == 1
        assert await erasure.erase("staff", "s-77", "admin") is None
    assert found(path, NURSE) == []
    lines = numbers(path, "SELECT act FROM history WHERE section = 'staff' AND id = 's-77' ORDER BY seq")
    assert lines[-2:] == [("changed",), ("removed",)]


@pytest.mark.parametrize(("section", "person"), [("residents", "r-77"), ("staff", "s-77")])
async def test_while_a_call_of_theirs_is_open_nobody_is_erased(busy: Path, section: str, person: str) -> None:
    async with erasing(busy) as (erasure, _store, register):
        with pytest.raises(InUse):
            await erasure.erase(section, person, "admin")
        assert register.rolls.roll_of(section, person) is not None
    assert set(PLANTED) == set(found(busy, PLANTED))
    assert numbers(busy, "SELECT count(*) FROM meta WHERE key LIKE 'erased:%'") == [(0,)]


async def test_in_a_large_register_written_and_rewritten_for_years_nothing_is_left_in_free_pages(
    tmp_path: Path,
) -> None:
    """Rows are put by replacing them: pages split, merge and are given back; each old copy must be written over."""
    path = tmp_path / "yijian.sqlite"
    store = SqliteStore(path)
    from dispatcher import schema

    schema.upgrade(path)
    await store.open()
    register, chance = Register(store, SystemClock()), random.Random(7)
    await register.load()
    people = [
        {
            "id": f"r-{number:04d}",
            "name": f"名{number}",
            "phone": f"+999{number:08d}",
            "notes": "注" * chance.randrange(400),
        }
        for number in range(400)
    ]
    chance.shuffle(people)
    from json import dumps

    marked = {
        "id": "r-x",
        "name": PLANTED[0],
        "phone": PLANTED[1],
        "address": PLANTED[2],
        "notes": PLANTED[3],
    }
    await register.merge(dumps({"residents": [*people[:200], marked, *people[200:]]}).encode())
    for _ in range(60):
        person = chance.choice([*people, marked, marked, marked])
        await register.put("residents", {**person, "notes": person["notes"] + "改" * chance.randrange(2000)})
    for person in people[:150]:
        await register.delete("residents", person["id"])
    erasure = Erasure(store, register, SystemClock(), forgetting(store))
    assert await erasure.erase("residents", "r-x", "admin") is not None
    assert found(path, PLANTED[:4]) == []
    await store.close()
    assert found(path, PLANTED[:4]) == []


def test_every_table_was_thought_of() -> None:
    """A new table may hold something of a person: whoever adds one says here that `dispatcher.erase` sees to it."""
    emptied = {
        "residents",
        "staff",
        "duty",
        "devices",
        "history",
        "texts",
        "places",
        "inbox",
        "replies",
        "tokens",
        "meta",
        "users",
        "sessions",
    }
    ids_only = {
        "journal", "calls", "call_stations", "follow_ups", "handovers", "alerts", "outbox", "faults", "uncovered", "test_mode", "device_states", "audit",
    }  # fmt: skip
    no_person = {"districts", "areas", "stations", "webhooks", "policies"}
    assert set(metadata.tables) == emptied | ids_only | no_person
