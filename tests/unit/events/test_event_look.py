"""Looking things up in the log."""

from __future__ import annotations

from penstock.db import Database
from penstock.events import append, look
from penstock.events.log import find
from tests.event_versions import Version, Why


async def test_events_are_found_by_trace_by_resource_and_by_id(database: Database) -> None:
    result = Version("Observation", "o", body=b'{"subject":{"reference":"Patient/1"}}')
    async with database.transaction() as tx:
        await append(tx, [Version(), result, Version(id="2")], [Why(trace_id="a"), Why(trace_id="b"), Why(trace_id="")])
        assert [e.subject for e in await look.of_traces(tx, ["a", "b"])] == ["Patient/1", "Observation/o"]
        assert [e.subject for e in await look.of_resource(tx, "Observation", "o", limit=9)] == ["Observation/o"]
        (event,) = await find(tx, [2])
        assert await look.of_id(tx, event.id) == event
