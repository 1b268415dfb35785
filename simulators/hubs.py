"""A radio hub on a serial port: `HubLine` speaks YJ-LINE/1, `PtyHub` puts it behind a pseudo terminal.

    hub = PtyHub("hub-01", Path("run/hub-01"), boot=7, seq=1042)     # run/hub-01 -> /dev/pts/4: the gateway opens that
    async with asyncio.TaskGroup() as group:
        group.create_task(hub.run(), name="hub")
        event = hub.say("btn-010007")                                # $E,1042,hub-01,btn-010007,press,emergency,0,-61
        await event.stored()                                         # the gateway said $A,1042
        hub.unplug(); hub.replug()                                   # the port goes away, and comes back as another

The hub keeps its events until they are acknowledged, says one at a time and the newest press first, repeats after 1, 2,
4 … 30 s, and honours N: `crc` means say it again, `busy` later, `format` never (it goes to the list of the dead).
`boot` and `seq` live in a real hub's flash and only grow; whoever starts a hub keeps that so, or the gateway takes its
events for repeats of old ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import tty
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from devices.signal import CALLING
from devices.yj_line import crc16, frame

log = structlog.get_logger(__name__)

_REPEAT_FIRST_SECONDS = 1.0
_REPEAT_MAX_SECONDS = 30.0
#: After `N crc`: at once, but not in a circle as fast as the line is.
_CRC_PAUSE_SECONDS = 0.1
_HEARTBEAT_SECONDS = 30.0
_LINE_MAX_BYTES = 512


@dataclass(slots=True, eq=False)
class HubEvent:
    """One event in the hub's flash. Times are the event loop's seconds."""

    seq: int
    button: str
    type: str
    key: str
    happened: float
    rssi: int
    tries: int = 0
    next_try: float = 0.0
    acknowledged: bool = False
    dead: bool = False
    dropped: bool = False
    call: str | None = None
    states: list[str] = field(default_factory=list)
    _done: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self) -> None:
        """It leaves the queue: acknowledged, dead or dropped."""
        self._done.set()

    async def stored(self) -> HubEvent:
        """Wait until it left the queue; `acknowledged` says whether well."""
        await self._done.wait()
        return self


class HubLine:
    """The hub's side of YJ-LINE/1, without a port and without a clock."""

    def __init__(
        self, hub: str, *, boot: int, seq: int, chance: random.Random | None = None, queue_max: int = 256
    ) -> None:
        self.hub = hub
        self.dropped = 0
        self.acknowledged = 0
        self.dead: deque[HubEvent] = deque(maxlen=64)
        self._boot = boot
        self._seq = itertools.count(seq)
        self._chance = chance or random.Random(hub)
        self._queue_max = queue_max
        self._queue: OrderedDict[int, HubEvent] = OrderedDict()
        #: The last press of each button, for the states of its call.
        self._latest: OrderedDict[str, HubEvent] = OrderedDict()
        self._buffer = bytearray()
        self._started: float | None = None
        self._heartbeat_at = 0.0

    def __len__(self) -> int:
        return len(self._queue)

    def say(self, now: float, button: str, type_: str = "press", key: str = "") -> HubEvent:
        """A button was heard by radio. A press without a key is red."""
        key = key or ("emergency" if type_ == "press" else "-")
        event = HubEvent(next(self._seq), button, type_, key, now, rssi=-self._chance.randint(48, 97))
        event.next_try = now
        self._queue[event.seq] = event
        if type_ in CALLING:
            self._latest[button] = event
            self._latest.move_to_end(button)
            while len(self._latest) > self._queue_max:
                self._latest.popitem(last=False)
        while len(self._queue) > self._queue_max:
            self._drop()
        return event

    def _drop(self) -> None:
        """The flash is full: the oldest that asks for no help goes first."""
        oldest = next((e for e in self._queue.values() if e.type not in CALLING), None)
        event = oldest or next(iter(self._queue.values()))
        del self._queue[event.seq]
        event.dropped = True
        self.dropped += 1
        event.end()

    def plugged(self, now: float) -> None:
        """The port is there: hello and heartbeat first, then what waits."""
        self._started = None
        self._buffer.clear()
        for event in self._queue.values():
            event.tries, event.next_try = 0, now

    def _current(self) -> HubEvent | None:
        """One at a time: the newest of those that ask for help, else the oldest of the rest."""
        calling = next((e for e in reversed(self._queue.values()) if e.type in CALLING), None)
        return calling or next(iter(self._queue.values()), None)

    def next_due(self, now: float) -> float:
        """When there is something to say."""
        if self._started is None:
            return now
        current = self._current()
        return min(self._heartbeat_at, current.next_try if current else self._heartbeat_at)

    def due(self, now: float) -> bytes:
        """What to say now."""
        out = bytearray()
        if self._started is None:
            self._started, self._heartbeat_at = now, now
            out += frame("Y", "0", self.hub, str(self._boot), "v1+state")
        if now >= self._heartbeat_at:
            uptime = str(int(now - self._started))
            out += frame("H", "0", self.hub, uptime, str(len(self._queue)), str(self.dropped))
            self._heartbeat_at = now + _HEARTBEAT_SECONDS
        event = self._current()
        if event is not None and now >= event.next_try:
            event.next_try = now + min(
                _REPEAT_MAX_SECONDS, _REPEAT_FIRST_SECONDS * 2.0 ** min(event.tries, 10)
            )
            event.tries += 1
            age = f"{max(0.0, now - event.happened):.0f}"
            out += frame(
                "E", str(event.seq), self.hub, event.button, event.type, event.key, age, str(event.rssi)
            )
        return bytes(out)

    def hear(self, data: bytes, now: float) -> None:
        """Bytes of the gateway: whole lines are taken, half ones wait, what is no frame is left."""
        self._buffer += data
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            self._line(line.strip(), now)
        if len(self._buffer) > _LINE_MAX_BYTES:
            self._buffer.clear()

    def _line(self, line: bytes, now: float) -> None:
        body, star, checksum = line[line.rfind(b"$") + 1 :].partition(b"*")
        if not star or checksum != b"%04X" % crc16(body):
            return
        match body.decode("ascii", "replace").split(","):
            case ["A", seq] if seq.isdecimal() and (event := self._queue.pop(int(seq), None)) is not None:
                event.acknowledged = True
                self.acknowledged += 1
                event.end()
            case ["N", seq, why] if seq.isdecimal() and (event := self._queue.get(int(seq))) is not None:
                self._refused(event, why, now)
            case ["S", _, button, call, state] if (event := self._latest.get(button)) is not None:
                event.call = call
                event.states.append(state)

    def _refused(self, event: HubEvent, why: str, now: float) -> None:
        if why == "crc":
            event.next_try = now + _CRC_PAUSE_SECONDS
        elif why == "format":
            del self._queue[event.seq]
            event.dead = True
            self.dead.append(event)
            event.end()
        # busy: it is said again when its pause is over


