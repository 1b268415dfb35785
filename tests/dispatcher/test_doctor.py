"""What the doctor says of a register and of a database: each check both ways, by ids, never by names."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kept import a_town_at_work
from oidc_provider import SECRET, LittleProvider

from config.doors import SystemClock, to_us
from config.findings import Finding, Level, few
from config.oidc import OidcClient
from dispatcher.alerts.targets import Targets, connector
from dispatcher.console.oidc import Provider
from dispatcher.core.roll import Rolls
from dispatcher.doctor import database, register, single_sign_on
from dispatcher.register import Register
from dispatcher.store import InlineStore, SqliteStore
from dispatcher.tables import metadata

NOON = to_us(datetime.fromisoformat("2026-11-24T12:00:00+08:00"))

#: A district with nothing wrong.
WELL: dict[str, Any] = {
    "district": {"code": "d", "timezone": "Asia/Shanghai"},
    "areas": [{"code": "s1", "kind": "street", "parent": "d"}],
    "stations": [
        {"id": "st-1", "kind": "care_station", "area": "s1", "phone": "+9991", "location": {"lat": 34.0, "lon": 113.0}},
        {"id": "desk", "kind": "district_desk", "phone": "+9992"},
    ],
    "webhooks": [{"id": "wh-1", "url": "https://example.org/x", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}],
    "residents": [
        {"id": "r-1", "name": "欧阳雪", "phone": "+9993", "area": "s1", "contacts": [{"name": "欧阳冰", "phone": "+9994"}]}
    ],
    "devices": [{"id": "b-1", "resident": "r-1", "heartbeat": 900}],
}  # fmt: skip


async def found(*, sms: bool = True, heard: tuple[str, ...] = ("native/b-1",), private: bool = False, **changes: Any) -> dict[str, Finding]:  # fmt: skip
    store = InlineStore()
    metadata.create_all(store._engine)

    class Clock:
        def now_us(self) -> int:
            return NOON

    rolls = Rolls()
    room = Register(store, Clock(), rolls)
    await room.load()
    await room.merge(msgspec.json.encode({**WELL, **changes}))
    await store.close()
    looked = register.look(rolls, sms=sms, heard=frozenset(heard), private_targets=private, now_us=NOON)
    return {finding.name: finding for finding in looked}


async def test_a_district_with_nothing_wrong_is_all_ok_in_both_languages() -> None:
    findings = await found()
    assert {finding.level for finding in findings.values()} == {Level.OK}, findings
    for finding in findings.values():
        assert any("\u4e00" <= letter <= "\u9fff" for letter in finding.zh)
        assert finding.en.isascii()


def changed(section: str, **fields: Any) -> dict[str, Any]:
    """The first of a section with other fields."""
    first, *rest = WELL[section]
    return {section: [{**first, **fields}, *rest]}


@pytest.mark.parametrize(
    ("name", "level", "who", "settings"),
    [
        ("register", Level.WARN, "", {"stations": [WELL["stations"][1]]}),
        ("contacts", Level.WARN, "r-1", changed("residents", contacts=[{"name": "x"}])),
        ("contacts", Level.WARN, "r-1", {"sms": False}),
        ("residents.place", Level.WARN, "r-1", changed("residents", area="")),
        ("stations.phone", Level.WARN, "st-1", changed("stations", phone="")),
        ("stations.on_call", Level.BAD, "st-1", changed("stations", on_call={"hours": "always"})),
        ("stations.hours", Level.WARN, "st-1", changed("stations", hours={"mon": []})),
        ("stations.duty", Level.WARN, "st-1", {"staff": [{"id": "s-1", "role": "station", "station": "st-1"}]}),
        ("desk", Level.WARN, "desk", {"stations": [WELL["stations"][0], {"id": "desk", "kind": "district_desk"}]}),
        (
            "policies.reach", Level.BAD, "d/family",
            {"policies": {"family": {"steps": [{"after": 0, "to": "volunteers"}]}}},
        ),
        (
            "policies.first", Level.BAD, "d/emergency",
            {"policies": {"emergency": {"steps": [{"after": 120, "to": "nearest"}]}}},
        ),
        ("policies.repeat", Level.WARN, "d/emergency", {"policies": {"emergency": {"repeat": 3600}}}),
        ("devices.resident", Level.WARN, "b-1", changed("devices", resident="")),
        ("devices.heard", Level.WARN, "b-1", {"heard": ()}),
        ("webhooks.tls", Level.WARN, "wh-1", changed("webhooks", url="http://example.org/x")),
        ("webhooks.target", Level.BAD, "wh-1", changed("webhooks", url="http://10.0.0.7/x")),
        ("webhooks.secret", Level.WARN, "wh-1", changed("webhooks", secret="")),
    ],
)  # fmt: skip
async def test_each_thing_that_is_wrong_is_named_by_its_id(
    name: str, level: Level, who: str, settings: dict[str, Any]
) -> None:
    findings = await found(**settings)
    finding = findings[name]
    assert finding.level is level, findings
    assert who in finding.en
    assert who in finding.zh
    assert not {"欧阳雪", "欧阳冰", "+9993"} & {word for line in finding[2:] for word in line.split()}


async def test_private_targets_that_are_allowed_are_no_fault() -> None:
    findings = await found(private=True, **changed("webhooks", url="http://10.0.0.7/x"))
    assert "webhooks.target" not in findings
    assert findings["webhooks.tls"].level is Level.OK


def test_of_many_the_first_five_are_named() -> None:
    assert few(f"r-{number}" for number in range(9)) == "9 (r-0, r-1, r-2, r-3, r-4 …)"


def test_tokens_of_what_is_gone() -> None:
    bound = [
        ("t-1", "s-gone", "", ""),
        ("t-2", "", "", ""),
        ("t-3", "", "st-gone", ""),
        ("t-4", "", "", "gone"),
    ]
    finding = register.tokens(bound, Rolls())
    assert (finding.level, "3 (t-1, t-3, t-4)" in finding.en) == (Level.WARN, True)


# ── the database ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def path(tmp_path: Path) -> Path:
    a_town_at_work(tmp_path / "yijian.sqlite")
    return tmp_path / "yijian.sqlite"


def looked(path: Path) -> dict[str, Level]:
    return {finding.name: finding.level for finding in database.look(path)}


def test_a_whole_database_a_damaged_one_and_others(path: Path, tmp_path: Path) -> None:
    assert looked(path) == {"database": Level.OK, "database.size": Level.OK}
    assert looked(tmp_path / "none") == {"database": Level.WARN}
    for revision, level in (("9999", Level.BAD), ("0001", Level.WARN)):
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        assert looked(path)["database"] is level
    content = path.read_bytes()
    path.write_bytes(content[:8192] + b"\xff" * (len(content) - 8192))
    assert looked(path) == {"database": Level.BAD}
    path.write_text("words")
    assert looked(path) == {"database": Level.BAD}


@pytest.mark.parametrize(("running", "level"), [(True, Level.BAD), (False, Level.WARN)])
async def test_what_waits_and_what_is_overdue_is_grave_only_while_somebody_should_see_to_it(
    path: Path, running: bool, level: Level
) -> None:
    store = SqliteStore(path)
    try:
        [[(due_us,)]] = [await store.read(_query("SELECT min(due_us) FROM calls"))]
        fine = await database.keeps_up(store, due_us, running=running)
        assert [finding.level for finding in fine] == [Level.OK, Level.OK]
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("UPDATE inbox SET decided_us = NULL WHERE seq = 1")
        late = await database.keeps_up(store, due_us + 3_600_000_000, running=running)
        assert [finding.level for finding in late] == [level, level]
    finally:
        await store.close()


def _query(text: str) -> Any:
    from sqlalchemy import text as sql

    return sql(text)


# ── the organisation's login ─────────────────────────────────────────────────────────────────────────────────────────


async def _looked(provider: LittleProvider, ahead_seconds: float = 0.0, **more: str) -> dict[str, Level]:
    class Off(SystemClock):
        def now_us(self) -> int:
            return super().now_us() - round(ahead_seconds * 1e6)

    given = {"issuer": provider.issuer, "client_id": "yijian", "client_secret": SECRET} | more
    client = Provider(OidcClient(**given), Off(), lambda: connector(Targets.ALL, per_host=2), private=True)  # type: ignore[arg-type]
    try:
        found = await single_sign_on.look(client, "http://127.0.0.1/login/oidc/back")
    finally:
        await client.close()
    for finding in found:
        assert SECRET not in finding.en + finding.zh
        assert any("一" <= letter <= "鿿" for letter in finding.zh)
    return {finding.name: finding.level for finding in found}


async def test_the_organisations_login_is_asked_as_for_a_login_and_nobody_comes_in() -> None:
    provider = LittleProvider(SystemClock())
    await provider.server.start_server()
    try:
        well = {"sign_on": Level.OK, "sign_on.clock": Level.OK, "sign_on.secret": Level.OK}
        assert await _looked(provider) == well
        for ahead, level in (
            (20, Level.OK),
            (45, Level.WARN),
            (-45, Level.WARN),
            (90, Level.BAD),
            (-90, Level.BAD),
        ):
            assert await _looked(provider, ahead) == well | {"sign_on.clock": level}, ahead
        assert await _looked(provider, client_secret="another") == well | {"sign_on.secret": Level.BAD}
        provider.keys = []
        assert await _looked(provider) == well | {"sign_on": Level.BAD}
        provider.discovery = {"issuer": "https://somebody.example"}
        assert await _looked(provider) == {"sign_on": Level.BAD}
        provider.down = True
        assert await _looked(provider) == {"sign_on": Level.WARN}
    finally:
        await provider.server.close()


@pytest.mark.parametrize(
    ("known", "given", "level"),
    [(True, True, Level.OK), (None, True, Level.WARN), (True, False, Level.WARN), (False, False, Level.BAD)],
)
def test_a_secret_that_is_not_there_or_cannot_be_tried_is_told(
    known: bool | None, given: bool, level: Level
) -> None:
    assert single_sign_on._secret(known=known, given=given).level is level
    assert single_sign_on._clock(None).level is Level.WARN
