"""Places and ways: any datum to WGS 84, distances, and how long a station's people need to a place.

Chinese maps show GCJ-02 (a lawful shift of 100-700 m) or BD-09 (Baidu's shift on top of it). Both are undone here, once,
at the door; past it everything is WGS 84. Outside China GCJ-02 is WGS 84.

Travel time stands behind one seam, `Travel`: today the great circle times a detour, with a map one day the roads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import asin, atan2, cos, hypot, isfinite, pi, radians, sin, sqrt
from typing import Protocol

from msgspec import Struct

from dispatcher.core.district import Location, Station
from dispatcher.core.district import Travel as Mode

DATUMS = ("wgs84", "gcj02", "bd09")

#: The mean radius of the earth (IUGG). A sphere is within 0.6 % of the ellipsoid, far finer than the detour is known.
EARTH_RADIUS_M = 6_371_008.8
_DEGREE_M = EARTH_RADIUS_M * pi / 180

# GCJ-02 reckons on the Krasovsky 1940 ellipsoid; the series is the publicly known one.
_KRASOVSKY_A = 6_378_245.0
_KRASOVSKY_EE = 0.00669342162296594323
_BAIDU_TURN = pi * 3000 / 180
#: About 0.1 mm: the iteration gains three digits a round and is there after four.
_CLOSE_DEGREES = 1e-9
_ROUNDS_MAX = 12

#: Way by road over great circle: about 1.2 in dense town grids (Newell 1980), 1.2-1.5 over whole countries (Ballou
#: 2002). The upper middle: an old quarter's lanes are not a grid, and a promise too short is worse than one too long.
DETOUR = 1.3
#: Metres a second, door to door. Planning figures, to be replaced by measured arrivals (`GET /reports`):
#: walk: 1.2 m/s, the design speed of pedestrian crossings; no run, it is a care worker with a bag;
#: e-bike: 4.5 m/s = 16 km/h, two thirds of the lawful 25 km/h (GB 17761), for junctions and gates;
#: car: 7.0 m/s = 25 km/h, a town's rush hour, parking included.
SPEEDS_M_S: Mapping[Mode, float] = {Mode.WALK: 1.2, Mode.E_BIKE: 4.5, Mode.CAR: 7.0}
#: Further than a day is not a way: it is a typing mistake in a coordinate.
REACH_SECONDS_MAX = 86_400.0


def faults(location: Location) -> list[tuple[str, str]]:
    """Everything that is wrong with a location, as (sub-path, error); empty where `to_wgs84` would take it."""
    found: list[tuple[str, str]] = []
    for name, value, top in (("lat", location.lat, 90.0), ("lon", location.lon, 180.0)):
        if not (isfinite(value) and -top <= value <= top):
            found.append((name, f"must be between -{top:.0f} and {top:.0f} degrees"))
    if location.datum not in DATUMS:
        found.append(("datum", f"must be one of {', '.join(DATUMS)}"))
    return found


def to_wgs84(location: Location) -> Location:
    """The same place in WGS 84, to the centimetre. Raises ValueError where `faults` has something to say."""
    found = faults(location)
    if found:
        raise ValueError("; ".join(f"{path}: {error}" for path, error in found))
    if location.datum == "wgs84":
        return location
    lat, lon = location.lat, location.lon
    if location.datum == "bd09":
        lat, lon = _undo(_to_bd09, lat, lon)
    if _in_china(lat, lon):
        lat, lon = _undo(_to_gcj02, lat, lon)
    return Location(lat, lon)


def from_wgs84(location: Location, datum: str) -> Location:
    """A WGS 84 place in another datum, for maps that want it. Raises ValueError on an unknown datum or a bad range."""
    found = faults(Location(location.lat, location.lon, datum))
    if found:
        raise ValueError("; ".join(f"{path}: {error}" for path, error in found))
    lat, lon = location.lat, location.lon
    if datum != "wgs84" and _in_china(lat, lon):
        lat, lon = _to_gcj02(lat, lon)
    if datum == "bd09":
        lat, lon = _to_bd09(lat, lon)
    return Location(lat, lon, datum)


def _in_china(lat: float, lon: float) -> bool:
    """The box within which map services shift. It is wider than the country, on purpose of whoever drew it."""
    return 0.8293 <= lat <= 55.8271 and 72.004 <= lon <= 137.8347


def _undo(
    shift: Callable[[float, float], tuple[float, float]], lat: float, lon: float
) -> tuple[float, float]:
    """The place that `shift` moves to (lat, lon): guess, shift, correct by what is missing, until nothing is."""
    at_lat, at_lon = lat, lon
    for _ in range(_ROUNDS_MAX):
        moved_lat, moved_lon = shift(at_lat, at_lon)
        missing_lat, missing_lon = lat - moved_lat, lon - moved_lon
        at_lat += missing_lat
        at_lon += missing_lon
        if abs(missing_lat) < _CLOSE_DEGREES and abs(missing_lon) < _CLOSE_DEGREES:
            break
    return at_lat, at_lon


def _to_gcj02(lat: float, lon: float) -> tuple[float, float]:
    x, y = lon - 105.0, lat - 35.0
    root = sqrt(abs(x))
    ripple = (20.0 * sin(6.0 * x * pi) + 20.0 * sin(2.0 * x * pi)) * 2.0 / 3.0
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + ripple
    north += (20.0 * sin(y * pi) + 40.0 * sin(y / 3.0 * pi)) * 2.0 / 3.0
    north += (160.0 * sin(y / 12.0 * pi) + 320.0 * sin(y * pi / 30.0)) * 2.0 / 3.0
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + ripple
    east += (20.0 * sin(x * pi) + 40.0 * sin(x / 3.0 * pi)) * 2.0 / 3.0
    east += (150.0 * sin(x / 12.0 * pi) + 300.0 * sin(x / 30.0 * pi)) * 2.0 / 3.0
    phi = radians(lat)
    magic = 1.0 - _KRASOVSKY_EE * sin(phi) ** 2
    metres_north = _KRASOVSKY_A * (1.0 - _KRASOVSKY_EE) / (magic * sqrt(magic)) * pi / 180.0
    metres_east = _KRASOVSKY_A / sqrt(magic) * cos(phi) * pi / 180.0
    return lat + north / metres_north, lon + east / metres_east


def _to_bd09(lat: float, lon: float) -> tuple[float, float]:
    """From GCJ-02 coordinates to Baidu's."""
    length = hypot(lon, lat) + 0.00002 * sin(lat * _BAIDU_TURN)
    angle = atan2(lat, lon) + 0.000003 * cos(lon * _BAIDU_TURN)
    return length * sin(angle) + 0.006, length * cos(angle) + 0.0065


