"""Where messages may go: every address is looked at after the name was resolved, and that very address is connected to.

    https://hooks.example/x  →  198.51.100.7 is public: go            10.0.0.7, 169.254.169.254, ::1: TargetRefused

Whoever may write a webhook into the register must not reach what only this machine can reach: databases, routers, the
metadata of a cloud. A name can point anywhere and change between two looks, so there is no second look: the resolver
hands on only what it allowed, and the socket is opened for nothing else (`_socket`, which sees literal addresses too).
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import threading
from enum import StrEnum
from functools import lru_cache
from typing import Any

from aiohttp import TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from config.reading import web_url

_Ip = ipaddress.IPv4Address | ipaddress.IPv6Address

#: Lookups at once. A name server that hangs keeps a thread each for as long as the system's resolver waits.
LOOKUPS_MAX = 64
#: How long a name that was looked up and allowed counts.
_NAME_SECONDS = 10
_URLS_KEPT = 2048

#: IPv6 is public in here, and nowhere else …
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
#: … but for Teredo and its neighbours, documentation, and 6to4, which carries an IPv4 address nobody would look at.
_NOT_GLOBAL_V6 = tuple(
    ipaddress.IPv6Network(net) for net in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)
#: IPv4 through a translator (RFC 6052): what counts is the address behind it.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
#: What `is_private` of some Python versions leaves out: carriers' NAT, 6to4 relays, protocol assignments.
_NOT_GLOBAL_V4 = tuple(
    ipaddress.IPv4Network(net) for net in ("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24")
)


class Targets(StrEnum):
    """Which addresses that are not public are allowed. Multicast and 0.0.0.0 never are."""

    NONE = "none"
    LOOPBACK = "loopback"
    ALL = "all"


class TargetRefused(OSError):  # noqa: N818 - it tells what happened
    """We do not go there: `host` is where, `reason` why, in a few words. An OSError, so that aiohttp hands it on."""

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(f"{host}: {reason}")
        self.host = host
        self.reason = reason


def refusal(address: str, targets: Targets) -> str:
    """Why this numeric address is not gone to, in a few words; empty: it is allowed."""
    try:
        ip: _Ip = ipaddress.ip_address(address)
    except ValueError:
        return "no address"
    if isinstance(ip, ipaddress.IPv6Address):
        ip = _behind(ip)
    if ip.is_unspecified:
        return "unspecified address"
    if ip.is_multicast or ip == ipaddress.IPv4Address("255.255.255.255"):
        return "multicast address"
    if targets is Targets.ALL or _is_global(ip):
        return ""
    if ip.is_loopback:
        return "" if targets is Targets.LOOPBACK else "loopback address"
    return "private address"


def _behind(ip: ipaddress.IPv6Address) -> _Ip:
    """The IPv4 address that an IPv6 one stands for, where it does."""
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip


def _is_global(ip: _Ip) -> bool:
    if isinstance(ip, ipaddress.IPv4Address):
        return ip.is_global and not any(ip in net for net in _NOT_GLOBAL_V4)
    return ip in _GLOBAL_V6 and not any(ip in net for net in _NOT_GLOBAL_V6)


def target(url: str, targets: Targets) -> URL:
    """The URL, read as it will be used. Raises TargetRefused where it is none or names an address that is not allowed."""
    try:
        web_url(url)
        read = URL(url)
        host = read.raw_host or ""
        if not host:
            raise ValueError("names no host")  # noqa: TRY301 - one way out for all that is no URL
    except ValueError as error:
        raise TargetRefused("url", str(error)) from None
    return _allowed(read, host, targets)


def hop(before: URL, location: str, targets: Targets) -> URL:
    """Where a redirect leads. Raises TargetRefused as `target` does, and where TLS would be left behind."""
    try:
        there = before.join(URL(location)).with_fragment(None)
    except ValueError:
        raise TargetRefused("location", "is no URL") from None
    allowed = target(str(there), targets)
    if before.scheme == "https" and allowed.scheme != "https":
        raise TargetRefused(allowed.raw_host or "", "redirect from https to http")
    return allowed


def _allowed(url: URL, host: str, targets: Targets) -> URL:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return url  # a name: looked at when it is resolved
    if reason := refusal(host, targets):
        raise TargetRefused(host, reason)
    return url


#: The same few webhooks come again and again.
kept_target = lru_cache(_URLS_KEPT)(target)


class Lookup(AbstractResolver):
    """The system's name lookup, each in a thread of its own: one that hangs holds up no other, and no shutdown."""

    def __init__(self) -> None:
        self._running = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name. Raises OSError."""
        if self._running >= LOOKUPS_MAX:
            raise socket.gaierror(socket.EAI_AGAIN, "too many lookups hang")
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[Any]] = loop.create_future()

        def tell(infos: list[Any], error: OSError | None) -> None:
            self._running -= 1
            if found.done():
                return
            if error is None:
                found.set_result(infos)
            else:
                found.set_exception(error)

        def look() -> None:
            infos: list[Any] = []
            failed: OSError | None = None
            try:
                infos = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
            except OSError as error:
                failed = error
            except UnicodeError:
                failed = socket.gaierror(socket.EAI_NONAME, "no host name")
            with contextlib.suppress(RuntimeError):  # the loop is gone, nobody waits any more
                loop.call_soon_threadsafe(tell, infos, failed)

        self._running += 1
        threading.Thread(target=look, name="lookup", daemon=True).start()
        return [_result(host, port, info) for info in await found]

    async def close(self) -> None:
        """Nothing to let go: threads end by themselves."""


def _result(host: str, port: int, info: Any) -> ResolveResult:
    family, _, proto, _, address = info
    numeric = f"{address[0]}%{address[3]}" if family == socket.AF_INET6 and address[3] else address[0]
    return ResolveResult(
        hostname=host,
        host=numeric,
        port=port,
        family=family,
        proto=proto,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )


class CheckedResolver(AbstractResolver):
    """Hands on only the addresses that are allowed."""

    def __init__(self, targets: Targets, lookup: AbstractResolver) -> None:
        self._targets = targets
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The allowed addresses of a name. Raises TargetRefused where it has none, OSError where it is not found."""
        found = await self._lookup.resolve(host, port, family)
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "no address")
        reasons = [refusal(result["host"], self._targets) for result in found]
        allowed = [result for result, reason in zip(found, reasons, strict=True) if not reason]
        if not allowed:
            raise TargetRefused(host, reasons[0])
        return allowed

    async def close(self) -> None:
        """Close what looks names up."""
        await self._lookup.close()


def connector(
    targets: Targets,
    *,
    per_host: int,
    keep_alive: bool = True,
    lookup: AbstractResolver | None = None,
    tls: ssl.SSLContext | None = None,
) -> TCPConnector:
    """What connections are made by: to allowed addresses alone, at most `per_host` to one host and port (0: no bound).

    `lookup` looks names up instead of the system, `tls` trusts others than the system does.
    """

    def _socket(info: Any) -> socket.socket:
        family, kind, protocol, _, address = info
        if reason := refusal(address[0], targets):
            raise TargetRefused(address[0], reason)
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    return TCPConnector(
        resolver=CheckedResolver(targets, lookup or Lookup()),
        ttl_dns_cache=_NAME_SECONDS,
        limit=0,
        limit_per_host=per_host,
        force_close=not keep_alive,
        socket_factory=_socket,
        ssl=tls if tls is not None else True,
    )
