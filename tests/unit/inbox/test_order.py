"""Invariant 5 as a property: whatever the workers do, a lane is processed in the order of arrival, each message once.

Workers claim, then finish, postpone, bury, give up, or lose their connection, by chance. What they processed is written down in the very
transaction that says so; the monitor asks all the while whether every accepted message is in exactly one place.
"""

import asyncio
import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest

from penstock.db import Database, Tx, connect
from penstock.errors import Problem
from penstock.inbox import Received, Receiver, bury, claim, counts, done, postpone
from tests.inbox_arrivals import arrival

MESSAGES, LANES, WORKERS = 240, 7, 4
DOWN = Problem("transient", "the database cannot be reached")
WRONG = Problem("value", "a code is not known")


class GivenUp(Exception):
    """A worker's transaction came to nothing."""


async def _process(tx: Tx, received: list[Received], chance: random.Random) -> None:
    stopped: set[int] = set()
    for message in received:
        if message.lane in stopped:
            continue
        fate = chance.random()
        if fate < 0.1:
            await postpone(tx, message.inbox_id, DOWN, datetime.now(UTC) + timedelta(milliseconds=20))
            stopped.add(message.lane)
            continue
        if fate < 0.15:
            await bury(tx, message.inbox_id, WRONG)
        elif fate < 0.2:
            await done(tx, [(message.inbox_id, "filtered", "not wanted")])
        else:
            await done(tx, [(message.inbox_id, "stored", "")])
        await tx.execute("insert into processed (id, lane) values ($1, $2)", message.inbox_id, message.lane)
    await asyncio.sleep(chance.uniform(0, 0.01))
    if chance.random() < 0.1:
        raise GivenUp
    if chance.random() < 0.1:
        await tx.execute("select pg_terminate_backend(pg_backend_pid())")


async def _work(database: Database, chance: random.Random, finished: asyncio.Event) -> None:
    while True:
        try:
            async with database.transaction() as tx:
                received = await claim(tx, limit=chance.randint(1, 12))
                await _process(tx, received, chance)
        except (Problem, GivenUp):
            continue
        if not received:
            if finished.is_set():
                return
            await asyncio.sleep(0.005)


async def _arrive(receiver: Receiver, lane: int, numbers: range) -> list[int]:
    return [(await receiver.submit(arrival(f"L{lane}-{n}", patient=f"p{lane}", source="S"))).inbox_id for n in numbers]


async def _watch(database: Database) -> None:
    while True:
        async with database.transaction(readonly=True) as tx:
            assert all(count.conserved for count in (await counts(tx)).values())
        await asyncio.sleep(0.01)


@pytest.mark.req("OB-10")
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_every_lane_is_processed_in_the_order_of_arrival_and_every_message_once(
    database: Database, database_url: str, seed: int
) -> None:
    async with database.connection() as tx:
        await tx.execute("create table processed (seq bigint generated always as identity, id bigint, lane bigint)")
    workers = [await connect(database_url, size=1) for _ in range(WORKERS)]
    watching = asyncio.create_task(_watch(database))
    finished, pending = asyncio.Event(), 1
    async with asyncio.TaskGroup() as group:
        for number, each in enumerate(workers):
            group.create_task(_work(each, random.Random(seed * 100 + number), finished))
        async with Receiver(database) as receiver:
            arrived = await asyncio.gather(*(_arrive(receiver, lane, range(MESSAGES // LANES)) for lane in range(LANES)))
        while pending:
            await asyncio.sleep(0.02)
            async with database.connection() as tx:
                pending = await tx.fetchval("select count(*) from inbox where state in ('ready', 'postponed', 'held')")
        finished.set()
    assert not watching.done() or watching.result()
    watching.cancel()
    processed: dict[int, list[int]] = defaultdict(list)
    async with database.connection() as tx:
        for row in await tx.fetch("select id, lane from processed order by seq"):
            processed[row["lane"]].append(row["id"])
    assert sorted(processed.values()) == sorted(arrived)
    for each in workers:
        await each.close()
