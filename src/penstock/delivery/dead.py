"""Dead letters and the delivery log: seen, tried again, or discarded with a reason. Nothing leaves in silence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

from penstock.db import Tx
from penstock.delivery import registry
from penstock.delivery.registry import SQL
from penstock.errors import Problem


async def entries(
    tx: Tx, *, subscription: str | None = None, state: str | None = None, after: int = 0, limit: int = 100
) -> list[dict[str, Any]]:
    """The delivery log: each delivery with its state, reason, payload reference and attempts, from the event number ``after`` on."""
    return [_entry(row) for row in await tx.fetch(SQL["log"], subscription, state, after, limit)]


async def of_events(tx: Tx, seqs: Sequence[int]) -> list[dict[str, Any]]:
    """What became of these events at every subscriber: for the trace."""
    return [_entry(row) for row in await tx.fetch(SQL["by_seq"], list(seqs))]


async def retry(tx: Tx, subscription: str, seqs: Sequence[int] | None, *, client: str, reason: str, now: datetime) -> int:
    """Try dead letters of a subscription again (None: all of them); how many. Done twice, the second time finds none.

    They go out as a replay: later events of the same key may have been sent already, and the subscriber is told so by the mark.
    """
    number = await _number(tx, subscription)
    replay = int(await tx.fetchval(SQL["new_replay"], number, now, client, reason, orjson.dumps({"dead": True}).decode(), 0))
    count = _affected(await tx.execute(SQL["revive"], number, None if seqs is None else list(seqs), now, replay))
    await tx.execute(SQL["count_replay"], replay, count)
    return count


async def discard(tx: Tx, subscription: str, seqs: Sequence[int] | None, *, reason: str, now: datetime) -> int:
    """Give dead letters up (None: all of them) for a reason that is kept with each; how many."""
    if not reason.strip():
        raise Problem("required", "a reason is needed to discard dead letters", at="reason")
    await _number(tx, subscription)
    return _affected(await tx.execute(SQL["discard"], subscription, None if seqs is None else list(seqs), now, reason))


async def counts(tx: Tx) -> dict[str, int]:
    """Conservation: ``due`` = delivered + pending + dead + discarded, where ``delivered`` includes what retention removed."""
    row = await tx.fetchrow(SQL["counts"])
    assert row is not None
    return {name: int(count) for name, count in row.items()}


async def _number(tx: Tx, subscription: str) -> int:
    found = await registry.get(tx, subscription)
    if found is None:
        raise Problem("not-found", "there is no such subscription")
    return found.number


def _entry(row: Any) -> dict[str, Any]:
    return dict(row) | {"history": orjson.loads(row["history"])}


def _affected(tag: str) -> int:
    return int(tag.rsplit(" ", 1)[-1])
