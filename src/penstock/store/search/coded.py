"""Codes that are meant without being named: those of a value set, and those above or below another (search.html#modifiers)."""

from __future__ import annotations

from penstock.errors import Problem
from penstock.formats.fhir.searchparams import Indexed
from penstock.store.search.criterion import Criterion, plain
from penstock.store.search.token import pair, present
from penstock.terminology import Terminology

MODIFIERS = frozenset(("in", "not-in", "above", "below"))

Codes = set[tuple[str, str]]
"""(system, code)"""


def meant(terminology: Terminology, criterion: Criterion) -> Codes:
    """The codes that a criterion asks for (``not-in``: that it excludes); value sets are named by their URLs."""
    found: Codes = set()
    for value in criterion.values:
        found |= _listed(terminology, criterion, value) if criterion.modifier in ("in", "not-in") else _line(terminology, criterion, value)
    return found


def _listed(terminology: Terminology, criterion: Criterion, value: str) -> frozenset[tuple[str, str]]:
    codes = terminology.codes(plain(value))
    if codes is None:
        raise unlisted(criterion)
    return codes


def unlisted(criterion: Criterion) -> Problem:
    """What is said of a value set that nobody knows, or that has no end."""
    return Problem("not-supported", "this value set is not known here, or its codes cannot be listed", at=criterion.param)


def _line(terminology: Terminology, criterion: Criterion, value: str) -> Codes:
    """The codes above or below one that is named, and itself."""
    system, code = pair(value, criterion.param)
    if not system or not code:
        raise Problem("value", "with :above and :below a code is written system|code", at=criterion.param)
    codes = terminology.subsumed(system, code) if criterion.modifier == "below" else terminology.subsuming(system, code)
    if codes is None:
        raise Problem("not-supported", "this code, or the order of its code system, is not known here", at=criterion.param)
    return {(system, each) for each in codes}


def matches(terminology: Terminology | None, criterion: Criterion, indexed: Indexed) -> bool:
    """Whether one of the codes is there (``not-in``: none); decided in memory."""
    if terminology is None:
        raise Problem("not-supported", "what codes mean is not known where this is asked", at=criterion.param)
    return present(criterion.param, meant(terminology, criterion), indexed) != (criterion.modifier == "not-in")
