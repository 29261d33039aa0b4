"""Telling again: a window of the log to one subscriber, with a preview. Nothing it confirmed is repeated unless that is asked for.

A replay is a stream of its own: its events carry their old ids and the number of the replay, and go out in order for each key
beside the live ones. Sources are not asked for anything: the log and the store hold it all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from penstock.db import Tx
from penstock.delivery import registry
from penstock.delivery.dispatch import enqueue
from penstock.delivery.registry import SQL
from penstock.delivery.subscription import Subscription
from penstock.errors import Problem
from penstock.events import Event, follow
from penstock.events.log import window

_CHUNK = 1000
_EVER = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))


@dataclass(frozen=True)
class Request:
    """What to tell again, to whom. All given conditions hold together; ``confirmed``: also what the subscriber confirmed already."""

    subscription: str
    first: int = 1
    last: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    types: tuple[str, ...] = ()
    patient: str | None = None
    confirmed: bool = False


@dataclass(frozen=True)
class Preview:
    """What a replay would do: events in the window that concern the subscriber, those left out, and those that would be sent."""

    matching: int
    confirmed: int
    waiting: int
    to_send: int


async def preview(tx: Tx, request: Request, upto: int) -> Preview:
    """The counts, without doing anything. ``upto``: the horizon of the log."""
    subscription = await _subscription(tx, request)
    matching = confirmed = waiting = to_send = 0
    async for events, done, pending in _chosen(tx, request, subscription, upto):
        matching += len(events)
        confirmed += len(done)
        waiting += len(pending - done)
        to_send += sum(1 for event in events if _goes(event, request, done, pending))
    return Preview(matching, confirmed, waiting, to_send)


async def replay(tx: Tx, request: Request, upto: int, *, client: str, reason: str, now: datetime) -> tuple[int, int]:
    """Make it due: (number of the replay, how many events). Who asked, what and why is kept."""
    subscription = await _subscription(tx, request)
    if subscription.status == "off":
        raise Problem("conflict", "this subscription is off")
    asked = orjson.dumps(asdict(request)).decode()
    number = int(await tx.fetchval(SQL["new_replay"], subscription.number, now, client, reason, asked, 0))
    count = 0
    async for events, done, pending in _chosen(tx, request, subscription, upto):
        due = [(subscription.number, event) for event in events if _goes(event, request, done, pending)]
        await enqueue(tx, due, now, replay=number)
        count += len(due)
    await tx.execute(SQL["count_replay"], number, count)
    return number, count


def _goes(event: Event, request: Request, done: set[int], pending: set[int]) -> bool:
    return event.seq not in pending and (request.confirmed or event.seq not in done)


async def _subscription(tx: Tx, request: Request) -> Subscription:
    subscription = await registry.get(tx, request.subscription)
    if subscription is None:
        raise Problem("not-found", "there is no such subscription")
    return subscription


async def _chosen(tx: Tx, request: Request, subscription: Subscription, upto: int) -> AsyncIterator[tuple[list[Event], set[int], set[int]]]:
    """Events of the window, a chunk at a time, with the numbers that were confirmed and those that wait already."""
    first, last = request.first, min(upto, request.last if request.last is not None else upto)
    if request.since is not None or request.until is not None:
        low, high = await window(tx, request.since or _EVER[0], request.until or _EVER[1])
        first, last = max(first, low), min(last, high)
    after = max(0, first - 1)
    while after < last:
        events = await follow(tx, after, last, _CHUNK)
        if not events:
            return
        after = events[-1].seq
        wanted = [event for event in events if _asked(event, request, subscription)]
        seqs = [event.seq for event in wanted]
        states: dict[int, list[str]] = {row["seq"]: row["states"] for row in await tx.fetch(SQL["states"], subscription.number, seqs)}
        archived = {n for n in seqs if n not in states and subscription.since < n <= subscription.archived_to}
        confirmed = {n for n, found in states.items() if "delivered" in found}
        yield wanted, confirmed | archived, {n for n, found in states.items() if "pending" in found}


def _asked(event: Event, request: Request, subscription: Subscription) -> bool:
    spec = subscription.spec
    return (
        event.tenant == spec.tenant
        and (request.since or _EVER[0]) <= event.at < (request.until or _EVER[1])
        and (not spec.types or event.type in spec.types)
        and (not request.types or event.type in request.types)
        and (request.patient is None or event.key == f"Patient/{request.patient}")
        and (spec.takes_deletions or event.op != "delete")
    )


async def entries(tx: Tx, *, limit: int = 100) -> list[dict[str, Any]]:
    """The newest replays: who asked for what, why, how many events, and how many are still to be sent."""
    return [dict(row) | {"asked": orjson.loads(row["asked"])} for row in await tx.fetch(SQL["replays"], limit)]
