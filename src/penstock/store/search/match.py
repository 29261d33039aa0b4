"""A condition decided on one resource in memory, with the same meaning as in SQL: for subscriptions and for checking candidates again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import fields
from datetime import UTC, datetime

from penstock.errors import Problem
from penstock.formats.fhir.searchparams import R4, Indexed, Parameters, date_span
from penstock.store.change import Key, Resource
from penstock.store.hashing import self_hash
from penstock.store.row import fold, local_references, micros
from penstock.store.search import date
from penstock.store.search.condition import And, Chain, Compared, Condition, Has, Inside, Joined, Not, Open, Or, Selves
from penstock.store.search.criterion import Criterion
from penstock.store.search.presence import is_missing, is_there
from penstock.store.search.query import Query
from penstock.store.search.types import Context, kind_of
from penstock.terminology import Terminology

#: What each open link came to: for a Chain the resources that may be pointed at, for a Has those that are pointed at; by ``id``.
Decided = Mapping[int, Collection[Key]]


def matches(
    query: Query,
    indexed: Indexed,
    resource: Resource,
    now: datetime | None = None,
    *,
    parameters: Parameters = R4,
    terminology: Terminology | None = None,
) -> bool:
    """Whether every criterion of ``query`` holds for ``resource``, of which ``indexed`` was extracted.

    ``now`` is what ``ap`` dates are approximate to; by default the time of the resource's version. Without a ``terminology`` nobody knows
    what ``:in`` means. A query that asks for other resources
    is ``not-supported`` here.
    """
    if resource.get("resourceType") != query.type:
        return False
    on = Context(indexed, resource, now or _time_of(resource), parameters, terminology)
    return all(holds(condition, on, {}) for condition in (*query.criteria, *query.conditions))


def holds(condition: Condition, on: Context, decided: Decided) -> bool:
    """Whether a condition holds."""
    match condition:
        case Criterion():
            return _criterion(condition, on)
        case And(parts):
            return all(holds(part, on, decided) for part in parts)
        case Or(parts):
            return any(holds(part, on, decided) for part in parts)
        case Not(part):
            return not holds(part, on, decided)
        case Compared():
            return _compared(condition, on)
        case Open(Chain(param)) | Joined(Chain(param)):
            found = decided[id(condition)]
            return any((type, id_) in found for code, type, id_ in local_references(on.indexed) if code == param)
        case Open(Has()) | Joined(Has()):
            return (on.resource["resourceType"], on.resource["id"]) in decided[id(condition)]
        case Selves(tenant, hashes):
            return self_hash(tenant, on.resource["resourceType"], on.resource["id"]) in hashes
        case Inside():
            return True  # it stands beside all others, and SQL has decided it
    raise Problem("not-supported", "this takes other resources to decide: only a search of the store does that")


def _criterion(criterion: Criterion, on: Context) -> bool:
    kind = kind_of(criterion)
    if criterion.modifier == "missing":
        return is_there(on.resource["resourceType"], criterion.param, on.indexed) != is_missing(criterion)
    return kind.matches(criterion, on)


#: Comparisons of folded text: (has, wanted).
_TEXTS: dict[str, Callable[[str, str], bool]] = {
    "eq": lambda has, wanted: has == wanted,
    "co": lambda has, wanted: wanted in has,
    "sw": lambda has, wanted: has.startswith(wanted),
    "ew": lambda has, wanted: has.endswith(wanted),
}


def _compared(condition: Compared, on: Context) -> bool:
    if condition.operator == "ne":
        assert condition.near is not None
        equal = kind_of(condition.near).matches
        return any(not equal(condition.near, on._replace(indexed=each)) for each in _singles(on.indexed, condition.param))
    if condition.operator == "po":
        return _overlaps(condition, on)
    test, wanted = _TEXTS[condition.operator], fold(condition.value)
    return any(test(fold(text), wanted) for text in _texts(on, condition.param))


def _overlaps(condition: Compared, on: Context) -> bool:
    _, (low, high) = date.wanted("eq" + condition.value, on.now)
    if condition.kind == "updated":
        spans = [date_span(on.resource["meta"]["lastUpdated"])]
    else:
        spans = [(first, last) for param, first, last in on.indexed.dates if param == condition.param]
    return any(micros(first) < high and micros(last) > low for first, last in spans)


def _texts(on: Context, param: str) -> Iterator[str]:
    """Everything that a parameter holds, as text."""
    indexed = on.indexed
    if param == "_id":
        yield on.resource["id"]
    yield from (text for code, text in (*indexed.strings, *indexed.uris, *indexed.ref_urls) if code == param)
    yield from (value for code, _, value in (*indexed.tokens, *indexed.identifiers) if code == param)
    yield from (f"{type}/{id_}" for code, type, id_ in indexed.refs if code == param)


def _singles(indexed: Indexed, param: str) -> Iterator[Indexed]:
    """Each value of a parameter alone."""
    for field in fields(indexed):
        values = getattr(indexed, field.name)
        for value in values if isinstance(values, list) else ():
            if value[0] == param:
                single = Indexed()
                setattr(single, field.name, [value])
                yield single


def _time_of(resource: Resource) -> datetime:
    written = (resource.get("meta") or {}).get("lastUpdated")
    return date_span(written)[0] if written else datetime(1970, 1, 1, tzinfo=UTC)
