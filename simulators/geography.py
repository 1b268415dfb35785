"""Where things lie in a made-up district: communities as the cells of a jittered grid, streets as clusters of cells.

    corner ─── corner ─── corner      Every cell is a quadrilateral that shares its corners with its neighbours, so
      │  cell    │  cell    │         that outlines meet without gaps. Cells are smaller in the middle, where the old
    corner ─── corner ─── corner      town is. A grid (网格) is a slice of its community's cell.

The layout draws from the seed alone, not from how many people live there: `outlines` of a seed always fit `generate`
of the same seed. Points are (lat, lon), WGS 84.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from simulators.names import STREETS

Point = tuple[float, float]
Ring = tuple[Point, ...]

CENTRE: Point = (34.03, 113.83)
WIDTH_M = 8_000.0
HEIGHT_M = 11_000.0
_METRES_A_DEGREE_LAT = 110_920.0
_METRES_A_DEGREE_LON = 111_320.0 * math.cos(math.radians(CENTRE[0]))


def offset(point: Point, east_m: float, north_m: float) -> Point:
    """The point so many metres east and north of another."""
    return point[0] + north_m / _METRES_A_DEGREE_LAT, point[1] + east_m / _METRES_A_DEGREE_LON


@dataclass(frozen=True, slots=True)
class Cell:
    """One community's ground: corners in the order south-west, south-east, north-east, north-west."""

    corners: tuple[Point, Point, Point, Point]
    street: int
    grids: int

    def at(self, east: float, north: float) -> Point:
        """The point at these fractions (0 to 1) of the cell."""
        (a, b, c, d) = self.corners
        lat, lon = (
            (1 - north) * ((1 - east) * a[i] + east * b[i]) + north * ((1 - east) * d[i] + east * c[i])
            for i in (0, 1)
        )
        return lat, lon

    def grid_ring(self, grid: int) -> Ring:
        """The outline of one of its grids: slices from west to east."""
        west, east = grid / self.grids, (grid + 1) / self.grids
        return (self.at(west, 0), self.at(east, 0), self.at(east, 1), self.at(west, 1))

    def somewhere(self, chance: random.Random, grid: int | None = None) -> Point:
        """A point well inside the cell, or inside one of its grids."""
        east, north = 0.1 + 0.8 * chance.random(), 0.1 + 0.8 * chance.random()
        return self.at(east if grid is None else (grid + east) / self.grids, north)


@dataclass(frozen=True, slots=True)
class Layout:
    """A district's ground: its cells, and its streets' names in the order of the cells' `street`."""

    cells: tuple[Cell, ...]
    streets: tuple[str, ...]

    def street_ring(self, street: int) -> Ring:
        """The outline of a street: the outer border of its cells."""
        return _border([cell.corners for cell in self.cells if cell.street == street])

    def district_ring(self) -> Ring:
        """The outline of the whole district."""
        return _border([cell.corners for cell in self.cells])


def lay_out(seed: int, communities: int, streets: int) -> Layout:
    """Lay out so many communities in so many streets."""
    chance = random.Random(f"{seed}/geography")
    columns = max(1, round(math.sqrt(communities * WIDTH_M / HEIGHT_M)))
    rows = math.ceil(communities / columns)
    corner = {
        (row, column): _corner(chance, row, rows, column, columns)
        for row in range(rows + 1)
        for column in range(columns + 1)
    }
    places = [(row, column) for row in range(rows) for column in range(columns)]
    # What the rectangle has too much is taken from its corners, which makes the district look less like a table.
    places.sort(key=lambda p: math.hypot((2 * p[0] + 1) / rows - 1, (2 * p[1] + 1) / columns - 1))
    places = sorted(places[:communities])
    quads = [(corner[r, c], corner[r, c + 1], corner[r + 1, c + 1], corner[r + 1, c]) for r, c in places]
    middles = [_middle(quad) for quad in quads]
    clusters, names = _name_streets(middles, _cluster(middles, min(streets, len(STREETS), communities)))
    return Layout(
        cells=tuple(
            Cell(quad, cluster, chance.randint(2, 4)) for quad, cluster in zip(quads, clusters, strict=True)
        ),
        streets=names,
    )


def _corner(chance: random.Random, row: int, rows: int, column: int, columns: int) -> Point:
    """A corner of the grid: closer together in the middle, and shaken by up to a fifth of a cell."""

    def warp(fraction: float) -> float:
        u = 2 * fraction - 1
        return u * (0.6 + 0.4 * abs(u))

    shake_m = 0.2 * min(WIDTH_M / columns, HEIGHT_M / rows) * 0.6
    return offset(
        CENTRE,
        warp(column / columns) * WIDTH_M / 2 + chance.uniform(-shake_m, shake_m),
        warp(row / rows) * HEIGHT_M / 2 + chance.uniform(-shake_m, shake_m),
    )


