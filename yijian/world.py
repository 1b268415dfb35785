"""The server of the simulated world, put together of the production rooms on the world's ground."""

from __future__ import annotations

import asyncio
import time
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import StreamReader, web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpVersion11, RawRequestMessage
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from devices.family import Line, Transport
from dispatcher.alerts.letters import Letters
from dispatcher.alerts.post import Post
from dispatcher.alerts.throttle import Throttle
from dispatcher.alerts.wording import Wording
from dispatcher.console.access import Access
from dispatcher.console.app import Options, make_app, make_runner
from dispatcher.console.tokens import Tokens
from dispatcher.core.district import Role
from dispatcher.feed import Feed
from dispatcher.ledger import Ledger
from gateway.gateway import Gateway, GatewayOptions, Ways
from simulators.world import mutants as hunting
from simulators.world import run
from simulators.world.machine import Ground
from simulators.world.mistakes import MUTANTS
from simulators.world.night import play
from simulators.world.place import HUB
from simulators.world.promises import CHECKS
from yijian.compose import console_rooms
from yijian.demo import accesses
from yijian.errors import DONE, FAILED
from yijian.house import House, furnish
from yijian.ports import DownlinkPort, InboxPort
from yijian.posting import post_with
from yijian.watching import Watch, watch
from yijian.words import Say


@dataclass(slots=True)
class WorldServer:
    """The rooms of one process."""

    rooms: House
    post: Post
    watching: Watch
    gateway: Gateway
    app: web.Application

    @property
    def ledger(self) -> Ledger:
        """The open calls in memory."""
        return self.rooms.ledger

    @property
    def feed(self) -> Feed:
        """The facts as they are told."""
        return self.rooms.feed

    @property
    def faults(self) -> int:
        """Decisions and messages that failed inside."""
        return self.rooms.desk.faults + self.post.faults

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> web.Request:
        """A request as aiohttp's parser gives it."""
        loop = asyncio.get_running_loop()
        protocol: Any = _Wire(loop)
        given = CIMultiDict({**headers, "Content-Length": str(len(body))})
        raw = tuple((name.encode(), value.encode()) for name, value in given.items())
        message = RawRequestMessage(
            method, path, HttpVersion11, CIMultiDictProxy(given), raw, False, None, False, False, URL(path)
        )
        content = StreamReader(protocol, 2**20, loop=loop)
        content.feed_data(body)
        content.feed_eof()
        task: Any = None
        writer: Any = None
        return web.Request(message, content, protocol, writer, task, loop, client_max_size=0)

    async def answer(self, request: web.Request) -> tuple[int, bytes]:
        """By the application's routes, keys and rights, as over TCP."""
        response = await self.app._handle(request)  # noqa: SLF001 - what aiohttp's own server calls
        body = response.body if isinstance(response, web.Response) else b""
        return response.status, body if isinstance(body, bytes) else b""

    async def run(self) -> None:
        """As `yijian run` does."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.rooms.desk.run(), name="desk")
            group.create_task(self.post.run(), name="post")
            group.create_task(self.gateway.run(), name="gateway")
            group.create_task(self.watching.supervision.run(), name="supervision")
            group.create_task(self.watching.coverage.run(), name="coverage")


class _Wire(BaseProtocol):
    """What a request asks its connection for."""

    ssl_context = None
    peername = ("127.0.0.1", 1)
    sockname = ("127.0.0.1", 2)


async def build(ground: Ground) -> WorldServer:
    """A server on that ground. Raises StoreUnavailable."""
    rooms = await furnish(ground.store, ground.clock, ground.ids)
    if not any(roll.residents for roll in rooms.register.rolls.by_code.values()):
        await rooms.register.merge(msgspec.json.encode(ground.district))
    post = post_with(
        rooms,
        webhooks=ground.hooks,
        texts=ground.texts,
        letters=Letters(Wording.load(None), "http://world"),
        throttle=Throttle(1000),
        chance=ground.chance,
    )
    await post.open()
    watching = await watch(rooms)
    options = GatewayOptions(
        data=ground.folder,
        mqtt_url="mqtt://world",
        lines=(Line(family="yj_line", transport=Transport.SERIAL, port=HUB, baud=115200),),
    )
    gateway = Gateway(
        options,
        InboxPort(rooms.inbox, watching.supervision),
        DownlinkPort(rooms.outbox, rooms.register.rolls),
        ground.clock,
        chance=ground.chance,
        ways=Ways(broker=ground.broker, port=ground.port),
    )
    watching.by(gateway)
    known = {"admin": Access(id="admin", role=Role.ADMIN)} | accesses(rooms.register)
    tokens = Tokens(
        rooms.store, rooms.clock, rooms.ids, fixed={f"token-{name}": one for name, one in known.items()}
    )
    app = make_app(console_rooms(rooms, watching, None), Options(tokens=tokens))
    await make_runner(app).setup()
    return WorldServer(rooms, post, watching, gateway, app)


# ── yijian simulate world ────────────────────────────────────────────────────────────────────────────────────────────


def command(arguments: Namespace, say: Say) -> int:
    """Many nights, one told line by line, or the table of what is looked for; 1 where something was wrong."""
    if arguments.checkers:
        for check in CHECKS.values():
            print(f"{check.promise or '-':>3}  {check.name:<26} {check.says}")
        return DONE
    if arguments.mutants:
        return _mutants(arguments, say)
    if arguments.seed is not None:
        night = play(arguments.seed, build, arguments.day)
        for line in run.tell(night):
            print(line)
        return DONE if night.found is None else FAILED
    began = time.perf_counter()
    nights = wrong = presses = facts = kills = 0
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    for result in run.many(seeds, build, arguments.jobs, arguments.day):
        nights += 1
        presses, facts, kills = presses + result.presses, facts + result.facts, kills + result.kills
        if result.found:
            wrong += 1
            print(say("world.wrong").format(seed=result.seed, found=result.found), flush=True)
            print("  " + say("world.replay").format(seed=result.seed), flush=True)
    minutes = round(nights / (time.perf_counter() - began) * 60)
    told = say("world.sum")
    print(told.format(nights=nights, wrong=wrong, presses=presses, facts=facts, kills=kills, minutes=minutes))
    return DONE if not wrong else FAILED


def _mutants(arguments: Namespace, say: Say) -> int:
    hunts = []
    for found in hunting.all_of(MUTANTS, build, arguments.jobs):
        hunts.append(found)
        told = say("world.found" if found.check else "world.survived")
        print(told.format(name=found.mutant.name, check=found.check, nights=found.nights), flush=True)
    if arguments.out:
        Path(arguments.out).write_text(hunting.table(hunts), encoding="utf-8")
    return DONE if all(one.check for one in hunts) else FAILED
