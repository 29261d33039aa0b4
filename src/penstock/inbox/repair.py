"""What an operator does about messages that stopped: release a lane, replay messages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from penstock.db import Tx, named_sql

_SQL = named_sql(__package__)


async def release(tx: Tx, lanes: Sequence[int]) -> None:
    """Let lanes go on: what waited in them is ready again, in its order. The message that stopped a lane stays where it is."""
    await tx.execute(_SQL["release"], list(lanes))


async def preview(
    tx: Tx,
    *,
    ids: Sequence[int] = (),
    interface: str | None = None,
    state: str | None = None,
    code: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 10_000,
) -> list[int]:
    """The finished messages that a filter selects, oldest first: what :func:`replay` of them would take up again."""
    found: list[Any] = await tx.fetch(_SQL["replayable"], list(ids), interface, state, code, since, until, limit)
    return [row["id"] for row in found]


async def replay(tx: Tx, ids: Sequence[int]) -> list[int]:
    """Make finished messages ready again, as a new attempt; the ids that were. A lane that one of them had stopped goes on."""
    return [row["id"] for row in await tx.fetch(_SQL["replay"], list(ids))]
