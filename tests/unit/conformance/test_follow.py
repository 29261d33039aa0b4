"""A registry in every process knows what any of them stores."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from penstock.auth.access import SYSTEM
from penstock.clock import SystemClock
from penstock.conformance import KINDS, Follower, Registry, notice
from penstock.db import Bell, Database, Tx, after_commit
from penstock.events import Horizon, append
from penstock.store import Cause, Change, Store, Written

URL = "http://example.org/CodeSystem/colours"
CAUSE = Cause("0" * 32, None, "test", datetime(2026, 1, 1, tzinfo=UTC))


class Process:
    """What one process of the program has."""

    def __init__(self, database: Database, bell: Bell) -> None:
        self.database = database
        self.registry = Registry()
        self.store = Store(self.announce)
        self.follower = Follower(self.registry, database, self.store, Horizon(database), bell, SystemClock())

    async def announce(self, tx: Tx, written: Sequence[Written], causes: Sequence[Cause], *, tenant: str) -> None:
        await append(tx, written, list(causes), tenant=tenant)
        after_commit(tx, partial(notice, self.registry, [each for each in written if each.type in KINDS]))

    async def write(self, *changes: Change) -> None:
        await self.store.ensure(self.database, {change.type for change in changes})
        async with self.database.transaction() as tx:
            for outcome in await self.store.write(tx, SYSTEM, changes, CAUSE):
                assert isinstance(outcome, Written), outcome


@pytest.fixture
async def processes(database: Database) -> AsyncIterator[tuple[Process, Process]]:
    async with Bell(database, "penstock_definitions") as here, Bell(database, "penstock_definitions") as there:
        both = Process(database, here), Process(database, there)
        yield both
        for each in both:
            await each.follower.close()


def code_system(**more: Any) -> dict[str, Any]:
    return {"resourceType": "CodeSystem", "url": URL, "status": "active", "content": "complete", **more}


@asynccontextmanager
async def following(*processes: Process) -> AsyncIterator[None]:
    """They have started and follow."""
    for each in processes:
        await each.follower.start()
    tasks = [asyncio.create_task(each.follower.run()) for each in processes]
    await asyncio.sleep(0.05)
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_what_one_process_stores_is_in_force_everywhere_when_it_has_settled(processes: tuple[Process, Process]) -> None:
    here, there = processes
    async with following(here, there):
        for version in ("1", "2", "3"):
            await here.write(Change("update", "CodeSystem", "colours", code_system(version=version)))
            assert (here.registry.find("CodeSystem", URL) or {})["version"] == version
            await here.follower.settle()
            assert (there.registry.find("CodeSystem", URL) or {})["version"] == version
        await here.write(Change("delete", "CodeSystem", "colours"))
        assert here.registry.find("CodeSystem", URL) is None
        await here.follower.settle()
        assert there.registry.find("CodeSystem", URL) is None


async def test_a_transaction_of_somebody_else_that_stays_open_delays_no_definition(processes: tuple[Process, Process]) -> None:
    here, there = processes
    async with following(here, there), here.database.transaction() as slow:
        await here.store.ensure(here.database, ["Basic"])
        await here.store.write(slow, SYSTEM, [Change("update", "Basic", "b", {"resourceType": "Basic", "code": {"text": "b"}})], CAUSE)
        await here.write(Change("update", "CodeSystem", "colours", code_system(version="1")))
        await here.follower.settle()
        assert there.registry.find("CodeSystem", URL) is not None


async def test_nobody_waits_for_a_process_that_died(processes: tuple[Process, Process]) -> None:
    here, there = processes
    async with following(here):
        await there.follower.start()  # and then it does not follow
        await here.write(Change("update", "CodeSystem", "colours", code_system(version="1")))
        settling = asyncio.create_task(here.follower.settle())
        done, _ = await asyncio.wait([settling], timeout=0.3)
        assert not done
        await there.follower.close()
        async with asyncio.timeout(1):
            await settling


async def test_what_was_missed_by_the_bell_is_learned_from_the_log(processes: tuple[Process, Process]) -> None:
    here, there = processes
    await there.follower.start()
    await here.write(Change("update", "CodeSystem", "colours", code_system(version="1")))
    await there.follower.look()
    assert there.registry.find("CodeSystem", URL) is not None


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
