"""Bytes that ought to be JSON in UTF-8: the value, or one error that says where and what, for people with an editor."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_BYTE = re.compile(r"\(byte ([0-9]+)\)")
_LONE_SURROGATE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
#: Digits enough that a number may be out of range; every run of them is looked at once.
_HUGE = re.compile(r"(?<![0-9.])-?(?:[0-9]{300,}|[0-9.]++[eE]\+?[0-9]{3,})")


class NotJsonError(ValueError):
    """These bytes are no JSON text in UTF-8; the message says where (line, column) and what."""


def loads(raw: bytes) -> Any:
    """The value of a JSON text; a byte order mark is allowed. Raises NotJsonError, and nothing else."""
    raw = raw.removeprefix(_BOM)
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise NotJsonError(_not_utf8(raw, error.start)) from None
    if "\x00" in text[:4]:
        raise NotJsonError(_not_utf8(raw, 0))
    try:
        return msgspec.json.decode(raw)
    except RecursionError:
        raise NotJsonError("is nested too deeply") from None
    except msgspec.DecodeError as error:
        raise NotJsonError(_where_and_what(text, raw, str(error))) from None


def _not_utf8(raw: bytes, start: int) -> str:
    if raw[:2] in _UTF16_BOMS or b"\x00" in raw[:4]:
        return "is not UTF-8 but looks like UTF-16: save it as UTF-8"
    line, column = _place(raw[:start].decode(errors="replace"), start)
    try:
        raw.decode("gb18030")
    except UnicodeDecodeError:
        return f"line {line}, column {column}: is not UTF-8: save it as UTF-8"
    return f"line {line}, column {column}: is not UTF-8 but looks like GBK: save it as UTF-8"


def _place(text: str, offset: int) -> tuple[int, int]:
    """Line and column, from 1, of a character."""
    before = text[:offset]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _where_and_what(text: str, raw: bytes, error: str) -> str:
    """Our reader says which byte at best; Python's own says line and column, but takes some things we do not."""
    try:
        json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as found:
        return f"line {found.lineno}, column {found.colno}: {found.msg}"
    except RecursionError:
        return "is nested too deeply"
    except ValueError:  # a constant such as NaN, or a number of thousands of digits: msgspec's own words then
        pass
    offset = None
    what = error.removeprefix("JSON is malformed: ")
    if ("surrogate" in error or "truncated" in error) and (match := _LONE_SURROGATE.search(text)):
        offset = match.start()
        what = "half of a surrogate pair is no character"
    elif match := _BYTE.search(error):
        offset = len(raw[: int(match[1])].decode(errors="ignore"))
        what = what.replace(f" {match[0]}", "")
    elif "range" in error and (match := _HUGE.search(text)):
        offset = match.start()
        what = "number out of range"
    if offset is None:
        return what
    line, column = _place(text, offset)
    return f"line {line}, column {column}: {what}"


def _no_constant(name: str) -> None:
    raise ValueError(name)
