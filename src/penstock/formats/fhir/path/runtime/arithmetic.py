"""Arithmetic (http://hl7.org/fhirpath/N1/#math) on values of System. What cannot be represented is empty (None)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from typing import Any

from penstock.errors import Problem
from penstock.formats.fhir.path.runtime.items import One
from penstock.formats.fhir.path.runtime.quantity import INDEFINITE, OF_UCUM, Quantity, measures, multiplied
from penstock.formats.fhir.path.runtime.temporal import Temporal, add

#: 34 digits are more than any decimal of FHIR has.
_CONTEXT = Context(prec=34, Emax=400, Emin=-400, traps=[InvalidOperation, DivisionByZero, Overflow])
_LARGEST = 2**31 - 1
#: Longest text that an expression may make.
MAX_TEXT = 10_000_000


def _number(value: Any) -> bool:
    return type(value) is int or type(value) is Decimal


def fitting(value: Any) -> Any:
    """An Integer that is one."""
    return value if type(value) is not int or -_LARGEST - 1 <= value <= _LARGEST else None


def _mixed() -> Problem:
    return Problem("invalid", "the operator does not take values of these types")


def _decimals(operation: Callable[[Decimal, Decimal], Decimal], left: Any, right: Any) -> Decimal | None:
    try:
        return operation(Decimal(left), Decimal(right))
    except ArithmeticError:
        return None


def plus(left: One, right: One) -> One:
    if left is None or right is None:
        return None
    if type(left) is str and type(right) is str:
        return joined(left, right)
    return _sum(left, right, 1)


def minus(left: One, right: One) -> One:
    return None if left is None or right is None else _sum(left, right, -1)


def _sum(left: Any, right: Any, sign: int) -> One:
    if type(left) is int and type(right) is int:
        return fitting(left + sign * right)
    if _number(left) and _number(right):
        return _decimals(_CONTEXT.add if sign > 0 else _CONTEXT.subtract, left, right)
    if type(left) is Temporal and type(right) is Quantity:
        return _later(left, right, sign)
    if type(left) is Quantity and type(right) is Quantity:
        return _sum_quantities(left, right, sign)
    raise _mixed()


def _sum_quantities(left: Quantity, right: Quantity, sign: int) -> Quantity | None:
    """In the coarser of both units."""
    found = measures(left, right)
    if found is None:
        return None
    value = _decimals(_CONTEXT.add if sign > 0 else _CONTEXT.subtract, *found)
    unit = left if found[0] == left.value else right
    return None if value is None else Quantity(value, unit.unit, unit.calendar)


def _later(value: Temporal, span: Quantity, sign: int) -> Temporal | None:
    """Dates take calendar durations, and the definite ones of UCUM."""
    unit = span.calendar or OF_UCUM.get(span.unit)
    if unit is None or (span.calendar is None and unit in INDEFINITE):
        raise Problem("invalid", "only a duration can be added to a date or time: years, months, days, …")
    return add(value, sign * span.value, unit)


def times(left: One, right: One) -> One:
    if left is None or right is None:
        return None
    if type(left) is int and type(right) is int:
        return fitting(left * right)
    return _product(left, right, _CONTEXT.multiply, ".")


def over(left: One, right: One) -> One:
    """``/`` always gives a decimal; by zero it gives nothing."""
    return None if left is None or right is None else _product(left, right, _CONTEXT.divide, "/")


def _product(left: Any, right: Any, operation: Callable[[Decimal, Decimal], Decimal], sign: str) -> One:
    if _number(left) and _number(right):
        return _decimals(operation, left, right)
    mine = Quantity(Decimal(left)) if _number(left) else left
    other = Quantity(Decimal(right)) if _number(right) else right
    if type(mine) is not Quantity or type(other) is not Quantity:
        raise _mixed()
    value = _decimals(operation, mine.value, other.value)
    return None if value is None else multiplied(mine, other, value, sign)


def div(left: One, right: One) -> One:
    """The whole part of a quotient, towards zero."""
    if left is None or right is None:
        return None
    if not _number(left) or not _number(right):
        raise _mixed()
    value = _decimals(_CONTEXT.divide, left, right)
    return None if value is None else fitting(int(value.to_integral_value(ROUND_DOWN)))


def mod(left: One, right: One) -> One:
    """What ``div`` leaves; it has the sign of the left side."""
    if left is None or right is None:
        return None
    if not _number(left) or not _number(right):
        raise _mixed()
    value = _decimals(_CONTEXT.remainder, left, right)
    return int(value) if value is not None and type(left) is int and type(right) is int else value


def joined(left: One, right: One) -> str:
    """``&``: nothing is the empty text here."""
    first, second = "" if left is None else left, "" if right is None else right
    if type(first) is not str or type(second) is not str:
        raise _mixed()
    if len(first) + len(second) > MAX_TEXT:
        raise Problem("too-costly", "the expression makes a text that is too long")
    return first + second


def negative(value: One) -> One:
    if value is None:
        return None
    if type(value) is Quantity:
        return Quantity(-value.value, value.unit, value.calendar)
    if not _number(value):
        raise _mixed()
    return -value


def positive(value: One) -> One:
    negative(value)
    return value


def _quantified(function: Callable[[Any], Any], value: Any) -> Any:
    if type(value) is Quantity:
        return Quantity(function(value.value), value.unit, value.calendar)
    return function(value)


def magnitude(value: Any) -> Any:
    return _quantified(abs, value)


def ceiling(value: Any) -> Any:
    return _whole(value, ROUND_CEILING)


def floor(value: Any) -> Any:
    return _whole(value, ROUND_FLOOR)


def truncate(value: Any) -> Any:
    return _whole(value, ROUND_DOWN)


def _whole(value: Any, rounding: str) -> Any:
    return fitting(int(Decimal(value).to_integral_value(rounding)))


def rounded(value: Any, digits: int = 0) -> Any:
    if digits < 0:
        raise Problem("invalid", "round() takes a number of digits that is not negative")
    if digits == 0:
        return fitting(int(Decimal(value).to_integral_value(ROUND_HALF_UP)))
    number = Decimal(value)
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and -exponent <= digits:
        return number
    try:
        return number.quantize(Decimal(1).scaleb(-digits, _CONTEXT), ROUND_HALF_UP, _CONTEXT)
    except ArithmeticError:
        return None


def exp(value: Any) -> Decimal | None:
    return _computed(lambda: _CONTEXT.exp(Decimal(value)))


def ln(value: Any) -> Decimal | None:
    return _computed(lambda: _CONTEXT.ln(Decimal(value)))


def log(value: Any, base: Any) -> Decimal | None:
    """Exact where the quotient of the logarithms only misses by its last digits."""
    found = _computed(lambda: _CONTEXT.divide(_CONTEXT.ln(Decimal(value)), _CONTEXT.ln(Decimal(base))))
    return None if found is None else Context(prec=28).plus(found)


def sqrt(value: Any) -> Decimal | None:
    return _computed(lambda: _CONTEXT.sqrt(Decimal(value)))


def power(value: Any, exponent: Any) -> Any:
    if type(value) is int and type(exponent) is int and exponent >= 0:
        found = _computed(lambda: _CONTEXT.power(Decimal(value), Decimal(exponent)))
        return None if found is None or abs(found) > _LARGEST else int(found)
    return _computed(lambda: _CONTEXT.power(Decimal(value), Decimal(exponent)))


def _computed(operation: Callable[[], Decimal]) -> Decimal | None:
    try:
        found = operation()
    except ArithmeticError:
        return None
    return found if found.is_finite() else None
