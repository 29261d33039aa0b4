"""Looking things up in the log: by trace, by resource, by event id. For the trace; followers use ``follow``."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from penstock.db import Tx
from penstock.events.log import SQL, Event


async def of_traces(tx: Tx, trace_ids: Sequence[str]) -> list[Event]:
    """The events of these traces, in order; the first thousand."""
    return [Event(*row) for row in await tx.fetch(SQL["of_traces"], [t for t in trace_ids if t])]


async def of_resource(tx: Tx, type_: str, id_: str, *, limit: int) -> list[Event]:
    """The newest events of a resource, the newest first; of a Patient, also those of what belongs to it."""
    return [Event(*row) for row in await tx.fetch(SQL["of_resource"], type_, id_, f"{type_}/{id_}", limit)]


async def of_id(tx: Tx, id_: uuid.UUID) -> Event | None:
    """The event with this id."""
    row = await tx.fetchrow(SQL["of_id"], id_)
    return Event(*row) if row is not None else None
