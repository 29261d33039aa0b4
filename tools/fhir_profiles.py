"""StructureDefinition to two tables: the profiles and extensions that R4 itself publishes, and the words of all invariants.

Profile: the StructureDefinition reduced to what validation reads: its identity, its context, and the constraints of its differential.
Words: the key of an invariant to what it says for people.
"""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]

IDENTITY = ("url", "version", "name", "type", "kind", "abstract", "derivation", "baseDefinition", "context", "contextInvariant")
CONSTRAINTS = ("id", "path", "sliceName", "slicing", "min", "max", "contentReference", "maxLength", "isModifier")
#: Elements with a type in their name: ``fixedUri``, ``patternCodeableConcept``, ``minValueInteger``, …
TYPED = ("fixed", "pattern", "minValue", "maxValue")
TYPE = ("code", "profile", "targetProfile", "aggregation", "versioning")
MAX_VALUE_SET = "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet"


def profiles(structures: list[Row]) -> dict[str, Row]:
    """Every constraint on a type, extensions included, by URL."""
    return {row["url"]: _profile(row) for row in structures if row.get("derivation") == "constraint"}


def words(structures: list[Row]) -> dict[str, str]:
    """What each invariant says; where two definitions of one key differ, that of the type itself stands."""
    found: dict[str, str] = {}
    for row in sorted(structures, key=lambda row: row.get("derivation") == "constraint"):
        for element in row.get("snapshot", {}).get("element", ()):
            for rule in element.get("constraint", ()):
                found.setdefault(rule["key"], " ".join(rule["human"].split()))
    return dict(sorted(found.items()))


def _profile(row: Row) -> Row:
    kept = {name: row[name] for name in IDENTITY if name in row}
    return {**kept, "differential": {"element": [_element(element) for element in row["differential"]["element"]]}}


def _element(element: Row) -> Row:
    kept = {name: value for name, value in element.items() if name in CONSTRAINTS or name.startswith(TYPED)}
    if "type" in element:
        kept["type"] = [{name: each[name] for name in TYPE if name in each} for each in element["type"]]
    if "constraint" in element:
        kept["constraint"] = [
            {name: rule[name] for name in ("key", "severity", "expression", "source") if name in rule} for rule in element["constraint"]
        ]
    if "valueSet" in element.get("binding", {}):
        kept["binding"] = _binding(element["binding"])
    if "slicing" in kept:
        kept["slicing"] = {name: value for name, value in kept["slicing"].items() if name != "description"}
    return kept


def _binding(binding: Row) -> Row:
    kept = {name: binding[name] for name in ("strength", "valueSet")}
    most = [one for one in binding.get("extension", ()) if one["url"] == MAX_VALUE_SET]
    return {**kept, "extension": most} if most else kept
