"""A start with thousands of open calls: every deadline is armed, every press taken, and it costs little.

What it costs is told in processor time, which does not depend on who else is at work. A hundred thousand of them are in
`make bench ARGS="--only cold_calls"`; these are enough to find what grows faster than they do.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from pathlib import Path

from bench.load import cpu_seconds
from bench.many import multiply
from msgspec.structs import replace
from outside.harness import Desk, Server, eventually
from stories import places

from dispatcher import desk_rows
from dispatcher.core.call import Call, State
from dispatcher.core.roll import DEFAULT_POLICIES
from dispatcher.ledger import Ledger
from dispatcher.store import Do, InlineStore
from dispatcher.tables import metadata

CALLS, DUE = 4000, 100
#: Measured: 1.3 s of processor for the process, of it 0.06 for these calls; 12 µs a call to read. A shared machine takes twice that.
START_SECONDS, CALL_SECONDS = 8.0, 0.00015


def a_call(number: int, due_us: int) -> Call:
    source = f"native/b-{number}"
    return Call(
        id=f"c-{number:05}", district="d", seq=number, state=State.RECEIVED, key="emergency", kind="press", test=False,
        device=None, source=source, sources=(source,), resident=None, area="", by="", pressed_us=0, opened_us=0,
        policy=replace(DEFAULT_POLICIES["emergency"], repeat=60.0), deadlines={"step": due_us},
    )  # fmt: skip


def stepped(database: Path) -> list[str]:
    """The call of each step that was taken because it was due."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        found = connection.execute("SELECT call FROM journal WHERE fact = 'call.escalated' ORDER BY call")
        return [call for (call,) in found]


async def test_every_open_call_is_read_once_however_many_are_due_at_one_moment(monkeypatch) -> None:
    monkeypatch.setattr(desk_rows, "PIECE", 100)
    store = InlineStore()
    metadata.create_all(store._engine)
    # A thousand at one moment: more than several pieces, with others due before and after.
    dues = [number // 3 if not 1000 <= number < 2000 else 500 for number in range(CALLS)]
    calls = [a_call(number, due_us) for number, due_us in enumerate(dues)]
    await store.write([Do(desk_rows.CALL, [desk_rows.row_of(call) for call in calls])])
    began = time.process_time()
    read = await desk_rows.open_calls(store)
    ledger = Ledger()
    ledger.fill(read)
    took = time.process_time() - began
    assert sorted(read, key=lambda call: call.id) == calls
    assert len({id(call.policy) for call in read}) == 1, "one policy, kept once"
    assert all(ledger.armed(call) for call in read)
    assert all(ledger.for_whom(("d", f"source:{call.source}", "emergency")) is call for call in read)
    taken = ledger.take_due(max(dues), CALLS + 1)
    assert sorted(taken) == [call.id for call in calls]
    assert [dues[int(call_id[2:])] for call_id in taken] == sorted(dues)
    assert took < CALLS * CALL_SECONDS, f"{took / CALLS * 1e6:.0f} µs a call"
    await store.close()


async def test_a_start_with_thousands_of_open_calls_takes_each_step_that_is_due_once(tmp_path: Path) -> None:
    server = Server(tmp_path, district=places.town())
    press = {"device": "btn-01", "type": "press"}
    try:
        server.start()
        async with Desk(server) as desk:
            (await desk.post("/signals", {**press, "id": "a"})).ok(201)
        server.stop()
        now_us = round(time.time() * 1e6)
        dues = [now_us if number < DUE else now_us + 86_400_000_000 + number for number in range(CALLS)]
        database = next(server.data.glob("*.sqlite"))
        ids = multiply(database, [], dues)
        server.start()
        used = cpu_seconds([server.pid])
        async with Desk(server) as desk:
            answer = (await desk.post("/signals", {**press, "id": "b"})).ok(201)
            assert answer["call"], "a press right after `ready` is decided"
            await eventually(lambda: len(stepped(database)) >= DUE, "every step that is due", within=10)
            await asyncio.sleep(0.3)
        assert stepped(database) == ids[:DUE], "each that was due, once, and no other"
        assert used < START_SECONDS, f"{used:.1f} s of processor until ready"
        server.stop()
    finally:
        server.end()
