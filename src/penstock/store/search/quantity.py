"""Quantity parameters: ``5.4``, ``5.4|system|code``, ``5.4||code`` (http://hl7.org/fhir/R4/search.html#quantity)."""

from __future__ import annotations

from typing import NamedTuple

from penstock.errors import Problem
from penstock.formats.fhir.searchparams import Indexed
from penstock.store.row import limits, unit_hash
from penstock.store.search import number
from penstock.store.search.criterion import Criterion, plain, split
from penstock.store.search.fragment import Fragment, Target, either
from penstock.store.search.prefixes import NARROW


class _Wanted(NamedTuple):
    value: number.Wanted
    system: str
    unit: str


def compile(target: Target, criterion: Criterion) -> Fragment:
    """One of the values holds, in its unit. Without a system the unit may be the code or the text: that is checked again."""
    return either([_one(target, criterion.param, _wanted(value, criterion.param)) for value in criterion.values])


def _one(target: Target, param: str, want: _Wanted) -> Fragment:
    condition = f"s.param = {target.param(param)} and {number.condition(target, want.value)}"
    if want.system and want.unit:
        condition += f" and s.unit = {target.add(unit_hash(want.unit), 'int8')}"
    return target.in_side_table(condition, "rng", exact=not (want.system or want.unit), narrow=want.value[0] in NARROW)


def matches(criterion: Criterion, indexed: Indexed) -> bool:
    """The same, decided in memory."""
    present = [quantity[1:] for quantity in indexed.quantities if quantity[0] == criterion.param]
    wants = [_wanted(value, criterion.param) for value in criterion.values]
    return any(
        number.holds(want.value, *limits(low, high))
        and (not want.system or want.system == system)
        and (not want.unit or want.unit == code or (not want.system and want.unit == unit))
        for want in wants
        for low, high, system, code, unit in present
    )


def _wanted(value: str, at: str) -> _Wanted:
    parts = [plain(part) for part in split(value, "|")]
    if len(parts) not in (1, 3):
        raise Problem("value", "a quantity is written number, number|system|code or number||code", at=at)
    return _Wanted(number.wanted(parts[0]), *(parts[1:] or ("", "")))
