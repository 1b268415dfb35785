"""Where the demo's messages end: an SMS provider and a webhook's other end, on loopback, with a page one can look at.

    sink = Sink(seed=7)
    await sink.start()                       # sink.url == "http://127.0.0.1:41234"
    sink.know(district)                      # whose number is whose, and with what secret each webhook is signed

    POST /sms  {"phone","text","id"}         ->  {"Code":"OK","BizId":"…"}
    POST /hooks/{webhook}                    ->  200; 401 where the signature (Standard Webhooks) is not right
    GET  /    /messages    /events           ->  the page; the same as JSON; a line whenever something changed

Nothing here leaves this machine, and nobody else's page gets in: only loopback names are answered, and what is posted
must be JSON. It keeps the last messages in memory and forgets the rest.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import itertools
import json
import logging
import random
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from aiohttp import web

from config.doors import Clock, SystemClock, from_us
from config.reading import is_loopback
from simulators import sink_page
from simulators.messages import Channel, Message, State
from simulators.phonebook import Phonebook

#: So many messages are kept in all, and so many of one telephone: a webhook that hears everything must not crowd out
#: the daughter who heard one thing an hour ago.
MESSAGES_MAX, MESSAGES_OF_ONE_MAX = 500, 60

_BODY_BYTES_MAX = 256 * 1024
_BODY_SECONDS = 10.0
#: What Standard Webhooks recommends; older or newer, and it may be somebody's recording.
_TOLERANCE_SECONDS = 300
_WATCHERS_MAX = 32
_TELL_SECONDS, _COMMENT_SECONDS = 1.0, 15.0
_PHONE = re.compile(r"\+?[0-9][0-9 -]{1,22}")
_TEXT_CHARACTERS_MAX, _ID_CHARACTERS_MAX = 2000, 128
_FILES = {"sink.css": "text/css", "sink.js": "text/javascript", "sink.svg": "image/svg+xml"}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Manners:
    """How a webhook's other end behaves, in shares of one: answers 500, takes its time, is gone (410) for good."""

    failing: float = 0.0
    slow: float = 0.0
    slow_seconds: tuple[float, float] = (1.0, 4.0)
    gone: float = 0.0


CALM = Manners()
#: For who wants to see repeats and parked messages.
MOODY = Manners(failing=0.05, slow=0.05, gone=0.01)


def verified(secret: str, headers: Mapping[str, str], body: bytes, now_us: int) -> bool:
    """Whether this is signed as Standard Webhooks has it, with this secret (`whsec_…`) and not long ago."""
    id_, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not id_ or not re.fullmatch(r"[0-9]{1,12}", stamp):
        return False
    if abs(now_us / 1e6 - int(stamp)) > _TOLERANCE_SECONDS:
        return False
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        return False
    digest = hmac.new(key, f"{id_}.{stamp}.".encode() + body, hashlib.sha256).digest()
    right = b"v1," + base64.b64encode(digest)
    given = headers.get("webhook-signature", "")
    return any(hmac.compare_digest(right, one.encode()) for one in given.split(" "))


