"""Uri parameters: the whole URI, exactly (http://hl7.org/fhir/R4/search.html#uri)."""

from __future__ import annotations

from penstock.formats.fhir.searchparams import Indexed
from penstock.store.hashing import h64
from penstock.store.search.criterion import Criterion, plain
from penstock.store.search.fragment import Fragment, Target


def compile(target: Target, criterion: Criterion) -> Fragment:
    """One of the URIs is there."""
    start = target.prefix(criterion.param)
    return target.any_token([h64(start + plain(value)) for value in criterion.values])


def matches(criterion: Criterion, indexed: Indexed) -> bool:
    """The same, decided in memory."""
    wanted = set(map(plain, criterion.values))
    return any(param == criterion.param and uri in wanted for param, uri in indexed.uris)
