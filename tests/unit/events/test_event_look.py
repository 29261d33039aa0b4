"""Looking things up in the log."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from penstock.db import Database
from penstock.events import append, look
from penstock.events.log import find, written_at
from tests.event_versions import Version, Why


async def test_events_are_found_by_trace_by_resource_and_by_id(database: Database) -> None:
    result = Version("Observation", "o", body=b'{"subject":{"reference":"Patient/1"}}')
    async with database.transaction() as tx:
        await append(tx, [Version(), result, Version(id="2")], [Why(trace_id="a"), Why(trace_id="b"), Why(trace_id="")])
        assert [e.subject for e in await look.of_traces(tx, ["a", "b"])] == ["Patient/1", "Observation/o"]
        assert [e.subject for e in await look.of_resource(tx, "Observation", "o", limit=9)] == ["Observation/o"]
        events = await find(tx, [1, 2, 3])
        assert [await look.of_id(tx, event.id) for event in events] == events
        assert await look.of_id(tx, uuid.UUID(int=2**128 - 1)) is None
        assert await look.of_id(tx, uuid.UUID(int=events[0].id.int ^ 1)) is None


async def test_an_id_is_looked_up_where_events_of_its_time_lie(database: Database) -> None:
    moments = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=n, milliseconds=n) for n in range(3000)]
    async with database.transaction() as tx:
        await append(tx, [Version(id=str(n), last_updated=at) for n, at in enumerate(moments)], [Why(trace_id="t")] * len(moments))
    async with database.connection() as tx:
        await tx.execute("vacuum analyze event")
        await tx.execute("set enable_seqscan = off")
        for event in await find(tx, [1, 1500, 3000]):
            assert await look.of_id(tx, event.id) == event
            at = written_at(event.id)
            plan = await tx.fetch("explain " + look._SQL["of_id"], event.id, at, at + timedelta(milliseconds=1))
            assert "event_0_at_idx" in "".join(row[0] for row in plan)
