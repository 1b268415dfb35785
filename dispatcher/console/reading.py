"""Reading what somebody sent: bytes with a bound, JSON of any badness, query texts. Out comes a value or a Problem 400.

    await read(request, bytes_max) -> bytes              413 beyond the bound, before it is in memory
    members(raw) -> dict                                 no JSON object: 400
    shaped(members, AcceptBody) -> AcceptBody            400 naming the field: `contacts[0].on[1]`

Nothing here raises anything else, whatever the bytes.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from config.doors import to_us
from dispatcher.console.problems import Problem, wrong

T = TypeVar("T")

#: Whoever sends slower than this is not sending (64 MB take as long as they take).
_BODY_SECONDS = 30.0
_LARGE_BODY_SECONDS = 600.0
_LARGE_BYTES = 1_048_576
#: Bodies up to here are read a second time, slowly, to find out which field has made them unreadable.
_EXPLAINED_BYTES_MAX = 65_536

_WHERE = re.compile(r" - at `(?:key in )?\$\.?(?P<path>[^`]*)`$")
_FIELD = re.compile(r"(?:missing required|unknown) field `(?P<name>[^`]*)`")
_SURROGATE = re.compile("[\ud800-\udfff]")

_decode = msgspec.json.Decoder().decode


async def read(request: web.Request, bytes_max: int) -> bytes:
    """The whole body. Raises Problem 413, 408 or 400."""
    too_large = Problem(413, f"at most {bytes_max} bytes are taken", headers={"Connection": "close"})
    if request.content_length is not None and request.content_length > bytes_max:
        raise too_large
    seconds = _BODY_SECONDS if bytes_max <= _LARGE_BYTES else _LARGE_BODY_SECONDS
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            async for part in request.content.iter_any():
                size += len(part)
                if size > bytes_max:
                    raise too_large
                parts.append(part)
    except TimeoutError:
        raise Problem(408, "the body did not come", headers={"Connection": "close"}) from None
    except (web.RequestPayloadError, ConnectionError, ValueError):  # or whoever sent it went away
        raise Problem(400, "the body cannot be read", headers={"Connection": "close"}) from None
    return b"".join(parts)


def members(raw: bytes, *, optional: bool = False) -> dict[str, Any]:
    """The members of a JSON object. `optional`: an empty body is `{}`. Raises Problem 400."""
    if optional and not raw.strip():
        return {}
    try:
        value = _decode(raw)
    except UnicodeDecodeError:
        raise wrong("", "the body is no valid UTF-8") from None
    except RecursionError:
        raise wrong("", "the body is nested too deeply") from None
    except (msgspec.MsgspecError, ValueError, OverflowError) as error:
        path, why = _explained(raw)
        raise wrong(path, why or f"the body is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise wrong("", "the body must be a JSON object")
    if b"\\u0000" in raw:
        for path, text in _texts(value, ""):
            if "\0" in text:
                raise wrong(path, "a text may not hold the character NUL")
    return value


def shaped(value: Mapping[str, Any], shape: type[T]) -> T:
    """The members as a Struct. Raises Problem 400 naming the field."""
    try:
        return msgspec.convert(value, shape)
    except (msgspec.ValidationError, ValueError, OverflowError, RecursionError) as error:
        path, why = field_of(str(error))
        raise wrong(path, why) from None


def field_of(message: str) -> tuple[str, str]:
    """Which field msgspec complains of, and the complaint without it."""
    where = _WHERE.search(message)
    path = where["path"] if where else ""
    why = message[: where.start()] if where else message
    named = _FIELD.search(why)
    if named:
        path = f"{path}.{named['name']}" if path else named["name"]
        why = "is needed" if "missing" in why else "is not known here"
    return path, why


def _explained(raw: bytes) -> tuple[str, str]:
    """What a forgiving reader finds where the strict one saw no JSON: NaN, infinity, half a surrogate pair."""
    if len(raw) > _EXPLAINED_BYTES_MAX:
        return "", ""
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return "", ""
    for path, text in _texts(value, ""):
        if _SURROGATE.search(text):
            return path, "is no text: half a surrogate pair"
    for path, number in _numbers(value, ""):
        if not math.isfinite(number):
            return path, "is no finite number"
    return "", ""


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every name and every plain value with its path, without recursion: the depth is whatever somebody sent."""
    todo: list[tuple[str, Any]] = [(path, value)]
    while todo:
        path, value = todo.pop()
        if isinstance(value, dict):
            for name, member in value.items():
                yield f"{path}.{name}" if path else name, name
                todo.append((f"{path}.{name}" if path else name, member))
        elif isinstance(value, list):
            todo.extend((f"{path}[{place}]", member) for place, member in enumerate(value))
        else:
            yield path, value


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    for where, leaf in _leaves(value, path):
        if isinstance(leaf, str):
            yield _SURROGATE.sub("\ufffd", where).replace("\0", "\u2400"), leaf


def _numbers(value: Any, path: str) -> Iterator[tuple[str, float]]:
    for where, leaf in _leaves(value, path):
        if isinstance(leaf, float):
            yield where, leaf


def moment_us(field: str, text: str) -> int:
    """An RFC 3339 time of a query, as microseconds. Raises Problem 400."""
    try:
        # A plus that was not escaped arrives as a space: the one mistake everybody makes in a URL.
        moment = msgspec.convert(text.replace(" ", "+"), datetime)
    except (msgspec.ValidationError, ValueError):
        raise wrong(field, "an RFC 3339 time is needed, e.g. 2026-11-24T09:15:02+08:00") from None
    if moment.tzinfo is None:
        raise wrong(field, "a time with its offset is needed, e.g. 2026-11-24T09:15:02+08:00")
    try:
        return to_us(moment)
    except OverflowError:
        raise wrong(field, "is no time we know of") from None


def bearer(request: web.Request) -> str | None:
    """The token of the Authorization header; None where there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None
