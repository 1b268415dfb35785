"""A workbook or a CSV file into a district file, with everything that is wrong by its cell.

    sheets = read(content, "老人.xlsx", kept)      sheets.content: what a district file has; sheets.faults
    sheets.fault_at("residents[3].phone")          where the checker's path stands: sheet, cell, heading

A column that is not there leaves what is registered as it is, an empty cell empties it; a contact's sheet is about the
residents it names and no others. So a list of new telephone numbers is a file of two columns.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import isclose
from typing import Any
from zoneinfo import ZoneInfo

from dispatcher.core.masks import STARS, masked_identity, number_behind
from dispatcher.core.shapes import PROBLEMS_MAX
from dispatcher.core.written import NAMES, name_fault, phone_fault
from dispatcher.sheets import cells, layout, opening
from dispatcher.sheets.cells import Raw
from dispatcher.sheets.columns import Column, Kind
from dispatcher.sheets.layout import Placed
from dispatcher.sheets.wording import Fault, Said, Unreadable, in_both, said

#: What is registered under an id of a section, as JSON values; None: nothing. `district`, ``: the default one's settings.
Kept = Callable[[str, str], dict[str, Any] | None]

_PATH = re.compile(r"(?P<section>\w+)(?:\[(?P<place>\d+)\]|\.(?P<key>\w+))?\.?(?P<rest>.*)")
_CONTACT = re.compile(r"contacts\[(\d+)\]\.?(.*)")
#: Fields of a policy whose empty cell means that there is no such limit.
_NONE_MEANT: dict[str, Any] = {"arrive_goal": None, "arrive_limit": None, "silent": ""}
#: Whose written form is looked at first: what was only exported and came back is not changed by a hair.
_AS_IT_WAS = frozenset(
    {Kind.HOURS, Kind.LINES, Kind.TEXT, Kind.KEYS, Kind.STEPS, Kind.ID, Kind.PHONE, Kind.MOMENT, Kind.LIST}
)


def nothing_kept(_section: str, _id: str) -> None:
    """Where there is no register to look at."""


@dataclass(slots=True)
class Sheets:
    """What was read. `rows`: how many of each section; `names`: the sheet each section came from."""

    content: dict[str, Any] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    origins: dict[str, list[tuple[Placed, int]]] = field(default_factory=dict)
    contacts: dict[int, list[tuple[Placed, int]]] = field(default_factory=dict)
    keys: dict[str, tuple[Placed, int]] = field(default_factory=dict)

    @property
    def wrong(self) -> bool:
        """Whether anything stands in the way."""
        return any(not fault.warning for fault in self.faults)

    def fault_at(self, path: str, told: Said) -> Fault:
        """A fault of the checker, by its path in the district file, where it stands in the sheet."""
        origin, name = self._origin(path)
        if origin is None:
            return Fault(path=path, zh=told.zh, en=told.en)
        placed, row = origin
        column = _column_of(placed, name)
        return Fault(
            sheet=placed.name,
            cell=placed.cell(column, row),
            heading=placed.heading(column),
            path=path,
            zh=told.zh,
            en=told.en,
        )

    def _origin(self, path: str) -> tuple[tuple[Placed, int] | None, str]:
        found = _PATH.fullmatch(path)
        if found is None:
            return None, ""
        section, rest = found["section"], found["rest"]
        if section == "policies" and found["key"]:
            return self.keys.get(found["key"]), rest
        if section == "district":
            name = "date" if (found["key"] or "") == "holidays" else found["key"] or ""
            rows = self.origins.get("holidays" if name == "date" else "district", [])
            place = re.match(r"\[(\d+)\]", rest)
            at = int(place[1]) if place and name == "date" else 0
            return (rows[at] if at < len(rows) else None), name
        rows = self.origins.get(section, [])
        at = int(found["place"] or 0)
        if section == "residents" and (inner := _CONTACT.fullmatch(rest)):
            contacts = self.contacts.get(at, [])
            if int(inner[1]) < len(contacts):
                return contacts[int(inner[1])], inner[2]
        return (rows[at] if at < len(rows) else None), rest


def _column_of(placed: Placed, rest: str) -> str:
    """The column that a path inside an item is about: `hours.mon[0]` is in `hours`."""
    names = [name for name in placed.columns if rest == name or rest.startswith((f"{name}.", f"{name}["))]
    if names:
        return max(names, key=len)
    inside = [name for name in placed.columns if name.startswith(f"{rest}.")] if rest else []
    return inside[0] if inside else placed.sheet.key


def read(content: bytes, name: str = "", kept: Kept = nothing_kept, section: str = "") -> Sheets:
    """Everything in it. `section`: which sheet a CSV file is. Raises Unreadable."""
    kind = opening.kind_of(content, name)
    if kind == "json":
        raise Unreadable(said("这是 JSON，不是表格", "this is JSON, not a sheet"))
    reader = _Reader(kept)
    if kind == "csv":
        reader.take(opening.separated(content, name), section, alone=True)
    else:
        for grid in opening.workbook(content):
            reader.take(grid)
    return reader.done()


class _Reader:
    """Sheet after sheet."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._sheets = Sheets()
        self._zone = ZoneInfo("Asia/Shanghai")
        self._contacts: dict[str, list[tuple[Placed, int, dict[str, Any]]]] = {}
        self._seen: set[str] = set()
        self._set_zone(kept("district", ""))

    def take(self, grid: opening.Grid, section: str = "", *, alone: bool = False) -> None:
        """One grid."""
        placed, faults = layout.place(grid, section, alone=alone)
        for fault in faults:
            self._add(fault)
        if placed is None:
            return
        name = placed.sheet.section
        if name in self._seen:
            told = said(
                "“{zh}”有两张表，只读了第一张",
                "there are two sheets of {en}: the first is read",
                zh=placed.sheet.zh,
                en=name,
            )
            self._add(Fault(sheet=grid.name, zh=told.zh, en=told.en))
            return
        self._seen.add(name)
        self._sheets.names[name] = grid.name
        if any(not fault.warning for fault in faults):
            return
        for row, values in _filled(placed):
            if layout.is_example(values):
                told = said("示例行，没有读", "an example row: it is not read")
                self._add(Fault(sheet=grid.name, cell=f"A{row}", zh=told.zh, en=told.en, warning=True))
                continue
            self._take_row(placed, row, values)

    def done(self) -> Sheets:
        """All of it, contacts put to their residents."""
        sheets = self._sheets
        self._put_contacts()
        district = sheets.content.get("district")
        if "holidays" in self._seen and sheets.rows.get("holidays"):
            base = district if district is not None else self._kept("district", "")
            days = sheets.content.pop("holidays")
            if base is None:
                told = said(
                    "要有“区”这张表才知道是哪个区的节假日",
                    "the district's sheet has to say whose holidays these are",
                )
                self._add(Fault(sheet=sheets.names["holidays"], zh=told.zh, en=told.en))
            else:
                sheets.content["district"] = {**base, "holidays": days}
        if not self._seen and not sheets.faults:
            raise Unreadable(said("里面没有可以导入的表", "there is no sheet in it that could be loaded"))
        return sheets

    def _add(self, fault: Fault) -> None:
        if len(self._sheets.faults) < PROBLEMS_MAX:
            self._sheets.faults.append(fault)

    def _set_zone(self, district: dict[str, Any] | None) -> None:
        try:
            self._zone = ZoneInfo((district or {}).get("timezone") or "Asia/Shanghai")
        except (KeyError, ValueError, OSError):  # the checker says so
            return

    def _take_row(self, placed: Placed, row: int, values: tuple[Raw, ...]) -> None:
        sheet, content, sheets = placed.sheet, self._sheets.content, self._sheets
        place, _heading = placed.columns[sheet.key]
        raw = values[place] if place < len(values) else None
        key = self._read(placed, sheet.column(sheet.key), row, raw, None)
        if key is None:
            return
        sheets.rows[sheet.section] = sheets.rows.get(sheet.section, 0) + 1
        if sheet.section == "contacts":
            self._contacts.setdefault(key, []).append((placed, row, {"raw": values}))
            return
        base = self._kept(sheet.section, key) or {}
        item = self._item(placed, row, values, base)
        if sheet.section == "holidays":
            content.setdefault("holidays", []).append(item["date"])
        elif sheet.section == "district":
            if roads := item.pop("roads", ""):
                content["roads"] = roads
            content["district"] = item
            self._set_zone(item)
        elif sheet.section == "policies":
            content.setdefault("policies", {})[key] = {
                name: value for name, value in item.items() if name != "key"
            }
            sheets.keys[key] = (placed, row)
            return
        else:
            content.setdefault(sheet.section, []).append(item)
        sheets.origins.setdefault(sheet.section, []).append((placed, row))

    def _put_contacts(self) -> None:
        residents: list[dict[str, Any]] = self._sheets.content.setdefault("residents", [])
        places = {one.get("id"): place for place, one in enumerate(residents)}
        for resident, rows in self._contacts.items():
            place = places.get(resident)
            if place is None:
                base = self._kept("residents", resident)
                if base is None:
                    placed, row, _raw = rows[0]
                    told = said("“老人”里没有 {one}", "{one} is not in residents", one=resident)
                    self._add(self._fault(placed, placed.sheet.key, row, told))
                    continue
                place = len(residents)
                residents.append(dict(base))
                self._sheets.origins.setdefault("residents", []).append(rows[0][:2])
            before = residents[place].get("contacts") or []
            contacts = []
            for at, (placed, row, raw) in enumerate(rows):
                contacts.append(self._contact(placed, row, raw["raw"], before, at))
            residents[place]["contacts"] = contacts
            self._sheets.contacts[place] = [one[:2] for one in rows]
        if not residents:
            del self._sheets.content["residents"]

    def _contact(
        self, placed: Placed, row: int, values: tuple[Raw, ...], before: list[dict[str, Any]], at: int
    ) -> dict[str, Any]:
        place = placed.columns.get("name", (len(values), ""))[0]
        name = cells.unguarded(cells.text_of(values[place]).strip()) if place < len(values) else ""
        same = [one for one in before if one.get("name", "") == name]
        base = (
            before[at : at + 1] if before[at : at + 1] in ([one] for one in same) else same[:1]
        ) or before[at : at + 1]
        contact = self._item(placed, row, values, base[0] if base else {})
        contact.pop("resident", None)
        return contact

    def _item(
        self, placed: Placed, row: int, values: tuple[Raw, ...], base: dict[str, Any]
    ) -> dict[str, Any]:
        """A row as an item: what it says, over what is registered."""
        item = dict(base)
        groups: dict[str, dict[str, Any]] = {}
        for column in placed.sheet.columns:
            if column.name not in placed.columns:
                continue
            place = placed.columns[column.name][0]
            raw = values[place] if place < len(values) else None
            group, _, inner = column.name.partition(".")
            if inner or column.kind is Kind.FLAG:
                before = base.get(group) or {}
                kept = before.get(inner) if isinstance(before, dict) else None
                groups.setdefault(group, dict(before) if isinstance(before, dict) else {})[inner or "?"] = (
                    self._read(placed, column, row, raw, kept)
                )
                continue
            value = self._read(placed, column, row, raw, base.get(column.name))
            if value is not None:
                item[column.name] = value
            elif column.name in _NONE_MEANT and placed.sheet.section == "policies":
                item[column.name] = _NONE_MEANT[column.name]
            else:
                item.pop(column.name, None)
        for group, given in groups.items():
            self._put_group(placed, row, item, group, given)
        return item

    def _put_group(
        self, placed: Placed, row: int, item: dict[str, Any], group: str, given: dict[str, Any]
    ) -> None:
        flag = given.pop("?", None)
        told = {name: value for name, value in given.items() if value is not None}
        item.pop(group, None)
        if group == "location":
            coordinates = {"lat", "lon"} & told.keys()
            if len(coordinates) == 1:
                missing = "location.lon" if "lat" in coordinates else "location.lat"
                self._add(
                    self._fault(
                        placed, missing, row, said("经纬度要一起填", "latitude and longitude go together")
                    )
                )
            elif coordinates:
                item[group] = told
        elif group == "closed":
            if flag or (flag is None and told):
                item[group] = told
        elif told:
            item[group] = told

    def _read(self, placed: Placed, column: Column, row: int, raw: Raw, kept: Any) -> Any:
        """The cell's value; None where it is empty, or wrong and told."""
        if cells.is_empty(raw):
            if column.needed:
                self._add(self._fault(placed, column.name, row, said("这一项要填", "is missing")))
            return None
        if kept is not None and column.kind in _AS_IT_WAS:
            text = cells.unguarded(raw) if isinstance(raw, str) else cells.text_of(raw)
            if text == str(cells.write(column, kept)):
                return kept
        # A workbook holds sixteen digits of a number, which is a millionth of a millimetre.
        if isinstance(kept, float) and isinstance(raw, float) and isclose(raw, kept, rel_tol=1e-14):
            return kept
        value = cells.read(column, raw, self._zone)
        if column.kind is Kind.PHONE and isinstance(value, str) and STARS in value:
            number = number_behind(value, [kept] if isinstance(kept, str) else [])
            value = number or said(
                "号码是打了星号的，看不出原号：填完整号码",
                "is masked and not the one we have: write the whole number",
            )
        if column.name == "door_code" and value == STARS:
            value = kept or said(
                "门禁密码是打了星号的，看不出原码：填完整的，或留空",
                "is masked and there is none that we have: write the whole code",
            )
        if column.name == "identity_number" and isinstance(value, str):
            value = value.upper()
            if STARS in value:
                value = (kept if kept and masked_identity(kept) == value else None) or said(
                    "身份证号是打了星号的，不是登记的那个：填完整的，或留空",
                    "is masked and not the one that we have: write the whole number, or leave it empty",
                )
        if isinstance(value, str) and value != kept and (fault := _written_fault(column, value)):
            value = in_both(fault)
        if isinstance(value, Said):
            self._add(self._fault(placed, column.name, row, value))
            return None
        return None if value == "" else value

    def _fault(self, placed: Placed, name: str, row: int, told: Said) -> Fault:
        return Fault(
            sheet=placed.name,
            cell=placed.cell(name, row),
            heading=placed.heading(name),
            zh=told.zh,
            en=told.en,
        )


def _written_fault(column: Column, value: str) -> str:
    """What the console's form would not take either; what is registered already is not asked for again."""
    if column.kind is Kind.PHONE:
        return phone_fault(value)
    return name_fault(value) if column.name in NAMES else ""


def _filled(placed: Placed) -> Iterator[tuple[int, tuple[Raw, ...]]]:
    """The rows, with what was merged downwards in each of its rows."""
    if not placed.merged:
        yield from placed.rows
        return
    running: list[tuple[int, int, Raw]] = []  # column, last row, value
    waiting = sorted(placed.merged, key=lambda one: one[1], reverse=True)
    for row, values in placed.rows:
        running = [one for one in running if one[1] >= row]
        whole = list(values)
        for column, _last, value in running:
            whole += [None] * (column + 1 - len(whole))
            if whole[column] is None:
                whole[column] = value
        while waiting and waiting[-1][1] <= row:
            column, top, last = waiting.pop()
            if top == row and column < len(whole):
                running.append((column, last, whole[column]))
        yield row, tuple(whole)


__all__ = ["Kept", "Sheets", "nothing_kept", "read"]
