"""Units of measure as UCUM writes them (http://unitsofmeasure.org/ucum.html): what a unit expression means, and conversion.

``parse(code)`` gives a :class:`Unit` or a Problem; ``convert(value, from, to)`` a value in another unit of the same dimension;
``canonical(code)`` the one unit per dimension that quantities are compared in. Codes are case sensitive. Pure; the table of units is
``units.csv``, written by ``tools/ucum_units.py``.
"""

from penstock.formats.fhir.ucum.canonical import SYSTEM, Canonical, canonical
from penstock.formats.fhir.ucum.convert import commensurable, convert
from penstock.formats.fhir.ucum.units import Unit, is_unit, parse

__all__ = ["SYSTEM", "Canonical", "Unit", "canonical", "commensurable", "convert", "is_unit", "parse"]
