"""PostgreSQL as a database for presses: what is acknowledged is on disk, whatever becomes of server and network."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace

import asyncpg
import pytest
from patience import PATIENCE
from postgres_server import PostgresServer, server
from sqlalchemy import select
from wire import Wire

from config.database import Postgres, postgres
from dispatcher import inbox as inbox_room
from dispatcher import schema
from dispatcher.desk_rows import DECIDED, PENDING
from dispatcher.journal import _APPEND
from dispatcher.store import Do, OutcomeUnknown, Prepared, StoreUnavailable, postgres_link
from dispatcher.store.postgres import DeskElsewhere, PostgresStore, StoreRefused
from dispatcher.tables import inbox, meta, metadata

FACT = {"district": "d1", "at_us": 1, "fact": "x", "call": None, "device": None, "cause": "{}", "body": "{}"}


def press(ref: str, source: str = "native/btn-01") -> dict:
    return {
        "id": f"s-{source}-{ref}",
        "source": source,
        "ref": ref,
        "kind": "signal",
        "lane": 1,
        "district": "d1",
        "received_us": 1_790_000_000_000_000,
        "body": '{"type":"press"}',
    }


def put(*rows: dict) -> list[Do]:
    return [Do(inbox_room._PUT, rows), Do(inbox_room._KNOWN, rows, fetch=True)]


def fact(seq: int) -> Do:
    return Do(_APPEND, [{**FACT, "seq": seq}])


_own: list[PostgresServer] = []


def here() -> PostgresServer:
    """A server of these tests' own: they stop it and kill it."""
    return _own[-1]


@pytest.fixture(scope="module", autouse=True)
def _server() -> Iterator[None]:
    with server() as made:
        _own.append(made)
        yield
        _own.pop()


@pytest.fixture(scope="module")
def template() -> str:
    """A database with all tables, to be copied."""
    url = here().make("template_of_postgres")
    asyncio.run(schema.upgrade_postgres(postgres(url)))
    return "template_of_postgres"


@pytest.fixture
def place(template, request) -> Postgres:
    postgresql = here()
    name = f"t{abs(hash(request.node.nodeid)) % 10**9}"
    yield postgres(postgresql.make(name, f'TEMPLATE "{template}"'))
    if not postgresql.running:
        postgresql.start()
    postgresql.drop(name)


@pytest.fixture
async def store(place):
    made = PostgresStore(place, desk=True)
    await made.open()
    yield made
    await made.close()


async def stored(store) -> list[str]:
    return [row[0] for row in await store.read(select(inbox.c.ref).order_by(inbox.c.seq))]


# ── a transaction ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_commit_is_on_disk_whatever_the_servers_default_is(store, place):
    defaults = (
        here().sql("SHOW synchronous_commit"),
        here().sql("SHOW default_transaction_isolation"),
    )
    assert defaults == ("off", "serializable"), "this server is set up badly, on purpose"
    for writer in store._writers.values():
        connection = await writer.ready()
        assert await connection.fetchval("SHOW synchronous_commit") == "on"
        assert await connection.fetchval("SHOW transaction_isolation") == "read committed"


async def test_rows_come_back_each_with_its_own(store):
    rows = [press("1"), press("2"), {**press("1"), "id": "again"}]
    [known] = await store.write(put(*rows))
    assert [[row[0] for row in found] for found in known] == [
        ["s-native/btn-01-1"],
        ["s-native/btn-01-2"],
        ["s-native/btn-01-1"],
    ]
    nothing = Prepared(select(inbox.c.id).where(inbox.c.ref == "none"))
    assert await store.write([Do(nothing, [{}, {}], fetch=True)]) == [[[], []]]


async def test_all_of_a_transaction_or_nothing_of_it(store):
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await store.write(
            [*put(press("1")), Do(DECIDED, []), Do(Prepared(meta.insert()), [{"key": None, "value": "x"}])]
        )
    assert await stored(store) == []
    await store.write(put(press("2")))
    assert await stored(store) == ["2"], "the connection is as good as before"


