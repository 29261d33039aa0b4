"""The FHIR R4 definitions as tables: types and their elements, search parameters, compartments, codes.

``r4()`` reads what every start needs (elements and search parameters) once; value sets and code systems load when first asked for.
The tables are written by ``tools/fhir_definitions.py`` from the published definitions.
"""

from __future__ import annotations

from functools import cache, cached_property
from typing import Any

from penstock.formats.fhir.definitions.model import Binding, CodeSystem, Concept, Element, Invariant, Rule, SearchParam, TypeDef, ValueSet
from penstock.formats.fhir.definitions.tables import load
from penstock.formats.fhir.definitions.types import build

__all__ = [
    "Binding",
    "CodeSystem",
    "Concept",
    "Definitions",
    "Element",
    "Invariant",
    "Rule",
    "SearchParam",
    "TypeDef",
    "ValueSet",
    "r4",
]


class Definitions:
    """One version of FHIR. Types are built from their row when first asked for."""

    def __init__(self) -> None:
        self._rows: dict[str, list[Any]] = load("elements")
        search = load("search")
        self._parameters: list[SearchParam] = [SearchParam.of(row) for row in search["parameters"]]
        self._compartments: dict[str, dict[str, list[str]]] = search["compartments"]
        self._types: dict[str, TypeDef] = {}
        self._by_type: dict[str, dict[str, SearchParam]] = {}

    @cached_property
    def resource_types(self) -> frozenset[str]:
        """Every concrete resource type of R4 (148 rows less the two abstract ones)."""
        return frozenset(name for name, row in self._rows.items() if row[0] == "resource" and not row[2])

    @cached_property
    def data_types(self) -> frozenset[str]:
        """Every complex and primitive data type."""
        return frozenset(name for name, row in self._rows.items() if row[0] in ("complex", "primitive"))

    def type(self, name: str) -> TypeDef | None:
        """A resource type, a data type, or a backbone element by its path (``Patient.contact``)."""
        found = self._types.get(name)
        if found is None and name in self._rows:
            found = self._types[name] = build(name, self._rows)
        return found

    def ancestors(self, name: str) -> tuple[str, ...]:
        """The type itself and all that it specialises, nearest first: ``("Patient", "DomainResource", "Resource")``."""
        line: list[str] = []
        step: str | None = name
        while step in self._rows:
            line.append(step)
            step = self._rows[step][1]
        return tuple(line)

    def type_at(self, path: str) -> Element | None:
        """The element that a path such as ``Patient.contact.name.given`` names, or None when R4 has none there.

        Indexes are ignored; a choice may be written ``Observation.value[x]``, ``Observation.value`` or ``Observation.valueQuantity``.
        """
        owner, *names = path.split(".")
        element: Element | None = None
        step: TypeDef | None = self.type(owner)
        for written in names:
            name = written if written.endswith("[x]") else written.partition("[")[0]
            element = step.find(name) if step else None
            step = self.type(element.type) if element else None
        return element

    def search_params(self, type: str) -> dict[str, SearchParam]:
        """The search parameters of a resource type by code, those of Resource and DomainResource included."""
        found = self._by_type.get(type)
        if found is None:
            line = set(self.ancestors(type))
            found = {param.code: param for param in self._parameters if line.intersection(param.bases)}
            self._by_type[type] = found
        return found

    @cached_property
    def params_by_url(self) -> dict[str, SearchParam]:
        return {param.url: param for param in self._parameters}

    def compartment(self, name: str) -> dict[str, tuple[str, ...]]:
        """Resource type to the search parameters that put it into the compartment (``"Patient"``); types without any are absent.

        ``{def}`` among them means the resource that the compartment is named by.
        """
        return {type: tuple(codes) for type, codes in self._compartments.get(name, {}).items() if codes}

    @cached_property
    def compartments(self) -> tuple[str, ...]:
        return tuple(self._compartments)

    @cached_property
    def _bindings(self) -> dict[str, dict[str, list[str]] | None]:
        table: dict[str, dict[str, list[str]] | None] = load("bindings")
        return table

    def required_codes(self, value_set: str) -> dict[str, frozenset[str]] | None:
        """What a required binding allows, codes by system; None when the value set is open or not part of R4."""
        listed = self._bindings.get(value_set)
        return None if listed is None else {system: frozenset(codes) for system, codes in listed.items()}

    @cached_property
    def code_systems(self) -> dict[str, CodeSystem]:
        """The code systems that R4 itself publishes, by URL (HL7 v2 and v3 tables among them)."""
        return {url: CodeSystem.of(url, row) for url, row in load("codesystems").items()}

    @cached_property
    def value_sets(self) -> dict[str, ValueSet]:
        """How the value sets that R4 itself publishes are composed, by URL."""
        return {url: ValueSet.of(url, row) for url, row in load("valuesets").items()}

    @cached_property
    def profiles(self) -> dict[str, dict[str, Any]]:
        """The profiles and extensions that R4 itself publishes, by URL: StructureDefinitions with only what constrains (no snapshot)."""
        table: dict[str, dict[str, Any]] = load("profiles")
        return table

    @cached_property
    def words(self) -> dict[str, str]:
        """What each invariant says, for people, by its key."""
        table: dict[str, str] = load("words")
        return table


@cache
def r4() -> Definitions:
    """FHIR 4.0.1. Read once a process."""
    return Definitions()
