"""Numbers as the span that their digits mean: ``100`` is 99.5 to 100.5, ``1.10`` is 1.095 to 1.105 (search.html#number)."""

from __future__ import annotations

from decimal import Context, Decimal, InvalidOperation
from typing import Any

from penstock.errors import Problem

Bound = Decimal | None

_EXACT = Context(prec=100)
_HALF = Decimal("0.5")


def number_span(value: Decimal | int | float | str) -> tuple[Decimal, Decimal]:
    """(low, high) around a number, half a unit of its last written digit to each side. Problem("value") when it is none."""
    try:
        number = value if type(value) is Decimal else Decimal(str(value))
        exponent = number.as_tuple().exponent
    except InvalidOperation:
        exponent = "n"
    if not isinstance(exponent, int):
        raise Problem("value", "this is not a number")
    half = _HALF.scaleb(exponent, _EXACT)
    return _EXACT.subtract(number, half), _EXACT.add(number, half)


def compared(value: Any, comparator: str | None) -> tuple[Bound, Bound]:
    """What a Quantity's value covers: itself, for only a search value is as wide as its digits; a comparator opens one side."""
    number = value if type(value) is Decimal else Decimal(str(value))
    match comparator:
        case "<" | "<=":
            return None, number
        case ">" | ">=":
            return number, None
    return number, number
