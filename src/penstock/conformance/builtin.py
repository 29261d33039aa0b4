"""What R4 itself defines, as far as a package could define it again."""

from __future__ import annotations

from penstock.conformance.definition import Definition
from penstock.conformance.impact import Known
from penstock.formats.fhir.definitions import r4

_STRUCTURES = "http://hl7.org/fhir/StructureDefinition/"
_VERSION = "4.0.1"


def built_in(type: str, url: str) -> list[Known]:
    """R4's own definition of that URL, or nothing. Its content is not compared: it stays in force whatever a package says."""
    if not _defines(type, url):
        return []
    return [Known(Definition(type, url, _VERSION, "active", "", url.rsplit("/", 1)[-1]), "r4", b"")]


def _defines(type: str, url: str) -> bool:
    if type == "StructureDefinition":
        return url in r4().profiles or (url.startswith(_STRUCTURES) and r4().type(url.removeprefix(_STRUCTURES)) is not None)
    if type == "SearchParameter":
        return url in r4().params_by_url
    if type == "CodeSystem":
        return url in r4().code_systems
    return type == "ValueSet" and url in r4().value_sets
