"""The composition root: the only place that builds things and puts them in touch. No logic.

serve():  store -> register, journal, ledger -> inbox, desk, board, feed, outbox -> gateway, console -> ready
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from aiohttp import web

from config.doors import ClockIds, SystemClock
from config.settings import Address, Settings
from devices.family import Line, Transport
from dispatcher import register_rows
from dispatcher.alert_board import AlertBoard
from dispatcher.alerts.post import Post
from dispatcher.console.access import Access
from dispatcher.console.app import STREAMS, Options, make_app, make_runner
from dispatcher.console.rooms import Health, Rooms
from dispatcher.console.tokens import TokenError, Tokens, not_there
from dispatcher.core.district import Role
from dispatcher.core.roll import Rolls
from dispatcher.erase import Erasure, forgetting
from dispatcher.fault_board import FaultBoard
from dispatcher.housekeeping import Housekeeping
from dispatcher.metrics import Metrics
from dispatcher.register import Register, WrongInput
from dispatcher.store import StoreUnavailable
from dispatcher.verify import counted, verify
from dispatcher.vigil.systemd import Notifier
from gateway.gateway import Gateway, GatewayOptions
from yijian import demo as demos
from yijian import proving
from yijian.database import opened
from yijian.errors import DONE, CommandError, UsageError
from yijian.ground import base_map, with_ground
from yijian.house import House, house
from yijian.keeping import Keeper
from yijian.ports import DownlinkPort, InboxPort
from yijian.posting import post_office, wording
from yijian.serving import bound, ready, spare_the_collector, take_short_turns, url_of
from yijian.vouching import provider
from yijian.watching import Watch, watch

if TYPE_CHECKING:
    from simulators.sink import Sink

log = structlog.get_logger()

#: A desk that has not come round for this long is gone.
DESK_SILENT_SECONDS = 10.0
#: What the demo keeps of its closed calls: it must be able to run for ever on a small disk.
DEMO_KEEP_DAYS = 2.0
#: SIGTERM ends within 10 s, also where the database does not answer: so long for what is under way, then for each end.
DRAIN_SECONDS = 5.0
END_SECONDS = 1.0


# ── run ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def serve(settings: Settings, *, demo: bool, speed: float, sink_at: Address | None = None) -> int:
    """Everything in one process until SIGTERM or SIGINT; the exit code. `sink_at`: where the demo's sink listens."""
    listener = bound(settings.http)
    said = wording(settings)
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(contextlib.closing(listener))
        notifier = stack.enter_context(contextlib.closing(Notifier()))
        notifier.upgrading()
        sink: Sink | None = None
        if demo:
            sink = await stack.enter_async_context(demos.sink_at(sink_at, speed))
            settings = demos.with_sink(settings, sink)
        rooms = await stack.enter_async_context(house(settings))
        await load_district(rooms, settings, sink)
        if demo:
            settings = with_ground(settings, rooms.register)
        me = await proving.myself(rooms, url_of(settings.http, listener))
        post = await stack.enter_async_context(
            post_office(settings, rooms, said, demo=demo, own_url=me.hook_url)
        )
        await _serve(settings, rooms, post, listener, sink, me, notifier, speed=speed)
    return DONE


