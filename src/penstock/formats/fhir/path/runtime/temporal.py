"""Dates, times and both, as far as they are known (http://hl7.org/fhirpath/N1/#literals).

``2014`` is a year, not the first of January: comparing goes part by part and is undecided (None) where one side ends early. Seconds
and their fraction are one precision. Where only one side has a time zone, the comparison is decided if no zone could change it.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from functools import lru_cache

#: The earliest and the latest zone that the world has, in minutes.
EASTERNMOST, WESTERNMOST = 14 * 60, -12 * 60

_DATE = r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?"
_CLOCK = r"(\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d+))?)?)?"
_SHAPES = {
    "Date": re.compile(_DATE, re.ASCII),
    "DateTime": re.compile(_DATE + rf"(?:T(?:{_CLOCK}(Z|[+-]\d\d:\d\d)?)?)?", re.ASCII),
    "Time": re.compile(_CLOCK, re.ASCII),
}
_HIGHEST = {"Date": (9999, 12, 31), "DateTime": (9999, 12, 31, 23, 59, 59), "Time": (23, 59, 59)}
_LOWEST = {"Date": (1, 1, 1), "DateTime": (1, 1, 1, 0, 0, 0), "Time": (0, 0, 0)}
#: Digits that the parts of a value have up to each precision, as ``precision()`` and the boundaries count them.
DIGITS = {"Date": (4, 6, 8), "DateTime": (4, 6, 8, 10, 12, 14, 17), "Time": (2, 4, 6, 9)}

#: Definite durations in milliseconds.
_MILLISECONDS = {"week": 604_800_000, "day": 86_400_000, "hour": 3_600_000, "minute": 60_000, "second": 1_000, "millisecond": 1}
#: The part that a unit counts in (a week counts in days), and how a finer unit becomes a coarser one.
_PART = {"year": 1, "month": 2, "week": 3, "day": 3, "hour": 4, "minute": 5, "second": 6, "millisecond": 6}


@dataclass(frozen=True, slots=True)
class Temporal:
    """``kind`` is Date, DateTime or Time; ``parts`` begin with the year (of a Time: the hour) and end where it is not known further.

    ``fraction`` holds the digits after the second as written, ``offset`` the zone in minutes.
    """

    kind: str
    parts: tuple[int, ...]
    fraction: str = ""
    offset: int | None = None

    def __str__(self) -> str:
        if self.kind == "Time":
            return _clock(self.parts, self.fraction)
        date = "-".join(f"{part:0{4 if place == 0 else 2}}" for place, part in enumerate(self.parts[:3]))
        if len(self.parts) < 4:
            return date
        return f"{date}T{_clock(self.parts[3:], self.fraction)}{_zone(self.offset)}"

    @property
    def precision(self) -> int:
        """How many digits say it; 17 for a DateTime with milliseconds."""
        return DIGITS[self.kind][len(self.parts) - 1 + bool(self.fraction)]


def _clock(parts: tuple[int, ...], fraction: str) -> str:
    return ":".join(f"{part:02}" for part in parts) + (f".{fraction}" if fraction else "")


def _zone(offset: int | None) -> str:
    if offset is None:
        return ""
    return "Z" if offset == 0 else f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02}:{abs(offset) % 60:02}"


@lru_cache(maxsize=4096)
def read(kind: str, text: str) -> Temporal | None:
    """The value that a text is, or None: a month 13 is nothing."""
    match = _SHAPES[kind].fullmatch(text)
    if match is None:
        return None
    found = match.groups()
    width = len(_HIGHEST[kind])
    parts = tuple(int(part) for part in found[:width] if part is not None)
    fraction = found[width] or "" if len(found) > width else ""
    offset = _minutes(found[width + 1]) if kind == "DateTime" and found[width + 1] else None
    value = Temporal(kind, parts, fraction, offset)
    return value if _exists(value) else None


def _minutes(zone: str) -> int:
    return 0 if zone == "Z" else (-1 if zone[0] == "-" else 1) * (int(zone[1:3]) * 60 + int(zone[4:6]))


def _exists(value: Temporal) -> bool:
    low, high = _LOWEST[value.kind], _HIGHEST[value.kind]
    if any(not a <= part <= b for part, a, b in zip(value.parts, low, high, strict=False)):
        return False
    if value.offset is not None and not WESTERNMOST <= value.offset <= EASTERNMOST:
        return False
    return value.kind == "Time" or len(value.parts) < 3 or value.parts[2] <= monthrange(value.parts[0], value.parts[1])[1]


def at(moment: datetime) -> Temporal:
    """A moment of the clock as DateTime with milliseconds and zone."""
    zone = moment.utcoffset() or timedelta()
    parts = (moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second)
    return Temporal("DateTime", parts, f"{moment.microsecond // 1000:03}", int(zone.total_seconds()) // 60)


def order(left: Temporal, right: Temporal) -> int | None:
    """-1, 0 or 1 for earlier, same, later; None when that is not known. A Time is only compared with a Time."""
    if left.offset is not None and right.offset is not None and left.offset != right.offset:
        left, right = _in_utc(left), _in_utc(right)
    elif (left.offset is None) != (right.offset is None) and len(left.parts) > 3 and len(right.parts) > 3:
        return _across_zones(left, right)
    for mine, other in zip(left.parts, right.parts, strict=False):
        if mine != other:
            return -1 if mine < other else 1
    if len(left.parts) != len(right.parts):
        return None
    first, second = Decimal(f"0.{left.fraction or 0}"), Decimal(f"0.{right.fraction or 0}")
    return (first > second) - (first < second)


def _moment(value: Temporal) -> datetime:
    year, month, day, hour, minute, second = (*value.parts, *_LOWEST["DateTime"][len(value.parts) :])
    return datetime(year, month, day, hour, minute, second)


def _in_utc(value: Temporal) -> Temporal:
    if len(value.parts) < 4 or not value.offset:
        return value
    try:
        moved = _moment(value) - timedelta(minutes=value.offset)
    except OverflowError:
        return value
    parts = (moved.year, moved.month, moved.day, moved.hour, moved.minute, moved.second)
    known = max(len(value.parts), 5) if value.offset % 60 else len(value.parts)
    return Temporal(value.kind, parts[:known], value.fraction, 0)


def instant(value: Temporal) -> tuple[object, ...]:
    """What is the same for two values exactly if they are equal."""
    moved = _in_utc(value)
    return value.kind == "Time", moved.parts, Decimal(f"0.{value.fraction or 0}"), value.offset is None


def _across_zones(left: Temporal, right: Temporal) -> int | None:
    """The side without a zone may be anywhere on earth: 14 hours ahead of UTC to 12 behind."""
    known, unknown, sign = (left, right, 1) if left.offset is not None else (right, left, -1)
    gap = (_moment(_in_utc(known)) - _moment(unknown)).total_seconds() / 60
    if gap > -WESTERNMOST:
        return sign
    return -sign if gap < -EASTERNMOST else None


def add(value: Temporal, amount: Decimal, unit: str) -> Temporal | None:
    """A value some time later; ``unit`` is a calendar word. Parts that are not known stay so: 2014 + 24 months is 2016.

    None where the calendar ends. Fractions of anything but seconds do not count (http://hl7.org/fhirpath/N1/#datetime-arithmetic).
    """
    if unit != "second":
        amount = amount.to_integral_value(ROUND_DOWN)
    try:
        if value.kind == "Time":
            return _turn(value, amount, unit)
        known = len(value.parts)
        if unit in ("year", "month"):
            return _months(value, int(amount) * (12 if unit == "year" else 1))
        if known >= _PART[unit] or known >= 3:
            return _milliseconds(value, amount, unit)
        days = amount * _MILLISECONDS[unit] / _MILLISECONDS["day"]
        return _months(value, int(days / 365) * 12 if known == 1 else int(days / 30))
    except (OverflowError, ValueError):
        return None


def _months(value: Temporal, months: int) -> Temporal:
    if len(value.parts) == 1:
        months = int(Decimal(months) / 12) * 12
    year, month = divmod(value.parts[0] * 12 + (value.parts[1] - 1 if len(value.parts) > 1 else 0) + months, 12)
    if not 1 <= year <= 9999:
        raise OverflowError
    parts = [year, month + 1, *value.parts[2:]][: len(value.parts)]
    if len(parts) > 2:
        parts[2] = min(parts[2], monthrange(year, month + 1)[1])
    return Temporal(value.kind, tuple(parts), value.fraction, value.offset)


def _milliseconds(value: Temporal, amount: Decimal, unit: str) -> Temporal:
    """Days and finer; a part finer than what is known is dropped again."""
    span = amount * _MILLISECONDS[unit]
    if len(value.parts) < 6:
        coarsest = (86_400_000, 3_600_000, 60_000)[len(value.parts) - 3]
        span = (span / coarsest).to_integral_value(ROUND_DOWN) * coarsest
    micro = int(Decimal(f"0.{value.fraction or 0}") * 1_000_000)
    moved = _moment(value) + timedelta(microseconds=micro) + timedelta(milliseconds=int(span), microseconds=int(span * 1000) % 1000)
    parts = (moved.year, moved.month, moved.day, moved.hour, moved.minute, moved.second)[: len(value.parts)]
    return Temporal(value.kind, parts, _fraction(moved.microsecond, value), value.offset)


def _turn(value: Temporal, amount: Decimal, unit: str) -> Temporal | None:
    """A clock goes round: 23:00 + 2 hours is 01:00."""
    if unit not in _MILLISECONDS:
        return None
    hour, minute, second = (*value.parts, 0, 0)[:3]
    finest = (3_600_000, 60_000, 1)[len(value.parts) - 1]
    span = (amount * _MILLISECONDS[unit] / finest).to_integral_value(ROUND_DOWN) * finest
    now = ((hour * 60 + minute) * 60 + second) * 1000 + int(Decimal(f"0.{value.fraction or 0}") * 1000)
    rest, milli = divmod(int(now + span) % 86_400_000, 1000)
    rest, second = divmod(rest, 60)
    return Temporal("Time", (*divmod(rest, 60), second)[: len(value.parts)], _fraction(milli * 1000, value))


def _fraction(micro: int, value: Temporal) -> str:
    """As many digits as there were, or as are needed."""
    if len(value.parts) < len(_HIGHEST[value.kind]) or not (micro or value.fraction):
        return ""
    digits = f"{micro:06}"
    least = max(len(value.fraction), 3)
    return digits[:least] + digits[least:].rstrip("0") if least < 6 else digits.ljust(least, "0")


def boundary(value: Temporal, digits: int | None, *, high: bool) -> Temporal | None:
    """The earliest or latest value that this one can mean, to a precision; without a zone, anywhere on earth."""
    allowed = DIGITS[value.kind]
    digits = allowed[-1] if digits is None else digits
    if digits not in allowed:
        return None
    filled = _filled(value, high=high)
    parts = filled[: allowed.index(digits) + 1]
    whole = digits == allowed[-1] and value.kind != "Date"
    fraction = (value.fraction.ljust(3, "0") if value.fraction else "999" if high else "000") if whole else ""
    offset = value.offset
    if offset is None and value.kind == "DateTime" and len(parts) > 3:
        offset = WESTERNMOST if high else EASTERNMOST
    return Temporal(value.kind, parts, fraction, offset if len(parts) > 3 else None)


def _filled(value: Temporal, *, high: bool) -> tuple[int, ...]:
    rest = (_HIGHEST if high else _LOWEST)[value.kind][len(value.parts) :]
    parts = (*value.parts, *rest)
    if high and value.kind != "Time" and len(value.parts) < 3:
        return (*parts[:2], monthrange(parts[0], parts[1])[1], *parts[3:])
    return parts
