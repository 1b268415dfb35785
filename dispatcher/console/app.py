"""The console's web application: the table of endpoints made into routes, with what all of them share around it.

    app = make_app(rooms, Options(tokens=tokens))
    runner = make_runner(app)                       # nothing that was sent is ever in a log

    request -> known? (401) -> allowed? (403) -> read (413, 408) -> understood (400) -> the endpoint -> JSON

Whatever goes wrong on the way is a Problem, and nobody else's request notices.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import structlog
from aiohttp import hdrs, web

from config.proxies import LOOPBACK, Network, networks
from dispatcher.console import (
    alerts,
    audit,
    audit_search,
    authenticator,
    basemap,
    calls,
    canary,
    coverage,
    district,
    erasing,
    faults,
    follow_ups,
    handover_gaps,
    handovers,
    health,
    history,
    logins,
    openapi,
    pages,
    people,
    register,
    sheets,
    signals,
    single_sign_on,
    steps,
    stream,
    unmasking,
)
from dispatcher.console.access import NOBODY, Access, Scope
from dispatcher.console.audit import SOON, Audit
from dispatcher.console.endpoint import Act, Answer, Ask, Endpoint, Part
from dispatcher.console.knowing import PROXIES, Knowing
from dispatcher.console.masking import masks
from dispatcher.console.metering import REQUESTS, SECONDS
from dispatcher.console.oidc import Provider
from dispatcher.console.passwords import Hasher
from dispatcher.console.problems import Problem, again_later, wrong
from dispatcher.console.reading import members, read, shaped
from dispatcher.console.replies import Replies, fingerprint
from dispatcher.console.rooms import InUse, Rooms, WrongInput
from dispatcher.console.sessions import Sessions
from dispatcher.console.tokens import Tokens
from dispatcher.console.users import Users
from dispatcher.core.canary import CODE as CANARY
from dispatcher.store import StoreUnavailable

API = "/api/v1"
STREAMS = web.AppKey("streams", stream.Streams)

#: What somebody may do whose password was given to them by somebody else.
_FIRST = frozenset({"getMe", "setPassword", "logout"})
_PLACES_TOLD = 8
_KEY = re.compile(r"[\x21-\x7e]{1,128}")
_encode = msgspec.json.Encoder().encode
_log = structlog.get_logger()

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How this process serves. `demo_token`: handed to a visitor on loopback, so that a demo needs no typing.

    `demo_messages`: where the demo's messages can be read, for the page's link. `hasher`: what a look at a password costs.
    `provider`: who vouches for people beside their password; closed with the application. `public_url`: where we are found.
    """

    tokens: Tokens
    parts: frozenset[Part] = frozenset(Part)
    demo_token: str = field(default="", repr=False)
    demo_messages: str = ""
    version: str = "0.1.0"
    stream: stream.StreamOptions = field(default_factory=stream.StreamOptions)
    hasher: Hasher = field(default_factory=Hasher)
    proxies: tuple[Network, ...] = networks(LOOPBACK)  #: these are believed about who stands behind them
    base_map: basemap.Ground = field(default_factory=basemap.Ground)
    provider: Provider | None = None
    public_url: str = ""


def table(
    streams: stream.Streams | None = None,
    persons: people.People | None = None,
    ground: basemap.Ground | None = None,
    provider: Provider | None = None,
) -> tuple[Endpoint, ...]:
    """Every endpoint there is."""
    return (
        *signals.ENDPOINTS,
        *calls.ENDPOINTS,
        *steps.ENDPOINTS,
        *(stream.endpoints(streams) if streams is not None else ()),
        *register.ENDPOINTS,
        *district.ENDPOINTS,
        *sheets.Sheets().endpoints(),
        *alerts.ENDPOINTS,
        *faults.ENDPOINTS,
        *follow_ups.ENDPOINTS,
        *handover_gaps.ENDPOINTS,
        *handovers.ENDPOINTS,
        *history.ENDPOINTS,
        *coverage.ENDPOINTS,
        *canary.ENDPOINTS,
        *(ground or basemap.Ground()).endpoints(),
        *erasing.ENDPOINTS,
        *unmasking.ENDPOINTS,
        *people.endpoints(persons),
        *single_sign_on.endpoints(provider),
        *authenticator.endpoints(persons),
        *logins.endpoints(persons),
        *audit_search.ENDPOINTS,
    )


