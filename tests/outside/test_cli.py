"""The command line as somebody meets it: help in two languages, wrong settings all at once, frames decoded."""

from __future__ import annotations

import json
import os
import re
import socket
import sqlite3
import urllib.request
from pathlib import Path

import pytest

from outside.harness import Server, free_port, yijian, yj_line
from outside.places import district

COMMANDS = ("run", "simulate", "district", "token", "user", "decode", "listen", "db", "person", "doctor")
CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture
def stopped(tmp_path: Path) -> Server:
    """An installation that was never started."""
    return Server(tmp_path / "town")


@pytest.mark.parametrize(
    ("language", "chinese"), [("en_US.UTF-8", False), ("zh_CN.UTF-8", True), ("C", False)]
)
def test_help_in_the_language_of_the_locale(stopped: Server, language: str, chinese: bool) -> None:
    shown = stopped.cli("--help", LANG=language, LC_ALL=language, LC_MESSAGES=language, LANGUAGE="")
    assert shown.code == 0, shown.said
    for name in COMMANDS:
        assert re.search(rf"\b{name}\b", shown.out), name
    assert bool(CHINESE.search(shown.out)) == chinese
    for name in COMMANDS:
        own = stopped.cli(name, "--help", LANG=language, LC_ALL=language, LANGUAGE="")
        assert own.code == 0, own.said
        assert bool(CHINESE.search(own.out)) == chinese, name


@pytest.mark.parametrize(
    "words", [["dance"], ["run", "--no-such"], ["token"], ["token", "create"], ["district"]]
)
def test_wrong_usage_is_2_with_a_line_and_no_traceback(stopped: Server, words: list[str]) -> None:
    ran = stopped.cli(*words)
    assert ran.code == 2, ran.said
    assert ran.err.strip()
    assert "Traceback" not in ran.said


def test_wrong_settings_are_all_said_at_once_and_nothing_starts(stopped: Server) -> None:
    wrong = {
        "YIJIAN_HTTP": "nowhere",
        "YIJIAN_MQTT_LISTEN": "127.0.0.1:99999",
        "YIJIAN_MQTT_ANONYMOUS": "perhaps",
        "YIJIAN_LOG": "loud",
        "YIJIAN_DATABASE": "mongodb://x",
    }
    ran = stopped.cli("run", **wrong)
    assert ran.code == 2, ran.said
    for key in wrong:
        assert key in ran.said or key.removeprefix("YIJIAN_").lower() in ran.said.lower(), (
            f"{key}: {ran.said}"
        )
    assert "ready" not in ran.out
    assert "Traceback" not in ran.said
    assert not list(stopped.data.glob("*")) if stopped.data.exists() else True


def test_wrong_lines_in_the_file_are_named(stopped: Server, tmp_path: Path) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(
        '[[gateway.lines]]\nfamily = "telepathy"\ntransport = "serial"\nport = "/dev/x"\n'
        '[[gateway.lines]]\nfamily = "yj_line"\ntransport = "pigeon"\n'
        '[[gateway.lines]]\nfamily = "yj_line"\ntransport = "serial"\nport = "/dev/x"\nbaud = "fast"\n',
        encoding="utf-8",
    )
    ran = stopped.cli("run", "--config", str(file))
    assert ran.code == 2, ran.said
    for word in ("telepathy", "pigeon", "baud"):
        assert word in ran.said
    for text in ("= nonsense", "[[gateway.lines", "\xff"):
        file.write_text(text, encoding="latin-1")
        ran = stopped.cli("run", "--config", str(file))
        assert (ran.code, "Traceback" in ran.said) == (2, False), ran.said
    ran = stopped.cli("run", "--config", str(tmp_path / "none.toml"))
    assert (ran.code, "none.toml" in ran.said) == (2, True), ran.said


def test_anonymous_mqtt_beyond_loopback_is_refused(stopped: Server) -> None:
    ran = stopped.cli("run", YIJIAN_MQTT_LISTEN=f"0.0.0.0:{free_port()}", YIJIAN_MQTT_ANONYMOUS="true")
    assert ran.code == 2, ran.said
    assert "anonymous" in ran.said.lower()


def test_a_wrong_district_file_stops_the_start_with_every_error(stopped: Server, tmp_path: Path) -> None:
    file = tmp_path / "wrong.json"
    wrong = district(residents=[{"id": "r", "name": "x", "area": "nowhere"}])
    wrong["stations"][0]["kind"] = "castle"
    file.write_text(json.dumps(wrong), encoding="utf-8")
    ran = stopped.cli("run", YIJIAN_DISTRICT=str(file))
    assert ran.code in {1, 2}, ran.said
    assert "kind" in ran.said
    assert "area" in ran.said
    assert "ready" not in ran.out
    assert "Traceback" not in ran.said


def test_an_http_port_that_is_taken_is_one_clear_line(stopped: Server) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", stopped.http_port))
        holder.listen()
        ran = stopped.cli("run")
    assert ran.code in {1, 2}, ran.said
    assert len(ran.err.splitlines()) == 1, ran.err
    assert str(stopped.http_port) in ran.err
    assert str(os.getpid()) in ran.err, "it says who holds it"
    assert "ready" not in ran.out


