"""What the database alone costs: the rows that creates wrote, inserted again by ``unnest`` into empty copies with the same indexes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from penstock.db import Database, Tx, connect

#: Rows in one transaction: what 64 clients bring at once.
BATCH = 64
_LIMIT = 20_000


class Copy(NamedTuple):
    """One table that a create writes: where its rows are read from, and its columns with their types."""

    table: str
    rows: str
    columns: dict[str, str]


RESOURCE = Copy(
    "r_observation",
    "select * from r_observation order by rid limit $1",
    {"rid": "int8", "self": "int8", "ver": "int4", "tenant": "int4", "pat": "int8", "code": "int8", "dlo": "int8", "dhi": "int8",
     "num": "float8", "common": "float8", "unit": "int8",
     "tok": "int8[]", "id": "text", "content": "bytea"},
)  # fmt: skip
RANGE = Copy(
    "rng",
    "select g.* from rng g join (select rid from r_observation order by rid limit $1) r using (rid) order by rid",
    {"param": "int8", "unit": "int8", "lo": "float8", "hi": "float8", "rid": "int8"},
)
EVENT = Copy(
    "event",
    "select e.* from event e join (select id from r_observation order by rid limit $1) r on e.resource_id = r.id order by seq",
    {"seq": "int8", "id": "uuid", "tenant": "text", "type": "text", "resource_id": "text", "ver": "int4", "op": "text",
     "key": "text", "at": "timestamptz", "trace_id": "text", "source": "text", "inbox_id": "int8", "hash": "bytea"},
)  # fmt: skip


async def bare_rates(url: str) -> dict[str, float]:
    """Creates a second of the database alone: their resource rows only, and every row that they write."""
    database = await connect(url, size=1)
    try:
        return {
            "the resource's row alone": await _rate(database, [RESOURCE]),
            "every row that a create writes": await _rate(database, [RESOURCE, RANGE, EVENT]),
        }
    finally:
        await database.close()


async def _rate(database: Database, copies: Sequence[Copy]) -> float:
    async with database.connection() as tx:
        batches = [[_columns(copy, part) for copy, part in zip(copies, parts, strict=True)] for parts in await _parts(tx, copies)]
        statements = [_insert(copy) for copy in copies]
    async with _empty(database, copies):
        start = time.perf_counter()
        for batch in batches:
            async with database.transaction() as tx:
                for statement, columns in zip(statements, batch, strict=True):
                    await tx.execute(statement, *columns)
        return BATCH * len(batches) / (time.perf_counter() - start)


async def _parts(tx: Tx, copies: Sequence[Copy]) -> list[list[list[Any]]]:
    """The rows of each table, cut into as many batches as the resources make."""
    tables = [await tx.fetch(copy.rows, _LIMIT) for copy in copies]
    many = len(tables[0]) // BATCH
    return [[rows[len(rows) * at // many : len(rows) * (at + 1) // many] for rows in tables] for at in range(many)]


def _columns(copy: Copy, rows: Sequence[Any]) -> list[list[Any]]:
    return [
        [f"{{{','.join(map(str, row[name]))}}}" for row in rows] if type_ == "int8[]" else [row[name] for row in rows]
        for name, type_ in copy.columns.items()
    ]


def _insert(copy: Copy) -> str:
    """Arrays of arrays cannot be unnested by row: they travel as text."""
    names = ", ".join(copy.columns)
    arrays = ", ".join(f"${at}::{'text' if type_ == 'int8[]' else type_}[]" for at, type_ in enumerate(copy.columns.values(), 1))
    values = ", ".join(f"{name}::int8[]" if type_ == "int8[]" else name for name, type_ in copy.columns.items())
    return f"insert into bare_{copy.table} ({names}) select {values} from unnest({arrays}) as w ({names})"


@asynccontextmanager
async def _empty(database: Database, copies: Sequence[Copy]) -> AsyncIterator[None]:
    async with database.connection() as tx:
        for copy in copies:
            await tx.execute(f"create table bare_{copy.table} (like {copy.table} including all)")
    try:
        await asyncio.sleep(0.5)
        yield
    finally:
        async with database.connection() as tx:
            for copy in copies:
                await tx.execute(f"drop table bare_{copy.table}")
