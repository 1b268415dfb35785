"""What the stories stand on: the system as a real process, and the people and things that talk to it.

    server = Server(folder, district={...})       `yijian run` on free ports, with a data folder of its own
    server.start() ... server.kill() ... server.start() ... server.stop()

    async with Desk(server) as desk:              an operator with a token at the HTTP interface
        events = await desk.events()              the stream of facts, as a console reads it
        button = await Button.on(server, "b1")    a wearer's button: repeats until receipted
        receipt = await button.press()

Everything here knows the public contract and nothing else of the project. Every wait has a limit, and says what it
was waiting for when the limit passes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import random
import re
import resource
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
import tty
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp
from patience import PATIENCE

from outside.mqtt import Mqtt

ADMIN_TOKEN = "outside-admin-token-7d1f0c55"
BASE = "/api/v1"


def command() -> list[str]:
    """How the system is called: the installed command, or what OUTSIDE_COMMAND names."""
    named = os.environ.get("OUTSIDE_COMMAND")
    return named.split() if named else [str(Path(sys.executable).parent / "yijian")]


#: Some environments keep Python from writing bytecode. Then each of our many starts would compile everything anew, which
#: takes longer than the start itself; so it is kept in the environment, for all test runs that it lives: to compile
#: everything takes five seconds, and a whole run has a dozen processes that would.
_BYTECODE = Path(sys.prefix) / "bytecode"


def _outer_environment() -> dict[str, str]:
    """The environment around us, without settings of the system."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("YIJIAN_")}
    if kept.pop("PYTHONDONTWRITEBYTECODE", None):
        kept["PYTHONPYCACHEPREFIX"] = str(_BYTECODE)
    return kept


_handed_out: set[int] = set()
_CHANCE = random.SystemRandom()


