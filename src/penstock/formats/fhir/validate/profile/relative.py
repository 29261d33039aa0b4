"""Limits of dates that move with the clock (http://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.minValue_x_).

A duration as ``minValue`` of a date is how long ago it may be, as ``maxValue`` how far ahead.
"""

from __future__ import annotations

import calendar
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from penstock.formats.fhir.validate.profile.compare import below

#: UCUM codes of time to months, or to a length of time.
_MONTHS = {"a": 12, "mo": 1}
_LENGTHS = {
    "wk": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "min": timedelta(minutes=1),
    "s": timedelta(seconds=1),
}


def too_early(value: str, duration: dict[str, Any], now: datetime) -> bool:
    limit = _moved(now, duration, -1)
    return limit is not None and below(value, limit) is True


def too_late(value: str, duration: dict[str, Any], now: datetime) -> bool:
    limit = _moved(now, duration, 1)
    return limit is not None and below(limit, value) is True


def _moved(now: datetime, duration: dict[str, Any], sign: int) -> str | None:
    """The moment a duration away; None for what is no duration, or leaves the calendar."""
    amount, code = duration.get("value"), duration.get("code")
    if not isinstance(amount, int | Decimal) or isinstance(amount, bool):
        return None
    try:
        if code in _MONTHS:
            return _months(now, sign * int(amount * _MONTHS[code])).isoformat()
        return (now + sign * float(amount) * _LENGTHS[code]).isoformat() if code in _LENGTHS else None
    except (OverflowError, ValueError):
        return None


def _months(now: datetime, months: int) -> datetime:
    """So many months away, on the same day or the last that the month has."""
    year, month = divmod(now.year * 12 + now.month - 1 + months, 12)
    return now.replace(year=year, month=month + 1, day=min(now.day, calendar.monthrange(year, month + 1)[1]))
