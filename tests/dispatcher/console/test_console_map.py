"""What the maps stand on: a file of the district in ranges, tiles by URL, or nothing."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager

from aiohttp.test_utils import TestClient, TestServer

from dispatcher.console.app import Options, make_app
from dispatcher.console.basemap import Ground

WHO = {"Authorization": "Bearer secret-station"}


@asynccontextmanager
async def console(world, tokens, base_map):
    app = make_app(world.rooms, Options(tokens=tokens, base_map=base_map))
    async with TestClient(TestServer(app)) as client:
        yield client


async def told(client):
    async with client.get("/api/v1/map", headers=WHO) as response:
        assert response.status == 200
        return await response.json()


async def pictures(client):
    """Where a page may load pictures from."""
    async with client.get("/plain") as response:
        policy = response.headers["Content-Security-Policy"]
    return dict(part.strip().split(" ", 1) for part in policy.split(";"))["img-src"].split()


async def test_without_any_the_district_is_drawn_from_the_register(world, tokens):
    async with console(world, tokens, Ground()) as client:
        assert await told(client) == {
            "tiles": None,
            "pmtiles": None,
            "geojson": None,
            "datum": "wgs84",
            "attribution": "",
        }
        assert await pictures(client) == ["'self'", "data:"]
        async with client.get("/map/district.geojson") as response:
            assert response.status == 404


async def test_one_file_with_all_tiles_is_read_by_ranges(world, tokens, tmp_path):
    file = tmp_path / "weidu.PMTILES"
    file.write_bytes(b"PMTiles\x03" + bytes(range(256)) * 40)
    async with console(
        world, tokens, Ground(file=file, datum="gcj02", tiles="https://t.example/{z}")
    ) as client:
        answer = await told(client)
        assert (answer["pmtiles"], answer["geojson"], answer["tiles"]) == (
            "/map/district.pmtiles",
            None,
            None,
        )
        assert answer["datum"] == "gcj02"
        assert await pictures(client) == ["'self'", "data:"]  # the file is ours: nothing from elsewhere
        async with client.get(answer["pmtiles"], headers={"Range": "bytes=0-7"}) as response:
            assert response.status == 206
            assert await response.read() == b"PMTiles\x03"
            assert response.headers["Content-Range"] == f"bytes 0-7/{file.stat().st_size}"
            tag = response.headers["ETag"]
        async with client.get(
            answer["pmtiles"], headers={"Range": "bytes=8-12", "If-Range": tag}
        ) as response:
            assert await response.read() == bytes(range(5))
        async with client.get(answer["pmtiles"], headers={"Range": "bytes=99999999-"}) as response:
            assert response.status == 416
        file.unlink()
        async with client.get(answer["pmtiles"]) as response:
            assert response.status == 404


async def test_boundaries_are_wgs84_whatever_the_tiles_would_be(world, tokens, tmp_path):
    file = tmp_path / "weidu.geojson"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": []}))
    async with console(world, tokens, Ground(file=file, datum="gcj02", attribution="© 魏都")) as client:
        answer = await told(client)
        assert (answer["geojson"], answer["datum"]) == ("/map/district.geojson", "wgs84")
        assert answer["attribution"] == "© 魏都"
        async with client.get(answer["geojson"]) as response:
            assert response.content_type == "application/geo+json"
            assert (await response.json(content_type=None))["type"] == "FeatureCollection"


async def test_pages_may_load_tiles_from_the_one_host_that_is_named(world, tokens):
    tiles = "https://tiles.example.cn:8443/{z}/{x}/{y}.png"
    async with console(world, tokens, Ground(tiles=tiles, datum="gcj02")) as client:
        answer = await told(client)
        assert (answer["tiles"], answer["datum"]) == (tiles, "gcj02")
        assert await pictures(client) == ["'self'", "data:", "https://tiles.example.cn:8443"]


async def test_a_stranger_learns_nothing_of_it(world, tokens):
    async with console(world, tokens, Ground()) as client, client.get("/api/v1/map") as response:
        assert response.status == 401
