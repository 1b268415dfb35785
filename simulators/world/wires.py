"""The other wires: a serial cable with a hub at its end, receivers of webhooks and text messages, and the HTTP API.

Each stands where production has a socket: behind `gateway.Ways.port`, behind the post's own two ports, and before the
application, which gets a real request.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import msgspec

from dispatcher.alerts.outcome import TIMEOUT, Outcome, of_status
from dispatcher.feed import PositionUnknown
from simulators.api import STARTED, Api, Away, Conflict, Event, Refused
from simulators.hubs import HubEvent, HubLine
from simulators.world.loop import PROCESS, Process, WorldLoop, context_of
from simulators.world.machine import Machine
from simulators.world.weather import Weather

Tell = Callable[[str, str], None]


class _End:
    """The gateway's end of the cable, as the transport of a serial port shows itself."""

    def __init__(self, cable: Cable, protocol: Any, process: Process | None) -> None:
        self._cable, self.protocol, self.process = cable, protocol, process
        self.context = context_of(process)
        self.closed = False
        self.paused = False
        self.serial = SimpleNamespace(fileno=lambda: cable.ready)  # always writable

    def write(self, data: bytes) -> None:
        if not self.closed:
            self._cable.down(data)

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def abort(self) -> None:
        self.closed = True


class Cable:
    """A hub on a serial line. It keeps what it heard until that is acknowledged."""

    def __init__(
        self, hub: str, loop: WorldLoop, weather: Weather, chance: random.Random, tell: Tell
    ) -> None:
        self.line = HubLine(hub, boot=1, seq=1, chance=chance)
        self.ready = os.open(os.devnull, os.O_WRONLY)
        self._loop, self._weather, self._chance, self._tell = loop, weather, chance, tell
        self._end: _End | None = None
        self._plugged = True
        self._more = asyncio.Event()
        #: Called with whatever the gateway writes, as it leaves.
        self.on_down: Callable[[bytes], None] = lambda _data: None

    def close(self) -> None:
        """The night is over."""
        os.close(self.ready)

    def say(self, button: str, type_: str, key: str = "") -> HubEvent:
        """A button was heard by radio."""
        event = self.line.say(self._loop.time(), button, type_, key)
        self._more.set()
        return event

    async def open(
        self, _loop: Any, factory: Callable[[], Any], port: str, **_options: Any
    ) -> tuple[Any, Any]:
        """Open the port, as `serial_asyncio_fast.create_serial_connection` does. Raises OSError."""
        await asyncio.sleep(0.002)
        if not self._plugged:
            raise FileNotFoundError(2, f"could not open port {port}")
        protocol = factory()
        self._end = _End(self, protocol, PROCESS.get())
        protocol.connection_made(self._end)
        self.line.plugged(self._loop.time())
        self._more.set()
        return self._end, protocol

    def plug(self, plugged: bool) -> None:
        """Pull the hub out, or put it back."""
        if plugged is self._plugged:
            return
        self._plugged = plugged
        end, self._end = self._end, None
        if not plugged and end is not None and not end.closed:
            end.closed = True
            self._loop.call_soon(end.protocol.connection_lost, OSError("gone"), context=end.context)
        self._tell("fault", f"hub {'plugged in' if plugged else 'pulled out'}")

    def down(self, data: bytes) -> None:
        """What the gateway writes."""
        self.on_down(data)
        self._loop.call_later(0.003, self._heard, self._harmed(data), context=context_of(None))

    def _heard(self, data: bytes) -> None:
        self.line.hear(data, self._loop.time())
        self._more.set()

    def _harmed(self, data: bytes) -> bytes:
        if self._chance.random() >= self._weather.noise or not data:
            return data
        at = self._chance.randrange(len(data))
        match self._chance.randrange(3):
            case 0:
                return data[:at] + bytes([data[at] ^ 1 << self._chance.randrange(8)]) + data[at + 1 :]
            case 1:
                return data[:at]
            case _:
                return self._chance.randbytes(4) + data

    async def run(self) -> None:
        """Speak, for ever."""
        while True:
            self._more.clear()
            now = self._loop.time()
            end = self._end
            if end is not None and not end.closed and not (end.process is not None and end.process.dead):
                data = self._harmed(self.line.due(now)) if not end.paused else b""
                # As a port gives it: in pieces that know nothing of lines.
                half = self._chance.randrange(len(data)) if data else 0
                for piece in (data[:half], data[half:]):
                    if piece:
                        self._loop.call_later(0.002, end.protocol.data_received, piece, context=end.context)
            wait = max(0.01, self.line.next_due(now) - now) if end is not None else 1.0
            try:
                async with asyncio.timeout(min(wait, 30.0)):
                    await self._more.wait()
            except TimeoutError:
                continue


