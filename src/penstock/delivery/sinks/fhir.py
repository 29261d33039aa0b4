"""A partner's FHIR server (http://hl7.org/fhir/R4/http.html): each change is written there, the way that this partner takes it.

``update`` keeps our ids, so that references hold; ``conditional`` finds the partner's own resource by a business identifier and ``create``
always makes one: there, references are made absolute, because our ids mean nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from penstock.delivery.partner import FORMATS, Manners
from penstock.delivery.sinks.http import headers_of
from penstock.delivery.sinks.parcel import Letter, Parcel
from penstock.delivery.subscription import Spec
from penstock.errors import Problem
from penstock.events import Event
from penstock.formats.fhir import json, xml

Resource = dict[str, Any]


def letter(spec: Spec, parcels: Sequence[Parcel], secrets: Mapping[str, str], source: str, now: datetime) -> Letter:
    """The request that brings the partner to this version. ``invalid``: it cannot be written for this partner."""
    (parcel,) = parcels
    event, manners = parcel.event, spec.partner or Manners()
    headers = [
        ("Idempotency-Key", str(event.id)),
        ("Prefer", manners.prefer),
        ("Accept", FORMATS[manners.format]),
        *headers_of(spec, secrets),
    ]
    if parcel.replay:
        headers.append(("Penstock-Replay", str(parcel.replay)))
    if event.op == "delete":
        return Letter(headers, b"", "DELETE", f"/{event.subject}")
    if spec.payload != "full":
        raise Problem("invalid", "a partner is sent whole resources, and this subscription has no payload")
    if parcel.body is None:
        raise Problem("not-found", "this version of the resource is no longer in the store")
    resource = adapted(json.decode(parcel.body), manners, source)
    method, path = _target(event, resource, manners)
    body = xml.encode(resource) if manners.format == "xml" else json.encode(resource)
    return Letter([("Content-Type", FORMATS[manners.format]), *headers], body, method, path)


def adapted(resource: Resource, manners: Manners, source: str) -> Resource:
    """The resource as this partner takes it: without what it does not take and what only we know, with the profile it wants claimed."""
    out = {name: value for name, value in resource.items() if name not in manners.without}
    meta = {name: value for name, value in out.pop("meta", {}).items() if name not in ("versionId", "lastUpdated")}
    profile = dict(manners.profiles).get(resource["resourceType"])
    if profile:
        meta["profile"] = list(dict.fromkeys([*meta.get("profile", ()), profile]))
    if meta and "meta" not in manners.without:
        out["meta"] = meta
    if manners.write == "update":
        return out
    out.pop("id", None)
    absolute: Resource = _absolute(out, source)
    return absolute


def _absolute(value: Any, source: str) -> Any:
    """The same with relative references led to this server, where it has an address."""
    if isinstance(value, list):
        return [_absolute(one, source) for one in value]
    if not isinstance(value, dict):
        return value
    out = {name: _absolute(one, source) for name, one in value.items()}
    reference = out.get("reference")
    if isinstance(reference, str) and source.startswith("http") and reference[:1].isupper() and ":" not in reference:
        out["reference"] = f"{source.removesuffix('/fhir')}/fhir/{reference}"
    return out


def _target(event: Event, resource: Resource, manners: Manners) -> tuple[str, str]:
    if manners.write == "update":
        return "PUT", f"/{event.subject}"
    if manners.write == "create":
        return "POST", f"/{event.type}"
    found = next((one for one in resource.get("identifier", ()) if one.get("system") == manners.identifier and one.get("value")), None)
    if found is None:
        raise Problem("invalid", "this partner finds resources by an identifier that this resource does not have")
    return "PUT", f"/{event.type}?identifier={_escaped(manners.identifier)}%7C{_escaped(found['value'])}"


def _escaped(text: str) -> str:
    """As part of a token in a query (search.html#escaping), in a URL."""
    return quote(re.sub(r"([\\,|$])", r"\\\1", text), safe="")