async def _serve(
    settings: Settings,
    rooms: House,
    post: Post,
    listener: socket.socket,
    sink: Sink | None,
    me: proving.Myself,
    notifier: Notifier,
    *,
    speed: float,
) -> None:
    demo = sink is not None
    hubs = demo_hubs(settings, rooms) if demo else {}
    watching = await watch(rooms)
    gateway = build_gateway(settings, rooms, watching, hubs, anonymous=settings.mqtt_anonymous or demo)
    demo_token = secrets.token_urlsafe(32) if demo else ""
    fixed = {
        secret: Access(id=name, role=Role.ADMIN)
        for secret, name in ((settings.admin_token, "admin"), (demo_token, "demo"))
        if secret
    }
    people = demos.accesses(rooms.register) if demo else {}
    persons = demos.tokens_for(people)
    fixed |= {secret: people[name] for name, secret in persons.items()} | me.access
    tokens = Tokens(rooms.store, rooms.clock, rooms.ids, fixed=fixed)
    Metrics(rooms.desk, rooms.inbox, rooms.ledger, rooms.clock).offline = watching.offline
    options = Options(
        tokens=tokens,
        demo_token=demo_token,
        demo_messages=sink.url if sink is not None else "",
        base_map=base_map(settings),
        proxies=settings.proxies,
        provider=provider(settings, rooms.clock),
        public_url=settings.public_url,
    )
    proof = proving.Proof(settings, rooms, gateway, me)
    keep_closed_days = DEMO_KEEP_DAYS if demo else settings.keep_closed_days
    keeper = Keeper(settings, rooms, gateway, post, proof, notifier, keep_closed_days=keep_closed_days)
    app = make_app(console_rooms(rooms, watching, keeper), options)
    proof.route(app)
    keeper.watches(app[STREAMS])
    runner = make_runner(app)
    spare_the_collector()
    take_short_turns()
    housekeeping = Housekeeping(rooms.store, rooms.clock, keep_closed_days=keep_closed_days)
    housekeeping.on_archived = rooms.feed.archived
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    await runner.setup()
    town = demos.plugged_in(settings, rooms.register, hubs) if demo else None
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(rooms.desk.run(), name="desk"),
                group.create_task(post.run(), name="post"),
                group.create_task(gateway.run(), name="gateway"),
                group.create_task(housekeeping.run(), name="housekeeping"),
                group.create_task(watching.supervision.run(), name="supervision"),
                group.create_task(watching.coverage.run(), name="coverage"),
                group.create_task(keeper.run(), name="vigil"),
            ]
            await web.SockSite(runner, listener).start()
            await ready(gateway, stop)
            url = me.base
            if not stop.is_set():
                print(f"ready {url}", flush=True)
                notifier.ready()
            if sink is not None and town is not None:
                playing = demos.play(
                    rooms.register,
                    town,
                    url=url,
                    token=demo_token,
                    persons=persons,
                    sink=sink,
                    speed=speed,
                    stop=stop,
                )
                tasks.append(group.create_task(playing, name="demo"))
            await stop.wait()
            notifier.stopping()
            # New requests end first, so that what they asked is still decided; then what is on its way to a device.
            try:
                async with asyncio.timeout(DRAIN_SECONDS):
                    await runner.cleanup()
                    await gateway.drain()
                    await post.drain()
            except TimeoutError:
                # A database that does not answer. What is stored is done at the start.
                log.warning("stopped_undrained")
            for task in tasks:
                task.cancel()
        with contextlib.suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                await rooms.outbox.flush()
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                await runner.cleanup()


def build_gateway(
    settings: Settings, rooms: House, watching: Watch, hubs: Mapping[str, Path], *, anonymous: bool
) -> Gateway:
    """The gateway on the dispatcher's inbox and outbox."""
    lines = settings.lines + tuple(
        Line(family="yj_line", transport=Transport.SERIAL, port=str(port), baud=115200)
        for port in hubs.values()
    )
    options = GatewayOptions(
        data=settings.data,
        mqtt_url=settings.mqtt,
        mqtt_listen=f"{settings.mqtt_listen.host}:{settings.mqtt_listen.port}",
        mqtt_anonymous=anonymous,
        lines=lines,
    )
    try:
        inbox = InboxPort(rooms.inbox, watching.supervision)
        downlink = DownlinkPort(rooms.outbox, rooms.register.rolls)
        gateway = Gateway(options, inbox, downlink, rooms.clock)
    except ValueError as error:
        raise UsageError(str(error)) from error
    watching.by(gateway)
    return gateway


def console_rooms(rooms: House, watching: Watch, keeper: Keeper | None) -> Rooms:
    """What the console needs, wired; without a keeper nobody watches over this process itself."""

    async def routing(resident_id: str, at_us: int) -> list[dict[str, Any]]:
        roll = rooms.register.rolls.roll_of("residents", resident_id)
        if roll is None:
            return []
        return rooms.desk.sight.routing(roll, roll.residents[resident_id], at_us)

    def health() -> Health:
        gone = [] if rooms.desk.healthy else ["database"]
        silent = (rooms.clock.now_us() - rooms.desk.turned_us) / 1e6
        if rooms.desk.healthy and rooms.desk.turned_us and silent > DESK_SILENT_SECONDS:
            gone.append("desk")
        return Health(gone, keeper.degraded if keeper is not None else [])

    erasure = Erasure(
        rooms.store, rooms.register, rooms.clock, forgetting(rooms.store), on_erased=rooms.feed.forget
    )
    return Rooms(
        inbox=rooms.inbox,
        board=rooms.board,
        feed=rooms.feed,
        register=rooms.register,
        alerts=AlertBoard(rooms.store, rooms.clock),
        faults=FaultBoard(rooms.store),
        coverage=watching.coverage,
        routing=routing,
        erase=erasure.erase,
        store=rooms.store,
        clock=rooms.clock,
        ids=rooms.ids,
        health=health,
        proof=keeper,
    )


