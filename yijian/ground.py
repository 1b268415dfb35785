"""Which base map the console's pages have: the one of the settings; in a demo, the made-up district's own ground."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import cast

from config.settings import Settings
from dispatcher.console.basemap import Datum, Ground
from dispatcher.register import Register
from yijian import demo


def base_map(settings: Settings) -> Ground:
    """The settings' one."""
    return Ground(
        file=settings.map_file,
        tiles=settings.map_tiles or "",
        datum=cast("Datum", settings.map_datum),
        attribution=settings.map_attribution or "",
    )


def with_ground(settings: Settings, register: Register) -> Settings:
    """The settings with the made-up district's ground as the base map, where they name none and the register is ours."""
    from simulators.groundmap import geojson

    roll = register.rolls.by_code.get(register.rolls.default_code)
    if settings.map_file is not None or settings.map_tiles is not None or roll is None:
        return settings
    ground = geojson(demo.SEED)
    places = [one["properties"] for one in ground["features"] if "code" in one["properties"]]
    if any(
        place["code"] not in roll.areas or roll.areas[place["code"]].name != place["name"] for place in places
    ):
        return settings
    path = settings.data.absolute() / "demo" / "ground.geojson"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(json.dumps(ground, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
    return replace(settings, map_file=path)
