"""The login of the organisation, beside the password: a button on the login form, and two addresses outside the API.

    GET /login/oidc?return=/r/c-1     302 to the provider; a short-lived signed cookie keeps state, nonce, verifier, place
    GET /login/oidc/back?code&state   302 to the place, with the session's cookie as POST /login gives it
    GET /api/v1/login/ways            {"password": true, "oidc": {"label": {"zh-CN", "en"}} | null}

The provider says who it is; whether that is a login of ours, and what it may, is asked of our own register: nobody is
added by it. Whatever goes wrong is a page in Chinese and English with the way back to the password, and never a redirect
to anywhere but our own pages.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import re
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from urllib.parse import quote

import msgspec
import structlog
from aiohttp import web
from msgspec import Struct

from dispatcher.console.access import NOBODY, Scope
from dispatcher.console.endpoint import Answer, Ask, Endpoint
from dispatcher.console.knowing import by_https, cookie, refuse_foreign
from dispatcher.console.oidc import Away, Provider, Trip, Unfit
from dispatcher.console.people import People
from dispatcher.console.problems import Problem
from dispatcher.console.rooms import Rooms
from dispatcher.store import StoreUnavailable

log = structlog.get_logger("oidc")

START = "/login/oidc"
BACK = "/login/oidc/back"
COOKIE = "yijian_oidc"
#: How long somebody may take at the provider.
LASTS_SECONDS = 600
_SPENT_MAX = 10_000
_PARAMETER_MAX = 4096
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?|\[[0-9a-fA-F:.]{2,45}\](?::[0-9]{1,5})?")
#: The pages that somebody can have come from. Anything else leads to the first one.
_PLACE = re.compile(
    r"/(?:wall|plain|r/[A-Za-z0-9._%-]{1,100})?(?:\?[A-Za-z0-9._~=&%-]{0,200})?(?:#[A-Za-z0-9._~/=&%?-]{0,200})?"
)


class Label(Struct, rename={"zh": "zh-CN"}):
    """What stands on the button."""

    zh: str
    en: str


class Button(Struct):
    """The organisation's login."""

    label: Label


class Ways(Struct):
    """How somebody can log in here."""

    password: bool
    oidc: Button | None


class _Kept(Struct, array_like=True):
    """What the cookie holds while somebody is at the provider. `earlier`: the session that browser had."""

    state: str
    nonce: str
    verifier: str
    redirect: str
    place: str
    until_us: int
    earlier: str = ""
    whose: str = ""


