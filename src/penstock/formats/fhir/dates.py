"""FHIR dates as the span of time they mean: ``2013-01-14`` is that whole day (http://hl7.org/fhir/R4/search.html#date).

A span is (low, high) in UTC, half open: low belongs to it, high does not. What is written without a zone is read as UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from penstock.errors import Problem

Span = tuple[datetime, datetime]

#: Where an open period begins and ends.
EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)

_SHAPE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-](?:0\d|1[0-4]):[0-5]\d)?)?)?)?",
    re.ASCII,
)
_DAY, _MINUTE, _SECOND = timedelta(days=1), timedelta(minutes=1), timedelta(seconds=1)


def span(text: str) -> Span:
    """The span of a date, dateTime or instant, or of a search value (where seconds and zone may be missing).

    Problem("value") for anything else, such as the 30th of February.
    """
    try:
        if len(text) >= 20 and text[10] == "T" and (exact := _plain(text)):
            return exact
        match = _SHAPE.fullmatch(text)
        if match:
            return _span(*match.groups())
    except (ValueError, OverflowError):
        pass
    raise Problem("value", "this is not a date as FHIR writes it")


def span_or_none(text: Any) -> Span | None:
    """The span, or None where the text is not a date."""
    try:
        return span(text)
    except (Problem, TypeError):
        return None


def period(value: dict[str, Any]) -> Span | None:
    """The span of a Period: an open side has no limit; None when both are open."""
    start, end = span_or_none(value.get("start")), span_or_none(value.get("end"))
    if start is None and end is None:
        return None
    return (start[0] if start else EARLIEST, end[1] if end else LATEST)


def timing(value: dict[str, Any]) -> Span | None:
    """From the first to the last time that a Timing names: its events and the bounds of its repetition (search.html#date)."""
    spans = [found for event in value.get("event") or () if (found := span_or_none(event))]
    bounds = (value.get("repeat") or {}).get("boundsPeriod")
    if bounds and (found := period(bounds)):
        spans.append(found)
    return (min(low for low, _ in spans), max(high for _, high in spans)) if spans else None


def _plain(text: str) -> Span | None:
    """Seconds or milliseconds with a zone, the usual case; None leaves it to the general one."""
    point = text[19]
    if point == ".":
        step = _fraction(text[20 : len(text) - 1] if text[-1] == "Z" else text[20:-6])
    elif point in "Z+-":
        step = _SECOND
    else:
        return None
    if step is None or text[17] == "6" or not _looks_plain(text):
        return None
    low = datetime.fromisoformat(text).astimezone(UTC)
    return low, low + step


def _looks_plain(text: str) -> bool:
    """The library's parser reads more than FHIR writes: no weeks, no compact forms, colons everywhere."""
    colons = text[13] == text[16] == ":" and (text[-1] == "Z" or text[-3] == ":")
    return colons and text[4] == text[7] == "-" and text.isascii()


def _fraction(digits: str) -> timedelta | None:
    """The precision of a fraction of a second; None beyond microseconds."""
    return timedelta(microseconds=10 ** (6 - len(digits))) if digits.isdecimal() and 0 < len(digits) <= 6 else None


def _span(*parts: str | None) -> Span:
    year, month, day, hour, minute, second, fraction, zone = parts
    if month is None:
        return _years(int(year or 0))
    if day is None:
        return _months(int(year or 0), int(month))
    if hour is None:
        low = datetime(int(year or 0), int(month), int(day), tzinfo=UTC)
        return low, _after(low, _DAY)
    # a leap second is the second before it, for Python has none
    seconds = min(int(second or 0), 59) if second != "60" or minute == "59" else 60
    digits = (fraction or "")[:6]
    offset = zone.replace("Z", "+00:00") if zone else "+00:00"
    low = datetime.fromisoformat(f"{year}-{month}-{day}T{hour}:{minute}:{seconds:02}.{digits or '0':0<6}{offset}").astimezone(UTC)
    step = _MINUTE if second is None else _SECOND if not digits else timedelta(microseconds=10 ** (6 - len(digits)))
    return low, _after(low, step)


def _years(year: int) -> Span:
    return datetime(year, 1, 1, tzinfo=UTC), LATEST if year == 9999 else datetime(year + 1, 1, 1, tzinfo=UTC)


def _months(year: int, month: int) -> Span:
    if month == 12:
        return datetime(year, 12, 1, tzinfo=UTC), _years(year)[1]
    return datetime(year, month, 1, tzinfo=UTC), datetime(year, month + 1, 1, tzinfo=UTC)


def _after(low: datetime, step: timedelta) -> datetime:
    try:
        return low + step
    except OverflowError:
        return LATEST
