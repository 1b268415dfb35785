"""The commands that keep an installation well, as they speak: every reason has its sentence, in both languages."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import postgres_server
import pytest
from kept import a_town_at_work, numbers

from config.findings import Level
from config.settings import load
from dispatcher.backup import Why
from dispatcher.bounds import BOUNDS
from yijian import examining, lock
from yijian.words import WORDS

HOUSE = Path(examining.__file__).parents[1]


def test_every_reason_has_a_sentence_with_the_same_blanks_in_both_languages() -> None:
    for why in Why:
        english, chinese = WORDS[f"backup.{why}"]
        blanks = {*re.findall(r"{(\w+)}", english)}
        assert blanks == {*re.findall(r"{(\w+)}", chinese)} <= {"file", "reason"}
    for level in Level:
        assert WORDS[f"doctor.{level}"]


def test_whoever_holds_the_folder_is_seen_without_getting_in_the_way(tmp_path: Path) -> None:
    assert lock.holder(tmp_path) is None
    with lock.hold(tmp_path):
        assert lock.holder(tmp_path) == str(os.getpid())
    assert lock.holder(tmp_path) is None, "the file stays, the lock does not"


def test_the_latency_of_the_disk_is_measured_and_nothing_is_left(tmp_path: Path) -> None:
    half, worst = examining.latency(tmp_path)
    assert 0 < half <= worst < 5
    assert list(tmp_path.iterdir()) == []


def test_secrets_in_a_file_that_others_can_read_are_seen(tmp_path: Path) -> None:
    file = tmp_path / "yijian.toml"

    class Told:
        data = tmp_path

    tmp_path.chmod(0o700)
    for content, mode, level in (
        ('admin_token = "x"\n', 0o644, Level.WARN),
        ('admin_token = "x"\n', 0o600, Level.OK),
        ('[oidc]\nclient_secret = "x"\n', 0o604, Level.WARN),
        ('[[alerts.sms]]\nheaders = { Authorization = "x" }\n', 0o640, Level.WARN),
        ('http = "127.0.0.1:1"\n# admin_token = "x"\n', 0o644, Level.OK),
    ):
        file.write_text(content)
        file.chmod(mode)
        found = {one.name: one.level for one in examining._rights(Told(), file)}  # type: ignore[arg-type]
        assert found == {"folder.rights": Level.OK, "settings.rights": level}, content


def test_the_handbook_knows_every_table_and_every_line_of_the_doctor() -> None:
    rooms = (
        "dispatcher/doctor/database.py",
        "dispatcher/doctor/register.py",
        "dispatcher/doctor/single_sign_on.py",
        "gateway/doctor.py",
        "yijian/examining.py",
    )
    source = "".join((HOUSE / room).read_text(encoding="utf-8") for room in rooms)
    lines = set(re.findall(r'(?:Level\.\w+|\blevel|else Level\.OK),\s+"([a-z_.]+)",', source))
    lines |= set(re.findall(r'_late\(\s+"([a-z_.]+)",', source))
    assert lines > {"clock", "database.inputs", "stations.duty", "broker.memory", "disk.latency"}
    for name in ("operations.md", "operations.zh-CN.md"):
        words = set(re.findall(r"`([a-z_.]+)`", (HOUSE / "docs" / name).read_text(encoding="utf-8")))
        assert not lines - words, f"{name} does not say what these lines of the doctor mean"
        assert not set(BOUNDS) - words, f"{name} does not say how large these tables grow"


def yijian(folder: Path, url: str, *words: str) -> subprocess.CompletedProcess[str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("YIJIAN_", "LC_", "LANG"))
    }
    told = {"YIJIAN_DATA": str(folder), "YIJIAN_DATABASE": url, "YIJIAN_HTTP": "127.0.0.1:0"}
    return subprocess.run(
        [sys.executable, "-m", "yijian", *words],
        env=kept | told,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_onto_postgresql_and_back_by_the_commands_alone(tmp_path: Path) -> None:
    a_town_at_work(tmp_path / "yijian.sqlite")
    sqlite = f"sqlite:///{tmp_path / 'yijian.sqlite'}"
    server = postgres_server.shared().make(f"upkeep-{os.getpid()}")
    data, first, back = tmp_path / "data", str(tmp_path / "first"), str(tmp_path / "back")

    def done(url: str, *words: str) -> str:
        ran = yijian(data, url, *words)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    done(sqlite, "db", "backup", first)
    assert "2 open" in done(server, "db", "restore", first)
    done(server, "db", "verify")
    assert "3 calls" in done(server, "db", "backup", back)
    assert numbers(Path(back), "SELECT * FROM journal ORDER BY seq") == numbers(
        Path(first), "SELECT * FROM journal ORDER BY seq"
    )
    # Erased after the backup was made, she is not back with it: neither here nor there.
    refused = yijian(data, server, "person", "erase", "r-01", "--yes")
    assert refused.returncode == 1, "her call is open"
    assert "texts 1" in done(server, "person", "erase", "r-02", "--yes")
    assert "r-02" in done(server, "db", "restore", first, "--yes")
    done(server, "db", "backup", back, "--force")
    assert numbers(Path(back), "SELECT id FROM residents WHERE id = 'r-02'") == []
    assert numbers(Path(back), "SELECT DISTINCT body FROM texts") == [("[erased]",)]
    assert len(list(data.glob("before-restore-*.sqlite"))) == 2
    assert "r-02" not in done(sqlite, "db", "restore", back, "--yes")
    done(sqlite, "db", "verify")
    looked = yijian(data, server, "doctor", "--json")
    assert '"name": "database.deadlines"' in looked.stdout, looked.stderr


@pytest.mark.parametrize(
    ("seconds", "ping", "level", "says"),
    [
        (0.0, None, Level.WARN, "switched off"),
        (300.0, None, Level.WARN, "nobody outside hears it"),
        (300.0, "https://watch.example.org/ping/1", Level.OK, "every 300 s"),
    ],
)
def test_a_canary_that_nobody_hears_is_seen(
    seconds: float, ping: str | None, level: Level, says: str
) -> None:
    settings = replace(load(None, {}, {}), canary_seconds=seconds, canary_ping_url=ping)
    [finding] = [examining._canary(settings)]
    assert (finding.level, finding.name) == (level, "canary")
    assert says in finding.en
    assert "ping/1" not in finding.en + finding.zh, "its address may be a secret"