def _middle(ring: Sequence[Point]) -> Point:
    return sum(p[0] for p in ring) / len(ring), sum(p[1] for p in ring) / len(ring)


def _apart(a: Point, b: Point) -> float:
    return math.hypot((a[0] - b[0]) * _METRES_A_DEGREE_LAT, (a[1] - b[1]) * _METRES_A_DEGREE_LON)


def _cluster(points: Sequence[Point], count: int) -> list[int]:
    """k-means from the points that lie farthest apart: compact clusters, none of them empty."""
    seeds = [min(points, key=lambda p: _apart(p, CENTRE))]
    while len(seeds) < count:
        seeds.append(max(points, key=lambda p: min(_apart(p, s) for s in seeds)))
    nearest: list[int] = []
    for _ in range(10):
        nearest = [min(range(count), key=lambda i: _apart(p, seeds[i])) for p in points]
        for i in range(count):
            if mine := [p for p, n in zip(points, nearest, strict=True) if n == i]:
                seeds[i] = _middle(mine)
    used = sorted(set(nearest))
    return [used.index(n) for n in nearest]


def _name_streets(points: Sequence[Point], clusters: Sequence[int]) -> tuple[list[int], tuple[str, ...]]:
    """Give each cluster the name that fits where it lies, and number clusters in the order of the names."""
    count = max(clusters) + 1
    middles = {i: _middle([p for p, n in zip(points, clusters, strict=True) if n == i]) for i in range(count)}
    number: dict[int, int] = {}
    names: list[str] = []
    for name, east, north in STREETS[:count]:
        wish = offset(CENTRE, east * WIDTH_M / 2, north * HEIGHT_M / 2)
        best = min((i for i in middles if i not in number), key=lambda i: _apart(middles[i], wish))
        number[best] = len(names)
        names.append(name)
    return [number[n] for n in clusters], tuple(names)


def _border(quads: Sequence[Sequence[Point]]) -> Ring:
    """The outer border of cells that share corners: the edges that only one cell has, walked round."""
    edges = {(quad[i], quad[(i + 1) % 4]) for quad in quads for i in range(4)}
    outer = {(a, b) for a, b in edges if (b, a) not in edges}
    rings: list[Ring] = []
    while outer:
        start, here = min(outer)
        outer.discard((start, here))
        ring = [start]
        while here != start:
            ring.append(here)
            step = min((a, b) for a, b in outer if a == here)
            outer.discard(step)
            here = step[1]
        rings.append(tuple(ring))
    return max(rings, key=len)


# --- other datums ------------------------------------------------------------------------------------------------

# The shift that map services in China add to WGS 84 (GCJ-02), as everybody's open-source converters know it.
_A = 6_378_245.0
_EE = 0.00669342162296594323


def _wave(x: float) -> float:
    return (20.0 * math.sin(6.0 * x * math.pi) + 20.0 * math.sin(2.0 * x * math.pi)) * 2.0 / 3.0


def _ripple(v: float, near: float, far: float) -> float:
    return (20.0 * math.sin(v * math.pi) + 40.0 * math.sin(v / 3.0 * math.pi)) * 2.0 / 3.0 + (
        near * math.sin(v / 12.0 * math.pi) + far * math.sin(v / 30.0 * math.pi)
    ) * 2.0 / 3.0


def to_gcj02(point: Point) -> Point:
    """What a map of AutoNavi or Tencent calls this WGS 84 point."""
    y, x = point[0] - 35.0, point[1] - 105.0
    root = math.sqrt(abs(x))
    lat = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root
    lat += _wave(x) + _ripple(y, 160.0, 320.0)
    lon = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root
    lon += _wave(x) + _ripple(x, 150.0, 300.0)
    radians = math.radians(point[0])
    magic = 1 - _EE * math.sin(radians) ** 2
    lat = lat * 180.0 / (_A * (1 - _EE) / (magic * math.sqrt(magic)) * math.pi)
    lon = lon * 180.0 / (_A / math.sqrt(magic) * math.cos(radians) * math.pi)
    return point[0] + lat, point[1] + lon


def to_bd09(point: Point) -> Point:
    """What a map of Baidu calls this WGS 84 point."""
    lat, lon = to_gcj02(point)
    turn = math.pi * 3000.0 / 180.0
    z = math.hypot(lon, lat) + 0.00002 * math.sin(lat * turn)
    theta = math.atan2(lat, lon) + 0.000003 * math.cos(lon * turn)
    return z * math.sin(theta) + 0.006, z * math.cos(theta) + 0.0065
