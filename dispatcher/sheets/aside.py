"""Files are read and written aside, in a process of their own (`worker`), so that no press waits for a spreadsheet.

    aside = Aside()
    looked = await aside.look(content, "老人.xlsx", districts, …)       Looked, with the file as Structs where it is right
    content = await aside.write(file, "xlsx")                            bytes

One at a time, a few may wait (`Busy`), and each has an end. What goes in and out is cut into pieces between which the
loop gets its turn. A worker that dies is the file's fault until shown otherwise: it says so in one sentence.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping

import msgspec

from dispatcher.core.district import DistrictFile
from dispatcher.sheets.wording import Said, Unreadable, said
from dispatcher.sheets.work import Looked
from dispatcher.sheets.worker import Outcome, Part, Task, add_part, parts_of

SECONDS_MAX = 300.0
WAITING_MAX = 4
_LINE_MAX = 64 * 1_048_576
_PIECE = 65_536
#: Of our surroundings a worker gets no secret: only where Python and its own code are.
_SURROUNDINGS = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "VIRTUAL_ENV", "TZ", "SYSTEMROOT")


class Busy(Exception):  # noqa: N818 - what the asker is told, not an error of ours
    """So many files wait already: ask again."""


class Aside:
    """The worker of one process."""

    def __init__(self, seconds: float = SECONDS_MAX) -> None:
        self._turn = asyncio.Semaphore(1)
        self._waiting = 0
        self._seconds = seconds

    async def look(
        self,
        content: bytes,
        name: str,
        districts: Callable[[], Mapping[str, DistrictFile]],
        *,
        section: str = "",
        default: str = "",
        within: str = "",
        mask: bool = False,
    ) -> Looked:
        """Read, check, compare. `districts`: what is registered, asked for when it is our turn. Raises Unreadable, Busy."""
        task = Task("look", len(content), name, section, mask=mask, default=default, within=within)
        async with self._worker() as worker:
            lines = await self._asked(worker, task, content, districts())
        if not lines:
            raise Unreadable(_beyond())
        outcome = msgspec.json.decode(lines[0], type=Outcome)
        if outcome.said is not None:
            raise Unreadable(outcome.said)
        assert outcome.looked is not None
        if len(lines) > 1:
            file = DistrictFile()
            for line in lines[1:]:
                file = add_part(file, msgspec.json.decode(line, type=DistrictFile))
                await asyncio.sleep(0)
            outcome.looked.file = file
        return outcome.looked

    async def write(self, file: DistrictFile, form: str, section: str = "") -> bytes:
        """The file as `xlsx`, `csv` or `json`. Raises Busy, Unreadable where it grew too large."""
        async with self._worker() as worker:
            lines = await self._asked(worker, Task("write", section=section, form=form), b"", {"": file})
        return self._whole(lines)

    async def template(self) -> bytes:
        """The empty workbook."""
        async with self._worker() as worker:
            lines = await self._asked(worker, Task("template"), b"", {})
        return self._whole(lines)

    def _whole(self, lines: list[bytes]) -> bytes:
        if not lines:
            raise Unreadable(_beyond())
        return b"".join(lines)

    @contextlib.asynccontextmanager
    async def _worker(self) -> AsyncIterator[asyncio.subprocess.Process]:
        if self._waiting > WAITING_MAX:
            raise Busy
        self._waiting += 1
        try:
            async with self._turn:
                worker = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-P", "-m", "dispatcher.sheets.worker"),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,  # a traceback may hold what was sent
                    limit=_LINE_MAX,
                    env={name: value for name in _SURROUNDINGS if (value := os.environ.get(name))},
                )
                try:
                    yield worker
                finally:
                    with contextlib.suppress(ProcessLookupError):
                        worker.kill()
                    await worker.wait()
        finally:
            self._waiting -= 1

    async def _asked(
        self,
        worker: asyncio.subprocess.Process,
        task: Task,
        content: bytes,
        districts: Mapping[str, DistrictFile],
    ) -> list[bytes]:
        """What it answers, by lines; nothing where it died or took too long."""
        assert worker.stdout is not None
        assert worker.stdin is not None
        try:
            async with asyncio.timeout(self._seconds), asyncio.TaskGroup() as group:
                group.create_task(_told(worker.stdin, task, content, districts), name="sheets-told")
                reading = group.create_task(_heard(worker.stdout), name="sheets-heard")
                code = await worker.wait()
        except TimeoutError:
            return []
        return reading.result() if code == 0 else []


async def _told(
    pipe: asyncio.StreamWriter, task: Task, content: bytes, districts: Mapping[str, DistrictFile]
) -> None:
    with contextlib.suppress(ConnectionError):  # it has died: its exit code says so
        pipe.write(msgspec.json.encode(task) + b"\n")
        for start in range(0, len(content), _PIECE):
            pipe.write(content[start : start + _PIECE])
            await pipe.drain()
        for line in _lines(districts):
            pipe.write(line)
            await pipe.drain()
            await asyncio.sleep(0)
        pipe.close()


def _lines(districts: Mapping[str, DistrictFile]) -> Iterable[bytes]:
    for code, file in districts.items():
        for part in parts_of(file):
            yield msgspec.json.encode(Part(code, part)) + b"\n"


async def _heard(pipe: asyncio.StreamReader) -> list[bytes]:
    lines: list[bytes] = []
    while line := await pipe.readline():
        lines.append(line)
    return lines


def _beyond() -> Said:
    return said(
        "这个文件太大或太乱，没能读完：分成几个文件再试",
        "this file is too large or too strange to be read to its end: split it and try again",
    )
