"""A fleet of native buttons over MQTT: few connections carry many devices, each of which behaves as one should.

    fleet = Fleet(["btn-00001", "btn-00002"], host="127.0.0.1", port=1883, chance=Random(7), boot="6744a1f0")
    async with asyncio.TaskGroup() as group:
        group.create_task(fleet.run(), name="buttons")
        said = fleet.press("btn-00001")                # repeated under one id until receipted: 2, 4, 8 … 30 s
        await said.receipted()                         # said.receipt, said.call, said.states

What a button says that may not get lost is repeated until it has a receipt, with the same id and a growing age;
heartbeats are said once. A broker that goes away is waited for. `boot` goes before every id: a boot counter or the
time of the start, so that a second run with the same seed is not taken for repeats of the first.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import random
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiomqtt
import structlog

from config.doors import Clock, SystemClock, from_us
from devices.signal import CALLING
from simulators.presses import Memory, Said

log = structlog.get_logger(__name__)

_PREFIX = "yijian/v1/"
_REPEAT_FIRST_SECONDS = 2.0
_REPEAT_MAX_SECONDS = 30.0
#: A SUBSCRIBE packet with so many topics stays far below every broker's packet limit.
_TOPICS_A_SUBSCRIBE = 200
_PAUSES_SECONDS = (0.3, 1.0, 2.0, 5.0)
#: What is published at once; the rest of a burst waits for these to be with the broker.
_BATCH = 100


@dataclass(slots=True)
class Tally:
    """What a fleet did so far."""

    said: int = 0
    repeated: int = 0
    heartbeats: int = 0
    receipts: int = 0
    states: int = 0
    connections: int = 0
    shed: int = 0


class _Carrier:
    """One MQTT connection with its devices: a queue of what is due, a reader, and patience."""

    def __init__(self, fleet: Fleet, name: str, devices: Sequence[str]) -> None:
        self.fleet, self.name, self.devices = fleet, name, devices
        self.connected = asyncio.Event()
        self._tie = itertools.count()
        #: (due, tie, what): a thing said, or the name of a device whose heartbeat is due.
        self._due: list[tuple[float, int, Said | str]] = []
        self._more = asyncio.Event()

    def put(self, due: float, what: Said | str) -> None:
        """Something to publish at that time."""
        heapq.heappush(self._due, (due, next(self._tie), what))
        self._more.set()

    def _hasten(self, now: float) -> None:
        """The broker is back: what waits for a receipt is said now, not at the end of its pause."""
        self._due = [(due if isinstance(what, str) else now, tie, what) for due, tie, what in self._due]
        heapq.heapify(self._due)

    async def run(self) -> None:
        """Connect, carry, and connect again, until cancelled."""
        failures = 0
        while True:
            try:
                async with self.fleet.client(self.name) as client:
                    await self._subscribe(client)
                    failures = 0
                    self._hasten(asyncio.get_running_loop().time())
                    self.fleet.tally.connections += 1
                    self.connected.set()
                    async with asyncio.TaskGroup() as group:
                        group.create_task(self._listen(client), name=f"{self.name}:listen")
                        group.create_task(self._speak(client), name=f"{self.name}:speak")
            except* (aiomqtt.MqttError, OSError, TimeoutError) as group_error:
                log.info("buttons.away", carrier=self.name, why=str(group_error.exceptions[0])[:120])
            self.connected.clear()
            pause = _PAUSES_SECONDS[min(failures, len(_PAUSES_SECONDS) - 1)]
            failures += 1
            # All carriers lost the broker in the same moment; they need not all come back in the same one.
            await asyncio.sleep(pause * self.fleet.chance.uniform(0.7, 1.3))

    async def _subscribe(self, client: aiomqtt.Client) -> None:
        for begin in range(0, len(self.devices), _TOPICS_A_SUBSCRIBE):
            part = self.devices[begin : begin + _TOPICS_A_SUBSCRIBE]
            await client.subscribe([(f"{_PREFIX}{device}/down", 1) for device in part])

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            device = message.topic.value.removeprefix(_PREFIX).removesuffix("/down")
            if isinstance(message.payload, bytes | bytearray):
                self.fleet.hear(device, bytes(message.payload))

    async def _speak(self, client: aiomqtt.Client) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = self._take(loop.time())
            if batch:
                async with asyncio.TaskGroup() as group:
                    for what in batch:
                        topic, payload = self.fleet.frame(what)
                        group.create_task(client.publish(topic, payload, qos=1), name=f"{self.name}:publish")
                continue
            self._more.clear()
            wait = self._due[0][0] - loop.time() if self._due else None
            try:
                async with asyncio.timeout(wait):
                    await self._more.wait()
            except TimeoutError:
                continue

    def _take(self, now: float) -> list[Said | str]:
        """What is due, with its next time already noted: should the broker go away now, it will be said again."""
        batch: list[Said | str] = []
        while self._due and self._due[0][0] <= now and len(batch) < _BATCH:
            _, _, what = heapq.heappop(self._due)
            if isinstance(what, str):
                self.put(now + self.fleet.heartbeat_seconds * self.fleet.chance.uniform(0.9, 1.0), what)
            elif what.settled:
                continue
            else:
                pause = min(_REPEAT_MAX_SECONDS, _REPEAT_FIRST_SECONDS * 2.0 ** min(what.tries, 10))
                self.put(now + pause, what)
            batch.append(what)
        return batch


class Fleet:
    """Simulated native buttons (the contract's section 3)."""

    def __init__(
        self,
        devices: Iterable[str],
        *,
        host: str,
        port: int,
        chance: random.Random,
        boot: str,
        username: str | None = None,
        password: str | None = None,
        carriers: int = 4,
        heartbeat_seconds: float = 900.0,
        remembered_max: int = 5000,
        pending_max: int = 20_000,
        clock: Clock | None = None,
        on_state: Callable[[Said, Mapping[str, Any]], None] | None = None,
    ) -> None:
        """`heartbeat_seconds` 0 = no heartbeats; `on_state` hears of each progress message of a press."""
        self.chance = chance
        self.boot = boot
        self.heartbeat_seconds = heartbeat_seconds
        self.tally = Tally()
        self.memory = Memory(remembered_max)
        self._host, self._port = host, port
        self._username, self._password = username, password
        self._pending_max = pending_max
        self._clock = clock or SystemClock()
        self._on_state = on_state
        self._count = itertools.count(1)
        names = list(devices)
        share = max(1, -(-len(names) // carriers))
        self._carriers = [
            _Carrier(self, f"buttons-{boot}-{n}", names[begin : begin + share])
            for n, begin in enumerate(range(0, len(names), share))
        ]
        self._carrier = {device: carrier for carrier in self._carriers for device in carrier.devices}
        self._battery: dict[str, int] = {}
        self._beating = False

    def __contains__(self, device: str) -> bool:
        return device in self._carrier

    @property
    def devices(self) -> list[str]:
        """All its devices."""
        return list(self._carrier)

    @property
    def pending(self) -> int:
        """How much was said and has no receipt yet."""
        return self.memory.pending

    async def run(self) -> None:
        """Carry everything, until cancelled."""
        if self.heartbeat_seconds and not self._beating:
            self._beating = True
            now = asyncio.get_running_loop().time()
            for device, carrier in self._carrier.items():
                # Spread over the whole interval: a fleet that beats in step is a storm every quarter of an hour.
                carrier.put(now + self.chance.uniform(0, self.heartbeat_seconds), device)
        async with asyncio.TaskGroup() as group:
            for carrier in self._carriers:
                group.create_task(carrier.run(), name=carrier.name)

    async def connected(self) -> None:
        """Wait until every connection stands."""
        for carrier in self._carriers:
            await carrier.connected.wait()

    async def drained(self) -> None:
        """Wait until everything said so far has its receipt."""
        for said in self.memory.unreceipted():
            await said.receipted()

    def client(self, name: str) -> aiomqtt.Client:
        """A connection to the broker, not yet open."""
        client = aiomqtt.Client(
            self._host,
            self._port,
            username=self._username,
            password=self._password,
            identifier=name,
            timeout=10.0,
            keepalive=30,
            max_inflight_messages=200,
            max_queued_outgoing_messages=0,
            # Without it a press waits for the acknowledgement of the one before, up to 40 ms.
            socket_options=((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),),
        )
        # Beyond this aiomqtt warns of calls that pile up; a batch is meant to.
        client.pending_calls_threshold = 2 * _BATCH
        return client

    # --- what buttons say -----------------------------------------------------------------------------------------

    def press(self, device: str, key: str = "emergency") -> Said:
        """Somebody presses. A second press is another press, with an id of its own."""
        return self.say(device, "press", key)

    def say(self, device: str, type_: str, key: str = "", **fields: Any) -> Said:
        """Say something until it is receipted: `fall`, `cancel`, `test`, `helper_arrived` and the like.

        Raises KeyError for a device that is not in the fleet.
        """
        carrier = self._carrier[device]
        now = asyncio.get_running_loop().time()
        said = Said(device, f"{self.boot}-{next(self._count)}", type_, key, now, fields)
        if self.pending >= self._pending_max and type_ not in CALLING:
            # Full: a real button's memory sheds news of its battery, never a press.
            self.tally.shed += 1
            log.warning("buttons.shed", type=type_)
            return said
        self.memory.add(said)
        self.tally.said += 1
        carrier.put(now, said)
        return said

    def battery(self, device: str) -> int:
        """What the battery says; it falls by a per cent now and then."""
        level = self._battery.get(device)
        if level is None:
            # Drawn from the name, so that asking does not disturb the fleet's chance.
            level = random.Random(device).randint(25, 100)
        elif self.chance.random() < 0.02:
            level = max(3, level - 1)
        self._battery[device] = level
        return level

    def replace_battery(self, device: str) -> Said:
        """Somebody put a new battery in."""
        self._battery[device] = 100
        return self.say(device, "battery_ok", battery=100)

    def drain_battery(self, device: str) -> Said:
        """The battery is nearly empty."""
        self._battery[device] = self.chance.randint(5, 18)
        return self.say(device, "battery_low", battery=self._battery[device])

    # --- bytes ----------------------------------------------------------------------------------------------------

    def frame(self, what: Said | str) -> tuple[str, bytes]:
        """The topic and payload of the next try of a thing said, or of a device's heartbeat."""
        if isinstance(what, str):
            self.tally.heartbeats += 1
            body: dict[str, Any] = {"id": f"{self.boot}-h{next(self._count)}", "type": "heartbeat"}
            body["battery"] = self.battery(what)
            return f"{_PREFIX}{what}/up", json.dumps(body, separators=(",", ":")).encode()
        if what.tries:
            self.tally.repeated += 1
        what.tries += 1
        age = max(0.0, asyncio.get_running_loop().time() - what.happened)
        body = {"id": what.id, "type": what.type}
        if what.key:
            body["key"] = what.key
        happened_us = self._clock.now_us() - round(age * 1_000_000)
        body |= {"at": from_us(happened_us).isoformat(timespec="milliseconds"), "age": round(age, 3)}
        body |= {"battery": self.battery(what.device), **what.fields}
        return f"{_PREFIX}{what.device}/up", json.dumps(body, separators=(",", ":")).encode()

    def hear(self, device: str, payload: bytes) -> None:
        """A message of the topic `down`."""
        try:
            message = json.loads(payload)
        except ValueError:
            log.warning("buttons.unreadable", device=device)
            return
        match message:
            case {"type": "receipt", "id": str()}:
                self.tally.receipts += 1
                self.memory.receipt(device, message, asyncio.get_running_loop().time())
            case {"type": "state", "call": str(call), "state": str(state)}:
                self.tally.states += 1
                said = self.memory.progress(device, call, state)
                if said is not None and self._on_state is not None:
                    self._on_state(said, message)
            case _:
                log.warning("buttons.unreadable", device=device)
