"""Value sets that nobody writes, because their URL says what is in them.

``…?fhir_vs`` is a whole code system and ``…?fhir_vs=isa/CODE`` a code and all below it (http://hl7.org/fhir/R4/snomedct.html#implicit,
followed by other systems too); http://loinc.org/vs is all of LOINC (http://hl7.org/fhir/R4/loinc.html).
"""

from __future__ import annotations

from penstock.terminology.concept import Json

_MARK = "?fhir_vs"
_LOINC = ("http://loinc.org/vs", "http://loinc.org")


def implied(url: str) -> Json | None:
    """The value set that a URL implies; None where it implies none."""
    bare, _, _ = url.partition("|")
    system, mark, rest = bare.partition(_MARK)
    if bare == _LOINC[0]:
        return _value_set(bare, {"system": _LOINC[1]})
    if not mark or not system:
        return None
    if not rest:
        return _value_set(bare, {"system": system})
    kind, _, code = rest.partition("/")
    if kind != "=isa" or not code:
        return None
    return _value_set(bare, {"system": system, "filter": [{"property": "concept", "op": "is-a", "value": code}]})


def _value_set(url: str, include: Json) -> Json:
    return {"resourceType": "ValueSet", "url": url, "status": "active", "compose": {"include": [include]}}
