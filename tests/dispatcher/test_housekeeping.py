"""What is let go in time, what is never, and that a district's year does not make the database grow for ever."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import looptime
import pytest
from harness import story

from config.doors import ClockIds, LoopClock, to_us
from dispatcher import bounds, housekeeping, schema
from dispatcher.core.commands import Reopen
from dispatcher.housekeeping import Housekeeping, pruned
from dispatcher.journal import Journal
from dispatcher.store import InlineStore
from dispatcher.tables import metadata
from dispatcher.verify import verify

DAY = 86_400
_START = datetime.fromisoformat("2026-01-01T00:00:00+00:00")


async def handled(town, device: str) -> str:
    """A call from its press to its close, with a text; its id."""
    call = await town.press(device)
    await town.accept("st-01", call)
    await town.close("st-01", call=call, text="好了")
    town.out.clear()
    return call


def count(town, table: str, where: str = "1", *values: Any) -> int:
    return town.store.connection.execute(f"SELECT count(*) FROM {table} WHERE {where}", values).fetchone()[0]


@story(picture=False)
async def test_a_closed_call_goes_with_all_that_is_its_own_and_an_open_one_stays(town):
    old = await handled(town, "btn-01")
    waiting = await town.press("btn-02", details={"lat": 34.01, "lon": 113.81})
    await town.note("门锁着", waiting)
    await town.advance(hours=3)
    young = await handled(town, "btn-03")
    town.out.clear()
    kept = {
        name: count(town, name, "call = ?", waiting)
        for name in ("journal", "texts", "places", "call_stations")
    }
    marks: list[dict[str, int]] = []
    keeping = Housekeeping(town.store, town.clock, keep_closed_days=0.1)
    keeping.on_archived = lambda found: marks.append(dict(found))
    await keeping.once()
    for table in ("journal", "texts", "places", "call_stations", "outbox"):
        assert count(town, table, "call = ?", old) == 0, table
        assert count(town, table, "call = ?", young) > 0 or table in ("places", "outbox"), table
    assert {name: count(town, name, "call = ?", waiting) for name in kept} == kept
    assert all(kept.values())
    assert count(town, "calls", "id = ?", old) == 0
    assert [line async for line in verify(town.store)] == []
    assert marks
    assert marks[-1] == await pruned(town.store)
    # The rest of this story's checks want a journal from its first entry on.
    await town.kill()
    town.events.clear()
    town.store.connection.executescript("DELETE FROM journal; DELETE FROM calls; DELETE FROM inbox;")
    town.ledger.open.clear()
    town.ledger._load.clear()


@story(picture=False)
async def test_nothing_is_let_go_where_calls_are_kept_for_ever(town):
    await handled(town, "btn-01")
    await town.advance(hours=3)
    before = count(town, "journal")
    for days in (None, 0):
        await Housekeeping(town.store, town.clock, keep_closed_days=days).once()
    assert count(town, "journal") == before
    assert count(town, "calls") == 1


@story(picture=False)
async def test_a_call_closed_a_moment_ago_can_be_reopened_whatever_is_tidied(town):
    call = await handled(town, "btn-01")
    await Housekeeping(town.store, town.clock, keep_closed_days=1).once()
    await town.advance(minutes=4)
    await town.ask(Reopen(by="nurse of st-01", station="st-01"), call)
    town.out.clear()
    assert town.look(call).open


def on_virtual_time(run) -> None:
    loop = looptime.patch_event_loop(asyncio.new_event_loop(), start=0)
    try:
        loop.run_until_complete(run())
    finally:
        loop.close()


def a_store(path: str = ":memory:") -> InlineStore:
    store = InlineStore(path)
    metadata.create_all(store._engine)
    put(store, "districts", code="d", body="{}")
    return store


def put(store: InlineStore, table: str, **row: Any) -> None:
    """A row with something in every column that needs it."""
    for column in metadata.tables[table].columns:
        if not column.nullable and column.name not in row and column.autoincrement is not True:
            row[column.name] = "" if column.type.python_type is str else 0
    names = ", ".join(f'"{name}"' for name in row)
    marks = ", ".join("?" for _ in row)
    store.connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(row.values()))


def rows(store: InlineStore, table: str, what: str = "count(*)") -> Any:
    return store.connection.execute(f"SELECT {what} FROM {table}").fetchone()[0]


def test_each_kind_of_row_is_kept_as_long_as_it_says():
    async def run() -> None:
        store, now = a_store(), LoopClock(_START).now_us()

        def ago(days: float) -> int:
            return now - round(days * DAY * 1e6)

        for days, name in ((29, "young"), (31, "old")):
            put(store, "inbox", id=name, source="s", ref=name, received_us=ago(days), decided_us=ago(days))
        put(store, "inbox", id="waits", source="s", ref="w", received_us=ago(500))
        put(store, "devices", id="b", source="native/b", body="{}")
        put(store, "device_states", source="native/b", heard_us=ago(900))
        put(store, "device_states", source="native/gone", heard_us=ago(2))
        call = {"opened_us": ago(600), "seq": 1, "id": "c-open", "state": "received", "due_us": now}
        put(store, "calls", **call)
        for days, name, what in (
            (399, "young", None), (401, "old", None), (401, "of an open call", "c-open"),
            (401, "of one that is gone", "c-gone"),
        ):  # fmt: skip
            put(store, "alerts", id=name, at_us=ago(days), fate="sent", call=what)
        put(store, "alerts", id="waits", at_us=ago(500), fate="queued", due_us=now)
        for days, name in ((399, "young"), (401, "old")):
            put(store, "faults", id=name, ended_us=ago(days))
            put(store, "tokens", id=name, hash=name, revoked_us=ago(days))
        put(store, "faults", id="lasts", since_us=ago(900), due_us=ago(899))
        put(store, "tokens", id="in use", hash="u", created_us=ago(900))
        for days, name in ((0.9, "young"), (1.1, "old")):
            put(store, "outbox", id=name, created_us=ago(days))
            put(store, "replies", token="t", key=name, at_us=ago(days))
        for days, name in ((-1, "lasts"), (0.01, "over")):
            put(store, "test_mode", device=name, until_us=ago(days))
        for days, name in ((1094, "young"), (1096, "old")):
            put(store, "meta", key=f"erased:residents:{name}", value=f"{ago(days)} admin")
        for seq, (days, of) in enumerate(((402, None), (401, "c-open"), (400.5, None), (399, None)), 1):
            put(store, "journal", district="d", seq=seq, at_us=ago(days), call=of)
        await Housekeeping(store, LoopClock(_START)).once()

        def left(table: str, column: str = "id") -> set[Any]:
            found = store.connection.execute(f"SELECT {column} FROM {table}").fetchall()
            return {row[0] for row in found}

        assert left("inbox") == {"young", "waits"}
        assert left("device_states", "source") == {"native/b"}
        assert left("alerts") == {"young", "of an open call", "waits"}
        assert left("faults") == {"young", "lasts"}
        assert left("tokens") == {"young", "in use"}
        assert left("outbox") == {"young"}
        assert left("replies", "key") == {"young"}
        assert left("test_mode", "device") == {"lasts"}
        assert left("journal", "seq") == {2, 4}
        assert left("meta", "key") == {"erased:residents:young", "pruned:d"}
        assert await pruned(store) == {"d": 3}

    on_virtual_time(run)


def test_numbers_go_on_after_everything_was_let_go():
    """A district that was quiet for years: its next entry is not given a number that somebody has read already."""

    async def run() -> None:
        store, clock = a_store(), LoopClock(_START)
        for seq in range(1, 4):
            put(store, "journal", district="d", seq=seq, at_us=0, call=None)
        await Housekeeping(store, clock).once()
        assert rows(store, "journal") == 0
        assert await Journal(store).open(ClockIds(clock, random.Random(1))) == {"d": 3}
        put(store, "journal", district="d", seq=4, at_us=0, call=None,
            cause='{"kind":"report"}', body='{"fact":"test.passed"}')  # fmt: skip
        assert not [line async for line in verify(store) if "missing" in line]
        store.connection.execute("UPDATE journal SET seq = 6")
        assert [line async for line in verify(store) if "missing" in line]

    on_virtual_time(run)


def test_by_a_clock_that_jumped_nothing_is_let_go(monkeypatch):
    monkeypatch.setattr(housekeeping, "EVERY_SECONDS", DAY / 4)

    async def run() -> None:
        store = a_store()
        clock = LoopClock(_START)

        class Jumping:
            ahead_us = 0

            def now_us(self) -> int:
                return clock.now_us() + self.ahead_us

        jumping = Jumping()
        put(store, "test_mode", device="b", until_us=clock.now_us() + 2 * DAY * 1_000_000)
        task = asyncio.create_task(Housekeeping(store, jumping, keep_closed_days=1095).run())
        await asyncio.sleep(DAY * 0.3)
        jumping.ahead_us = 73 * 365 * DAY * 1_000_000
        await asyncio.sleep(DAY * 0.6)
        assert rows(store, "test_mode") == 1
        jumping.ahead_us = 0
        await asyncio.sleep(DAY)
        assert rows(store, "test_mode") == 1
        await asyncio.sleep(DAY)
        assert rows(store, "test_mode") == 0
        task.cancel()

    on_virtual_time(run)


def test_it_takes_little_at_a_time_and_rests_between():
    async def run() -> None:
        store, sizes = a_store(), []
        for number in range(1_000):
            put(store, "inbox", id=f"{number}", source="s", ref=f"{number}", received_us=0, decided_us=0)
        at: list[float] = []
        changes = store.connection.total_changes

        def watch(_work: Any) -> None:
            nonlocal changes
            sizes.append(store.connection.total_changes - changes)
            changes = store.connection.total_changes
            at.append(asyncio.get_running_loop().time())

        store.fail = watch  # type: ignore[assignment]
        await Housekeeping(store, LoopClock(_START)).once()
        assert rows(store, "inbox") == 0
        assert max(sizes) <= 200
        assert all(later > earlier for earlier, later in pairwise(at))

    on_virtual_time(run)


# ── bounds ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_table_says_what_bounds_it():
    assert set(bounds.BOUNDS) == set(metadata.tables)


#: A fiftieth of a district of 86 communities, 10,000 residents and 12,000 devices; a day's rows of it.
RESIDENTS, DEVICES = 200, 240
A_DAY = {"calls": 3, "signals": 8, "commands": 12, "faults": 2, "alerts": 12, "facts": 3}
KEEP_DAYS, DAYS = 60, 450


class Calendar:
    """A clock that is turned by days."""

    def __init__(self) -> None:
        self.us = to_us(_START)

    def now_us(self) -> int:
        return self.us


def a_day(store: InlineStore, chance: random.Random, day: int, now_us: int, seq: int) -> int:
    """What a fiftieth of a district writes in a day, at the rows' own level."""

    def moment() -> int:
        return now_us - chance.randrange(DAY * 1_000_000)

    for number in range(A_DAY["calls"]):
        call, at_us = f"c-{day}-{number}", moment()
        put(store, "calls", id=call, district="d", seq=seq, state="closed", opened_us=at_us, closed_us=at_us + 1,
            resident=f"r-{chance.randrange(RESIDENTS)}", body="x" * 1500)  # fmt: skip
        for _ in range(9):
            seq += 1
            put(
                store,
                "journal",
                district="d",
                seq=seq,
                at_us=at_us,
                call=call,
                cause="x" * 60,
                body="x" * 200,
            )
        put(store, "texts", id=f"x-{day}-{number}", call=call, body="x" * 60, at_us=at_us)
        put(store, "places", call=call, body="x" * 60)
        for station in range(2):
            put(store, "call_stations", call=call, station=f"st-{station}")
        for word in range(4):
            put(store, "outbox", id=f"o-{day}-{number}-{word}", call=call, created_us=at_us, due_us=at_us)
        for message in range(A_DAY["alerts"] // A_DAY["calls"]):
            put(store, "alerts", id=f"a-{day}-{number}-{message}", at_us=at_us, call=call, fate="sent")
    for kind, number in (("signal", A_DAY["signals"]), ("command", A_DAY["commands"])):
        for one in range(number):
            put(store, "inbox", id=f"{kind}-{day}-{one}", source=kind, ref=f"{day}-{one}", kind=kind,
                received_us=moment(), decided_us=now_us, body="x" * 250)  # fmt: skip
    for number in range(A_DAY["facts"]):
        seq += 1
        put(
            store, "journal", district="d", seq=seq, at_us=moment(), call=None, cause="x" * 60, body="x" * 120
        )
        put(store, "replies", token="t", key=f"{day}-{number}", at_us=moment(), body="x" * 400)
    for number in range(A_DAY["faults"]):
        put(store, "faults", id=f"f-{day}-{number}", since_us=now_us, ended_us=now_us, body="[]")
    # People come and go: a device, a token, an erased person now and then.
    put(store, "device_states", source=f"native/new-{day}", heard_us=moment(), body="x" * 60)
    if day % 10 == 0:
        put(store, "tokens", id=f"t-{day}", hash=f"{day}", revoked_us=now_us)
        put(store, "meta", key=f"erased:residents:r-{day}", value=f"{now_us} admin")
    return seq


def bound_of(table: str) -> float:
    """How many rows a table may have, by what its bound says and what a day brings."""
    days = {name: bound.days for name, bound in bounds.BOUNDS.items()}
    calls = A_DAY["calls"] * (KEEP_DAYS + 1)
    by_call = {
        "calls": 1,
        "call_stations": 2,
        "texts": 1,
        "places": 1,
        "journal": 9,
        "alerts": 4,
        "outbox": 4,
    }
    by_day = {
        "journal": A_DAY["facts"], "faults": A_DAY["faults"], "outbox": 4 * A_DAY["calls"], "replies": A_DAY["facts"],
        "inbox": A_DAY["signals"] + A_DAY["commands"], "device_states": 1, "tokens": 0.1, "meta": 0.1,
    }  # fmt: skip
    rows_of_calls = by_call.get(table, 0) * calls if bounds.BOUNDS[table].with_call else 0
    return rows_of_calls + by_day.get(table, 0) * ((days[table] or 0) + 2) + 2


def test_a_districts_year_fits_its_bounds_and_the_file_stops_growing(tmp_path: Path):
    """450 days at a fiftieth: every table within what `BOUNDS` says, and freed pages are used again."""
    path = tmp_path / "year.sqlite"
    sizes: dict[int, int] = {}

    async def run() -> None:
        store, clock, chance = a_store(str(path)), Calendar(), random.Random(2026)
        store.connection.execute("PRAGMA synchronous=OFF")
        put(store, "calls", id="c-open", district="d", state="received", opened_us=clock.now_us(), due_us=1)
        keeping, seq = Housekeeping(store, clock, keep_closed_days=KEEP_DAYS), 0
        for day in range(DAYS):
            store.connection.execute("BEGIN")
            seq = a_day(store, chance, day, clock.now_us(), seq)
            store.connection.execute("COMMIT")
            await keeping.once()
            clock.us += DAY * 1_000_000
            sizes[day] = path.stat().st_size
            if day in (400, DAYS - 1):
                for table in bounds.BOUNDS:
                    assert rows(store, table) <= bound_of(table), f"day {day}: {table}"
        assert rows(store, "calls", "sum(id = 'c-open')") == 1
        await store.close()

    on_virtual_time(run)
    assert sizes[DAYS - 1] <= sizes[410] * 1.02, "the file goes on growing"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        free, pages = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_count")
        )
    assert free < pages * 0.2


