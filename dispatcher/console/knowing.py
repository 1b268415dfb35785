"""Who asks: by an API token in the header, or by the console's session cookie. The header wins.

A browser sends its cookie by itself, whoever made it ask. So what changes something, asked by cookie, must carry
`X-Yijian: console` (which no other site can make a browser send without asking us first) and come from our own pages by
`Sec-Fetch-Site`, or where a browser sends none (plain HTTP in a local network) by `Origin`. Tokens need none of it.
"""

from __future__ import annotations

import ipaddress

from aiohttp import web

from config.proxies import Network
from dispatcher.console.access import Access, Scope, person_access
from dispatcher.console.problems import Problem
from dispatcher.console.reading import bearer
from dispatcher.console.sessions import Sessions
from dispatcher.console.tokens import Tokens
from dispatcher.console.users import START
from dispatcher.core.roll import Rolls

COOKIE = "yijian_session"
PROXIES = web.AppKey("proxies", tuple[Network, ...])
HEADER = "X-Yijian"
CONSOLE = "console"

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
#: Browsers keep a cookie for 400 days at most; when a session runs out is ours to say.
_COOKIE_SECONDS = 400 * 86_400
_NEEDED = "a token is needed: Authorization: Bearer …"


class Knowing:
    """Knows who asks."""

    def __init__(self, tokens: Tokens, sessions: Sessions, rolls: Rolls) -> None:
        self._tokens = tokens
        self._sessions = sessions
        self._rolls = rolls

    async def of(self, request: web.Request) -> Access:
        """Who asks. Raises Problem 401, or 403 where a browser was made to ask by somebody else; StoreUnavailable."""
        access = await self.access(request)
        if access is None:
            if bearer(request) is not None:
                raise _unknown("nobody is known by that token", error=True)
            if cookie(request):
                raise _unknown("this session is over: log in again", error=True)
            raise _unknown(_NEEDED, error=False)
        if not Scope(access, self._rolls).stands():
            detail = f"who or what that {'session' if access.session else 'token'} is bound to is not in the register"
            raise _unknown(detail, error=True)
        if access.session and request.method not in _READING:
            refuse_foreign(request, header=True)
        return access

    async def access(self, request: web.Request) -> Access | None:
        """Who that is, as of now; None: nobody. Raises StoreUnavailable."""
        secret = bearer(request)
        if secret is not None:
            return await self._tokens.lookup(secret)
        secret = cookie(request)
        session = await self._sessions.lookup(secret) if secret else None
        if session is None:
            return None
        return person_access(self._rolls, session.staff, session.id, start=session.how == START)


def cookie(request: web.Request) -> str:
    """The session's secret; empty where there is none."""
    return request.cookies.get(COOKIE, "")


def cookie_header(request: web.Request, secret: str) -> dict[str, str]:
    """Sets the cookie; an empty secret takes it away."""
    lasts = _COOKIE_SECONDS if secret else 0
    text = f"{COOKIE}={secret}; Path=/; Max-Age={lasts}; HttpOnly; SameSite=Strict"
    return {"Set-Cookie": f"{text}; Secure" if by_https(request) else text}


def by_https(request: web.Request) -> bool:
    """Whether the browser speaks HTTPS: to us, or to a proxy before us that is believed."""
    said = request.headers.get("X-Forwarded-Proto", "").rpartition(",")[2].strip().lower()
    return request.secure or (said == "https" and _believed(request, request.remote or ""))


def _believed(request: web.Request, remote: str) -> bool:
    """Whether this is one of the proxies that the settings name."""
    found = _ip(remote)
    return found is not None and any(found in network for network in request.app[PROXIES])


def address(request: web.Request) -> str:
    """Where somebody asks from, to count by. A proxy that the settings name says whom it speaks for; nobody else may.

    Of a row of proxies the nearest that is not believed is who asks: what stands further left anybody may have written.
    """
    remote = request.remote or ""
    behind = request.headers.get("X-Forwarded-For", "").split(",")
    while behind and _believed(request, remote) and (before := behind.pop().strip()):
        remote = before
    found = _ip(remote)
    if found is None:
        return remote[:64]
    # One home has a whole /64 of them.
    return str(ipaddress.ip_network(f"{found}/64", strict=False)) if found.version == 6 else str(found)


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def refuse_foreign(request: web.Request, *, header: bool) -> None:
    """Raises Problem 403 where another site's page made the browser ask. `header`: and where ours did not say so."""
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None:
        ours = site == "same-origin" or (site == "none" and not header)
    elif origin is not None:
        ours = origin.lower().partition("://")[2] == request.headers.get("Host", "").lower() != ""
    else:
        ours = not header
    if not ours:
        raise Problem(403, "this was not asked from a page of ours")
    if header and request.headers.get(HEADER) != CONSOLE:
        raise Problem(403, f"with a session, {HEADER}: {CONSOLE} is needed")


def _unknown(detail: str, *, error: bool) -> Problem:
    more = ', error="invalid_token"' if error else ""
    return Problem(401, detail, headers={"WWW-Authenticate": f'Bearer realm="yijian"{more}'})