def make_app(rooms: Rooms, options: Options) -> web.Application:
    """The application; serve it with `make_runner`."""
    rolls = rooms.register.rolls
    sessions = Sessions(rooms.store, rooms.clock, rooms.ids)
    knowing = Knowing(options.tokens, sessions, rolls)
    log = Audit(rooms.store, rooms.clock)
    streams = stream.Streams(rooms.feed, knowing, options.stream)
    persons = people.People(Users(rooms.store, rooms.clock, rolls), sessions, log, options.hasher, rolls)
    served = table(streams, persons, options.base_map, options.provider)
    endpoints = [endpoint for endpoint in served if endpoint.part in options.parts]
    # The bound of the body is each endpoint's own (`read`); aiohttp's must not be in its way.
    app = web.Application(middlewares=[_answered], client_max_size=0)
    app[STREAMS] = streams
    app[PROXIES] = options.proxies
    door = _Door(rooms, knowing, log)
    for endpoint in endpoints:
        app.router.add_route(endpoint.method, API + endpoint.path, door.route(endpoint), name=endpoint.name)
    app.add_routes(health.routes(rooms))
    if Part.DISPATCHER in options.parts:
        document = _encode(openapi.document(endpoints, API, options.version))
        app.add_routes(pages.routes(document, options.demo_token, options.demo_messages))
        app.add_routes(options.base_map.routes())
        sso = single_sign_on.SingleSignOn(options.provider, persons, rooms, options.public_url)
        app.add_routes(sso.routes())
    app.on_response_prepare.append(_secured(options.base_map.pictures_from))

    async def closing(_app: web.Application) -> None:
        streams.close()

    async def ended(_app: web.Application) -> None:
        options.hasher.close()
        if options.provider is not None:
            await options.provider.close()

    app.on_shutdown.append(closing)
    app.on_cleanup.append(ended)
    _write_the_log(app, log)
    return app


#: The audit log's last lines are given so long when we stop.
_WRITTEN_WITHIN_SECONDS = 3.0


def _write_the_log(app: web.Application, log: Audit) -> None:
    """The audit log's writer lives as long as the application does."""
    stop = asyncio.Event()
    writing: list[asyncio.Task[None]] = []

    async def begin(_app: web.Application) -> None:
        writing.append(asyncio.create_task(log.run(stop), name="audit"))

    async def end(_app: web.Application) -> None:
        stop.set()
        if not writing:
            return
        # Where the database does not answer, we do not wait for it: SIGTERM ends within 10 s.
        _, late = await asyncio.wait(writing, timeout=_WRITTEN_WITHIN_SECONDS)
        for task in late:
            task.cancel()
            await asyncio.wait((task,))

    app.on_startup.append(begin)
    app.on_cleanup.append(end)


class _Quiet(logging.LoggerAdapter[logging.Logger]):
    """aiohttp's own complaints without what they are about: a header that is no header may be somebody's token."""

    def process(self, msg: Any, kwargs: Any) -> tuple[Any, Any]:
        error = kwargs.pop("exc_info", None)
        name = type(error).__name__ if isinstance(error, BaseException) else "see the counters"
        return f"{msg} ({name})", kwargs


def make_runner(app: web.Application) -> web.AppRunner:
    """A runner that logs no request: no path with its query, no header, no body."""
    quiet: Any = _Quiet(logging.getLogger("aiohttp.server"), {})
    return web.AppRunner(app, access_log=None, logger=quiet, handle_signals=False, shutdown_timeout=5.0)


