import asyncio

import pytest

from penstock.db import Database, connect
from penstock.errors import Problem
from penstock.inbox import Accepted, Receiver, counts
from tests.inbox_arrivals import arrival


async def test_many_submissions_share_few_transactions(database: Database) -> None:
    async with Receiver(database) as receiver:
        answers = await asyncio.gather(*(receiver.submit(arrival()) for _ in range(400)))
    assert len({a.inbox_id for a in answers}) == 400
    async with database.transaction() as tx:
        assert await tx.fetchval("select count(distinct xmin::text) from inbox") <= 3


async def test_leaving_answers_everybody_who_waits_and_lets_nobody_else_in(database: Database) -> None:
    receiver = Receiver(database, max_rows=10)
    async with receiver:
        waiting = [asyncio.create_task(receiver.submit(arrival())) for _ in range(100)]
        await asyncio.sleep(0)
    assert all(isinstance(task.result(), Accepted) for task in waiting)
    with pytest.raises(Problem) as refused:
        await receiver.submit(arrival())
    assert refused.value.code == "transient"


async def test_a_row_that_fails_does_not_fail_its_neighbours(database: Database) -> None:
    async with Receiver(database) as receiver:
        good = [arrival() for _ in range(5)]
        bad = arrival(lane=2**70)
        answers = await asyncio.gather(*(receiver.submit(a) for a in [*good[:3], bad, *good[3:]]), return_exceptions=True)
    assert [type(a) for a in answers] == [Accepted] * 3 + [Problem] + [Accepted] * 2
    async with database.transaction() as tx:
        assert (await counts(tx))["mllp"].accepted == 5


async def test_trouble_of_the_database_is_never_success(database_url: str) -> None:
    database = await connect(database_url, size=1)
    async with Receiver(database) as receiver:
        await receiver.submit(arrival())
        async with database.transaction() as tx:
            pid = await tx.fetchval("select pg_backend_pid()")
        async with Receiver(await connect(database_url, size=1)) as other:
            async with other._database.transaction() as tx:
                await tx.execute("lock table inbox_key in access exclusive mode")
                waiting = [asyncio.create_task(receiver.submit(arrival())) for _ in range(3)]
                await asyncio.sleep(0.1)
                await tx.execute("select pg_terminate_backend($1)", pid)
            results = await asyncio.gather(*waiting, return_exceptions=True)
            assert {r.code for r in results if isinstance(r, Problem)} == {"transient"} and len(results) == 3
            await other._database.close()
        assert (await receiver.submit(arrival())).fate == "new"
    await database.close()


async def test_who_waits_for_room_gets_in_when_others_have_been_answered(database: Database) -> None:
    async with Receiver(database, max_waiting=4, max_rows=2) as receiver:
        answers = await asyncio.gather(*(receiver.submit(arrival()) for _ in range(40)))
    assert len(answers) == 40
