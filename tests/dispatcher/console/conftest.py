"""A console over faked rooms, and a client of it for each role."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestClient, TestServer
from argon2 import PasswordHasher
from console_rooms import COMMUNITY, DISTRICT, GRID, STREET, World

from dispatcher.console.access import Access
from dispatcher.console.app import Options, make_app
from dispatcher.console.passwords import Hasher
from dispatcher.console.stream import StreamOptions
from dispatcher.console.tokens import ADMIN, Tokens
from dispatcher.core.district import Role

#: What a look at a password costs here: next to nothing.
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)

SECRETS = {
    "admin": ADMIN,
    "district": Access(id="t-district", role=Role.DISTRICT),
    "this_district": Access(id="t-this", role=Role.DISTRICT, area=DISTRICT),
    "street": Access(id="t-street", role=Role.STREET, area=STREET),
    "community": Access(id="t-community", role=Role.COMMUNITY, area=COMMUNITY),
    "grid": Access(id="t-grid", role=Role.GRID, area=GRID),
    "station": Access(id="t-station", role=Role.STATION, station="st-1", staff="s-1"),
    "station_3": Access(id="t-station-3", role=Role.STATION, station="st-3"),
    "desk": Access(id="t-desk", role=Role.STATION, station="desk"),
    "volunteer": Access(id="t-volunteer", role=Role.VOLUNTEER, staff="v-1"),
    "colleague": Access(id="t-colleague", role=Role.STATION, station="st-1", staff="s-2"),
    "desk_person": Access(id="t-desk-person", role=Role.DISTRICT, area=DISTRICT, staff="d-1"),
    # Somebody who has logged in; how they are known by their cookie is in test_console_people.py.
    "person": Access(id="user:s-1", role=Role.STATION, station="st-1", staff="s-1", session="s-000000"),
}


@pytest.fixture
async def world() -> World:
    return await World().open()


@pytest.fixture
def tokens(world: World) -> Tokens:
    return Tokens(
        world.store,
        world.clock,
        world.ids,
        fixed={f"secret-{name}": access for name, access in SECRETS.items()},
    )


Api = Callable[..., Awaitable[tuple[int, Any]]]


@pytest.fixture
async def client(world: World, tokens: Tokens) -> AsyncIterator[TestClient]:
    options = Options(
        tokens=tokens,
        demo_token="secret-admin",
        hasher=Hasher(QUICK),
        stream=StreamOptions(alive_seconds=0.2, still_seconds=0.5, token_seconds=0.2),
    )
    async with TestClient(TestServer(make_app(world.rooms, options))) as made:
        yield made


@pytest.fixture
def api(client: TestClient) -> Api:
    async def ask(
        method: str, path: str, json: Any = None, *, who: str = "admin", **more: Any
    ) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer secret-{who}"} | more.pop("headers", {})
        async with client.request(method, f"/api/v1{path}", json=json, headers=headers, **more) as response:
            body = await response.read()
            if response.status >= 400:
                assert response.content_type == "application/problem+json", body
                problem = await response.json()
                assert problem["status"] == response.status
                assert problem["title"]
                assert problem["detail"]
                return response.status, problem
            is_json = body and response.content_type.endswith("json")
            if body and response.content_type == "text/csv":
                return response.status, body.decode("utf-8-sig")
            return response.status, await response.json() if is_json else body or None

    return ask


__all__ = ["Api", "ClientSession"]
