"""Upkeep of the inbox, at the start and every hour: partitions ahead, the tally folded, held lanes swept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from penstock.db import Database, Tx, named_sql

_SQL = named_sql(__package__)
_WEEKS_AHEAD = 4


async def tend(database: Database, now: datetime) -> None:
    """Do the upkeep that is due."""
    for week in range(_WEEKS_AHEAD):
        await _make_partition(database, _monday(now) + timedelta(weeks=week))
    async with database.transaction() as tx:
        await tx.execute(_SQL["hold_arrived"])
        await tx.execute(_SQL["fold_tally"])


async def drop_bodies(tx: Tx, before: datetime) -> list[str]:
    """Drop the partitions whose every message arrived before ``before``; their names. The messages' rows and keys stay."""
    dropped = []
    for row in await tx.fetch(_SQL["partitions"]):
        monday = datetime.strptime(row["name"].removeprefix("inbox_body_"), "%Y%m%d").replace(tzinfo=UTC)
        if monday + timedelta(weeks=1) <= before:
            await tx.execute(f"drop table {row['name']}")
            dropped.append(row["name"])
    return dropped


def _monday(now: datetime) -> datetime:
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day - timedelta(days=day.weekday())


async def _make_partition(database: Database, monday: datetime) -> None:
    # Made apart and then attached: attaching, unlike creating in place, does not stop the inserts of others. What has already come
    # for that week went to the default partition, and is moved.
    name, begin, end = f"inbox_body_{monday:%Y%m%d}", f"'{monday.isoformat()}'", f"'{(monday + timedelta(weeks=1)).isoformat()}'"
    async with database.transaction() as tx:
        await tx.execute("select pg_advisory_xact_lock(hashtext('inbox_body'))")
        if await tx.fetchval("select to_regclass($1)", name):
            return
        await tx.execute(f"create table {name} (like inbox_body including all)")
        await tx.execute("lock table inbox_body_default in access exclusive mode")
        moved = f"delete from inbox_body_default where received_at >= {begin} and received_at < {end} returning *"
        await tx.execute(f"with moved as ({moved}) insert into {name} select * from moved")
        await tx.execute(f"alter table inbox_body attach partition {name} for values from ({begin}) to ({end})")
