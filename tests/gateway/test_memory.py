"""What lines remember: written before the answer, read again, and nothing that a spoilt file could break."""

from __future__ import annotations

from pathlib import Path

from devices.family import Frame
from devices.yj_line import FAMILY, frame
from gateway.lines import OpenLine, silent_line
from gateway.memory import LineMemory


def a_line(name: str = "yj_line /dev/ttyUSB0") -> OpenLine:
    return OpenLine(name, "yj_line", FAMILY.session({}), lambda _answers: None)


async def test_kept_and_recalled(tmp_path: Path) -> None:
    memory = LineMemory(tmp_path / "lines")
    line = a_line()
    await memory.keep(line)
    assert not (tmp_path / "lines").exists()
    line.session.receive(Frame(frame("Y", "0", "hubA1", "7", "v1+state")))
    await memory.keep(line)
    (file,) = (tmp_path / "lines").iterdir()
    written = file.stat().st_mtime_ns
    await memory.keep(line)
    assert file.stat().st_mtime_ns == written
    fresh = a_line()
    memory.recall(fresh.name, fresh.session)
    assert fresh.session.memory() == {"hubA1": [7, 0, True]}
    other = a_line("yj_line /dev/ttyUSB1")
    memory.recall(other.name, other.session)
    assert other.session.memory() == {}


async def test_a_spoilt_file_is_left(tmp_path: Path) -> None:
    memory = LineMemory(tmp_path)
    line = a_line()
    for content in (b"", b"\xff", b"[1]", b"[" * 10_000, b'{"hubA1":"x"}'):
        memory._path(line.name).write_bytes(content)
        memory.recall(line.name, line.session)
    assert line.session.memory() == {}


async def test_a_full_disk_is_no_reason_to_stop(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    memory = LineMemory(tmp_path / "file" / "lines")
    line = a_line()
    line.session.receive(Frame(frame("Y", "0", "hubA1", "7", "v1")))
    await memory.keep(line)
    memory.forget(line)
    await memory.keep(silent_line("http", "native"))
