"""Code systems of others of which R4 lists codes in its value sets: countries (ISO 3166) and currencies (ISO 4217).

They are fragments: a code that is not listed may exist.
"""

from __future__ import annotations

from functools import cache

from penstock.terminology.codesystem import CodeSystem
from penstock.terminology.published import published

#: System to (name, the value set of R4 that lists its codes).
_LISTED = {
    "urn:iso:std:iso:3166": ("Iso3166", "http://hl7.org/fhir/ValueSet/iso3166-1-2"),
    "urn:iso:std:iso:4217": ("Iso4217", "http://hl7.org/fhir/ValueSet/currencies"),
}


@cache
def listed(url: str) -> CodeSystem | None:
    """The system as far as R4 lists it."""
    if url not in _LISTED:
        return None
    name, source = _LISTED[url]
    found = published().find("ValueSet", source) or {}
    concepts = [each for row in found["compose"]["include"] if row.get("system") == url for each in row.get("concept", ())]
    return CodeSystem(
        {"resourceType": "CodeSystem", "url": url, "name": name, "content": "fragment", "language": "en", "concept": concepts}
    )
