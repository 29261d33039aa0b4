"""The transaction log: the hops of everything that came in, newest first, asked for by any field.

What has a name (a message, a trace) is looked up by it. Anything else is found by walking back over what came in, so many at a time: a
page looks at a bounded number, and its cursor goes on from there, so that no question costs more than a page and none misses anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from penstock import inbox
from penstock.audit import lineage, trace, unwritten
from penstock.audit.hop import US, Hop
from penstock.audit.trace import Deliveries
from penstock.db import Tx
from penstock.errors import Problem
from penstock.events import look

#: So many messages, events and requests that wrote nothing one page looks at, of each.
PAGE = 200
_EVENTS = 10_000

_CURSOR = re.compile(r"(\d{1,18})\.(\d{1,18})\.(\d{1,18})")
_START = f"{10**18 - 1}.{10**18 - 1}.{10**18 - 1}"
#: What may be asked for, and what of a hop it is compared with.
FIELDS: Mapping[str, str] = {
    "source_system": "source_system",
    "target_system": "target_system",
    "message_id": "message_id",
    "correlation_id": "trace_id",
    "schema_version": "schema_version",
    "transformation_rules": "transformation_rules",
    "outcome": "outcome",
    "stage": "stage",
}


class Page(NamedTuple):
    """``entries`` are hops with the names of :data:`FIELDS`; ``next`` is the cursor to go on from, None at the end."""

    entries: list[dict[str, Any]]
    next: str | None


class Window(NamedTuple):
    """From when (at or after) and until when (before) something came in."""

    since: datetime | None = None
    until: datetime | None = None


async def find(tx: Tx, asked: Mapping[str, str], window: Window, cursor: str, deliveries: Deliveries) -> Page:
    """The hops that agree with everything that is ``asked`` (a name of :data:`FIELDS` to its value)."""
    key = asked.get("correlation_id") or asked.get("message_id")
    if key:
        hops, following = await trace.find(tx, key, deliveries), None
    else:
        hops, following = await _walk(tx, asked.get("source_system"), window, cursor or _START, deliveries)
    found = [_entry(hop) for hop in reversed(hops) if _agrees(hop, asked)]
    return Page(found, following)


async def _walk(tx: Tx, source: str | None, window: Window, cursor: str, deliveries: Deliveries) -> tuple[list[Hop], str | None]:
    """The hops of what came in before a cursor, and the next cursor."""
    below = _CURSOR.fullmatch(cursor)
    if below is None:
        raise Problem("value", "this is not a cursor of the transaction log", at="http.cursor")
    source = None if source == US else source  # what we do ourselves comes after what others sent
    rows = await inbox.newest(tx, int(below[1]), source, *window, PAGE)
    events = await look.newest(tx, int(below[2]), source, *window, PAGE)
    requests = await unwritten.newest(tx, int(below[3]), source, *window, PAGE)
    of_rows = await look.of_traces(tx, [row.trace_id for row in rows], limit=_EVENTS)
    whole = events + [event for event in of_rows if event.inbox_id is not None]
    records = await lineage.of_messages(tx, [row.inbox_id for row in rows])
    hops = await trace.hops_of(tx, rows, records, whole, [record for _, record in requests], deliveries)
    seen = [row.inbox_id for row in rows], [event.seq for event in events], [number for number, _ in requests]
    ends = (str(min(numbers, default=int(before))) for numbers, before in zip(seen, below.groups(), strict=True))
    return hops, ".".join(ends) if PAGE in map(len, seen) else None


def _agrees(hop: Hop, asked: Mapping[str, str]) -> bool:
    for name, value in asked.items():
        held = getattr(hop, FIELDS[name])
        if value != held and (isinstance(held, str) or value not in held):
            return False
    return True


def _entry(hop: Hop) -> dict[str, Any]:
    """A hop with the names that are asked by."""
    told = {name: getattr(hop, field) for name, field in FIELDS.items()}
    return {"at": hop.at, **told, "what": hop.what, "ms": hop.ms, "details": hop.details}
