"""One unit per dimension, in which quantities are compared: the one that clinicians use most, so that most values stay as they are."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache, lru_cache

from penstock.errors import Problem
from penstock.formats.fhir.ucum.convert import from_base, in_base
from penstock.formats.fhir.ucum.units import Dimension, Unit, parse

SYSTEM = "http://unitsofmeasure.org"

#: One of a dimension; any dimension that is not here is compared in base units.
_CHOSEN = (
    "%", "kg", "cm", "min", "Cel", "mm[Hg]", "mg/dL", "mmol/L", "/min", "mL", "mL/min", "kg/m2", "m2", "kcal", "U/L", "m/s",
)  # fmt: skip


#: Powers of ten of a double, and those of a factor.
_RANGE = 400
_TEMPERATURES = frozenset(("", "Cel", "degF", "degRe"))


@dataclass(frozen=True, slots=True)
class Canonical:
    """How values of one unit are compared: ``key`` names the common unit, ``same`` says that they are in it already."""

    key: str
    same: bool
    unit: Unit
    common: Unit

    def value(self, number: Decimal) -> float | None:
        """The value in the common unit, rounded once; None where the scale has no such value."""
        if (
            self.same or not number.is_finite() or abs(number.adjusted()) > _RANGE
        ):  # beyond it the value is nothing, or without limit, in any unit
            return float(number)
        ratio = in_base(Fraction(number), self.unit)
        found = None if ratio is None else from_base(ratio, self.common)
        try:
            return None if found is None else float(found)
        except OverflowError:
            return None


@cache
def _chosen() -> dict[Dimension, tuple[str, Unit]]:
    found: dict[Dimension, tuple[str, Unit]] = {}
    for code in _CHOSEN:
        unit = parse(code)
        found.setdefault(unit.dimension, (code, unit))
    return found


@lru_cache(maxsize=4096)
def canonical(code: str) -> Canonical | None:
    """How values of a unit are compared; None for what is no UCUM unit."""
    try:
        unit = parse(code)
    except Problem:
        return None
    if unit.scale.rpartition(" ")[2] not in _TEMPERATURES:  # logarithms are compared with their own kind
        return Canonical(code, True, unit, unit)
    key, common = _chosen().get(unit.dimension) or (_spell(unit.dimension), Unit(Fraction(1), unit.dimension))
    return Canonical(key, unit == common, unit, common)


def _spell(dimension: Dimension) -> str:
    return ".".join(f"{base}{exponent}" if exponent != 1 else base for base, exponent in dimension)
