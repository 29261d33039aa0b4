"""An event as a CloudEvent 1.0 in JSON (https://github.com/cloudevents/spec, documents "CloudEvents" and "JSON Event Format").

Pure. The extensions ``partitionkey``, ``sequence`` and ``traceparent`` are those of the CloudEvents documents of these names;
the others are ours and listed in :data:`ENVELOPE`, which is also what every emitted event is checked against.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import orjson

from penstock.events.log import Event

Payload = Literal["full", "id-only", "none"]

#: Version of this envelope; it changes when an attribute changes its meaning or goes away.
SCHEMA_VERSION = "1.0"

_WORD = r"[A-Za-z0-9._:/@|+~=-]+"
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"

#: Attribute to (always there, what it must look like). An attribute that is not listed here does not leave the house.
ENVELOPE: dict[str, tuple[bool, str]] = {
    "specversion": (True, r"1\.0"),
    "id": (True, r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
    "source": (True, r"\S+"),
    "type": (True, r"penstock(\.[a-z]+)+"),
    "subject": (True, r"[A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64}"),
    "time": (True, _TIME),
    "datacontenttype": (False, r"application/(fhir\+)?json"),
    "dataschema": (False, r"\S+"),
    "partitionkey": (True, _WORD),
    "sequence": (True, r"\d{20}"),
    "traceparent": (False, r"00-[0-9a-f]{32}-[0-9a-f]{16}-01"),
    "schemaversion": (True, r"\d+\.\d+"),
    "resourceversion": (True, r"\d+"),
    "sourcesystem": (True, r"\S+"),
    "correlationid": (True, r"\S+"),
    "causationid": (True, r"\S+"),
    "payloadhash": (True, r"sha256:[0-9a-f]{64}"),
    "replay": (False, r"\d+"),
    "data": (False, r"(?s).*"),
}

_CHECKS = {name: (needed, re.compile(pattern)) for name, (needed, pattern) in ENVELOPE.items()}
_TRACE = re.compile(r"[0-9a-f]{32}")


def envelope(event: Event, *, source: str, payload: Payload, body: bytes | None = None, replay: int = 0) -> dict[str, Any]:
    """The attributes of the CloudEvent, and its ``data`` where ``payload`` asks for it.

    ``source`` is the URI of this server. ``body`` is the resource as stored (needed for "full" alone): without it, as after a
    deletion, the event carries no data. Only "full" can hold patient data.
    """
    attributes: dict[str, Any] = {
        "specversion": "1.0",
        "id": str(event.id),
        "source": source,
        "type": event.name,
        "subject": event.subject,
        "time": _instant(event.at),
        "partitionkey": event.key,
        "sequence": f"{event.seq:020d}",
        "schemaversion": SCHEMA_VERSION,
        "resourceversion": str(event.ver),
        "sourcesystem": event.source or "penstock",
        "correlationid": event.trace_id or str(event.id),
        "causationid": f"inbox/{event.inbox_id}" if event.inbox_id is not None else f"client/{event.source or 'penstock'}",
        "payloadhash": "sha256:" + event.hash.hex(),
    }
    if _TRACE.fullmatch(event.trace_id) and event.trace_id.strip("0"):
        attributes["traceparent"] = f"00-{event.trace_id}-{event.id.hex[16:]}-01"
    if replay:
        attributes["replay"] = str(replay)
    if payload == "full" and body and event.op != "delete":
        attributes["datacontenttype"] = "application/fhir+json"
        attributes["dataschema"] = f"http://hl7.org/fhir/4.0/StructureDefinition/{event.type}"
        attributes["data"] = orjson.Fragment(body)
    elif payload == "id-only":
        attributes["datacontenttype"] = "application/json"
        attributes["data"] = {"resourceType": event.type, "id": event.resource_id, "versionId": str(event.ver)}
    return attributes


def encode(attributes: Mapping[str, Any]) -> bytes:
    """The JSON Event Format; the body of the resource goes in byte for byte, so that decimals keep their precision."""
    return orjson.dumps(attributes)


def encode_batch(envelopes: list[dict[str, Any]]) -> bytes:
    """The JSON Batch Format (``application/cloudevents-batch+json``)."""
    return orjson.dumps(envelopes)


def defects(attributes: Mapping[str, Any]) -> list[str]:
    """The names of the attributes that are missing, unknown or malformed; empty for a good event."""
    wrong = [name for name in attributes if name not in ENVELOPE]
    for name, (needed, pattern) in _CHECKS.items():
        value = attributes.get(name)
        if value is None:
            wrong += [name] if needed else []
        elif name != "data" and not (isinstance(value, str) and pattern.fullmatch(value)):
            wrong.append(name)
    return wrong


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