async def test_wrong_sql_is_a_bug_and_not_the_worlds_fault(store, place):
    here().sql("DROP TABLE inbox", place.name)
    with pytest.raises(asyncpg.UndefinedTableError):
        await store.write(put(press("1")))
    with pytest.raises(Exception, match="inbox") as caught:
        await stored(store)
    assert not isinstance(caught.value, StoreUnavailable)


async def test_the_same_press_by_two_ways_at_once_is_one_row_and_both_learn_its_id(place):
    """Two processes of one installation: neither sees what the other has not committed yet."""
    one, two = PostgresStore(place), PostgresStore(place)
    for round_number in range(20):
        rows = [press(f"{round_number}-{n}") for n in range(20)]
        mine = [{**row, "id": f"one-{row['ref']}"} for row in rows]
        theirs = [{**row, "id": f"two-{row['ref']}"} for row in reversed(rows)]
        [[known_one], [known_two]] = await asyncio.gather(one.write(put(*mine)), two.write(put(*theirs)))
        first = {row["ref"]: found[0][0] for row, found in zip(mine, known_one, strict=True)}
        second = {row["ref"]: found[0][0] for row, found in zip(theirs, known_two, strict=True)}
        assert first == second, "in opposite order: a deadlock is broken off by the server and done again"
    assert len(await stored(one)) == 400
    await one.close()
    await two.close()


async def test_what_somebody_else_broke_off_is_done_again_and_in_the_end_said(store):
    raised = []
    writer = store._writers[_kind("inbox")]
    real = writer._transact

    async def torn(connection, work, *, clean):
        raised.append(1)
        if len(raised) < 3:
            raise asyncpg.SerializationError("others were first")
        return await real(connection, work, clean=clean)

    writer._transact = torn
    await store.write(put(press("1")))
    assert (len(raised), await stored(store)) == (3, ["1"])

    async def always(_connection, _work, *, clean):
        raise asyncpg.DeadlockDetectedError("again")

    writer._transact = always
    with pytest.raises(StoreUnavailable):
        await store.write(put(press("2")))


def _kind(name: str):
    from dispatcher.store.postgres import _Kind

    return _Kind(name)


@pytest.mark.parametrize("ref", ["a\0b", "half \ud800", "\udfff\0"])
async def test_text_that_postgresql_cannot_keep_is_kept_all_the_same_and_poisons_no_batch(store, ref):
    rows = [press("before"), press(ref), press("behind")]
    [known] = await store.write(put(*rows))
    assert [found[0][0] for found in known][1]
    assert len(await stored(store)) == 3
    [again] = await store.write(put(*rows))
    assert again == known, "a repeat is recognised"
    await store.write(
        [Do(inbox_room._HEARD, [{"source": "x", "heard_us": 2**62, "body": '{"a":"\\u0000"}'}])]
    )


async def test_numbers_as_large_as_microseconds_and_truth_as_a_number(store):
    row = {**press("1"), "received_us": 2**63 - 1, "lane": True}
    await store.write(put(row))
    assert await store.read(select(inbox.c.received_us, inbox.c.lane)) == [(2**63 - 1, 1)]


def test_every_statement_of_the_house_compiles_for_postgresql():
    import importlib
    import pkgutil

    import dispatcher

    found = {}
    for module in pkgutil.walk_packages(dispatcher.__path__, "dispatcher."):
        if ".migrations" in module.name:
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            for one in (
                value if isinstance(value, list) else value.values() if isinstance(value, dict) else [value]
            ):
                if isinstance(one, Prepared):
                    found[f"{module.name}.{name}"] = one
    assert len(found) > 40
    for name, prepared in found.items():
        sql = prepared.postgres.sql
        assert "$1" in sql or "$" not in sql, name
        assert ("RETURNING" in sql) == ("RETURNING" in prepared.sqlite.sql), (
            f"{name} asks for what nobody wants"
        )


