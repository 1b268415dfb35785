"""The gateway: everything between a device's frame and the inbox, in one task group.

broker (a child process) <- mqtt ---+
                 serial port -------+--> intake --> inbox        downlink --> pump --> the device's line
                 HTTP (by `deliver`)+
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import serial_asyncio_fast
import structlog

from config.doors import Clock
from devices.family import Answer, Family, Line, Maturity, Session, Transport
from devices.registry import family
from devices.signal import Signal
from gateway.broker import EmbeddedBroker
from gateway.canary import CanaryButton
from gateway.intake import Intake, Limits, Reception
from gateway.lines import OpenLine
from gateway.memory import LineMemory
from gateway.ports import Downlink, Inbox
from gateway.pump import Pump, Routes
from gateway.transports.mqtt import BrokerAddress, MqttTransport, NotYet
from gateway.transports.serial import Connect, SerialTransport

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayOptions:
    """What a gateway is told. `client_id` is fixed per gateway: the broker keeps what is sent while we are away by it."""

    data: Path
    client_id: str = "yijian-gateway-1"
    mqtt_url: str | None = None  # an outside broker; None = the embedded one
    mqtt_listen: str = "127.0.0.1:1883"  # of the embedded one
    mqtt_anonymous: bool = False
    lines: tuple[Line, ...] = ()
    limits: Limits = field(default_factory=Limits)


class BrokerWay(Protocol):
    """What carries the lines of a broker: `transports.mqtt` in production, a wire in memory in the simulated world."""

    beat: float

    @property
    def connected(self) -> bool: ...  # noqa: D102
    def add(self, line: OpenLine, topics: Sequence[str]) -> None: ...  # noqa: D102
    def send(self, answers: Sequence[Answer]) -> None: ...  # noqa: D102
    async def carry(self, answers: Sequence[Answer]) -> bool: ...  # noqa: D102
    def pause(self, paused: bool) -> None: ...  # noqa: D102
    async def run(self) -> None: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How a gateway reaches the world: made of the intake, the way to the broker; and how a serial port is opened."""

    broker: Callable[[Intake], BrokerWay] | None = None  # None: MQTT over TCP
    port: Connect = serial_asyncio_fast.create_serial_connection


@dataclass(frozen=True, slots=True)
class LineState:
    """How a line is: open, or why not."""

    name: str
    family: str
    transport: Transport
    open: bool
    problem: str
    times: int = 0  #: it was opened, where that is counted: a broker's restart is over before anybody looks
    refused: int = 0  #: told `busy` and not taken: who spoke in vain was not silent


