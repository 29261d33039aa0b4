"""R4 rest-hook (http://hl7.org/fhir/R4/subscription.html#2.46.7.1): one POST for each resource; its body is the resource, or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from penstock.delivery.sinks.http import headers_of
from penstock.delivery.sinks.parcel import Letter, Parcel
from penstock.delivery.subscription import Spec
from penstock.errors import Problem


def letter(spec: Spec, parcels: Sequence[Parcel], secrets: Mapping[str, str], source: str, now: datetime) -> Letter:
    """The resource as stored, byte for byte; what identifies the event is in headers, so that repeats can be told from news."""
    (parcel,) = parcels
    event = parcel.event
    headers = [
        ("Idempotency-Key", str(event.id)),
        ("Penstock-Event-Id", str(event.id)),
        ("Penstock-Event-Type", event.name),
        ("Penstock-Sequence", str(event.seq)),
        ("Penstock-Subject", f"{event.subject}/_history/{event.ver}"),
        *headers_of(spec, secrets),
    ]
    if parcel.replay:
        headers.append(("Penstock-Replay", str(parcel.replay)))
    if spec.payload == "none":
        return Letter(headers, b"")
    if parcel.body is None:
        raise Problem("not-found", "this version of the resource is no longer in the store")
    return Letter([("Content-Type", "application/fhir+json"), *headers], parcel.body)
