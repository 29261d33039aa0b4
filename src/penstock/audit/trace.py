"""Where is my message: every hop of a message, resource or event, in the order of time.

A trace id is given to a message at its connection (or to a request at the HTTP door) and stays with everything that it causes. What
is asked for (a control id, a patient's identifier, an order number, a resource, an event id, a trace id) leads to trace ids; those
lead to hops. A hop holds ids, states and reasons; the key that was asked for is never logged.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from penstock import inbox
from penstock.audit import lineage, unwritten
from penstock.audit.hop import Hop, of_event, of_message, of_request, of_unwritten
from penstock.db import Tx
from penstock.events import Event, look

#: So many messages, or traces, are followed at most; the newest ones.
MOST = 20

#: Kinds of identifiers that a bare word may be, as the inbox knows them.
_KINDS = ("control", "patient", "visit", "placer-order", "filler-order", "accession", "account")
_RESOURCE = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9.-]{1,64})(?:/_history/\d+)?")
#: A trace id, or the header of the W3C that holds one.
_TRACE = re.compile(r"(?:[0-9a-f]{2}-)?([0-9a-f]{32})(?:-[0-9a-f]{16}-[0-9a-f]{2})?")


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
    return await hops_of(tx, rows, records, events, await unwritten.of_traces(tx, sorted(trace_ids)), deliveries)


async def hops_of(
    tx: Tx,
    rows: Sequence[inbox.Row],
    records: Mapping[int, dict[str, Any]],
    events: Sequence[Event],
    nothing: Iterable[unwritten.Unwritten],
    deliveries: Deliveries,
) -> list[Hop]:
    """The hops of messages with their lineage, of events, and of requests that wrote nothing; oldest first."""
    of_one = {row.inbox_id: list(of_message(row, records.get(row.inbox_id))) for row in rows}
    hops = [hop for each in of_one.values() for hop in each]
    stored_at = {inbox_id: hop.at for inbox_id, each in of_one.items() for hop in each if hop.stage == "stored"}
    hops += [*_requests(events), *(of_event(event, stored_at.get(event.inbox_id or 0)) for event in events)]
    hops += [hop for record in nothing for hop in of_unwritten(record)]
    hops += await deliveries(tx, events)
    return sorted(hops, key=lambda hop: hop.at)


async def _named(tx: Tx, key: str) -> tuple[set[int], set[str]]:
    """The messages and traces that ``key`` names, in whatever way: a sender's control id may look like anything."""
    inbox_ids = {inbox_id for kind in _KINDS for inbox_id in await inbox.find(tx, kind, key, limit=MOST)}
    trace_ids = set()
    if named := _TRACE.fullmatch(key):
        inbox_ids.update(await inbox.find(tx, "trace", named[1], limit=MOST))
        trace_ids.add(named[1])
    if resource := _RESOURCE.fullmatch(key):
        inbox_ids.update(await lineage.messages_of(tx, *resource.groups()))
        trace_ids.update(event.trace_id for event in await look.of_resource(tx, *resource.groups(), limit=MOST))
    if _is_uuid(key) and (event := await look.of_id(tx, uuid.UUID(key))):
        trace_ids.add(event.trace_id)
    return inbox_ids, trace_ids - {""}


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _requests(events: Iterable[Event]) -> Iterator[Hop]:
    """What was written without a message, request by request: of one request is what came in in the same way."""
    of_one: dict[tuple[str, str, str], list[Event]] = {}
    for event in events:
        if event.inbox_id is None:
            of_one.setdefault((event.trace_id, event.source, event.way or str(event.id)), []).append(event)
    return (hop for each in of_one.values() for hop in of_request(each))
