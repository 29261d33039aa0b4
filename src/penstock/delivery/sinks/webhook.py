"""Webhooks of the site: CloudEvents in structured mode, one or a batch for each POST
(https://github.com/cloudevents/spec, "HTTP Protocol Binding" sections 3.2 and 3.3), signed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, cast

from penstock.delivery.signature import sign
from penstock.delivery.sinks.http import headers_of
from penstock.delivery.sinks.parcel import Letter, Parcel
from penstock.delivery.subscription import Spec
from penstock.events.cloudevents import encode, encode_batch, envelope


def letter(spec: Spec, parcels: Sequence[Parcel], secrets: Mapping[str, str], source: str, now: datetime) -> Letter:
    """One CloudEvent, or an array of them where the subscriber takes batches; ``webhook-id`` is the same at every repeat."""
    payload = cast(Literal["full", "id-only", "none"], spec.payload)
    rendered = [envelope(p.event, source=source, payload=payload, body=p.body, replay=p.replay) for p in parcels]
    if spec.batch > 1:
        type_, body = "application/cloudevents-batch+json", encode_batch(rendered)
    else:
        type_, body = "application/cloudevents+json", encode(rendered[0])
    id_, timestamp = _id(parcels), int(now.timestamp())
    headers = [
        ("Content-Type", f"{type_}; charset=utf-8"),
        ("webhook-id", id_),
        ("webhook-timestamp", str(timestamp)),
        ("webhook-signature", sign([secrets[handle] for handle in spec.keys if handle in secrets], id_, timestamp, body)),
    ]
    if len(parcels) == 1 and "traceparent" in rendered[0]:
        headers.append(("traceparent", rendered[0]["traceparent"]))
    return Letter(headers + headers_of(spec, secrets), body)


def _id(parcels: Sequence[Parcel]) -> str:
    if len(parcels) == 1:
        return str(parcels[0].event.id)
    return hashlib.sha256(b"".join(parcel.event.id.bytes for parcel in parcels)).hexdigest()[:32]