# ── order ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_text_stands_in_the_order_of_its_bytes_whatever_language_the_database_is_in(tmp_path):
    postgresql = here()
    url = postgresql.make("icu", "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de-u-ks-level2'")
    place = postgres(url)
    try:
        await schema.upgrade_postgres(place)
        keys = ["b", "A", "a", "B", "Z", "-a", "é", "中", "_", "9"]
        assert postgresql.sql("SELECT 'a' < 'B'", "icu") == "t", "by itself it would sort as people do"
        store = PostgresStore(place)
        await store.write([Do(Prepared(meta.insert()), [{"key": key, "value": ""} for key in keys])])
        found = [row[0] for row in await store.read(select(meta.c.key).order_by(meta.c.key))]
        assert found == sorted(keys)
        after = await store.read(select(meta.c.key).where(meta.c.key > "Z").order_by(meta.c.key))
        assert [row[0] for row in after] == [key for key in sorted(keys) if key > "Z"]
        await store.close()
        columns = postgresql.sql(
            "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'public'"
            " AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'",
            "icu",
        )
        assert columns == "0"
    finally:
        postgresql.drop("icu")


# ── the schema ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_several_processes_may_start_at_once(place):
    postgresql = here()
    fresh = postgres(postgresql.make("fresh"))
    try:
        before = await asyncio.gather(*(schema.upgrade_postgres(fresh) for _ in range(4)))
        assert sorted(before) == ["", *[schema.HEAD] * 3]
        tables = postgresql.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", "fresh")
        assert int(tables) == len(metadata.tables) + 1
    finally:
        postgresql.drop("fresh")


async def test_the_migrations_make_what_the_tables_say(place):
    """A column, an index or a check that is only in one of them would be missed at night."""
    postgresql = here()
    from sqlalchemy.ext.asyncio import create_async_engine

    made = postgres(postgresql.make("by_tables"))
    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: postgres_link.connect(made))
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await engine.dispose()
    asked = (
        "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name <> 'alembic_version' ORDER BY 1, 2;"
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version' ORDER BY 1;"
        "SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace AND contype = 'c' ORDER BY 1, 2"
    )
    try:
        assert postgresql.sql(asked, "by_tables") == postgresql.sql(asked, place.name)
    finally:
        postgresql.drop("by_tables")


# ── one desk ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_one_desk_and_any_number_of_others(store, place):
    second = PostgresStore(place, desk=True)
    began = time.monotonic()
    with pytest.raises(DeskElsewhere):
        await second.open()
    assert time.monotonic() - began < 6 * PATIENCE
    beside = PostgresStore(place)
    await beside.open()
    await beside.write([Do(Prepared(meta.insert()), [{"key": "a", "value": "b"}])])
    await store.close()
    await second.open()
    await second.close()
    await beside.close()


async def test_who_was_killed_right_before_is_waited_for(store, place):
    second = PostgresStore(place, desk=True)
    opening = asyncio.create_task(second.open())
    await asyncio.sleep(0.5)
    assert not opening.done()
    await store.close()
    await opening
    await second.close()


async def test_the_lock_is_taken_again_with_a_lost_connection_and_if_another_has_it_nothing_is_written(
    store, place
):
    postgresql = here()
    await store.write([fact(1)])
    postgresql.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'yijian' AND pid <> pg_backend_pid()"
    )
    await asyncio.sleep(0.1)
    await store.write([fact(2)])
    assert len(await held(place)) == 1, "it has the lock again"

    postgresql.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'yijian' AND pid <> pg_backend_pid()"
    )
    await asyncio.sleep(0.1)
    other = PostgresStore(place, desk=True)
    await other.open()
    for work in ([fact(3)], [Do(DECIDED, [{"b_id": "x", "now_us": 1, "b_call": None, "b_result": None}])]):
        with pytest.raises(DeskElsewhere):
            await store.write(work)
    with pytest.raises(DeskElsewhere):
        await store.write([Do(PENDING, [{}], fetch=True)])
    await store.write(put(press("1")))  # what comes in is still taken: the other desk decides it
    await other.write([fact(3)])
    await other.close()


