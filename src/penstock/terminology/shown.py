"""How a concept is shown in an expansion: its names, and what extensions and properties say of it.

R4 has no properties in an expansion: they come in the extensions for the elements that R5 has for them, as the terminology servers of
others write them. What a value set says of a concept comes before what its code system says, and that before a supplement.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from penstock.terminology.codesystem import CodeSystem
from penstock.terminology.concept import CONCEPT_PROPERTIES, STANDARDS_STATUS, Designation, Json, Property, value_of
from penstock.terminology.languages import Languages, choose, names
from penstock.terminology.listing import Entry

_HL7 = "http://hl7.org/fhir/StructureDefinition/"
_R5 = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ValueSet.expansion."
PROPERTY = _R5 + "property"
CONTAINED_PROPERTY = _R5 + "contains.property"

#: Extensions of a concept that an expansion tells as a property: (code, JSON name, URI of the property).
_TOLD: dict[str, tuple[str, str, str]] = {
    _HL7 + "codesystem-label": ("label", "valueString", "label"),
    _HL7 + "valueset-label": ("label", "valueString", "label"),
    _HL7 + "codesystem-conceptOrder": ("order", "valueDecimal", "order"),
    _HL7 + "valueset-conceptOrder": ("order", "valueDecimal", "order"),
    _HL7 + "itemWeight": ("weight", "valueDecimal", "itemWeight"),
    _HL7 + "ordinalValue": ("weight", "valueDecimal", "itemWeight"),
}
#: Extensions of a concept that stay what they are.
_KEPT = frozenset(_HL7 + name for name in ("valueset-deprecated", "valueset-concept-definition", "rendering-style", "rendering-xhtml"))
#: Extensions of a designation that stay.
_KEPT_NAMES = frozenset({_HL7 + "coding-sctdescid", STANDARDS_STATUS})
_URIS = {code: CONCEPT_PROPERTIES + uri for code, _, uri in _TOLD.values()}
_NEIGHBOURS = ("parent", "child")


class Manner(NamedTuple):
    """How concepts are to be shown. ``uses`` restricts designations: (system, code) of a use, or of a language."""

    languages: Languages = ()
    designations: bool = False
    uses: tuple[tuple[str, str], ...] = ()
    properties: tuple[str, ...] = ()


def show(entry: Entry, manner: Manner, declared: dict[str, str | None]) -> Json:
    """The row of a concept in an expansion; the properties that it uses are added to ``declared``."""
    system = entry.system if isinstance(entry.system, CodeSystem) else None
    added = [Designation(each.get("language"), each["value"], each.get("use"), None, each) for each in _designations(entry.written)]
    every = names(entry.concept, system, added)
    display = choose(every, manner.languages)
    properties = list(_properties(entry, system, manner.properties))
    for each in properties:
        declared.setdefault(each.code, _uri(system, each.code))
    row: Json = {}
    extensions = [*_kept(entry), *map(_contained_property, properties)]
    if extensions:
        row["extension"] = extensions
    row["system"] = entry.url
    if system is not None and system.abstract(entry.concept):
        row["abstract"] = True
    if system is not None and system.inactive(entry.concept):
        row["inactive"] = True
    row["code"] = entry.concept.code
    shown = display.value if display else entry.written.get("display") or entry.concept.display
    if shown:
        row["display"] = shown
    if manner.designations:
        others = [_written(each) for each in every if each.value != shown and _wanted(each, manner)]
        row |= {"designation": others} if others else {}
    return row


def declarations(declared: dict[str, str | None]) -> list[Json]:
    """The extensions of an expansion that say what the properties of its codes are."""
    return [
        {"url": PROPERTY, "extension": [{"url": "code", "valueCode": code}, *([{"url": "uri", "valueUri": uri}] if uri else [])]}
        for code, uri in declared.items()
    ]


def _designations(written: Json) -> list[Json]:
    return [each for each in written.get("designation", ()) if "value" in each]


def _extensions(entry: Entry) -> Iterator[Json]:
    yield from entry.written.get("extension", ())
    yield from entry.concept.extensions()


def _kept(entry: Entry) -> list[Json]:
    found: dict[str, Json] = {}
    for each in _extensions(entry):
        if each.get("url") in _KEPT:
            found.setdefault(each["url"], each)
    return list(found.values())


def _properties(entry: Entry, system: CodeSystem | None, wanted: Sequence[str]) -> Iterator[Property]:
    told: dict[str, Property] = {}
    for each in _extensions(entry):
        if each.get("url") in _TOLD:
            code, key, _ = _TOLD[each["url"]]
            told.setdefault(code, Property(code, key, value_of(each)))
    yield from told.values()
    if system is None:
        return
    status = system.status(entry.concept)
    if status is None and system.inactive(entry.concept):
        status = "inactive"
    if status not in (None, "active"):
        yield Property("status", "valueCode", status)
    yield from _asked(entry, system, wanted)


def _asked(entry: Entry, system: CodeSystem, wanted: Sequence[str]) -> Iterator[Property]:
    """The properties that the request names, ``definition`` and the neighbours among them."""
    if "definition" in wanted and entry.concept.definition:
        yield Property("definition", "valueString", entry.concept.definition)
    if "parent" in wanted:
        yield from (Property("parent", "valueCode", code) for code in entry.concept.parents)
    if "child" in wanted:
        yield from (Property("child", "valueCode", code) for code in system.children(entry.concept.code))
    for each in entry.concept.properties:
        if each.code in wanted and each.code not in ("status", *_NEIGHBOURS):
            yield each


def _uri(system: CodeSystem | None, code: str) -> str | None:
    if code in _URIS:
        return _URIS[code]
    declared = system.property_uri(code) if system is not None else None
    if declared is None and code in ("status", "definition", *_NEIGHBOURS):
        return CONCEPT_PROPERTIES + code
    return declared


def _contained_property(each: Property) -> Json:
    return {"url": CONTAINED_PROPERTY, "extension": [{"url": "code", "valueCode": each.code}, {"url": "value", each.key: each.value}]}


def _wanted(name: Designation, manner: Manner) -> bool:
    if not manner.uses:
        return True
    held: set[tuple[str, Any]] = {("urn:ietf:bcp:47", name.language)}
    if name.use is not None:
        held.add((name.use.get("system", ""), name.use.get("code")))
    return any(each in held for each in manner.uses)


def _written(name: Designation) -> Json:
    extensions = [each for each in name.raw.get("extension", ()) if each.get("url") in _KEPT_NAMES]
    found: Json = {"extension": extensions} if extensions else {}
    if name.language:
        found["language"] = name.language
    if name.use:
        found["use"] = name.use
    return {**found, "value": name.value}