class Gateway:
    """Built inside a running loop; `run` it in a task. Raises ValueError naming the line that is wrong."""

    def __init__(
        self,
        options: GatewayOptions,
        inbox: Inbox,
        downlink: Downlink,
        clock: Clock,
        *,
        chance: random.Random | None = None,
        ways: Ways | None = None,
    ) -> None:
        self._chance = chance or random.Random()
        self._ways = ways or Ways()
        self._memory = LineMemory(options.data / "lines")
        self._routes = Routes()
        self._intake = Intake(inbox, clock, keeper=self._memory, limits=options.limits)
        self._intake.on_heard = self._routes.heard
        self._pump = Pump(downlink, self._routes)
        self.broker = _embedded(options) if options.mqtt_url is None else None
        self._outside = BrokerAddress.parse(options.mqtt_url) if options.mqtt_url is not None else None
        self._mqtt: BrokerWay = (
            self._ways.broker(self._intake)
            if self._ways.broker is not None
            else MqttTransport(self._address, options.client_id, self._intake, chance=self._chance)
        )
        self._mqtt_lines: list[tuple[OpenLine, Line]] = []
        self._serial: list[tuple[SerialTransport, Line]] = []
        native = self._mqtt_line("mqtt", Line(family="native", transport=Transport.MQTT))
        self._routes.always("native", native)
        for line in options.lines:
            self._add(line)

    # -- health -----------------------------------------------------------------------------------------------------

    @property
    def broker_up(self) -> bool:
        """Whether we are connected to the broker, embedded or outside."""
        return self._mqtt.connected

    @property
    def broker_problem(self) -> str:
        """Why the embedded broker is not up, for people; empty where it is, or where it is an outside one."""
        return "" if self.broker is None else self.broker.problem

    @property
    def lines(self) -> tuple[LineState, ...]:
        """All lines, the native dialect first."""
        connected = self._mqtt.connected
        problem = "" if connected else self.broker_problem or "no connection to the broker"
        times: int = getattr(
            self._mqtt, "times", 0
        )  # a way may keep no count: a wire in memory is never restarted
        states = [
            LineState(
                opened.name,
                line.family,
                line.transport,
                connected,
                problem,
                times,
                self._intake.refused[opened.name],
            )
            for opened, line in self._mqtt_lines
        ]
        states += [
            LineState(
                port.name,
                line.family,
                line.transport,
                port.open,
                port.problem,
                refused=self._intake.refused[port.name],
            )
            for port, line in self._serial
        ]
        return tuple(states)

    def _address(self) -> BrokerAddress:
        return _of_ours(self.broker) if self.broker is not None else _given(self._outside)

    @property
    def beats(self) -> Mapping[str, float]:
        """When each loop last turned, by `time.monotonic()`: one that has not for 10 s hangs."""
        offset = time.monotonic() - asyncio.get_running_loop().time()
        parts: dict[str, float] = {
            "intake": self._intake.beat,
            "mqtt": self._mqtt.beat,
            "downlink": self._pump.beat,
        }
        if self.broker is not None:
            parts["broker"] = self.broker.beat
        parts |= {port.name: port.beat for port, _ in self._serial}
        return {name: beat + offset for name, beat in parts.items()}

    @property
    def depths(self) -> dict[str, tuple[int, int]]:
        """How many wait in each queue, and how many may."""
        return self._intake.depths

    # -- work -------------------------------------------------------------------------------------------------------

    async def deliver(
        self, signal: Signal, line: str = "http", call_within_seconds: float | None = None
    ) -> Reception:
        """Store a signal that came by another way (`POST /signals`), in the same commits. Raises gateway.ports.Busy."""
        return await self._intake.deliver(signal, line, call_within_seconds)

    def canary(self, device: str) -> CanaryButton:
        """A button of our own, that comes by the broker; without a broker it comes as over HTTP."""

        def address() -> BrokerAddress | None:
            return None if self.broker is not None and not self.broker.installed else self._address()

        return CanaryButton(device, address, self._intake.deliver)

    async def drain(self, within_seconds: float = 3.0) -> None:
        """Read nothing more, and wait until what was read is stored and answered. Then cancel `run`."""
        await self._intake.drain(within_seconds)

    async def run(self) -> None:
        """Everything, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._intake.run(), name="intake")
            group.create_task(self._pump.run(), name="downlink")
            if self.broker is not None:
                group.create_task(self.broker.run(), name="broker")
            group.create_task(self._mqtt.run(), name="mqtt")
            for port, _ in self._serial:
                group.create_task(port.run(), name=f"line {port.name}")

    # -- lines ------------------------------------------------------------------------------------------------------

    def _add(self, line: Line) -> None:
        translator = family(line.family)
        if line.transport not in translator.transports:
            raise ValueError(f"{line.family} does not come by {line.transport}")
        if translator.maturity is Maturity.DRAFT:
            log.warning("family is a draft: not proven on a real device", family=line.family)
        if line.transport is Transport.MQTT:
            self._mqtt_line(f"{line.family} {line.topic}".strip(), line)
        elif line.transport is Transport.SERIAL:
            self._serial_line(f"{line.family} {line.port}", line, translator)
        else:
            raise ValueError(f"{line.family}: this gateway has no transport {line.transport} yet")

    def _mqtt_line(self, name: str, line: Line) -> OpenLine:
        translator = family(line.family)
        session = translator.session(line.options)
        self._memory.recall(name, session)
        opened = OpenLine(name, line.family, session, self._mqtt.send, self._mqtt.carry, self._mqtt.pause)
        self._mqtt.add(opened, translator.topics(line.topic))
        self._mqtt_lines.append((opened, line))
        self._intake.open(opened)
        return opened

    def _serial_line(self, name: str, line: Line, translator: Family) -> None:
        def new_session() -> Session:
            return translator.session(line.options)

        new_session()  # a wrong option is told now, not at the first plugging in
        port = SerialTransport(
            name,
            line.port,
            line.baud,
            line.family,
            new_session,
            self._intake,
            self._memory,
            chance=self._chance,
            closed=self._routes.closed,
            connect=self._ways.port,
        )
        self._serial.append((port, line))


def _embedded(options: GatewayOptions) -> EmbeddedBroker:
    host, _, port = options.mqtt_listen.rpartition(":")
    if not port.isdecimal():
        raise ValueError("mqtt_listen: host:port is needed")
    return EmbeddedBroker(
        options.data / "broker", host=host.strip("[]"), port=int(port), anonymous=options.mqtt_anonymous
    )


def _of_ours(broker: EmbeddedBroker) -> BrokerAddress:
    """Our own broker, once it is up: whoever else holds its port is not to be spoken to."""
    if not broker.up:
        raise ConnectionRefusedError(broker.problem) if broker.problem else NotYet
    return broker.address


def _given(address: BrokerAddress | None) -> BrokerAddress:
    if address is None:
        raise RuntimeError("neither an embedded nor an outside broker")
    return address