async def held(place: Postgres) -> list:
    connection = await postgres_link.connect(place)
    found = await connection.fetch("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted")
    await connection.close()
    return found


async def test_a_fact_under_a_number_that_is_taken_stops_the_desk(store):
    await store.write([fact(1)])
    with pytest.raises(DeskElsewhere):
        await store.write([fact(1)])


async def test_our_own_connection_that_the_server_still_holds_is_not_taken_for_another_desk(place):
    async with Wire(place.port) as wire:
        store = PostgresStore(replace(place, port=wire.port), desk=True)
        await store.open()
        await store.write([fact(1)])
        # Gone for us, and for the server still there: what a network does that drops everything.
        desk = store._desk
        lost, desk._connection = desk._connection, None
        deadline = time.monotonic() + 5
        while True:
            try:
                await store.write([fact(2)])
                break
            except StoreUnavailable:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)
        lost.terminate()
        await store.close()


# ── the server and the network ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_the_server_is_away_and_back(store, how):
    postgresql = here()
    await store.write(put(press("1")))
    await store.write([fact(1)])
    getattr(postgresql, how)()
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await store.write(put(press("2")))
        with pytest.raises(StoreUnavailable):
            await store.write([fact(2)])
        with pytest.raises(StoreUnavailable):
            await stored(store)
    await asyncio.to_thread(postgresql.start)
    began = time.monotonic()
    while True:
        try:
            await store.write(put(press("2")))
            await store.write([fact(2)])
            break
        except StoreUnavailable:
            assert time.monotonic() - began < 3 * PATIENCE, (
                "back within three seconds, without a restart of ours"
            )
            await asyncio.sleep(0.1)
    assert await stored(store) == ["1", "2"]


async def test_idle_connections_that_were_ended_cost_nobody_anything(store):
    await store.write(put(press("1")))
    assert await stored(store) == ["1"]
    here().sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'yijian' AND pid <> pg_backend_pid()"
    )
    await asyncio.sleep(0.2)
    assert await stored(store) == ["1"]
    await store.write(put(press("2")))
    await store.write([fact(1)])


@pytest.mark.parametrize(("moment", "there"), [("before", []), ("after", ["1"])])
async def test_a_connection_cut_in_the_commit_leaves_the_outcome_unknown_and_says_so(place, moment, there):
    async with Wire(place.port) as wire:
        store = PostgresStore(replace(place, port=wire.port), desk=True)
        await store.open()
        wire.cut_at_commit = moment
        with pytest.raises(OutcomeUnknown):
            await store.write(put(press("1")))
        assert await stored(store) == there
        [known] = await store.write(put({**press("1"), "id": "again"}))
        assert known == [[("s-native/btn-01-1" if there else "again", None, None, None, '{"type":"press"}')]]
        await store.close()


async def test_a_connection_cut_before_the_commit_has_done_nothing(place):
    """Not the desk's error, nor anybody's: tried once more by itself."""
    async with Wire(place.port) as wire:
        store = PostgresStore(replace(place, port=wire.port))
        await store.write(put(press("1")))
        wire.cut()
        await store.write(put(press("2")))
        assert await stored(store) == ["1", "2"]
        await store.close()


