"""As a service: what systemd is told by a real process, its units, and the rules Prometheus is given."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import PATIENCE

from outside.harness import Desk, Server, eventually

ROOT = Path(__file__).resolve().parents[2]
UNITS = ROOT / "config" / "systemd"
RULES = ROOT / "config" / "prometheus" / "yijian.rules.yml"


class Systemd:
    """systemd's end of the socket."""

    def __init__(self, folder: str) -> None:
        self.path = f"{folder}/notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self._socket.setblocking(False)
        self.lines: list[str] = []

    def listen(self) -> list[str]:
        while True:
            try:
                self.lines += self._socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return self.lines

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def systemd() -> Iterator[Systemd]:
    with tempfile.TemporaryDirectory(prefix="yj") as folder:
        made = Systemd(folder)
        yield made
        made.close()


async def test_systemd_hears_that_it_is_ready_that_it_lives_and_that_it_stops(
    tmp_path: Path, systemd: Systemd
) -> None:
    env = {"NOTIFY_SOCKET": systemd.path, "WATCHDOG_USEC": "2000000"}
    server = Server(tmp_path, env=env)
    try:
        server.launch()
        lines = systemd.lines
        await eventually(lambda: "READY=1" in systemd.listen(), "READY=1", within=20, every=0.005)
        async with Desk(server) as desk:
            assert (await desk.ask("GET", "//readyz")).status == 200, "ready, and it does not serve"
        assert lines[0].startswith("EXTEND_TIMEOUT_USEC=")
        assert "WATCHDOG=1" not in lines[: lines.index("READY=1")], "a beat before anything moves"
        await eventually(lambda: systemd.listen().count("WATCHDOG=1") >= 4, "four beats", within=10)
        assert any(line.startswith("STATUS=open calls 0") for line in lines)
        # Stopped, nothing vouches for it: no beat comes, and systemd would end it.
        os.kill(server.pid, signal.SIGSTOP)
        systemd.listen()
        beats = lines.count("WATCHDOG=1")
        await asyncio.sleep(1.2)  # two beats' time
        assert systemd.listen().count("WATCHDOG=1") == beats
        os.kill(server.pid, signal.SIGCONT)
        await eventually(lambda: systemd.listen().count("WATCHDOG=1") > beats, "a beat again", within=10)
        assert server.process is not None
        server.process.terminate()
        await eventually(lambda: "STOPPING=1" in systemd.listen(), "STOPPING=1", within=10, every=0.001)
        assert server.process.poll() is None, "told only once it had ended"
        assert server.process.wait(10 * PATIENCE) == 0
        assert "WATCHDOG=1" not in systemd.listen()[lines.index("STOPPING=1") :], "a beat of one that ends"
    finally:
        server.end()


async def test_every_metric_of_the_rules_is_one_of_ours_and_each_says_what_in_both_languages(
    tmp_path: Path,
) -> None:
    rules = RULES.read_text(encoding="utf-8")
    expressions = re.findall(r"^ +expr: (.+)$", rules, re.MULTILINE)
    named = set(re.findall(r"\byijian_\w+", " ".join(expressions)))
    assert len(named) > 8
    assert len(expressions) == len(re.findall(r"^ +- alert: \w+$", rules, re.MULTILINE))
    for word in ("summary", "summary_zh"):
        said = re.findall(rf'^ +{word}: "(.+)"$', rules, re.MULTILINE)
        assert len(said) == len(expressions)
        assert all((word == "summary_zh") == bool(re.search(r"[\u4e00-\u9fff]", text)) for text in said)
    server = Server(tmp_path, env={"YIJIAN_CANARY_SECONDS": "1", "YIJIAN_MEMORY_MB": "2048"})
    try:
        server.start()
        async with Desk(server) as desk:
            await asyncio.sleep(12)  # everything has been looked at once
            text: str = (await desk.ask("GET", "//metrics")).ok()
        there = {re.split(r"[{ ]", line)[0] for line in text.splitlines() if not line.startswith("#")}
        assert named <= there, f"not ours: {named - there}"
        ratios = re.findall(r'^yijian_bound_ratio\{what="(.+)"\} (.+)$', text, re.MULTILINE)
        names = {name for name, _ in ratios}
        assert {"inbox.fresh", "intake.urgent", "post.hand", "stream.readers"} <= names
        assert {"table.journal", "table.audit", "file.wal", "files.open", "disk", "memory"} <= names
        assert all(float(ratio) < 0.7 for name, ratio in ratios if name not in {"disk", "memory"})
        assert 'yijian_part_stalled{part="desk"} 0.0' in text
    finally:
        server.end()


