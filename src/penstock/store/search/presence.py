"""Whether a parameter has a value at all: ``:missing`` (http://hl7.org/fhir/R4/search.html#missing)."""

from __future__ import annotations

from penstock.errors import Problem
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.searchparams import Indexed
from penstock.formats.fhir.searchparams.components import components, is_of_whole
from penstock.store.keys import present
from penstock.store.layout import COLUMNS, UNIONS
from penstock.store.row import UNDATED
from penstock.store.search.criterion import Criterion
from penstock.store.search.fragment import Fragment, Target, both, either, opposite


def missing(target: Target, criterion: Criterion) -> Fragment:
    """The parameter has no value, or with ``false`` it has one."""
    there = has_value(target, criterion.param)
    return opposite(there) if is_missing(criterion) else there


def is_missing(criterion: Criterion) -> bool:
    """What ``:missing`` asks for."""
    if criterion.values not in (("true",), ("false",)):
        raise Problem("value", ":missing is true or false", at=criterion.param)
    return criterion.values == ("true",)


def has_value(target: Target, param: str) -> Fragment:
    """Every row says with a bit which of R4's own parameters have a value, and with a token which others have."""
    if param in COLUMNS:
        return Fragment("true")
    bit = target.layout.bits.get(param)
    if bit is None:
        return target.any_token([present(target.prefix(param))])
    if param == target.layout.date:
        return Fragment(f"r.dlo > {UNDATED}")
    if bit:
        return Fragment(f"(r.has & {target.add(bit, 'int8')}) <> 0")
    union, whole = UNIONS.get((target.type, param)), _parts(target.type, param)
    if union:
        return either([has_value(target, part) for part in union])
    return both([has_value(target, part) for part in whole]) if whole else Fragment("true")


def is_there(type: str, param: str, indexed: Indexed) -> bool:
    """The same, decided in memory."""
    return _among(type, param, indexed.params())


def _among(type: str, param: str, there: set[str]) -> bool:
    if param in there or param in COLUMNS:
        return True
    if union := UNIONS.get((type, param)):
        return any(_among(type, part, there) for part in union)
    whole = _parts(type, param)
    return bool(whole) and all(part in there for part in whole)


def _parts(type: str, param: str) -> tuple[str, ...]:
    """The parameters that a composite of the whole resource consists of."""
    definition = r4().search_params(type).get(param)
    if definition is None or definition.type != "composite" or not is_of_whole(definition, type):
        return ()
    return tuple(part.code for part in components(definition, type, type))
