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
from penstock.store.quantities import limits
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


class Placed(NamedTuple):
    """A search value as conditions on a row ``s`` of rng, and on the columns of a row ``r`` that has its number there.

    ``by_index`` are conditions like the second, one for each index of such numbers, that together find all of them.
    """

    of_range: str
    of_number: str
    by_index: tuple[str, ...]
    exact: bool
    narrow: bool


def compile(target: Target, criterion: Criterion) -> Fragment:
    """One of the values holds for one of the quantities."""
    start, at = target.prefix(criterion.param), criterion.param
    if criterion.param == target.layout.number:
        return either([_hot(target, _placed(target, start, wanted(value, at))) for value in criterion.values])
    return either([within(target, start, value, at) for value in criterion.values])


def within(target: Target, start: str, value: str, at: str) -> Fragment:
    """A quantity that lies under the prefix ``start``."""
    placed = _placed(target, start, wanted(value, at))
    return target.in_side_table(placed.of_range, "rng", exact=placed.exact, narrow=placed.narrow)


def _placed(target: Target, start: str, want: Wanted) -> Placed:
    narrow = want.value.prefix in NARROW
    if want.in_common is not None:
        condition, unit = number.condition(target, want.in_common), target.add(common_unit(want.common), "int8")
        places = target.add([h64(start), h64(converted(start))], "int8[]")
        of_number = f"{condition.of_number('coalesce(r.common, r.num)')} and r.unit = {unit}"
        return Placed(f"s.param = any({places}) and s.unit = {unit} and {condition.of_range}", of_number, (of_number,), True, narrow)
    condition = number.condition(target, want.value)
    of_range, of_number = f"s.param = {target.add(h64(start), 'int8')} and {condition.of_range}", condition.of_number("r.num")
    if want.system and want.unit and not want.common:
        unit = target.add(unit_hash(want.unit), "int8")
        of_range, of_number = f"{of_range} and s.unit = {unit}", f"{of_number} and r.unit = {unit}"
    by_index = f"{condition.of_number('coalesce(r.common, r.num)')} and {of_number}", f"{of_number} and r.common is not null"
    return Placed(of_range, of_number, by_index, not (want.system or want.unit), narrow)


def _hot(target: Target, placed: Placed) -> Fragment:
    """A quantity of the parameter that has columns of its own: in them, or among the ranges where they say so."""
    anywhere = f"({placed.of_number} or (r.num = 'NaN' and exists (select 1 from rng s where s.rid = r.rid and {placed.of_range})))"
    if not placed.narrow:
        return Fragment(anywhere, placed.exact, plain=placed.of_number)
    found = [f"select r.rid from {target.layout.current} r where {condition}" for condition in placed.by_index]
    rows = " union all ".join((f"select s.rid from rng s where {placed.of_range}", *found))
    return Fragment(f"r.rid = any(array({rows}))", placed.exact, "few", probe=anywhere, plain=placed.of_number)


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
        return Wanted(written, parts[1], parts[2], common.key if common else "")
    first, last, exact = (end or 0.0 for end in ends)
    return Wanted(written, parts[1], parts[2], common.key, number.Wanted(prefix, first, last, exact))
