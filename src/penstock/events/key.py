"""The key that order is kept for: the patient a resource is about, else the resource itself.

The elements are those of the R4 Patient compartment (http://hl7.org/fhir/R4/compartmentdefinition-patient.html) that name the
one patient a resource belongs to; participants and performers do not.
"""

from __future__ import annotations

from typing import Any

import msgspec


class _Links(msgspec.Struct):
    """Only what we look at is decoded; the rest of the body is skipped."""

    subject: Any = None
    patient: Any = None
    beneficiary: Any = None
    for_: Any = msgspec.field(default=None, name="for")
    individual: Any = None


_DECODE = msgspec.json.Decoder(_Links).decode


def key_of(type_: str, id_: str, body: bytes) -> str:
    """``Patient/…`` where the body names its patient by a literal relative reference, else ``Type/id``."""
    own = f"{type_}/{id_}"
    if type_ == "Patient" or not body:
        return own
    try:
        links = _DECODE(body)
    except msgspec.MsgspecError:
        return own
    for link in (links.subject, links.patient, links.beneficiary, links.for_, links.individual):
        reference = link.get("reference") if isinstance(link, dict) else None
        if isinstance(reference, str) and reference.startswith("Patient/"):
            return "/".join(reference.split("/")[:2])
    return own
