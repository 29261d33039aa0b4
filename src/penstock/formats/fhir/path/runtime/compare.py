"""Equal, equivalent, less (http://hl7.org/fhirpath/N1/#equality, #comparison). Operands are values of System, or data of complex types."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from penstock.errors import Problem
from penstock.formats.fhir.path.runtime.env import Run
from penstock.formats.fhir.path.runtime.items import Many, One, Truth, measured
from penstock.formats.fhir.path.runtime.quantity import Quantity, measures
from penstock.formats.fhir.path.runtime.temporal import Temporal, instant, order, read

_SPACES = re.compile(r"\s+")
_NUMBERS = (int, Decimal)
#: Lengths of a dateTime with seconds and Z, and of one with microseconds and a zone in figures.
_SECONDS, _MICROSECONDS = 20, 32


def same(left: Any, right: Any) -> Truth:
    """Whether two items are equal; None when their precision does not tell."""
    kind, other = type(left), type(right)
    if kind is Temporal and other is Temporal:
        if (left.kind == "Time") != (right.kind == "Time"):
            return False
        found = order(left, right)
        return None if found is None else found == 0
    if kind is Quantity or other is Quantity:
        return _same_quantity(measured(left), measured(right))
    if kind is bool or other is bool:
        return left is right
    if kind is dict and other is dict:
        return bool(left == right)
    return bool(left == right) if kind is other or (kind in _NUMBERS and other in _NUMBERS) else False


def _same_quantity(left: Any, right: Any) -> Truth:
    if type(left) is not Quantity or type(right) is not Quantity:
        return False
    found = measures(left, right)
    if found is None:
        return None if left.calendar or right.calendar else False
    return found[0] == found[1]


def equal_counted(run: Run, left: Many, right: Many) -> Truth:
    """``=`` inside of a loop."""
    run.spend(min(sum(map(weigh, left)), sum(map(weigh, right))))
    return equal(left, right)


def equal(left: Many, right: Many) -> Truth:
    """``=``: the same items in the same order; nothing is equal to nothing."""
    if not left or not right:
        return None
    if len(left) != len(right):
        return False
    answers = [same(mine, other) for mine, other in zip(left, right, strict=True)]
    return False if False in answers else None if None in answers else True


def alike(run: Run, left: Any, right: Any) -> bool:
    """Whether two items are equivalent: texts without case and spaces, numbers to the lesser precision."""
    kind, other = type(left), type(right)
    if kind is str and other is str:
        return _folded(left) == _folded(right)
    if kind is Temporal and other is Temporal:
        return (left.kind == "Time") == (right.kind == "Time") and order(left, right) == 0
    if kind is Quantity or other is Quantity:
        mine, theirs = measured(left), measured(right)
        found = measures(mine, theirs, loose=True) if type(mine) is type(theirs) is Quantity else None
        return found is not None and _about(*found)
    if kind is bool or other is bool:
        return left is right
    if kind in _NUMBERS and other in _NUMBERS:
        return _about(Decimal(left), Decimal(right))
    if kind is dict and other is dict:
        return _alike_data(run, left, right)
    return bool(left == right) if kind is other else False


def _folded(text: str) -> str:
    return _SPACES.sub(" ", text).casefold()


def _about(left: Decimal, right: Decimal) -> bool:
    digits = min(_places(left), _places(right))
    step = Decimal(1).scaleb(-digits)
    try:
        return left.quantize(step, ROUND_HALF_UP) == right.quantize(step, ROUND_HALF_UP)
    except ArithmeticError:
        return left == right


def _places(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _alike_data(run: Run, left: dict[str, Any], right: dict[str, Any]) -> bool:
    """Recursively; the ids of elements do not count."""
    mine, other = left.keys() - {"id"}, right.keys() - {"id"}
    return mine == other and all(_alike_value(run, left[name], right[name]) for name in mine)


def _alike_value(run: Run, left: Any, right: Any) -> bool:
    if isinstance(left, list) and isinstance(right, list):
        return equivalent(run, left, right)
    return alike(run, left, right)


def equivalent(run: Run, left: Many, right: Many) -> bool:
    """``~``: the same items in any order."""
    if len(left) != len(right):
        return False
    rest = list(right)
    for mine in left:
        run.spend(len(rest) * weigh(mine))
        place = next((place for place, other in enumerate(rest) if alike(run, mine, other)), None)
        if place is None:
            return False
        del rest[place]
    return True


def _ranked(left: Any, right: Any) -> int | None:
    """-1, 0 or 1; None when precision or units do not tell. Problem for what has no order, or not the same."""
    kind, other = type(left), type(right)
    if (kind in _NUMBERS and other in _NUMBERS) or (kind is str and other is str):
        return int(left > right) - int(left < right)
    if kind is Temporal and other is Temporal and (left.kind == "Time") == (right.kind == "Time"):
        return order(left, right)
    if kind is Quantity or other is Quantity:
        mine, theirs = measured(left), measured(right)
        if type(mine) is type(theirs) is Quantity:
            found = measures(mine, theirs)
            return None if found is None else (found[0] > found[1]) - (found[0] < found[1])
    if kind is dict and other is dict:  # quantities that are no System.Quantity, such as one without a value
        return None
    raise Problem("invalid", "values of these types cannot be compared")


def texts_ranked(left: str | None, right: str | None, compare: Callable[[One, One], Truth]) -> Truth:
    """Dates and times as JSON has them: those that are written alike in UTC, or end with the day, have the order of their texts."""
    if left is None or right is None:
        return None
    if len(left) == len(right) and (len(left) == 10 or left[-1] == right[-1] == "Z"):
        return compare(left, right)
    if _SECONDS <= len(left) <= _MICROSECONDS and _SECONDS <= len(right) <= _MICROSECONDS and (moments := _moments(left, right)):
        return compare(int(moments[0] > moments[1]) - int(moments[0] < moments[1]), 0)
    return compare(read("DateTime", left), read("DateTime", right))


def _moments(left: str, right: str) -> tuple[datetime, datetime] | None:
    """Both as Python has them, where both have a zone."""
    try:
        moments = datetime.fromisoformat(left), datetime.fromisoformat(right)
    except ValueError:
        return None
    return moments if moments[0].tzinfo and moments[1].tzinfo else None


def less(left: One, right: One) -> Truth:
    rank = None if left is None or right is None else _ranked(left, right)
    return None if rank is None else rank < 0


def less_or_same(left: One, right: One) -> Truth:
    rank = None if left is None or right is None else _ranked(left, right)
    return None if rank is None else rank <= 0


def greater(left: One, right: One) -> Truth:
    rank = None if left is None or right is None else _ranked(left, right)
    return None if rank is None else rank > 0


def greater_or_same(left: One, right: One) -> Truth:
    rank = None if left is None or right is None else _ranked(left, right)
    return None if rank is None else rank >= 0


def rank(left: Any, right: Any) -> int:
    """For sorting: what is undecided stays where it was."""
    return _ranked(left, right) or 0


def key(run: Run, value: Any) -> Any:
    """Something hashable that is the same for equal items: what is equal by it is equal, the reverse up to units and zones."""
    kind = type(value)
    if kind is str:
        return value
    if kind is bool:
        return (bool, value)
    if kind is Temporal:
        return instant(value)
    if kind is dict:
        run.spend(3 * len(value))
        return frozenset((name, key(run, each)) for name, each in value.items())
    if kind is list:
        run.spend(len(value))
        return tuple(key(run, each) for each in value)
    return value


def weigh(value: Any) -> int:
    """How much there is to compare."""
    if type(value) is dict:
        return 1 + sum(map(weigh, value.values()))
    return 1 + sum(map(weigh, value)) if type(value) is list else 1
