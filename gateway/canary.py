"""The canary's button: a device like any other, with an MQTT connection of its own for each press.

    connect -> subscribe `down` -> PUBLISH `up` (QoS 1) -> PUBACK: broker -> receipt: receipt -> its call: desk

Where there is no broker to come by (Mosquitto is not installed, everything comes by serial lines), the press is handed to
the intake as one by HTTP is, and the stage `broker` is missing.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import aiomqtt
import msgspec

from devices.family import Result
from devices.native import PREFIX
from devices.signal import Key, Signal, SignalType
from gateway.intake import Reception
from gateway.ports import Busy
from gateway.transports.mqtt import BrokerAddress

#: A receipt that does not name the call yet is asked for again after this, as a device would.
_AGAIN_SECONDS = 1.0
_TAKEN = frozenset({Result.STORED, Result.DUPLICATE})


class Untaken(Exception):  # noqa: N818 - it tells what happened
    """A stage was not reached: `stage` is broker or receipt."""

    def __init__(self, stage: str, why: str) -> None:
        super().__init__(f"{stage}: {why}")
        self.stage = stage
        self.why = why


class CanaryButton:
    """The device `device`. `address`: where the broker is; None: there is none to come by."""

    def __init__(
        self,
        device: str,
        address: Callable[[], BrokerAddress | None],
        deliver: Callable[[Signal, str, float | None], Awaitable[Reception]],
    ) -> None:
        self._device = device
        self._address = address
        self._deliver = deliver
        self._client_id = f"yijian-canary-{secrets.token_hex(4)}"

    @property
    def by_broker(self) -> bool:
        """Whether there is a broker to come by, up or not."""
        with contextlib.suppress(OSError):
            return self._address() is not None
        return True

    async def press(self, ref: str, tell: Callable[[str], None]) -> None:
        """Press, and tell `broker`, `receipt`, `desk` as they are reached. Raises Untaken."""
        try:
            address = self._address()
        except OSError as error:
            raise Untaken("broker", str(error) or "it is not up") from error
        if address is None:
            await self._direct(ref, tell)
            return
        try:
            async with address.client(self._client_id, clean_session=True) as client:
                await client.subscribe(f"{PREFIX}{self._device}/down", qos=1)
                await self._publish(client, ref)
                tell("broker")
                await self._receipt(client, ref, tell)
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            raise Untaken("broker", type(error).__name__) from error

    async def _publish(self, client: aiomqtt.Client, ref: str) -> None:
        body = msgspec.json.encode({"id": ref, "type": "press", "key": "emergency"})
        await client.publish(f"{PREFIX}{self._device}/up", body, qos=1)

    async def _receipt(self, client: aiomqtt.Client, ref: str, tell: Callable[[str], None]) -> None:
        async for message in client.messages:
            said = _read(message.payload)
            if said.get("type") != "receipt" or said.get("id") != ref:
                continue
            if said.get("result") in _TAKEN:
                tell("receipt")
                if said.get("call"):
                    tell("desk")
                    return
            elif said.get("result") != Result.BUSY:
                raise Untaken("receipt", f"{said.get('result')}"[:32])
            await asyncio.sleep(_AGAIN_SECONDS)
            await self._publish(client, ref)

    async def _direct(self, ref: str, tell: Callable[[str], None]) -> None:
        signal = Signal(
            family="native", device=self._device, type=SignalType.PRESS, id=ref, key=Key.EMERGENCY
        )
        while True:
            try:
                reception = await self._deliver(signal, "canary", _AGAIN_SECONDS)
            except Busy:
                await asyncio.sleep(_AGAIN_SECONDS)
                continue
            tell("receipt")
            if reception.call is not None:
                tell("desk")
                return


def _read(payload: object) -> dict[str, Any]:
    if not isinstance(payload, bytes | bytearray):
        return {}
    try:
        said = msgspec.json.decode(payload)
    except msgspec.DecodeError:
        return {}
    return said if isinstance(said, dict) else {}
