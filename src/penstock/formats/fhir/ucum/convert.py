"""Values from one unit to another. Ratio units and temperatures convert exactly; logarithmic scales as doubles."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Context, Decimal
from fractions import Fraction

from penstock.formats.fhir.ucum.units import Unit, parse, prefix_value

Function = Callable[[Fraction], Fraction]

#: Digits of a quotient that has no end.
_DIGITS = Context(prec=28)

_ZERO_CELSIUS, _ZERO_FAHRENHEIT = Fraction("273.15"), Fraction("459.67")


def _real(function: Callable[[float], float]) -> Function:
    return lambda value: Fraction(function(float(value)))


def _potency(base: float) -> tuple[Function, Function]:
    return _real(lambda value: base**-value), _real(lambda value: -math.log(value, base))


#: Function of a special unit to (its value as a ratio, the ratio as its value): both without the unit's factor.
#: Temperatures: the factor is Kelvin per degree, so that zero is shifted in degrees.
SCALES: dict[str, tuple[Function, Function]] = {
    "Cel": (lambda value: value + _ZERO_CELSIUS, lambda value: value - _ZERO_CELSIUS),
    "degF": (lambda value: value + _ZERO_FAHRENHEIT, lambda value: value - _ZERO_FAHRENHEIT),
    "degRe": (lambda value: value + _ZERO_CELSIUS * 4 / 5, lambda value: value - _ZERO_CELSIUS * 4 / 5),
    "pH": (_real(lambda value: 10.0**-value), _real(lambda value: -math.log10(value))),
    "ln": (_real(math.exp), _real(math.log)),
    "lg": (_real(lambda value: 10.0**value), _real(math.log10)),
    "lgTimes2": (_real(lambda value: 10.0 ** (value / 2)), _real(lambda value: 2 * math.log10(value))),
    "ld": (_real(lambda value: 2.0**value), _real(math.log2)),
    "sqrt": (lambda value: value * value, _real(math.sqrt)),
    "tanTimes100": (_real(lambda value: math.atan(value / 100)), _real(lambda value: 100 * math.tan(value))),
    "100tan": (_real(lambda value: math.degrees(math.atan(value / 100))), _real(lambda value: 100 * math.tan(math.radians(value)))),
    "hpX": _potency(10.0),
    "hpC": _potency(100.0),
    "hpM": _potency(1000.0),
    "hpQ": _potency(50000.0),
}


def commensurable(one: str, other: str) -> bool:
    """Whether values of two units can be compared. Problem("value") when one is no unit."""
    return parse(one).dimension == parse(other).dimension


def convert(value: Decimal | int, source: str, target: str) -> Decimal | None:
    """``value`` of unit ``source`` in unit ``target``: None when they measure different things, or the scale has no such value.

    Problem("value") when one of them is no unit.
    """
    first, second = parse(source), parse(target)
    if first.dimension != second.dimension:
        return None
    ratio = in_base(Fraction(value), first)
    result = None if ratio is None else from_base(ratio, second)
    return None if result is None else _DIGITS.divide(Decimal(result.numerator), Decimal(result.denominator))


def in_base(value: Fraction, unit: Unit) -> Fraction | None:
    """A value of a unit in base units; None outside of what the scale can say."""
    if not unit.scale:
        return value * unit.factor
    prefix, _, name = unit.scale.rpartition(" ")
    try:
        return SCALES[name][0](value * prefix_value(prefix) if prefix else value) * unit.factor
    except (ValueError, OverflowError, ZeroDivisionError):
        return None


def from_base(ratio: Fraction, unit: Unit) -> Fraction | None:
    """The opposite."""
    value = ratio / unit.factor
    if not unit.scale:
        return value
    prefix, _, name = unit.scale.rpartition(" ")
    try:
        found = SCALES[name][1](value)
    except (ValueError, OverflowError, ZeroDivisionError):
        return None
    return found / prefix_value(prefix) if prefix else found