def distance_m(a: Location, b: Location) -> float:
    """Metres along the great circle between two WGS 84 places."""
    phi_a, phi_b = radians(a.lat), radians(b.lat)
    half = sin((phi_b - phi_a) / 2) ** 2 + cos(phi_a) * cos(phi_b) * sin(radians(b.lon - a.lon) / 2) ** 2
    return 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(half)))


def rough_m(a: Location, b: Location) -> float:
    """Metres as on a flat map, for sorting: within 1 % of `distance_m` up to 60 km apart and 85 degrees of latitude."""
    east = b.lon - a.lon
    if east > 180.0 or east < -180.0:  # the short way over the date line
        east -= 360.0 if east > 0 else -360.0
    return _DEGREE_M * hypot(b.lat - a.lat, east * cos((a.lat + b.lat) * (pi / 360)))


class Leg(Struct, frozen=True, gc=False):
    """A way to a place: how long the people need, and how far it is. Getting ready (on call) is not in it."""

    seconds: float
    distance_m: float


class Travel(Protocol):
    """The seam behind which travel times are reckoned. Places are WGS 84."""

    def leg(self, place: Location, station: Station) -> Leg | None:
        """The way from the station to the place by its own means; None where it cannot be reached or is nowhere."""
        ...


@dataclass(frozen=True, slots=True)
class GreatCircle:
    """Travel without a map: as the crow flies times a detour, at a speed by the station's means.

    None for a station without a location, and for a way that would take more than a day.
    """

    detour: float = DETOUR
    walk_m_s: float = SPEEDS_M_S[Mode.WALK]
    e_bike_m_s: float = SPEEDS_M_S[Mode.E_BIKE]
    car_m_s: float = SPEEDS_M_S[Mode.CAR]

    def leg(self, place: Location, station: Station) -> Leg | None:
        """The way from the station to the place; `distance_m` is by road, so with the detour."""
        if station.location is None:
            return None
        metres = distance_m(place, station.location) * self.detour
        seconds = metres / self._speed_m_s(station.travel)
        return Leg(seconds, metres) if seconds <= REACH_SECONDS_MAX else None

    def _speed_m_s(self, mode: Mode) -> float:
        match mode:
            case Mode.WALK:
                return self.walk_m_s
            case Mode.E_BIKE:
                return self.e_bike_m_s
            case Mode.CAR:
                return self.car_m_s
