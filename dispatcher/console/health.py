"""Alive, serving, figures: what a supervisor, a load balancer and Prometheus ask."""

from __future__ import annotations

import msgspec
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from dispatcher.console.problems import Problem
from dispatcher.console.rooms import Rooms


def routes(rooms: Rooms) -> list[web.RouteDef]:
    """`/healthz`, `/readyz`, `/metrics`."""

    async def alive(_request: web.Request) -> web.Response:
        return _json({"alive": True})

    async def ready(_request: web.Request) -> web.Response:
        health = rooms.health()
        if health.gone:
            raise Problem(
                503,
                f"gone: {', '.join(health.gone)}",
                headers={"Retry-After": "1"},
                gone=health.gone,
                degraded=health.degraded,
            )
        return _json({"ready": True, "degraded": health.degraded})

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return [web.get("/healthz", alive), web.get("/readyz", ready), web.get("/metrics", metrics)]


def _json(body: dict[str, object]) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")
