"""What the console's maps stand on: a file of the district, tiles by URL, or nothing but the register.

    Ground(file=Path("weidu.pmtiles"))       one file with all tiles, read by ranges from `/map/district.pmtiles`
    Ground(file=Path("weidu.geojson"))       boundaries and roads, from `/map/district.geojson`
    Ground(tiles="https://t.example.cn/{z}/{x}/{y}.png", datum="gcj02")

The file is given to everybody who can reach the page, without a login: a base map shows ground, never people.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from aiohttp import web
from msgspec import Struct

from dispatcher.console.endpoint import Answer, Ask, Endpoint

Datum = Literal["wgs84", "gcj02"]

_TYPES = {".pmtiles": "application/vnd.pmtiles", ".geojson": "application/geo+json"}


class MapView(Struct):
    """At most one of the three has an address. `datum`: what the tiles are drawn in; all our places are WGS 84."""

    tiles: str | None
    pmtiles: str | None
    geojson: str | None
    datum: Datum
    attribution: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Which one this installation has. A file goes before tiles: it is there without the internet."""

    file: Path | None = None
    tiles: str = ""
    datum: Datum = "wgs84"
    attribution: str = ""

    @property
    def _address(self) -> str:
        return "" if self.file is None else f"/map/district{self._suffix}"

    @property
    def _suffix(self) -> str:
        return ".pmtiles" if self.file is not None and self.file.suffix.lower() == ".pmtiles" else ".geojson"

    @property
    def pictures_from(self) -> str:
        """The origin that pages must be allowed to load pictures from; empty: only ours."""
        if self.file is not None or not self.tiles:
            return ""
        parts = urlsplit(self.tiles)
        return f"{parts.scheme}://{parts.netloc}"

    def view(self) -> MapView:
        """How the outside sees it."""
        return MapView(
            tiles=self.tiles or None if self.file is None else None,
            pmtiles=self._address if self._suffix == ".pmtiles" else None,
            geojson=self._address or None if self._suffix == ".geojson" else None,
            datum=self.datum if self._suffix == ".pmtiles" or self.file is None else "wgs84",
            attribution=self.attribution,
        )

    def routes(self) -> list[web.RouteDef]:
        """The file, in ranges where they are asked for."""
        file = self.file
        if file is None:
            return []
        headers = {"Content-Type": _TYPES[self._suffix], "Cache-Control": "no-cache"}

        async def ground(_request: web.Request) -> web.StreamResponse:
            return web.FileResponse(file, headers=headers)

        return [web.get(self._address, ground)]

    def endpoints(self) -> tuple[Endpoint, ...]:
        """`GET /map`."""
        view = self.view()

        async def shown(_ask: Ask) -> Answer:
            return Answer(view)

        return (
            Endpoint(
                method="GET",
                path="/map",
                name="getMap",
                tag="coverage",
                en="Which base map this installation has",
                zh="本系统使用的底图",
                handle=shown,
                answer=MapView,
            ),
        )
