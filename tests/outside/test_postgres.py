"""A process on PostgreSQL: what it says where it cannot start, one process at a time, and the database away and back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE
from postgres_server import PASSWORD, PostgresServer
from postgres_server import server as database_server

from outside.harness import Button, Desk, Server, eventually, free_port
from outside.places import district

WRONG, FAILED = 2, 1


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """A server of these tests' own: they stop it."""
    with database_server() as made:
        yield made


@pytest.fixture(scope="module")
def there(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An installation that has been started once."""
    server = Server(
        tmp_path_factory.mktemp("there"),
        env={"YIJIAN_DATABASE": postgres.make("there")},
        district=district(),
    )
    try:
        server.start()
        yield server
    finally:
        server.end()


def said_of(server: Server, url: str, code: int) -> str:
    """The one line that a start with this URL ends with."""
    own = {"YIJIAN_DATA": str(server.folder / "other"), "YIJIAN_HTTP": "127.0.0.1:0"}
    ran = server.cli("run", YIJIAN_DATABASE=url, **own)
    lines = ran.err.strip().splitlines()
    assert ran.code == code, ran.said
    assert len(lines) == 1, ran.said
    assert ran.out == ""
    assert lines[0].startswith("yijian: ")
    for secret in ("geheim", PASSWORD, "p%40ss"):
        assert secret not in ran.said
    return lines[0]


def test_a_wrong_password_a_wrong_user_and_no_such_database(there: Server, postgres: PostgresServer) -> None:
    for url, what in (
        (postgres.url("there", password="geheim"), "password authentication failed"),
        (postgres.url("there", user="nobody"), "password authentication failed"),
        (postgres.url("nowhere"), '"nowhere" does not exist'),
    ):
        line = said_of(there, url, WRONG)
        assert "YIJIAN_DATABASE" in line
        assert what in line


def test_a_server_that_is_not_there(there: Server) -> None:
    began = time.monotonic()
    assert f":{(port := free_port())} cannot be used" in said_of(
        there, f"postgresql://u:geheim@127.0.0.1:{port}/x", FAILED
    )
    assert "cannot be used" in said_of(there, "postgresql://u:geheim@no-such-host.invalid/x", FAILED)
    assert "cannot be used" in said_of(there, "postgresql://u:geheim@/x?host=/nowhere/at/all", FAILED)
    assert time.monotonic() - began < 30 * PATIENCE


def test_a_server_without_tls_where_tls_is_asked_for(there: Server, postgres: PostgresServer) -> None:
    assert "SSL" in said_of(there, postgres.url("there", more="?sslmode=require"), FAILED)


def test_a_url_that_makes_no_sense_is_named_by_its_key(there: Server) -> None:
    for url in (
        "postgresql://u:geheim@h",
        "postgresql://u:geheim/@h/n",
        "postgresql://u:geheim@h/n?password=geheim",
    ):
        assert said_of(there, url, WRONG).startswith("yijian: YIJIAN_DATABASE: ")


def test_another_encoding_and_no_right_to_make_tables(there: Server, postgres: PostgresServer) -> None:
    latin = postgres.make("latin1", "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    assert "LATIN1; UTF8 is needed" in said_of(there, latin, WRONG)
    postgres.make("others")
    postgres.sql("CREATE ROLE guest LOGIN PASSWORD 'geheim'")
    postgres.sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC", "others")
    line = said_of(there, postgres.url("others", user="guest", password="geheim"), WRONG)
    assert "GRANT CREATE ON SCHEMA public" in line


def test_a_schema_newer_than_the_program(there: Server, postgres: PostgresServer) -> None:
    url = postgres.make("newer")
    postgres.sql(
        "CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('f00d')",
        "newer",
    )
    assert "newer than this program" in said_of(there, url, WRONG)


def test_a_second_process_on_the_same_database_is_told_so(there: Server) -> None:
    line = said_of(there, there.env["YIJIAN_DATABASE"], WRONG)
    assert "in use by another process" in line
    assert there.cli("token", "list").code == 0, "other commands go on beside it"


async def test_by_a_unix_socket_and_at_once_after_a_kill(
    there: Server, postgres: PostgresServer, tmp_path: Path
) -> None:
    url = postgres.make("socket").replace(f"127.0.0.1:{postgres.port}", f":{postgres.port}")
    server = Server(tmp_path, env={"YIJIAN_DATABASE": f"{url}?host={postgres.folder}"})
    try:
        server.start()
        server.kill()
        server.start()
        assert server.stop() == 0
        assert server.cli("db", "verify").code == 0
        assert not list(server.data.glob("*.sqlite*")), "nothing of it is kept in the data folder"
    finally:
        server.end()


def test_a_district_is_loaded_beside_a_running_process_and_without_one(
    there: Server, postgres: PostgresServer
) -> None:
    file = there.folder / "district.json"
    beside = there.cli("district", "load", str(file), YIJIAN_DATA=str(there.folder / "elsewhere"))
    assert beside.code == 0, beside.said
    alone = there.cli("district", "load", str(file), YIJIAN_DATABASE=postgres.make("alone"))
    assert alone.code == 0, alone.said


@pytest.mark.timeout(90)
async def test_the_database_is_stopped_and_started_and_the_press_made_meanwhile_is_a_call(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    server = Server(tmp_path, env={"YIJIAN_DATABASE": postgres.make("away")}, district=district())
    try:
        server.start()
        button = await Button.on(server, "away-1")
        assert (await button.press(id="before"))["result"] in {"stored", "unknown_device"}
        await asyncio.to_thread(postgres.stop)
        assert (await button.say(id="meanwhile"))["result"] == "busy"
        assert server.process is not None
        assert server.process.poll() is None
        await asyncio.to_thread(postgres.start)
        began = time.monotonic()

        def stored() -> list[dict[str, Any]]:
            return [one for one in button.receipts if one["id"] == "meanwhile" and one["result"] != "busy"]

        # The broker still has it, unacknowledged: the button need not say it again.
        await eventually(stored, "its receipt", within=8)
        assert time.monotonic() - began < 6 * PATIENCE
        async with Desk(server) as desk:
            first, second = (
                (one for one in await desk.all("/calls") if one["source"] == "native/away-1"),
                stored()[0],
            )
            assert [call["presses"] for call in first] == [2]
            assert second["call"]
            assert (await desk.ask("GET", "//readyz")).status == 200
        await button.close()
        assert server.stop() == 0
        assert server.cli("db", "verify").code == 0
    finally:
        if not postgres.running:
            postgres.start()
        server.end()
