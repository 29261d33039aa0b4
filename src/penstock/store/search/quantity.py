"""Quantity parameters: ``5.4``, ``5.4|system|code``, ``5.4||code`` (http://hl7.org/fhir/R4/search.html#quantity).

A value in a UCUM unit is compared with every value of the same dimension: both in the common unit of that dimension.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from penstock.errors import Problem
from penstock.formats.fhir.searchparams import Indexed
from penstock.formats.fhir.ucum import SYSTEM, canonical
from penstock.store.hashing import h64
from penstock.store.keys import common_unit, converted, unit_hash
from penstock.store.row import limits
from penstock.store.search import number
from penstock.store.search.criterion import Criterion, plain, split
from penstock.store.search.fragment import Fragment, Target, either
from penstock.store.search.prefixes import NARROW

Quantity = tuple[Decimal | None, Decimal | None, str | None, str | None, str | None]
"""(low, high, system, code, unit), as it is extracted."""


class Wanted(NamedTuple):
    """A search value as written; and in the common unit (with its name), where it has a unit of UCUM."""

    value: number.Wanted
    system: str
    unit: str
    common: str = ""
    in_common: number.Wanted | None = None


def compile(target: Target, criterion: Criterion) -> Fragment:
    """One of the values holds for one of the quantities."""
    return either([within(target, target.prefix(criterion.param), value, criterion.param) for value in criterion.values])


def within(target: Target, start: str, value: str, at: str) -> Fragment:
    """A quantity that lies under the prefix ``start``."""
    want = wanted(value, at)
    narrow = want.value.prefix in NARROW
    if want.in_common is not None:
        places = target.add([h64(start), h64(converted(start))], "int8[]")
        place = f"s.param = any({places}) and s.unit = {target.add(common_unit(want.common), 'int8')}"
        return target.in_side_table(f"{place} and {number.condition(target, want.in_common)}", "rng", narrow=narrow)
    condition = f"s.param = {target.add(h64(start), 'int8')} and {number.condition(target, want.value)}"
    if want.system and want.unit:
        condition += f" and s.unit = {target.add(unit_hash(want.unit), 'int8')}"
    return target.in_side_table(condition, "rng", exact=not (want.system or want.unit), narrow=narrow)


def matches(criterion: Criterion, indexed: Indexed) -> bool:
    """The same, decided in memory."""
    present = [quantity[1:] for quantity in indexed.quantities if quantity[0] == criterion.param]
    wants = [wanted(value, criterion.param) for value in criterion.values]
    return any(_holds(want, each) for want in wants for each in present)


def _holds(want: Wanted, quantity: Quantity) -> bool:
    low, high, system, code, unit = quantity
    if want.in_common is not None:
        common = canonical(code) if code and system == SYSTEM else None
        if common is None or common.key != want.common:
            return False
        ends = [None if end is None else common.value(end) for end in (low, high)]
        return number.holds(want.in_common, *(limit if end is None else end for end, limit in zip(ends, limits(None, None), strict=True)))
    if not number.holds(want.value, *limits(low, high)) or (want.system and want.system != system):
        return False
    return not want.unit or want.unit == code or (not want.system and want.unit == unit)


def wanted(value: str, at: str) -> Wanted:
    """A search value with its unit."""
    parts = [plain(part) for part in split(value, "|")]
    if len(parts) not in (1, 3):
        raise Problem("value", "a quantity is written number, number|system|code or number||code", at=at)
    prefix, low, high, middle = number.exact(parts[0], at)
    written = number.Wanted(prefix, float(low), float(high), float(middle))
    if len(parts) == 1:
        return Wanted(written, "", "")
    common = canonical(parts[2]) if parts[1] == SYSTEM and parts[2] else None
    ends = [None if common is None else common.value(end) for end in (low, high, middle)]
    if common is None or None in ends:
        return Wanted(written, parts[1], parts[2])
    first, last, exact = (end or 0.0 for end in ends)
    return Wanted(written, parts[1], parts[2], common.key, number.Wanted(prefix, first, last, exact))
