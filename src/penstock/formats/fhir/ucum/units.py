"""Unit expressions: ``mg/dL``, ``10*3/uL``, ``mL/min/{1.73_m2}``, ``m[H2O]`` (http://unitsofmeasure.org/ucum.html, section 2).

    expression = ["/"] component {("." | "/") component}        read from left to right
    component  = (unit [exponent] | number | "(" expression ")") ["{" annotation "}"] | "{" annotation "}"

An expression becomes a factor and a product of base units; the work is bounded by the length of what is read.
"""

from __future__ import annotations

import csv
import re
from fractions import Fraction
from functools import cache, lru_cache
from importlib.resources import files
from typing import NamedTuple

from penstock.errors import Problem

#: Longest code that is read, and the most bits that its factor may come to: beyond it nobody measures anything.
LONGEST, MOST_BITS = 200, 4096

Dimension = tuple[tuple[str, int], ...]

_TOKEN = re.compile(
    r"(?P<number>\d+(?![*^\d]))"
    r"|(?P<unit>(?:10[*^]|\[[^\[\]{}\s]+\]|[^\d\s+\-./(){}\[\]])+)(?P<exponent>[+-]?\d{1,3})?"
    r"|(?P<sign>[./()])"
    r"|\{(?P<annotation>[^{}]*)\}",
    re.ASCII,
)


class Unit(NamedTuple):
    """What an expression means: ``factor`` times the product of the base units in ``dimension``.

    ``scale`` names the function of a special unit (Cel, [pH], B): its values are no ratios, see ``convert``.
    """

    factor: Fraction
    dimension: Dimension
    scale: str = ""


class _Row(NamedTuple):
    kind: str
    metric: bool
    value: str
    unit: str
    function: str


ONE = Unit(Fraction(1), ())


def is_unit(code: str) -> bool:
    """Whether ``code`` is a unit expression."""
    try:
        parse(code)
    except Problem:
        return False
    return True


@lru_cache(maxsize=4096)
def parse(code: str) -> Unit:
    """What a unit expression means. Problem("value") when it is none."""
    if not code or len(code) > LONGEST or not code.isascii():
        raise _not_a_unit()
    tokens = _tokens(code)
    unit, end = _expression(tokens, 0)
    if end != len(tokens):
        raise _not_a_unit()
    return unit


def _tokens(code: str) -> list[re.Match[str]]:
    found: list[re.Match[str]] = []
    at = 0
    while at < len(code):
        match = _TOKEN.match(code, at)
        if match is None:
            raise _not_a_unit()
        found.append(match)
        at = match.end()
    return found


def _sign(tokens: list[re.Match[str]], at: int) -> str:
    return (tokens[at]["sign"] or "") if at < len(tokens) else ""


def _expression(tokens: list[re.Match[str]], at: int) -> tuple[Unit, int]:
    """The product from ``at`` to the end or a closing parenthesis."""
    if _sign(tokens, at) == "/":
        result, operator = ONE, "/"
        at += 1
    else:
        result, operator = ONE, "."
    while True:
        factor, at = _component(tokens, at)
        result = _product(result, factor, 1 if operator == "." else -1)
        operator = _sign(tokens, at)
        if operator not in (".", "/"):
            return result, at
        at += 1


def _component(tokens: list[re.Match[str]], at: int) -> tuple[Unit, int]:
    if at >= len(tokens):
        raise _not_a_unit()
    token = tokens[at]
    if token["annotation"] is not None:
        return ONE, at + 1
    unit, at = _primary(tokens, at)
    if at < len(tokens) and tokens[at]["annotation"] is not None:
        at += 1
    return unit, at


def _primary(tokens: list[re.Match[str]], at: int) -> tuple[Unit, int]:
    token = tokens[at]
    if token["number"]:
        return _checked(Unit(Fraction(int(token["number"])), ())), at + 1
    if token["unit"]:
        unit = _symbol(token["unit"])
        return (_power(unit, int(token["exponent"])) if token["exponent"] else unit), at + 1
    if token["sign"] != "(":
        raise _not_a_unit()
    unit, at = _expression(tokens, at + 1)
    if _sign(tokens, at) != ")":
        raise _not_a_unit()
    return unit, at + 1


@cache
def _table() -> tuple[dict[str, Fraction], dict[str, _Row]]:
    """Prefixes, and units by code."""
    prefixes: dict[str, Fraction] = {}
    units: dict[str, _Row] = {}
    with files(__package__).joinpath("units.csv").open(encoding="ascii") as lines:
        for row in csv.DictReader(lines):
            if row["kind"] == "prefix":
                prefixes[row["code"]] = Fraction(row["value"])
            else:
                units[row["code"]] = _Row(row["kind"], row["metric"] == "1", row["value"], row["unit"], row["function"])
    return prefixes, units


@lru_cache(maxsize=4096)
def _symbol(code: str) -> Unit:
    """A unit of the table, or one that takes prefixes, with a prefix."""
    prefixes, units = _table()
    if code in units:
        return _defined(code)
    for length in (1, 2):
        prefix, bare = code[:length], code[length:]
        if prefix in prefixes and bare in units and units[bare].metric:
            unit = _defined(bare)
            if unit.scale:
                return Unit(unit.factor, unit.dimension, f"{prefix} {unit.scale}")
            return unit._replace(factor=prefixes[prefix] * unit.factor)
    raise _not_a_unit()


@cache
def _defined(code: str) -> Unit:
    row = _table()[1][code]
    if row.kind == "base" or (row.kind == "arbitrary" and row.unit == "1"):
        return Unit(Fraction(1), ((code, 1),))
    base = parse(row.unit)
    return Unit(Fraction(row.value) * base.factor, base.dimension, row.function)


def prefix_value(prefix: str) -> Fraction:
    """What a prefix multiplies by."""
    return _table()[0][prefix]


def _product(left: Unit, right: Unit, sign: int) -> Unit:
    if right.scale or left.scale:
        # a special unit stands alone (section 2.4.1, §21)
        if left == ONE and sign == 1:
            return right
        if right == ONE:
            return left
        raise _not_a_unit()
    exponents = dict(left.dimension)
    for base, exponent in right.dimension:
        exponents[base] = exponents.get(base, 0) + sign * exponent
    if sign < 0 and not right.factor:
        raise _not_a_unit()
    factor = left.factor * right.factor if sign > 0 else left.factor / right.factor
    return _checked(Unit(factor, tuple(sorted((base, exponent) for base, exponent in exponents.items() if exponent))))


def _power(unit: Unit, exponent: int) -> Unit:
    if unit.scale and exponent != 1:
        raise _not_a_unit()
    if abs(exponent) * max(unit.factor.numerator.bit_length(), unit.factor.denominator.bit_length()) > 2 * MOST_BITS:
        raise _not_a_unit()
    dimension = tuple((base, power * exponent) for base, power in unit.dimension if exponent)
    return _checked(Unit(unit.factor**exponent, dimension, unit.scale))


def _checked(unit: Unit) -> Unit:
    if max(unit.factor.numerator.bit_length(), unit.factor.denominator.bit_length()) > MOST_BITS:
        raise _not_a_unit()
    return unit


def _not_a_unit() -> Problem:
    return Problem("value", "this is not a unit as UCUM writes it")
