"""When a message was said: what orders it among all messages, whatever the order of their arrival.

The time is EVN-2 (recorded), else MSH-7, where it can be used: with a time of day, and not in the future. A date alone stands for the
moment of arrival, as far as that is within the date. An interface whose clocks cannot be trusted is ordered by arrival.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from penstock.convert.run import Context
from penstock.convert.state.marks import Mark
from penstock.convert.state.stay import kind
from penstock.formats.hl7v2 import Message
from penstock.formats.hl7v2.times import to_fhir

#: A sender's clock may be ahead of ours by so much: a wrong offset is at most 14 hours.
AHEAD = timedelta(hours=24)
EVENT_TIME, ARRIVAL = ORDERS = ("event-time", "arrival")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Moment(NamedTuple):
    """The mark of a message, its trigger event, when that occurred, and for a cancelling event when what it cancels did (EVN-6)."""

    mark: Mark
    trigger: str
    occurred: int
    cancelled: int = 0


def moment(message: Message, context: Context, *, order: str = EVENT_TIME, number: int = 0) -> Moment:
    """Where a message belongs in the order of all. ``number`` is its place in the inbox, by which those of an ``arrival`` order stand."""
    trigger = message.get("MSH-9.2") or message.get("EVN-1")
    when, named, how = said_at(message, context), timed(message.get("EVN-6"), context), kind(trigger)
    control_id = message.get("MSH-10")
    mark = Mark(1, when, how.rank, f"{len(control_id):03}{control_id}|{message.get('MSH-3')}|{message.get('MSH-4')}")
    if order == ARRIVAL:
        mark = Mark(1, micros(arrived(context)), 0, f"{number:020}")
    return Moment(mark, trigger, when, named or 0) if how.cancels else Moment(mark, trigger, when if named is None else named)


def said_at(message: Message, context: Context) -> int:
    """EVN-2, else MSH-7, else the moment of arrival."""
    fields = [message.get("EVN-2"), message.get("MSH-7")]
    for text in fields:
        found = timed(text, context)
        if found is not None:
            return found
    days = [day for text in fields if (day := dated(text, context)) is not None]
    return min(max(micros(arrived(context)), days[0][0]), days[0][1]) if days else micros(arrived(context))


def timed(text: str, context: Context) -> int | None:
    """A time of day that is not in the future, in microseconds since 1970."""
    found = to_fhir(text, "instant", context.zone).text
    at = read(found) if found else None
    return at if at is not None and at <= micros(arrived(context) + AHEAD) else None


def dated(text: str, context: Context) -> tuple[int, int] | None:
    """The first and the last moment of a date that has begun."""
    found = to_fhir(text[:8], "date").text
    if not found or len(found) < 10:
        return None
    try:
        first = datetime.fromisoformat(found).replace(tzinfo=context.zone)
        span = micros(first), micros(first + timedelta(days=1)) - 1
    except (ValueError, OverflowError):
        return None
    return span if span[0] <= micros(arrived(context) + AHEAD) else None


def read(text: str) -> int | None:
    try:
        return micros(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return None


def arrived(context: Context) -> datetime:
    return context.received_at or datetime(9000, 1, 1, tzinfo=UTC)


def micros(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)
