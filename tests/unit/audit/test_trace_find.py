"""Where is my message: found by whatever name it has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from penstock import events, inbox
from penstock.audit import lineage, trace
from penstock.audit.hop import Hop
from penstock.audit.lineage import Made, Record
from penstock.audit.way import Way, encode, microseconds
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
        way = encode(Way("mllp", "192.0.2.1", "interface:mllp", "HL7 2.5.1", microseconds(START), 300))
        (accepted,) = await inbox.accept(tx, [arrival("MSG-1", trace_id=TRACE, keys=KEYS, way=way)])
        await inbox.accept(tx, [arrival("ANOTHER", patient="other")])
        at = START + timedelta(seconds=1)
        passed = [(stage, microseconds(at), 400) for stage in ("parsed", "mapped", "validated", "stored")]
        made = [Made("Patient", "1", 1, [("a", "r", "s"), ("b", "q", "s"), ("c", "r", "t")])]
        await lineage.record(
            tx, [Record(accepted.inbox_id, "v1", at, made, [("PID-9", "none"), ("ORC-2", "drift: no order")], [], "ADT_A01", passed)]
        )
        await events.append(tx, [Version(last_updated=at)], [Why(TRACE, accepted.inbox_id)])
        await inbox.done(tx, [(accepted.inbox_id, "stored", "")], now=at)
    async with database.transaction(readonly=True) as tx:
        (event,) = await look.of_traces(tx, [TRACE])
    return event


WHOLE = [
    ("received", "durable"), ("authorised", "ok"), ("parsed", "ok"), ("mapped", "ok"), ("validated", "ok"), ("stored", "stored"),
    ("published", "create"), ("delivered", "delivered"),
]  # fmt: skip


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
    assert by_stage["mapped"].details == {"plan": "v1", "mapped": 3, "not_mapped": 2, "unknown_codes": 0, "drift": ["ORC-2: no order"]}
    assert by_stage["stored"].details["resources"] == ["Patient/1/_history/1"]
    assert (by_stage["published"].what, by_stage["published"].details["event_id"]) == ("Patient/1/_history/1", str(stored.id))


async def test_each_stage_says_its_rules_its_schema_and_how_long_it_took(database: Database, stored: Event) -> None:
    async with database.transaction(readonly=True) as tx:
        told = {hop.stage: (hop.schema_version, list(hop.transformation_rules), hop.ms) for hop in await trace.find(tx, "MSG-1", _nobody)}
    assert told == {
        "received": ("HL7 2.5.1", [], None),
        "authorised": ("HL7 2.5.1", ["interface:mllp"], 0.3),
        "parsed": ("HL7 2.5.1", ["structure:ADT_A01"], 0.4),
        "mapped": ("FHIR 4.0.1", ["plan:v1", "q", "r"], 0.4),
        "validated": ("FHIR 4.0.1", ["R4 structure and invariants"], 0.4),
        "stored": ("FHIR 4.0.1", [], 0.4),
        "published": ("FHIR 4.0.1", ["penstock.resource.created"], None),
    }


async def test_the_hops_of_several_messages_are_told_in_the_order_of_time(database: Database) -> None:
    async with database.transaction() as tx:
        keys = (("patient", "shared"),)
        first, _ = await inbox.accept(tx, [arrival("ONE", keys=keys), arrival("TWO", keys=keys)])
        await inbox.done(tx, [(first.inbox_id, "filtered", "not wanted")], now=START + timedelta(days=9))
    async with database.transaction(readonly=True) as tx:
        hops = await trace.find(tx, "shared", _nobody)
    assert [hop.at for hop in hops] == sorted(hop.at for hop in hops)
    assert [hop.stage for hop in hops if hop.outcome == "durable"] == ["received"] * 2
    assert (hops[-1].stage, hops[-1].outcome, hops[-1].details["text"]) == ("filtered", "filtered", "not wanted")


async def test_what_nobody_knows_has_no_hops(database: Database, stored: Event) -> None:
    for key in ("nothing", "f" * 32, "Patient/2", "01890a5d-ac96-774b-bcce-b302099a8057", "40001 "):
        assert await _stages(database, key) == []


@pytest.mark.req("OB-09")
@pytest.mark.parametrize("key", ["BAD-1", TRACE])
async def test_a_quarantined_message_is_found_and_says_why_it_stopped(database: Database, key: str) -> None:
    problem = Problem("required", "the message has no message type", at="MSH-9")
    bad = replace(arrival("BAD-1", trace_id=TRACE), state="quarantined", problem=problem, stopped="received")
    async with database.transaction() as tx:
        await inbox.accept(tx, [bad])
    async with database.transaction(readonly=True) as tx:
        received, processed = await trace.find(tx, key, _nobody)
    assert (received.stage, processed.stage, processed.outcome) == ("received", "refused", "quarantined")
    assert processed.details == {"stopped": "received", "code": "required", "text": "the message has no message type", "at": "MSH-9"}


@pytest.mark.req("OB-09")
async def test_a_message_that_waits_says_when_it_is_tried_again(database: Database) -> None:
    async with database.transaction() as tx:
        (accepted,) = await inbox.accept(tx, [arrival("LATER")])
    async with database.transaction() as tx:
        await inbox.claim(tx, limit=10)
        later = START + timedelta(hours=1)
        await inbox.postpone(tx, accepted.inbox_id, Problem("transient", "not now"), later, stage="stored", now=START)
    async with database.transaction(readonly=True) as tx:
        *_, processed = await trace.find(tx, "LATER", _nobody)
    assert processed.details["next_attempt"] == (START + timedelta(hours=1)).isoformat()
    assert (processed.stage, processed.details["text"], processed.details["attempts"]) == ("waiting", "not now", "1")
    (attempt,) = processed.details["history"]
    assert datetime.fromisoformat(attempt.pop("moment")) == START
    assert attempt == {"stage": "stored", "code": "transient", "text": "not now", "at": ""}


async def test_a_control_id_that_looks_like_something_else_is_still_a_control_id(database: Database) -> None:
    names = ("0af7651916cd43dd8448eb211c80319d", "01890a5d-ac96-774b-bcce-b302099a8057", "Patient/77")
    async with database.transaction() as tx:
        await inbox.accept(tx, [arrival(name) for name in names])
    for name in names:
        assert ("received", "durable") in await _stages(database, name)


async def test_a_trace_without_a_message_shows_its_events(database: Database) -> None:
    async with database.transaction() as tx:
        await events.append(tx, [Version(id="2")], [Why(TRACE, None, "app")])
    assert await _stages(database, "Patient/2") == [("stored", "create"), ("published", "create"), ("delivered", "delivered")]
