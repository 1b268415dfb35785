"""Places: the shifted datums and back, distances, and travel times."""

from __future__ import annotations

from math import asin, atan2, cos, degrees, inf, nan, radians, sin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.core.district import Location, Station, StationKind, Travel
from dispatcher.core.geo import (
    EARTH_RADIUS_M,
    GreatCircle,
    Leg,
    distance_m,
    faults,
    from_wgs84,
    rough_m,
    to_wgs84,
)

# Well inside the box, so that a shift of 700 m does not leave it.
in_china = st.builds(Location, st.floats(1.0, 55.5), st.floats(72.5, 137.5))
anywhere = st.builds(Location, st.floats(-85, 85), st.floats(-180, 180))
bearings = st.floats(0, 360)


def beside(a: Location, metres: float, bearing: float) -> Location:
    """The place so far away in that direction, on the sphere."""
    angle, way, phi = radians(bearing), metres / EARTH_RADIUS_M, radians(a.lat)
    lat = asin(sin(phi) * cos(way) + cos(phi) * sin(way) * cos(angle))
    lon = radians(a.lon) + atan2(sin(angle) * sin(way) * cos(phi), cos(way) - sin(phi) * sin(lat))
    return Location(degrees(lat), (degrees(lon) + 540) % 360 - 180)


@settings(max_examples=500)
@given(in_china, st.sampled_from(["gcj02", "bd09"]))
def test_there_and_back_in_china(place, datum):
    back = to_wgs84(from_wgs84(place, datum))
    assert back.datum == "wgs84"
    assert distance_m(place, back) < 0.01


def test_known_points():
    # Tiananmen, by the publicly known series.
    tiananmen = Location(39.908692, 116.397477)
    gcj = from_wgs84(tiananmen, "gcj02")
    assert (gcj.lat, gcj.lon) == pytest.approx((39.910095, 116.403720), abs=2e-5)
    bd = from_wgs84(tiananmen, "bd09")
    assert (bd.lat, bd.lon) == pytest.approx((39.916433, 116.410092), abs=2e-5)
    assert 300 < distance_m(tiananmen, Location(gcj.lat, gcj.lon)) < 700


@given(st.builds(Location, st.floats(-85, 0), st.floats(-180, 180), st.just("gcj02")))
def test_outside_china_gcj02_is_wgs84(place):
    assert to_wgs84(place) == Location(place.lat, place.lon)


def test_wgs84_stays_itself():
    place = Location(34.03, 113.82)
    assert to_wgs84(place) is place


@pytest.mark.parametrize(
    ("place", "paths"),
    [
        (Location(91, 0), ["lat"]),
        (Location(0, -180.5), ["lon"]),
        (Location(nan, inf), ["lat", "lon"]),
        (Location(113.82, 34.03, "gcj-02"), ["lat", "datum"]),
    ],
)
def test_impossible_places(place, paths):
    assert [path for path, _ in faults(place)] == paths
    with pytest.raises(ValueError, match=paths[0]):
        to_wgs84(place)
    with pytest.raises(ValueError, match=paths[0]):
        from_wgs84(place, place.datum)


def test_distances():
    assert distance_m(Location(0, 0), Location(0, 1)) == pytest.approx(111_195, abs=1)
    assert distance_m(Location(90, 0), Location(-90, 77)) == pytest.approx(
        EARTH_RADIUS_M * 3.14159265, rel=1e-6
    )
    assert distance_m(Location(34.03, 113.82), Location(34.03, 113.82)) == 0
    # Xuchang to Zhengzhou, about 80 km.
    assert distance_m(Location(34.0357, 113.8523), Location(34.7466, 113.6254)) == pytest.approx(
        81_700, rel=0.01
    )


@settings(max_examples=1000)
@given(anywhere, st.floats(0.01, 60_000), bearings)
def test_rough_is_within_one_percent_up_to_60_km(a, metres, bearing):
    b = beside(a, metres, bearing)
    if abs(b.lat) > 85:
        return
    assert rough_m(a, b) == pytest.approx(distance_m(a, b), rel=0.01, abs=1e-3)
    assert rough_m(b, a) == pytest.approx(rough_m(a, b), rel=1e-6, abs=1e-6)


def station(travel: Travel, place: Location | None) -> Station:
    return Station(id="st", kind=StationKind.CARE_STATION, travel=travel, location=place)


def test_legs():
    place = Location(34.03, 113.82)
    there = beside(place, 1000, 90)
    for travel, speed in ((Travel.WALK, 1.2), (Travel.E_BIKE, 4.5), (Travel.CAR, 7.0)):
        leg = GreatCircle().leg(place, station(travel, there))
        assert leg is not None
        assert leg.distance_m == pytest.approx(1300, rel=1e-6)
        assert leg.seconds == pytest.approx(1300 / speed, rel=1e-6)
    assert GreatCircle().leg(place, station(Travel.WALK, place)) == Leg(0, 0)


def test_unreachable():
    place = Location(34.03, 113.82)
    assert GreatCircle().leg(place, station(Travel.WALK, None)) is None
    assert GreatCircle().leg(place, station(Travel.WALK, beside(place, 100_000, 0))) is None
    assert GreatCircle().leg(place, station(Travel.CAR, beside(place, 100_000, 0))) is not None
