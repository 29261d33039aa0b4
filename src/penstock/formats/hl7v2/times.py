"""HL7 dates and times as FHIR ones, at the precision they have (HL7 v2.5 section 2.A.21 DTM, 2.A.77 TM, 2.A.78 TS).

``YYYY[MM[DD[HH[MM[SS[.S…]]]]]][+/-ZZZZ]``. FHIR has no hour or minute alone, so missing minutes and seconds are written as
zero; nothing else is added, and a time is never shifted. What cannot be said in FHIR is a reason, not an exception.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import NamedTuple

_DTM = re.compile(
    r"(?P<year>\d{4})(?:(?P<month>\d\d)(?:(?P<day>\d\d)"
    r"(?:(?P<hour>\d\d)(?:(?P<minute>\d\d)(?:(?P<second>\d\d)(?P<fraction>\.\d{1,9})?)?)?)?)?)?"
    r"(?P<offset>[+-]\d{4})?",
    re.ASCII,
)
_TM = re.compile(r"(\d\d)(?:(\d\d)(?:(\d\d)(\.\d{1,9})?)?)?([+-]\d{4})?", re.ASCII)


class Time(NamedTuple):
    """The FHIR text, or the reason why there is none."""

    text: str | None
    reason: str = ""


def to_fhir(value: str, kind: str = "dateTime", zone: tzinfo | None = None) -> Time:
    """``value`` (DTM, TS or DT; TM for ``time``) as a FHIR ``date``, ``dateTime``, ``instant`` or ``time``.

    ``zone`` is where the sender's clock stands, for times that say no offset.
    """
    return _convert(value.strip(), kind, zone)


@lru_cache(maxsize=8192)
def _convert(value: str, kind: str, zone: tzinfo | None) -> Time:
    if not value:
        return Time(None, "the time is empty")
    return _clock(value) if kind == "time" else _calendar(value, kind, zone)


def _calendar(value: str, kind: str, zone: tzinfo | None) -> Time:
    found = _DTM.fullmatch(value)
    if found is None:
        return Time(None, "the time is not of the form YYYYMMDDHHMMSS.SSSS+ZZZZ")
    if reason := _calendar_flaw(found):
        return Time(None, reason)
    date = "-".join(part for part in found.group("year", "month", "day") if part)
    if kind == "date":
        return Time(date)
    if not found["hour"]:
        return Time(None, "an instant needs a time of day") if kind == "instant" else Time(date)
    if kind == "instant" and not found["minute"]:
        return Time(None, "an instant needs minutes")
    offset = _offset(found["offset"]) if found["offset"] else _zone_offset(found, zone)
    if offset is None:
        return Time(None, "the time has no offset that can be used, and no zone is known")
    clock = f"{found['hour']}:{found['minute'] or '00'}:{found['second'] or '00'}{found['fraction'] or ''}"
    return Time(f"{date}T{clock}{offset}")


def _calendar_flaw(found: re.Match[str]) -> str:
    year, month, day = (int(found[name] or 1) for name in ("year", "month", "day"))
    if not year:
        return "there is no year 0"
    if not 1 <= month <= 12:
        return "there is no such month"
    if not 1 <= day <= monthrange(year, month)[1]:
        return "there is no such day"
    return _clock_flaw(found["hour"], found["minute"], found["second"])


def _clock_flaw(hour: str | None, minute: str | None, second: str | None) -> str:
    """What is wrong with a time of day; second 60 is a leap second, which FHIR allows."""
    if int(hour or 0) > 23 or int(minute or 0) > 59 or int(second or 0) > 60:
        return "there is no such time of day"
    return ""


def _offset(text: str) -> str | None:
    """``+0100`` as ``+01:00``; None where FHIR has no such offset (more than 14 hours)."""
    hours, minutes = int(text[1:3]), int(text[3:5])
    if minutes > 59 or hours * 60 + minutes > 14 * 60:
        return None
    sign = "+" if not hours and not minutes else text[0]
    return f"{sign}{text[1:3]}:{text[3:5]}"


def _zone_offset(found: re.Match[str], zone: tzinfo | None) -> str | None:
    """The offset of the zone at that local time; of an hour that happens twice, the first one's."""
    if zone is None:
        return None
    local = datetime(int(found["year"]), int(found["month"]), int(found["day"]), int(found["hour"]), int(found["minute"] or 0), tzinfo=zone)
    try:
        offset = zone.utcoffset(local)
    except OverflowError:
        return None
    if offset is None:
        return None
    minutes = round(offset.total_seconds() / 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def _clock(value: str) -> Time:
    found = _TM.fullmatch(value)
    if found is None:
        return Time(None, "the time is not of the form HHMMSS.SSSS")
    hour, minute, second, fraction, _ = found.groups()
    if reason := _clock_flaw(hour, minute, second):
        return Time(None, reason)
    return Time(f"{hour}:{minute or '00'}:{second or '00'}{fraction or ''}")
