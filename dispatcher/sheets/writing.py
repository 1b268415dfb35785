"""A district file as a workbook, or one section of it as a CSV file; and the empty workbook to fill in.

What is written reads back the same (`reading`). Cells that a spreadsheet would take for a formula are texts and marked so.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation

from dispatcher.core.district import DistrictFile
from dispatcher.sheets import cells
from dispatcher.sheets.columns import BY_SECTION, GUIDE, SHEETS, Column, Kind, Sheet
from dispatcher.sheets.layout import EXAMPLE
from dispatcher.sheets.vocabulary import YES

_TEXTS = frozenset({Kind.ID, Kind.TEXT, Kind.LINES, Kind.PHONE, Kind.HOURS, Kind.KEYS, Kind.STEPS, Kind.SPAN})
_HEAD = Font(bold=True)
_SOFT = Font(color="808080", italic=True)
_HEAD_FILL = PatternFill("solid", fgColor="EFE7DA")
_NEEDED_FILL = PatternFill("solid", fgColor="F6D5CC")
_WRAP = Alignment(vertical="top", wrap_text=True)
_ROWS_OF_TEMPLATE = 2_000

_GUIDE_LINES = (
    ("每张表是一类登记；不需要的表可以空着或删掉。", "One sheet a section; leave out what is not needed."),
    ("第一行是表头，顺序随意；第二行是程序里的名字，可以删掉。", "Row 1 has the headings, in any order; row 2 the JSON names."),
    ("红底的列必填。灰色的示例行不会读入。", "Columns with a red heading are needed. The grey example row is not read."),
    ("没有的列：保持原样。空的格子：清空这一项。", "A column that is not there leaves things as they are; an empty cell empties."),
    ("电话、编号这些列已设成“文本”，前面的 0 不会丢。", "Telephones and ids are Text, so that leading noughts stay."),
    ("开放时间：周一至周五 08:00-12:00 14:00-18:00；节假日休息。全天开放写“全天”。", "Hours: Mon-Fri 08:00-12:00 14:00-18:00; holidays closed; or always."),
    ("坐标系：高德、腾讯的坐标写 GCJ-02，百度写 BD-09，GPS 写 WGS-84。", "Datum: GCJ-02 for AMap and Tencent, BD-09 for Baidu, WGS-84 for GPS."),
    ("一位老人有几位联系人，就在“联系人”里写几行。", "Contacts have a row each, with the resident's id."),
)  # fmt: skip


def sections(file: DistrictFile) -> Iterator[tuple[Sheet, Iterable[dict[str, Any]]]]:
    """Every sheet with its rows as JSON values."""
    for sheet in SHEETS:
        yield sheet, rows_of(file, sheet.section)


def rows_of(file: DistrictFile, section: str) -> Iterator[dict[str, Any]]:
    """The rows of one sheet."""
    if section == "district":
        if file.district is not None:
            row = {**msgspec.to_builtins(file.district), "roads": file.roads}
            yield {"timezone": file.district.timezone, "locale": file.district.locale, **row}
    elif section == "holidays":
        for day in file.district.holidays if file.district is not None else ():
            yield {"date": day}
    elif section == "contacts":
        for resident in file.residents:
            for contact in resident.contacts:
                yield {"resident": resident.id, **msgspec.to_builtins(contact)}
    elif section == "policies":
        for key, policy in file.policies.items():
            yield {"key": key, **msgspec.to_builtins(policy)}
    else:
        for item in getattr(file, section):
            row = msgspec.to_builtins(item)
            if section == "stations":
                row = {"hours": "always", "travel": "walk", **row}
                if item.on_call is not None:
                    row["on_call"] = {"hours": "always", "prepare_seconds": 300, **row["on_call"]}
            if section == "webhooks":
                row = {"events": ["call.*"], **row}
            yield row


def _value(row: dict[str, Any], column: Column) -> Any:
    group, _, inner = column.name.partition(".")
    found = row.get(group)
    if column.kind is Kind.FLAG:
        return True if found is not None else None
    if not inner:
        return found
    value = found.get(inner) if isinstance(found, dict) else None
    if column.name == "location.datum" and isinstance(found, dict):
        return value or "wgs84"
    return value


def line_of(sheet: Sheet, row: dict[str, Any]) -> list[str | int | float]:
    """A row's cells, in the order of the columns."""
    return [cells.write(column, _value(row, column)) for column in sheet.columns]


