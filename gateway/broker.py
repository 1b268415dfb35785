"""The embedded broker: Mosquitto as our child, set up so that it loses nothing we could keep, and gone when we are.

    <data>/broker/            0700
        mosquitto.conf        written anew at each start
        passwords             our gateway's own random login, and the devices'; hashes only
        rights                who may say and hear what
        mosquitto.db          what the broker keeps over a restart
        pid                   of the child, so that an orphan of ours is known again

Mosquitto acknowledges before it writes: with `autosave_interval 1` it can lose the last second when it is killed. So
its PUBACK promises nothing to a device, only our receipt does. It is restarted when it dies, an orphan of ours that
still holds the port is ended first, and a stranger on the port is named. All of that goes on beside everything else:
the rest of the house serves while the broker comes up.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import ipaddress
import os
import re
import secrets
import shutil
import signal
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from gateway import metrics, processes
from gateway.transports.mqtt import BrokerAddress

log = structlog.get_logger()

_GATEWAY_LOGIN = "yijian-gateway"
_MESSAGE_BYTES_MAX = 256 * 1024  # the dialect takes 64 KiB, other families a little more
_AGAIN_SECONDS_MIN = 0.1
_AGAIN_SECONDS_MAX = 5.0
_STEADY_SECONDS = 10.0  # alive for that long, and the next death is a new one
_END_WITHIN_SECONDS = 4.0
_PBKDF2_ROUNDS = 101  # what mosquitto_passwd 2.0 writes; a login is checked at each of 20,000 reconnects
_LOGIN = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)

# Asks the kernel to end this process with its parent, and becomes mosquitto. Had the parent died in between, it would
# have another one by now. Told by SIGTERM, mosquitto still writes its memory down.
_TRAMPOLINE = """
import ctypes, os, signal, sys
ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGTERM, 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


def _ending_with_us() -> list[str]:
    """The words before a command that make it end when we do, SIGKILL included."""
    setpriv = shutil.which(
        "setpriv"
    )  # part of util-linux, so of every Debian; other systems have their Python
    if setpriv is not None:
        return [setpriv, "--pdeathsig", "TERM", "--"]
    return [sys.executable, "-I", "-S", "-c", _TRAMPOLINE, str(os.getpid())]


@dataclass(frozen=True, slots=True)
class BrokerLogin:
    """A device's or hub's login: it may speak for these devices and hear what is told to them, nothing else."""

    name: str
    hash: str = field(repr=False)
    devices: tuple[str, ...] = ()


def password_hash(password: str, salt: bytes | None = None) -> str:
    """A password as Mosquitto 2 keeps it: PBKDF2 with SHA-512."""
    salt = secrets.token_bytes(12) if salt is None else salt
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _PBKDF2_ROUNDS)
    parts = (base64.b64encode(part).decode() for part in (salt, digest))
    return f"$7${_PBKDF2_ROUNDS}${'$'.join(parts)}"


