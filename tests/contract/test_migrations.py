"""The schema is what the migrations make of an empty database, however they were run."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator

import pytest

from penstock.db import Database, connect, migrate
from penstock.db.migrate import migrations
from penstock.errors import Problem
from penstock.store.tables import ddl

COLUMNS = """select table_name, column_name, data_type, is_nullable, column_default from information_schema.columns
    where table_schema = 'public' order by table_name, column_name"""
INDEXES = "select indexdef from pg_indexes where schemaname = 'public' order by indexdef"
CHECKS = """select conrelid::regclass::text, pg_get_constraintdef(oid) from pg_constraint
    where connamespace = 'public'::regnamespace order by 1, 2"""


@pytest.fixture
async def empty(database: Database) -> AsyncIterator[Database]:
    """A database without a schema."""
    async with database.connection() as tx:
        await tx.execute("drop schema public cascade; create schema public")
    yield database


FUNCTIONS = "select proname, prosrc from pg_proc where pronamespace = 'public'::regnamespace order by 1, 2"


async def schema(database: Database) -> list[list[tuple[object, ...]]]:
    async with database.connection() as tx:
        return [[tuple(row) for row in await tx.fetch(sql)] for sql in (COLUMNS, INDEXES, CHECKS, FUNCTIONS)]


async def test_the_schema_in_use_equals_the_migrations(database: Database) -> None:
    used = await schema(database)
    async with database.connection() as tx:
        await tx.execute("drop schema public cascade; create schema public")
    applied = await migrate(database)
    assert applied == [name for name, _ in migrations()]
    assert await schema(database) == used
    assert await migrate(database) == []
    assert await schema(database) == used


def test_every_migration_says_when_it_runs() -> None:
    names = [name for name, _ in migrations()]
    assert all(re.fullmatch(r"\d{4}_(pre|post)_[a-z0-9_]+\.sql", name) for name in names)
    assert len({name[:4] for name in names}) == len(names), "two migrations have one number"


async def test_two_programs_that_start_together_apply_each_migration_once(empty: Database, database_url: str) -> None:
    databases = [await connect(database_url, size=1) for _ in range(4)]
    applied = await asyncio.gather(*(migrate(each) for each in databases))
    assert sorted(len(names) for names in applied) == [0, 0, 0, len(migrations())]
    for each in databases:
        await each.close()


async def test_a_migration_that_changed_after_it_was_applied_refuses(database: Database) -> None:
    async with database.connection() as tx:
        await tx.execute("update migration set hash = 'other' where name like '0001%'")
    with pytest.raises(Problem, match="was changed after it had been applied"):
        await migrate(database)


async def test_a_newer_schema_is_refused_only_when_the_newer_program_has_dropped_things(database: Database) -> None:
    async with database.connection() as tx:
        await tx.execute("insert into migration (name, hash) values ('9998_pre_more.sql', '')")
        await migrate(database)
        await tx.execute("insert into migration (name, hash) values ('9999_post_less.sql', '')")
    with pytest.raises(Problem, match="newer Penstock"):
        await migrate(database)


async def test_a_migration_that_dies_in_the_middle_leaves_nothing_and_is_run_again(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, whole = sys.modules[migrations.__module__], migrations()
    table = "create table half_done (n int);"
    monkeypatch.setattr(module, "migrations", lambda: [*whole, ("9000_pre_half.sql", table + "select pg_sleep(60)")])
    victim = await connect(database_url, size=1)
    task = asyncio.create_task(migrate(victim))
    async with database.connection() as tx:
        killed = 0
        while not killed:
            await asyncio.sleep(0.02)
            killed = await tx.fetchval(
                "select count(*) from (select pg_terminate_backend(pid, 2000) from pg_stat_activity"
                " where datname = current_database() and query like '%half_done%' and pid <> pg_backend_pid()) killed"
            )
        with pytest.raises(Problem):
            await task
        assert await tx.fetchval("select to_regclass('half_done')") is None
    monkeypatch.setattr(
        sys.modules[migrations.__module__], "migrations", lambda: [*migrations(), ("9000_pre_half.sql", "create table half_done (n int)")]
    )
    assert await migrate(victim) == ["9000_pre_half.sql"]
    await victim.close()


async def test_a_migration_that_cannot_be_recorded_is_undone(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, hides = migrations(), "create table half_done (n int); alter table migration rename to elsewhere"
    monkeypatch.setattr(sys.modules[migrations.__module__], "migrations", lambda: [*whole, ("9000_pre_half.sql", hides)])
    with pytest.raises(Problem):
        await migrate(database)
    async with database.connection() as tx:
        assert await tx.fetchval("select to_regclass('half_done')") is None


#: The tables of a type as they were made first, and their b-trees: with a code and a date, with one of them, and with a patient.
FIRST_TABLE = """
create table r_{0} (
    rid int8 primary key, self int8 not null, ver int4 not null, tenant int4 not null, pat int8, code int8, dlo int8, dhi int8,
    has int8 not null default 0, ix int4 not null default 0, tok int8[] not null, id text not null, content bytea not null
);
create unique index r_{0}_self on r_{0} (self);
create index r_{0}_tok on r_{0} using gin (tok) with (fastupdate = on, gin_pending_list_limit = 256);
create table h_{0} (
    self int8 not null, ver int4 not null, tenant int4 not null, rid int8 not null, id text not null, content bytea, primary key (self, ver)
);
create unique index h_{0}_rid on h_{0} (rid);
"""
FIRST_INDEXES = {
    "observation": {"pat_code": "pat, code, dlo", "pat": "pat, dlo", "code": "code, dlo", "dlo": "dlo"},
    "condition": {"pat_code": "pat, code, dlo", "pat": "pat, dlo", "code": "code, dlo", "dlo": "dlo"},
    "encounter": {"pat": "pat, dlo", "dlo": "dlo"},
    "medication": {"code": "code"},
    "patient": {"pat": "pat, dlo", "dlo": "dlo"},
    "practitioner": {},
}
OF_TYPES = """select indexdef from pg_indexes where schemaname = 'public' and tablename ~ '^[rh]_' union all
    select table_name || ' ' || column_name || ' ' || data_type || ' ' || is_nullable from information_schema.columns
    where table_schema = 'public' and table_name ~ '^[rh]_' order by 1"""


async def test_tables_of_types_that_were_made_before_become_as_they_are_made_now(empty: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    module, whole = sys.modules[migrations.__module__], migrations()
    monkeypatch.setattr(module, "migrations", lambda: [each for each in whole if each[0] < "0092"])
    await migrate(empty)
    async with empty.connection() as tx:
        for type, indexes in FIRST_INDEXES.items():
            await tx.execute(FIRST_TABLE.format(type))
            for name, columns in indexes.items():
                first = columns.split(",")[0]
                await tx.execute(f"create index r_{type}_{name} on r_{type} ({columns}) where {first} is not null")
    monkeypatch.setattr(module, "migrations", lambda: whole)
    await migrate(empty)
    async with empty.connection() as tx:
        moved = [row[0] for row in await tx.fetch(OF_TYPES)]
        for type in FIRST_INDEXES:
            await tx.execute(f"drop table r_{type}, h_{type}")
            await tx.execute(ddl(type.title()))
        assert moved == [row[0] for row in await tx.fetch(OF_TYPES)]