def table(file: DistrictFile, section: str) -> bytes:
    """One section as CSV: UTF-8 with its mark, as Excel wants it, Chinese headings. KeyError on an unknown section."""
    sheet = BY_SECTION[section]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([column.zh for column in sheet.columns])
    for row in rows_of(file, section):
        line = line_of(sheet, row)
        writer.writerow([cells.guarded(value) if isinstance(value, str) else value for value in line])
    return text.getvalue().encode("utf-8-sig")


def workbook(file: DistrictFile, only: str = "") -> bytes:
    """The whole as a workbook; `only`: one sheet of it. KeyError on an unknown section."""
    book = Workbook(write_only=True)
    chosen = [BY_SECTION[only]] if only else SHEETS
    for sheet in chosen:
        page = _page(book, sheet)
        for row in rows_of(file, sheet.section):
            page.append([_cell(page, value) for value in line_of(sheet, row)])
    return _saved(book)


def template() -> bytes:
    """The empty workbook: headings, an example row, lists to choose from, and how it is done."""
    book = Workbook(write_only=True)
    guide = book.create_sheet(GUIDE)
    guide.column_dimensions["A"].width = 100
    for zh, en in _GUIDE_LINES:
        guide.append([zh])
        line = WriteOnlyCell(guide, value=en)
        line.font = _SOFT
        guide.append([line])
    for sheet in SHEETS:
        page = _page(book, sheet)
        example = []
        for place, column in enumerate(sheet.columns):
            value = column.example
            cell = _cell(page, f"{EXAMPLE} {value}" if place == 0 else value)
            cell.font = _SOFT
            example.append(cell)
            _choices(page, column, place)
        page.append(example)
        for _ in range(50):  # so that what is typed here stays text
            page.append([_blank(page, column) for column in sheet.columns])
    return _saved(book)


def _page(book: Workbook, sheet: Sheet) -> Any:
    page = book.create_sheet(sheet.zh)
    page.freeze_panes = "B3"
    for place, column in enumerate(sheet.columns, 1):
        dimension = page.column_dimensions[get_column_letter(place)]
        dimension.width = column.width
        if column.kind in _TEXTS:
            dimension.number_format = "@"
    heads = []
    for column in sheet.columns:
        head = WriteOnlyCell(page, value=column.zh)
        head.font, head.fill = _HEAD, _NEEDED_FILL if column.needed else _HEAD_FILL
        heads.append(head)
    page.append(heads)
    names = []
    for column in sheet.columns:
        name = WriteOnlyCell(page, value=column.name)
        name.font = _SOFT
        names.append(name)
    page.append(names)
    return page


def _cell(page: Any, value: str | float) -> Any:
    cell = WriteOnlyCell(page, value=value)
    if isinstance(value, str):
        # Never a formula, whatever it begins with; a longer row of apostrophes loses one when it is read.
        cell.value = cells.guarded(value) if value.startswith("'") else value
        cell.data_type = "s"
        cell.number_format = "@"
        if cells.guarded(value) != value:
            cell.quotePrefix = True
        if "\n" in value:
            cell.alignment = _WRAP
    return cell


def _blank(page: Any, column: Column) -> Any:
    cell = WriteOnlyCell(page, value=None)
    if column.kind in _TEXTS:
        cell.number_format = "@"
    return cell


def _choices(page: Any, column: Column, place: int) -> None:
    """A list to choose from."""
    words = YES if column.kind is Kind.FLAG else column.words if column.kind is Kind.CHOICE else {}
    if not words:
        return
    choice = DataValidation(type="list", formula1=f'"{",".join(words.values())}"', allow_blank=True)
    choice.error = "请从列表里选"
    letter = get_column_letter(place + 1)
    choice.add(f"{letter}4:{letter}{_ROWS_OF_TEMPLATE}")
    page.data_validations.append(choice)


def _saved(book: Workbook) -> bytes:
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()
