"""A PostgreSQL server of the tests' own: a cluster in a folder of its own, on a free port of this machine and a socket.

    with server() as postgres:
        url = postgres.make("town")            # postgresql://…, an empty database
        postgres.kill(); postgres.start()      # a power cut, and back

Never the system's own cluster. The server refuses root, so there it runs as the user `postgres`.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

#: A password with every letter that a URL must hide.
PASSWORD = "p@ss:w/rd?#%20"
USER = "yijian"
MISSING = "no PostgreSQL server here: apt-get install postgresql"


def binaries() -> Path | None:
    """Where the newest server's programs are; None: nowhere."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]), reverse=True
    )
    if found:
        return found[0].parent
    on_path = shutil.which("postgres")
    return Path(on_path).resolve().parent if on_path else None


class PostgresServer:
    """One server. `start` and `stop` as often as wanted; what was committed stays."""

    def __init__(self, folder: Path, programs: Path, settings: Mapping[str, str]) -> None:
        self.folder = folder
        self._settings = settings
        self.port = _free_port()
        self._programs = programs
        self._process: subprocess.Popen[bytes] | None = None
        # Killed, it syncs each of its thousand files before it reads its log: three seconds of nothing to be seen.
        version = programs.parent.name
        known = version.isdecimal() and int(version) >= 14
        self._quick = {"recovery_init_sync_method": "syncfs"} if known else {}
        self._as = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
        if self._as:
            account = pwd.getpwnam("postgres")
            os.chown(folder, account.pw_uid, account.pw_gid)
        self.data = folder / "data"
        # To make one takes three seconds of processor, to copy one no time: the first is kept with the environment.
        kept = Path(sys.prefix) / f"postgresql-{version}"
        if kept.is_dir():
            shutil.copytree(kept, self.data)
            self._own()
            return
        secret = folder / "secret"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self._run(
            "initdb", "-D", self.data, "-U", USER, "--pwfile", secret, "-A", "scram-sha-256",
            "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync",
        )  # fmt: skip
        with contextlib.suppress(OSError), tempfile.TemporaryDirectory(dir=sys.prefix) as fresh:
            shutil.copytree(self.data, Path(fresh) / "data")
            (Path(fresh) / "data").rename(kept)  # fails where another run was first

    def _own(self) -> None:
        """What was copied is the server's user's, and nobody else's to look into."""
        self.data.chmod(0o700)
        if not self._as:
            return
        account = pwd.getpwnam("postgres")
        for path in (self.data, *self.data.rglob("*")):
            os.chown(path, account.pw_uid, account.pw_gid)

    def url(self, name: str, *, user: str = USER, password: str = PASSWORD, more: str = "") -> str:
        """The URL of a database."""
        return f"postgresql://{quote(user)}:{quote(password, safe='')}@127.0.0.1:{self.port}/{name}{more}"

    def start(self) -> None:
        """Start, and wait until it takes connections."""
        assert self._process is None
        log = (self.folder / "log").open("ab")
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.folder),
            "shared_buffers": "32MB",
            "restart_after_crash": "on",
            **self._quick,
            # The worst an installation may have by default: Yijian must not believe it.
            "synchronous_commit": "off",
            "default_transaction_isolation": "serializable",
            **self._settings,
        }
        more = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._process = subprocess.Popen(
            [self._programs / "postgres", "-D", self.data, "-p", str(self.port), *more],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            **self._as,
        )
        log.close()
        self.wait()

    def wait(self) -> None:
        """Wait until it takes connections."""
        deadline = time.monotonic() + 30
        while not self._answers():
            assert self._process is not None
            assert self._process.poll() is None, (self.folder / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, "PostgreSQL does not answer"
            time.sleep(0.05)

    def stop(self) -> None:
        """An orderly end: everybody is shown out."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """A power cut, as far as the server is concerned: all its processes at once."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)
        for child in _children(self._process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self._end(signal.SIGKILL)

    def kill_process(self, pid: int) -> None:
        """kill -9 of one of its processes: it ends all others, recovers, and goes on by itself."""
        assert self._process is not None
        assert pid in _children(self._process.pid)
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)  # until it has noticed

    @property
    def ended(self) -> bool:
        """Whether it ended by itself."""
        return self._process is not None and self._process.poll() is not None

    @property
    def running(self) -> bool:
        """Whether it has been started."""
        return self._process is not None

    def make(self, name: str, *options: str) -> str:
        """A new, empty database; its URL."""
        self.sql(" ".join((f'CREATE DATABASE "{name}"', *options)))
        return self.url(name)

    def drop(self, name: str) -> None:
        """Away with it, whoever is still connected."""
        self.sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def sql(self, statement: str, name: str = "postgres") -> str:
        """Run SQL; what it says, without headings."""
        return self._run(
            "psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", USER, "-d", name,
            "-v", "ON_ERROR_STOP=1", "-q", "-A", "-t", "-X", "-c", statement,
        ).strip()  # fmt: skip

    def _answers(self) -> bool:
        asked = subprocess.run(
            [self._programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)],
            cwd="/",
            check=False,
        )
        return asked.returncode == 0

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _run(self, program: str, *arguments: object) -> str:
        done = subprocess.run(
            [self._programs / program, *map(str, arguments)],
            cwd=self.folder,
            env={**os.environ, "PGPASSWORD": PASSWORD, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            **self._as,
        )
        assert done.returncode == 0, f"{program}: {done.stderr}"
        return done.stdout


@contextlib.contextmanager
def server(
    settings: Mapping[str, str] | None = None, *, folder: Path | None = None
) -> Iterator[PostgresServer]:
    """A server, started, and gone without a trace at the end. `folder`: where, else somewhere of its own."""
    programs = binaries()
    assert programs is not None, MISSING
    if folder is None:
        folder = Path(tempfile.mkdtemp(prefix="yijian-pg-"))
    else:
        folder.mkdir()
    try:
        made = PostgresServer(folder, programs, settings or {})
        made.start()
        try:
            yield made
        finally:
            made.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_stack = contextlib.ExitStack()
_shared: list[PostgresServer] = []


def shared() -> PostgresServer:
    """The one server of this test run, started when it is first wanted."""
    if not _shared:
        atexit.register(end_shared)
        _shared.append(_stack.enter_context(server()))
    return _shared[0]


def end_shared() -> None:
    """It goes with the tests, however they went."""
    _shared.clear()
    _stack.close()


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
