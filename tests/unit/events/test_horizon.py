"""The horizon never passes a number whose transaction is still open (invariant 6); two planted followers do, in the same schedule."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from types import SimpleNamespace

import pytest

from penstock.db import Database, Tx, connect
from penstock.events import Horizon, append, follow
from tests.event_versions import Version, Why

Upto = Callable[[], Awaitable[int]]


async def held_open(database: Database, upto: Upto) -> list[str]:
    """What a follower sees when the first of three writers commits last: it reads before and after that commit."""
    seen: list[str] = []
    cursor = 0

    async def read() -> None:
        nonlocal cursor
        high = await upto()
        async with database.transaction() as tx:
            for event in await follow(tx, cursor, high, 100):
                seen.append(event.resource_id)
        cursor = max(cursor, high)

    async with AsyncExitStack() as open_:
        slow = await open_.enter_async_context(database.transaction())
        await append(slow, [Version(id="slow")], Why())
        await read()
        for id_ in ("quick-1", "quick-2"):
            async with database.transaction() as tx:
                await append(tx, [Version(id=id_)], Why())
            await read()
    await read()
    return sorted(seen)


@pytest.mark.req("EV-02")
async def test_an_event_whose_transaction_commits_last_is_not_passed(database: Database) -> None:
    assert await held_open(database, Horizon(database).advance) == ["quick-1", "quick-2", "slow"]


async def test_the_schedule_catches_a_follower_that_asks_for_more_than_the_last_number_it_saw(database: Database) -> None:
    async def highest_visible() -> int:
        async with database.transaction() as tx:
            return int(await tx.fetchval("select coalesce(max(seq), 0) from event"))

    assert await held_open(database, highest_visible) == ["quick-1", "quick-2"]


async def test_the_schedule_catches_a_follower_that_trusts_equal_ends_of_the_snapshot(database: Database) -> None:
    async def equal_ends() -> int:
        async with database.connection() as tx:
            last = await tx.fetchval("select last_value from event_seq")
            row = await tx.fetchrow(
                "select pg_snapshot_xmin(s)::text as low, pg_snapshot_xmax(s)::text as high from pg_current_snapshot() s"
            )
        return int(last) if row is not None and row["low"] == row["high"] else 0

    assert "slow" not in await held_open(database, equal_ends)


async def test_with_nothing_open_everything_is_safe_at_once(database: Database) -> None:
    horizon = Horizon(database)
    assert await horizon.advance() == 0
    async with database.transaction() as tx:
        await append(tx, [Version(id="a"), Version(id="b")], Why())
    assert await horizon.advance() == 2


async def test_numbers_of_rolled_back_transactions_do_not_stop_the_horizon(database: Database) -> None:
    with pytest.raises(RuntimeError):
        async with database.transaction() as tx:
            await append(tx, [Version()], Why())
            raise RuntimeError
    assert await Horizon(database).advance() == 1


async def test_a_writer_in_another_database_of_the_server_does_not_hold_the_horizon(database: Database, server: str) -> None:
    elsewhere = await connect(server.replace("/penstock?", "/postgres?"), size=1)
    try:
        async with elsewhere.transaction() as other:
            await other.execute("select pg_current_xact_id()")
            async with database.transaction() as tx:
                await append(tx, [Version()], Why())
            assert await Horizon(database).advance() == 1
    finally:
        await elsewhere.close()


async def test_a_long_transaction_that_writes_no_event_does_not_hold_the_horizon(database: Database) -> None:
    async with database.transaction() as long:
        await long.execute("create temporary table t (n int)")
        async with database.transaction() as tx:
            await append(tx, [Version()], Why())
        assert await Horizon(database).advance() == 1


async def test_the_horizon_moves_on_although_some_writer_is_always_open(database: Database) -> None:
    horizon = Horizon(database)
    first = await stack_with_event(database, "first")
    second = await stack_with_event(database, "second")
    assert await horizon.advance() == 0
    await first.aclose()
    third = await stack_with_event(database, "third")
    assert await horizon.advance() == 0  # the second was there when the mark was made
    await second.aclose()
    assert await horizon.advance() == 2  # the third is open and holds number 3
    await third.aclose()
    assert await horizon.advance() == 3


async def stack_with_event(database: Database, id_: str) -> AsyncExitStack:
    stack = AsyncExitStack()
    tx = await stack.enter_async_context(database.transaction())
    await append(tx, [Version(id=id_)], Why())
    return stack


async def test_an_answer_that_comes_late_does_not_settle_a_newer_mark(database: Database) -> None:
    class Late:
        """A database whose first list of writers arrives long after it was made."""

        def __init__(self) -> None:
            self.first = True

        @asynccontextmanager
        async def connection(self) -> AsyncIterator[object]:
            async with database.connection() as tx:
                yield SimpleNamespace(fetchval=tx.fetchval, fetch=lambda sql: self.fetch(tx, sql))

        async def fetch(self, tx: Tx, sql: str) -> list[object]:
            late, self.first = self.first, False
            rows = await tx.fetch(sql)
            await asyncio.sleep(0.3 if late else 0)
            return rows

    horizon = Horizon(Late())  # type: ignore[arg-type]
    async with database.transaction() as tx:
        await append(tx, [Version(id="a")], Why())
    slow_look = asyncio.ensure_future(horizon.advance())
    await asyncio.sleep(0.1)
    async with AsyncExitStack() as open_:
        writer = await open_.enter_async_context(database.transaction())
        await append(writer, [Version(id="b")], Why())
        assert await horizon.advance() == 1
        await slow_look
        assert horizon.safe == 1


@pytest.mark.req("EV-01")
async def test_a_follower_beside_many_writers_sees_every_event_once_and_each_resource_in_order(database: Database) -> None:
    chance = random.Random(20260102)
    horizon = Horizon(database)
    rounds = 25

    async def writer(name: str) -> None:
        for ver in range(1, rounds + 1):
            async with database.transaction() as tx:
                await append(tx, [Version(id=name, ver=ver, op="create" if ver == 1 else "update")], Why())
                await asyncio.sleep(chance.uniform(0, 0.004))
            await asyncio.sleep(chance.uniform(0, 0.002))

    seen: list[tuple[str, int]] = []

    async def follower() -> None:
        cursor = 0
        while len(seen) < 6 * rounds:
            high = await horizon.advance()
            async with database.transaction() as tx:
                seen.extend((e.resource_id, e.ver) for e in await follow(tx, cursor, high, 10_000))
            cursor = high

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(follower())
        for number in range(6):
            group.create_task(writer(f"w{number}"))
    for number in range(6):
        assert [ver for id_, ver in seen if id_ == f"w{number}"] == list(range(1, rounds + 1))