class EmbeddedBroker:
    """Mosquitto, as long as `run` runs. `anonymous` lets anybody in, and is refused on anything but loopback."""

    def __init__(
        self,
        folder: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 1883,
        anonymous: bool = False,
        program: str = "mosquitto",
    ) -> None:
        if anonymous and not is_loopback(host):
            raise ValueError("anonymous MQTT is only for loopback: anybody could press for anybody")
        self._folder = folder.absolute()
        self._host = host
        self._port = port
        self._anonymous = anonymous
        self._program = program
        self._password = secrets.token_urlsafe(24)
        self._logins: Mapping[str, BrokerLogin] = {}
        self._child: asyncio.subprocess.Process | None = None
        self._loop = asyncio.get_running_loop()
        self.beat = self._loop.time()
        self.up = False
        #: Why it is not up, in one line for whoever has to do something about it; empty while all is well.
        self.problem = ""

    @property
    def address(self) -> BrokerAddress:
        """Where our gateway finds it, with its own login."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self._host, self._host)  # noqa: S104
        return BrokerAddress(host, self._port, _GATEWAY_LOGIN, self._password)

    @property
    def installed(self) -> bool:
        """Whether there is a Mosquitto to run at all."""
        return self._found() is not None

    def _found(self) -> str | None:
        return shutil.which(self._program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")

    @property
    def pid(self) -> int | None:
        """The child's process id, while there is one."""
        return None if self._child is None else self._child.pid

    def set_logins(self, logins: Iterable[BrokerLogin]) -> None:
        """The logins of devices and hubs, all of them; takes effect at once."""
        wanted = {login.name: login for login in logins}
        for name, login in wanted.items():
            names = (name, *login.devices)
            if name == _GATEWAY_LOGIN or not all(_LOGIN.fullmatch(each) for each in names):
                raise ValueError(f"{name[:64]!r} cannot be a login of the broker")
        self._logins = wanted
        if self._child is not None:
            self._write_rights()
            with contextlib.suppress(ProcessLookupError):
                self._child.send_signal(signal.SIGHUP)

    async def run(self) -> None:
        """Keep a broker running until cancelled."""
        again_seconds = _AGAIN_SECONDS_MIN
        try:
            while True:
                began = self._loop.time()
                problem = await self._once()
                self.up = False
                if problem:
                    self._say(problem)
                if self._loop.time() - began > _STEADY_SECONDS:
                    again_seconds = _AGAIN_SECONDS_MIN
                await self._pause(again_seconds)
                again_seconds = min(again_seconds * 2, _AGAIN_SECONDS_MAX)
        finally:
            self.up = False

    async def _once(self) -> str:
        """Start one broker and stay with it to its end. Says why there was none, or why it ended."""
        program = self._found()
        if program is None:
            return "mosquitto is not installed: apt-get install mosquitto, or name a broker in YIJIAN_MQTT"
        try:
            self._write_files()
            if orphan := _own_process(self._folder / "pid", self._config):
                await self._end_orphan(orphan)
            if holder := await asyncio.to_thread(processes.holder_of_port, self._host, self._port):
                if holder.pid is None or not processes.runs(holder.pid, str(self._config)):
                    return _held(self._port, holder)
                await self._end_orphan(holder.pid)  # of ours, and killed before its number was written down
            child = await self._start(program)
        except OSError as error:
            return f"the broker cannot be started: {error}"
        self._child = child
        errors: list[str] = []
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read_log(child, errors), name="broker log")
                watch = group.create_task(self._watch(child), name="broker watch")
                code = await child.wait()
                watch.cancel()
        finally:
            await self._end(child)
            self._child = None
        if last := next(iter(errors[-1:]), ""):
            return f"the broker ended with {code}: {last}"
        return f"the broker ended with {code}"

    async def _start(self, program: str) -> asyncio.subprocess.Process:
        child = await asyncio.create_subprocess_exec(
            *_ending_with_us(),
            *(program, "-c", str(self._config)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            cwd=self._folder,
            # A Ctrl-C on the terminal is for us; we end the broker once everything has been said to it.
            start_new_session=True,
        )
        _write(self._folder / "pid", f"{child.pid}\n")
        metrics.BROKER_STARTS.inc()
        return child

    async def _watch(self, child: asyncio.subprocess.Process) -> None:
        """It is up once it listens."""
        while True:
            self.beat = self._loop.time()
            if not self.up and await self._listens():
                self.up = True
                self.problem = ""
                log.info("broker is up", port=self._port, pid=child.pid)
            await asyncio.sleep(1.0 if self.up else 0.02)

    async def _listens(self) -> bool:
        address = self.address
        try:
            async with asyncio.timeout(1.0):
                _, writer = await asyncio.open_connection(address.host, address.port)
        except OSError:
            return False
        writer.close()
        return True

    async def _read_log(self, child: asyncio.subprocess.Process, errors: list[str]) -> None:
        if child.stderr is None:
            return
        while True:
            try:
                line = await child.stderr.readline()
            except ValueError:
                continue  # a line longer than any buffer
            if not line:
                return
            said = line.decode(errors="replace").strip()
            if "Error" in said:
                errors[:] = [*errors[-3:], said]
                log.warning("broker says", said=said[:200])

    async def _end(self, child: asyncio.subprocess.Process) -> None:
        """End a child that still runs: by SIGTERM, so that it writes its memory down."""
        if child.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
        try:
            async with asyncio.timeout(_END_WITHIN_SECONDS):
                await child.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()

    async def _end_orphan(self, orphan: int) -> None:
        """End a broker of ours whose parent is gone: after SIGKILL it needs a moment to write its memory down."""
        log.info("ending a broker that an earlier process of ours left", pid=orphan)
        for sign in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.kill(orphan, sign)
            deadline = self._loop.time() + _END_WITHIN_SECONDS
            while self._loop.time() < deadline:
                if not processes.runs(orphan, str(self._config)):
                    return
                self.beat = self._loop.time()
                await asyncio.sleep(0.05)

    async def _pause(self, seconds: float) -> None:
        end = self._loop.time() + seconds
        while (left := end - self._loop.time()) > 0:
            self.beat = self._loop.time()
            await asyncio.sleep(min(left, 1.0))

    def _say(self, problem: str) -> None:
        if problem != self.problem:
            self.problem = problem
            log.error("no broker of our own", reason=problem)

    # -- files ------------------------------------------------------------------------------------------------------

    @property
    def _config(self) -> Path:
        return self._folder / "mosquitto.conf"

    def _write_files(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        if any(letter in str(self._folder) for letter in "\n\r"):
            raise OSError("the data folder's path has a line break in it")
        lines = [
            "# Written by yijian at every start of the broker: changes are lost.",
            f"listener {self._port} {self._host}",
            f"allow_anonymous {'true' if self._anonymous else 'false'}",
            f"password_file {self._folder / 'passwords'}",
            f"acl_file {self._folder / 'rights'}",
            # Started by root it would change to a user of its own, and the kernel forgets the parent-death signal of
            # a process that changes its user: it would outlive us.
            *(["user root"] if os.geteuid() == 0 else []),
            "persistence true",
            f"persistence_location {self._folder}/",
            # With the default of 1800 it lost 2,000 of 2,000 acknowledged messages when killed.
            "autosave_interval 1",
            # With the default of 1000 it acknowledged 5,000 and kept 1,000.
            "max_queued_messages 0",
            "queue_qos0_messages true",
            # The default of 20 would cap a commit of ours at 20 signals, and at 1,000 a flood would wait here, where nobody
            # sheds its heartbeats. With very many it looks through all of them for each that we acknowledge.
            "max_inflight_messages 2000",
            "persistent_client_expiration 1d",
            f"message_size_limit {_MESSAGE_BYTES_MAX}",
            "set_tcp_nodelay true",
            "log_dest stderr",
            "log_type error",
            "log_type warning",
            "connection_messages false",
        ]
        _write(self._config, "\n".join(lines) + "\n")
        self._write_rights()

    def _write_rights(self) -> None:
        hashes = {_GATEWAY_LOGIN: password_hash(self._password)}
        hashes |= {login.name: login.hash for login in self._logins.values()}
        _write(self._folder / "passwords", "".join(f"{name}:{hash_}\n" for name, hash_ in hashes.items()))
        # What stands before the first user is for those without a login; they come in only where that is allowed.
        rights = ["topic readwrite #"] if self._anonymous else []
        rights += [f"user {_GATEWAY_LOGIN}", "topic readwrite #"]
        for login in self._logins.values():
            rights.append(f"user {login.name}")
            for device in login.devices:
                rights += [
                    f"topic write yijian/v1/{device}/up",
                    f"topic write yijian/v1/{device}/status",
                    f"topic read yijian/v1/{device}/down",
                ]
        _write(self._folder / "rights", "\n".join(rights) + "\n")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach that address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _held(port: int, holder: processes.Holder) -> str:
    who = "another program" if holder.pid is None else f"{holder.program} (pid {holder.pid})"
    advice = "set YIJIAN_MQTT_LISTEN to another port"
    if holder.program == "mosquitto" or holder.pid is None:
        advice = f"perhaps the system's own service: systemctl disable --now mosquitto, or {advice}"
    return f"port {port} is held by {who}, {advice}"


def _own_process(pid_file: Path, config: Path) -> int | None:
    """The process of the pid file, if it still runs with our configuration."""
    try:
        pid = int(pid_file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return pid if processes.runs(pid, str(config)) else None


def _write(path: Path, text: str) -> None:
    """Write a file that nobody else may read, all of it or nothing."""
    fresh = path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(text)
    fresh.replace(path)
