"""A criterion to its fragment: what is the same for every type of parameter (unions, ``:missing``) is here."""

from __future__ import annotations

from dataclasses import replace

from penstock.errors import Problem
from penstock.store.layout import UNIONS
from penstock.store.row import UNDATED
from penstock.store.search.criterion import Criterion
from penstock.store.search.fragment import Fragment, Target, either, opposite
from penstock.store.search.types import kind_of


def compile(target: Target, criterion: Criterion) -> Fragment:
    """The condition of one criterion."""
    kind = kind_of(criterion)
    if criterion.modifier == "missing":
        return _missing(target, criterion)
    union = UNIONS.get((target.type, criterion.param))
    if union is None:
        return kind.compile(target, criterion)
    negative = criterion.modifier == "not"
    parts = [replace(criterion, param=param, modifier="" if negative else criterion.modifier) for param in union]
    found = either([kind.compile(target, part) for part in parts])
    return opposite(found) if negative else found


def is_missing(criterion: Criterion) -> bool:
    """What ``:missing`` asks for."""
    if criterion.values not in (("true",), ("false",)):
        raise Problem("value", ":missing is true or false", at=criterion.param)
    return criterion.values == ("true",)


def _missing(target: Target, criterion: Criterion) -> Fragment:
    """Only the hot date knows in SQL whether it is there; other parameters are decided on the resource."""
    missing = is_missing(criterion)
    if criterion.param == target.layout.date:
        return Fragment(f"r.dlo {'=' if missing else '>'} {UNDATED}")
    return Fragment("true", exact=False)