class SingleSignOn:
    """What stands behind the button, of one process. Without a provider there is none."""

    def __init__(self, provider: Provider | None, persons: People, rooms: Rooms, public_url: str) -> None:
        self._provider = provider
        self._persons = persons
        self._rooms = rooms
        self._public_url = public_url
        # Of this process alone: whoever is at the provider while we are started anew begins again.
        self._key = secrets.token_bytes(32)
        self._spent: OrderedDict[str, None] = OrderedDict()

    def routes(self) -> list[web.RouteDef]:
        """The two addresses."""
        if self._provider is None:
            return []
        provider = self._provider

        async def start(request: web.Request) -> web.StreamResponse:
            return await self._start(request, provider)

        async def back(request: web.Request) -> web.StreamResponse:
            return await self._back(request, provider)

        # A HEAD is somebody's link checker: it may not use a code up.
        return [
            web.get(START, _paged(start), allow_head=False),
            web.get(BACK, _paged(back), allow_head=False),
        ]

    async def _start(self, request: web.Request, provider: Provider) -> web.StreamResponse:
        place = _place(request.query.get("return", ""))
        try:
            refuse_foreign(request, header=False)
        except Problem:
            raise _Told("foreign", place) from None
        redirect = self._redirect(request)
        try:
            trip = await provider.begin(redirect)
        except Away:
            raise _Told("away", place) from None
        except Unfit as error:
            log.warning("oidc_unfit", why=error.why)
            raise _Told("unfit", place) from None
        earlier, whose = await self._earlier(request)
        kept = _Kept(
            trip.state,
            trip.nonce,
            trip.verifier,
            redirect,
            place,
            self._rooms.clock.now_us() + LASTS_SECONDS * 1_000_000,
            earlier,
            whose,
        )
        response = _moved(trip.url)
        response.headers.add("Set-Cookie", _cookie_header(request, self._sealed(kept), LASTS_SECONDS))
        return response

    async def _back(self, request: web.Request, provider: Provider) -> web.StreamResponse:
        given = {name: _one(request, name) for name in ("state", "code", "error", "iss")}
        kept = self._opened(request.cookies.get(COOKIE, ""))
        now_us = self._rooms.clock.now_us()
        if kept is None or not secrets.compare_digest(kept.state, given["state"]):
            raise _Told("stale", kept.place if kept is not None else "/")
        if not now_us < kept.until_us <= now_us + LASTS_SECONDS * 1_000_000 or kept.state in self._spent:
            raise _Told("stale", kept.place)
        self._spent[kept.state] = None
        if len(self._spent) > _SPENT_MAX:
            self._spent.popitem(last=False)
        if given["error"]:
            raise _Told("refused", kept.place)
        trip = Trip("", kept.state, kept.nonce, kept.verifier)
        try:
            login = await provider.vouched(given["code"], trip, kept.redirect, given["iss"])
        except Away:
            raise _Told("away", kept.place) from None
        except Unfit as error:
            log.warning("oidc_unfit", why=error.why)
            raise _Told("unfit", kept.place) from None
        ask = Ask(
            request=request,
            rooms=self._rooms,
            access=NOBODY,
            scope=Scope(NOBODY, self._rooms.register.rolls),
            path={},
            query={},
        )
        try:
            answer = await self._persons.vouched(ask, login, kept.earlier, kept.whose)
        except Problem:
            log.warning("oidc_unknown_login")
            raise _Told("unknown", kept.place) from None
        except StoreUnavailable:
            raise _Told("stored", kept.place) from None
        response = _moved(kept.place)
        for value in answer.headers.values():
            response.headers.add("Set-Cookie", value)
        response.headers.add("Set-Cookie", _cookie_header(request, "", 0))
        return response

    async def _earlier(self, request: web.Request) -> tuple[str, str]:
        """The session this browser has; its cookie will be written over. The way back does not bring it (SameSite)."""
        try:
            session = await self._persons.sessions.lookup(cookie(request))
        except StoreUnavailable:
            session = None
        return ("", "") if session is None else (session.id, session.staff)

    def _redirect(self, request: web.Request) -> str:
        """Our address that the provider sends back to: as the settings say, else as this browser found us."""
        if self._public_url:
            return f"{self._public_url}{BACK}"
        host = request.headers.get("Host", "")
        if not _HOST.fullmatch(host):
            raise _Told("stale", "/")
        return f"{'https' if by_https(request) else 'http'}://{host}{BACK}"

    # ── the cookie ───────────────────────────────────────────────────────────────────────────────────────────────

    def _sealed(self, kept: _Kept) -> str:
        body = base64.urlsafe_b64encode(msgspec.json.encode(kept)).decode()
        return f"{body}.{self._signature(body)}"

    def _opened(self, text: str) -> _Kept | None:
        body, _, signature = text.partition(".")
        if not text.isascii() or not hmac.compare_digest(self._signature(body), signature):
            return None
        return msgspec.json.decode(base64.urlsafe_b64decode(body), type=_Kept)

    def _signature(self, body: str) -> str:
        return hmac.new(self._key, body.encode(), hashlib.sha256).hexdigest()


def endpoints(provider: Provider | None) -> tuple[Endpoint, ...]:
    """`GET /login/ways`. It asks nobody: a login form never waits for the provider."""
    client = None if provider is None else provider.client
    ways = Ways(True, None if client is None else Button(Label(client.label_zh, client.label_en)))

    async def shown(_ask: Ask) -> Answer:
        return Answer(ways)

    return (
        Endpoint(
            method="GET",
            path="/login/ways",
            name="getLoginWays",
            tag="people",
            en="How somebody can log in here",
            zh="可用的登录方式",
            handle=shown,
            answer=Ways,
            public=True,
        ),
    )


