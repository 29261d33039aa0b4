"""Date parameters: spans of time compared with spans of time (http://hl7.org/fhir/R4/search.html#date)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from penstock.errors import Problem
from penstock.formats.fhir.searchparams import Indexed, date_span
from penstock.store.hashing import h64
from penstock.store.row import UNDATED, micros
from penstock.store.search.criterion import Criterion
from penstock.store.search.fragment import Fragment, Target, either
from penstock.store.search.prefixes import NARROW, cut

Span = tuple[int, int]

#: Prefix to condition: {lo} and {hi} are the resource's span, {low} and {high} that of the search value; high ends are excluded.
#: A condition that follows from the others, as a span ends after it begins, is there for the index.
CONDITIONS: dict[str, str] = {
    "eq": "{lo} >= {low} and {lo} < {high} and {hi} <= {high}",
    "ne": "({lo} < {low} or {hi} > {high})",
    "gt": "{hi} > {high}",
    "lt": "{lo} < {low}",
    "ge": "{hi} > {low} and ({hi} > {high} or ({lo} >= {low} and {hi} <= {high}))",
    "le": "{lo} < {high} and ({lo} < {low} or ({lo} >= {low} and {hi} <= {high}))",
    "sa": "{lo} >= {high} and {hi} > {high}",
    "eb": "{hi} <= {low}",
    "ap": "{lo} < {high} and {hi} > {low}",
}

#: The same in memory: has (low, high), wanted (low, high).
_TESTS: dict[str, Callable[[Span, Span], bool]] = {
    "eq": lambda has, want: want[0] <= has[0] < want[1] and has[1] <= want[1],
    "ne": lambda has, want: has[0] < want[0] or has[1] > want[1],
    "gt": lambda has, want: has[1] > want[1],
    "lt": lambda has, want: has[0] < want[0],
    "ge": lambda has, want: has[1] > want[0] and (has[1] > want[1] or (has[0] >= want[0] and has[1] <= want[1])),
    "le": lambda has, want: has[0] < want[1] and (has[0] < want[0] or (has[0] >= want[0] and has[1] <= want[1])),
    "sa": lambda has, want: has[0] >= want[1] and has[1] > want[1],
    "eb": lambda has, want: has[1] <= want[0],
    "ap": lambda has, want: has[0] < want[1] and has[1] > want[0],
}


def compile(target: Target, criterion: Criterion) -> Fragment:
    """One of the values holds for one of the dates."""
    if criterion.param == target.layout.date:
        return either([_hot(target, *wanted(value, target.now, criterion.param)) for value in criterion.values])
    return either([within(target, target.prefix(criterion.param), value, criterion.param) for value in criterion.values])


def _hot(target: Target, prefix: str, span: Span) -> Fragment:
    condition = target.fill(CONDITIONS[prefix], "int8", low=span[0], high=span[1])
    return Fragment(f"(r.dlo > {UNDATED} and {condition.format(lo='r.dlo', hi='r.dhi')})")


def within(target: Target, start: str, value: str, at: str) -> Fragment:
    """A date that lies under the prefix ``start``."""
    prefix, span = wanted(value, target.now, at)
    place = f"s.param = {target.add(h64(start), 'int8')} and s.unit = 0"
    condition = target.fill(CONDITIONS[prefix], "float8", low=float(span[0]), high=float(span[1]))
    return target.in_side_table(f"{place} and {condition.format(lo='s.lo', hi='s.hi')}", "rng", narrow=prefix in NARROW)


def matches(criterion: Criterion, indexed: Indexed, now: datetime) -> bool:
    """The same, decided in memory."""
    present = [(micros(low), micros(high)) for param, low, high in indexed.dates if param == criterion.param]
    tests = [wanted(value, now, criterion.param) for value in criterion.values]
    return any(_TESTS[prefix](has, span) for prefix, span in tests for has in present)


def wanted(value: str, now: datetime, at: str = "") -> tuple[str, Span]:
    """(prefix, span) of a search value; ``ap`` widens by a tenth of the distance from now (search.html#prefix)."""
    prefix, text = cut(value)
    try:
        low, high = date_span(text)
    except Problem:
        raise Problem("value", "this is not a date as FHIR writes it", at=at) from None
    first, last = micros(low), micros(high)
    if prefix == "ap":
        wider = abs(micros(now) - first) // 10
        first, last = first - wider, last + wider
    return prefix, (first, last)
