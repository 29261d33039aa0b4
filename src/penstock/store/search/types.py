"""The list of parameter types: how each compiles to SQL, and how it is decided in memory.

To add a type, write ``store/search/<type>.py`` with ``compile`` and ``matches`` and list it here; the suite
``tests/contract/test_search_types.py`` then runs for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from penstock.errors import Problem
from penstock.formats.fhir.searchparams import R4, Indexed, Parameters
from penstock.store.change import Resource
from penstock.store.layout import UNIONS
from penstock.store.search import coded, composite, date, near, number, quantity, reference, special, string, text, token, uri
from penstock.store.search.criterion import Criterion
from penstock.store.search.fragment import Fragment, Target
from penstock.terminology import Terminology


class Context(NamedTuple):
    """What a criterion is decided on in memory."""

    indexed: Indexed
    resource: Resource
    now: datetime
    parameters: Parameters = R4
    terminology: Terminology | None = None


class Kind(NamedTuple):
    """One type of parameter, and the modifiers that it takes (http://hl7.org/fhir/R4/search.html#modifiers)."""

    compile: Callable[[Target, Criterion], Fragment]
    matches: Callable[[Criterion, Context], bool]
    modifiers: tuple[str, ...] = ()


def _composite(target: Target, criterion: Criterion) -> Fragment:
    return composite.compile(target, criterion, {name: kind.compile for name, kind in TYPES.items()})


def _is_composite(criterion: Criterion, on: Context) -> bool:
    target = Target("", on.resource["resourceType"], on.now, parameters=on.parameters)
    kinds = {name: _part(kind, on) for name, kind in TYPES.items()}
    each = UNIONS.get((target.type, criterion.param), (criterion.param,))
    return any(composite.matches(target, replace(criterion, param=param), on.indexed, kinds) for param in each)


def _part(kind: Kind, on: Context) -> Callable[[Criterion, Indexed], bool]:
    return lambda criterion, indexed: kind.matches(criterion, on._replace(indexed=indexed))


#: A search of the store turns :in, :not-in, :above and :below of a token into codes before it compiles (see ``meaning``).
TYPES: dict[str, Kind] = {
    "token": Kind(
        token.compile,
        lambda criterion, on: (
            coded.matches(on.terminology, criterion, on.indexed)
            if criterion.modifier in coded.MODIFIERS
            else token.matches(criterion, on.indexed)
        ),
        ("not", "text", "in", "not-in", "above", "below", "of-type", "missing"),
    ),
    "string": Kind(string.compile, lambda criterion, on: string.matches(criterion, on.indexed), ("exact", "contains", "missing")),
    "reference": Kind(
        reference.compile,
        lambda criterion, on: reference.matches(criterion, on.indexed),
        ("identifier", "above", "below", "missing"),
    ),
    "date": Kind(date.compile, lambda criterion, on: date.matches(criterion, on.indexed, on.now), ("missing",)),
    "number": Kind(number.compile, lambda criterion, on: number.matches(criterion, on.indexed), ("missing",)),
    "quantity": Kind(quantity.compile, lambda criterion, on: quantity.matches(criterion, on.indexed), ("missing",)),
    "uri": Kind(uri.compile, lambda criterion, on: uri.matches(criterion, on.indexed), ("above", "below", "missing")),
    "composite": Kind(_composite, _is_composite, ("missing",)),
    "near": Kind(near.compile, lambda criterion, on: near.matches(criterion, on.indexed), ("missing",)),
    "id": Kind(special.compile_id, lambda criterion, on: special.matches_id(criterion, on.resource), ("not", "missing")),
    "updated": Kind(
        special.compile_updated,
        lambda criterion, on: special.matches_updated(criterion, on.resource, on.now),
        ("missing",),
    ),
    "text": Kind(text.compile_text, lambda criterion, on: text.matches_text(criterion, on.indexed)),
    "content": Kind(text.compile_content, lambda criterion, on: text.matches_content(criterion, on.resource)),
}

#: Parameters that are not searched by the type that their definition says.
KINDS: dict[str, str] = {"_id": "id", "_lastUpdated": "updated", "_text": "text", "_content": "content", "near": "near"}

#: The modifiers that a type takes; a reference also takes the name of a resource type.
MODIFIERS: dict[str, tuple[str, ...]] = {name: kind.modifiers for name, kind in TYPES.items()}


def kind_of(criterion: Criterion) -> Kind:
    """The entry of a criterion; a type that is not listed is ``not-supported``."""
    found = TYPES.get(criterion.kind)
    if found is None:
        raise Problem("not-supported", "this type of search parameter is not supported", at=criterion.param)
    return found
