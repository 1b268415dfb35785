"""What lines remember over a restart of ours: one small file per line, written before the answer goes out.

A family says what that is (`devices.family.Remembering`): the series of a wiped hub, the last level of a stuck bit.
Lost, it costs no press; it could make a wiped hub's new press look like an old one.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from pathlib import Path
from typing import Any

import msgspec
import structlog

from devices.family import Remembering, Session
from gateway.lines import OpenLine

log = structlog.get_logger()


class LineMemory:
    """The files of all lines of a gateway."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: dict[OpenLine, int] = {}

    def recall(self, line_name: str, session: Session) -> None:
        """Give a fresh session what an earlier one of that line kept."""
        if not isinstance(session, Remembering):
            return
        try:
            memory = msgspec.json.decode(self._path(line_name).read_bytes())
        except FileNotFoundError:
            return
        except (OSError, msgspec.MsgspecError, ValueError, RecursionError) as error:
            log.warning("a line's memory cannot be read", line=line_name, reason=type(error).__name__)
            return
        if isinstance(memory, dict):
            session.recall(memory)

    async def keep(self, line: OpenLine) -> None:
        """Write a line's memory down when it changed; returns when it is on disk. Never raises."""
        session = line.session
        if not isinstance(session, Remembering) or self._kept.get(line, 0) == session.changes:
            return
        changes, memory = session.changes, session.memory()
        try:
            await asyncio.to_thread(self._write, self._path(line.name), memory)
        except OSError as error:
            # The signal is stored all the same: that must not wait for this.
            log.warning("a line's memory cannot be kept", line=line.name, reason=error.strerror)
            return
        self._kept[line] = changes

    def forget(self, line: OpenLine) -> None:
        """The line is closed; its file stays."""
        self._kept.pop(line, None)

    def _path(self, line_name: str) -> Path:
        readable = re.sub(r"[^A-Za-z0-9]+", "-", line_name).strip("-")[-40:]
        return self._folder / f"{readable}-{hashlib.sha256(line_name.encode()).hexdigest()[:8]}.json"

    def _write(self, path: Path, memory: dict[str, Any]) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(msgspec.json.encode(memory))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
