"""Where is my message: found by whatever name it has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from penstock import events, inbox
from penstock.audit import lineage, trace
from penstock.audit.lineage import Made, Record
from penstock.audit.trace import Hop
from penstock.db import Database, Tx
from penstock.errors import Problem
from penstock.events import Event, look
from tests.event_versions import Version, Why
from tests.inbox_arrivals import START, arrival

TRACE = "0af7651916cd43dd8448eb211c80319c"
KEYS = (
    ("control", "MSG-1"), ("patient", "40001"), ("visit", "V-7"), ("placer-order", "ORD-9"), ("filler-order", "Lab/55"),
    ("accession", "A-1"), ("account", "ACC-1"),
)  # fmt: skip


async def _nobody(tx: Tx, events: Sequence[Event]) -> Iterable[Hop]:
    return ()


async def _webhook(tx: Tx, events: Sequence[Event]) -> Iterable[Hop]:
    return [Hop(event.at + timedelta(seconds=1), event.trace_id, "delivered", event.subject, "delivered", {}) for event in events]


async def _stages(database: Database, key: str) -> list[tuple[str, str]]:
    """(stage, outcome) of the hops of ``key``."""
    async with database.transaction(readonly=True) as tx:
        return [(hop.stage, hop.outcome) for hop in await trace.find(tx, key, _webhook)]


@pytest.fixture
async def stored(database: Database) -> Event:
    """A message that became a Patient; the event that tells of it."""
    async with database.transaction() as tx:
        (accepted,) = await inbox.accept(tx, [arrival("MSG-1", trace_id=TRACE, keys=KEYS)])
        await inbox.accept(tx, [arrival("ANOTHER", patient="other")])
        at = START + timedelta(seconds=1)
        await lineage.record(
            tx, [Record(accepted.inbox_id, "v1", at, [Made("Patient", "1", 1, [("a", "r", "s")])], [("PID-9", "none")], [])]
        )
        await events.append(tx, [Version(last_updated=at)], [Why(TRACE, accepted.inbox_id)])
        await inbox.done(tx, [(accepted.inbox_id, "stored", "")], now=at)
    async with database.transaction(readonly=True) as tx:
        (event,) = await look.of_traces(tx, [TRACE])
    return event


WHOLE = [("received", "durable"), ("converted", "ok"), ("processed", "stored"), ("stored", "create"), ("delivered", "delivered")]


@pytest.mark.req("OB-09")
@pytest.mark.parametrize("key", [value for _, value in KEYS] + [TRACE, "Patient/1", "Patient/1/_history/1"])
async def test_every_name_of_a_message_leads_to_all_of_its_hops(database: Database, stored: Event, key: str) -> None:
    assert sorted(await _stages(database, key)) == sorted(WHOLE)


async def test_the_id_of_an_event_leads_back_to_its_message(database: Database, stored: Event) -> None:
    assert sorted(await _stages(database, str(stored.id))) == sorted(WHOLE)


async def test_hops_are_in_the_order_of_time_and_hold_ids_and_counts(database: Database, stored: Event) -> None:
    async with database.transaction(readonly=True) as tx:
        hops = await trace.find(tx, "MSG-1", _nobody)
    assert [hop.at for hop in hops] == sorted(hop.at for hop in hops)
    by_stage = {hop.stage: hop for hop in hops}
    assert {hop.trace_id for hop in hops} == {TRACE}
    assert by_stage["received"].details["type"] == "ADT^A01"
    assert by_stage["converted"].details == {
        "plan": "v1", "resources": ["Patient/1/_history/1"], "mapped": 1, "not_mapped": 1, "unknown_codes": 0,
    }  # fmt: skip
    assert (by_stage["stored"].what, by_stage["stored"].details["event_id"]) == ("Patient/1/_history/1", str(stored.id))


async def test_the_hops_of_several_messages_are_told_in_the_order_of_time(database: Database) -> None:
    async with database.transaction() as tx:
        keys = (("patient", "shared"),)
        first, _ = await inbox.accept(tx, [arrival("ONE", keys=keys), arrival("TWO", keys=keys)])
        await inbox.done(tx, [(first.inbox_id, "stored", "")], now=START + timedelta(days=9))
    async with database.transaction(readonly=True) as tx:
        hops = await trace.find(tx, "shared", _nobody)
    assert [hop.at for hop in hops] == sorted(hop.at for hop in hops)
    assert [hop.stage for hop in hops if hop.outcome == "durable"] == ["received"] * 2
    assert hops[-1].outcome == "stored"


async def test_what_nobody_knows_has_no_hops(database: Database, stored: Event) -> None:
    for key in ("nothing", "f" * 32, "Patient/2", "01890a5d-ac96-774b-bcce-b302099a8057", "40001 "):
        assert await _stages(database, key) == []


@pytest.mark.req("OB-09")
@pytest.mark.parametrize("key", ["BAD-1", TRACE])
async def test_a_quarantined_message_is_found_and_says_why_it_stopped(database: Database, key: str) -> None:
    problem = Problem("required", "the message has no message type", at="MSH-9")
    bad = replace(arrival("BAD-1", trace_id=TRACE), state="quarantined", problem=problem)
    async with database.transaction() as tx:
        await inbox.accept(tx, [bad])
    async with database.transaction(readonly=True) as tx:
        received, processed = await trace.find(tx, key, _nobody)
    assert (received.stage, processed.outcome) == ("received", "quarantined")
    assert processed.details == {"code": "required", "text": "the message has no message type", "at": "MSH-9"}


@pytest.mark.req("OB-09")
async def test_a_message_that_waits_says_when_it_is_tried_again(database: Database) -> None:
    async with database.transaction() as tx:
        (accepted,) = await inbox.accept(tx, [arrival("LATER")])
    async with database.transaction() as tx:
        await inbox.claim(tx, limit=10)
        await inbox.postpone(tx, accepted.inbox_id, Problem("transient", "not now"), START + timedelta(hours=1))
    async with database.transaction(readonly=True) as tx:
        *_, processed = await trace.find(tx, "LATER", _nobody)
    assert processed.details["next_attempt"] == (START + timedelta(hours=1)).isoformat()
    assert (processed.details["text"], processed.details["attempts"]) == ("not now", "1")


async def test_a_control_id_that_looks_like_something_else_is_still_a_control_id(database: Database) -> None:
    names = ("0af7651916cd43dd8448eb211c80319d", "01890a5d-ac96-774b-bcce-b302099a8057", "Patient/77")
    async with database.transaction() as tx:
        await inbox.accept(tx, [arrival(name) for name in names])
    for name in names:
        assert ("received", "durable") in await _stages(database, name)


async def test_a_trace_without_a_message_shows_its_events(database: Database) -> None:
    async with database.transaction() as tx:
        await events.append(tx, [Version(id="2")], [Why(TRACE, None, "app")])
    assert await _stages(database, "Patient/2") == [("stored", "create"), ("delivered", "delivered")]