class _Door:
    """What stands before every endpoint."""

    def __init__(self, rooms: Rooms, knowing: Knowing, log: Audit) -> None:
        self._rooms = rooms
        self._knowing = knowing
        self._log = log
        self._replies = Replies(rooms.store, rooms.clock)

    def route(self, endpoint: Endpoint) -> _Handler:
        """The endpoint as aiohttp wants it."""

        async def handle(request: web.Request) -> web.StreamResponse:
            access = NOBODY if endpoint.public else await self._knowing.of(request)
            if access.role not in endpoint.roles:
                raise Problem(403, f"the role {access.role} may not do that")
            if access.start and endpoint.name not in _FIRST:
                raise Problem(403, "first set a password of your own", code="own_password_first")
            if endpoint.session and not access.session:
                raise Problem(403, "this is for a person who has logged in, not for a token")
            ask = await self._ask(endpoint, request, access)
            if endpoint.keyed and ask.key_given:
                return await self._once(endpoint, ask)
            return _response(await self._handled(endpoint, ask))

        return handle

    async def _handled(self, endpoint: Endpoint, ask: Ask) -> Answer | web.StreamResponse:
        """Done, and written down where it is of a kind that is."""
        act = endpoint.audit if ask.access.id != CANARY else None  # it sees nobody, every few minutes
        if act is Act.LISTEN:  # it only ends when they go
            self._log.note(audit.entry_of(endpoint, ask, act))
        answer = await endpoint.handle(ask)
        if act is None or act is Act.LISTEN:
            return answer
        if act is Act.CHANGE and answer.status == 201:
            act = Act.ADD
        if act in {Act.LOOK, Act.EXPORT} and "unmask" in ask.query and masks(ask.access):
            if act is Act.EXPORT:
                await self._log.keep(audit.entry_of(endpoint, ask, act))
            act = Act.UNMASK
        entry = audit.entry_of(endpoint, ask, act)
        if act in SOON:
            self._log.note(entry)
        else:
            await self._log.keep(entry)
        return answer

    async def _ask(self, endpoint: Endpoint, request: web.Request, access: Access) -> Ask:
        given = request.headers.get("Idempotency-Key") if endpoint.writes else None
        if given is not None and not _KEY.fullmatch(given):
            raise wrong("Idempotency-Key", "1 to 128 printable ASCII characters without spaces are needed")
        ask = Ask(
            request=request,
            rooms=self._rooms,
            access=access,
            scope=Scope(access, self._rooms.register.rolls),
            path=request.match_info,
            query=_query(endpoint, request),
            key=given or self._rooms.ids.new("q"),
            key_given=given is not None,
            unmasked=self._log.in_hand,
        )
        if endpoint.body is None:
            return ask
        ask.raw = await read(request, endpoint.bytes_max)
        if endpoint.raw:
            return ask
        ask.members = members(ask.raw, optional=endpoint.body_optional)
        if isinstance(endpoint.body, type) and endpoint.method == "POST":
            ask.body = shaped(ask.members, endpoint.body)
        return ask

    async def _once(self, endpoint: Endpoint, ask: Ask) -> web.StreamResponse:
        """A write that the desk does not decide, done once for its key."""
        request = fingerprint(ask.request.method, ask.request.path_qs, ask.raw)
        async with self._replies.one_at_a_time(ask.access.id, ask.key):
            found = await self._replies.find(ask.access.id, ask.key, request)
            if found is not None:
                status, body = found
                return web.Response(status=status, body=body or None, content_type="application/json")
            response = _response(await self._handled(endpoint, ask))
            if isinstance(response, web.Response):
                body = response.body if isinstance(response.body, bytes) else b""
                await self._replies.keep(ask.access.id, ask.key, request, response.status, body)
            return response