def test_with_the_mqtt_port_taken_it_says_who_holds_it_and_serves_the_other_ways_in(stopped: Server) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", stopped.mqtt_port))
        holder.listen()
        try:
            stopped.start()
            line = stopped.wait_log(rf"\b{stopped.mqtt_port}\b")
            assert str(os.getpid()) in line, "it says who holds it"
            with urllib.request.urlopen(f"{stopped.url}/readyz", timeout=5) as ready:
                assert json.load(ready)["degraded"] == ["broker"]
            assert stopped.stop() == 0
        finally:
            stopped.end()


def test_a_data_folder_that_cannot_be_written_is_one_clear_line(stopped: Server, tmp_path: Path) -> None:
    file = tmp_path / "a-file"
    file.write_text("not a folder")
    ran = stopped.cli("run", YIJIAN_DATA=str(file / "data"))
    assert ran.code in {1, 2}, ran.said
    assert str(file) in ran.said
    assert "Traceback" not in ran.said


def test_frames_of_the_native_dialect_are_decoded(stopped: Server) -> None:
    lines = [
        {
            "topic": "yijian/v1/btn-01/up",
            "payload": '{"id":"9f3a-1","type":"press","key":"service","battery":87}',
        },
        {"topic": "yijian/v1/btn-01/up", "payload": '{"id":"9f3a-2","type":"dance"}'},
        {"topic": "yijian/v1/btn-01/up", "payload": "help!"},
        {
            "topic": "yijian/v1/btn-01/up",
            "payload": '{"id":"9f3a-3","type":"fall"}',
            "retain": False,
            "t": 1.5,
        },
    ]
    stdin = "".join(json.dumps(line) + "\n" for line in lines)
    ran = stopped.cli("decode", "--family", "native", "--mqtt", "-", stdin=stdin)
    assert ran.code in {0, 1}, ran.said
    out = ran.json_lines()
    signals = [line for line in out if "device" in line]
    read = [(s["device"], s["type"], s["key"], s["id"]) for s in signals]
    assert read[0] == ("btn-01", "press", "service", "9f3a-1")
    assert signals[0]["details"]["battery"] == 87
    assert (signals[-1]["type"], signals[-1]["id"]) == ("fall", "9f3a-3")
    assert any("error" in line for line in out), "what cannot be read is a line of its own"
    assert any("answer" in line for line in out)


def test_frames_of_a_serial_line_are_decoded_raw_and_hex(stopped: Server, tmp_path: Path) -> None:
    frames = (
        b"noise" + yj_line("E", 1042, "hubA1", "btn-000317", "press", "emergency", 12, -61) + yj_line("E", 7)
    )
    file = tmp_path / "frames.bin"
    file.write_bytes(frames)
    raw = stopped.cli("decode", "--family", "yj_line", str(file))
    hexed = stopped.cli("decode", "--family", "yj_line", "--hex", "-", stdin=frames.hex(" "))
    assert raw.json_lines() == hexed.json_lines()
    out = raw.json_lines()
    (signal,) = [line for line in out if "device" in line]
    assert (signal["device"], signal["type"], signal["key"]) == ("btn-000317", "press", "emergency")
    assert any(line.get("answer", "").startswith("$A,1042*E287") for line in out), out


def test_decode_of_an_unknown_family_is_2(stopped: Server) -> None:
    ran = stopped.cli("decode", "--family", "telepathy", "-", stdin="x")
    assert ran.code == 2, ran.said
    assert "native" in ran.said, "it says which there are"


def test_a_generated_district_is_a_good_one(stopped: Server, tmp_path: Path) -> None:
    made = yijian("simulate", "district", env=stopped.environment, cwd=tmp_path, within=60)
    assert made.code == 0, made.said
    text = made.out
    if not text.lstrip().startswith("{"):
        (file,) = list(tmp_path.glob("*.json"))
        text = file.read_text(encoding="utf-8")
    document = json.loads(text)
    communities = [area for area in document["areas"] if area["kind"] == "community"]
    assert len(communities) == 86
    assert len(document["stations"]) >= 100
    assert len(document["residents"]) >= 1000
    again = tmp_path / "again.json"
    again.write_text(text, encoding="utf-8")
    checked = stopped.cli("district", "check", str(again))
    assert checked.code == 0, checked.said


def test_a_database_newer_than_the_program_is_one_clear_line(tmp_path: Path) -> None:
    server = Server(tmp_path / "town", district=district())
    server.start()
    assert server.stop() == 0
    databases = [
        f for f in server.data.rglob("*") if f.is_file() and f.read_bytes()[:15] == b"SQLite format 3"
    ]
    assert databases
    marked = 0
    for file in databases:
        with sqlite3.connect(file) as database:
            if database.execute("select 1 from sqlite_master where name = 'alembic_version'").fetchone():
                database.execute("update alembic_version set version_num = 'f00df00df00d'")
                marked += 1
    assert marked == 1
    ran = server.cli("run")
    assert ran.code in {1, 2}, ran.said
    assert "Traceback" not in ran.said
    assert "ready" not in ran.out
    verdict = server.cli("db", "upgrade")
    assert verdict.code in {1, 2}
    assert "Traceback" not in verdict.said
