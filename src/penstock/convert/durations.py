"""Durations of HL7 v2 (CQ `10^day`, TQ.3 `D10`) in the units of UCUM, and their sum with a time."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from penstock.convert.rows import table

UNITS = {row["word"]: row["unit"] for row in table("codes", "time-units")}
#: the letters of TQ.3 and of repeat patterns: M is a minute there, and L a month
LETTERS = {"S": "s", "M": "min", "H": "h", "D": "d", "W": "wk", "L": "mo"}
SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400, "wk": 604800}
MONTHS = {"mo": 1, "a": 12}
LETTERED = re.compile(r"([SMHDWL])([0-9]{1,6})$")
START = re.compile(r"(?P<day>[0-9]{8})(?P<clock>(?:[0-9]{2}){0,3})(?P<fraction>\.[0-9]+)?(?P<offset>[+-][0-9]{4})?$", re.ASCII)
NUMBER = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,6})?$", re.ASCII)


class Duration(NamedTuple):
    """`unit` is a code of UCUM for time, `word` what the sender calls it."""

    amount: Decimal
    unit: str
    word: str


def duration(amount: str, unit: str) -> Duration | None:
    """An amount and the word for its unit; None where one of them is none."""
    amount, word = amount.strip(), unit.strip()
    known = UNITS.get(word.upper())
    return Duration(Decimal(amount), known, word) if known and NUMBER.match(amount) else None


def lettered(text: str) -> Duration | None:
    """`D10` is ten days (TQ.3)."""
    found = LETTERED.match(text.strip().upper())
    return Duration(Decimal(found[2]), LETTERS[found[1]], LETTERS[found[1]]) if found else None


def after(start: str, lasting: Duration) -> str | None:
    """The v2 time at which something ends, as precise as the time of its start; None where that cannot be said."""
    found = START.match(start.strip())
    if found is None:
        return None
    form = "%Y%m%d%H%M%S"[: 6 + len(found["clock"])]
    try:
        begin = datetime.strptime(found["day"] + found["clock"], form)
        end = added(begin, lasting)
    except (ValueError, OverflowError):
        return None
    whole = end is not None and (found["clock"] or end.time() == begin.time())
    return end.strftime(form) + (found["offset"] or "") if end is not None and whole else None


def added(begin: datetime, lasting: Duration) -> datetime | None:
    if lasting.unit in SECONDS:
        return begin + timedelta(seconds=float(lasting.amount * SECONDS[lasting.unit]))
    months = lasting.amount * MONTHS[lasting.unit]
    if months != months.to_integral_value():
        return None
    year, month = divmod(begin.year * 12 + begin.month - 1 + int(months), 12)
    day = min(begin.day, monthrange(year, month + 1)[1])
    return datetime.combine(date(year, month + 1, day), begin.time())


def in_minutes(lasting: Duration) -> int | None:
    """A duration in whole minutes; None where it has none."""
    seconds = lasting.amount * SECONDS[lasting.unit] if lasting.unit in SECONDS else Decimal(1)
    return int(seconds // 60) if not seconds % 60 else None
