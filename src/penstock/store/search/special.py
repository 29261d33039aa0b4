"""Parameters with columns of their own: ``_id`` and ``_lastUpdated`` (http://hl7.org/fhir/R4/search.html#all)."""

from __future__ import annotations

from datetime import datetime

from penstock.formats.fhir.searchparams import date_span
from penstock.store.change import Resource
from penstock.store.hashing import self_hash
from penstock.store.rid import LAST_MILLISECOND, SHIFT, first_rid
from penstock.store.search import date
from penstock.store.search.criterion import Criterion, plain
from penstock.store.search.fragment import Fragment, Target, either, opposite

#: Prefix to condition: {low} and {high} are the first rids of the span and of the time after it. A version's time is a moment.
_CONDITIONS: dict[str, str] = {
    "eq": "(r.rid >= {low} and r.rid < {high})",
    "ne": "(r.rid < {low} or r.rid >= {high})",
    "gt": "r.rid >= {high}",
    "lt": "r.rid < {low}",
    "ge": "r.rid >= {low}",
    "le": "r.rid < {high}",
    "sa": "r.rid >= {high}",
    "eb": "r.rid < {low}",
    "ap": "(r.rid >= {low} and r.rid < {high})",
}


def compile_id(target: Target, criterion: Criterion) -> Fragment:
    """One of the ids is the resource's."""
    hashes = [self_hash(target.tenant, target.type, plain(value)) for value in criterion.values]
    found = Fragment(f"r.self = any({target.add(hashes, 'int8[]')})", drive="few")
    return opposite(found) if criterion.modifier == "not" else found


def compile_updated(target: Target, criterion: Criterion) -> Fragment:
    """The version was made at one of the times."""
    fragments = []
    for value in criterion.values:
        prefix, (low, high) = date.wanted(value, target.now)
        fragments.append(Fragment(target.fill(_CONDITIONS[prefix], "int8", low=_rid(low), high=_rid(high))))
    return either(fragments)


def matches_id(criterion: Criterion, resource: Resource) -> bool:
    """Whether the resource has one of the ids."""
    return (resource.get("id") in set(map(plain, criterion.values))) != (criterion.modifier == "not")


def matches_updated(criterion: Criterion, resource: Resource, now: datetime) -> bool:
    """Whether ``meta.lastUpdated`` is at one of the times."""
    written = (resource.get("meta") or {}).get("lastUpdated")
    if written is None:
        return False
    moment = first_rid(date_span(written)[0])
    wants = [date.wanted(value, now) for value in criterion.values]
    return any(_holds(prefix, moment, _rid(low), _rid(high)) for prefix, (low, high) in wants)


def _holds(prefix: str, rid: int, low: int, high: int) -> bool:
    match prefix:
        case "eq" | "ap":
            return low <= rid < high
        case "ne":
            return not low <= rid < high
        case "gt" | "sa":
            return rid >= high
        case "lt" | "eb":
            return rid < low
        case "ge":
            return rid >= low
    return rid < high


def _rid(moment: int) -> int:
    """The first rid at or after a time in microseconds, rounded up to the millisecond that a version's time has."""
    return min(max(-(-moment // 1000), 0), LAST_MILLISECOND) << SHIFT
