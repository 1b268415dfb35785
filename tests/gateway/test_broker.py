"""The embedded broker: ours as long as we live, gone when we are, and honest about who is in its place."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from ears import ROOT, running, until

from gateway import processes
from gateway.broker import BrokerLogin, EmbeddedBroker, is_loopback, password_hash

CHILD = """
import asyncio, shutil, structlog, sys
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
if sys.argv[3] == "without setpriv":
    which = shutil.which
    shutil.which = lambda name, **options: None if name == "setpriv" else which(name, **options)
from pathlib import Path
from gateway.broker import EmbeddedBroker
async def main():
    broker = EmbeddedBroker(Path(sys.argv[1]), port=int(sys.argv[2]))
    task = asyncio.create_task(broker.run())
    while not broker.up:
        await asyncio.sleep(0.01)
    print(broker.pid, flush=True)
    await task
asyncio.run(main())
"""


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_up_and_private(tmp_path: Path, port: int) -> None:
    broker = EmbeddedBroker(tmp_path / "broker", port=port)
    async with running(broker.run()):
        await until(lambda: broker.up)
        assert stat.S_IMODE((tmp_path / "broker").stat().st_mode) == 0o700
        files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "broker").iterdir()}
        assert {"mosquitto.conf", "passwords", "rights", "pid"} <= set(files)
        assert set(files.values()) == {0o600}
        config = (tmp_path / "broker" / "mosquitto.conf").read_text()
        for setting in (
            "persistence true", "autosave_interval 1", "max_queued_messages 0", "max_inflight_messages 2000",
            "queue_qos0_messages true", "persistent_client_expiration 1d", "set_tcp_nodelay true",
            "allow_anonymous false",
        ):  # fmt: skip
            assert setting in config.splitlines()
        assert broker.address.password not in (tmp_path / "broker" / "passwords").read_text()
        pid = broker.pid
    assert not listens(port)
    assert not processes.runs(pid, str(tmp_path / "broker" / "mosquitto.conf"))


async def test_restarted_when_it_dies(tmp_path: Path, port: int) -> None:
    broker = EmbeddedBroker(tmp_path, port=port)
    async with running(broker.run()):
        for _ in range(2):
            await until(lambda: broker.up)
            pid = broker.pid
            os.kill(pid, signal.SIGKILL)
            await until(lambda pid=pid: broker.up and broker.pid != pid)


def a_user(folder: Path) -> list[str]:
    """The words that make a command run as somebody else than root, who may use the folder."""
    nobody = pwd.getpwnam("nobody").pw_uid
    os.chown(folder, nobody, nobody)
    folder.chmod(0o755)
    for parent in folder.parents:
        if not parent.stat().st_mode & stat.S_IXOTH:
            pytest.skip(f"another user cannot enter {parent}")
    return ["setpriv", f"--reuid={nobody}", f"--regid={nobody}", "--clear-groups"]


@pytest.mark.parametrize("who", ["ourselves", "without setpriv", "another user"])
async def test_gone_when_we_are_killed(who: str, port: int) -> None:
    folder = Path(f"/tmp/yijian-broker-test-{os.getpid()}-{port}")
    folder.mkdir()
    try:
        before: list[str] = []
        if who == "another user":
            if os.geteuid() != 0 or shutil.which("setpriv") is None:
                pytest.skip("only root can become another user")
            before = a_user(folder)
            # Whose checkout lies in a folder that is closed to others, cannot try it as one of them.
            tried = [*before, sys.executable, "-B", "-c", "import structlog, aiomqtt"]
            if subprocess.run(tried, check=False, cwd=ROOT, stderr=subprocess.DEVNULL).returncode:
                pytest.skip("another user cannot run what is in this checkout")
        child = await asyncio.create_subprocess_exec(
            *before, sys.executable, "-B", "-c", CHILD, str(folder / "broker"), str(port), who,
            stdout=asyncio.subprocess.PIPE, cwd=ROOT,
        )  # fmt: skip
        async with asyncio.timeout(20):
            pid = int(await child.stdout.readline())
        assert listens(port)
        status = Path(f"/proc/{pid}/status").read_text()
        wanted = pwd.getpwnam("nobody").pw_uid if who == "another user" else os.geteuid()
        assert f"Uid:\t{wanted}\t" in status
        child.send_signal(signal.SIGKILL)
        await child.wait()
        await until(lambda: not listens(port), 5)
        await until(lambda: not processes.runs(pid, str(folder / "broker" / "mosquitto.conf")), 5)
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("known", [True, False], ids=["by its number", "by the port"])
async def test_an_orphan_of_ours_is_ended(tmp_path: Path, port: int, known: bool) -> None:
    broker = EmbeddedBroker(tmp_path, port=port)
    async with running(broker.run()):
        await until(lambda: broker.up)
    orphan = subprocess.Popen(
        ["mosquitto", "-c", str(tmp_path / "mosquitto.conf")], stderr=subprocess.DEVNULL
    )
    try:
        (tmp_path / "pid").write_text(f"{orphan.pid if known else 0}\n")
        await until(lambda: listens(port))
        async with running(broker.run()):
            await until(lambda: broker.up)
            assert broker.pid != orphan.pid
            assert orphan.poll() is not None
    finally:
        if orphan.poll() is None:
            orphan.kill()


async def test_a_stranger_on_the_port_is_named_and_waited_for(tmp_path: Path, port: int) -> None:
    stranger = subprocess.Popen(["mosquitto", "-p", str(port)], stderr=subprocess.DEVNULL)
    (tmp_path / "pid").write_text(f"{stranger.pid}\n")  # a recycled number must not get it killed
    try:
        await until(lambda: listens(port))
        broker = EmbeddedBroker(tmp_path, port=port)
        async with running(broker.run()):
            await until(lambda: broker.problem)
            assert f"port {port} is held by mosquitto (pid {stranger.pid})" in broker.problem
            assert "systemctl disable --now mosquitto" in broker.problem
            assert "YIJIAN_MQTT_LISTEN" in broker.problem
            assert not broker.up
            assert stranger.poll() is None
            stranger.terminate()
            stranger.wait()
            await until(lambda: broker.up)
            assert broker.problem == ""
    finally:
        if stranger.poll() is None:
            stranger.kill()


async def test_another_stranger(tmp_path: Path, port: int) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", port))
        held.listen()
        broker = EmbeddedBroker(tmp_path, port=port)
        async with running(broker.run()):
            await until(lambda: broker.problem)
            assert f"(pid {os.getpid()})" in broker.problem
            assert "systemctl" not in broker.problem


async def test_not_installed(tmp_path: Path, port: int) -> None:
    broker = EmbeddedBroker(tmp_path, port=port, program="no-such-mosquitto")
    async with running(broker.run()):
        await until(lambda: broker.problem)
        assert "apt-get install mosquitto" in broker.problem


async def test_anonymous_only_on_loopback(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="loopback"):
        EmbeddedBroker(tmp_path, host="0.0.0.0", anonymous=True)
    EmbeddedBroker(tmp_path, host="127.0.0.1", anonymous=True)
    assert [is_loopback(host) for host in ("127.0.0.2", "::1", "[::1]", "localhost", "10.0.0.1", "example.org")] == [
        True, True, True, True, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["", "a b", "a\ntopic readwrite #", "yijian-gateway", "x" * 65])
async def test_logins_cannot_forge_rights(tmp_path: Path, name: str) -> None:
    broker = EmbeddedBroker(tmp_path)
    with pytest.raises(ValueError, match="login"):
        broker.set_logins([BrokerLogin(name, password_hash("x"))])


def test_hashes_are_what_mosquitto_writes(tmp_path: Path) -> None:
    import base64

    file = tmp_path / "passwords"
    subprocess.run(
        ["mosquitto_passwd", "-b", "-c", str(file), "u", "secret"], check=True, capture_output=True
    )
    theirs = file.read_text().strip().removeprefix("u:")
    _, kind, rounds, salt, _ = theirs.split("$")
    assert (kind, rounds) == ("7", "101")
    assert password_hash("secret", base64.b64decode(salt)) == theirs
