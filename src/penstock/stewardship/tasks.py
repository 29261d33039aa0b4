"""Tasks: one for each code of each interface that nobody knows, and the messages that wait for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from penstock.convert import Steward as Unknown
from penstock.db import Tx, named_sql

SQL = named_sql(__package__)


class Task(NamedTuple):
    """A code to be mapped. ``target`` is the value set or code table that it should have a member of; ``waiting`` messages wait for it."""

    number: int
    interface: str
    system: str
    code: str
    target: str
    first_seen: datetime
    state: str
    settled_at: datetime | None
    settled_by: str | None
    waiting: int
    last: int | None
    examples: Sequence[int]


async def note(tx: Tx, found: Iterable[tuple[str, int, Sequence[Unknown]]], now: datetime) -> None:
    """Keep the unknown codes of a batch: (interface, inbox id, codes), in the transaction that stores what the messages became."""
    waiting = sorted({(interface, one.system, one.code, inbox_id) for interface, inbox_id, codes in found for one in codes})
    if not waiting:
        return
    targets = {(interface, one.system, one.code): one.target for interface, _, codes in found for one in codes}
    tasks = sorted((*key, target) for key, target in targets.items())  # in one order, so that two batches do not wait for each other
    await tx.execute(SQL["add_tasks"], *map(list, zip(*tasks, strict=True)), [now] * len(tasks))
    await tx.execute(SQL["add_waiting"], *map(list, zip(*waiting, strict=True)))


async def tasks(tx: Tx, *, state: str | None = None, interface: str | None = None, limit: int = 100) -> list[Task]:
    """Tasks, those with the most waiting messages first."""
    return [Task(*row) for row in await tx.fetch(SQL["tasks"], state, interface, limit)]
