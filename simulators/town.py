"""The town's devices put together: native buttons over MQTT, hubs on serial ports, and one switchboard for both."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import structlog

from config.doors import Clock
from simulators.buttons import Fleet
from simulators.day import Happening
from simulators.hubs import PtyHub

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the MQTT broker is."""

    host: str
    port: int = 1883
    username: str | None = None
    password: str | None = None

    @classmethod
    def of_url(cls, url: str) -> Broker:
        """From `mqtt://user:password@host:port`. Raises ValueError for anything else."""
        parts = urlsplit(url if "://" in url else f"mqtt://{url}")
        if parts.scheme not in {"mqtt", "tcp"} or not parts.hostname:
            raise ValueError(
                f"{parts.scheme}://… is no address of an MQTT broker: mqtt://host:port is needed"
            )
        return cls(
            parts.hostname,
            parts.port or 1883,
            unquote(parts.username) if parts.username else None,
            unquote(parts.password) if parts.password else None,
        )


def natives(district: Mapping[str, Any]) -> list[str]:
    """The native buttons of a district file."""
    return [
        device.get("address") or device["id"]
        for device in district.get("devices", ())
        if device.get("family", "native") == "native"
    ]


def hubs(district: Mapping[str, Any]) -> dict[str, list[str]]:
    """The hubs of a made-up district, each with the addresses of its buttons: `hub-03` has those called `yj-03-…`."""
    lines = [device for device in district.get("devices", ()) if device.get("family") == "yj_line"]
    found: dict[str, list[str]] = {
        device.get("address") or device["id"]: [] for device in lines if not device.get("resident")
    }
    for device in lines:
        if not device.get("resident"):
            continue
        head, _, rest = device["id"].rpartition("yj-")
        hub = f"{head}hub-{rest.partition('-')[0]}"
        if hub in found:
            found[hub].append(device.get("address") or device["id"])
    return found


def pressable(district: Mapping[str, Any], ports: Collection[str]) -> list[str]:
    """The addresses of all buttons that can be pressed, of radio buttons those behind a hub that has a port."""
    radio = [button for hub, behind in hubs(district).items() if hub in ports for button in behind]
    return [*natives(district), *radio]


class Town:
    """All devices that are played: every native button, and the hubs that have a port."""

    def __init__(
        self,
        district: Mapping[str, Any],
        broker: Broker | None,
        ports: Mapping[str, Path],
        *,
        chance: random.Random,
        clock: Clock,
        heartbeat_seconds: float = 900.0,
    ) -> None:
        """`ports` is where each hub's port appears; a hub without one is not played, nor are its buttons."""
        seconds = clock.now_us() // 1_000_000
        self.fleet = Fleet(
            natives(district) if broker is not None else (),
            host=broker.host if broker is not None else "",
            port=broker.port if broker is not None else 0,
            username=broker.username if broker is not None else None,
            password=broker.password if broker is not None else None,
            chance=chance,
            boot=f"{seconds:x}",
            heartbeat_seconds=heartbeat_seconds,
            clock=clock,
        )
        #: The system names a device by its id, a radio button calls itself by its address.
        self._address = {
            device["id"]: device["address"] for device in district.get("devices", ()) if device.get("address")
        }
        self.hubs: dict[str, PtyHub] = {}
        self._hub_of: dict[str, PtyHub] = {}
        for name, behind in hubs(district).items():
            if (path := ports.get(name)) is not None:
                # Minutes for the boot counter, seconds for the sequence: both only grow from one run to the next.
                hub = PtyHub(name, path, boot=seconds // 60, seq=seconds, chance=chance)
                self.hubs[name] = hub
                self._hub_of |= dict.fromkeys(behind, hub)

    @property
    def buttons(self) -> list[str]:
        """The addresses of all buttons that can be pressed."""
        return [*self.fleet.devices, *self._hub_of]

    def do(self, happening: Happening) -> None:
        """Let a device say it."""
        self.say(happening.device, happening.type, happening.key)

    def say(self, device: str, type_: str, key: str = "") -> bool:
        """Let a device say something; False where it is not ours."""
        device = self._address.get(device, device)
        if (hub := self._hub_of.get(device)) is not None:
            hub.say(device, type_, key)
        elif device not in self.fleet:
            return False
        elif type_ == "battery_low":
            self.fleet.drain_battery(device)
        elif type_ == "battery_ok":
            self.fleet.replace_battery(device)
        else:
            self.fleet.say(
                device, type_, key, **({"details": {"hazard": "smoke"}} if type_ == "hazard" else {})
            )
        log.debug("town.said", device=device, type=type_, key=key)
        return True

    def plug_in(self) -> None:
        """The hubs' ports are there from now on: a gateway that opens them next finds them. `run` does so by itself."""
        for hub in self.hubs.values():
            hub.replug()

    async def run(self) -> None:
        """Be there, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.fleet.run(), name="town:buttons")
            for name, hub in self.hubs.items():
                group.create_task(hub.run(), name=f"town:{name}")


def ports_at(path: Path | None, names: Iterable[str]) -> dict[str, Path]:
    """One port, for the first hub."""
    first = next(iter(names), None)
    return {first: path} if path is not None and first is not None else {}
