"""A hop: one thing that happened to what came in, in the same words whichever way it came. Pure.

Every inbound path makes the same hops, in the order of :data:`~penstock.audit.way.STAGES`: from a message of the inbox and its lineage,
from the way beside the events of a FHIR write, or from the record of a request that wrote nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from penstock.audit.unwritten import Unwritten
from penstock.audit.way import FHIR, SOUND, STAGES, Way, decode, microseconds, moment
from penstock.events import Event
from penstock.inbox import Row

US = "penstock"

Details = dict[str, Any]

#: How the reasons of the remainder begin that are mistakes of the sender, and so many of them does a hop tell.
_DRIFT, _TOLD = "drift: ", 20


class Hop(NamedTuple):
    """``at`` when, ``stage`` where, ``what`` to what, how it went (``outcome``), and in how many milliseconds, where that was measured.

    ``trace_id`` is what everything that one thing caused has in common. ``message_id`` is what the thing is called at this hop: a control
    id, the id of a request, of an event. ``transformation_rules`` are those that were applied: a scope, rows of a map, a profile.
    """

    at: datetime
    trace_id: str
    stage: str
    what: str
    outcome: str
    details: Details
    ms: float | None = None
    source_system: str = ""
    target_system: str = US
    message_id: str = ""
    schema_version: str = FHIR
    transformation_rules: Sequence[str] = ()


def of_request(events: Sequence[Event]) -> Iterator[Hop]:
    """The hops of one FHIR write up to the store; ``events`` are all that it caused."""
    first, way = events[0], decode(events[0].way)
    versions = [version_of(event) for event in events]
    at = max(event.at for event in events)
    what, outcome = (versions[0], first.op) if len(events) == 1 else (f"{len(events)} resources", "stored")
    stored = Hop(at, first.trace_id, "stored", what, outcome, {} if len(events) == 1 else {"resources": versions}, None, first.source)
    if way is None:  # written before ways were kept
        yield stored._replace(message_id=first.trace_id)
        return
    yield from _passed(way, first.trace_id, first.source)
    handed = way.at(max(way.validated, 0))
    yield stored._replace(at=max(at, handed), message_id=first.trace_id, ms=_ms(at - handed))


def of_event(event: Event, stored_at: datetime | None = None) -> Hop:
    """A change that is in the log: whoever asked is told of it from here on. ``stored_at`` is when the message behind it was stored."""
    details = {"event_id": str(event.id), "seq": event.seq, "source": event.source, "payload_hash": f"sha256:{event.hash.hex()}"}
    hop = Hop(
        _moment_of(event, stored_at), event.trace_id, "published", version_of(event), event.op, details, None, US, "events", str(event.id)
    )
    return hop._replace(transformation_rules=(event.name,))


def of_unwritten(record: Unwritten) -> Iterator[Hop]:
    """The hops of a request that wrote nothing, as far as it came, and why it came no further."""
    way = decode(record.way)
    if way is not None:
        yield from _passed(way, record.trace_id, record.client, stop=record.stage)
    end = Hop(record.moment, record.trace_id, "stored", record.type, "unchanged", {}, None, record.client, US, record.trace_id)
    if record.code:
        told = {"stopped": record.stage, "code": record.code, "text": record.text, "at": record.at, "problems": record.problems}
        end = end._replace(stage="refused", outcome=record.code, details={name: value for name, value in told.items() if value})
    if record.more:
        end.details["more"] = record.more
    yield end if way is None else end._replace(at=way.at(max(way.authorised, way.validated, 0)))


def of_message(row: Row, record: Mapping[str, Any] | None) -> Iterator[Hop]:
    """The hops of a message up to the store; ``record`` is its lineage, where it was stored."""
    way, what = decode(row.way), f"message {row.inbox_id}"
    known = {"inbox_id": row.inbox_id, "interface": row.interface, "type": f"{row.type}^{row.trigger}", "payload_hash": row.payload_hash}
    schema = way.schema if way else "HL7 v2"
    hop = Hop(row.received_at, row.trace_id, "received", what, "durable", known, None, row.source, US, row.control_id, schema)
    yield hop if way is None else hop._replace(details=known | {"door": way.door, "from": way.client})
    if way is not None and way.authorised >= 0:
        took, rules = round(way.authorised / 1000, 3), tuple(way.rule.split())
        yield hop._replace(at=way.at(way.authorised), stage="authorised", outcome="ok", details={}, ms=took, transformation_rules=rules)
    ended = max(row.done_at or row.next_at or row.received_at, row.received_at if way is None else way.at(max(way.authorised, 0)))
    yield from _of_record(hop, record) if record else _before(hop._replace(at=ended), row.stopped)
    yield from _end(hop._replace(at=ended), row)


def _of_record(hop: Hop, record: Mapping[str, Any]) -> Iterator[Hop]:
    """The stages that the lineage of a message knows."""
    made, steps = record["made"], [step for *_, steps in record["made"] for step in steps]
    resources = [f"{type_}/{id_}/_history/{ver}" for type_, id_, ver, _ in made]
    told: dict[str, tuple[str, str, Details, Sequence[str]]] = {
        "parsed": ("ok", hop.schema_version, {}, (f"structure:{record.get('structure', '')}",)),
        "mapped": ("ok", FHIR, {"plan": record["plan"], **_counts(record, steps)}, (f"plan:{record['plan']}", *_rules(steps))),
        "validated": ("ok", FHIR, {}, (SOUND,)),
        "stored": ("stored", FHIR, {"resources": resources}, ()),
    }
    whole = record.get("stages") or [(stage, microseconds(record["at"]), None) for stage in ("mapped", "stored")]  # before they were kept
    for stage, at, took in whole:
        outcome, schema, details, rules = told[stage]
        ms = None if took is None else round(took / 1000, 3)
        yield hop._replace(
            at=moment(at), stage=stage, outcome=outcome, details=details, ms=ms, schema_version=schema, transformation_rules=rules
        )


def _counts(record: Mapping[str, Any], steps: Sequence[Any]) -> Details:
    """How much of a message was mapped, and what of the rest looks like a mistake of its sender: places and reasons, never values."""
    counts: Details = {"mapped": len(steps), "not_mapped": len(record["remainder"]), "unknown_codes": len(record["steward"])}
    drift = [f"{source}: {reason.removeprefix(_DRIFT)}" for source, reason in record["remainder"] if reason.startswith(_DRIFT)]
    return counts | {"drift": drift[:_TOLD]} if drift else counts


def _rules(steps: Sequence[tuple[str, str, str]]) -> list[str]:
    return sorted({rule for _, rule, _ in steps})


def _before(hop: Hop, stopped: str) -> Iterator[Hop]:
    """The stages between the door and the one that a message did not pass."""
    if stopped in ("mapped", "validated", "stored"):
        for stage in STAGES[STAGES.index("parsed") : STAGES.index(stopped)]:
            yield hop._replace(stage=stage, outcome="ok", details={})


def _end(hop: Hop, row: Row) -> Iterator[Hop]:
    """Where a message ended that was not stored, or for what it waits."""
    if row.state == "stored":
        return
    stage = {"quarantined": "refused", "filtered": "filtered"}.get(row.state, "waiting")
    reason = {"stopped": row.stopped, "code": row.code, "text": row.text, "at": row.at}
    details: Details = {name: value for name, value in reason.items() if value}
    if row.attempts:
        details |= {"attempts": str(row.attempts), "history": row.history}
    if row.next_at and not row.done_at:
        details["next_attempt"] = row.next_at.isoformat()
    yield hop._replace(stage=stage, outcome=row.state, details=details)


def version_of(event: Event) -> str:
    """The resource version that an event tells of."""
    return f"{event.subject}/_history/{event.ver}"


def _moment_of(event: Event, stored_at: datetime | None) -> datetime:
    """When an event happened: after what led to it, though the time of a version has only milliseconds."""
    if way := decode(event.way):
        return max(event.at, way.at(max(way.validated, 0)))
    if stored_at is not None and timedelta() < stored_at - event.at < timedelta(milliseconds=1):
        return stored_at
    return event.at


def _passed(way: Way, trace_id: str, client: str, *, stop: str = "") -> Iterator[Hop]:
    """Received, authorised and validated, each where it came so far and did not ``stop`` there."""
    rules = {"received": (), "authorised": tuple(way.rule.split()), "validated": (SOUND,)}
    before = 0
    for stage, after in (("received", 0), ("authorised", way.authorised), ("validated", way.validated)):
        if stage == stop or after < 0:
            return
        took = round((after - before) / 1000, 3) if stage != "received" else None
        yield Hop(way.at(after), trace_id, stage, way.door, "ok", {}, took, client, US, trace_id, way.schema, rules[stage])
        before = after


def _ms(span: timedelta) -> float:
    return round(max(span.total_seconds(), 0) * 1000, 3)
