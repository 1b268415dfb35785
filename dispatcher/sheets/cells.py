"""One cell: what somebody wrote there into a value of the district file, and back.

    read(Kind.PHONE …, 13800000000)   ->  "13800000000"          read(…, "１３８ 0000 0000")  ->  "138 0000 0000"
    read(Kind.PHONE …, 1.38e10 as the text "1.38E+10")  ->  Said: Excel has shortened it

Full-width digits and signs are made plain where a code, a number or a time is meant; names and addresses stay as they
are. A cell that is empty is None. Nothing is guessed that could be two things.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import date, datetime, time
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from dispatcher.core.hours import span_fault
from dispatcher.sheets import week
from dispatcher.sheets.columns import Column, Kind
from dispatcher.sheets.vocabulary import KEY, OTHER_WORDS, YES
from dispatcher.sheets.wording import Said, said

#: What a cell may hold, as it comes out of a workbook or a CSV file.
Raw = str | int | float | bool | datetime | date | time | None

#: Excel keeps fifteen digits of a number, and puts noughts for the rest.
_DIGITS_KEPT = 10**15
_SHORTENED = re.compile(r"[+-]?\d(?:\.\d+)?[eE]\+?\d{1,3}")
_LISTED = re.compile(r"[,、;\n]+")
_NO_CODE = re.compile(r"[;；=＝\n{]")
_STEP = re.compile(
    r"(?P<after>\d+(?:\.\d+)?)\s*(?P<unit>秒|s|sec|seconds?|分钟?|min|minutes?)?后?[\s:=,]+(?P<to>\S.*)"
)
_DATE = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?")
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?")
_SPAN_ENDS = re.compile(r"(\d{1,2}):(\d{2})\s*(?:-|~|至|到)\s*(\d{1,2}):(\d{2})")
#: What a spreadsheet would take for a formula when it begins a cell.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_NOT_XML = re.compile("[\ufffe\uffff]")


def guarded(text: str) -> str:
    """A text that no spreadsheet takes for a formula: with an apostrophe before it where it looks like one."""
    return f"'{text}" if _FORMULA.match(text) else text


def unguarded(text: str) -> str:
    """The text without the apostrophe that guards it."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def is_empty(raw: Raw) -> bool:
    """Whether nothing is in the cell."""
    return raw is None or (isinstance(raw, str) and not raw.strip())


def read(column: Column, raw: Raw, zone: ZoneInfo) -> Any:
    """The value, or a Said. Not for empty cells."""
    if isinstance(raw, str):
        raw = unguarded(raw.strip())
    if isinstance(raw, float) and not math.isfinite(raw):
        return said("不是数字", "is no number")
    return _READERS[column.kind](column, raw, zone)


def text_of(raw: Raw) -> str:
    """A cell's content as it is seen."""
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, float) and raw.is_integer() and abs(raw) < _DIGITS_KEPT:
        return str(int(raw))
    if isinstance(raw, datetime):
        return raw.date().isoformat() if raw.time() == time(0) else raw.isoformat(" ", "minutes")
    if isinstance(raw, date | time):
        return raw.isoformat()
    return "" if raw is None else str(raw)


def _digits_lost(raw: Raw) -> Said | None:
    """What Excel does to long numbers that are not kept as text."""
    if isinstance(raw, int | float) and not isinstance(raw, bool) and abs(raw) >= _DIGITS_KEPT:
        return said(
            "数字超过 15 位，Excel 已把末尾改成 0：把这一列设成“文本”，重新填写",
            "has more than 15 digits, and Excel has put noughts for the last: make the column Text and type it again",
        )
    if isinstance(raw, str) and _SHORTENED.fullmatch(week.plain(raw).replace(" ", "")):
        return said(
            "Excel 把号码变成了 {shown}，数字已经丢失：把这一列设成“文本”，重新填写",
            "Excel has turned it into {shown} and digits are lost: make the column Text and type it again",
            shown=raw.strip()[:20],
        )
    return None


def _text(_column: Column, raw: Raw, _zone: ZoneInfo) -> Any:
    return text_of(raw)


def _lines(_column: Column, raw: Raw, _zone: ZoneInfo) -> Any:
    return text_of(raw).replace("\r\n", "\n").replace("\r", "\n").replace("_x000D_", "")


def _id(_column: Column, raw: Raw, _zone: ZoneInfo) -> Any:
    lost = _digits_lost(raw)
    if lost is not None:
        return lost
    return re.sub(r"\s+", "", week.narrow(text_of(raw)))


