"""What wrote nothing: a few of many are kept, all are counted, and the newest stay."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from penstock.audit import unwritten
from penstock.audit.unwritten import ALL, EACH, Few, Ledger, Unwritten
from penstock.db import Database

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def refused(number: int = 0, *, client: str = "app", code: str = "invalid", moment: datetime = NOW, text: str = "no") -> Unwritten:
    return Unwritten(moment, f"{number:032x}", "", client, "Patient", "validated", code, text, "Patient.id")


async def rows(database: Database) -> list[tuple[str, int]]:
    """(trace id, more) of everything that is kept."""
    async with database.transaction(readonly=True) as tx:
        return [(row["trace_id"], row["more"]) for row in await tx.fetch("select trace_id, more from unwritten order by id")]


def counted(records: list[Unwritten]) -> int:
    return sum(1 + each.more for each in records)


def test_of_one_kind_a_few_are_kept_and_the_last_counts_the_others() -> None:
    few = Few()
    assert sum(few.add(refused(number)) for number in range(100)) == EACH
    few.add(refused(1000, client="other"))
    records = few.records()
    assert [(each.client, each.more) for each in records] == [*[("app", 0)] * (EACH - 1), ("app", 100 - EACH), ("other", 0)]
    assert counted(records) == 101


def test_of_many_kinds_the_first_are_kept_and_one_record_counts_the_others() -> None:
    few = Few()
    for number in range(1000):
        few.add(refused(number, client=f"app-{number}"))
    records = few.records()
    assert len(records) == ALL + 1 and counted(records) == 1000
    assert (records[-1].code, records[-1].client, records[-1].problems) == ("throttled", "", 1000 - ALL)


def test_a_kind_that_has_a_record_counts_on_when_there_is_no_room() -> None:
    few = Few()
    for number in range(2 * ALL):
        few.add(refused(number, client=f"app-{number % (ALL + 10)}"))
    assert counted(few.records()) == 2 * ALL


def test_our_words_are_cut_where_they_are_long() -> None:
    few = Few()
    few.add(refused(text="x" * 5000))
    assert len(few.records()[0].text) == 500


async def test_what_is_noted_is_written_when_the_ledger_closes(database: Database) -> None:
    async with Ledger(database, most=1000, period_s=60) as ledger:
        ledger.note(refused(1))
        ledger.note(refused(2))
    assert await rows(database) == [(f"{1:032x}", 0), (f"{2:032x}", 0)]


async def test_it_is_written_after_a_period_while_more_comes(database: Database) -> None:
    async with Ledger(database, most=1000, period_s=0.05) as ledger:
        ledger.note(refused(1))
        for _ in range(100):
            await asyncio.sleep(0.02)
            ledger.note(refused(2))
            if found := await rows(database):
                break
    assert found


async def test_the_newest_so_many_stay(database: Database) -> None:
    for start in range(0, 60, 20):
        async with database.transaction() as tx:
            await unwritten.record(tx, [refused(number) for number in range(start, start + 20)], most=25)
    assert [trace for trace, _ in await rows(database)] == [f"{number:032x}" for number in range(35, 60)]


async def test_old_ones_are_dropped(database: Database) -> None:
    async with database.transaction() as tx:
        await unwritten.record(tx, [refused(1, moment=NOW - timedelta(days=2)), refused(2)], most=25)
        await unwritten.drop(tx, NOW - timedelta(days=1))
    assert [trace for trace, _ in await rows(database)] == [f"{2:032x}"]


async def test_a_database_that_is_away_loses_the_record_and_nothing_else(database: Database) -> None:
    async with Ledger(database, most=1000, period_s=0.01) as ledger:
        async with database.connection() as tx:
            await tx.execute("alter table unwritten rename to elsewhere")
        ledger.note(refused(1))
    async with database.connection() as tx:
        await tx.execute("alter table elsewhere rename to unwritten")
    async with Ledger(database, most=1000, period_s=60) as ledger:
        ledger.note(refused(2))
    assert [trace for trace, _ in await rows(database)] == [f"{2:032x}"]
