"""From one type of System to another (http://hl7.org/fhirpath/N1/#conversion), and the edges of what a value may mean.

Every function takes one value of System that is there, and gives None where it has no such value.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from penstock.errors import Problem
from penstock.formats.fhir.path.runtime.arithmetic import fitting
from penstock.formats.fhir.path.runtime.quantity import CALENDAR, Quantity, of_fhir
from penstock.formats.fhir.path.runtime.quantity import comparable as quantities_compare
from penstock.formats.fhir.path.runtime.temporal import Temporal, boundary, read
from penstock.formats.fhir.ucum import convert

_WORDS = {**dict.fromkeys(("true", "t", "yes", "y", "1", "1.0"), True), **dict.fromkeys(("false", "f", "no", "n", "0", "0.0"), False)}
_INTEGER = re.compile(r"[+-]?\d{1,10}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?\d{1,40}(?:\.\d{1,40})?", re.ASCII)
_QUANTITY = re.compile(r"(?P<value>[+-]?\d{1,40}(?:\.\d{1,40})?)\s*(?:'(?P<unit>[^']+)'|(?P<word>[a-z]+))?", re.ASCII)
#: Decimal places that the boundaries of a number may be asked for.
_MOST_PLACES = 31


def to_boolean(value: Any) -> bool | None:
    if type(value) is bool:
        return value
    if type(value) in (int, Decimal):
        return {0: False, 1: True}.get(value)
    return _WORDS.get(value.lower()) if type(value) is str else None


def to_integer(value: Any) -> int | None:
    if type(value) is str:
        return fitting(int(value)) if _INTEGER.fullmatch(value) else None
    return int(value) if type(value) in (int, bool) else None


def to_decimal(value: Any) -> Decimal | None:
    if type(value) is str:
        return Decimal(value) if _DECIMAL.fullmatch(value) else None
    return Decimal(int(value)) if type(value) is bool else Decimal(value) if type(value) in (int, Decimal) else None


def to_string(value: Any) -> str | None:
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is Decimal:
        return f"{value:f}"
    if type(value) is dict:
        value = of_fhir(value)
    return None if value is None else str(value)


def to_date(value: Any) -> Temporal | None:
    if type(value) is Temporal and value.kind != "Time":
        return Temporal("Date", value.parts[:3])
    return read("Date", value) if type(value) is str else None


def to_datetime(value: Any) -> Temporal | None:
    if type(value) is Temporal and value.kind != "Time":
        return Temporal("DateTime", value.parts, value.fraction, value.offset)
    return read("DateTime", value) if type(value) is str else None


def to_time(value: Any) -> Temporal | None:
    if type(value) is Temporal:
        return value if value.kind == "Time" else None
    return read("Time", value.removeprefix("T")) if type(value) is str else None


def to_quantity(value: Any, unit: str | None = None) -> Quantity | None:
    """With a unit, only where the value can be converted to it."""
    found = _to_quantity(value)
    if found is None or unit is None:
        return found
    if unit == found.unit:
        return found
    try:
        number = convert(found.value, found.unit, unit)
    except Problem:
        return None
    return None if number is None else Quantity(number, unit, CALENDAR.get(unit))


def _to_quantity(value: Any) -> Quantity | None:
    if type(value) is bool:
        return Quantity(Decimal(int(value)))
    if type(value) in (int, Decimal):
        return Quantity(Decimal(value))
    if type(value) is str:
        return _quantity(value)
    return value if type(value) is Quantity else of_fhir(value)


def _quantity(text: str) -> Quantity | None:
    match = _QUANTITY.fullmatch(text)
    if match is None or (match["word"] and match["word"] not in CALENDAR):
        return None
    unit = match["unit"] or match["word"] or "1"
    return Quantity(Decimal(match["value"]), unit, CALENDAR.get(unit))


def precision(value: Any) -> int | None:
    """Decimal places of a number, digits of a date or time."""
    if type(value) is Temporal:
        return value.precision
    if type(value) in (int, Decimal):
        return _places(Decimal(value))
    raise _no_precision()


def _no_precision() -> Problem:
    return Problem("invalid", "only numbers, quantities, dates and times have a precision")


def _places(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def low_boundary(value: Any, digits: int | None = None) -> Any:
    return _edge(value, digits, high=False)


def high_boundary(value: Any, digits: int | None = None) -> Any:
    return _edge(value, digits, high=True)


def _edge(value: Any, digits: int | None, *, high: bool) -> Any:
    if type(value) is Temporal:
        return boundary(value, digits, high=high)
    if type(value) is Quantity:
        number = _edge(value.value, digits, high=high)
        return None if number is None else Quantity(number, value.unit, value.calendar)
    if type(value) in (int, Decimal):
        return _edge_of_number(Decimal(value), 8 if digits is None else digits, high=high)
    raise _no_precision()


def _edge_of_number(value: Decimal, digits: int, *, high: bool) -> Decimal | None:
    """Half a step of the last place written, outwards to the places asked for."""
    if not 0 <= digits <= _MOST_PLACES or abs(value.adjusted()) > _MOST_PLACES:
        return None
    half = Decimal(5).scaleb(-_places(value) - 1)
    edge = value + half if high else value - half
    try:
        return edge.quantize(Decimal(1).scaleb(-digits), ROUND_CEILING if high else ROUND_FLOOR)
    except ArithmeticError:
        return None


def comparable(left: Any, right: Any) -> bool:
    if type(left) is not Quantity or type(right) is not Quantity:
        raise Problem("invalid", "comparable() is about quantities")
    return quantities_compare(left, right)
