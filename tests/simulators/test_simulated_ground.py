"""The made-up district's ground fits its register."""

from __future__ import annotations

import pytest

from simulators.district import generate, outlines
from simulators.groundmap import geojson


@pytest.mark.parametrize("seed", [411002, 7])
def test_every_street_and_community_has_its_outline(seed):
    areas = {row["code"]: row for row in generate(seed)["areas"] if row["kind"] in {"street", "community"}}
    shapes = {
        one["properties"]["code"]: one
        for one in geojson(seed)["features"]
        if one["geometry"]["type"] == "Polygon" and "code" in one["properties"]
    }
    assert shapes.keys() == areas.keys()
    rings = outlines(seed)
    for code, shape in shapes.items():
        assert shape["properties"] == {
            "kind": areas[code]["kind"],
            "code": code,
            "name": areas[code]["name"],
        }
        [ring] = shape["geometry"]["coordinates"]
        assert ring[0] == ring[-1]
        assert [(lat, lon) for lon, lat in ring[:-1]] == [
            (round(lat, 6), round(lon, 6)) for lat, lon in rings[code]
        ]


def test_roads_run_between_communities_and_the_same_seed_draws_the_same_ground():
    ground = geojson(411002)
    assert ground == geojson(411002)
    assert ground != geojson(7)
    kinds = [
        one["properties"].get("highway") for one in ground["features"] if one["properties"]["kind"] == "road"
    ]
    assert {"primary", "secondary", "tertiary", "residential"} == set(kinds)
    assert sum(one["properties"]["kind"] == "place" for one in ground["features"]) == 13
