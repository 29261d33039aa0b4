"""Working off the inbox: claim whole lanes, then say of each message that it is done, postponed or buried.

A claim is two advisory-lock statements and nothing else: it lives exactly as long as the transaction that also stores what the message
became. A worker that is killed leaves nothing behind, and the same messages are claimed again in the same order.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from penstock.db import Tx, named_sql
from penstock.errors import Problem
from penstock.inbox.look import bodies
from penstock.inbox.message import Received

_SQL = named_sql(__package__)


async def claim(tx: Tx, *, limit: int, now: datetime | None = None) -> list[Received]:
    """Up to ``limit`` messages, oldest first; their lanes are this transaction's until it ends. ``now`` defaults to the database's time.

    Within a lane the messages are the oldest open ones, without a gap. Lanes that stand still are left out.
    """
    locked = await tx.fetch(_SQL["lock_lanes"], limit, now)
    if not locked:
        return []
    rows = await tx.fetch(_SQL["claim"], [row["lane"] for row in locked], locked[0]["upto"], limit, now)
    raw = await bodies(tx, [(row["id"], row["received_at"]) for row in rows])
    return [
        Received(
            row["id"], row["interface"], row["lane"], raw[row["id"]], row["received_at"], row["trace_id"], row["attempts"],
            row["source"], row["control_id"], row["type"], row["trigger"], row["collided"],
        )
        for row in rows
    ]  # fmt: skip


async def done(tx: Tx, outcomes: Iterable[tuple[int, str, str]], *, now: datetime | None = None) -> None:
    """Finish messages: each an (inbox id, ``stored`` or ``filtered``, reason), the reason of a stored one being empty."""
    ids, states, reasons = zip(*outcomes, strict=True)
    await tx.execute(_SQL["done"], list(ids), list(states), [reason or None for reason in reasons], now)


async def mark(tx: Tx, inbox_id: int) -> None:
    """Count an attempt before it is made; success takes nothing back. Its lane belongs to the transaction that claimed it."""
    await tx.execute(_SQL["mark"], inbox_id)


async def postpone(tx: Tx, inbox_id: int, problem: Problem, next_at: datetime, *, stage: str = "", now: datetime | None = None) -> None:
    """Try a message that did not pass ``stage`` again at ``next_at``; its lane waits for it, the others do not."""
    await tx.execute(_SQL["postpone"], inbox_id, problem.code, problem.text, problem.at, next_at, stage, now)


async def bury(tx: Tx, inbox_id: int, problem: Problem, *, hold: bool = False, stage: str = "", now: datetime | None = None) -> None:
    """Quarantine a message that did not pass ``stage``. Its lane goes on, or with ``hold`` stands still until it is released or the
    message is replayed."""
    await tx.execute(_SQL["bury"], inbox_id, problem.code, problem.text, problem.at, now, stage)
    if hold:
        await tx.execute(_SQL["hold"], inbox_id, now)