# ── the district, the demo ───────────────────────────────────────────────────────────────────────────────────────────


async def load_district(rooms: House, settings: Settings, sink: Sink | None) -> None:
    """The district file of the settings; in a demo on an empty register, the demo's own."""
    if settings.district is not None:
        try:
            content = settings.district.read_bytes()
        except OSError as error:
            raise UsageError(
                f"YIJIAN_DISTRICT: {settings.district} cannot be read: {error.strerror}"
            ) from error
        await merge(rooms.register, content)
    elif sink is not None and not any(roll.residents for roll in rooms.register.rolls.by_code.values()):
        await merge(rooms.register, demos.district_of(sink))
    if sink is not None:
        if (moved := demos.moved_webhooks(rooms.register, sink)) is not None:
            await merge(rooms.register, moved)
        # Before anything is sent: a webhook that nobody knows is answered 404, and its message given up.
        sink.know(demos.exported(rooms.register))


async def merge(register: Register, content: bytes, by: str = "") -> Mapping[str, int]:
    """Load a district file, all or nothing; every error a line of the CommandError."""
    try:
        return await register.merge(content, by=by)
    except WrongInput as error:
        raise CommandError(*[f"{problem.path}: {problem.error}" for problem in error.errors]) from error


def demo_hubs(settings: Settings, rooms: House) -> dict[str, Path]:
    """The serial ports of the demo's hubs: one, by the name of the first hub of the register."""
    devices = [device for roll in rooms.register.rolls.by_code.values() for device in roll.devices.values()]
    hubs = sorted(
        device.address or device.id
        for device in devices
        if device.family == "yj_line" and not device.resident
    )
    return {hub: settings.data.absolute() / "demo" / f"{hub}.tty" for hub in hubs[:1]}


# ── the other commands ───────────────────────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def _tokens(settings: Settings) -> AsyncIterator[Tokens]:
    async with opened(settings) as store:
        clock = SystemClock()
        yield Tokens(store, clock, ClockIds(clock))


async def token_create(
    settings: Settings, *, role: str, area: str | None, station: str | None, staff: str | None
) -> tuple[str, list[str]]:
    """A new token's secret, which nobody can find again; and what it is bound to that is not registered yet."""
    bounds = {"area": area or "", "station": station or "", "staff": staff or ""}
    async with opened(settings) as store:
        clock = SystemClock()
        rolls = Rolls()
        rolls.by_code.update((await register_rows.load(store, clock.now_us())).rolls)
        try:
            issued = await Tokens(store, clock, ClockIds(clock)).create(Role(role), **bounds, rolls=rolls)
        except TokenError as error:
            raise UsageError(f"--{error.field}: {error.error}") from error
        return issued.secret, not_there(rolls, **bounds)


async def token_revoke(settings: Settings, token_id: str) -> bool:
    """End a token; False where there was none."""
    async with _tokens(settings) as tokens:
        return await tokens.revoke(token_id)


async def token_list(settings: Settings) -> list[dict[str, object]]:
    """All tokens, never their secrets."""
    from dispatcher.view import when

    async with _tokens(settings) as tokens:
        return [
            {
                "id": one.id,
                "role": one.role,
                "area": one.area or None,
                "station": one.station or None,
                "staff": one.staff or None,
                "created": when(one.created_us),
                "revoked": None if one.revoked_us is None else when(one.revoked_us),
            }
            for one in await tokens.list()
        ]


async def db_upgrade(settings: Settings) -> None:
    """Bring the schema up to date."""
    async with opened(settings):
        return


async def db_verify(settings: Settings) -> list[str]:
    """Every difference between the journal and the tables."""
    async with opened(settings) as store:
        found = [line async for line in verify(store)]
        print(await counted(store), file=sys.stderr)
        return found
