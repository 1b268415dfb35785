"""A log line is readable by machines, tells the call, and never a person or a secret."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import pytest
import structlog

from config import logs

SECRET = "张奶奶-13800138000"


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    yield io.StringIO()
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    root.handlers[:], level = before
    root.setLevel(level)


def test_key_value_lines_have_time_level_event_and_the_call_first(out: io.StringIO) -> None:
    logs.configure("console", out)
    structlog.get_logger().info("call accepted", station="st-14", call="c-1", step=2)
    head, _, tail = out.getvalue().partition(" ")
    assert head.startswith("time=2")
    assert head.endswith("Z")
    assert tail == 'level=info event="call accepted" call=c-1 station=st-14 step=2\n'


def test_json_lines_have_the_same(out: io.StringIO) -> None:
    logs.configure("json", out)
    structlog.get_logger().warning("call lapsed", call="c-1", at=datetime(2026, 11, 24, tzinfo=UTC))
    line = json.loads(out.getvalue())
    assert list(line) == ["time", "level", "event", "call", "at"]
    assert datetime.fromisoformat(line["time"]).utcoffset() == UTC.utcoffset(None)
    assert line["at"] == "2026-11-24T00:00:00+00:00"


@pytest.mark.parametrize("kind", ["console", "json"])
def test_a_context_carries_the_call_through_every_line(out: io.StringIO, kind: str) -> None:
    logs.configure(kind, out)
    with structlog.contextvars.bound_contextvars(call="c-7"):
        structlog.get_logger().info("station asked")
    assert "c-7" in out.getvalue()


@pytest.mark.parametrize("kind", ["console", "json"])
@pytest.mark.parametrize(
    "key",
    [
        *sorted(logs.FENCED),
        "resident_name",
        "contact_phone",
        "admin_token",
        "webhook_secret",
        "Authorization",
    ],
)
def test_a_key_that_could_hold_a_person_or_a_secret_is_blanked(out: io.StringIO, kind: str, key: str) -> None:
    logs.configure(kind, out)
    structlog.get_logger().info("x", **{key: SECRET, "nested": {key: SECRET, "deep": [{key: SECRET}]}})
    assert SECRET not in out.getvalue()
    assert logs.BLANK in out.getvalue()


@pytest.mark.parametrize(
    "key", ["station", "family", "payload_bytes", "reason", "tokens_count", "device", "signal"]
)
def test_a_key_that_cannot_is_shown(out: io.StringIO, key: str) -> None:
    logs.configure("console", out)
    structlog.get_logger().info("x", **{key: 12})
    assert f"{key}=12" in out.getvalue()


@dataclass
class Resident:
    name: str = SECRET


class Kind(StrEnum):
    PRESS = "press"


def test_objects_are_named_and_not_printed(out: io.StringIO) -> None:
    logs.configure("console", out)
    structlog.get_logger().info(
        "x",
        resident=Resident(),
        error=ValueError(SECRET),
        data=SECRET.encode(),
        kind=Kind.PRESS,
        path=Path("a"),
    )
    assert SECRET not in out.getvalue()
    assert "<Resident>" in out.getvalue()
    assert "kind=press path=a" in out.getvalue()


def test_urls_lose_their_query_and_their_password(out: io.StringIO) -> None:
    logs.configure("console", out)
    structlog.get_logger().info("get /calls?phone=1 failed", url="https://u:hush@host/sms?to=1380")
    structlog.get_logger().info("device disconnected or multiple access on port?)", path="/f/?hush")
    assert "phone=1" not in out.getvalue()
    assert "hush" not in out.getvalue()
    assert "on port?)" in out.getvalue()
    assert "url=https://…@host/sms?…" in out.getvalue()


@pytest.mark.parametrize("kind", ["console", "json"])
def test_an_exception_says_where_and_not_what(out: io.StringIO, kind: str) -> None:
    logs.configure(kind, out)
    try:
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise ExceptionGroup(SECRET, [ValueError(SECRET)]) from error
    except ExceptionGroup:
        structlog.get_logger().exception("decide failed", call="c-1")
        logging.getLogger("aiohttp.server").exception("Error handling request")
    lines = out.getvalue().splitlines()
    assert len(lines) == 2
    for line in lines:
        assert SECRET not in line
        assert "KeyError at test_logs.py:" in line
        assert "ValueError" in line


def test_debug_shows_the_traceback_in_one_line(out: io.StringIO) -> None:
    logs.configure("console", out, debug=True)
    log = structlog.get_logger()
    try:
        raise ValueError("level must be even")
    except ValueError:
        log.exception("x")
    assert "level must be even" in out.getvalue()
    assert out.getvalue().count("\n") == 1
    log.debug("now shown")
    assert "now shown" in out.getvalue()


def test_other_libraries_come_through_from_warning_on(out: io.StringIO) -> None:
    logs.configure("json", out)
    logging.getLogger("aiohttp.access").info("GET /f/token")
    logging.getLogger("sqlalchemy.pool").warning("%s calls from 13800138000\nrepr of %s", 3, SECRET)
    lines = out.getvalue().splitlines()
    assert len(lines) == 1
    line = json.loads(lines[0])
    assert line["logger"] == "sqlalchemy.pool"
    assert line["level"] == "warning"
    assert line["event"] == "3 calls from …"


def test_a_task_that_died_says_no_more_than_where(out: io.StringIO) -> None:
    logs.configure("json", out)

    async def die() -> None:
        raise ValueError(SECRET)

    async def main() -> None:
        task = asyncio.create_task(die())
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_exception_handler({"message": "Task died", "exception": task.exception(),
                                                           "future": task})  # fmt: skip

    asyncio.run(main())
    assert SECRET not in out.getvalue()
    assert "ValueError" in out.getvalue()


def test_a_line_below_the_level_costs_next_to_nothing(out: io.StringIO) -> None:
    logs.configure("json", out)
    log = structlog.get_logger()
    log.debug("warm")
    began = time.process_time()
    for _ in range(10_000):
        log.debug("press stored", device="btn-01", signal="s-1")
    # The press path logs at debug; 10 µs each would be 1 % of a millisecond budget. Measured: 0.2 µs.
    assert time.process_time() - began < 0.1
    assert out.getvalue() == ""
