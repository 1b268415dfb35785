"""Looking after an installation: backed up while presses arrive, restored as another journal, examined, people erased."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE

from outside.harness import Desk, Server, command
from outside.places import Village, district, personal, station, village


@pytest.fixture(scope="module")
def place() -> Village:
    made = village(people=20, near=station(600), far=station(2000))
    for number, resident in enumerate(made.document["residents"]):
        resident["name"] = personal(f"欧阳雪{number:02d}号")  # nobody shares a name
    return made


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory, place: Village) -> Iterator[Server]:
    """A server of its own, running."""
    document = district(**{key: place.document[key] for key in ("areas", "residents", "devices")})
    document["stations"] += place.document["stations"]
    server = Server(tmp_path_factory.mktemp("upkeep"), district=document)
    try:
        server.start()
        yield server
    finally:
        server.end()


async def press(desk: Desk, device: str, number: int) -> tuple[float, dict[str, Any]]:
    """One press, and the seconds until it was on disk."""
    began = time.monotonic()
    body = {"device": device, "id": f"n-{number}", "type": "press"}
    answer = (await desk.post("/signals", body)).ok(200, 201)
    return time.monotonic() - began, answer


async def test_backed_up_under_presses_and_restored_elsewhere_as_another_journal(
    town: Server, place: Village, tmp_path: Path
) -> None:
    file = tmp_path / "night.sqlite"
    async with Desk(town) as desk:
        (await desk.post("/signals", {"device": place.device, "id": "first", "type": "press"})).ok(200, 201)
        stream = await desk.events(after="0")
        last = await stream.fact("call.dispatched")
        pressed: list[asyncio.Task[tuple[float, dict[str, Any]]]] = []
        backing: list[asyncio.Task[Any]] = []
        began = time.monotonic()
        for number in range(1000):  # 100 a second, for ten seconds
            pressed.append(asyncio.create_task(press(desk, f"stranger-{number}", number)))
            if number == 300:
                backing.append(asyncio.create_task(asyncio.to_thread(town.cli, "db", "backup", str(file))))
                before = len([one for one in pressed if one.done()])
            await asyncio.sleep(max(0.0, began + number / 100 - time.monotonic()))
        answers = await asyncio.gather(*pressed)
        [ran] = await asyncio.gather(*backing)
    assert ran.code == 0, ran.said
    assert len(ran.out.splitlines()) == 1
    took = [seconds for seconds, _ in answers]
    calm, during = (sorted(some)[len(some) * 99 // 100] for some in (took[:300], took[300:]))
    assert during < 0.25 * PATIENCE + 3 * calm, (
        f"the 99th of a hundred presses took {calm} s before, {during} s during"
    )
    assert file.stat().st_mode & 0o777 == 0o600

    with contextlib.closing(sqlite3.connect(file)) as backup:
        known = {row[0] for row in backup.execute("SELECT ref FROM inbox")}
    assert {f"n-{number}" for number in range(before)} <= known, (
        "a press that was receipted before is missing"
    )
    again = town.cli("db", "backup", str(file))
    assert (again.code, str(file) in again.err, len(again.err.splitlines())) == (1, True, 1)

    elsewhere = Server(tmp_path / "elsewhere")
    restored = elsewhere.cli("db", "restore", str(file))
    assert restored.code == 0, restored.said
    verified = elsewhere.cli("db", "verify")
    assert verified.code == 0, verified.said
    try:
        elsewhere.start()
        async with Desk(elsewhere) as desk:
            reader = await desk.events(last_event_id=last.id)
            await reader.until(lambda event: event.name == "reset", "the reader to be told to begin anew")
            # Open calls go on where they were, and new presses are taken.
            _, answer = await press(desk, place.device, 5000)
            assert answer["result"] == "stored"
            assert (await desk.get(f"/calls/{answer['call']}"))["state"] == "received"
        assert elsewhere.stop() == 0
        verified = elsewhere.cli("db", "verify")
        assert verified.code == 0, verified.said
    finally:
        elsewhere.end()


async def test_a_running_server_is_not_restored_over(town: Server, tmp_path: Path) -> None:
    file = tmp_path / "b.sqlite"
    assert town.cli("db", "backup", str(file)).code == 0
    ran = town.cli("db", "restore", str(file), "--yes")
    assert (ran.code, len(ran.err.splitlines())) == (2, 1), ran.said
    assert str(town.pid) in ran.err
    assert town.cli("db", "backup", "-").code == 2
    stranger = tmp_path / "song.mp3"
    stranger.write_bytes(b"ID3")
    for words in (("db", "restore", str(stranger)), ("db", "backup", str(tmp_path / "none" / "b"))):
        ran = Server(tmp_path / "other").cli(*words)
        assert (ran.code, len(ran.err.splitlines()), "Traceback" in ran.said) == (1, 1, False), ran.said


async def test_erased_through_the_running_server(town: Server, place: Village) -> None:
    resident = place.document["residents"][6]
    device = next(one["id"] for one in place.document["devices"] if one["resident"] == resident["id"])
    note = personal("她在浴室摔倒了，门没锁")
    async with Desk(town) as desk:
        _, answer = await press(desk, device, 7001)
        call = answer["call"]
        ran = town.cli("person", "erase", resident["id"], "--yes")
        assert (ran.code, call in ran.err) == (1, True), ran.said
        assert (await desk.post(f"/residents/{resident['id']}/erase", {})).status == 409
        await desk.step(call, "accept", station="desk-1")
        await desk.step(call, "close", outcome="helped", evidence="on_site", note=note)
        assert town.cli("person", "erase", resident["id"]).code == 1, "without --yes"
        ran = town.cli("person", "erase", resident["id"], "--yes")
        assert ran.code == 0, ran.said
        assert (await desk.ask("GET", f"/residents/{resident['id']}")).status == 404
        shown = await desk.get(f"/calls/{call}")
        assert shown["closed"]["note"] == "[erased]"
        told = [event async for event in _stream(desk, call)]
        assert told
        assert note not in json.dumps(told, ensure_ascii=False)
        assert [one for one in told if resident["name"] in json.dumps(one, ensure_ascii=False)] == []
        assert (await desk.post("/residents/nobody/erase", {})).status == 404
    for word in (resident["name"], resident["phone"], resident["address"], note):
        for file in town.data.glob("yijian.sqlite*"):
            assert word.encode() not in file.read_bytes(), f"{word} is still in {file.name}"


async def _stream(desk: Desk, call: str) -> Any:
    stream = await desk.events(after="0")
    await stream.fact("call.closed", call)
    for event in stream.seen:
        if event.call == call:
            yield event.data


def levels(ran: Any) -> dict[str, str]:
    return {line["name"]: line["level"] for line in ran.json_lines()}


async def test_the_doctor_looks_at_a_running_server_and_at_a_stopped_one(
    town: Server, tmp_path: Path
) -> None:
    ran = town.cli("doctor", "--json", YIJIAN_MQTT_ANONYMOUS="true")
    found = levels(ran)
    assert found["server"] == "ok", ran.said
    assert found["database"] == "ok"
    assert found["disk.latency"] in {"ok", "warn"}
    assert found["contacts"] == "warn", "nobody has a contact here"
    assert found["sms"] == "warn"
    assert (ran.code == 1) == ("bad" in found.values())
    assert not list(town.data.glob(".doctor*"))
    for people in ("name", "phone", "address"):
        assert not any(str(one[people]) in ran.said for one in json.loads((town.folder / "district.json").read_text())["residents"])  # fmt: skip

    other = Server(tmp_path / "other")
    plain = other.cli("doctor", LC_ALL="zh_CN.UTF-8")
    assert "服务未运行" in plain.out
    assert all(line.split()[0] in {"正常", "注意", "严重"} for line in plain.out.splitlines())
    # Somebody has the folder and does not answer; and a database that is none.
    other.data.mkdir(exist_ok=True)
    (other.data / "yijian.sqlite").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    ran = other.cli("doctor", "--json")
    assert (ran.code, levels(ran)["database"]) == (1, "bad"), ran.said
    town_stopped = Server(tmp_path / "silent")
    town_stopped.start()
    try:
        assert town_stopped.process is not None
        town_stopped.process.send_signal(signal.SIGSTOP)
        ran = town_stopped.cli("doctor", "--json")
        assert (ran.code, levels(ran)["server"]) == (1, "bad"), ran.said
        assert str(town_stopped.pid) in ran.said
        town_stopped.process.send_signal(signal.SIGCONT)
        assert town_stopped.stop() == 0
    finally:
        town_stopped.end()


def test_killed_in_the_middle_of_a_restore_it_is_the_old_one_or_the_new_one(
    town: Server, tmp_path: Path
) -> None:
    file = tmp_path / "b.sqlite"
    assert town.cli("db", "backup", str(file)).code == 0
    empty = Server(tmp_path / "empty")
    empty.start()
    assert empty.stop() == 0
    with contextlib.closing(sqlite3.connect(file)) as backup:
        [many] = backup.execute("SELECT count(*) FROM calls").fetchone()
    assert many > 0
    chance, seen = random.Random(11), set()
    for _ in range(6):
        process = subprocess.Popen(
            [*command(), "db", "restore", str(file), "--yes"],
            env=empty.environment, cwd=empty.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        while process.poll() is None and not list(empty.data.glob("*.restoring*")):
            time.sleep(0.002)  # most of its time it only starts
        time.sleep(chance.uniform(0.0, 0.1))
        process.kill()
        process.wait()
        verified = empty.cli("db", "verify")
        assert verified.code == 0, verified.said
        with contextlib.closing(sqlite3.connect(empty.data / "yijian.sqlite")) as database:
            [calls] = database.execute("SELECT count(*) FROM calls").fetchone()
        assert calls in {0, many}
        seen.add(calls)
    assert empty.cli("db", "restore", str(file), "--yes").code == 0
    with contextlib.closing(sqlite3.connect(empty.data / "yijian.sqlite")) as database:
        assert database.execute("SELECT count(*) FROM calls").fetchone() == (many,)
    assert not list(empty.data.glob("*.restoring*"))


def test_what_a_restore_would_lose_is_said_and_asked_for(town: Server, tmp_path: Path) -> None:
    file = tmp_path / "b.sqlite"
    empty = Server(tmp_path / "young")
    empty.start()
    assert empty.stop() == 0
    assert empty.cli("db", "backup", str(file)).code == 0
    older = tmp_path / "full.sqlite"
    assert town.cli("db", "backup", str(older)).code == 0
    assert empty.cli("db", "restore", str(older)).code == 0, "nothing would be lost"
    refused = empty.cli("db", "restore", str(file))
    assert (refused.code, "--yes" in refused.err, len(refused.err.splitlines())) == (1, True, 1), refused.said
    assert empty.cli("db", "restore", str(file), "--yes").code == 0
    assert len(list(empty.data.glob("yijian.sqlite.before-restore-*"))) == 2