def _phone(_column: Column, raw: Raw, _zone: ZoneInfo) -> Any:
    lost = _digits_lost(raw)
    if lost is not None:
        return lost
    if isinstance(raw, float) and not raw.is_integer():
        return said("不像电话号码", "does not look like a telephone number")
    return week.narrow(text_of(raw))


def _number(_column: Column, raw: Raw, _zone: ZoneInfo) -> Any:
    if isinstance(raw, bool | date | time):
        return said("应填数字", "a number is needed")
    if isinstance(raw, int | float):
        return raw
    plain = week.narrow(text_of(raw)).replace(" ", "").rstrip("°度秒")
    try:
        value = float(plain)
    except ValueError:
        return said("应填数字，不是“{shown}”", "a number is needed, not {shown!r}", shown=text_of(raw)[:20])
    if not math.isfinite(value):
        return said("应填数字", "a number is needed")
    return int(value) if value.is_integer() and "." not in plain and "e" not in plain.lower() else value


def _whole(column: Column, raw: Raw, zone: ZoneInfo) -> Any:
    if column.name == "birth_year":
        if isinstance(raw, datetime | date):
            return raw.year
        if isinstance(raw, str) and (found := _DATE.fullmatch(week.narrow(raw))):
            return int(found[1])
        if isinstance(raw, str):
            raw = raw.rstrip("年 ")
    value = _number(column, raw, zone)
    if isinstance(value, float):
        if not value.is_integer():
            return said("应填整数", "a whole number is needed")
        return int(value)
    return value


