"""Looking events up, for a trace: by what caused them, by resource, by id."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from penstock.db import Tx, named_sql
from penstock.events.log import Event, written_at

_SQL = named_sql(__package__, "look.sql")
_MILLISECOND = timedelta(milliseconds=1)


class Agent(NamedTuple):
    """Who made a version, and the trace in which they did it."""

    source: str
    trace_id: str


async def of_traces(tx: Tx, trace_ids: Sequence[str], *, limit: int = 1000) -> list[Event]:
    """The events that these traces caused, in order."""
    return [Event(*row) for row in await tx.fetch(_SQL["of_traces"], list(trace_ids), limit)]


async def of_resource(tx: Tx, type_: str, id_: str, *, limit: int = 100) -> list[Event]:
    """The newest events about a resource, newest first."""
    return [Event(*row) for row in await tx.fetch(_SQL["of_resource"], type_, id_, limit)]


async def newest(tx: Tx, below: int, source: str | None, since: datetime | None, until: datetime | None, limit: int) -> list[Event]:
    """The newest events that no message caused, newest first: with a number below, of a source (None: of any) and a span of time."""
    return [Event(*row) for row in await tx.fetch(_SQL["newest"], below, source, since, until, limit)]


async def of_id(tx: Tx, id_: uuid.UUID) -> Event | None:
    """The event with this id, or None."""
    at = written_at(id_)
    row = await tx.fetchrow(_SQL["of_id"], id_, at - _MILLISECOND, at + _MILLISECOND)
    return Event(*row) if row else None


async def of_versions(tx: Tx, tenant: str, keys: Sequence[tuple[str, str, int]]) -> dict[tuple[str, str, int], Agent]:
    """Who made each version, by (type, id, version); versions whose events are no longer kept are missing."""
    columns = [list(column) for column in zip(*keys, strict=True)] if keys else [[], [], []]
    return {tuple(row[:3]): Agent(*row[3:]) for row in await tx.fetch(_SQL["of_versions"], tenant, *columns)}
