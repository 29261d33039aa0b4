"""Append and follow: the only two things that are done to the event log."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol

from penstock.db import Tx, named_sql
from penstock.events.key import key_of

SQL = named_sql(__package__)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1) - 1

#: What was done to a resource to the type of the event that tells of it.
NAMES: dict[str, str] = {
    "create": "penstock.resource.created",
    "update": "penstock.resource.updated",
    "delete": "penstock.resource.deleted",
    "merge": "penstock.resource.merged",
    "unmerge": "penstock.resource.unmerged",
}


#: Random bytes in the id of an event.
_CHANCE = 10


class Written(Protocol):
    """One version that was just written: what the store gives to ``append``."""

    @property
    def type(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def ver(self) -> int: ...
    @property
    def op(self) -> str: ...
    @property
    def last_updated(self) -> datetime: ...
    @property
    def body(self) -> bytes: ...


class Cause(Protocol):
    """Why it was written."""

    @property
    def trace_id(self) -> str: ...
    @property
    def inbox_id(self) -> int | None: ...
    @property
    def client(self) -> str: ...
    @property
    def way(self) -> str: ...
    @property
    def act(self) -> str: ...


class Event(NamedTuple):
    """One row of the log. ``key`` is what order is kept for; ``source`` is the client or interface that caused the change, ``way``
    how it came in (:mod:`penstock.audit.way`), where that was asked for."""

    seq: int
    id: uuid.UUID
    tenant: str
    type: str
    resource_id: str
    ver: int
    op: str
    key: str
    at: datetime
    trace_id: str
    source: str
    inbox_id: int | None
    hash: bytes
    way: str = ""

    @property
    def name(self) -> str:
        """The type of the event."""
        return NAMES[self.op]

    @property
    def subject(self) -> str:
        """The relative reference of the resource, such as ``Patient/1``."""
        return f"{self.type}/{self.resource_id}"

    @property
    def version_key(self) -> tuple[str, str, int]:
        """What the store finds the body of this version by."""
        return self.type, self.resource_id, self.ver


async def append(tx: Tx, written: Sequence[Written], cause: Cause | Sequence[Cause], *, tenant: str = "main") -> None:
    """Add one event for each version written, in one statement, in the transaction ``tx`` that wrote them.

    Call it when the rows of the resources are already locked: then, for each resource, the order of the log is the order of
    versions. ``cause`` is one for all, or one for each. What changed nothing (``op`` "same") has no event.
    """
    causes = cause if isinstance(cause, Sequence) else [cause] * len(written)
    pairs = [(w, c) for w, c in zip(written, causes, strict=True) if w.op in NAMES]
    if not pairs:
        return
    keys: dict[tuple[str, str], str] = {}
    for w, _ in pairs:
        if (w.type, w.id) not in keys:
            keys[w.type, w.id] = key_of(w.type, w.id, w.body)
    chance = os.urandom(_CHANCE * len(pairs))
    await tx.execute(
        SQL["append"],
        [_time_ordered_id(w.last_updated, chance[n * _CHANCE : (n + 1) * _CHANCE]) for n, (w, _) in enumerate(pairs)],
        [tenant] * len(pairs),
        [w.type for w, _ in pairs],
        [w.id for w, _ in pairs],
        [w.ver for w, _ in pairs],
        [w.op if w.op == "delete" else c.act or w.op for w, c in pairs],
        [keys[w.type, w.id] for w, _ in pairs],
        [w.last_updated for w, _ in pairs],
        [c.trace_id for _, c in pairs],
        [c.client for _, c in pairs],
        [c.inbox_id for _, c in pairs],
        [hashlib.sha256(w.body).digest() for w, _ in pairs],
        [c.way for _, c in pairs],
    )


async def follow(tx: Tx, after: int, upto: int, limit: int) -> list[Event]:
    """Up to ``limit`` events with ``after < seq <= upto``, in order. ``upto`` comes from :class:`Horizon`, asked before this call."""
    return [Event(*row) for row in await tx.fetch(SQL["follow"], after, upto, limit)]


async def follow_types(tx: Tx, after: int, upto: int, limit: int, types: Sequence[str], *, tenant: str | None) -> list[Event]:
    """The same for resources of some types alone, of one tenant or (None) of all."""
    return [Event(*row) for row in await tx.fetch(SQL["follow_some"], after, upto, limit, tenant, list(types), None)]


async def find(tx: Tx, seqs: Sequence[int]) -> list[Event]:
    """The events with these numbers, in order; those that are no longer kept are absent."""
    return [Event(*row) for row in await tx.fetch(SQL["find"], list(seqs))]


async def window(tx: Tx, since: datetime, until: datetime) -> tuple[int, int]:
    """First and last number of the events with ``since <= at < until``; (0, 0) where there are none."""
    row = await tx.fetchrow(SQL["window"], since, until)
    assert row is not None
    return row["first"], row["last"]


def _time_ordered_id(at: datetime, chance: bytes) -> uuid.UUID:
    """A UUID version 7 (RFC 9562 section 5.7): it says when."""
    random = int.from_bytes(chance, "big")
    milliseconds = int(at.timestamp() * 1000) & 0xFFFFFFFFFFFF
    return uuid.UUID(int=milliseconds << 80 | 7 << 76 | (random >> 68 & 0xFFF) << 64 | 2 << 62 | random & 0x3FFFFFFFFFFFFFFF)


def written_at(id_: uuid.UUID) -> datetime:
    """When the event with this id was written, to a millisecond; some time, for an id that is none of ours."""
    return _EPOCH + timedelta(milliseconds=min(id_.int >> 80, _LAST))
