"""From JSON values to Structs with every error and its path, not only the first one.

msgspec converts quickly and stops at the first thing that is wrong. Where it stops, `salvage` walks the same type by
itself, reports everything, and still hands back a value, with blanks for what could not be read, so that the rules
about the rest of it can have their say too. A Report keeps one problem a path: what is said of a blank is dropped,
because its path already has one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from typing import Any, TypeVar, cast

import msgspec
from msgspec import Struct, inspect

T = TypeVar("T")

PROBLEMS_MAX = 1000

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")
_STEPS = re.compile(r"(?=[.\[])")
_SHOWN_CHARACTERS = 40


class Problem(Struct, frozen=True):
    """One thing that is wrong, and where: `Problem("stations[3].hours.mon[0]", "25:00 is no time of day")`."""

    path: str
    error: str


class Enough(Exception):  # noqa: N818 - not an error of ours: the reader's patience is at its end
    """So many problems that looking for more helps nobody."""


class Report:
    """The problems found so far: one a path, none below a path that has one, and no more than `PROBLEMS_MAX`."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._paths: set[str] = set()

    def add(self, path: str, error: str) -> None:
        """Note a problem. Raises Enough, after a last line that says so, when there are too many."""
        path = path.removeprefix(".")  # of an item that stands alone
        if any(above in self._paths for above in _ancestry(path)):
            return
        self._paths.add(path)
        self.problems.append(Problem(path, error))
        if len(self.problems) == PROBLEMS_MAX:
            self.problems.append(Problem("", f"more than {PROBLEMS_MAX} problems: the rest is not looked at"))
            raise Enough

    def has(self, path: str) -> bool:
        """Whether this very path has a problem."""
        return path in self._paths


def _ancestry(path: str) -> Iterator[str]:
    """The path itself and everything it lies in: `a[1].b` is in `a[1]` and in `a`."""
    so_far = ""
    for step in _STEPS.split(path):
        so_far += step
        yield so_far


def join(path: str, key: str) -> str:
    """The path of an object's key; a key that is no plain word is quoted, a long one cut."""
    if _PLAIN_KEY.fullmatch(key):
        return f"{path}.{key}" if path else key
    short = key[:_SHOWN_CHARACTERS].encode("utf-8", "replace").decode()
    return f"{path}[{msgspec.json.encode(short).decode()}]"


def shown(text: str) -> str:
    """A text as it can stand in an error: short, in quotes, without control characters."""
    return repr(text[:_SHOWN_CHARACTERS] + ("…" if len(text) > _SHOWN_CHARACTERS else ""))


def read(raw: Any, kind: type[T], path: str, report: Report) -> T:
    """The value as `kind`; what is wrong with it goes to the report, and stands as a blank in the answer."""
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        before = len(report.problems)
        value = cast("T", _walk(raw, _shape(cast("type", kind)), path, report))
        if len(report.problems) == before:  # the walk is laxer than msgspec here: never let it pass for right
            report.add(path, str(error))
        return value


def read_list(raw: list[Any], kind: type[T], path: str, report: Report) -> list[T]:
    """Each of a list, the whole at once where all is well; places are kept, blanks stand for what is no object."""
    try:
        return msgspec.convert(raw, list[kind])  # type: ignore[valid-type]
    except msgspec.ValidationError:
        return [read(item, kind, f"{path}[{place}]", report) for place, item in enumerate(raw)]


@cache
def _shape(kind: type) -> inspect.Type:
    return inspect.type_info(kind)


