"""What users of the pool rely on when things go wrong."""

import asyncio
from contextlib import suppress

import pytest

from penstock.db import Database, connect
from penstock.errors import Problem


@pytest.fixture
async def single(database_url: str):
    """A Database with one connection, so that every misuse of it shows."""
    database = await connect(database_url, size=1, wait_s=0.2, patience_s=0.2)
    yield database
    await database.close()


async def test_a_failed_block_rolls_back(single: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with single.transaction() as tx:
            await tx.execute("create table t (n int)")
            raise ZeroDivisionError
    async with single.connection() as tx:
        assert await tx.fetchval("select to_regclass('t')") is None


async def test_a_commit_that_the_server_turned_into_a_rollback_is_an_error(single: Database) -> None:
    with pytest.raises(Problem, match="nothing of it was kept"):
        async with single.transaction() as tx:
            with suppress(Exception):  # somebody caught it and went on
                await tx.execute("select 1/0")


async def test_a_part_of_a_transaction_may_fail_alone(single: Database) -> None:
    async with single.transaction() as tx:
        await tx.execute("create temp table t (n int)")
        with pytest.raises(ZeroDivisionError):
            async with tx.transaction():
                await tx.execute("insert into t values (1)")
                raise ZeroDivisionError
        assert await tx.fetchval("select count(*) from t") == 0


async def test_a_cancelled_task_leaves_no_running_statement_behind(single: Database, database: Database) -> None:
    async def sleep() -> None:
        async with single.transaction() as tx:
            await tx.execute("select pg_sleep(60)")

    task = asyncio.create_task(sleep())
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with single.connection() as tx:  # a fresh one
        assert await tx.fetchval("select 1") == 1
    for _ in range(100):
        async with database.connection() as tx:
            if not await tx.fetchval("select count(*) from pg_stat_activity where query like '%pg_sleep(60)' and pid <> pg_backend_pid()"):
                return
        await asyncio.sleep(0.02)
    pytest.fail("the statement of a cancelled task still runs")


async def test_a_statement_that_takes_too_long_is_ended(database_url: str) -> None:
    database = await connect(database_url, size=1, timeout_s=0.1)
    with pytest.raises(TimeoutError):
        async with database.transaction() as tx:
            await tx.execute("select pg_sleep(60)")
    async with database.connection() as tx:
        assert await tx.fetchval("select 1") == 1
    await database.close()


async def test_who_waits_too_long_for_a_connection_is_told_to_come_back(single: Database) -> None:
    async with single.connection():
        with pytest.raises(Problem) as busy:
            async with single.connection():
                pass
    assert busy.value.code == "transient"
    async with single.connection() as tx:
        assert await tx.fetchval("select 1") == 1


async def test_a_broken_connection_is_replaced(single: Database, database: Database) -> None:
    async with single.connection() as tx:
        pid = await tx.fetchval("select pg_backend_pid()")
    async with database.connection() as tx:
        await tx.execute("select pg_terminate_backend($1, 1000)", pid)
    await asyncio.sleep(0.05)
    async with single.connection() as tx:
        assert await tx.fetchval("select pg_backend_pid()") != pid


async def test_a_connection_lost_in_a_transaction_is_transient(single: Database, database: Database) -> None:
    with pytest.raises(Problem) as lost:
        async with single.transaction() as tx:
            pid = await tx.fetchval("select pg_backend_pid()")
            async with database.connection() as other:
                await other.execute("select pg_terminate_backend($1, 1000)", pid)
            await tx.execute("select 1")
    assert lost.value.code == "transient"


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("select 'Smith'::int", "value"),
        ("select pg_catalog.nothing()", "exception"),
        ("do $$ begin raise unique_violation; end $$", "duplicate"),
        ("do $$ begin raise serialization_failure; end $$", "conflict"),
        ("do $$ begin raise disk_full; end $$", "no-store"),
        ("do $$ begin raise query_canceled; end $$", "timeout"),
        ("do $$ begin raise lock_not_available; end $$", "lock-error"),
    ],
)
async def test_an_error_of_the_database_is_a_problem_without_its_words(single: Database, sql: str, code: str) -> None:
    with pytest.raises(Problem) as caught:
        async with single.connection() as tx:
            await tx.execute(sql)
    assert caught.value.code == code and "Smith" not in str(caught.value)


async def test_the_errors_of_the_user_of_a_connection_are_their_own(single: Database) -> None:
    with pytest.raises(FileNotFoundError):
        async with single.transaction():
            raise FileNotFoundError


@pytest.mark.parametrize(
    ("url", "code"),
    [("postgresql://x@/x?host=/nowhere", "transient"), ("http://x", "invalid"), ("postgresql://x@127.0.0.1:1/x", "transient")],
)
async def test_a_database_that_is_not_there_is_a_problem(url: str, code: str) -> None:
    with pytest.raises(Problem) as caught:
        await connect(url, patience_s=0.1)
    assert caught.value.code == code


async def test_a_closed_database_gives_nothing_out(database_url: str) -> None:
    database = await connect(database_url)
    await database.close()
    with pytest.raises(Problem):
        async with database.connection():
            pass
