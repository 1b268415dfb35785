"""Bytes that somebody sent into grids of cells: an Excel workbook, or a CSV file in the encodings that are about.

    for grid in grids(content, "老人.xlsx"):  grid.name, grid.rows -> (row number from 1, cells)

Everything has a bound: bytes, what a workbook unpacks to, rows, columns, sheets, the length of a text. What is no such
file is told in one sentence that names what it is (`Unreadable`), since whoever sent it has only a name to go by.
"""

from __future__ import annotations

import csv
import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from dispatcher.sheets.cells import Raw
from dispatcher.sheets.wording import Said, Unreadable, said

BYTES_MAX = 64 * 1_048_576
#: A workbook is a zip archive of XML; 200,000 rows of ours unpack to about 150 MB.
UNPACKED_MAX = 512 * 1_048_576
PARTS_MAX = 2_000
ROWS_MAX = 200_000
COLUMNS_MAX = 200
SHEETS_MAX = 40
TEXT_MAX = 32_767  #: Excel's own
_MERGES_MAX = 20_000
_PIECE = 1_048_576
_LAST_ROW = 1_048_576  #: Excel's own; a sheet may count to it because its last row has a colour

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_KINDS: tuple[tuple[bytes, str, str], ...] = (
    (b"\x89PNG", "图片（PNG）", "a picture (PNG)"),
    (b"\xff\xd8\xff", "图片（JPEG）", "a picture (JPEG)"),
    (b"GIF8", "图片（GIF）", "a picture (GIF)"),
    (b"BM", "图片（BMP）", "a picture (BMP)"),
    (b"%PDF", "PDF 文件", "a PDF"),
    (b"Rar!", "RAR 压缩包", "a RAR archive"),
    (b"7z\xbc\xaf", "7z 压缩包", "a 7z archive"),
    (b"\x1f\x8b", "gzip 压缩包", "a gzip archive"),
    (b"SQLite format 3", "数据库", "a database"),
    (b"MZ", "程序", "a program"),
    (b"\x7fELF", "程序", "a program"),
)
_MERGE = re.compile(rb'<(?:\w+:)?mergeCell\s+ref="([A-Z]{1,3}[0-9]{1,7}:[A-Z]{1,3}[0-9]{1,7})"')


@dataclass(slots=True)
class Grid:
    """A sheet as it came. `rows`: number from 1 and cells; to be gone through once. `merged`: first column, first and last row."""

    name: str
    rows: Iterable[tuple[int, tuple[Raw, ...]]]
    merged: list[tuple[int, int, int]] = field(default_factory=list)