def _walk(raw: Any, shape: inspect.Type, path: str, report: Report) -> Any:
    match shape:
        case inspect.UnionType():
            return _walk_union(raw, shape, path, report)
        case inspect.StructType() if isinstance(raw, dict):
            return _walk_struct(raw, shape, path, report)
        case inspect.DictType() if isinstance(raw, dict):
            return {
                key: _walk(value, shape.value_type, join(path, key), report) for key, value in raw.items()
            }
        case inspect.ListType() | inspect.VarTupleType() if isinstance(raw, list):
            items = [
                _walk(item, shape.item_type, f"{path}[{place}]", report) for place, item in enumerate(raw)
            ]
            return items if isinstance(shape, inspect.ListType) else tuple(items)
        case inspect.EnumType() if isinstance(raw, str):
            if raw in (choices := [member.value for member in shape.cls]):
                return shape.cls(raw)
            report.add(path, f"{shown(raw)} is none of {', '.join(choices)}")
        case inspect.FloatType() if isinstance(raw, int | float) and not isinstance(raw, bool):
            try:
                return float(raw)
            except OverflowError:
                report.add(path, "is a number out of range")
        case _ if _fits(raw, shape):
            return raw
        case _:
            report.add(path, f"must be {_name(shape)}, not {_name_of(raw)}")
    return _blank(shape)


def _walk_union(raw: Any, shape: inspect.UnionType, path: str, report: Report) -> Any:
    for choice in shape.types:
        if _fits(raw, choice):
            return _walk(raw, choice, path, report)
    choices = " or ".join(_name(choice) for choice in shape.types)
    report.add(path, f"must be {choices}, not {_name_of(raw)}")
    return _blank(shape)


def _walk_struct(raw: dict[str, Any], shape: inspect.StructType, path: str, report: Report) -> Any:
    fields = {field.encode_name: field for field in shape.fields}
    given: dict[str, Any] = {}
    for key, value in raw.items():
        field = fields.get(key)
        if field is None:
            near = get_close_matches(key[:_SHOWN_CHARACTERS], fields, n=1)
            report.add(join(path, key), f"unknown key; did you mean {near[0]}?" if near else "unknown key")
        else:
            given[field.name] = _walk(value, field.type, join(path, key), report)
    for field in shape.fields:
        if field.required and field.name not in given:
            report.add(join(path, field.encode_name), "is missing")
            given[field.name] = _blank(field.type)
    return shape.cls(**given)


def _fits(raw: Any, shape: inspect.Type) -> bool:
    """Whether a JSON value is of the right sort, whatever is in it."""
    match shape:
        case inspect.StructType() | inspect.DictType():
            return isinstance(raw, dict)
        case inspect.ListType() | inspect.VarTupleType():
            return isinstance(raw, list)
        case inspect.StrType() | inspect.EnumType():
            return isinstance(raw, str)
        case inspect.BoolType():
            return isinstance(raw, bool)
        case inspect.IntType():
            return isinstance(raw, int) and not isinstance(raw, bool)
        case inspect.FloatType():
            return isinstance(raw, int | float) and not isinstance(raw, bool)
        case inspect.NoneType():
            return raw is None
        case _:
            return isinstance(shape, inspect.AnyType)


def _blank(shape: inspect.Type) -> Any:
    """Something of the type, to stand for what could not be read."""
    match shape:
        case inspect.StructType():
            return shape.cls(**{field.name: _blank(field.type) for field in shape.fields if field.required})
        case inspect.UnionType():
            return None if shape.includes_none else _blank(shape.types[0])
        case inspect.EnumType():
            return next(iter(shape.cls))
        case inspect.DictType():
            return {}
        case inspect.ListType():
            return []
        case inspect.VarTupleType():
            return ()
        case inspect.StrType():
            return ""
        case inspect.BoolType():
            return False
        case inspect.IntType() | inspect.FloatType():
            return 0
        case _:
            return None


def _name(shape: inspect.Type) -> str:
    match shape:
        case inspect.EnumType():
            return f"one of {', '.join(str(member.value) for member in shape.cls)}"
        case inspect.StructType() | inspect.DictType():
            return "an object"
        case inspect.ListType() | inspect.VarTupleType():
            return "a list"
        case inspect.StrType():
            return "text"
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return "a whole number"
        case inspect.FloatType():
            return "a number"
        case _:
            return "null"


def _name_of(raw: Any) -> str:
    if raw is None:
        return "null"
    if isinstance(raw, bool):
        return "true or false"
    names = {dict: "an object", list: "a list", str: "text", int: "a number", float: "a number"}
    return names.get(type(raw), "something else")
