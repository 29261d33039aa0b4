"""The transaction log page by page: nothing is missed, nothing told twice, whatever is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

import pytest

from penstock import events, inbox
from penstock.audit import failure, transactions, unwritten
from penstock.audit.hop import Hop
from penstock.audit.transactions import PAGE, Window
from penstock.audit.unwritten import Unwritten
from penstock.db import Database, Tx
from penstock.errors import Problem
from penstock.events import Event
from tests.event_versions import Version, Why
from tests.inbox_arrivals import START, arrival

MANY = PAGE + 30


async def _nobody(tx: Tx, events: Sequence[Event]) -> Iterable[Hop]:
    return ()


@pytest.fixture
async def full(database: Database) -> Database:
    """More than a page of messages, of FHIR writes and of requests that wrote nothing."""
    async with database.transaction() as tx:
        await inbox.accept(tx, [arrival(f"M-{n}", source="LAB|A" if n % 2 else "WARD|B") for n in range(MANY)])
        await events.append(tx, [Version(id=f"p{n}") for n in range(MANY)], [Why(f"{n:032x}", None, f"app-{n % 3}") for n in range(MANY)])
        refused = [
            Unwritten(START, f"{n + 10**6:032x}", "", "app-1", "Patient", "validated", "value", "no", "Patient.x") for n in range(MANY)
        ]
        await unwritten.record(tx, refused, most=10**6)
    return database


async def _all(database: Database, window: Window = Window(), **asked: str) -> list[dict[str, object]]:  # a value
    found, cursor = [], ""
    for _ in range(100):
        async with database.transaction(readonly=True) as tx:
            page = await transactions.find(tx, asked, window, cursor, _nobody)
        found += page.entries
        if page.next is None:
            return found
        cursor = page.next
    raise AssertionError("the pages have no end")


async def test_every_page_together_holds_everything_once(full: Database) -> None:
    found = await _all(full)
    received = [entry["message_id"] for entry in found if entry["stage"] == "received"]
    assert sorted(map(str, received)) == sorted(f"M-{n}" for n in range(MANY))
    assert len([entry for entry in found if entry["stage"] == "published"]) == MANY
    assert len([entry for entry in found if entry["stage"] == "refused"]) == MANY


async def test_what_is_rare_is_found_on_the_last_page(full: Database) -> None:
    assert [entry["what"] for entry in await _all(full, stage="published", correlation_id="0" * 31 + "1")] == ["Patient/p1/_history/1"]
    assert {entry["source_system"] for entry in await _all(full, source_system="LAB|A")} == {"LAB|A"}
    by_client = await _all(full, source_system="app-1")
    assert len([entry for entry in by_client if entry["stage"] == "stored"]) == len(range(1, MANY, 3))
    assert len(await _all(full, outcome="value")) == MANY


async def test_a_window_of_time_bounds_it(full: Database) -> None:
    early = await _all(full, Window(until=START + timedelta(days=-1)), stage="received")
    assert early == []
    assert len(await _all(full, Window(since=START - timedelta(days=1)), stage="refused")) == MANY


@pytest.mark.parametrize("cursor", ["x", "1.2", "1.2.3.4", "-1.2.3", "1" * 30 + ".1.1"])
async def test_a_cursor_of_somebody_else_is_refused(database: Database, cursor: str) -> None:
    async with database.transaction(readonly=True) as tx:
        with pytest.raises(Problem, match="not a cursor"):
            await transactions.find(tx, {}, Window(), cursor, _nobody)


@pytest.mark.parametrize(
    ("reason", "rule"),
    [
        ("the endpoint answered with status 400", "rejections"), ("it was not confirmed in time", "horizon"),
        ("the event is no longer kept", "retention"),
    ],
)  # fmt: skip
def test_a_dead_letter_names_the_rule_by_which_it_was_given_up(reason: str, rule: str) -> None:
    told = failure.of_delivery({"reason": reason, "subscription": "site/ward", "reference": "Patient/1/_history/1"}, None)
    assert told["rule"].startswith(rule) and told["identity"] == {"subscriber": "site/ward", "resource": "Patient/1/_history/1"}