def kind_of(content: bytes, name: str = "") -> str:
    """`json`, `xlsx` or `csv`, by what is in it. Raises Unreadable."""
    if not content.strip():
        raise Unreadable(said("文件是空的", "the file is empty"))
    if len(content) > BYTES_MAX:
        raise Unreadable(said("文件超过 64 MB", "the file is over 64 MB"))
    if content.startswith(b"PK"):
        return "xlsx"
    if content.startswith(_OLE):
        raise Unreadable(_old(content))
    for magic, zh, en in _KINDS:
        if content.startswith(magic):
            raise Unreadable(
                said("这是{zh}，不是 Excel 表格", "this is {en}, not an Excel workbook", zh=zh, en=en)
            )
    head = content[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(b"<"):
        raise Unreadable(_markup(head))
    if head.startswith((b"{", b"[")) and not name.lower().endswith((".csv", ".txt")):
        return "json"
    if name.lower().endswith((".xlsx", ".xlsm", ".xls", ".xlsb")):
        raise Unreadable(
            said(
                "这不是 Excel 表格，只是名字像：用 Excel 打开，另存为 .xlsx",
                "this is no Excel workbook, it only has the name of one: open it in Excel and save it as .xlsx",
            )
        )
    if b"\0" in content[:4096] and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Unreadable(
            said("这不是 Excel 表格，也不是 CSV 文件", "this is neither an Excel workbook nor a CSV file")
        )
    return "csv"


def _old(content: bytes) -> Said:
    def has(name: str) -> bool:
        return name.encode("utf-16-le") in content

    if has("EncryptedPackage"):
        return said(
            "这个表格设了打开密码：在 Excel 里去掉密码，再保存",
            "this workbook is protected by a password: take it off in Excel and save it again",
        )
    if has("Workbook") or has("Book"):
        return said(
            "这是旧的 .xls 格式：用 Excel 打开，另存为 .xlsx",
            "this is the old .xls format: open it in Excel and save it as .xlsx",
        )
    return said("这是旧的 Office 文件，不是 Excel 表格", "this is an old Office file, not an Excel workbook")


def _markup(head: bytes) -> Said:
    if b"urn:schemas-microsoft-com:office:spreadsheet" in head:
        return said(
            "这是旧的 XML 表格：用 Excel 打开，另存为 .xlsx",
            "this is an old XML spreadsheet: open it in Excel and save it as .xlsx",
        )
    return said(
        "这是网页（HTML），不是 Excel 表格，很多系统导出的“.xls”就是这样：用 Excel 打开，另存为 .xlsx",
        "this is a web page (HTML), as some systems export under the name .xls: open it in Excel and save it as .xlsx",
    )


# ── workbooks ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def workbook(content: bytes) -> Iterator[Grid]:
    """The sheets of a workbook, one after the other. Raises Unreadable."""
    _look_inside(content)
    from openpyxl import load_workbook  # slow to import, and a server seldom needs it

    try:
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
    except Unreadable:
        raise
    except MemoryError:
        raise
    except Exception as error:  # whatever a broken workbook makes the library say
        raise Unreadable(_damaged()) from error
    if len(book.worksheets) > SHEETS_MAX:
        raise Unreadable(
            said("工作表超过 {n} 张", "there are more than {n} sheets", n=SHEETS_MAX),
        )
    merges = _merges(content, book)
    counted = 0
    for sheet in book.worksheets:
        rows = _rows(sheet)
        grid = Grid(sheet.title, rows, merges.get(sheet.title, []))
        counted += 1
        yield grid
    if not counted:
        raise Unreadable(said("里面没有工作表", "there is no sheet in it"))


def _look_inside(content: bytes) -> None:
    """What the archive says of itself, before any of it is unpacked."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        parts = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
        raise Unreadable(_damaged()) from error
    names = {part.filename for part in parts}
    if len(parts) > PARTS_MAX or sum(part.file_size for part in parts) > UNPACKED_MAX:
        raise Unreadable(
            said(
                "表格展开后太大（超过 {n} 兆）：去掉图片和多余的格式，或分成几个文件",
                "unpacked it is too large (over {n} MB): take out pictures and needless formats, or split it",
                n=UNPACKED_MAX // 1_048_576,
            )
        )
    if any(part.flag_bits & 1 for part in parts):
        raise Unreadable(said("压缩包设了密码", "the archive is protected by a password"))
    if "xl/workbook.xml" in names:
        return
    if "xl/workbook.bin" in names:
        raise Unreadable(
            said("这是 .xlsb 格式：另存为 .xlsx", "this is the .xlsb format: save it as .xlsx"),
        )
    if any(name.startswith("word/") for name in names):
        raise Unreadable(
            said("这是 Word 文档，不是 Excel 表格", "this is a Word document, not an Excel workbook")
        )
    if "content.xml" in names and "mimetype" in names:
        raise Unreadable(
            said("这是 OpenDocument 表格：另存为 .xlsx", "this is an OpenDocument file: save it as .xlsx")
        )
    raise Unreadable(
        said("这是压缩包，不是 Excel 表格：先解压", "this is a zip archive, not a workbook: unpack it first")
    )


def _damaged() -> Said:
    return said(
        "文件不完整或已损坏：重新下载或重新保存一份",
        "the file is cut off or damaged: fetch it again, or save it again",
    )


def _rows(sheet: Any) -> Iterator[tuple[int, tuple[Raw, ...]]]:
    """The rows with something in them. Their count is not what the sheet says: that may be anything."""
    sheet.reset_dimensions()
    full = 0
    for number, row in enumerate(_read_rows(sheet), 1):
        if number > _LAST_ROW:
            raise Unreadable(_damaged())
        if all(value is None or value == "" for value in row):
            continue
        full += 1
        if full > ROWS_MAX:
            raise Unreadable(_many(sheet.title))
        yield number, tuple(_bounded(value) for value in row)


def _read_rows(sheet: Any) -> Iterator[tuple[Any, ...]]:
    try:
        yield from sheet.iter_rows(values_only=True, max_col=COLUMNS_MAX)
    except MemoryError:
        raise
    except Exception as error:  # whatever a broken sheet makes the library say
        raise Unreadable(_damaged()) from error


def _many(name: str) -> Said:
    return said(
        "“{name}”超过 {n} 行：分成几个文件",
        "{name!r} has more than {n} rows: split it",
        name=name[:40],
        n=ROWS_MAX,
    )


def _bounded(value: Any) -> Raw:
    if isinstance(value, str):
        return value[:TEXT_MAX]
    if value is None or isinstance(value, int | float | bool) or hasattr(value, "isoformat"):
        raw: Raw = value
        return raw
    return str(value)[:TEXT_MAX]  # a duration, an error


def _merges(content: bytes, book: Any) -> dict[str, list[tuple[int, int, int]]]:
    """Cells that are merged downwards, by sheet: the reader that goes row by row leaves them out."""
    found: dict[str, list[tuple[int, int, int]]] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for sheet in book.worksheets:
            path = getattr(sheet, "_worksheet_path", "")
            try:
                with archive.open(path) as part:
                    ranges = list(_merged_ranges(part))
            except (KeyError, OSError, zipfile.BadZipFile, zlib.error, EOFError):
                continue  # reading the sheet itself says so
            if ranges:
                found[sheet.title] = ranges
    return found


def _merged_ranges(part: Any) -> Iterator[tuple[int, int, int]]:
    from openpyxl.utils.cell import range_boundaries

    tail = b""
    count = 0
    while piece := part.read(_PIECE):
        text = tail + piece
        end = 0
        for match in _MERGE.finditer(text):
            end = match.end()
            left, top, _right, bottom = range_boundaries(match[1].decode())
            count += 1
            if count > _MERGES_MAX:
                return
            if isinstance(left, int) and isinstance(top, int) and isinstance(bottom, int) and bottom > top:
                yield left - 1, top, min(bottom, ROWS_MAX)
        tail = text[max(end, len(text) - 128) :]


# ── CSV ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def separated(content: bytes, name: str = "") -> Grid:
    """A CSV file as a grid: UTF-8 with or without its mark, UTF-16 with it, or GBK. Raises Unreadable."""
    text = _decoded(content)
    head = text[:4096].partition("\n")[0]
    delimiter = max(",;\t，", key=head.count)
    if delimiter == "，" and "," not in head:
        text = text.replace("，", ",")
        delimiter = ","
    return Grid(name, _csv_rows(text, "," if delimiter == "，" else delimiter, name))


def _decoded(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings: tuple[str, ...] = ("utf-16",)
    else:
        encodings = ("utf-8-sig", "gb18030")
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise Unreadable(
        said("文字编码看不懂：用 UTF-8 或 GBK 保存", "the text cannot be read: save it as UTF-8 or GBK")
    )


def _csv_rows(text: str, delimiter: str, name: str) -> Iterator[tuple[int, tuple[Raw, ...]]]:
    csv.field_size_limit(TEXT_MAX * 4)
    full = 0
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for number, row in enumerate(reader, 1):
            if not any(cell.strip() for cell in row):
                continue
            full += 1
            if full > ROWS_MAX:
                raise Unreadable(_many(name))
            yield number, tuple(cell[:TEXT_MAX] for cell in row[:COLUMNS_MAX])
    except csv.Error as error:
        raise Unreadable(
            said(
                "第 {n} 行附近不是 CSV：引号没有成对",
                "it is no CSV near line {n}: quotes do not match",
                n=reader.line_num,
            )
        ) from error
