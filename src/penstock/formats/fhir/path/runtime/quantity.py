"""Quantities: a number with a unit of UCUM or of the calendar (http://hl7.org/fhirpath/N1/#quantity).

A week, a day and what is finer are the same in both. A calendar year or month is no definite time: it is never *equal* to ``'a'`` or
``'mo'``, only *equivalent*.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from penstock.errors import Problem
from penstock.formats.fhir.ucum import SYSTEM as UCUM
from penstock.formats.fhir.ucum import Unit, convert, parse

_WORDS = ("year", "month", "week", "day", "hour", "minute", "second", "millisecond")
#: Calendar words, singular and plural, to the singular.
CALENDAR = {word: word for word in _WORDS} | {f"{word}s": word for word in _WORDS}
#: Codes of UCUM for times to the calendar word that they stand for when they are added to a date (http://hl7.org/fhir/R4/fhirpath.html#quantity).
OF_UCUM = {"a": "year", "mo": "month", "wk": "week", "d": "day", "h": "hour", "min": "minute", "s": "second", "ms": "millisecond"}
_TO_UCUM = {word: code for code, word in OF_UCUM.items()}
INDEFINITE = ("year", "month")


@dataclass(frozen=True, slots=True)
class Quantity:
    """``unit`` is as written; ``calendar`` the word in singular when it is a calendar's."""

    value: Decimal
    unit: str = "1"
    calendar: str | None = None

    def __str__(self) -> str:
        return f"{self.value} {self.unit}" if self.calendar else f"{self.value} '{self.unit}'"


def quantity(value: Decimal, unit: str) -> Quantity:
    return Quantity(value, unit, CALENDAR.get(unit))


def of_fhir(data: Any) -> Quantity | None:
    """A FHIR Quantity as System.Quantity; None when it has no value or only says more or less than, and for what is none."""
    number = data.get("value") if isinstance(data, Mapping) and not data.get("comparator") else None
    if type(number) not in (int, float, Decimal):
        return None
    value = number if isinstance(number, Decimal) else Decimal(str(number))
    system, code = data.get("system"), data.get("code")
    if system == UCUM and isinstance(code, str):
        return Quantity(value, code)
    unit = data.get("unit") if code is None else code
    return Quantity(value, unit if isinstance(unit, str) else "1")


def to_fhir(value: Quantity) -> dict[str, Any]:
    """As FHIR writes it; a calendar unit becomes the code of UCUM that stands for it."""
    code = _TO_UCUM[value.calendar] if value.calendar else value.unit
    return {"value": value.value, "unit": value.unit, "system": UCUM, "code": code}


def measures(left: Quantity, right: Quantity, *, loose: bool = False) -> tuple[Decimal, Decimal] | None:
    """Both numbers in the coarser of both units; None when they are not comparable.

    ``loose`` takes the calendar's years and months for UCUM's.
    """
    if left.calendar == right.calendar and (left.unit == right.unit or left.calendar):
        return left.value, right.value
    if not loose and (left.calendar in INDEFINITE) != (right.calendar in INDEFINITE):
        return None
    mine, other = _unit(left), _unit(right)
    if mine is None or other is None or mine.dimension != other.dimension:
        return None
    if mine.factor >= other.factor:
        found = convert(right.value, _code(right), _code(left))
        return None if found is None else (left.value, found)
    found = convert(left.value, _code(left), _code(right))
    return None if found is None else (found, right.value)


def comparable(left: Quantity, right: Quantity) -> bool:
    return measures(left, right) is not None


def _unit(value: Quantity) -> Unit | None:
    try:
        return parse(_code(value))
    except Problem:
        return None


def _code(value: Quantity) -> str:
    return _TO_UCUM[value.calendar] if value.calendar else value.unit


def multiplied(left: Quantity, right: Quantity, number: Decimal, operator: str) -> Quantity:
    """``number`` is the product or quotient of both values, ``operator`` the sign between the units."""
    first, second = _code(left), _code(right)
    if second in ("1", ""):
        return Quantity(number, left.unit, left.calendar)
    if operator == "/" and first == second:
        return Quantity(number)
    if first in ("1", ""):
        return Quantity(number, right.unit, right.calendar) if operator == "." else Quantity(number, f"1/({second})")
    return Quantity(number, f"({first}){operator}({second})")
