"""Quantities as rows hold them: by the number that is written, and by the same in the common unit of its dimension (search.html#quantity).

What a type is filtered by most (see ``layout``) lies in columns of the row itself where it is one number; everything else is a range in
the table of ranges.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from math import inf, nan
from typing import NamedTuple

from penstock.formats.fhir.ucum import SYSTEM as UCUM
from penstock.formats.fhir.ucum import canonical
from penstock.store.hashing import h64
from penstock.store.keys import common_unit, converted, unit_hash


class Range(NamedTuple):
    """A row of the table of ranges. ``param`` and ``unit`` are hashes; the unit is 0 where there is none."""

    param: int
    unit: int
    low: float
    high: float


class Number(NamedTuple):
    """``num`` is as it is written; NaN where it is no single number, but ranges. ``common`` is the same in the common unit, where that is
    another unit; ``unit`` is the one that it is compared in.
    """

    num: float | None = None
    common: float | None = None
    unit: int | None = None


def limits(low: Decimal | None, high: Decimal | None) -> tuple[float, float]:
    """A span of numbers as doubles."""
    return -inf if low is None else float(low), inf if high is None else float(high)


def quantity_rows(
    start: str, low: Decimal | None, high: Decimal | None, system: str | None, code: str | None, unit: str | None
) -> Iterator[Range]:
    """A quantity as written; and in the common unit of its dimension, unless it is written so."""
    common = canonical(code) if code and system == UCUM else None
    if common is None:
        yield Range(h64(start), unit_hash(code or unit), *limits(low, high))
        return
    if common.same:
        yield Range(h64(start), common_unit(common.key), *limits(low, high))
        return
    yield Range(h64(start), unit_hash(code), *limits(low, high))
    first, last = (None if end is None else common.value(end) for end in (low, high))
    if (first is None) == (low is None) and (last is None) == (high is None):
        ends = -inf if first is None else first, inf if last is None else last
        yield Range(h64(converted(start)), common_unit(common.key), *ends)


def number_of(quantities: Sequence[Sequence[Range]]) -> tuple[Number, list[Range]]:
    """The columns of a parameter by the rows of each of its quantities, and the rows that say what the columns cannot."""
    if len(quantities) == 1 and all(row.low == row.high for row in quantities[0]):
        written, *others = quantities[0]
        common = others[0].low if others else None
        return Number(written.low, common, [*others, written][0].unit), []
    return Number(nan) if quantities else Number(), [row for rows in quantities for row in rows]
