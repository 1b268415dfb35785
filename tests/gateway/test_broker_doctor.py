"""The doctor and the broker: a good one, one with a short memory, one that lets anybody in, one that is not there."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from config.findings import Level
from gateway import doctor
from gateway.broker import password_hash


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def mosquitto(folder: Path, *lines: str) -> AsyncIterator[int]:
    port = free_port()
    (folder / "passwords").write_text(f"yijian:{password_hash('secret')}\n")
    (folder / "passwords").chmod(0o600)
    config = folder / "mosquitto.conf"
    words = (f"listener {port} 127.0.0.1", f"password_file {folder / 'passwords'}", "user root", *lines)
    config.write_text("\n".join(words) + "\n")
    child = await asyncio.create_subprocess_exec(
        "mosquitto", "-c", str(config), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        for _ in range(200):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                break
        yield port
    finally:
        child.terminate()
        await child.wait()


async def levels(url: str) -> dict[str, Level]:
    return {finding.name: finding.level for finding in await doctor.outside(url)}


async def test_a_broker_that_is_set_up_well(tmp_path: Path) -> None:
    async with mosquitto(tmp_path, "max_queued_messages 0", "allow_anonymous false") as port:
        found = await levels(f"mqtt://yijian:secret@127.0.0.1:{port}")
    assert found == {"broker": Level.OK, "broker.memory": Level.OK, "broker.anonymous": Level.OK}


async def test_the_defaults_of_a_broker_are_not_enough(tmp_path: Path) -> None:
    async with mosquitto(tmp_path, "allow_anonymous true") as port:
        findings = await doctor.outside(f"mqtt://yijian:secret@127.0.0.1:{port}")
    assert {one.name: one.level for one in findings} == {
        "broker": Level.OK, "broker.memory": Level.WARN, "broker.anonymous": Level.WARN,
    }  # fmt: skip
    assert "1000 of 1100" in next(one.en for one in findings if one.name == "broker.memory")


async def test_a_wrong_password_and_no_broker_are_bad_and_the_password_is_not_repeated(
    tmp_path: Path,
) -> None:
    async with mosquitto(tmp_path, "allow_anonymous false") as port:
        [wrong] = await doctor.outside(f"mqtt://yijian:wr0ng-word@127.0.0.1:{port}")
    [gone] = await doctor.outside(f"mqtt://yijian:wr0ng-word@127.0.0.1:{free_port()}")
    for finding in (wrong, gone):
        assert (finding.name, finding.level) == ("broker", Level.BAD)
        assert "wr0ng-word" not in finding.en + finding.zh


async def test_the_installed_mosquitto_is_known(monkeypatch) -> None:
    assert (await doctor.embedded()).level is Level.OK
    monkeypatch.setattr(doctor.shutil, "which", lambda *_args, **_more: None)
    assert (await doctor.embedded()).level is Level.BAD
