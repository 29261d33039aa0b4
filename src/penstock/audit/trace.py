"""Where is my message: every hop of a message, resource or event, in the order of time.

A trace id is given to a message at its connection (or to a request at the HTTP door) and stays with everything that it causes. What
is asked for (a control id, a patient's identifier, an order number, a resource, an event id, a trace id) leads to trace ids; those
lead to hops. A hop holds ids, states and reasons; the key that was asked for is never logged.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from penstock import inbox
from penstock.audit import lineage
from penstock.db import Tx
from penstock.events import Event, look

#: So many messages, or traces, are followed at most; the newest ones.
MOST = 20

#: Kinds of identifiers that a bare word may be, as the inbox knows them.
_KINDS = ("control", "patient", "visit", "placer-order", "filler-order", "accession", "account")
_RESOURCE = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9.-]{1,64})(?:/_history/\d+)?")
_TRACE = re.compile(r"[0-9a-f]{32}")


class Hop(NamedTuple):
    """One thing that happened: ``at`` when, ``stage`` where, ``what`` to what, and how it went."""

    at: datetime
    trace_id: str
    stage: str
    what: str
    outcome: str
    details: dict[str, Any]


#: The deliveries of events, by their sequence numbers, as hops; delivery's own.
Deliveries = Callable[[Tx, Sequence[Event]], Awaitable[Iterable[Hop]]]


async def find(tx: Tx, key: str, deliveries: Deliveries) -> list[Hop]:
    """The hops of whatever ``key`` names, oldest first; empty when nothing is known by that name."""
    inbox_ids, trace_ids = await _named(tx, key)
    rows = await inbox.rows(tx, sorted(inbox_ids)[-MOST:])
    trace_ids |= {row.trace_id for row in rows}
    events = await look.of_traces(tx, sorted(trace_ids))
    more = {event.inbox_id for event in events if event.inbox_id} - {row.inbox_id for row in rows}
    rows += await inbox.rows(tx, sorted(more)[-MOST:])
    records = await lineage.of_messages(tx, [row.inbox_id for row in rows])
    hops = [hop for row in rows for hop in _of_message(row, records.get(row.inbox_id))]
    hops += [_of_event(event) for event in events]
    hops += await deliveries(tx, events)
    return sorted(hops, key=lambda hop: hop.at)


async def _named(tx: Tx, key: str) -> tuple[set[int], set[str]]:
    """The messages and traces that ``key`` names, in whatever way: a sender's control id may look like anything."""
    inbox_ids = {inbox_id for kind in _KINDS for inbox_id in await inbox.find(tx, kind, key, limit=MOST)}
    trace_ids = set()
    if _TRACE.fullmatch(key):
        inbox_ids.update(await inbox.find(tx, "trace", key, limit=MOST))
        trace_ids.add(key)
    if resource := _RESOURCE.fullmatch(key):
        inbox_ids.update(await lineage.messages_of(tx, *resource.groups()))
        trace_ids.update(event.trace_id for event in await look.of_resource(tx, *resource.groups(), limit=MOST))
    if _is_uuid(key) and (event := await look.of_id(tx, uuid.UUID(key))):
        trace_ids.add(event.trace_id)
    return inbox_ids, trace_ids


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _of_message(row: inbox.Row, record: dict[str, Any] | None) -> Iterable[Hop]:
    """Received and acknowledged in one commit; then converted and stored, or why not."""
    known = {"inbox_id": row.inbox_id, "interface": row.interface, "type": f"{row.type}^{row.trigger}"}
    yield Hop(row.received_at, row.trace_id, "received", f"message {row.inbox_id}", "durable", known)
    if record:
        details = {
            "plan": record["plan"],
            "resources": [f"{type_}/{id_}/_history/{ver}" for type_, id_, ver, _ in record["made"]],
            "mapped": sum(len(steps) for *_, steps in record["made"]),
            "not_mapped": len(record["remainder"]),
            "unknown_codes": len(record["steward"]),
        }
        yield Hop(record["at"], row.trace_id, "converted", f"message {row.inbox_id}", "ok", details)
    reason = {name: value for name, value in (("code", row.code), ("text", row.text), ("at", row.at)) if value}
    if row.attempts:
        reason["attempts"] = str(row.attempts)
    at = row.done_at or row.next_at or row.received_at
    waits = {"next_attempt": row.next_at.isoformat()} if row.next_at and not row.done_at else {}
    yield Hop(at, row.trace_id, "processed", f"message {row.inbox_id}", row.state, reason | waits)


def _of_event(event: Event) -> Hop:
    details = {"event_id": str(event.id), "seq": event.seq, "source": event.source}
    return Hop(event.at, event.trace_id, "stored", f"{event.subject}/_history/{event.ver}", event.op, details)
