"""A registry in every process knows what any of them stores."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from penstock.auth.access import SYSTEM
from penstock.conformance import KINDS, Follower, Registry, notice
from penstock.db import Bell, Database, Tx, after_commit
from penstock.events import Horizon, append
from penstock.store import Cause, Change, Store, Written

URL = "http://example.org/CodeSystem/colours"
CAUSE = Cause("0" * 32, None, "test", datetime(2026, 1, 1, tzinfo=UTC))


class Process:
    """What one process of the program has."""

    def __init__(self, database: Database, bell: Bell) -> None:
        self.database, self.bell = database, bell
        self.registry = Registry()
        self.store = Store(self.announce)
        self.follower = Follower(self.registry, database, self.store, Horizon(database), bell.wait)

    async def announce(self, tx: Tx, written: Sequence[Written], causes: Sequence[Cause], *, tenant: str) -> None:
        await append(tx, written, list(causes), tenant=tenant)
        after_commit(tx, partial(notice, self.registry, [each for each in written if each.type in KINDS]))
        after_commit(tx, self.bell.ring)

    async def write(self, *changes: Change) -> None:
        await self.store.ensure(self.database, {change.type for change in changes})
        async with self.database.transaction() as tx:
            for outcome in await self.store.write(tx, SYSTEM, changes, CAUSE):
                assert isinstance(outcome, Written), outcome


@pytest.fixture
async def processes(database: Database) -> AsyncIterator[tuple[Process, Process]]:
    async with Bell(database, "penstock_events") as here, Bell(database, "penstock_events") as there:
        yield Process(database, here), Process(database, there)


def code_system(**more: Any) -> dict[str, Any]:
    return {"resourceType": "CodeSystem", "url": URL, "status": "active", "content": "complete", **more}


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)


async def test_what_one_process_stores_is_in_force_there_at_once_and_soon_elsewhere(processes: tuple[Process, Process]) -> None:
    here, there = processes
    await there.follower.start()
    following = asyncio.create_task(there.follower.run())
    await here.write(Change("update", "CodeSystem", "colours", code_system(version="1")))
    assert (here.registry.find("CodeSystem", URL) or {})["version"] == "1"
    await until(lambda: there.registry.find("CodeSystem", URL))
    await here.write(Change("update", "CodeSystem", "colours", code_system(version="2")))
    await until(lambda: (there.registry.find("CodeSystem", URL) or {})["version"] == "2")
    await here.write(Change("delete", "CodeSystem", "colours"))
    assert here.registry.find("CodeSystem", URL) is None
    await until(lambda: there.registry.find("CodeSystem", URL) is None)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_a_process_that_starts_knows_everything_that_is_stored(processes: tuple[Process, Process]) -> None:
    here, there = processes
    many = [Change("update", "CodeSystem", f"c{n}", code_system(url=f"{URL}/{n}")) for n in range(450)]
    await here.write(*many)
    await there.follower.start()
    assert len(there.registry.entries("CodeSystem")) == 450
    revision = there.registry.revision
    await there.follower.look()
    assert there.registry.revision == revision
    assert here.registry.find("CodeSystem", f"{URL}/449") == there.registry.find("CodeSystem", f"{URL}/449")
