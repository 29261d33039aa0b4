"""Room ahead and an end behind: partitions of the log are made before they are needed and dropped when they are too old."""

from __future__ import annotations

import re
from datetime import datetime

from penstock.db import Database, Tx
from penstock.events.log import SQL

#: Events of one partition. Two whole ones are kept ahead: hours of the highest rate we know.
SPAN = 20_000_000

_BOUND = re.compile(r"FROM \('?(\d+)'?\) TO \('?(\d+)'?\)")
_LOCK = 0x6576656E74  # "event": one process at a time changes partitions


async def keep(database: Database, *, before: datetime | None = None, still_needed: int | None = None) -> tuple[int, int]:
    """Make the partitions ahead, and drop those whose events are all older than ``before`` and below ``still_needed``
    (the lowest cursor of the followers). Returns how many were made and dropped. Call it at start and every few minutes."""
    async with database.transaction() as tx:
        await tx.execute("set local lock_timeout = '2s'")
        await tx.fetchval("select pg_advisory_xact_lock($1)", _LOCK)
        bounds = await _bounds(tx)
        last = int(await tx.fetchval(SQL["last"]))
        made = 0
        top = max(high for _, _, high in bounds)
        while top < last + 2 * SPAN:
            await tx.execute(_attach(top))
            top += SPAN
            made += 1
        dropped = 0
        for name, _, high in sorted(bounds, key=lambda bound: bound[1]):
            if before is None or high > min(last, last if still_needed is None else still_needed):
                break
            if await tx.fetchval(f'select exists (select from "{name}" where at >= $1)', before):
                break
            await tx.execute(f'drop table "{name}"')
            await tx.execute(SQL["raise_floor"], high - 1)
            dropped += 1
        return made, dropped


async def _bounds(tx: Tx) -> list[tuple[str, int, int]]:
    found = [(row["name"], _BOUND.search(row["bound"])) for row in await tx.fetch(SQL["partitions"])]
    return [(name, int(match[1]), int(match[2])) for name, match in found if match]


def _attach(low: int) -> str:
    # Attaching takes a weaker lock than creating in place: writers do not wait.
    name = f"event_{low // SPAN}"
    return f"""create table {name} (like event including defaults including constraints);
        alter table event attach partition {name} for values from ({low}) to ({low + SPAN})"""