# ── pages ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Told(Exception):  # noqa: N818 - it tells what happened
    """A page that says so. `place`: where a new try leads."""

    def __init__(self, what: str, place: str) -> None:
        super().__init__(what)
        self.what = what
        self.place = place


#: Status, Chinese, English.
_WORDS: dict[str, tuple[int, str, str]] = {
    "away": (
        503,
        "统一身份认证系统暂时连不上。请稍后再试，或用密码登录。",
        "The single sign-on cannot be reached just now. Try again in a moment, or log in with the password.",
    ),
    "refused": (
        403,
        "统一身份认证未完成：已取消，或未获准许。",
        "The single sign-on was not completed: it was cancelled, or not allowed.",
    ),
    "unknown": (
        403,
        "统一身份认证已通过，但该账号在本系统没有可用的登录。请联系本区管理员开通。",
        "The single sign-on knows you, but there is no login for you here, or it is disabled. Ask your administrator.",
    ),
    "stale": (
        400,
        "这次登录已失效，或不是在本浏览器发起的。请重新登录。",
        "This login has run out, or was not begun in this browser. Please begin again.",
    ),
    "unfit": (
        502,
        "统一身份认证系统的答复未通过核验，未予登录。请用密码登录，并告知技术人员（原因见系统日志）。",
        "The answer of the single sign-on did not hold. Log in with the password, and tell the technicians: the log says why.",
    ),
    "stored": (
        503,
        "系统暂时无法写入，未能登录。请稍后再试。",
        "Nothing can be stored just now, so nobody can log in. Try again in a moment.",
    ),
    "foreign": (
        403,
        "登录不能从其他网站发起。请从本系统的登录页进入。",
        "A login cannot be begun by another site. Please begin at our own login page.",
    ),
}

_PAGE = """<!doctype html>
<html lang="zh-CN">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>未能登录 · Not logged in</title>
<link rel="icon" href="/web/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/web/console.css">
</head>
<body>
<header class="top"><p class="brand"><img src="/web/icon.svg" alt="" width="32" height="32"><span>一键</span> <span class="latin">Yijian</span></p></header>
<main>
<div class="login" data-told="{what}">
<h1>未能登录 <span lang="en">Not logged in</span></h1>
<p role="alert">{zh}</p>
<p lang="en">{en}</p>
<p><a href="{password}">用密码登录 · <span lang="en">Log in with the password</span></a></p>
<p><a href="{again}">再试一次 · <span lang="en">Try again</span></a></p>
</div>
</main>
</body>
</html>
"""

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _paged(handler: _Handler) -> _Handler:
    """What went wrong, as a page."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except _Told as told:
            status, zh, en = _WORDS[told.what]
            page = _PAGE.format(
                what=told.what,
                zh=zh,
                en=en,
                password=html.escape(told.place),
                again=html.escape(f"{START}?return={quote(told.place, safe='/')}"),
            )
            response = web.Response(text=page, status=status, content_type="text/html")
            # What is stale may be another window's: that one is not disturbed.
            if request.path == BACK and told.what != "stale":
                response.headers.add("Set-Cookie", _cookie_header(request, "", 0))
            return response

    return handle


def _moved(url: str) -> web.Response:
    return web.Response(status=302, headers={"Location": url, "Referrer-Policy": "no-referrer"})


def _cookie_header(request: web.Request, value: str, lasts: int) -> str:
    text = f"{COOKIE}={value}; Path={START}; Max-Age={lasts}; HttpOnly; SameSite=Lax"
    return f"{text}; Secure" if by_https(request) else text


def _place(text: str) -> str:
    """A page of ours, whatever was asked for."""
    return text if _PLACE.fullmatch(text) else "/"


def _one(request: web.Request, name: str) -> str:
    """A parameter that is given once, is plain, and not endless; empty otherwise."""
    given = request.query.getall(name, [])
    fits = len(given) == 1 and len(given[0]) <= _PARAMETER_MAX and given[0].isascii()
    return given[0] if fits else ""
