"""The log: key=value or JSON lines on standard error, in UTC, and never a person or a secret in one.

    time=2026-11-24T01:15:02.118Z level=info event="call opened" call=c-0r7x… station=st-14

The first fence is whoever writes a line: ids, counts and reasons only. This file is the second one: a key that could
hold a person or a secret is blanked, objects are named instead of printed, exceptions show where they happened and not
what they said. A line about a call carries `call=`. The press path logs at `debug` only.

    log = structlog.get_logger()        at the top of a file; nothing is configured by importing
    log.info("call accepted", call=call.id, station=station.id)
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO, cast

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

#: What is shown instead of what must not be.
BLANK = "…"

#: Parts of key names that could hold a person or a secret: `resident_name`, `phone`, `admin_token`.
FENCED = frozenset({
    "address", "addresses", "authorization", "birth", "body", "contact", "contacts", "content", "cookie", "credential", "identity",
    "credentials", "door", "headers", "lat", "location", "lon", "login", "message", "name", "names", "note", "notes", "password",
    "payload", "phone", "phones", "query", "raw", "secret", "secrets", "signature", "text", "token", "tokens",
})  # fmt: skip
#: Last parts that make a count of what would be fenced: `payload_bytes=312`.
_COUNTED = frozenset({"bytes", "count", "seconds", "ms", "us"})

#: A query string, and the user and password of a URL.
_QUERY = re.compile(r"\?\w[^\s\"']*")
_USERINFO = re.compile(r"(?<=://)[^/@\s]+@")
#: An identity number, and a mobile telephone number, in somebody else's text.
_IDENTITY = re.compile(r"(?<!\d)[1-9]\d{5}(?:18|19|20)\d{2}(?:0[1-9]|1[0-2])\d{5}[\dXx](?![\dA-Za-z])")
_MOBILE = re.compile(r"(?<!\d)1[3-9]\d{9}(?!\d)")

_FRAMES_MAX = 25
_DEPTH_MAX = 4
_FIRST = ["time", "level", "event", "call"]


def configure(
    kind: str = "console", stream: TextIO | None = None, *, debug: bool = False, quiet: bool = False
) -> None:
    """Set the process's log up: `console` (key=value) or `json` lines on `stream`, standard error by default.

    `quiet` is for commands that a person waits for: warnings and errors only. Lines of other libraries (aiohttp, sqlalchemy, paho, asyncio) come by the same way, from WARNING on.
    """
    out = sys.stderr if stream is None else stream
    level = logging.DEBUG if debug else logging.WARNING if quiet else logging.INFO
    render: Processor = _json if kind == "json" else cast("Processor", _key_value)
    fences: list[Processor] = [_exception_debug if debug else _exception, fence]
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True, key="time")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            *fences,
            stamp,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name, _foreign],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *fences,
                stamp,
                render,
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)


def fence(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Blank what could hold a person or a secret; show plain values only."""
    for key, value in event.items():
        if key in _OURS:
            continue
        event[key] = BLANK if is_fenced(key) else _plain(value, 0)
    return event


#: Keys this file writes itself, after their own fence.
_OURS = frozenset({"level", "time", "exception", "logger"})


def is_fenced(key: str) -> bool:
    """Whether a key could hold a person or a secret."""
    parts = key.lower().split("_")
    return parts[-1] not in _COUNTED and not FENCED.isdisjoint(parts)


def _plain(value: object, depth: int) -> Any:
    """A value that can be shown: text without query strings and passwords; objects by the name of their type."""
    if value is None or isinstance(value, bool | int | float):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, str):
        return _clean(value.value if isinstance(value, Enum) else value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if depth < _DEPTH_MAX:
        if isinstance(value, Mapping):
            return {
                str(key): BLANK if is_fenced(str(key)) else _plain(inner, depth + 1)
                for key, inner in value.items()
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [_plain(inner, depth + 1) for inner in value]
    return f"<{type(value).__name__}>"


def _clean(text: str) -> str:
    if "?" in text:
        text = _QUERY.sub("?" + BLANK, text)
    if "://" in text:
        text = _USERINFO.sub(BLANK + "@", text)
    return text


def _foreign(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A library's line: its first line only (asyncio goes on with reprs of tasks and what is in them)."""
    said = str(event.get("event", "")).partition("\n")[0]
    event["event"] = _MOBILE.sub(BLANK, _IDENTITY.sub(BLANK, said))
    record = event.get("_record")
    if isinstance(record, logging.LogRecord) and record.exc_info:
        event["exc_info"] = record.exc_info
    return event


def _exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Where it happened, by files and functions; not what it said: messages quote what people typed."""
    return _with_exception(event, where)


def _exception_debug(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The whole traceback, messages and all, on somebody's own machine."""
    return _with_exception(event, lambda error: "".join(traceback.format_exception(error)))


def _with_exception(event: EventDict, show: Any) -> EventDict:
    given = event.pop("exc_info", None)
    if isinstance(given, tuple):
        given = given[1]
    elif given is not None and not isinstance(given, BaseException):
        given = sys.exc_info()[1] if given else None
    if given is not None:
        event["exception"] = show(given)
    return event


def where(error: BaseException) -> str:
    """`ValueError at desk.py:82 decide < desk.py:40 run`, with what caused it."""
    parts = [_one(error)]
    if isinstance(error, BaseExceptionGroup):
        parts += [f"in the group: {where(inner)}" for inner in error.exceptions[:3]]
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and cause is not error:
        parts.append(f"caused by {_one(cause)}")
    return "; ".join(parts)


def _one(error: BaseException) -> str:
    number = f" {error.strerror}" if isinstance(error, OSError) and error.strerror else ""
    return f"{type(error).__name__}{number} at {_frames(error.__traceback__)}"


def _frames(trace: TracebackType | None) -> str:
    frames = traceback.extract_tb(trace, -_FRAMES_MAX)
    return " < ".join(
        f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames)
    )


_encoder = msgspec.json.Encoder()
_logfmt = structlog.processors.LogfmtRenderer(key_order=_FIRST, drop_missing=True, bool_as_flag=False)


def _json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    ordered: dict[str, Any] = {key: event.pop(key) for key in _FIRST if key in event}
    return _encoder.encode(ordered | dict(event)).decode()


def _key_value(logger: WrappedLogger, method: str, event: MutableMapping[str, Any]) -> str:
    flat = {
        key.replace(" ", "_"): _encoder.encode(value).decode() if isinstance(value, dict | list) else value
        for key, value in event.items()
    }
    return _logfmt(logger, method, flat)
