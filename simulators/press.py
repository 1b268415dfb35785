"""One press of any device family, for `yijian simulate press`: it says what it sent and everything that comes back.

    press     btn-00001 emergency 6744a1f0-1
    receipt   stored call=c-0r7x2m9k4bq8t3nv5w after 4 ms
    state     accepted 工作人员已受理
    state     closed 已办结

A native button presses over MQTT, or over HTTP where no broker is named; a `yj_line` hub on its serial port, which is
made where there is none; every other family sends one frame of its own the way the family comes.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import aiomqtt
import serial

from config.doors import Clock, SystemClock, from_us
from devices import registry
from devices.family import Family, Frame, Transport
from devices.signal import Key, Signal, SignalType
from simulators.api import Api, ApiError
from simulators.buttons import Fleet
from simulators.hubs import HubEvent, HubLine, PtyHub
from simulators.town import Broker

Say = Callable[[str], None]

_POLL_SECONDS = 0.5
_HUB = "hub-simulated"


async def press_once(
    *,
    family: str = "native",
    device: str,
    key: str = "emergency",
    mqtt: str | None = None,
    http: str | None = None,
    token: str | None = None,
    port: str | None = None,
    to: str | None = None,
    baud: int = 115_200,
    wait_seconds: float = 30.0,
    say: Say = print,
    clock: Clock | None = None,
) -> bool:
    """Press once and tell what comes back, for at most `wait_seconds`; True when it was receipted, or sent.

    `mqtt` and `http` are URLs, `port` a serial port, `to` the `host:port` or URL of any other line. The end of the
    call ends the waiting. Raises ValueError naming what is missing or wrong.
    """
    clock = clock or SystemClock()
    id_ = f"{clock.now_us() // 1000:x}"
    if family == "native":
        if mqtt is not None:
            return await _native_mqtt(device, key, id_, Broker.of_url(mqtt), wait_seconds, say)
        if http is None:
            raise ValueError("a native press needs the broker's URL (mqtt) or the system's (http)")
        return await _native_http(device, key, id_, http, token or "", wait_seconds, say)
    if family == "yj_line":
        if port is None:
            raise ValueError("a hub needs a serial port (port)")
        return await _yj_line(device, key, port, baud, clock.now_us(), wait_seconds, say)
    return await _frame(
        registry.family(family),
        Signal(family, device, SignalType.PRESS, id_, Key(key), at=_second(clock)),
        mqtt=mqtt,
        port=port,
        to=to,
        baud=baud,
        wait_seconds=wait_seconds,
        say=say,
    )


def _second(clock: Clock) -> datetime:
    return from_us(clock.now_us() // 1_000_000 * 1_000_000)


async def _native_mqtt(
    device: str, key: str, id_: str, broker: Broker, wait_seconds: float, say: Say
) -> bool:
    ended = asyncio.Event()

    def told(_said: object, message: Mapping[str, Any]) -> None:
        say(f"state     {message['state']} {message.get('text', '')}".rstrip())
        if message["state"] == "closed":
            ended.set()

    fleet = Fleet(
        [device],
        host=broker.host,
        port=broker.port,
        username=broker.username,
        password=broker.password,
        chance=random.Random(id_),
        boot=id_,
        heartbeat_seconds=0,
        on_state=told,
    )
    async with asyncio.TaskGroup() as group:
        running = group.create_task(fleet.run(), name="press:button")
        said = fleet.press(device, key)
        say(f"press     {device} {key} {said.id}")
        try:
            async with asyncio.timeout(wait_seconds):
                await said.receipted()
                receipt = said.receipt or {}
                call = f" call={said.call}" if said.call else ""
                why = f" ({receipt['why']})" if receipt.get("why") else ""
                say(
                    f"receipt   {receipt.get('result')}{call}{why} after {1000 * (said.waited_seconds or 0):.0f} ms"
                )
                if receipt.get("result") != "rejected":
                    await ended.wait()
        except TimeoutError:
            if not said.settled:
                say(f"nothing   no receipt within {wait_seconds:g} s, {said.tries} tries")
        running.cancel()
    return said.settled and (said.receipt or {}).get("result") != "rejected"


async def _native_http(
    device: str, key: str, id_: str, http: str, token: str, wait_seconds: float, say: Say
) -> bool:
    say(f"press     {device} {key} {id_}")
    async with Api(http, token) as api:
        try:
            async with asyncio.timeout(wait_seconds):
                stored = await api.signal(device, id_, "press", key=key)
        except (ApiError, TimeoutError) as error:
            say(f"nothing   {error or 'no answer in time'}")
            return False
        call = stored.get("call")
        say(f"receipt   {stored.get('result')}" + (f" call={call}" if call else ""))
        if call and token:
            # A token that may only send signals follows no call; the press is stored all the same.
            with contextlib.suppress(TimeoutError, ApiError):
                async with asyncio.timeout(wait_seconds):
                    await _follow(api, call, say)
    return True


async def _follow(api: Api, call: str, say: Say) -> None:
    told = "received"
    while told != "closed":
        await asyncio.sleep(_POLL_SECONDS)
        state = (await api.get(f"/calls/{call}"))["state"]
        if state != told:
            say(f"state     {state}")
            told = state


async def _yj_line(
    device: str, key: str, port: str, baud: int, now_us: int, wait_seconds: float, say: Say
) -> bool:
    """Be a hub on an existing port, or make a pseudo terminal of that name and wait for the gateway to open it."""
    seconds = now_us // 1_000_000
    path = Path(port)
    if await asyncio.to_thread(path.exists):
        line = HubLine(_HUB, boot=seconds // 60, seq=seconds)
        event = line.say(asyncio.get_running_loop().time(), device, "press", key)
        work = _speak(line, path, baud)
    else:
        hub = PtyHub(_HUB, path, boot=seconds // 60, seq=seconds)
        line = hub.line
        event = hub.say(device, "press", key)
        work = hub.run()
        say(f"port      {path} made: the gateway may open it now")
    say(f"press     {device} {key} {event.seq}")
    try:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(work, name="press:hub")
            try:
                async with asyncio.timeout(wait_seconds):
                    await _told(event, say)
            except TimeoutError:
                if not event.acknowledged:
                    say(f"nothing   no A within {wait_seconds:g} s, {event.tries} tries")
            running.cancel()
    except* OSError as group_error:
        # In use by somebody else (the gateway's own end?), pulled out, or no port at all.
        say(f"nothing   {group_error.exceptions[0]}")
    return event.acknowledged


async def _told(event: HubEvent, say: Say) -> None:
    """Tell what the gateway says of an event, until its call is closed."""
    await event.stored()
    say("receipt   stored (A)" if event.acknowledged else "receipt   refused (N format)")
    told = 0
    while event.acknowledged and "closed" not in event.states[:told]:
        await asyncio.sleep(_POLL_SECONDS)
        for state in event.states[told:]:
            say(f"state     {state} call={event.call}")
            told += 1


async def _speak(line: HubLine, path: Path, baud: int) -> None:
    """Speak as a hub on a port that is there."""
    loop = asyncio.get_running_loop()
    with serial.Serial(str(path), baud, timeout=0, write_timeout=1, exclusive=True) as port:
        line.plugged(loop.time())
        while True:
            if data := line.due(loop.time()):
                port.write(data)
            line.hear(port.read(4096), loop.time())
            await asyncio.sleep(0.02)


async def _frame(
    family: Family,
    signal: Signal,
    *,
    mqtt: str | None,
    port: str | None,
    to: str | None,
    baud: int,
    wait_seconds: float,
    say: Say,
) -> bool:
    """One frame of any family, the way the family comes; what is answered is shown as it is."""
    frame = family.emit(signal)
    ways = family.transports
    work: Coroutine[Any, Any, bytes]
    if port is not None and Transport.SERIAL in ways:
        work = _by_serial(port, baud, frame, wait_seconds)
    elif to is not None and Transport.HTTP in ways and urlsplit(to).scheme in {"http", "https"}:
        work = _by_http(to, frame)
    elif to is not None and Transport.TCP in ways:
        work = _by_tcp(to, frame, wait_seconds)
    elif to is not None and Transport.UDP in ways:
        work = _by_udp(to, frame, wait_seconds)
    elif mqtt is not None and Transport.MQTT in ways:
        work = _by_mqtt(Broker.of_url(mqtt), frame)
    else:
        raise ValueError(f"{family.name} comes by {', '.join(sorted(ways))}: say where to (mqtt, port or to)")
    say(f"press     {signal.device} {signal.key} {signal.id}")
    try:
        answer = await work
    except (OSError, aiomqtt.MqttError, aiohttp.ClientError) as error:
        say(f"nothing   {type(error).__name__}: {error}")
        return False
    say(f"answer    {answer!r}" if answer else "sent      no answer")
    return True


async def _by_serial(port: str, baud: int, frame: Frame, wait_seconds: float) -> bytes:
    loop = asyncio.get_running_loop()
    until = loop.time() + min(wait_seconds, 3.0)
    answer = b""
    with serial.Serial(port, baud, timeout=0, write_timeout=1, exclusive=True) as line:
        line.write(frame.data)
        while loop.time() < until and not answer:
            await asyncio.sleep(0.05)
            answer += line.read(4096)
    return answer


async def _by_mqtt(broker: Broker, frame: Frame) -> bytes:
    async with aiomqtt.Client(
        broker.host, broker.port, username=broker.username, password=broker.password
    ) as client:
        await client.publish(frame.topic, frame.data, qos=1, retain=frame.retain)
    return b""


async def _by_http(to: str, frame: Frame) -> bytes:
    headers = {"Content-Type": "application/json"} if frame.data[:1] in b"{[" else {}
    async with (
        aiohttp.ClientSession() as session,
        session.post(to, data=frame.data, headers=headers) as answer,
    ):
        return f"{answer.status} ".encode() + (await answer.read())[:500]


def _host_port(to: str) -> tuple[str, int]:
    parts = urlsplit(to if "://" in to else f"//{to}")
    if not parts.hostname or not parts.port:
        raise ValueError(f"{to}: host:port is needed")
    return parts.hostname, parts.port


async def _by_tcp(to: str, frame: Frame, wait_seconds: float) -> bytes:
    reader, writer = await asyncio.open_connection(*_host_port(to))
    try:
        writer.write(frame.data)
        await writer.drain()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(wait_seconds, 5.0)):
                return await reader.read(4096)
        return b""
    finally:
        writer.close()


async def _by_udp(to: str, frame: Frame, wait_seconds: float) -> bytes:
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[bytes] = loop.create_future()

    class _Ear(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 - asyncio's signature
            if not answered.done():
                answered.set_result(data)

    transport, _ = await loop.create_datagram_endpoint(_Ear, remote_addr=_host_port(to))
    try:
        transport.sendto(frame.data)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(wait_seconds, 3.0)):
                return await answered
        return b""
    finally:
        transport.close()
