"""One definition, as far as it must be known to be found again; the rest of it stays in its bytes until somebody asks."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

#: The resource types that define something by a canonical URL which this program follows.
KINDS: frozenset[str] = frozenset(
    "CodeSystem CompartmentDefinition ConceptMap GraphDefinition Measure MessageDefinition NamingSystem OperationDefinition Questionnaire"
    " SearchParameter StructureDefinition StructureMap ValueSet".split()
)


class Definition(NamedTuple):
    """What a definition calls itself (http://hl7.org/fhir/R4/resource.html#canonical)."""

    type: str
    url: str
    version: str
    status: str
    date: str
    name: str

    @property
    def canonical(self) -> str:
        """``url|version``, or the URL alone where the definition has no version."""
        return f"{self.url}|{self.version}" if self.version else self.url


class _Head(msgspec.Struct):
    """Only what we look at is decoded; the rest of the body is skipped."""

    resourceType: str = ""
    url: str = ""
    version: str = ""
    status: str = ""
    date: str = ""
    name: str = ""


_DECODE = msgspec.json.Decoder(_Head).decode


def definition_of(body: bytes) -> Definition | None:
    """The definition in the JSON ``body`` of a resource; None for what has no URL or defines nothing that we follow.

    A NamingSystem has no URL in R4: it is known by its name, under the address of its own structure.
    """
    try:
        head = _DECODE(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    url = head.url
    if head.resourceType == "NamingSystem" and not url and head.name:
        url = f"http://hl7.org/fhir/NamingSystem/{head.name}"
    if head.resourceType not in KINDS or not url:
        return None
    return Definition(head.resourceType, url, head.version, head.status, head.date, head.name)


class _Shape(msgspec.Struct):
    type: str = ""
    kind: str = ""
    derivation: str = ""


_SHAPE = msgspec.json.Decoder(_Shape).decode
#: The word under which a definition is counted, where it is not that of its resource type.
_WORDS = {
    "CodeSystem": "code system", "ConceptMap": "concept map", "SearchParameter": "search parameter", "ValueSet": "value set",
    "OperationDefinition": "operation", "NamingSystem": "naming system", "Questionnaire": "questionnaire",
}  # fmt: skip


def kind_of(definition: Definition, body: bytes) -> str:
    """What an operator calls it: a profile, an extension, a search parameter, …"""
    if definition.type != "StructureDefinition":
        return _WORDS.get(definition.type, definition.type)
    shape = profile_of(body)
    if shape is None:
        return "type"
    return "extension" if shape == "Extension" else "profile"


def profile_of(body: bytes) -> str | None:
    """The type that the StructureDefinition in ``body`` constrains; None where it defines a type of its own."""
    try:
        shape = _SHAPE(body)
    except msgspec.MsgspecError:
        return None
    return shape.type if shape.derivation == "constraint" else None
