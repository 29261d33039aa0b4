"""Number parameters: equal means equal to the digits that are written (http://hl7.org/fhir/R4/search.html#number)."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from penstock.errors import Problem
from penstock.formats.fhir.searchparams import Indexed, number_span
from penstock.store.row import limits
from penstock.store.search.criterion import Criterion
from penstock.store.search.fragment import Fragment, Target, either
from penstock.store.search.prefixes import NARROW, cut

#: Prefix to condition. The value of a resource is the middle of its span {lo} to {hi}; the search value is {value}, its digits cover
#: {low} to {high}. Prefixes other than eq, ne and ap take the value as exact (search.html#prefix). What comes first is for the index.
CONDITIONS: dict[str, str] = {
    "eq": "({hi} > {low} and {lo} < {high} and ({lo} + {hi}) / 2 >= {low} and ({lo} + {hi}) / 2 < {high})",
    "ne": "(({lo} + {hi}) / 2 < {low} or ({lo} + {hi}) / 2 >= {high})",
    "gt": "({hi} > {value} and ({lo} + {hi}) / 2 > {value})",
    "lt": "({lo} < {value} and ({lo} + {hi}) / 2 < {value})",
    "ge": "({hi} >= {value} and ({lo} + {hi}) / 2 >= {value})",
    "le": "({lo} <= {value} and ({lo} + {hi}) / 2 <= {value})",
    "sa": "({hi} > {value} and ({lo} + {hi}) / 2 > {value})",
    "eb": "({lo} < {value} and ({lo} + {hi}) / 2 < {value})",
    "ap": "({hi} > {low} and {lo} < {high})",
}

Wanted = tuple[str, float, float, float]


def compile(target: Target, criterion: Criterion) -> Fragment:
    """One of the values holds for one of the numbers."""
    return either([_one(target, criterion.param, wanted(value)) for value in criterion.values])


def _one(target: Target, param: str, want: Wanted) -> Fragment:
    return target.in_side_table(f"s.param = {target.param(param)} and {condition(target, want)}", "rng", narrow=want[0] in NARROW)


def condition(target: Target, want: Wanted) -> str:
    """The condition on a row ``s`` of rng."""
    prefix, low, high, value = want
    return target.fill(CONDITIONS[prefix], "float8", low=low, high=high, value=value).format(lo="s.lo", hi="s.hi")


def matches(criterion: Criterion, indexed: Indexed) -> bool:
    """The same, decided in memory."""
    present = [limits(low, high) for param, low, high in indexed.numbers if param == criterion.param]
    return any(holds(wanted(value), *has) for value in criterion.values for has in present)


def holds(want: Wanted, lo: float, hi: float) -> bool:
    """Whether a resource's span satisfies a search value."""
    prefix, low, high, value = want
    middle = (lo + hi) / 2
    return {
        "eq": low <= middle < high,
        "ne": not low <= middle < high,
        "gt": middle > value,
        "lt": middle < value,
        "ge": middle >= value,
        "le": middle <= value,
        "sa": middle > value,
        "eb": middle < value,
        "ap": hi > low and lo < high,
    }[prefix]


def wanted(value: str) -> Wanted:
    """(prefix, low, high, value) of a search value; ``ap`` is ten percent to each side."""
    prefix, text = cut(value)
    low, high = number_span(text)
    try:
        number = Decimal(text)
        if abs(number) > Decimal(10) ** 300:
            raise InvalidOperation
    except InvalidOperation:
        raise Problem("value", "this is not a number") from None
    if prefix == "ap":
        low, high = number - abs(number) / 10, number + abs(number) / 10
    return prefix, float(low), float(high), float(number)
