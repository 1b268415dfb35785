"""Which sheet a grid is, and which of its columns is which field: by name and headings, in any order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from dispatcher.sheets import week
from dispatcher.sheets.cells import Raw, is_empty, text_of, unguarded
from dispatcher.sheets.columns import GUIDE, SHEETS, Column, Sheet
from dispatcher.sheets.opening import Grid
from dispatcher.sheets.wording import Fault, Unreadable, said

#: Headings stand in the first so many rows that have something in them; titles may stand above.
_LOOKED_AT = 20
#: The row of a template that shows how it is done: its first cell begins so.
EXAMPLE = "示例"
_EXAMPLES = (EXAMPLE, "例：", "例:", "example")


def _letter(place: int) -> str:
    """A column as a sheet names it, the first is 0."""
    # With it comes all of openpyxl, a tenth of a start that need not wait for it.
    from openpyxl.utils import get_column_letter

    return get_column_letter(place + 1)


@dataclass(slots=True)
class Placed:
    """A grid whose headings are understood. `columns`: each field's place and heading; `rows`: what comes below."""

    sheet: Sheet
    name: str
    columns: dict[str, tuple[int, str]]
    rows: Iterator[tuple[int, tuple[Raw, ...]]]
    merged: list[tuple[int, int, int]]

    def cell(self, field: str, row: int) -> str:
        """`B7`; of a field that has no column, the row's first cell."""
        place = self.columns.get(field, (0, ""))[0]
        return f"{_letter(place)}{row}"

    def heading(self, field: str) -> str:
        """As it stands in the sheet."""
        return self.columns.get(field, (0, ""))[1]


def _key(text: str) -> str:
    return week.plain(text).replace(" ", "").replace("\n", "").rstrip("*:")


@cache
def _headings(section: str) -> dict[str, str]:
    """The fields of a sheet by every heading they may have. A field's own names go before what others are also called."""
    sheet = next(one for one in SHEETS if one.section == section)
    found: dict[str, str] = {}
    for column in sheet.columns:
        for word in (column.name, column.zh, column.en):
            found.setdefault(_key(word), column.name)
    for column in sheet.columns:
        for word in column.also:
            found.setdefault(_key(word), column.name)
    return found


@cache
def _named() -> dict[str, Sheet]:
    return {
        _key(word): sheet for sheet in SHEETS for word in (sheet.section, sheet.zh, sheet.en, *sheet.also)
    }


def sheet_named(name: str) -> Sheet | None:
    """The sheet that is called so."""
    return _named().get(_key(name))


def _sheet_of_file(name: str) -> Sheet | None:
    """The sheet that a file's name speaks of: `老人-2026.csv`."""
    stem = name.rpartition(".")[0] or name
    exact = sheet_named(stem)
    if exact is not None:
        return exact
    words = sorted(_named().items(), key=lambda one: -len(one[0]))
    found = [sheet for word, sheet in words if len(word) > 1 and word in _key(stem)]
    return found[0] if found else None


def _texts(row: tuple[Raw, ...]) -> list[str]:
    return ["" if is_empty(raw) else unguarded(text_of(raw).strip()) for raw in row]


def _score(row: tuple[Raw, ...], sheet: Sheet) -> int:
    headings = _headings(sheet.section)
    return len({headings[_key(text)] for text in _texts(row) if _key(text) in headings})


