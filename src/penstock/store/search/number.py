"""Number parameters: equal means equal to the digits that are written (http://hl7.org/fhir/R4/search.html#number)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from penstock.errors import Problem
from penstock.formats.fhir.searchparams import Indexed, number_span
from penstock.store.hashing import h64
from penstock.store.quantities import limits
from penstock.store.search.criterion import Criterion
from penstock.store.search.fragment import Fragment, Target, either
from penstock.store.search.prefixes import NARROW, cut

#: Prefix to condition. {lo} and {hi} are the resource's span (equal for a plain number), the digits of the search value cover {low} to
#: {high}, and {value} is the value itself: prefixes other than eq, ne and ap take it as exact (search.html#prefix).
CONDITIONS: dict[str, str] = {
    "eq": "({lo} >= {low} and {lo} < {high} and {hi} < {high})",
    "ne": "({lo} < {low} or {hi} >= {high})",
    "gt": "{hi} > {value}",
    "lt": "{lo} < {value}",
    "ge": "{hi} >= {value}",
    "le": "{lo} <= {value}",
    "sa": "{lo} > {value}",
    "eb": "{hi} < {value}",
    "ap": "({hi} >= {low} and {lo} <= {high})",
}


class Wanted(NamedTuple):
    """A search value."""

    prefix: str
    low: float
    high: float
    value: float


#: The same in memory: (lo, hi, wanted).
_TESTS: dict[str, Callable[[float, float, Wanted], bool]] = {
    "eq": lambda lo, hi, want: lo >= want.low and hi < want.high,
    "ne": lambda lo, hi, want: lo < want.low or hi >= want.high,
    "gt": lambda lo, hi, want: hi > want.value,
    "lt": lambda lo, hi, want: lo < want.value,
    "ge": lambda lo, hi, want: hi >= want.value,
    "le": lambda lo, hi, want: lo <= want.value,
    "sa": lambda lo, hi, want: lo > want.value,
    "eb": lambda lo, hi, want: hi < want.value,
    "ap": lambda lo, hi, want: hi >= want.low and lo <= want.high,
}


def compile(target: Target, criterion: Criterion) -> Fragment:
    """One of the values holds for one of the numbers."""
    return either([within(target, target.prefix(criterion.param), value, criterion.param) for value in criterion.values])


def within(target: Target, start: str, value: str, at: str) -> Fragment:
    """A number that lies under the prefix ``start``."""
    want = wanted(value, at)
    place = f"s.param = {target.add(h64(start), 'int8')} and s.unit = 0"
    return target.in_side_table(f"{place} and {condition(target, want).of_range}", "rng", narrow=want.prefix in NARROW)


class Filled(NamedTuple):
    """A condition with its arguments."""

    template: str

    @property
    def of_range(self) -> str:
        """Asked of a row ``s`` of rng."""
        return self.template.format(lo="s.lo", hi="s.hi")

    def of_number(self, column: str) -> str:
        """Asked of a column with a number. NaN, which is greater than all, is none."""
        return f"({self.template.format(lo=column, hi=column)} and {column} < 'NaN')"


def condition(target: Target, want: Wanted) -> Filled:
    """The condition of a search value."""
    return Filled(target.fill(CONDITIONS[want.prefix], "float8", low=want.low, high=want.high, value=want.value))


def matches(criterion: Criterion, indexed: Indexed) -> bool:
    """The same, decided in memory."""
    present = [limits(low, high) for param, low, high in indexed.numbers if param == criterion.param]
    wants = [wanted(value, criterion.param) for value in criterion.values]
    return any(holds(want, *has) for want in wants for has in present)


def holds(want: Wanted, lo: float, hi: float) -> bool:
    """Whether a resource's span satisfies a search value."""
    return _TESTS[want.prefix](lo, hi, want)


def wanted(value: str, at: str) -> Wanted:
    """A search value with its prefix."""
    prefix, low, high, number = exact(value, at)
    return Wanted(prefix, float(low), float(high), float(number))


def exact(value: str, at: str) -> tuple[str, Decimal, Decimal, Decimal]:
    """(prefix, low, high, value) of a search value; ``ap`` is ten percent to each side."""
    prefix, text = cut(value)
    try:
        low, high = number_span(text)
        number = Decimal(text)
        if abs(number.adjusted()) > 300:
            raise InvalidOperation
    except (InvalidOperation, Problem):
        raise Problem("value", "this is not a number", at=at) from None
    if prefix == "ap":
        low, high = number - abs(number) / 10, number + abs(number) / 10
    return prefix, low, high, number
