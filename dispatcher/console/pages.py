"""The pages: the console at `/`, the wall screen, the responders' phone, the API's description and its browser.

They are the built files of `web/` (`make console`), read once at the start. Without them the console at `/` is the small
one of `plain/`, which needs no build; it stays at `/plain` beside the other.

`/demo-login` hands the demo's token to a visitor on this very machine, and to nobody else: the connection must come
from loopback, the Host must be loopback too (a name that somebody rebinds to 127.0.0.1 is not), no proxy stands between,
and no other page asks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

import msgspec
from aiohttp import web

from config.reading import is_loopback
from dispatcher.console.problems import Problem

_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
}
#: The built pages by the addresses they are found at; each file beside them by its own name.
_BUILT = {"/": "index.html", "/wall": "wall.html", "/r/{call}": "call.html"}
#: Files with a hash in their name never change.
_FOR_EVER = "public, max-age=31536000, immutable"
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")


def routes(document: bytes, demo_token: str, demo_messages: str) -> list[web.RouteDef]:
    """Everything that is no endpoint of the API."""
    files, built, assets = _files()

    async def demo_login(request: web.Request) -> web.Response:
        if not demo_token or not _at_this_machine(request):
            raise Problem(404, "there is nothing at this address")
        body = msgspec.json.encode({"messages": demo_messages, "token": demo_token})
        return web.Response(body=body, content_type="application/json")

    async def described(request: web.Request) -> web.StreamResponse:
        return _file(request, "openapi.json", document, "application/json")

    async def console(request: web.Request) -> web.StreamResponse:
        return _file(request, "index.html", files["index.html"])

    async def docs(request: web.Request) -> web.StreamResponse:
        return _file(request, "docs.html", files["docs.html"])

    async def file(request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in files:
            raise Problem(404, "there is nothing at this address")
        return _file(request, name, files[name])

    async def asset(request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in assets:
            raise Problem(404, "there is nothing at this address")
        return _file(request, name, assets[name], cache=_FOR_EVER)

    def page(name: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def show(request: web.Request) -> web.StreamResponse:
            return _file(request, name, built[name])

        return show

    pages = {address: name for address, name in _BUILT.items() if name in built}
    pages |= {f"/{name}": name for name in built if not name.endswith(".html")}
    return [
        *(web.get(address, page(name)) for address, name in pages.items()),
        *([web.get("/assets/{name}", asset)] if built else [web.get("/", console)]),
        web.get("/plain", console),
        web.get("/web/{name}", file),
        web.get("/api/v1/openapi.json", described),
        web.get("/api/v1/docs", docs),
        web.get("/demo-login", demo_login),
    ]


@cache
def _files() -> tuple[dict[str, bytes], dict[str, bytes], dict[str, bytes]]:
    """Of the plain console, of the built pages (none: not built), and what those load."""
    rooms = resources.files("dispatcher.console")
    dist = rooms.joinpath("web", "dist")
    built = _read(dist) if dist.joinpath("index.html").is_file() else {}
    return _read(rooms.joinpath("plain")), built, _read(dist.joinpath("assets")) if built else {}


def _read(folder: Traversable) -> dict[str, bytes]:
    """The files of a folder that a page is made of."""
    return {
        entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.name.endswith(tuple(_TYPES))
    }


def _file(
    request: web.Request, name: str, content: bytes, content_type: str = "", cache: str = "no-cache"
) -> web.Response:
    tag = f'"{hashlib.sha256(content).hexdigest()[:24]}"'
    headers = {"ETag": tag, "Cache-Control": cache}
    if tag in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers=headers)
    return web.Response(
        body=content,
        content_type=content_type or _TYPES[name[name.rindex(".") :]],
        charset="utf-8",
        headers=headers,
    )


def _at_this_machine(request: web.Request) -> bool:
    """Whether somebody on this machine asks, from this very page or by hand."""
    if any(name in request.headers for name in _FORWARDED):
        return False
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        return False
    return is_loopback(request.remote or "") and is_loopback(_host(request.headers.get("Host", "")))


def _host(header: str) -> str:
    """The host of a Host header, without its port and brackets."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0]