async def test_a_network_that_is_silent_is_noticed_and_left(place, monkeypatch):
    monkeypatch.setattr(postgres_link, "CONNECT_SECONDS", 0.5)
    monkeypatch.setattr("dispatcher.store.postgres.COMMAND_SECONDS", 0.5)
    async with Wire(place.port) as wire:
        store = PostgresStore(replace(place, port=wire.port), desk=True)
        await store.open()
        await store.write(put(press("1")))
        wire.silent = True
        began = time.monotonic()
        tries = await asyncio.gather(
            *(store.write(put(press("2"))) for _ in range(50)), return_exceptions=True
        )
        assert all(isinstance(error, StoreUnavailable) for error in tries)
        assert time.monotonic() - began < 8 * PATIENCE, "who waits behind it is told at once"
        wire.silent = False
        await asyncio.sleep(0.3)
        await store.write(put(press("2")))
        assert sorted(await stored(store)) == ["1", "2"]
        await store.close()


async def test_too_many_connections_is_the_worlds_fault(place):
    postgresql = here()
    postgresql.sql("CREATE ROLE narrow LOGIN PASSWORD 'x' CONNECTION LIMIT 1")
    try:
        postgresql.sql("GRANT ALL ON ALL TABLES IN SCHEMA public TO narrow", place.name)
        postgresql.sql("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO narrow", place.name)
        narrow = PostgresStore(replace(place, user="narrow", password="x"))
        await narrow.write(put(press("1")))
        with pytest.raises(StoreUnavailable, match="too many connections"):
            await narrow.write([fact(1)])
        await narrow.close()
    finally:
        postgresql.sql("DROP OWNED BY narrow; DROP ROLE narrow", place.name)


async def test_a_database_that_only_reads_is_the_worlds_fault(store, place):
    postgresql = here()
    connection = await store._writers[_kind("inbox")].ready()
    await connection.execute("SET default_transaction_read_only = on")
    with pytest.raises(StoreUnavailable, match="read-only"):
        await store.write(put(press("1")))
    await connection.execute("SET default_transaction_read_only = off")
    await store.write(put(press("1")))
    assert postgresql.running


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (asyncpg.DiskFullError("could not extend file"), False),
        (asyncpg.AdminShutdownError("terminating"), False),
        (asyncpg.CannotConnectNowError("starting up"), False),
        (asyncpg.TooManyConnectionsError("sorry"), False),
        (asyncpg.ReadOnlySQLTransactionError("read only"), False),
        (asyncpg.PostgresIOError("input/output error"), False),
        (asyncpg.QueryCanceledError("statement timeout"), False),
        (ConnectionResetError("reset"), False),
        (TimeoutError(), False),
        (
            asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress"),
            False,
        ),
        (asyncpg.InterfaceError("connection is closed"), False),
        (asyncpg.InterfaceError("the number of columns does not match"), True),
        (asyncpg.UndefinedColumnError("no such column"), True),
        (asyncpg.UniqueViolationError("twice"), True),
        (asyncpg.PostgresSyntaxError("wrong"), True),
        (ValueError("a bug"), True),
    ],
)
def test_whose_fault_an_error_is(error, ours):
    why = postgres_link.reason(error)
    assert (why is None) == ours
    assert why is None or "\n" not in why


async def test_a_server_that_will_not_have_us_says_why_and_never_the_password(place):
    for wrong in (replace(place, password="geheim"), replace(place, name="nowhere")):
        with pytest.raises(StoreRefused) as caught:
            await PostgresStore(wrong, desk=True).open()
        assert "geheim" not in str(caught.value)
        assert "geheim" not in repr(wrong)


async def test_a_server_that_is_too_old_or_speaks_no_utf8_is_refused(store, monkeypatch):
    connection = await store._desk.ready()

    class Old:
        major = 12

    monkeypatch.setattr(type(connection), "get_server_version", lambda _self: Old)
    with pytest.raises(StoreRefused, match="PostgreSQL 12; 13 or newer"):
        await postgres_link.check(connection)
    monkeypatch.undo()
    postgresql = here()
    latin = postgres(
        postgresql.make("latin", "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    )
    try:
        with pytest.raises(StoreRefused, match="LATIN1; UTF8"):
            await PostgresStore(latin, desk=True).open()
    finally:
        postgresql.drop("latin")
