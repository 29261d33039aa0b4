"""The list of parameter types: how each compiles to SQL, and how it is decided in memory.

To add a type, write ``store/search/<type>.py`` with ``compile`` and ``matches`` and list it here; the suite
``tests/contract/test_search_types.py`` then runs for it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from penstock.errors import Problem
from penstock.formats.fhir.searchparams import Indexed
from penstock.store.change import Resource
from penstock.store.search import date, number, quantity, reference, special, string, token, uri
from penstock.store.search.criterion import Criterion
from penstock.store.search.fragment import Fragment, Target


class Context(NamedTuple):
    """What a criterion is decided on in memory."""

    indexed: Indexed
    resource: Resource
    now: datetime


class Kind(NamedTuple):
    """One type of parameter."""

    compile: Callable[[Target, Criterion], Fragment]
    matches: Callable[[Criterion, Context], bool]


TYPES: dict[str, Kind] = {
    "token": Kind(token.compile, lambda criterion, on: token.matches(criterion, on.indexed)),
    "string": Kind(string.compile, lambda criterion, on: string.matches(criterion, on.indexed)),
    "reference": Kind(reference.compile, lambda criterion, on: reference.matches(criterion, on.indexed)),
    "date": Kind(date.compile, lambda criterion, on: date.matches(criterion, on.indexed, on.now)),
    "number": Kind(number.compile, lambda criterion, on: number.matches(criterion, on.indexed)),
    "quantity": Kind(quantity.compile, lambda criterion, on: quantity.matches(criterion, on.indexed)),
    "uri": Kind(uri.compile, lambda criterion, on: uri.matches(criterion, on.indexed)),
    "id": Kind(special.compile_id, lambda criterion, on: special.matches_id(criterion, on.resource)),
    "updated": Kind(special.compile_updated, lambda criterion, on: special.matches_updated(criterion, on.resource, on.now)),
}


#: Parameters that are not searched by the type that their definition says.
KINDS: dict[str, str] = {"_id": "id", "_lastUpdated": "updated"}

#: The modifiers that a type takes (http://hl7.org/fhir/R4/search.html#modifiers); a reference also takes the name of a resource type.
MODIFIERS: dict[str, tuple[str, ...]] = {
    "token": ("not", "missing"),
    "string": ("exact", "contains", "missing"),
    "reference": ("identifier", "missing"),
    "date": ("missing",),
    "number": ("missing",),
    "quantity": ("missing",),
    "uri": ("missing",),
    "id": ("not",),
}


def kind_of(criterion: Criterion) -> Kind:
    """The entry of a criterion; a type that is not listed is ``not-supported``."""
    found = TYPES.get(criterion.kind)
    if found is None:
        raise Problem("not-supported", "this type of search parameter is not supported", at=criterion.param)
    return found
