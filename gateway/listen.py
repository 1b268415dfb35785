"""`yijian listen`: what `decode` shows, live from a serial port or a broker's topics.

It only listens: the answers are shown and not sent, or a hub would forget a press that nobody stored.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import serial_asyncio_fast

from devices.family import Family, Frame, Line, Transport
from devices.registry import family
from gateway.decode import read_frame
from gateway.transports.mqtt import BrokerAddress

_READ_BYTES = 4096

Emit = Callable[[str], None]
Now = Callable[[], datetime]


async def listen(line: Line, mqtt_url: str | None, emit: Emit, now: Now) -> None:
    """Show what comes by a line, until cancelled or until the line ends (then OSError says why).

    Raises ValueError where the line's family, transport or an option of it is wrong.
    """
    translator = family(line.family)
    if line.transport not in translator.transports:
        raise ValueError(f"{line.family} does not come by {line.transport}")
    if line.transport is Transport.SERIAL:
        await _serial(line, translator, emit, now)
    elif line.transport is Transport.MQTT:
        if mqtt_url is None:
            raise ValueError("mqtt: a broker is needed, mqtt://user:password@host:port")
        await _mqtt(line, translator, BrokerAddress.parse(mqtt_url), emit, now)
    else:
        raise ValueError(f"nothing listens by {line.transport} yet")


async def _serial(line: Line, translator: Family, emit: Emit, now: Now) -> None:
    session = translator.session(line.options)
    reader, writer = await serial_asyncio_fast.open_serial_connection(
        url=line.port, baudrate=line.baud, exclusive=True
    )
    try:
        while data := await reader.read(_READ_BYTES):
            for text in read_frame(session, Frame(data), now()):
                emit(text)
    finally:
        with suppress(OSError):
            writer.close()


async def _mqtt(line: Line, translator: Family, address: BrokerAddress, emit: Emit, now: Now) -> None:
    session = translator.session(line.options)
    client = address.client(f"yijian-listen-{secrets.token_hex(4)}", clean_session=True)
    try:
        async with client:
            await client.subscribe([(topic, 0) for topic in translator.topics(line.topic)])
            async for message in client.messages:
                payload = message.payload if isinstance(message.payload, bytes) else b""
                for text in read_frame(session, Frame(payload, str(message.topic), message.retain), now()):
                    emit(text)
    except asyncio.CancelledError:
        raise
    except Exception as error:
        # aiomqtt's own errors derive from Exception alone; outside of the transport nobody need know them.
        raise OSError(f"the broker ended it: {error}") from error
