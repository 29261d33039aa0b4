"""Keeps a Registry up to date: what is there at the start, then what the event log and the table of packages say.

The process that stores a definition learns of it at its commit (:func:`notice`), every other process when it hears the bell, and the client
is answered when all of them know it (:meth:`Follower.settle`). Both the histories of the definition types, read at once, and the event log,
which misses nothing, may tell of the same version: one that is known is ignored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta

import zstandard

from penstock.auth.access import SYSTEM
from penstock.clock import Clock
from penstock.conformance.barrier import Barrier
from penstock.conformance.definition import KINDS, Definition, definition_of
from penstock.conformance.registry import Registry, Source
from penstock.db import Bell, Database, Tx, named_sql
from penstock.events import Horizon, follow_types
from penstock.store import Store, Written
from penstock.store.change import Window

_SQL = named_sql(__package__)
_IDLE_S = 1.0
#: How far back a look at the histories goes beyond the last one: versions are numbered before they commit.
_OVERLAP = timedelta(seconds=5)
_EVENTS = 1000
_PAGE = 25  # some definitions have megabytes


class Follower:
    """One for a process. ``bell`` is rung for definitions alone."""

    def __init__(self, registry: Registry, database: Database, store: Store, horizon: Horizon, bell: Bell, clock: Clock) -> None:
        self._registry = registry
        self._database = database
        self._store = store
        self._horizon = horizon
        self._bell = bell
        self._clock = clock
        self._barrier = Barrier(database)
        self._generation = 0
        self._position = 0
        self._looked_at = clock.now()
        self._packages: set[int] = set()
        self._looking = asyncio.Lock()

    async def start(self) -> None:
        """Learn everything that is there. Serve after this."""
        async with self._looking:
            self._generation, self._looked_at = await self._barrier.now(), self._clock.now()
            await self._barrier.reach(self._generation)
            self._position = await self._horizon.advance()
            async with self._database.connection() as tx:
                for type in sorted(KINDS):
                    await self._scan(tx, type)
                await self._follow_packages(tx)

    async def run(self) -> None:
        """Follow for ever."""
        while True:
            await self.look()
            await self._bell.wait(_IDLE_S)

    async def look(self) -> None:
        """Learn what changed since the last look."""
        async with self._looking:
            generation, now = await self._barrier.now(), self._clock.now()
            async with self._database.connection() as tx:
                if generation != self._generation:
                    await self._follow_packages(tx)
                    await self._follow_histories(tx, self._looked_at - _OVERLAP)
                    self._generation, self._looked_at = generation, now
                await self._follow_events(tx)
            await self._barrier.reach(generation)

    async def settle(self) -> None:
        """When this process has changed definitions, return when every process knows; else at once."""
        if self._registry.unsettled:
            self._registry.unsettled = False
            await self.publish()

    async def publish(self) -> None:
        """A change has committed: have every process look, and return when all have."""
        generation = await self._barrier.raise_it()
        self._bell.ring()
        await self._barrier.passed(generation)

    async def close(self) -> None:
        """This process follows no more; nobody waits for it."""
        await self._barrier.close()

    async def _follow_histories(self, tx: Tx, since: datetime) -> None:
        for type in sorted(KINDS):
            before: int | None = None
            while True:
                page = await self._store.history(tx, SYSTEM, type, window=Window(since, before=before), count=_PAGE)
                for version in page.entries:
                    take(self._registry, type, version.id, version.ver, version.body)
                before = page.before
                if before is None:
                    break

    async def _follow_events(self, tx: Tx) -> None:
        upto = await self._horizon.advance()
        while self._position < upto:
            events = await follow_types(tx, self._position, upto, _EVENTS, sorted(KINDS), tenant=SYSTEM.tenant)
            await self._read(tx, {(event.type, event.resource_id): event.ver for event in events})
            self._position = events[-1].seq if len(events) == _EVENTS else upto

    async def _scan(self, tx: Tx, type: str) -> None:
        cursor: str | None = ""
        while cursor is not None:
            query = [("_count", str(_PAGE)), ("_sort", "_lastUpdated")] + ([("_cursor", cursor)] if cursor else [])
            page = await self._store.search(tx, SYSTEM, type, query)
            for entry in page.entries:
                take(self._registry, type, entry.stored.id, entry.stored.ver, entry.stored.body)
            cursor = page.next

    async def _read(self, tx: Tx, changed: dict[tuple[str, str], int]) -> None:
        """The current versions of what changed; what is not there any more is dropped."""
        found = await self._store.read_many(tx, SYSTEM, changed) if changed else {}
        for (type, id), ver in changed.items():
            stored = found.get((type, id))
            take(self._registry, type, id, stored.ver if stored else ver, stored.body if stored else b"")

    async def _follow_packages(self, tx: Tx) -> None:
        there = {row["number"] for row in await tx.fetch(_SQL["numbers"])}
        for gone in sorted(self._packages - there):
            for source in self._registry.sources(gone):
                self._registry.drop(source)
        for new in sorted(there - self._packages):
            for row in await tx.fetch(_SQL["definitions"], new):
                definition = Definition(row["type"], row["url"], row["version"], row["status"], row["date"], row["name"])
                self._registry.put(definition, zstandard.decompress(row["content"]), Source(new, str(row["n"])))
        self._packages = there


def notice(registry: Registry, written: Iterable[Written]) -> None:
    """What this process has just committed."""
    for each in written:
        if each.type in KINDS:
            registry.unsettled = True
            take(registry, each.type, each.id, each.ver, each.body)


def take(registry: Registry, type: str, id: str, ver: int, body: bytes) -> None:
    """A version of a stored resource; without a body it was deleted."""
    definition = definition_of(body) if body else None
    source = Source(None, f"{type}/{id}")
    if definition is None:
        registry.drop(source, ver)
    else:
        registry.put(definition, body, source, ver)
