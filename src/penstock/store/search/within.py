"""Searches that are narrowed by where they are asked: a compartment (http://hl7.org/fhir/R4/compartmentdefinition.html), or no type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from penstock.errors import Problem
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.searchparams import Parameters
from penstock.store.search.condition import Or
from penstock.store.search.criterion import Criterion
from penstock.store.search.parse import Pairs, parse_all
from penstock.store.search.query import Query

#: A type that has the parameters of every resource, and none besides.
_PLAIN = "Parameters"


def types_asked(pairs: Pairs) -> tuple[tuple[str, ...] | None, Pairs]:
    """The types of ``_type`` (search.html#type), or None where it is not there; and the other parameters."""
    asked = [type for name, value in pairs if name == "_type" for type in value.split(",")]
    if not asked:
        return None, pairs
    if not r4().resource_types.issuperset(asked):
        raise Problem("not-supported", "this is not a resource type of FHIR R4", at="_type")
    return tuple(dict.fromkeys(asked)), [pair for pair in pairs if pair[0] != "_type"]


def queries(types: Sequence[str], pairs: Pairs, *, named: bool, lenient: bool, parameters: Parameters) -> list[Query]:
    """A search of several types. Unless they are ``named``, every parameter must be one that all resources have."""
    if named:
        return parse_all(types, pairs, lenient=lenient, parameters=parameters)
    return parse_all((_PLAIN, *types), pairs, lenient=lenient, parameters=parameters)[1:]


def narrowed(query: Query, compartment: tuple[str, str]) -> Query:
    """The query within the compartment of one resource, (type, id); a type that is not part of it is ``not-found``."""
    name, id_ = compartment
    params = _compartment(name).get(query.type, ())
    if not params:
        raise Problem("not-found", "this compartment has no resources of that type")
    value = f"{name}/{id_}"
    parts = [
        Criterion("_id", "id", "", (id_,)) if param == "{def}" else Criterion(param, "reference", "", (value,), (name,)) for param in params
    ]
    return replace(query, conditions=(*query.conditions, Or(tuple(parts))), within=compartment)


def compartment_types(name: str) -> list[str]:
    """The types that have resources in the compartments of a type; a type without compartments is ``not-found``."""
    return sorted(_compartment(name))


@cache
def _compartment(name: str) -> dict[str, tuple[str, ...]]:
    if name not in r4().compartments:
        raise Problem("not-found", "resources of this type have no compartment")
    return r4().compartment(name)