class PtyHub:
    """A hub behind a pseudo terminal, under a name that stays the same when the terminal does not."""

    def __init__(
        self, hub: str, path: Path, *, boot: int, seq: int, chance: random.Random | None = None
    ) -> None:
        self.line = HubLine(hub, boot=boot, seq=seq, chance=chance)
        self.path = path
        self._master: int | None = None
        self._slave: int | None = None
        self._more = asyncio.Event()

    @property
    def plugged(self) -> bool:
        """Whether the port exists."""
        return self._master is not None

    def say(self, button: str, type_: str = "press", key: str = "") -> HubEvent:
        """A button was heard; also while unplugged, for the hub has a battery."""
        event = self.line.say(asyncio.get_running_loop().time(), button, type_, key)
        self._more.set()
        return event

    def replug(self) -> None:
        """The hub is put into its socket: a fresh terminal under the same path."""
        if self._master is not None:
            return
        # We hold the far end too: otherwise reading ours fails whenever the gateway has not opened it.
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_name(f".{self.path.name}.new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(os.ttyname(self._slave))
        fresh.replace(self.path)
        loop = asyncio.get_running_loop()
        loop.add_reader(self._master, self._read)
        self.line.plugged(loop.time())
        self._more.set()

    def unplug(self) -> None:
        """The hub is pulled: whoever has the terminal open gets an error, and the path is gone."""
        if self._master is None or self._slave is None:
            return
        asyncio.get_running_loop().remove_reader(self._master)
        with contextlib.suppress(OSError):
            if self.path.readlink() == Path(os.ttyname(self._slave)):
                self.path.unlink()
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = None

    async def run(self) -> None:
        """Be plugged in and speak, until cancelled."""
        self.replug()
        loop = asyncio.get_running_loop()
        try:
            while True:
                self._more.clear()
                if self._master is None:
                    await self._more.wait()
                    continue
                self._write(self.line.due(loop.time()))
                wait = self.line.next_due(loop.time()) - loop.time()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(0.001, wait)):
                        await self._more.wait()
        finally:
            self.unplug()

    def _read(self) -> None:
        if self._master is None:
            return
        try:
            data = os.read(self._master, 4096)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            log.warning("hub.port_failed", hub=self.line.hub, why=str(error))
            self.unplug()
            self.replug()
            return
        self.line.hear(data, asyncio.get_running_loop().time())
        self._more.set()

    def _write(self, data: bytes) -> None:
        if self._master is None or not data:
            return
        # Nobody reads, and the terminal's buffer is full: the bytes are lost like radio, and repeated.
        with contextlib.suppress(BlockingIOError):
            os.write(self._master, data)