def unit(name: str) -> dict[str, list[str]]:
    """A unit's settings: every value of each."""
    found: dict[str, list[str]] = {}
    for line in (UNITS / name).read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def test_the_unit_gives_the_service_what_it_needs_and_no_more() -> None:
    service = unit("yijian.service")
    assert service["Type"] == ["notify"]
    # The beat comes four times in WatchdogSec, and a part may stand still for 20 s before it stops.
    assert int(service["WatchdogSec"][0]) > 20 + 20 / 4
    assert int(service["TimeoutStopSec"][0]) > 10, "it drains within 10 s (contract, section 1)"
    assert service["Restart"] == ["always"]
    assert service["StartLimitIntervalSec"] == ["0"]
    assert service["CapabilityBoundingSet"] == [""]
    assert service["ProtectSystem"] == ["strict"]
    assert service["StateDirectory"] == ["yijian"]
    assert "YIJIAN_DATA=/var/lib/yijian" in service["Environment"][0]
    # Serial ports of hubs, and a broker and name lookups of its own.
    assert service["DevicePolicy"] == ["closed"]
    assert {"char-ttyUSB rw", "char-ttyACM rw"} <= set(service["DeviceAllow"])
    assert "PrivateDevices" not in service
    assert service["SupplementaryGroups"] == ["dialout"]
    assert {"AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK"} == set(
        service["RestrictAddressFamilies"][0].split()
    )
    # 5,000 pages and as many connections of other kinds.
    assert int(service["LimitNOFILE"][0]) > 10_000
    users = (UNITS / "yijian.sysusers").read_text(encoding="utf-8")
    assert f"u {service['User'][0]} " in users
    backup = unit("yijian-backup.service")
    assert backup["User"] == service["User"]
    assert "db backup" in backup["ExecStart"][0]
    assert unit("yijian-backup.timer")["OnCalendar"]
    doctor = unit("yijian-doctor.service")
    assert doctor["User"] == service["User"]
    assert doctor["ExecStart"][0].endswith("yijian doctor --config /etc/yijian/yijian.toml")
    assert "clock_adjtime" in doctor["SystemCallFilter"][-1], (
        "whether the clock is set is asked of the kernel"
    )
    assert "ProtectClock" not in doctor, "it would forbid to ask"
    assert unit("yijian-doctor.timer")["OnCalendar"]
    # The same settings, and the same fence but for what its own work needs.
    for other in (backup, doctor):
        assert other["EnvironmentFile"] == service["EnvironmentFile"]
        assert "YIJIAN_DATA=/var/lib/yijian" in other["Environment"][0]
        for fence in (
            "NoNewPrivileges",
            "CapabilityBoundingSet",
            "ProtectSystem",
            "ProtectHome",
            "RestrictNamespaces",
        ):
            assert other[fence] == service[fence], fence


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_itself_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    ours = Path(sys.executable).parent
    for file in UNITS.glob("yijian*.[st]*[er]"):
        text = file.read_text(encoding="utf-8").replace("/opt/yijian/.venv/bin", str(ours))
        (tmp_path / file.name).write_text(text, encoding="utf-8")
    units = sorted(str(file) for file in tmp_path.iterdir())
    assert len(units) == 5
    ran = subprocess.run(
        ["systemd-analyze", "verify", *units], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    command = [
        "systemd-analyze",
        "security",
        "--offline=true",
        "--threshold=25",
        str(tmp_path / "yijian.service"),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr
