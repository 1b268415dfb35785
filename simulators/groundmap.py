"""The ground of a made-up district as GeoJSON (RFC 7946): boundaries, roads, water and names, for the console's maps.

    geojson(seed)  ->  {"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": …, "properties":
                       {"kind": "street|community|road|water|place", "code": …, "name": …}}, …]}

It fits `district.generate` of the same arguments: a community's polygon has its area's code. Roads run where communities
meet, main roads where streets do; lanes cut a community into its grids. Coordinates are [lon, lat], WGS 84.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from typing import Any

from simulators import geography, places
from simulators.district import WEIDU
from simulators.geography import CENTRE, HEIGHT_M, WIDTH_M, Layout, Point

Feature = dict[str, Any]

#: The moat round the old town: half its width and height in metres, and how broad the water is.
_MOAT_M = (1_050.0, 1_250.0)
_MOAT_POINTS = 72
_RIVER_POINTS = 60
#: Lanes between the fronts of a grid, as fractions of the cell from south to north.
_LANES = (0.34, 0.68)


def geojson(
    seed: int = WEIDU, *, communities: int = 86, streets: int = 13, code: str = str(WEIDU)
) -> dict[str, Any]:
    """The ground of `district.generate` with the same arguments."""
    layout = geography.lay_out(seed, communities, streets)
    ground = places.areas(random.Random(f"{seed}/areas"), layout, code)
    features = [
        _area("community", community, name, cell.corners)
        for cell, community, name in zip(layout.cells, ground.communities, ground.names, strict=True)
    ]
    features += _water(random.Random(f"{seed}/water"))
    features += _lanes(layout)
    features += _roads(layout)
    features += [
        _area("street", street, name, layout.street_ring(index))
        for index, (street, name) in enumerate(zip(ground.streets, layout.streets, strict=True))
    ]
    features += [_name(name, layout, index) for index, name in enumerate(layout.streets)]
    return {"type": "FeatureCollection", "features": features}


def _feature(shape: str, coordinates: Any, **properties: str) -> Feature:
    return {
        "type": "Feature",
        "geometry": {"type": shape, "coordinates": coordinates},
        "properties": properties,
    }


def _line(points: Iterable[Point]) -> list[list[float]]:
    return [[round(lon, 6), round(lat, 6)] for lat, lon in points]


def _area(kind: str, code: str, name: str, ring: Iterable[Point]) -> Feature:
    line = _line(ring)
    return _feature("Polygon", [[*line, line[0]]], kind=kind, code=code, name=name)


def _name(name: str, layout: Layout, street: int) -> Feature:
    """A street's name where its cells have their middle."""
    middles = [cell.at(0.5, 0.5) for cell in layout.cells if cell.street == street]
    lat, lon = (sum(point[i] for point in middles) / len(middles) for i in (0, 1))
    return _feature("Point", [round(lon, 6), round(lat, 6)], kind="place", name=name)


def _roads(layout: Layout) -> list[Feature]:
    """Where two communities meet there is a road, where two streets (街道) meet a main one."""
    beside: dict[tuple[Point, Point], int] = {}
    found: list[Feature] = []
    for cell in layout.cells:
        for i, here in enumerate(cell.corners):
            there = cell.corners[(i + 1) % 4]
            edge = (min(here, there), max(here, there))
            if edge in beside:
                main = beside.pop(edge) != cell.street
                found.append(
                    _feature(
                        "LineString", _line(edge), kind="road", highway="primary" if main else "tertiary"
                    )
                )
            else:
                beside[edge] = cell.street
    found += [
        _feature("LineString", _line(edge), kind="road", highway="secondary") for edge in sorted(beside)
    ]
    return sorted(found, key=lambda one: str(one["properties"]["highway"]), reverse=True)


def _lanes(layout: Layout) -> list[Feature]:
    found: list[Feature] = []
    for cell in layout.cells:
        lines = [
            [cell.at(grid / cell.grids, 0), cell.at(grid / cell.grids, 1)] for grid in range(1, cell.grids)
        ]
        lines += [[cell.at(0, north), cell.at(1, north)] for north in _LANES]
        found += [_feature("LineString", _line(line), kind="road", highway="residential") for line in lines]
    return found


def _water(chance: random.Random) -> list[Feature]:
    """A moat round the old town, and a river that comes from the north-west and leaves in the south-east."""
    turn = chance.uniform(0, math.tau)
    moat = []
    for i in range(_MOAT_POINTS):
        angle = math.tau * i / _MOAT_POINTS
        wave = 1 + 0.05 * math.sin(3 * angle + turn) + 0.03 * math.sin(5 * angle)
        # A square with rounded corners, as the walls were.
        square = 1 / max(abs(math.cos(angle)), abs(math.sin(angle))) ** 0.6
        moat.append(
            geography.offset(
                CENTRE,
                _MOAT_M[0] * wave * square * math.cos(angle),
                _MOAT_M[1] * wave * square * math.sin(angle),
            )
        )
    river = []
    for i in range(_RIVER_POINTS + 1):
        way = i / _RIVER_POINTS
        bend = 0.16 * math.sin(math.tau * 1.6 * way + turn) + 0.05 * math.sin(math.tau * 4.3 * way)
        river.append(
            geography.offset(
                CENTRE, (0.2 + 0.34 * way + bend - 0.1) * WIDTH_M * 0.8, (0.62 - 1.24 * way) * HEIGHT_M
            )
        )
    return [
        _feature("LineString", _line([*moat, moat[0]]), kind="water", name="护城河"),
        _feature("LineString", _line(river), kind="water", name="清潩河"),
    ]