@cache
def _values(words: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for value, zh in words:
        for word in (value, zh, *OTHER_WORDS.get(value, ())):
            found.setdefault(week.plain(word).replace(" ", ""), value)
    return found


def _valued(column: Column, text: str) -> str | Said:
    found = _values(tuple(column.words.items())).get(week.plain(text).replace(" ", ""))
    if found is not None:
        return found
    return said(
        "“{shown}”不在可选范围：{zh}",
        "{shown!r} is none of {en}",
        shown=text[:20],
        zh="、".join(column.words.values()),
        en=", ".join(column.words),
    )


def _choice(column: Column, raw: Raw, _zone: ZoneInfo) -> Any:
    return _valued(column, text_of(raw))


def _flag(column: Column, raw: Raw, zone: ZoneInfo) -> Any:
    value = _choice(Column(name=column.name, zh="", en="", words=YES), text_of(raw), zone)
    return value if isinstance(value, Said) else value == "true"


def _hours(_column: Column, raw: Raw, _zone: ZoneInfo) -> Any:
    return week.read(text_of(raw))


def _span(_column: Column, raw: Raw, _zone: ZoneInfo) -> Any:
    plain = week.plain(text_of(raw))
    found = _SPAN_ENDS.fullmatch(plain)
    span = f"{int(found[1]):02}:{found[2]}-{int(found[3]):02}:{found[4]}" if found else plain
    fault = span_fault(span)
    if fault:
        return said("“{shown}”不是时间段，应写成 21:00-07:00 这样", "{fault}", shown=plain[:20], fault=fault)
    return span


def _split(text: str) -> list[str]:
    # A text that was quoted by us may hold a comma; lists of the district file do not.
    return [
        part.strip() for part in _LISTED.split(text.replace("，", ",").replace("；", ";")) if part.strip()
    ]


def _list(_column: Column, raw: Raw, _zone: ZoneInfo) -> Any:
    return _split(text_of(raw))


def _choices(column: Column, raw: Raw, _zone: ZoneInfo) -> Any:
    found = []
    for part in _split(text_of(raw)):
        value = _valued(column, part)
        if isinstance(value, Said):
            return value
        found.append(value)
    return found


def _keys(_column: Column, raw: Raw, _zone: ZoneInfo) -> Any:
    words = Column(name="keys", zh="", en="", words=KEY)
    found: dict[str, str] = {}
    if text_of(raw).startswith("{"):
        try:
            return msgspec.json.decode(text_of(raw), type=dict[str, str])
        except msgspec.DecodeError:
            return said("应写成“1=紧急；2=服务”", "should be like 1=emergency; 2=service")
    for part in text_of(raw).replace("；", ";").replace("\n", ";").split(";"):
        if not part.strip():
            continue
        pair = re.fullmatch(r"(?s)\s*(.+)\s*[=＝]\s*([^=＝]+?)\s*", part)
        if pair is None:
            return said("应写成“1=紧急；2=服务”", "should be like 1=emergency; 2=service")
        key = _valued(words, pair[2])
        if isinstance(key, Said):
            return key
        found[pair[1].strip()] = key
    return found


def _steps(column: Column, raw: Raw, _zone: ZoneInfo) -> Any:
    found: list[dict[str, Any]] = []
    for part in week.plain(text_of(raw)).split(";"):
        if not part.strip():
            continue
        step = _STEP.fullmatch(part.strip())
        if step is None:
            return said(
                "看不懂“{shown}”：写成“0秒 最近站点；60秒 同级下一家”",
                "cannot read {shown!r}: write 0 nearest; 60 next",
                shown=part.strip()[:20],
            )
        to = _valued(column, step["to"])
        if isinstance(to, Said):
            return to
        seconds = float(step["after"]) * (60 if (step["unit"] or "").startswith(("分", "min")) else 1)
        found.append({"after": int(seconds) if seconds.is_integer() else seconds, "to": to})
    return found


def _date(_column: Column, raw: Raw, _zone: ZoneInfo) -> Any:
    if isinstance(raw, datetime):
        return raw.date().isoformat()
    if isinstance(raw, date):
        return raw.isoformat()
    found = _DATE.fullmatch(week.narrow(text_of(raw)))
    if found is None:
        return said("不是日期，应写成 2026-10-01 这样", "is no date such as 2026-10-01")
    return f"{found[1]}-{int(found[2]):02}-{int(found[3]):02}"


def _moment(_column: Column, raw: Raw, zone: ZoneInfo) -> Any:
    if isinstance(raw, datetime):
        return raw.replace(tzinfo=zone).isoformat()
    if isinstance(raw, date):
        return datetime(raw.year, raw.month, raw.day, tzinfo=zone).isoformat()
    plain = week.narrow(text_of(raw))
    if isinstance(raw, str) and re.search(r"T.*(Z|[+-]\d\d:?\d\d)$", plain):
        return plain
    day, _, rest = plain.partition(" ")
    found, clock = _DATE.fullmatch(day), _TIME.fullmatch(rest.strip() or "00:00")
    wrong = said("不是时间，应写成 2026-10-01 08:00 这样", "is no time such as 2026-10-01 08:00")
    if found is None or clock is None:
        return wrong
    try:
        parts = (*map(int, found.groups()), *(int(part or 0) for part in clock.groups()))
        return datetime(*parts, tzinfo=zone).isoformat()  # type: ignore[arg-type, misc]
    except ValueError:
        return wrong


_READERS = {
    Kind.ID: _id,
    Kind.TEXT: _text,
    Kind.LINES: _lines,
    Kind.PHONE: _phone,
    Kind.NUMBER: _number,
    Kind.WHOLE: _whole,
    Kind.CHOICE: _choice,
    Kind.HOURS: _hours,
    Kind.SPAN: _span,
    Kind.LIST: _list,
    Kind.CHOICES: _choices,
    Kind.KEYS: _keys,
    Kind.STEPS: _steps,
    Kind.MOMENT: _moment,
    Kind.DATE: _date,
    Kind.FLAG: _flag,
}


def _short(number: int | float) -> int | float:  # noqa: PYI041 - a whole number stays one
    return int(number) if float(number).is_integer() else float(number)


def write(column: Column, value: Any) -> str | int | float:
    """The value as it stands in a cell; nothing is an empty text."""
    if value is None or value == "":
        return ""
    match column.kind:
        case Kind.CHOICE:
            return str(column.words.get(value, value))
        case Kind.HOURS:
            return week.write(value)
        case Kind.CHOICES:
            return "、".join(column.words.get(one, one) for one in value)
        case Kind.LIST:
            return "、".join(value)
        case Kind.KEYS:
            if any(code != code.strip() or _NO_CODE.search(code) or not code for code in value):
                return msgspec.json.encode(value).decode()
            return "；".join(f"{code}={KEY.get(key, key)}" for code, key in value.items())
        case Kind.STEPS:
            return "；".join(
                f"{_short(step['after'])}秒 {column.words.get(step['to'], step['to'])}" for step in value
            )
        case Kind.FLAG:
            return YES["true"] if value is not False else YES["false"]
        case Kind.NUMBER | Kind.WHOLE:
            number: int | float = value
            return _short(number)
    return _NOT_XML.sub("�", str(value))