def free_port() -> int:
    """A TCP port of loopback that nobody holds, and that was not handed out before.

    Below those that the system hands out by itself: else, while a server is dead, somebody's connection may have its port.
    """
    while True:
        port = _CHANCE.randrange(10_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _handed_out:
                _handed_out.add(port)
                return port


async def eventually(
    condition: Callable[[], Any], awaited: str, within: float = 5.0, every: float = 0.02
) -> Any:
    """What `condition` (plain or async) gives once it is true, asked again and again; for what no event tells."""
    deadline = time.monotonic() + within * PATIENCE
    while True:
        got = condition()
        if asyncio.iscoroutine(got):
            got = await got
        if got:
            return got
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {within} s in vain: {awaited}")
        await asyncio.sleep(every)


# --- the process ---------------------------------------------------------------------------------------------------


class Server:
    """`yijian run` as a child process; the same folder and ports over all its lives."""

    def __init__(
        self,
        folder: Path,
        *,
        district: Mapping[str, Any] | None = None,
        lines: Sequence[Mapping[str, Any]] = (),
        env: Mapping[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.data = folder / "data"
        self.http_port = free_port()
        self.mqtt_port = free_port()
        self.url = f"http://127.0.0.1:{self.http_port}"
        self.lines: list[str] = []
        """Everything it wrote, standard output and errors, over all its lives."""
        self._news = threading.Condition()
        self._first_line = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._config = folder / "yijian.toml"
        self._config.write_text("".join(_line_table(line) for line in lines), encoding="utf-8")
        self.env = {
            "YIJIAN_DATA": str(self.data),
            "YIJIAN_HTTP": f"127.0.0.1:{self.http_port}",
            "YIJIAN_MQTT_LISTEN": f"127.0.0.1:{self.mqtt_port}",
            "YIJIAN_MQTT_ANONYMOUS": "true",
            "YIJIAN_ADMIN_TOKEN": ADMIN_TOKEN,
            # Its own stories have it (test_canary.py): here every press and every row is the story's.
            "YIJIAN_CANARY_SECONDS": "0",
            # How full the machine that tests us is, is not what is tested.
            "YIJIAN_MEMORY_MB": "0",
            **(env or {}),
        }
        if district is not None:
            file = folder / "district.json"
            file.write_text(json.dumps(district, ensure_ascii=False), encoding="utf-8")
            self.env["YIJIAN_DISTRICT"] = str(file)

    def settings(self, toml: str) -> None:
        """Add to its settings file, from the next start on."""
        self._config.write_text(self._config.read_text(encoding="utf-8") + toml, encoding="utf-8")

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the process, and of commands on the same installation."""
        return {**_outer_environment(), "PYTHONUNBUFFERED": "1", **self.env}

    @property
    def pid(self) -> int:
        """The process id of the present life."""
        assert self.process is not None, "the server was never started"
        return self.process.pid

    @property
    def log(self) -> str:
        """All it wrote so far."""
        return "\n".join(self.lines)

    def start(self, within: float = 20.0) -> float:
        """Start it and wait for its `ready http://…` line; the seconds that took."""
        began = time.monotonic()
        self.launch()
        self.wait_ready(within)
        return time.monotonic() - began

    def launch(self) -> None:
        """Start it, and wait for nothing."""
        self._first_line = len(self.lines)
        config = ["--config", str(self._config)] if self._config.stat().st_size else []
        self.process = subprocess.Popen(
            [*command(), "run", *config],
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()

    def wait_ready(self, within: float = 20.0) -> None:
        """Wait for the `ready` line of the present life."""
        self.wait_log(r"^ready http://", within, since=self._first_line)

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with (self.folder / "server.log").open("ab", buffering=0) as kept:  # for whoever looks afterwards
            for raw in process.stdout:
                kept.write(raw)
                with self._news:
                    self.lines.append(raw.decode("utf-8", "replace").rstrip("\n"))
                    self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def wait_log(self, pattern: str, within: float = 10.0, since: int = 0) -> str:
        """The first line from number `since` on that has the pattern."""
        deadline = time.monotonic() + within * PATIENCE
        at = since
        with self._news:
            while True:
                while at < len(self.lines):
                    if re.search(pattern, self.lines[at]):
                        return self.lines[at]
                    at += 1
                if self.process is not None and self.process.poll() is not None:
                    raise AssertionError(
                        f"the process ended with {self.process.returncode} before a line {pattern!r}:\n{self.tail()}"
                    )
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"no line {pattern!r} within {within} s:\n{self.tail()}")
                self._news.wait(min(left, 0.2))

    def tail(self, lines: int = 30) -> str:
        """The last lines it wrote."""
        return "\n".join(self.lines[-lines:])

    def kill(self) -> None:
        """SIGKILL, as the power going."""
        os.kill(self.pid, signal.SIGKILL)
        assert self.process is not None
        self.process.wait(10)

    def stop(self, within: float = 10.0) -> int:
        """SIGTERM; the exit code, which must come within the contract's 10 s."""
        assert self.process is not None
        self.process.terminate()
        try:
            return self.process.wait(within * PATIENCE)
        except subprocess.TimeoutExpired as stuck:
            raise AssertionError(f"still running {within} s after SIGTERM:\n{self.tail()}") from stuck

    def end(self) -> None:
        """Whatever state it is in: gone, with everything it started."""
        if self.process is None:
            return
        brokers = self.brokers()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        for broker in brokers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(broker, signal.SIGKILL)

    def brokers(self) -> list[int]:
        """The process ids of the Mosquitto that holds this installation's MQTT port."""
        return [pid for pid in _listeners(self.mqtt_port) if "mosquitto" in _program(pid)]

    def limit_file_size(self, size: int | None) -> None:
        """From now on no file of it may be written beyond `size` bytes: what a full disk does. None lifts it."""
        limit = resource.RLIM_INFINITY if size is None else size
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    def cli(self, *args: str, stdin: str | bytes | None = None, within: float = 30.0, **env: str) -> Ran:
        """A command of this installation."""
        return yijian(*args, stdin=stdin, within=within, env={**self.environment, **env}, cwd=self.folder)


def _line_table(line: Mapping[str, Any]) -> str:
    return "[[gateway.lines]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in line.items())


def _program(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode("utf-8", "replace")
    except OSError:
        return ""


def _listeners(port: int) -> list[int]:
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for row in Path(table).read_text().splitlines()[1:]:
                columns = row.split()
                if columns[3] == "0A" and int(columns[1].rsplit(":", 1)[1], 16) == port:
                    inodes.add(f"socket:[{columns[9]}]")
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if any(str(handle.readlink()) in inodes for handle in (process / "fd").iterdir()):
                found.append(int(process.name))
    return found


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """Both outputs."""
        return self.out + self.err

    def json_lines(self) -> list[dict[str, Any]]:
        """Standard output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines() if line.strip()]


def yijian(
    *args: str,
    stdin: str | bytes | None = None,
    within: float = 30.0,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Ran:
    """Run one command to its end."""
    environment = dict(env) if env is not None else _outer_environment()
    try:
        done = subprocess.run(
            [*command(), *args],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            env=environment,
            cwd=cwd,
            capture_output=True,
            timeout=within * PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired as stuck:
        said = (stuck.stdout or b"") + (stuck.stderr or b"")
        raise AssertionError(
            f"`yijian {' '.join(args)}` still runs after {within} s: {said[-2000:]!r}"
        ) from stuck
    return Ran(
        done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    )


# --- the operator ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reply:
    """An answer of the HTTP interface."""

    status: int
    body: Any
    headers: Mapping[str, str]

    def ok(self, *statuses: int) -> Any:
        """The body, where the status is one of these (200 without any named)."""
        wanted = statuses or (200,)
        assert self.status in wanted, f"answered {self.status} where {wanted} was due: {self.body!r}"
        return self.body


class Desk:
    """Somebody with a token at the HTTP interface: an operator, a station, a script."""

    def __init__(self, server: Server, token: str | None = ADMIN_TOKEN) -> None:
        self._server = server
        self._token = token
        self._session: aiohttp.ClientSession | None = None
        self._streams: list[Events] = []

    async def __aenter__(self) -> Self:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
        self._session = aiohttp.ClientSession(headers=headers, timeout=timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        for stream in self._streams:
            await stream.close()
        assert self._session is not None
        await self._session.close()

    async def ask(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        within: float = 10.0,
        **params: Any,
    ) -> Reply:
        """One request; the path is below /api/v1 unless it names the host's own pages with a leading `//`."""
        assert self._session is not None
        url = self._server.url + (path[1:] if path.startswith("//") else BASE + path)
        query = {key: _word(value) for key, value in params.items() if value is not None}
        async with asyncio.timeout(within * PATIENCE):
            async with self._session.request(
                method, url, json=json, data=data, params=query, headers=headers, allow_redirects=False
            ) as answer:
                raw = await answer.read()
                kind = answer.headers.get("Content-Type", "")
                body = _json(raw) if "json" in kind else raw.decode("utf-8", "replace")
                return Reply(answer.status, body, {k.lower(): v for k, v in answer.headers.items()})

    async def get(self, path: str, **params: Any) -> Any:
        """The body of a GET that must succeed."""
        return (await self.ask("GET", path, **params)).ok()

    async def post(self, path: str, body: Any = None, **headers: str) -> Reply:
        """A POST with a JSON body; keyword arguments are headers, with `_` for `-`."""
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        return await self.ask("POST", path, json={} if body is None else body, headers=named)

    async def put(self, path: str, body: Any) -> Reply:
        """A PUT with a JSON body."""
        return await self.ask("PUT", path, json=body)

    async def delete(self, path: str) -> Reply:
        """A DELETE."""
        return await self.ask("DELETE", path)

    async def call(self, call: str) -> dict[str, Any]:
        """A call as it stands."""
        got: dict[str, Any] = await self.get(f"/calls/{call}")
        return got

    async def journal(self, call: str) -> list[dict[str, Any]]:
        """The facts of a call, oldest first."""
        return [item async for item in self.pages(f"/calls/{call}/journal")]

    async def step(self, call: str, verb: str, **body: Any) -> Reply:
        """A step of a call: accept, decline, en-route, …"""
        return await self.post(f"/calls/{call}/{verb}", body)

    async def pages(self, path: str, limit: int = 500, **params: Any) -> AsyncIterator[dict[str, Any]]:
        """Every item of a list, page by page."""
        cursor = None
        while True:
            page = await self.get(path, limit=limit, cursor=cursor, **params)
            for item in page["items"]:
                yield item
            cursor = page["next"]
            if cursor is None:
                return

    async def all(self, path: str, **params: Any) -> list[dict[str, Any]]:
        """Every item of a list."""
        return [item async for item in self.pages(path, **params)]

    async def events(self, *, after: str | None = None, last_event_id: str | None = None) -> Events:
        """The stream of facts, from now or from a position."""
        assert self._session is not None
        stream = await Events.open(self._session, self._server.url, after=after, last_event_id=last_event_id)
        self._streams.append(stream)
        return stream


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode("utf-8", "replace")


@dataclass(frozen=True)
class Event:
    """One event of the stream, with its place among those this reader saw."""

    place: int
    id: str
    name: str
    data: dict[str, Any]

    @property
    def call(self) -> str | None:
        """The call it is about."""
        return self.data.get("call")

    @property
    def state(self) -> dict[str, Any]:
        """The call right after this fact."""
        state: dict[str, Any] = self.data["state"]
        return state


class Events:
    """A reader of `GET /events` that keeps what it read."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer
        self._news = asyncio.Event()
        self.seen: list[Event] = []
        self.comments = 0
        self.ended = False
        self._task = asyncio.create_task(self._read(), name="events")

    @classmethod
    async def open(
        cls,
        session: aiohttp.ClientSession,
        url: str,
        *,
        after: str | None = None,
        last_event_id: str | None = None,
    ) -> Events:
        headers = {"Accept": "text/event-stream"}
        if last_event_id is not None:
            headers["Last-Event-ID"] = last_event_id
        params = {} if after is None else {"after": after}
        async with asyncio.timeout(10 * PATIENCE):
            answer = await session.get(
                f"{url}{BASE}/events", params=params, headers=headers, read_bufsize=2**20
            )
        assert answer.status == 200, f"GET /events answered {answer.status}: {await answer.text()}"
        assert answer.headers["Content-Type"].startswith("text/event-stream"), answer.headers
        return cls(answer)

    async def _read(self) -> None:
        fields: dict[str, list[str]] = {}
        rest = b""
        try:
            async for chunk in self._answer.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for raw in lines:
                    line = raw.rstrip(b"\r").decode()
                    if not line:
                        if "data" in fields:  # a block without data (`retry:`, an id alone) is no event
                            self._keep(fields)
                        fields = {}
                    elif line.startswith(":"):
                        self.comments += 1
                    else:
                        name, _, value = line.partition(":")
                        fields.setdefault(name, []).append(value.removeprefix(" "))
                self._wake()
        except (aiohttp.ClientError, ConnectionError):
            pass
        finally:
            self.ended = True
            self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _keep(self, fields: Mapping[str, list[str]]) -> None:
        text = "\n".join(fields["data"])
        data = json.loads(text)
        name = fields.get("event", ["message"])[-1]
        self.seen.append(Event(len(self.seen), fields.get("id", [""])[-1], name, data))

    async def until(
        self, match: Callable[[Event], Any], awaited: str, within: float = 5.0, after: Event | None = None
    ) -> Event:
        """The first event that matches, among those read already (behind `after`) or to come."""
        at = 0 if after is None else after.place + 1
        deadline = time.monotonic() + within * PATIENCE
        while True:
            news = self._news
            for event in self.seen[at:]:
                if match(event):
                    return event
            at = len(self.seen)
            left = deadline - time.monotonic()
            if left <= 0 or self.ended:
                said = [f"{event.name} {event.call or ''}" for event in self.seen[-15:]]
                how = "the stream ended" if self.ended else f"not within {within} s"
                raise TimeoutError(f"{how}: {awaited}; last read: {said}")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await news.wait()

    async def fact(
        self,
        name: str,
        call: str | None = None,
        *,
        within: float = 5.0,
        after: Event | None = None,
        where: Callable[[Event], Any] = lambda _: True,
    ) -> Event:
        """The first such fact (of that call)."""
        of = f" of {call}" if call else ""
        return await self.until(
            lambda e: e.name == name and (call is None or e.call == call) and where(e),
            f"{name}{of}",
            within,
            after,
        )

    def facts(self, call: str, after: Event | None = None) -> list[str]:
        """The names of the facts of a call read so far (behind `after`)."""
        at = 0 if after is None else after.place + 1
        return [event.name for event in self.seen[at:] if event.call == call]

    async def none(
        self, match: Callable[[Event], Any], unwanted: str, during: float, after: Event | None = None
    ) -> None:
        """Nothing that matches happens for so long."""
        try:
            event = await self.until(match, unwanted, during / PATIENCE, after)
        except TimeoutError:
            assert not self.ended, "the stream ended while nothing was to happen"
            return
        raise AssertionError(f"{unwanted}, but there was: {event.name} {event.data}")

    async def close(self) -> None:
        """Hang up."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._answer.close()


# --- the wearer ------------------------------------------------------------------------------------------------------


class Button:
    """A wearer's button on MQTT: says a thing again until it has a receipt, and remembers all it was told."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.receipts: list[dict[str, Any]] = []
        self.progress: list[dict[str, Any]] = []
        self._news = asyncio.Event()
        self._count = 0
        self._boot = uuid.uuid4().hex[:6]
        self._mqtt: Mqtt | None = None

    @classmethod
    async def on(cls, server: Server, device: str) -> Button:
        """A button that is connected and listens to its own topic."""
        button = cls(device)
        await button.connect(server)
        return button

    async def connect(self, server: Server, within: float = 10.0) -> None:
        """Connect, again and again until the broker is there."""
        deadline = time.monotonic() + within * PATIENCE
        while True:
            try:
                self._mqtt = await Mqtt.connect(server.mqtt_port, f"{self.device}-{self._boot}", self._hear)
                await self._mqtt.subscribe(f"yijian/v1/{self.device}/down")
            except (OSError, TimeoutError) as trouble:
                if time.monotonic() > deadline:
                    raise TimeoutError(
                        f"{self.device} cannot connect within {within} s: {trouble}"
                    ) from trouble
                await asyncio.sleep(0.1)
            else:
                return

    def _hear(self, topic: str, payload: bytes, retain: bool) -> None:
        assert topic == f"yijian/v1/{self.device}/down", topic
        assert not retain, "what goes down to a device is never retained"
        told = json.loads(payload)
        {"receipt": self.receipts, "state": self.progress}[told["type"]].append(told)
        self._news.set()
        self._news = asyncio.Event()

    @property
    def mqtt(self) -> Mqtt:
        """The connection."""
        assert self._mqtt is not None, "the button is not connected"
        return self._mqtt

    def next_id(self) -> str:
        """A fresh id: boot and sequence."""
        self._count += 1
        return f"{self._boot}-{self._count}"

    def send(self, payload: Mapping[str, Any] | bytes, *, retain: bool = False) -> None:
        """Publish once, whatever it is."""
        raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.mqtt.publish(f"yijian/v1/{self.device}/up", raw, retain=retain)

    async def say(self, type: str = "press", *, within: float = 8.0, **more: Any) -> dict[str, Any]:  # noqa: A002
        """Say a thing until it has a receipt (repeats after 2 s, 4 s, …); the first receipt."""
        message = {"id": self.next_id(), "type": type, **more}
        began, pause = time.monotonic(), 2.0
        already = sum(1 for receipt in self.receipts if receipt["id"] == message["id"])
        while True:
            self.send(message)
            left = began + within * PATIENCE - time.monotonic()
            with contextlib.suppress(TimeoutError):
                return await self.receipt(message["id"], within=min(pause, left), number=already + 1)
            if time.monotonic() - began >= within * PATIENCE:
                raise TimeoutError(f"no receipt for {message} of {self.device} within {within} s")
            pause = min(pause * 2, 30)
            message["age"] = round(more.get("age", 0.0) + time.monotonic() - began, 3)

    async def press(self, key: str = "emergency", **more: Any) -> dict[str, Any]:
        """Press a key, until receipted; then the receipt that names the call."""
        receipt = await self.say("press", key=key, **more)
        assert receipt.get("call"), f"the receipt of a press names its call: {receipt}"
        return receipt

    async def receipt(self, signal_id: str, *, within: float = 4.0, number: int = 1) -> dict[str, Any]:
        """The receipt number so-and-so of this id."""
        return await self._heard(
            lambda: [r for r in self.receipts if r["id"] == signal_id],
            number,
            f"a receipt of {signal_id}",
            within,
        )

    async def told(self, state: str, call: str, *, within: float = 4.0, number: int = 1) -> dict[str, Any]:
        """The progress message with this state of this call."""
        return await self._heard(
            lambda: [p for p in self.progress if p["state"] == state and p["call"] == call],
            number,
            f"the wearer of {self.device} is told {state!r} of {call}",
            within,
        )

    async def _heard(
        self, found: Callable[[], list[dict[str, Any]]], number: int, awaited: str, within: float
    ) -> dict[str, Any]:
        deadline = time.monotonic() + within
        while True:
            news = self._news
            if len(got := found()) >= number:
                return got[number - 1]
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(
                    f"not within {within} s: {awaited}; told so far: {self.receipts} {self.progress}"
                )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await news.wait()

    async def close(self) -> None:
        """Switch it off."""
        if self._mqtt is not None:
            await self._mqtt.close()


def crc16(body: bytes) -> bytes:
    """CRC-16/CCITT-FALSE as four hex digits: the check of a YJ-LINE frame."""
    crc = 0xFFFF
    for byte in body:
        crc ^= byte << 8
        for _ in range(8):
            crc = ((crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return b"%04X" % crc


def yj_line(*fields: object) -> bytes:
    """A YJ-LINE/1 frame: `$` body `*` CRC CRLF."""
    body = ",".join(str(part) for part in fields).encode()
    return b"$" + body + b"*" + crc16(body) + b"\r\n"


@dataclass
class Hub:
    """A radio hub at a serial port: a pty whose other end the gateway opens under a name that stays.

    Pull it out (`unplug`) and put it back (`plug`): the name then leads to another pty, as with a real adapter.
    """

    name: Path
    hub: str = "hubA1"
    frames: list[list[str]] = field(default_factory=list)
    """What the gateway wrote, split into fields, the check verified."""
    _seq: int = 0
    _ends: tuple[int, int] | None = None
    _buffer: bytes = b""
    _news: asyncio.Event | None = None

    def plug(self) -> None:
        """The adapter is there."""
        near, far = pty.openpty()
        tty.setraw(far, termios.TCSANOW)
        os.set_blocking(near, False)
        self._ends = (near, far)
        link = self.name.with_suffix(".new")
        link.unlink(missing_ok=True)
        link.symlink_to(os.ttyname(far))
        link.rename(self.name)

    def unplug(self) -> None:
        """The adapter is pulled out: its name is gone, and whoever has it open reads an end."""
        self.quiet()
        self.name.unlink(missing_ok=True)
        if self._ends is not None:
            for end in self._ends:
                os.close(end)
        self._ends = None

    def listen(self) -> None:
        """Read what the gateway writes, on the running loop."""
        assert self._ends is not None
        self._news = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._ends[0], self._hear)

    def quiet(self) -> None:
        """Read no more."""
        if self._ends is not None and self._news is not None:
            with contextlib.suppress(RuntimeError):
                asyncio.get_running_loop().remove_reader(self._ends[0])
            self._news = None

    def _hear(self) -> None:
        assert self._ends is not None
        assert self._news is not None
        try:
            self._buffer += os.read(self._ends[0], 65_536)
        except BlockingIOError:
            return
        except OSError:  # nobody has the other end open just now
            asyncio.get_running_loop().remove_reader(self._ends[0])
            return
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            body, _, check = line.strip().removeprefix(b"$").partition(b"*")
            assert crc16(body) == check, f"the gateway wrote a frame with a wrong check: {line!r}"
            self.frames.append(body.decode().split(","))
        self._news.set()
        self._news = asyncio.Event()

    def write(self, data: bytes) -> None:
        """Send raw bytes."""
        assert self._ends is not None
        os.write(self._ends[0], data)

    def next_seq(self) -> int:
        """The next number of the hub's flash."""
        self._seq += 1
        return self._seq

    def event(
        self, device: str, kind: str = "press", key: str = "emergency", age: int = 0, seq: int = 0
    ) -> bytes:
        """An event frame, under the next number unless one is named."""
        return yj_line("E", seq or self.next_seq(), self.hub, device, kind, key, age, -61)

    async def say(
        self, device: str, kind: str = "press", key: str = "emergency", *, within: float = 8.0
    ) -> int:
        """Send an event until the gateway has stored it (repeats after 1, 2, 4 s); its number."""
        seq, pause = self.next_seq(), 1.0
        deadline = time.monotonic() + within * PATIENCE
        while True:
            self.write(self.event(device, kind, key, seq=seq))
            with contextlib.suppress(TimeoutError):
                await self.answer("A", seq, within=pause)
                return seq
            if time.monotonic() > deadline:
                raise TimeoutError(f"no $A,{seq} within {within} s; the gateway wrote {self.frames}")
            pause *= 2

    async def answer(self, letter: str, seq: int, *, within: float = 4.0, number: int = 1) -> list[str]:
        """The frame number so-and-so with this letter and sequence."""
        deadline = time.monotonic() + within
        while True:
            assert self._news is not None, "the hub does not listen"
            news = self._news
            got = [frame for frame in self.frames if frame[:2] == [letter, str(seq)]]
            if len(got) >= number:
                return got[number - 1]
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"no ${letter},{seq} within {within} s; the gateway wrote {self.frames}")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await news.wait()
