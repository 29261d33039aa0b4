"""``near``: within a distance of a place, ``latitude|longitude|distance|units`` (http://hl7.org/fhir/R4/location.html#positional)."""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt
from typing import NamedTuple

from penstock.errors import Problem
from penstock.formats.fhir.searchparams import Indexed
from penstock.formats.fhir.ucum import commensurable, convert
from penstock.store.search.criterion import Criterion, plain, split
from penstock.store.search.fragment import Fragment, Target, either
from penstock.store.search.number import exact

#: Mean radius of the earth, and what is near when no distance is said: metres.
RADIUS, NEAR = 6_371_008.8, 50_000.0

#: The distance of a row ``s`` (lo latitude, hi longitude) from {lat}, {lon} on the sphere, as the haversine gives it.
_WITHIN = (
    "2 * {radius} * asin(least(1, sqrt(sin(radians(s.lo - {lat}) / 2) ^ 2"
    " + cos(radians({lat})) * cos(radians(s.lo)) * sin(radians(s.hi - {lon}) / 2) ^ 2))) <= {distance}"
)


class Wanted(NamedTuple):
    """A place, and how far from it in metres."""

    latitude: float
    longitude: float
    distance: float


def compile(target: Target, criterion: Criterion) -> Fragment:
    """The position lies within the distance: first by its latitude in the index, then exactly."""
    return either([_one(target, criterion.param, wanted(value, criterion.param)) for value in criterion.values])


def _one(target: Target, param: str, want: Wanted) -> Fragment:
    degrees = want.distance / RADIUS * 180 / 3.141592653589793
    box = target.fill(
        "s.lo >= {south} and s.lo <= {north}", "float8", south=want.latitude - degrees - 1e-9, north=want.latitude + degrees + 1e-9
    )
    within = target.fill(_WITHIN, "float8", radius=RADIUS, lat=want.latitude, lon=want.longitude, distance=want.distance)
    return target.in_side_table(f"s.param = {target.param(param)} and s.unit = 0 and {box} and {within}", "rng")


def matches(criterion: Criterion, indexed: Indexed) -> bool:
    """The same, decided in memory."""
    wants = [wanted(value, criterion.param) for value in criterion.values]
    places = [(latitude, longitude) for param, latitude, longitude in indexed.positions if param == criterion.param]
    return any(_distance(want, *place) <= want.distance for want in wants for place in places)


def _distance(want: Wanted, latitude: float, longitude: float) -> float:
    north, east = sin(radians(latitude - want.latitude) / 2), sin(radians(longitude - want.longitude) / 2)
    return 2 * RADIUS * asin(min(1.0, sqrt(north**2 + cos(radians(want.latitude)) * cos(radians(latitude)) * east**2)))


def wanted(value: str, at: str) -> Wanted:
    """A value; a distance without units is in kilometres."""
    parts = [plain(part) for part in split(value, "|")]
    if not 2 <= len(parts) <= 4:
        raise Problem("value", "a place is written latitude|longitude|distance|units", at=at)
    latitude, longitude = (float(exact(part, at)[3]) for part in parts[:2])
    if abs(latitude) > 90 or abs(longitude) > 180:
        raise Problem("value", "a latitude is at most 90 degrees and a longitude at most 180", at=at)
    return Wanted(latitude, longitude, _metres(parts[2], (parts[3:] or [""])[0], at) if len(parts) > 2 and parts[2] else NEAR)


def _metres(text: str, unit: str, at: str) -> float:
    number = exact(text, at)[3]
    try:
        metres = convert(number, unit or "km", "m") if commensurable(unit or "km", "m") else None
    except Problem:
        metres = None
    if metres is None or metres < 0:
        raise Problem("value", "a distance is a number and a UCUM unit of length", at=at)
    return float(metres)