class Sink:
    """The other end of every message of the demo."""

    def __init__(
        self, *, seed: object = 0, clock: Clock | None = None, manners: Manners = CALM, speed: float = 1.0
    ) -> None:
        """`manners` are those of the webhooks' other ends; the seed decides which of them is gone."""
        self.url = ""
        #: Called with each new message, e.g. by relatives who read it.
        self.on_message: Callable[[Message], None] | None = None
        self.book = Phonebook()
        self._seed, self._clock, self._manners, self._speed = seed, clock or SystemClock(), manners, speed
        self._chance = random.Random(f"{seed}/sink")
        self._zone = ZoneInfo("Asia/Shanghai")
        self._messages: OrderedDict[tuple[Channel, str, str], Message] = OrderedDict()
        self._number = itertools.count(1)
        self._changes = 0
        self._changed = asyncio.Event()
        self._watchers = 0
        self._runner: web.AppRunner | None = None

    # --- being there ----------------------------------------------------------------------------------------------

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; port 0 takes a free one. Raises OSError where that cannot be, ValueError off loopback."""
        if not is_loopback(host):
            raise ValueError("is not on loopback: anybody could read the messages")
        host = "127.0.0.1" if host.lower() == "localhost" else host
        app = web.Application(middlewares=[self._guarded], client_max_size=_BODY_BYTES_MAX)
        app.add_routes(
            [
                web.get("/", self._page),
                web.get("/messages", self._list),
                web.get("/events", self._events),
                web.post("/sms", self._sms),
                web.post("/hooks/{webhook}", self._hook),
                *(web.get(f"/{name}", self._file) for name in _FILES),
            ]
        )
        quiet = logging.getLogger("simulators.sink")
        quiet.addHandler(logging.NullHandler())
        quiet.propagate = False
        self._runner = web.AppRunner(
            app, access_log=None, logger=quiet, handle_signals=False, shutdown_timeout=1.0
        )
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError:
            await self.stop()
            raise
        bound = self._runner.addresses[0][1]
        self.url = f"http://[{host}]:{bound}" if ":" in host else f"http://{host}:{bound}"

    async def stop(self) -> None:
        """Listen no more; what was heard stays."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            self._tell()  # who watches hears that it is over
            await runner.cleanup()

    def know(self, district: Mapping[str, Any]) -> None:
        """Whose numbers these are, and the secrets of the webhooks, from a district file."""
        self.book = Phonebook.of(district)
        self._zone = ZoneInfo(district.get("district", {}).get("timezone", "Asia/Shanghai"))

    # --- what was heard -------------------------------------------------------------------------------------------

    @property
    def messages(self) -> list[Message]:
        """The messages that are still kept, the oldest first."""
        return list(self._messages.values())

    def mark(self, message: Message, state: State) -> None:
        """Somebody read it, or did something about it. One that has been forgotten is not marked."""
        known = self._messages.get(message.key)
        if known is not None:
            self._messages[message.key] = replace(known, state=state, state_us=self._clock.now_us())
            self._tell()

    def _take(self, message: Message, state: State = State.ARRIVED) -> Message:
        """A message came, or came again. Only what was received for the first time is told to who waits for it."""
        now_us = self._clock.now_us()
        before = self._messages.get(message.key)
        if before is None:
            kept = replace(message, number=next(self._number), at_us=now_us, state=state, state_us=now_us)
        else:
            failed = before.state is State.FAILED
            kept = replace(
                before,
                tries=before.tries + 1,
                state=state if failed else before.state,
                state_us=now_us if failed else before.state_us,
            )
        self._messages[message.key] = kept
        if before is None:
            self._forget(kept.to)
        self._tell()
        news = before is None or before.state is State.FAILED
        if news and kept.state is State.ARRIVED and self.on_message is not None:
            self.on_message(kept)
        return kept

    def _forget(self, to: str) -> None:
        mine = [key for key, one in self._messages.items() if one.to == to]
        for key in mine[:-MESSAGES_OF_ONE_MAX]:
            del self._messages[key]
        while len(self._messages) > MESSAGES_MAX:
            self._messages.popitem(last=False)

    def _tell(self) -> None:
        self._changes += 1
        self._changed.set()
        self._changed = asyncio.Event()

    # --- the doors ------------------------------------------------------------------------------------------------

    @web.middleware
    async def _guarded(
        self, request: web.Request, handler: Callable[[web.Request], Any]
    ) -> web.StreamResponse:
        """Only loopback names are answered: a name that somebody rebinds to 127.0.0.1 is none."""
        try:
            if not is_loopback(urlsplit(f"//{request.host}").hostname or ""):
                return web.json_response({"error": "only at a loopback address"}, status=421)
            response: web.StreamResponse = await handler(request)
        except ValueError:
            return web.json_response({"error": "not understood"}, status=400)
        except web.HTTPException as error:
            response = web.json_response({"error": error.reason}, status=error.status)
        if not response.prepared:
            response.headers.update(_HEADERS)
        return response

    async def _body(self, request: web.Request) -> bytes:
        # A page of somebody else's can post only what is no JSON, unless it asks first, and we never say yes.
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                return await request.read()
        except TimeoutError:
            raise web.HTTPRequestTimeout from None

    async def _sms(self, request: web.Request) -> web.Response:
        """As a provider takes it; what it cannot send it refuses, naming the field."""
        given = _object(await self._body(request))
        phone, text, id_ = given.get("phone"), given.get("text"), given.get("id")
        field_ = ""
        if not isinstance(phone, str) or not _PHONE.fullmatch(phone):
            field_ = "phone"
        elif not isinstance(text, str) or not 0 < len(text) <= _TEXT_CHARACTERS_MAX:
            field_ = "text"
        elif not isinstance(id_, str) or not 0 < len(id_) <= _ID_CHARACTERS_MAX:
            field_ = "id"
        if field_:
            answer = {"Code": "InvalidParameter", "Message": f"{field_}: missing or wrong"}
            return web.json_response(answer, status=400)
        kept = self._take(Message(Channel.SMS, str(phone), _clean(str(id_)), text=_clean(str(text))))
        return web.json_response({"Code": "OK", "Message": "OK", "BizId": f"sink-{kept.number}"})

    async def _hook(self, request: web.Request) -> web.Response:
        """As a relative's app or another system hears it."""
        body = await self._body(request)
        webhook = request.match_info["webhook"]
        secret = self.book.secrets.get(webhook)
        if secret is None:
            return web.json_response({"error": "no such webhook"}, status=404)
        if not verified(secret, request.headers, body, self._clock.now_us()):
            return web.json_response({"error": "the signature is not right"}, status=401)
        given = _object(body)
        call = data.get("call") if isinstance(data := given.get("data"), dict) else None
        call = call if isinstance(call, dict) else {}
        message = Message(
            Channel.WEBHOOK,
            webhook,
            _short(request.headers["webhook-id"]),
            fact=_short(given.get("type")),
            call=_short(call.get("id")),
            call_state=_short(call.get("state")),
            key_pressed=_short(call.get("key")),
        )
        status = await self._temper(webhook)
        self._take(message, State.ARRIVED if status == 200 else State.FAILED)
        return web.json_response({}, status=status)

    async def _temper(self, webhook: str) -> int:
        """How this end feels today."""
        if random.Random(f"{self._seed}/{webhook}").random() < self._manners.gone:
            return 410
        draw = self._chance.random()
        if draw < self._manners.failing:
            return 500
        if draw < self._manners.failing + self._manners.slow:
            await asyncio.sleep(self._chance.uniform(*self._manners.slow_seconds) / self._speed)
        return 200

    # --- looking --------------------------------------------------------------------------------------------------

    async def _page(self, request: web.Request) -> web.Response:
        asked = sink_page.Asked.of(request.query, request.headers.get("Accept-Language", ""))
        text = sink_page.page(self.messages, self.book, asked, self._zone)
        headers = {"Content-Language": asked.language, "Vary": "Accept-Language"}
        return web.Response(text=text, content_type="text/html", headers=headers)

    async def _file(self, request: web.Request) -> web.Response:
        name = request.path.removeprefix("/")
        content = resources.files("simulators").joinpath("web", name).read_bytes()
        return web.Response(body=content, content_type=_FILES[name], charset="utf-8")

    async def _list(self, _request: web.Request) -> web.Response:
        items = [
            {
                "id": one.id,
                "channel": one.channel,
                "to": one.to,
                "owner": self.book.owner(one.to).kind,
                "at": from_us(one.at_us).isoformat(),
                "text": one.text,
                "fact": one.fact or None,
                "call": one.call or None,
                "state": one.state,
                "tries": one.tries,
            }
            for one in self.messages
        ]
        return web.json_response({"items": items})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """`data: 17` when something changed, at most once a second."""
        if self._watchers >= _WATCHERS_MAX:
            return web.json_response({"error": "too many are looking"}, status=503)
        response = web.StreamResponse(headers=_HEADERS | {"Content-Type": "text/event-stream"})
        self._watchers += 1
        try:
            await response.prepare(request)
            told = self._changes
            await response.write(b": here\n\n")
            while request.transport is not None and self._runner is not None:
                changed = self._changed
                if told == self._changes:
                    try:
                        async with asyncio.timeout(_COMMENT_SECONDS):
                            await changed.wait()
                    except TimeoutError:
                        await response.write(b": here\n\n")
                        continue
                told = self._changes
                await response.write(f"data: {told}\n\n".encode())
                await asyncio.sleep(_TELL_SECONDS)
        except ConnectionError:
            pass
        finally:
            self._watchers -= 1
        return response


def _object(body: bytes) -> dict[str, Any]:
    """Raises ValueError where it is no JSON object."""
    try:
        given = json.loads(body)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(given, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - what came in is wrong, not our types
    return given


def _short(value: object) -> str:
    return _clean(value[:_ID_CHARACTERS_MAX]) if isinstance(value, str) else ""


def _clean(text: str) -> str:
    """Half of a character, which JSON may hold and no page can show, becomes a question mark."""
    return text.encode("utf-8", "replace").decode()