def test_the_bound_of_the_test_above_can_fail(tmp_path: Path):
    """Without housekeeping the same days are over every bound that has an age."""

    async def run() -> None:
        store, clock, chance = a_store(str(tmp_path / "y")), LoopClock(_START), random.Random(1)
        store.connection.execute("PRAGMA synchronous=OFF")
        seq = 0
        for day in range(DAYS):
            store.connection.execute("BEGIN")
            seq = a_day(store, chance, day, clock.now_us(), seq)
            store.connection.execute("COMMIT")
        over = {table for table in bounds.BOUNDS if rows(store, table) > bound_of(table)}
        assert over >= {
            "calls",
            "journal",
            "alerts",
            "inbox",
            "outbox",
            "replies",
            "texts",
            "places",
            "device_states",
        }
        await store.close()

    on_virtual_time(run)


@pytest.mark.parametrize("index", ["journal_of_no_call", "calls_closed"])
def test_what_is_looked_for_is_found_by_an_index(tmp_path: Path, index: str):
    """Ten minutes apart, for ever: a scan of all calls each time would be felt."""
    schema.upgrade(tmp_path / "y")
    queries = {
        "journal_of_no_call": "SELECT seq, at_us FROM journal WHERE district = 'd' AND call IS NULL ORDER BY seq LIMIT 200",
        "calls_closed": "SELECT id FROM calls WHERE closed_us IS NOT NULL AND closed_us < 1 ORDER BY closed_us LIMIT 20",
    }
    with contextlib.closing(sqlite3.connect(tmp_path / "y")) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {queries[index]}").fetchall()
    assert index in str(plan)
    assert "TEMP B-TREE" not in str(plan)
