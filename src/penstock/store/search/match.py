"""A query decided on one resource in memory, with the same meaning as in SQL: for subscriptions and for checking candidates again."""

from __future__ import annotations

from datetime import UTC, datetime

from penstock.formats.fhir.searchparams import Indexed, date_span
from penstock.store.change import Resource
from penstock.store.search.compile import is_missing
from penstock.store.search.criterion import Criterion
from penstock.store.search.parse import Query
from penstock.store.search.types import Context, kind_of


def matches(query: Query, indexed: Indexed, resource: Resource, now: datetime | None = None) -> bool:
    """Whether every criterion of ``query`` holds for ``resource``, of which ``indexed`` was extracted.

    ``now`` is what ``ap`` dates are approximate to; by default the time of the resource's version.
    """
    if resource.get("resourceType") != query.type:
        return False
    on = Context(indexed, resource, now or _time_of(resource))
    return all(_holds(criterion, on) for criterion in query.criteria)


def _holds(criterion: Criterion, on: Context) -> bool:
    kind = kind_of(criterion)
    if criterion.modifier == "missing":
        return _is_there(criterion.param, on.indexed) != is_missing(criterion)
    return kind.matches(criterion, on)


def _is_there(param: str, indexed: Indexed) -> bool:
    kinds = (
        indexed.tokens, indexed.identifiers, indexed.refs, indexed.ref_urls, indexed.ref_identifiers, indexed.strings,
        indexed.dates, indexed.numbers, indexed.quantities, indexed.uris,
    )  # fmt: skip
    return any(value[0] == param for values in kinds for value in values)


def _time_of(resource: Resource) -> datetime:
    written = (resource.get("meta") or {}).get("lastUpdated")
    return date_span(written)[0] if written else datetime(1970, 1, 1, tzinfo=UTC)
