"""A process of its own for one file: what somebody sent is unpacked and read here, where it can hurt nobody.

    python -m dispatcher.sheets.worker      a task, the file and the register on standard input; the outcome on standard output

Bounded by the system in memory and processor time, and it gives way to everybody else. Lines of JSON both ways, so that
whoever asked reads and writes them in small pieces (`aside`).
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator
from typing import BinaryIO

import msgspec
from msgspec import Struct

from dispatcher.core import district_check
from dispatcher.core.district import DistrictFile
from dispatcher.sheets.wording import Said, Unreadable
from dispatcher.sheets.work import Looked, Registered, look

MEMORY_MAX = 3 * 1024**3
PROCESSOR_SECONDS_MAX = 240
#: Items on one line: a few hundred KB, decoded in a few milliseconds.
PIECE = 1_000
_GIVES_WAY = 10


class Task(Struct):
    """What is to be done: `look` at a file of so many bytes, or `write` the district as `form`, or a `template`."""

    what: str
    size: int = 0
    name: str = ""
    section: str = ""
    form: str = ""
    mask: bool = False
    default: str = ""
    within: str = ""


class Part(Struct):
    """A part of a district: some items of it."""

    code: str
    file: DistrictFile


class Outcome(Struct):
    """What came of it: `said` where the file cannot be read at all."""

    looked: Looked | None = None
    said: Said | None = None


def parts_of(file: DistrictFile) -> Iterator[DistrictFile]:
    """A file in pieces: its settings first, then its items."""
    yield DistrictFile(district=file.district, policies=file.policies, roads=file.roads)
    for section in district_check.SECTIONS:
        items = getattr(file, section)
        for start in range(0, len(items), PIECE):
            yield DistrictFile(**{section: items[start : start + PIECE]})


def add_part(whole: DistrictFile, part: DistrictFile) -> DistrictFile:
    """The two together; lists grow where they are."""
    for section in district_check.SECTIONS:
        getattr(whole, section).extend(getattr(part, section))
    if part.district is None and not part.policies and not part.roads:
        return whole
    return msgspec.structs.replace(whole, district=part.district, policies=part.policies, roads=part.roads)


def _districts(lines: BinaryIO) -> dict[str, DistrictFile]:
    files: dict[str, DistrictFile] = {}
    for line in lines:
        part = msgspec.json.decode(line, type=Part)
        files[part.code] = add_part(files.get(part.code) or DistrictFile(), part.file)
    return files


def _look(task: Task, source: BinaryIO, out: BinaryIO) -> None:
    content = source.read(task.size)
    registered = Registered(_districts(source), task.default, task.within)
    try:
        looked = look(content, task.name, registered, section=task.section, mask=task.mask)
    except Unreadable as error:
        _line(out, Outcome(said=error.said))
        return
    file, looked.file = looked.file, None
    _line(out, Outcome(looked=looked))
    for part in parts_of(file) if file is not None else ():
        _line(out, part)


def _write(task: Task, source: BinaryIO, out: BinaryIO) -> None:
    from dispatcher.sheets import writing

    if task.what == "template":
        out.write(writing.template())
        return
    file = next(iter(_districts(source).values()), DistrictFile())
    if task.form == "xlsx":
        out.write(writing.workbook(file, task.section))
    elif task.form == "csv":
        out.write(writing.table(file, task.section))
    else:
        out.write(district_check.dump(file))


def _line(out: BinaryIO, value: object) -> None:
    out.write(msgspec.json.encode(value) + b"\n")


def main() -> int:
    """One task, then the end."""
    os.nice(_GIVES_WAY)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_SECONDS_MAX, PROCESSOR_SECONDS_MAX))
    source, out = sys.stdin.buffer, sys.stdout.buffer
    task = msgspec.json.decode(source.readline(), type=Task)
    (_look if task.what == "look" else _write)(task, source, out)
    out.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