class Receivers:
    """Those who get webhooks and text messages, at the far end of the post's two ports."""

    def __init__(self, loop: WorldLoop, weather: Weather, chance: random.Random) -> None:
        self._loop, self._weather, self._chance = loop, weather, chance
        #: Called with channel, receiver, message id and content: as a try begins, and as it arrives; and with its end.
        self.on_try: Callable[[str, str, str, str], None] = lambda *_what: None
        self.on_arrival: Callable[[str, str, str, str], None] = lambda *_what: None
        self.on_end: Callable[[str, Outcome], None] = lambda _id, _outcome: None

    async def _try(self, channel: str, to: str, message_id: str, content: str) -> Outcome:
        chance, weather = self._chance, self._weather
        self.on_try(channel, to, message_id, content)
        takes = chance.uniform(0.005, 0.3)
        draw = chance.random()
        if draw < weather.endpoints_failing:
            match chance.randrange(5):
                case 0:
                    arrives, after, outcome = False, 10.0, TIMEOUT
                case 1:  # it arrived, and nobody said so
                    arrives, after, outcome = True, 10.0, TIMEOUT
                case 2:
                    arrives, after, outcome = False, takes, of_status(500)
                case 3:
                    arrives, after, outcome = False, takes, of_status(429, str(chance.randrange(1, 9)))
                case _:
                    arrives, after, outcome = False, 0.01, Outcome("retry", "connect: refused")
        elif draw < weather.endpoints_failing + weather.endpoints_gone:
            arrives, after, outcome = False, takes, of_status(410)
        else:
            if chance.random() < weather.endpoints_slow:
                takes = chance.uniform(3.0, 9.9)
            done = Outcome("sent", provider="sms-1") if channel == "sms" else of_status(200)
            arrives, after, outcome = True, takes, done
        if arrives:
            # What is on the wire arrives, whether we live to hear of it or not.
            self._loop.call_later(
                min(takes, after), self.on_arrival, channel, to, message_id, content, context=context_of(None)
            )
        await asyncio.sleep(after)
        self.on_end(message_id, outcome)
        return outcome

    async def webhook(
        self, *, url: str, secret: str, message_id: str, timestamp_seconds: int, body: bytes
    ) -> Outcome:
        """One try of a webhook's message."""
        del secret, timestamp_seconds
        return await self._try("webhook", url.rpartition("/")[2], message_id, body.decode())

    async def text(self, *, phone: str, text: str, message_id: str) -> Outcome:
        """One try of a text message."""
        return await self._try("sms", phone, message_id, text)

    @property
    def hooks(self) -> Any:
        """As `alerts.post.Webhooks`."""
        return SimpleNamespace(send=self.webhook)

    @property
    def texts(self) -> Any:
        """As `alerts.post.Texts`."""
        return SimpleNamespace(send=self.text)


class WireApi(Api):
    """The HTTP API without a socket: a real request to the real application, and the stream as its readers know it."""

    def __init__(
        self, machine: Machine, chance: random.Random, token: str, persons: Mapping[str, str], district: str
    ) -> None:
        numbers = itertools.count(1)
        name = f"{chance.getrandbits(40):x}"
        super().__init__("http://world", token, persons=persons, new_key=lambda: f"{name}-{next(numbers)}")
        self._machine, self._dice, self._district = machine, chance, district
        #: Called with method, path, the headers, what was sent, the status and the answer.
        self.on_answer: Callable[[str, str, Mapping[str, str], Any, int, Any], None] = lambda *_what: None
        self.on_event: Callable[[Event], None] = lambda _event: None

    async def _ask(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        machine = self._machine
        await asyncio.sleep(self._dice.uniform(0.0005, 0.02))
        server, process, gone = machine.server, machine.process, machine.gone
        if server is None or process.dead:
            raise Away(f"{method} {path}: nobody there")
        query = urlencode(options.get("params") or {})
        body = msgspec.json.encode(options["json"]) if "json" in options else b""
        headers = {**self._headers, **(options.get("headers") or {}), "Host": "world"}
        if body:
            headers["Content-Type"] = "application/json"
        target = f"/api/v1{path}" + (f"?{query}" if query else "")
        request = server.request(method, target, headers, body)
        work = machine.loop.inside(process, server.answer(request), f"{method} {path}")
        await asyncio.wait((work, gone), timeout=10.0, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(self._dice.uniform(0.0005, 0.02))
        if not work.done() or process.dead:
            raise Away(f"{method} {path}: the connection broke")
        status, text = work.result()
        answer = msgspec.json.decode(text) if text else {}
        self.on_answer(method, path, headers, options.get("json"), status, answer)
        if status < 400:
            return status, answer
        if status in {429, 502, 503, 504}:
            raise Away(f"{method} {path}: {status}")
        raise (Conflict if status == 409 else Refused)(status, answer)

    async def _stream(self, after: str | None) -> AsyncIterator[Event]:
        machine = self._machine
        await asyncio.sleep(self._dice.uniform(0.001, 0.05))
        server, process = machine.server, machine.process
        if server is None or process.dead:
            raise Away("events: nobody there")
        box: deque[tuple[str, str, bytes]] = deque()
        more = asyncio.Event()
        machine.gone.add_done_callback(lambda _: more.set(), context=context_of(None))
        pump = machine.loop.inside(process, self._pump(server, after, box, more), "stream")
        try:
            if after is None:
                yield Event("", STARTED, {})
            while True:
                while box:
                    position, name, data = box.popleft()
                    event = Event(position, name, msgspec.json.decode(data) if data else {})
                    self.on_event(event)
                    yield event
                if process.dead or pump.done():
                    raise Away("events: the connection broke")
                more.clear()
                await more.wait()
        finally:
            pump.cancel()

    async def _pump(
        self, server: Any, after: str | None, box: deque[tuple[str, str, bytes]], more: asyncio.Event
    ) -> None:
        try:
            reader = await server.feed.reader(self._district, after)
            while True:
                for event in await reader.next():
                    box.append((event.id, event.name, event.data))
                more.set()
        except PositionUnknown:
            box.append(("", "reset", b""))
        finally:
            more.set()
