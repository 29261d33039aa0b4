"""Which of two values of one type is less, where that can be said (http://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.minValue_x_)."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from penstock.errors import Problem
from penstock.formats.fhir import ucum
from penstock.formats.fhir.dates import span

_TIME = re.compile(r"\d\d:\d\d:\d\d")


def below(one: Any, other: Any) -> bool | None:
    """Whether ``one`` is less than ``other``; None when they cannot be compared."""
    if isinstance(one, dict) and isinstance(other, dict):
        return _quantity(one, other)
    if isinstance(one, str) and isinstance(other, str):
        return _temporal(one, other)
    if _is_number(one) and _is_number(other):
        return bool(Decimal(one) < Decimal(other))
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _quantity(one: dict[str, Any], other: dict[str, Any]) -> bool | None:
    """By value where system and code are the same, else in one unit of UCUM."""
    if one.get("system") == other.get("system") and one.get("code", one.get("unit")) == other.get("code", other.get("unit")):
        return below(one.get("value"), other.get("value"))
    if one.get("system") != ucum.SYSTEM or other.get("system") != ucum.SYSTEM or not _is_number(one.get("value")):
        return None
    try:
        converted = ucum.convert(Decimal(one["value"]), str(one.get("code")), str(other.get("code")))
    except Problem:
        return None
    return below(converted, other.get("value"))


def _temporal(one: str, other: str) -> bool | None:
    """Dates by the spans that they mean, as far as both are known; times of day as texts."""
    if _TIME.match(one) and _TIME.match(other):
        return one < other
    try:
        return span(one)[1] <= span(other)[0]
    except Problem:
        return None
