"""Collections (http://hl7.org/fhirpath/N1/#filtering-and-projection, #subsetting, #combining). Nothing here changes what it is given."""

from __future__ import annotations

from collections.abc import Callable
from functools import cmp_to_key
from typing import Any

from penstock.errors import Problem
from penstock.formats.fhir.path.runtime.compare import key, rank, same, weigh
from penstock.formats.fhir.path.runtime.env import Run
from penstock.formats.fhir.path.runtime.items import Item, Many, Truth, bare, system
from penstock.formats.fhir.path.runtime.quantity import Quantity

#: The most items of a collection.
MAX_ITEMS = 1_000_000
#: Up to here comparing one by one is cheaper than a table.
_FEW = 6


class _Table:
    """What was met before. Quantities can be equal without looking alike, so they are compared one by one."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._keys: set[Any] = set()
        self._quantities: list[Any] = []

    def add(self, value: Any) -> None:
        if type(value) is Quantity:
            self._quantities.append(value)
        else:
            self._keys.add(key(self._run, value))

    def __contains__(self, value: Any) -> bool:
        if self._quantities and type(value) in (Quantity, dict):
            self._run.spend(len(self._quantities))
            if any(same(value, other) for other in self._quantities):
                return True
        return type(value) is not Quantity and key(self._run, value) in self._keys


class _Few:
    """The same for a few items, which are compared one by one."""

    def __init__(self) -> None:
        self._items: list[Any] = []

    def add(self, value: Any) -> None:
        self._items.append(value)

    def __contains__(self, value: Any) -> bool:
        return any(same(value, other) for other in self._items)


def _seen(run: Run, items: Many) -> _Table | _Few:
    """All of these items."""
    run.spend(len(items))
    seen = _Table(run) if len(items) > _FEW else _Few()
    for item in items:
        seen.add(system(item))
    return seen


def distinct(run: Run, items: Many) -> list[Any]:
    """Without repetitions, first ones kept."""
    if len(items) > MAX_ITEMS:
        too_large()
    run.spend(len(items))
    seen, found = _Table(run) if len(items) > _FEW else _Few(), []
    for item in items:
        value = system(item)
        if value not in seen:
            seen.add(value)
            found.append(item)
    return found


def is_distinct(run: Run, items: Many) -> bool:
    return len(distinct(run, items)) == len(items)


def too_large() -> None:
    raise Problem("too-costly", "the expression makes a collection that is too large")


def combine(run: Run, left: Many, right: Many) -> list[Any]:
    if len(left) + len(right) > MAX_ITEMS:
        too_large()
    run.spend(len(left) + len(right))
    return [*left, *right]


def intersect(run: Run, left: Many, right: Many) -> list[Any]:
    others = _seen(run, right)
    return [item for item in distinct(run, left) if system(item) in others]


def exclude(run: Run, left: Many, right: Many) -> list[Any]:
    run.spend(len(left))
    others = _seen(run, right)
    return [item for item in left if system(item) not in others]


def subset(run: Run, left: Many, right: Many) -> bool:
    run.spend(len(left))
    others = _seen(run, right)
    return all(system(item) in others for item in left)


def superset(run: Run, left: Many, right: Many) -> bool:
    return subset(run, right, left)


def within(run: Run, item: Any, items: Many) -> Truth:
    """``item in items``"""
    if item is None:
        return None
    value = system(item)
    run.spend(len(items) * (weigh(value) // 8 + 1))
    return any(same(value, system(other)) for other in items)


def at(items: Many, place: Any) -> Any:
    """``items[place]``"""
    if type(place) is not int:
        if place is None:
            return None
        raise Problem("invalid", "an index is a whole number")
    return items[place] if 0 <= place < len(items) else None


def single(items: Many) -> Any:
    if len(items) > 1:
        raise Problem("invalid", "single() found several items")
    return items[0] if items else None


def skip(items: Many, count: Any) -> Many:
    return () if count is None else items[max(_count(count), 0) :]


def take(items: Many, count: Any) -> Many:
    return () if count is None else items[: max(_count(count), 0)]


def _count(value: Any) -> int:
    if type(value) is not int:
        raise Problem("invalid", "a whole number is expected here")
    return value


def booleans(items: Many) -> list[bool]:
    """For allTrue() and its like."""
    found = [bare(item) for item in items]
    if any(type(value) is not bool for value in found):
        raise Problem("invalid", "only truth values are expected here")
    return found


def repeat(run: Run, items: Many, step: Callable[[Any], Many]) -> list[Any]:
    """``step`` of every item, of what that gave, and so on; what was found already is not looked at again."""
    seen, found = _Table(run), []
    waiting = list(items)
    while waiting:
        new: list[Any] = []
        for item in waiting:
            for result in step(item):
                value = system(result)
                run.spend(len(value) if type(value) is str else 4)
                if value not in seen:
                    seen.add(value)
                    found.append(result)
                    new.append(result)
        waiting = new
        if len(found) > MAX_ITEMS:
            too_large()
    return found


def ordered(run: Run, rows: list[tuple[list[Any], Any]], downwards: tuple[bool, ...]) -> list[Any]:
    """Items by their keys, each upwards or downwards; what has no key comes first, whichever way."""
    run.spend(len(rows) * 4)

    def compare(left: tuple[list[Any], Any], right: tuple[list[Any], Any]) -> int:
        for mine, other, down in zip(left[0], right[0], downwards, strict=True):
            if mine is None or other is None:
                answer = (other is None) - (mine is None)
            else:
                answer = -rank(mine, other) if down else rank(mine, other)
            if answer:
                return answer
        return 0

    return [item for _, item in sorted(rows, key=cmp_to_key(compare))]


def has_value(item: Any) -> bool:
    """A primitive that has more than an id and extensions."""
    value = bare(item)
    return value is not None and not (type(item) is Item and isinstance(value, dict))