def _query(endpoint: Endpoint, request: web.Request) -> Mapping[str, Any]:
    known = {query.name: query for query in endpoint.query}
    found: dict[str, Any] = {}
    for name, text in request.query.items():
        if name not in known:
            raise wrong(name[:64], "is not known here")
        if name in found:
            raise wrong(name, "is given twice")
        if text:
            found[name] = known[name].read(text)
    return found


def _response(answer: Answer | web.StreamResponse) -> web.StreamResponse:
    if isinstance(answer, web.StreamResponse):
        return answer
    if answer.body is None:
        return web.Response(status=answer.status, headers=answer.headers)
    return web.Response(
        status=answer.status,
        body=answer.body if isinstance(answer.body, bytes) else _encode(answer.body),
        content_type=answer.content_type,
        headers=answer.headers,
    )


@web.middleware
async def _answered(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Every request has an answer, every error is a Problem, and all are counted."""
    started = time.perf_counter()
    operation = request.match_info.route.name or "page"
    status = 500
    try:
        response = await handler(request)
        status = response.status
    except Problem as problem:
        status = problem.status
        response = problem.response()
    except web.HTTPException as error:
        status = error.status
        if status < 400:
            raise
        headers = {"Allow": error.headers[hdrs.ALLOW]} if hdrs.ALLOW in error.headers else None
        detail = {404: "there is nothing at this address", 405: "not with this method"}.get(
            status, error.reason
        )
        response = Problem(status, detail, headers=headers).response()
    except WrongInput as error:
        status = 409 if request.method == hdrs.METH_DELETE else 400
        response = _wrong_input(error, status).response()
    except InUse as error:
        status = 409
        response = Problem(409, str(error), call=error.call).response()
    except StoreUnavailable:
        status = 503
        response = again_later("nothing can be stored or read just now").response()
    except Exception as error:  # noqa: BLE001 - the edge of this room
        # We are wrong. The answer says so, the log says where; neither says what was sent, so neither the error's own
        # words nor anything a traceback would show of a variable.
        _log.error("request_failed", operation=operation, error=type(error).__name__, at=_places(error))
        response = Problem(500, "this is our fault; it is written down").response()
    REQUESTS.labels(operation, str(status)).inc()
    if operation != "streamEvents":
        SECONDS.labels(operation).observe(time.perf_counter() - started)
    return response


def _places(error: BaseException) -> str:
    """Where it happened, innermost first: files and lines, no values."""
    frames = traceback.extract_tb(error.__traceback__)[-_PLACES_TOLD:]
    return " < ".join(
        f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames)
    )


def _wrong_input(error: WrongInput, status: int) -> Problem:
    """Every error with its path; `field` is the first one's."""
    errors = [{"path": problem.path, "error": problem.error} for problem in error.errors]
    first = errors[0] if errors else {"path": "", "error": "wrong"}
    detail = ": ".join(filter(None, (first["path"], first["error"])))
    return Problem(status, detail, field=first["path"], errors=errors)


#: What a page of ours may load and do: only what we serve, nothing from elsewhere (but map tiles, where the settings
#: name their server), in nobody's frame.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:%s; connect-src 'self'; "
    "manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE_HEADERS = {
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
#: A responder's phone may be asked whether it is at the home (and asks its owner first); no other page ever is.
_PHONE_HEADERS = {"Permissions-Policy": "camera=(), microphone=(), geolocation=(self)"}


def _secured(pictures_from: str) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """What every answer says of itself. `pictures_from`: an origin that pictures may come from beside ours."""
    policy = _POLICY % (f" {pictures_from}" if pictures_from else "")

    async def secure(request: web.Request, response: web.StreamResponse) -> None:
        headers = response.headers
        headers["Server"] = "yijian"
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        headers.setdefault("Cache-Control", "no-store")
        if response.content_type == "text/html":
            headers["Content-Security-Policy"] = policy
            headers.update(_PAGE_HEADERS)
            if request.path.startswith("/r/"):
                headers.update(_PHONE_HEADERS)

    return secure
