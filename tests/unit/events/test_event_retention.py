"""Partitions are made ahead of the log and dropped behind it."""

from __future__ import annotations

from datetime import UTC, datetime

from penstock.db import Database
from penstock.events import Horizon, append, follow
from penstock.events.retention import SPAN, keep
from tests.event_versions import Version, Why


async def test_room_is_made_ahead_before_the_log_needs_it(database: Database) -> None:
    assert await keep(database) == (0, 0)
    async with database.transaction() as tx:
        await tx.execute("select setval('event_seq', $1)", 3 * SPAN - 2)
    assert await keep(database) == (2, 0)
    async with database.transaction() as tx:
        await append(tx, [Version(id=str(n)) for n in range(4)], Why())
    upto = await Horizon(database).advance()
    async with database.transaction() as tx:
        assert [e.seq for e in await follow(tx, 0, upto, 10)] == [3 * SPAN - 1 + n for n in range(4)]


async def test_only_what_is_old_and_told_is_dropped_and_the_floor_says_so(database: Database) -> None:
    async with database.transaction() as tx:
        await append(tx, [Version()], Why())
        await tx.execute("select setval('event_seq', $1)", SPAN + 5)
        await append(tx, [Version(id="2")], Why())
    later, earlier = datetime(2027, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
    assert await keep(database, before=earlier) == (1, 0)
    assert await keep(database, before=later, still_needed=3) == (0, 0)
    assert await keep(database, before=later) == (0, 1)
    async with database.transaction() as tx:
        assert await tx.fetchval("select seq from event_floor") == SPAN - 1
        assert [e.resource_id for e in await follow(tx, 0, 2 * SPAN, 10)] == ["2"]
