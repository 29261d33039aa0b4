"""Keeps a Registry up to date: what is there at the start, then what the event log and the table of packages say.

The process that stores a definition learns of it at its commit (:func:`notice`), before its client is answered; every other
process hears the bell, and at the latest looks after a second. Both may tell the same: a version that is known is ignored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import zstandard

from penstock.auth.access import SYSTEM
from penstock.conformance.definition import KINDS, Definition, definition_of
from penstock.conformance.registry import Registry, Source
from penstock.db import Database, Tx, named_sql
from penstock.events import Horizon, follow_types
from penstock.store import Store, Written

_SQL = named_sql(__package__)
#: Looks that follow each other on a busy log are this far apart at least.
_APART_S = 0.1
_IDLE_S = 1.0
_EVENTS = 1000
_PAGE = 200


class Follower:
    """``hear`` waits for the bell of the event log, for a number of seconds at most."""

    def __init__(
        self, registry: Registry, database: Database, store: Store, horizon: Horizon, hear: Callable[[float], Awaitable[object]]
    ) -> None:
        self._registry = registry
        self._database = database
        self._store = store
        self._horizon = horizon
        self._hear = hear
        self._position = 0
        self._packages: set[int] = set()
        self._looking = asyncio.Lock()

    async def start(self) -> None:
        """Learn everything that is there. Serve after this."""
        async with self._looking:
            self._position = await self._horizon.advance()
            async with self._database.connection() as tx:
                for type in sorted(KINDS):
                    await self._scan(tx, type)
                await self._follow_packages(tx)

    async def run(self) -> None:
        """Follow for ever."""
        while True:
            await self.look()
            await asyncio.sleep(_APART_S)
            await self._hear(_IDLE_S)

    async def look(self) -> None:
        """Learn what changed since the last look."""
        async with self._looking:
            upto = await self._horizon.advance()
            async with self._database.connection() as tx:
                await self._follow_packages(tx)
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
            take(registry, each.type, each.id, each.ver, each.body)


def take(registry: Registry, type: str, id: str, ver: int, body: bytes) -> None:
    """A version of a stored resource; without a body it was deleted."""
    definition = definition_of(body) if body else None
    source = Source(None, f"{type}/{id}")
    if definition is None:
        registry.drop(source, ver)
    else:
        registry.put(definition, body, source, ver)
