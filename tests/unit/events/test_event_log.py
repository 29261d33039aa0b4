"""Append and follow on a real PostgreSQL."""

from __future__ import annotations

import hashlib

import pytest

from penstock.db import Database
from penstock.events import Horizon, append, follow
from penstock.events.log import find, window
from tests.event_versions import Version, Why


async def everything(database: Database) -> list:
    upto = await Horizon(database).advance()
    async with database.transaction() as tx:
        return await follow(tx, 0, upto, 1000)


async def test_each_version_that_was_written_has_one_event(database: Database) -> None:
    async with database.transaction() as tx:
        await append(tx, [Version(ver=1), Version(ver=2, op="update"), Version(ver=3, op="delete", body=b"")], Why())
    events = await everything(database)
    assert [(e.subject, e.ver, e.name) for e in events] == [
        ("Patient/1", 1, "penstock.resource.created"),
        ("Patient/1", 2, "penstock.resource.updated"),
        ("Patient/1", 3, "penstock.resource.deleted"),
    ]
    assert events[0].hash == hashlib.sha256(Version().body).digest()
    assert (events[0].trace_id, events[0].inbox_id, events[0].source) == (Why.trace_id, 7, "interface:adt")


async def test_a_write_that_changed_nothing_has_no_event(database: Database) -> None:
    async with database.transaction() as tx:
        await append(tx, [Version(op="same")], Why())
    assert await everything(database) == []


async def test_a_rolled_back_write_has_no_event(database: Database) -> None:
    with pytest.raises(RuntimeError):
        async with database.transaction() as tx:
            await append(tx, [Version()], Why())
            raise RuntimeError
    assert await everything(database) == []


async def test_the_order_of_a_large_batch_is_the_order_of_the_log(database: Database) -> None:
    async with database.transaction() as tx:
        await append(tx, [Version(id=str(n)) for n in range(3000)], Why())
        await append(tx, [Version(id=str(n), ver=2, op="update") for n in range(3000)], [Why(trace_id=str(n)) for n in range(3000)])
    upto = await Horizon(database).advance()
    async with database.transaction() as tx:
        events = await follow(tx, 0, upto, 10_000)
    assert [e.resource_id for e in events] == [str(n) for n in range(3000)] * 2
    assert events[-1].trace_id == "2999"
    assert len({e.id for e in events}) == 6000


async def test_a_resource_keeps_its_lane_when_it_moves_to_another_patient_and_when_it_is_deleted(
    database: Database,
) -> None:
    first = Version("Encounter", "e", 1, "create", body=b'{"subject":{"reference":"Patient/a"}}')
    moved = Version("Encounter", "e", 2, "update", body=b'{"subject":{"reference":"Patient/b"}}')
    gone = Version("Encounter", "e", 3, "delete", body=b"")
    for version in (first, moved, gone):
        async with database.transaction() as tx:
            await append(tx, [version], Why())
    assert {e.key for e in await everything(database)} == {"Patient/a"}


async def test_events_are_found_by_number_and_by_window_of_time(database: Database) -> None:
    async with database.transaction() as tx:
        await append(tx, [Version(id="a"), Version(id="b")], Why())
        at = Version.last_updated
        assert await window(tx, at, at.replace(year=2027)) == (1, 2)
        assert await window(tx, at.replace(year=2027), at.replace(year=2028)) == (0, 0)
        assert [e.resource_id for e in await find(tx, [2, 99])] == ["b"]
