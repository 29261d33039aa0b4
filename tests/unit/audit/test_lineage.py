"""Which rule made which element from which field of which message, over versions and messages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from penstock.audit import lineage
from penstock.audit.lineage import Made, Record
from penstock.db import Database

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
Steps = Sequence[tuple[str, str, str]]

ADMIT: Steps = [("name[0].family", "PID[Patient]:5#1", "PID-5.1"), ("birthDate", "PID[Patient]:7#1", "PID-7")]
RENAME: Steps = [("name[0].family", "PID[Patient]:5#1", "PID-5.1"), ("gender", "PID[Patient]:8#1", "PID-8")]


def _record(inbox_id: int, ver: int, steps: Steps, *, plan: str = "one", id_: str = "p") -> Record:
    return Record(inbox_id, plan, AT, [Made("Patient", id_, ver, steps)], [("PID-9", "no rule")], [("OBX-3", "urn:lab", "K", "Coding")])


async def _keep(database: Database, *records: Record) -> None:
    async with database.transaction() as tx:
        await lineage.record(tx, records)


async def _origins(database: Database, ver: int, *, id_: str = "p") -> dict[str, tuple[int, int, str]]:
    """Element to (inbox id, version, plan)."""
    async with database.transaction(readonly=True) as tx:
        return {one.element: (one.inbox_id, one.ver, one.plan) for one in await lineage.origins(tx, "Patient", id_, ver)}


@pytest.mark.req("AU-07")
async def test_an_element_comes_from_the_newest_message_that_made_it(database: Database) -> None:
    await _keep(database, _record(7, 1, ADMIT), _record(9, 2, RENAME, plan="two"))
    assert await _origins(database, 2) == {"birthDate": (7, 1, "one"), "gender": (9, 2, "two"), "name[0].family": (9, 2, "two")}


@pytest.mark.req("AU-07")
async def test_an_earlier_version_knows_nothing_of_later_messages(database: Database) -> None:
    await _keep(database, _record(7, 1, ADMIT), _record(9, 2, RENAME))
    assert await _origins(database, 1) == {"birthDate": (7, 1, "one"), "name[0].family": (7, 1, "one")}
    assert await _origins(database, 0) == {}


async def test_an_origin_names_the_rule_and_the_field(database: Database) -> None:
    await _keep(database, _record(7, 1, ADMIT))
    async with database.transaction(readonly=True) as tx:
        first, second = await lineage.origins(tx, "Patient", "p", 1)
    assert (first.element, first.rule, first.source) == ("birthDate", "PID[Patient]:7#1", "PID-7")
    assert second.element == "name[0].family"


async def test_resources_do_not_share_their_origins(database: Database) -> None:
    await _keep(database, _record(7, 1, ADMIT), _record(8, 1, RENAME, id_="q"))
    assert set(await _origins(database, 9)) == {"birthDate", "name[0].family"}
    assert set(await _origins(database, 9, id_="q")) == {"gender", "name[0].family"}
    assert await _origins(database, 9, id_="nobody") == {}


async def test_a_message_that_changed_nothing_takes_no_version_from_the_one_that_made_it(database: Database) -> None:
    await _keep(database, _record(7, 1, ADMIT), _record(8, 1, ADMIT))
    assert set((await _origins(database, 1)).values()) == {(7, 1, "one")}


async def test_a_message_that_is_processed_again_has_its_new_record(database: Database) -> None:
    await _keep(database, _record(7, 1, ADMIT))
    await _keep(database, _record(7, 2, RENAME, plan="mended"))
    async with database.transaction(readonly=True) as tx:
        record = (await lineage.of_messages(tx, [7, 8]))[7]
        assert await lineage.messages_of(tx, "Patient", "p") == [7]
    assert (record["plan"], record["at"]) == ("mended", AT)
    assert record["made"] == [["Patient", "p", 2, [list(step) for step in RENAME]]]
    assert (record["remainder"], record["steward"]) == ([["PID-9", "no rule"]], [["OBX-3", "urn:lab", "K", "Coding"]])


async def test_a_message_that_made_nothing_has_a_record_too(database: Database) -> None:
    await _keep(database, Record(7, "one", AT, [], [("PID-5", "no rule")], []))
    async with database.transaction(readonly=True) as tx:
        assert (await lineage.of_messages(tx, [7]))[7]["made"] == []


async def test_lineage_is_of_the_transaction_that_stores(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as tx:
            await lineage.record(tx, [_record(7, 1, ADMIT)])
            raise ZeroDivisionError
    assert await _origins(database, 1) == {}