def place(grid: Grid, section: str = "", *, alone: bool = False) -> tuple[Placed | None, list[Fault]]:
    """The grid as a sheet of ours; None where it is none, and what is to be said of it.

    `section`: what it is said to be; `alone`: it is all there is, so its headings may say it.
    """
    if _key(grid.name) == _key(GUIDE):
        return None, []
    rows = iter(grid.rows)
    seen: list[tuple[int, tuple[Raw, ...]]] = []
    for numbered in rows:
        seen.append(numbered)
        if len(seen) == _LOOKED_AT:
            break
    sheet = (
        sheet_named(section)
        if section
        else sheet_named(grid.name) or (_sheet_of_file(grid.name) if alone else None)
    )
    if sheet is None:
        sheet = _guessed(seen, alone=alone)
    if not seen:
        return None, []
    if sheet is None:
        told = said(
            "这张表没有读：名字和表头都不认识",
            "this sheet is not read: neither its name nor its headings are known",
        )
        return None, [Fault(sheet=grid.name, zh=told.zh, en=told.en, warning=not alone)]
    scores = [_score(row, sheet) for _number, row in seen]
    best = max(scores)
    if best < min(2, len(sheet.columns)):
        told = said(
            "没有找到表头：应有“{zh}”等列",
            "no headings found: there should be {en} and others",
            zh=sheet.column(sheet.key).zh,
            en=sheet.key,
        )
        return None, [Fault(sheet=grid.name, cell="A1", zh=told.zh, en=told.en)]
    at = scores.index(best)
    columns, faults = _columns(grid.name, sheet, seen[at])
    below = [numbered for numbered in seen[at + 1 :] if not _names_again(numbered[1], sheet)]

    def rest() -> Iterator[tuple[int, tuple[Raw, ...]]]:
        yield from below
        yield from rows

    return Placed(sheet, grid.name, columns, rest(), grid.merged), faults


def _names_again(row: tuple[Raw, ...], sheet: Sheet) -> bool:
    """The second row of headings: the JSON names."""
    texts = [text for text in _texts(row) if text]
    names = {column.name for column in sheet.columns}
    return bool(texts) and all(text in names for text in texts)


def _guessed(seen: list[tuple[int, tuple[Raw, ...]]], *, alone: bool) -> Sheet | None:
    """By the headings: the sheet that knows most of them, where all that it needs are there and no other fits as well."""
    fits: list[tuple[int, Sheet]] = []
    for sheet in SHEETS:
        headings = _headings(sheet.section)
        needed = {column.name for column in sheet.columns if column.needed}
        for _number, row in seen:
            named = {headings.get(_key(text)) for text in _texts(row) if text} - {None}
            if needed <= named and (len(named) >= 2 or len(sheet.columns) == 1):
                fits.append((len(named), sheet))
                break
    if not fits:
        return None
    most = max(count for count, _sheet in fits)
    best = [sheet for count, sheet in fits if count == most]
    if len(best) == 1:
        return best[0]
    if alone:
        raise Unreadable(
            said(
                "看不出这是哪张表（{zh} 都像）：请选定是哪一类，或把文件名改成“{one}”",
                "it could be {en}: say which one it is, or name the file {first}",
                zh="、".join(sheet.zh for sheet in best),
                en=" or ".join(sheet.section for sheet in best),
                one=f"{best[0].zh}.csv",
                first=f"{best[0].section}.csv",
            )
        )
    return None


def _columns(
    name: str, sheet: Sheet, headings_row: tuple[int, tuple[Raw, ...]]
) -> tuple[dict[str, tuple[int, str]], list[Fault]]:
    number, row = headings_row
    known = _headings(sheet.section)
    columns: dict[str, tuple[int, str]] = {}
    faults: list[Fault] = []
    for at, text in enumerate(_texts(row)):
        if not text:
            continue
        cell = f"{_letter(at)}{number}"
        field = known.get(_key(text))
        if field is None:
            told = said("这一列没有读：不认识这个表头", "this column is not read: its heading is not known")
            faults.append(
                Fault(sheet=name, cell=cell, heading=text[:60], zh=told.zh, en=told.en, warning=True)
            )
        elif field in columns:
            told = said(
                "和“{other}”是同一列，重复了",
                "stands for the same as {other!r}: one of them has to go",
                other=columns[field][1],
            )
            faults.append(Fault(sheet=name, cell=cell, heading=text[:60], zh=told.zh, en=told.en))
        else:
            columns[field] = (at, text[:60])
    if sheet.key not in columns:
        key = sheet.column(sheet.key)
        told = said("缺少“{zh}”这一列", "the column {en} is missing", zh=key.zh, en=key.name)
        faults.append(Fault(sheet=name, cell=f"A{number}", heading=key.zh, zh=told.zh, en=told.en))
    return columns, faults


def is_example(row: tuple[Raw, ...]) -> bool:
    """The row that shows how it is done."""
    first = next((text for text in _texts(row) if text), "")
    return first.lower().startswith(_EXAMPLES)


__all__ = ["EXAMPLE", "Column", "Placed", "is_example", "place", "sheet_named"]
