"""FHIR times of different precision, compared."""

from __future__ import annotations

from datetime import datetime


def later(one: str, other: str) -> bool:
    """Whether a FHIR time is surely later than another: as far as both are precise, in the same zone where both say one."""
    if len(one) > 10 and len(other) > 10:
        return moment(one) > moment(other)
    shorter = min(len(one), len(other), 10)
    return one[:shorter] > other[:shorter]


def moment(text: str) -> datetime:
    """A FHIR time with hours; a leap second counts as the one before."""
    return datetime.fromisoformat(f"{text[:17]}{min(text[17:19], '59')}{text[19:]}")
