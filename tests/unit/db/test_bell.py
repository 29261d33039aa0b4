import asyncio
import time

from penstock.db import Bell, Database


async def test_a_ring_wakes_who_waits_here_and_elsewhere(database: Database) -> None:
    async with Bell(database, "work") as here, Bell(database, "work") as there, Bell(database, "other") as other:
        await asyncio.sleep(0.1)
        near, far = asyncio.create_task(here.wait(5)), asyncio.create_task(there.wait(5))
        for bell in (here, there, other):
            await bell.wait(0)  # what they heard while they started
        await asyncio.sleep(0)
        here.ring()
        assert await near and await asyncio.wait_for(far, 1)
        assert not await other.wait(0.1)


async def test_a_ring_while_everybody_is_busy_is_heard_by_each(database: Database) -> None:
    async with Bell(database, "work") as bell:
        heard: list[bool] = []
        ready = asyncio.Semaphore(0)
        go = asyncio.Event()

        async def worker() -> None:
            await bell.wait(0.2)
            ready.release()
            await go.wait()
            heard.append(await bell.wait(0))
            heard.append(await bell.wait(0))

        workers = [asyncio.create_task(worker()) for _ in range(2)]
        for _ in workers:
            await ready.acquire()
        bell.ring()
        go.set()
        await asyncio.gather(*workers)
        assert sorted(heard) == [False, False, True, True]


async def test_many_rings_are_few_notifications(database: Database) -> None:
    told: list[object] = []
    async with Bell(database, "work") as bell, database.connection() as listener:
        await listener.add_listener("work", lambda *call: told.append(call))
        began = time.monotonic()
        for _ in range(100):
            bell.ring()
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.1)
        assert 1 <= len(told) <= (time.monotonic() - began) / 0.02 + 2


async def test_a_bell_that_lost_its_line_finds_it_again(database: Database) -> None:
    async with Bell(database, "work") as here, Bell(database, "work") as there:
        await asyncio.sleep(0.1)
        async with database.connection() as tx:
            await tx.execute(
                "select pg_terminate_backend(pid, 1000) from pg_stat_activity where pid <> pg_backend_pid() and query like '%LISTEN%'"
            )
        await asyncio.sleep(0.4)
        await there.wait(0)
        here.ring()
        assert await there.wait(2)
