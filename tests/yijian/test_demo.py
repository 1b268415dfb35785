"""`yijian run --demo`, as a visitor has it: a town in fast motion whose ledger names people, and whose messages arrive."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import make_dataclass
from pathlib import Path
from typing import Any

import pytest

from yijian import demo

TOKEN = "visitor"
#: What a demo may complain of: its hub's family is a draft, the machine is busy.
_KNOWN = re.compile(r'family is a draft|"event": "loop_late"')


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(folder: Path, *options: str) -> Iterator[tuple[str, str, Callable[[], str]]]:
    """A demo at sixty times life: its address, its sink's, and its log so far."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("YIJIAN_")}
    environ |= {
        "YIJIAN_DATA": str(folder / "data"),
        "YIJIAN_HTTP": "127.0.0.1:0",
        "YIJIAN_MQTT_LISTEN": f"127.0.0.1:{free_port()}",
        "YIJIAN_ADMIN_TOKEN": TOKEN,
        "YIJIAN_LOG": "json",
    }
    told = folder / f"log-{time.monotonic_ns()}"
    with told.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "yijian", "run", "--demo", "--speed", "60", *options],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    try:
        assert process.stdout is not None
        ready = process.stdout.readline().decode().split()
        assert ready[:1] == ["ready"], told.read_text()
        sink = until(lambda: re.search(r"messages can be read at.*?(http://[\d.:]+)", told.read_text()))
        yield ready[1], sink[1], told.read_text
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=15)
        assert process.returncode == 0, told.read_text()
        assert rest == b"", "one line on standard output, and no more"
    finally:
        process.kill()
        process.wait()


def until(true: Callable[[], Any], seconds: float = 60.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end
        time.sleep(0.3)
    return found


def get(url: str) -> Any:
    asked = urllib.request.Request(url, headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return json.load(answer)


def closed_by(url: str) -> Counter[str]:
    calls = get(f"{url}/api/v1/calls?limit=500&state=closed")["items"]
    return Counter(call["closed"]["by"] for call in calls)


@pytest.mark.timeout(240)
def test_a_town_in_fast_motion(tmp_path: Path) -> None:
    with running(tmp_path) as (url, sink, log):
        # Calls are opened, accepted and closed, by somebody.
        until(lambda: sum(count for by, count in closed_by(url).items() if by.startswith("s-")) > 20)
        assert not {"admin", "token:demo"} & set(closed_by(url))
        assert {by[:3] for by in closed_by(url)} <= {"s-s", "s-d", "tok"}

        # What the system tells them arrives, and relatives read it and telephone.
        def states() -> Counter[tuple[str, str, str]]:
            items = get(f"{sink}/messages")["items"]
            return Counter((one["channel"], one["owner"], one["state"]) for one in items)

        until(
            lambda: (
                {
                    ("sms", "relative", "read"),
                    ("sms", "relative", "told"),
                    ("sms", "staff", "arrived"),
                    ("webhook", "system", "arrived"),
                    ("webhook", "relative", "read"),
                }
                <= set(states())
            )
        )
        assert not {state for _, owner, state in states() if owner == "unknown"}
        assert not [state for *_, state in states() if state == "failed"]
        complaints = [line for line in map(json.loads, log().splitlines()) if line["level"] != "info"]
        assert [line for line in complaints if not _KNOWN.search(json.dumps(line))] == []
        before = sink

    # It starts again, its sink is elsewhere, and the webhooks find it.
    with running(tmp_path) as (url, sink, _):
        assert sink != before
        webhooks = get(f"{url}/api/v1/webhooks?limit=500")["items"]
        assert len(webhooks) > 100
        assert all(row["url"] == f"{sink}/hooks/{row['id']}" for row in webhooks)
        until(lambda: any(one["channel"] == "webhook" for one in get(f"{sink}/messages")["items"]))


@pytest.mark.parametrize(
    ("where", "told"),
    [("0.0.0.0:0", b"loopback"), ("127.0.0.1", b"--sink"), ("127.0.0.1:99999", b"--sink")],
)
def test_a_sink_that_cannot_be_is_one_line(tmp_path: Path, where: str, told: bytes) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("YIJIAN_")}
    environ |= {"YIJIAN_DATA": str(tmp_path), "YIJIAN_HTTP": "127.0.0.1:0"}
    done = subprocess.run(
        [sys.executable, "-m", "yijian", "run", "--demo", "--sink", where],
        env=environ,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_demo_never_reaches_a_real_telephone() -> None:
    class Sink:
        url = "http://127.0.0.1:4000"

    settings = make_dataclass("Settings", ["sms", "data"])(sms=("a real provider",), data="x")
    changed = demo.with_sink(settings, Sink())  # type: ignore[arg-type]
    assert [provider.name for provider in changed.sms] == ["demo"]
    assert changed.sms[0].url == ("http://127.0.0.1:4000/sms",)
    assert changed.data == "x"


def test_a_week_can_be_read_without_any_server() -> None:
    def plan(*options: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-m", "yijian", "simulate", "day", "--plan", *options],
            env={**os.environ, "LC_ALL": "C"},
            capture_output=True,
            timeout=30,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        return done.stdout.decode().splitlines()

    week = plan("--days", "7", "--date", "2026-09-28", "--seed", "4")
    assert week == plan("--hours", "168", "--date", "2026-09-28", "--seed", "4")
    days = [line for line in week if line.startswith("#")]
    assert len(days) == 7
    assert "holiday" in days[3], "the first of October"
    assert len(week) > 700
    assert plan("--date", "2026-09-28", "--seed", "5") != plan("--date", "2026-09-28", "--seed", "4")


@pytest.mark.parametrize("options", [["--date", "tomorrow"], ["--start-hour", "25"], ["--days", "0"]])
def test_a_week_that_cannot_be_is_one_line(options: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "yijian", "simulate", "day", "--plan", *options],
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, b"", 1)
