"""Looking at the inbox: conservation, messages by identifier, lanes that stand still."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import orjson

from penstock.db import Tx, named_sql
from penstock.errors import Problem
from penstock.inbox.message import lookup_key, problem_of

_SQL = named_sql(__package__)


@dataclass
class Count:
    """Where the messages of an interface are: ``accepted`` is counted when they arrive, the rest by looking at them."""

    accepted: int = 0
    stored: int = 0
    filtered: dict[str, int] = field(default_factory=dict)
    quarantined: dict[str, int] = field(default_factory=dict)
    in_flight: dict[str, int] = field(default_factory=dict)

    @property
    def conserved(self) -> bool:
        """Whether accepted = stored + filtered + quarantined + in flight (invariant 3)."""
        parts = (self.filtered, self.quarantined, self.in_flight)
        return self.accepted == self.stored + sum(sum(part.values()) for part in parts)


class Row(NamedTuple):
    """A message as an operator sees it: no bytes. ``stopped`` is the stage that it did not pass, ``history`` its failed attempts."""

    inbox_id: int
    interface: str
    source: str
    control_id: str
    type: str
    trigger: str
    lane: int
    state: str
    code: str | None
    text: str | None
    at: str | None
    attempts: int
    replays: int
    collided: bool
    received_at: datetime
    next_at: datetime | None
    done_at: datetime | None
    trace_id: str
    way: str = ""
    stopped: str = ""
    history: Sequence[dict[str, str]] = ()
    payload_hash: str = ""


class Lane(NamedTuple):
    """A lane that stands still: ``until`` a time, or None when only :func:`~penstock.inbox.release` ends it."""

    lane: int
    interface: str
    inbox_id: int
    since: datetime
    until: datetime | None
    problem: Problem | None
    waiting: int


async def counts(tx: Tx) -> dict[str, Count]:
    """The conservation of each interface, from one snapshot."""
    found: dict[str, Count] = defaultdict(Count)
    for row in await tx.fetch(_SQL["counts"]):
        count, state, number = found[row["interface"]], row["state"], row["count"]
        if state in ("accepted", "stored"):
            setattr(count, state, number)
        elif state in ("filtered", "quarantined"):
            getattr(count, state)[row["reason"]] = number
        else:
            count.in_flight[state] = number
    return dict(found)


async def find(tx: Tx, kind: str, value: str, *, limit: int = 100) -> list[int]:
    """Inbox ids of the messages that carry an identifier, newest first."""
    return [row["inbox_id"] for row in await tx.fetch(_SQL["find"], lookup_key(kind, value), limit)]


async def rows(tx: Tx, ids: Sequence[int]) -> list[Row]:
    """What is known of messages, without their bytes."""
    found = [Row(*row) for row in await tx.fetch(_SQL["rows"], list(ids))]
    return [row._replace(history=orjson.loads(str(row.history))) for row in found]


async def newest(tx: Tx, below: int, source: str | None, since: datetime | None, until: datetime | None, limit: int) -> list[Row]:
    """The newest messages, oldest of them first: with an id below, of a source (None: of any) and a span of time."""
    return await rows(tx, [row["id"] for row in await tx.fetch(_SQL["newest"], below, source, since, until, limit)])


async def outcome(tx: Tx, inbox_id: int) -> tuple[str, Problem | None]:
    """State of a message and the problem it has, for an acknowledgement after processing."""
    (row,) = await tx.fetch(_SQL["rows"], [inbox_id])
    return row["state"], problem_of(row)


async def bodies(tx: Tx, received: Sequence[tuple[int, datetime]]) -> dict[int, bytes]:
    """The bytes of messages, each given as (inbox id, received at)."""
    if not received:
        return {}
    times = [at for _, at in received]
    found = await tx.fetch(_SQL["bodies"], [inbox_id for inbox_id, _ in received], min(times), max(times))
    return {row["id"]: row["raw"] for row in found}


async def stopped_lanes(tx: Tx) -> list[Lane]:
    """The lanes that stand still, the oldest first, and how many messages wait in each."""
    return [
        Lane(
            row["lane"], row["interface"], row["inbox_id"], row["since"], None if row["until"].year == 9999 else row["until"],
            problem_of(row), row["waiting"],
        )
        for row in await tx.fetch(_SQL["stopped_lanes"])
    ]  # fmt: skip
