"""Indexing again what is stored, when search parameters or the layout of rows have changed; in the background, in small transactions.

Each row says by which parameters it is indexed, so that work may stop anywhere and go on later, in this process or another. It is
finished when a count over the whole table finds no row that is indexed otherwise; only then are the new parameters searched by.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from penstock import log
from penstock.clock import Clock
from penstock.db import Database, Tx, named_sql
from penstock.errors import Problem, explain
from penstock.formats.fhir import json
from penstock.store.body import Bodies
from penstock.store.index import Index, Marks
from penstock.store.layout import layout
from penstock.store.row import Row
from penstock.store.statements import SQL
from penstock.store.tables import Tables
from penstock.store.write import add_side_rows, numbers

_log = log.get("store")
_SQL = named_sql(__package__, "reindex.sql")

#: Rows of one transaction; between two of them others get as much time as it took.
BATCH = 100
#: How long other processes may take to learn of new parameters: until then they may still write rows that are indexed as before.
GRACE = timedelta(seconds=3)


class State(NamedTuple):
    """How far one type is indexed. ``done`` of ``total`` rows; when ``finished_at`` is there, both are what a count has proved."""

    type: str
    ready: bool
    done: int
    total: int
    started_at: datetime | None
    finished_at: datetime | None
    problem: str | None


class Reindexer:
    """Looks now and then whether there is work, and does it. ``async with`` or :meth:`run`; :meth:`look` does one round."""

    def __init__(self, database: Database, index: Index, tables: Tables, bodies: Bodies, clock: Clock, *, grace: timedelta = GRACE) -> None:
        self._database = database
        self._index = index
        self._tables = tables
        self._bodies = bodies
        self._clock = clock
        self._grace = grace

    async def load(self) -> None:
        """Learn from the database how far each type is indexed: what a search may ask for depends on it."""
        async with self._database.transaction(readonly=True) as tx:
            self._index.note(_marks(await tx.fetch(_SQL["states"])))

    async def run(self, every_s: float = 1.0) -> None:
        """Until it is cancelled."""
        while True:
            try:
                await self.look()
            except Exception as error:
                _log.warning("store.reindex", code=explain(error).code)
            await asyncio.sleep(every_s)

    async def look(self) -> int:
        """Index what is not; returns the number of rows that were."""
        await self.load()
        async with self._database.transaction(readonly=True) as tx:
            types = [type for type in await self._tables.all(tx) if not self._index.is_whole(type)]
        done = 0
        for type in types:
            try:
                done += await self._type(type)
            except Exception as error:
                async with self._database.transaction() as tx:
                    await tx.execute(_SQL["stop"], type.lower(), explain(error).text)
                raise
        if types:
            await self.load()
        return done

    async def _type(self, type: str) -> int:
        version, marks, now = self._index.version(type), self._index.marks(type), self._clock.now()
        async with self._database.transaction() as tx:
            await tx.execute(_of(type, "begin"), type.lower(), version, now)
            started = await tx.fetchval("select started_at from search_index where type = $1", type.lower())
        done = await self._rows(type, version)
        if self._clock.now() - started < self._grace:
            return done  # the next look goes on
        async with self._database.transaction() as tx:
            await tx.execute(_SQL["fence"], type.lower())
        async with self._database.transaction() as tx:
            if not await tx.fetchval(_SQL["is_over"], type.lower()):
                return done
            [(total, stale)] = await tx.fetch(_of(type, "prove"), version)
            if not stale and self._index.version(type) == version:
                await tx.execute(
                    _SQL["finish"], type.lower(), marks.layout, marks.base, sorted(marks.params), version, total, self._clock.now()
                )
        return done

    async def _rows(self, type: str, version: int) -> int:
        done, after = 0, 0
        while self._index.version(type) == version:
            begun = self._clock.monotonic()
            async with self._database.transaction() as tx:
                rows = await tx.fetch(_of(type, "take"), after, version, BATCH)
                if not rows:
                    return done
                await self._again(tx, type, rows)
                await tx.execute(_SQL["advance"], type.lower(), len(rows))
            after = rows[-1]["rid"]
            done += len(rows)
            await asyncio.sleep(self._clock.monotonic() - begun)
        return done

    async def _again(self, tx: Tx, type: str, rows: Sequence[Any]) -> None:
        names = {row["number"]: row["name"] for row in await tx.fetch(_SQL["tenants"])}
        indexed = [(row["rid"], await self._row(tx, type, row, names)) for row in rows]
        columns = map(
            list, zip(*((rid, row.pat, row.code, row.dlo, row.dhi, *row.number, row.has, row.ix) for rid, row in indexed), strict=True)
        )
        await tx.execute(_of(type, "put_index"), *map(numbers, columns), [numbers(row.tok) for _, row in indexed])
        await tx.execute(SQL["forget"], [rid for rid, _ in indexed])
        await add_side_rows(tx, indexed)

    async def _row(self, tx: Tx, type: str, row: Any, names: Mapping[int, str]) -> Row:
        if not self._bodies.knows(row["content"]):
            await self._bodies.load(tx)
        tenant = names.get(row["tenant"])
        if tenant is None:
            raise Problem("exception", "a row belongs to a tenant that has no name")
        resource = json.decode(self._bodies.unpack(row["content"]))
        return self._index.row(tenant, type, row["id"], self._index.parameters.extract(resource))


def _of(type: str, name: str) -> str:
    return _SQL[name].replace("{current}", layout(type).current)


def _marks(rows: Sequence[Any]) -> dict[str, Marks]:
    return {row["type"]: Marks(row["layout"], row["base"], frozenset(row["params"])) for row in rows}


async def states(tx: Tx, index: Index, tables: Tables) -> list[State]:
    """How far each type in use is indexed, for an operator."""
    names = {type.lower(): type for type in await tables.all(tx)}
    found = []
    for row in await tx.fetch(_SQL["states"]):
        if type := names.get(row["type"]):
            ready = Marks(row["layout"], row["base"], frozenset(row["params"])) == index.marks(type)
            found.append(State(type, ready, row["done"], row["total"], row["started_at"], row["finished_at"], row["problem"]))
    return found
