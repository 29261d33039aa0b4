"""One code of a code system, and what its properties and extensions say about it (http://hl7.org/fhir/R4/codesystem.html#properties)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

Json = dict[str, Any]

#: The properties that FHIR defines for all code systems are named by their URI; a system may give them another code.
CONCEPT_PROPERTIES = "http://hl7.org/fhir/concept-properties#"
STANDARDS_STATUS = "http://hl7.org/fhir/StructureDefinition/structuredefinition-standards-status"
#: A ``status`` that makes a concept inactive; deprecated ones may still be used.
_INACTIVE = frozenset({"retired", "inactive"})
_WITHDRAWN = frozenset({"deprecated", "withdrawn"})


#: The JSON names of the value of a property, and their types (http://hl7.org/fhir/R4/codesystem.html#properties).
VALUES = {
    "valueCode": "code",
    "valueCoding": "Coding",
    "valueString": "string",
    "valueInteger": "integer",
    "valueBoolean": "boolean",
    "valueDateTime": "dateTime",
    "valueDecimal": "decimal",
}


class Property(NamedTuple):
    """A property of a concept; ``key`` is the name of its JSON value (``valueCode``)."""

    code: str
    key: str
    value: Any


class Designation(NamedTuple):
    """A way to show a concept. ``source`` is the supplement that it comes from, ``raw`` the JSON it was written as."""

    language: str | None
    value: str
    use: Json | None = None
    source: str | None = None
    raw: Json = {}  # noqa: RUF012 a NamedTuple's default, which nobody changes

    @property
    def withdrawn(self) -> bool:
        """Whether it is no longer a right name of the concept."""
        return extension(self.raw, STANDARDS_STATUS) in _WITHDRAWN


class Concept:
    """A code. ``raw`` is as it was written, ``added`` what supplements say, each with the supplement's canonical.

    ``properties`` are its own and then those of the supplements.
    """

    __slots__ = ("added", "code", "display", "parents", "properties", "raw")

    def __init__(self, code: str, raw: Json, parents: tuple[str, ...] = (), added: tuple[tuple[str, Json], ...] = ()) -> None:
        self.code = code
        self.raw = raw
        self.display: str | None = raw.get("display")
        self.parents = parents
        self.added = added
        self.properties: tuple[Property, ...] = _properties(raw, added) if added or "property" in raw else ()

    @property
    def definition(self) -> str | None:
        found: str | None = self.raw.get("definition")
        return found

    def designations(self) -> Iterator[Designation]:
        """Its designations and then those of the supplements, the display not among them."""
        for source, raw in ((None, self.raw), *self.added):
            for row in raw.get("designation", ()):
                if "value" not in row:
                    continue
                yield Designation(row.get("language"), row["value"], row.get("use"), source, row)

    def extensions(self) -> Iterator[Json]:
        """What is written on it; a supplement's word comes after the system's own."""
        for raw in (self.raw, *(raw for _, raw in self.added)):
            yield from raw.get("extension", ())


def _properties(raw: Json, added: tuple[tuple[str, Json], ...]) -> tuple[Property, ...]:
    return tuple(
        Property(row["code"], key, row[key])
        for each in (raw, *(more for _, more in added))
        for row in each.get("property", ())
        for key in row
        if key in VALUES and "code" in row
    )


def extension(raw: Json, url: str) -> Any:
    """The value of an extension, or None."""
    return next((value_of(each) for each in raw.get("extension", ()) if each.get("url") == url), None)


def value_of(row: Json) -> Any:
    """The ``value[x]`` of an extension or a parameter."""
    return next((value for name, value in row.items() if name.startswith("value")), None)


def retires(status: object) -> bool:
    """Whether a status property says that a concept is inactive."""
    return status in _INACTIVE
