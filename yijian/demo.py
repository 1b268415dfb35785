"""What `--demo` adds, put together: where its messages end, who its people are, its district, its town.

    async with sink_at(address) as sink:                 the page with the messages, on loopback
        settings = with_sink(settings, sink)             every SMS goes there, whatever the settings say
        district_of(sink)                                generated; its webhooks end there too
        accesses(register)                               a token for each who works at a station: the journal says who
        plugged_in(settings, register, hubs)             its devices, before the gateway opens its lines
    play(…)                                          the town, until it is stopped

Only what is asked for here is in memory alone: a demo that starts again finds its register, and has new tokens.
"""

from __future__ import annotations

import asyncio
import json
import random
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
import structlog

from config.doors import SystemClock
from config.settings import Address, Settings
from config.sms import read_sms
from dispatcher.console.access import AREA, Access
from dispatcher.core.district import Role
from dispatcher.register import Register
from yijian.errors import CommandError, UsageError

if TYPE_CHECKING:
    from simulators.sink import Sink
    from simulators.town import Town

log = structlog.get_logger()

SEED = 411002
#: So many people act under their own names; in a larger register the rest share the demo's token.
PERSONS_MAX = 1000

_SMS: dict[str, Any] = {
    "kind": "http",
    "name": "demo",
    "body": '{"phone":"{phone}","text":"{text}","id":"{id}"}',
    "accepted": "Code=OK",
    "id_from": "BizId",
}


@asynccontextmanager
async def sink_at(address: Address | None, speed: float) -> AsyncIterator[Sink]:
    """The sink, listening; at a free port where no address is given."""
    from simulators.sink import Sink

    sink = Sink(seed=SEED, speed=speed)
    host, port = address or ("127.0.0.1", 0)
    try:
        await sink.start(host, port)
    except ValueError as error:
        raise UsageError(f"--sink {error}") from None
    except OSError as error:
        raise CommandError(f"--sink cannot listen on {host}:{port}: {error.strerror}") from error
    try:
        yield sink
    finally:
        await sink.stop()


def with_sink(settings: Settings, sink: Sink) -> Settings:
    """The settings with the sink as their only SMS provider: a demo must not reach a real telephone."""
    wrong: list[str] = []
    sms = read_sms([_SMS | {"url": f"{sink.url}/sms"}], {}, lambda key, why: wrong.append(f"{key} {why}"))
    if wrong:
        raise CommandError(*wrong)
    return replace(settings, sms=sms)


def district_of(sink: Sink | None) -> bytes:
    """The generated district, as a file."""
    from simulators.district import generate

    return json.dumps(generate(SEED, hubs=1, sink=None if sink is None else sink.url)).encode()


def moved_webhooks(register: Register, sink: Sink) -> bytes | None:
    """A district file that moves the webhooks of an earlier demo to where the sink is now; None: all are there."""
    district = exported(register)
    moved = []
    for row in district.get("webhooks", ()):
        url = f"{sink.url}/hooks/{row['id']}"
        there = urlsplit(row["url"])
        ours = there.path == f"/hooks/{row['id']}" and there.hostname in {"127.0.0.1", "::1"}
        if ours and row["url"] != url:
            moved.append(row | {"url": url})
    if not moved:
        return None
    return json.dumps({"district": district["district"], "webhooks": moved}).encode()


def exported(register: Register) -> dict[str, Any]:
    """The register's district as a file's plain values."""
    document: dict[str, Any] = msgspec.to_builtins(register.export(register.rolls.default_code))
    return document


def accesses(register: Register) -> dict[str, Access]:
    """By id, who the demo's people are when they ask: each who works at a station, and the stations without people.

    A station without people in the register has one telephone for all, as many have: the journal names the station.
    """
    found: dict[str, Access] = {}
    roll = register.rolls.by_code.get(register.rolls.default_code)
    if roll is None:
        return found
    for person in roll.staff.values():
        if person.station in roll.stations and person.role in {Role.STATION, Role.DISTRICT}:
            area = person.area if person.role in AREA | {Role.DISTRICT} else ""
            found[person.id] = Access(
                id=f"demo-{person.id}", role=person.role, area=area, station=person.station, staff=person.id
            )
    for station in roll.stations.values():
        if not roll.staff_at.get(station.id):
            found[station.id] = Access(id=f"demo-{station.id}", role=Role.STATION, station=station.id)
    return dict(list(found.items())[:PERSONS_MAX])


def tokens_for(found: Mapping[str, Access]) -> dict[str, str]:
    """A fresh secret for each of them, in memory only."""
    return {name: secrets.token_urlsafe(32) for name in found}


def plugged_in(settings: Settings, register: Register, hubs: Mapping[str, Path]) -> Town:
    """The demo's devices, their hubs plugged in already: before the gateway opens its lines, or it would warn of them."""
    from simulators.town import Broker, Town

    for port in hubs.values():
        port.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    town = Town(
        exported(register),
        Broker(settings.mqtt_listen.host, settings.mqtt_listen.port),
        hubs,
        chance=random.Random(f"{SEED}/town"),
        clock=SystemClock(),
    )
    town.plug_in()
    return town


async def play(
    register: Register,
    town: Town,
    *,
    url: str,
    token: str,
    persons: Mapping[str, str],
    sink: Sink,
    speed: float,
    stop: asyncio.Event,
) -> None:
    """The demo's town."""
    from simulators import demo

    log.info("the demo's messages can be read at", url=sink.url)
    await demo.play(
        http=url,
        token=token,
        town=town,
        district=exported(register),
        seed=SEED,
        speed=speed,
        stop=stop,
        persons=persons,
        sink=sink,
    )
