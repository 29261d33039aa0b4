"""A code system, compiled: its codes, what lies above and below each, and which are inactive (http://hl7.org/fhir/R4/codesystem.html)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, Final

from penstock.terminology.concept import CONCEPT_PROPERTIES, STANDARDS_STATUS, Concept, Json, retires, value_of

#: Properties by which a concept may name its neighbours, beside being nested.
_UPWARDS = ("parent", "subsumedBy")


class CodeSystem:
    """What is known of a code system. ``complete`` says that a code which is not here does not exist.

    ``language`` is that of its displays, ``shape`` how every code of a system is written of which only a part is known. Codes are found
    in any case where the system says that case does not matter.
    """

    enumerable: Final = True

    def __init__(self, resource: Json, supplements: Iterable[Json] = (), *, shape: re.Pattern[str] | None = None) -> None:
        self.resource = resource
        self.url: str = resource.get("url", "")
        self.version: str | None = resource.get("version")
        self.name: str = resource.get("name") or self.url
        self.language: str | None = resource.get("language")
        self.content: str = resource.get("content", "complete")
        self.case_sensitive: bool = resource.get("caseSensitive", True)
        self.supplements: tuple[Json, ...] = tuple(supplements)
        self._shape = shape
        self.roles: dict[str, str] = _roles([resource, *self.supplements])
        self.concepts: dict[str, Concept] = {}
        self._children: dict[str, list[str]] = {}
        self._above: tuple[str, set[str]] = ("", set())
        self._texts: dict[str, str] = {}
        self._inactive: set[str] = set()
        self._abstract: set[str] = set()
        self._fill(_supplementing(self.supplements))
        self._folded: dict[str, Concept] | None = None
        if not self.case_sensitive:
            self._folded = {code.casefold(): concept for code, concept in reversed(self.concepts.items())}

    @property
    def complete(self) -> bool:
        return self.content == "complete"

    @property
    def canonical(self) -> str:
        """``url|version``, or the URL where it has no version."""
        return canonical(self.resource)

    @property
    def supplement_names(self) -> list[str]:
        """The supplements that are applied, as ``url|version``."""
        return [canonical(each) for each in self.supplements]

    def find(self, code: str) -> Concept | None:
        found = self.concepts.get(code)
        if found is None and self._folded is not None:
            return self._folded.get(code.casefold())
        return found

    def may_have(self, code: str) -> bool:
        """Whether a code that is not here may be one of the system all the same: where only a part of it is known."""
        return not self.complete and (self._shape is None or self._shape.fullmatch(code) is not None)

    def __iter__(self) -> Iterator[Concept]:
        return iter(self.concepts.values())

    def __len__(self) -> int:
        return len(self.concepts)

    def children(self, code: str) -> list[str]:
        """The codes directly below."""
        return self._children.get(code, [])

    def below(self, code: str) -> set[str]:
        """The code and all below it."""
        return _reach(code, self.children)

    def above(self, code: str) -> set[str]:
        """The code and all above it. The last answer is kept: many filters ask about one code."""
        if self._above[0] != code:
            self._above = code, _reach(code, lambda step: self.concepts[step].parents)
        return self._above[1]

    def text(self, concept: Concept) -> str:
        """The code and every name of a concept in lower case, a line each, for who looks for words; kept, because people type slowly."""
        found = self._texts.get(concept.code)
        if found is None:
            names = (concept.display or "", *(each.value for each in concept.designations()))
            found = self._texts[concept.code] = "\n".join((concept.code, *names)).casefold()
        return found

    @cached_property
    def circular(self) -> frozenset[str]:
        """The codes that lie above themselves, and those below such codes: they have no place in a tree."""
        missing = {concept.code: len(concept.parents) for concept in self}
        free = [code for code, count in missing.items() if count == 0]
        for code in free:
            for child in self.children(code):
                missing[child] -= 1
                if missing[child] == 0:
                    free.append(child)
        return frozenset(missing.keys() - set(free))

    def value(self, concept: Concept, role: str) -> Any:
        """The value of a property by the name that FHIR has for it (``status``), whatever the system calls it."""
        return next((value for said, value in self._said(concept) if said == role), None)

    def status(self, concept: Concept) -> str | None:
        """The status that is written on it: as a property, else as its standards status."""
        said = self.value(concept, "status") or next(
            (value_of(each) for each in concept.extensions() if each.get("url") == STANDARDS_STATUS), None
        )
        return said if isinstance(said, str) else None

    def inactive(self, concept: Concept) -> bool:
        """Whether it is no longer a code to use."""
        return concept.code in self._inactive

    def abstract(self, concept: Concept) -> bool:
        """Whether it only groups others and is not to be chosen itself."""
        return concept.code in self._abstract

    def property_uri(self, code: str) -> str | None:
        """What a property means, as the system or a supplement declares it."""
        for resource in (self.resource, *self.supplements):
            for row in resource.get("property", ()):
                if row.get("code") == code:
                    uri: str | None = row.get("uri")
                    return uri
        return None

    def has_property(self, code: str) -> bool:
        """Whether FHIR defines the property for every system, the system declares it, or a concept has it."""
        return code in _EVERYWHERE or code in self._properties

    @cached_property
    def _properties(self) -> set[str]:
        declared = {row.get("code", "") for each in (self.resource, *self.supplements) for row in each.get("property", ())}
        return declared | {each.code for concept in self for each in concept.properties}

    def _fill(self, added: dict[str, tuple[tuple[str, Json], ...]]) -> None:
        """Walk the tree in its order, then join the neighbours that are named by properties."""
        waiting: list[tuple[Json, str | None]] = [(raw, None) for raw in reversed(self.resource.get("concept", ()))]
        named: list[tuple[str, str]] = []
        while waiting:
            raw, parent = waiting.pop()
            code = raw.get("code")
            if not isinstance(code, str):
                continue
            concept = self.concepts[code] = Concept(code, raw, (parent,) if parent is not None else (), added.get(code, ()))
            if parent is not None:
                self._children.setdefault(parent, []).append(code)
            for role, value in self._said(concept):
                self._note(code, role, value, named)
            waiting.extend((child, code) for child in reversed(raw.get("concept", ())))
        for child, parent in named:
            self._join(child, parent)

    def _said(self, concept: Concept) -> Iterator[tuple[str, Any]]:
        """Its properties by the names that FHIR has for them."""
        return ((self.roles.get(each.code, each.code), each.value) for each in concept.properties)

    def _note(self, code: str, role: str, value: Any, named: list[tuple[str, str]]) -> None:
        """What a property says of the place of a concept, and of its use."""
        if role in _UPWARDS:
            named.append((code, value))
        elif role == "child":
            named.append((value, code))
        elif (role == "inactive" and value in (True, "true")) or (role == "status" and retires(value)):
            self._inactive.add(code)
        elif role == "notSelectable" and value in (True, "true"):
            self._abstract.add(code)

    def _join(self, child: str, parent: str) -> None:
        if child in self.concepts and parent in self.concepts and parent not in self.concepts[child].parents:
            self.concepts[child].parents += (parent,)
            self._children.setdefault(parent, []).append(child)


_EVERYWHERE = frozenset(
    {"code", "concept", "display", "definition", "parent", "child", "inactive", "status", "notSelectable", "deprecated"}
)


def canonical(resource: Json) -> str:
    """``url|version`` of a definition, or its URL where it has no version."""
    url, version = resource.get("url", ""), resource.get("version")
    return f"{url}|{version}" if version else url


def _roles(resources: Iterable[Json]) -> dict[str, str]:
    """Property codes to the names that FHIR has for what they mean."""
    return {
        row["code"]: row["uri"].removeprefix(CONCEPT_PROPERTIES)
        for resource in resources
        for row in resource.get("property", ())
        if "code" in row and row.get("uri", "").startswith(CONCEPT_PROPERTIES)
    }


def _supplementing(supplements: Iterable[Json]) -> dict[str, tuple[tuple[str, Json], ...]]:
    """What supplements add, by code."""
    added: dict[str, tuple[tuple[str, Json], ...]] = {}
    for supplement in supplements:
        name = canonical(supplement)
        waiting = list(supplement.get("concept", ()))
        while waiting:
            raw = waiting.pop()
            if "code" in raw:
                added[raw["code"]] = (*added.get(raw["code"], ()), (name, raw))
            waiting.extend(raw.get("concept", ()))
    return added


def _reach(start: str, step: Any) -> set[str]:
    """All that is reached by a step, the start included; a circle ends."""
    found = {start}
    waiting = [start]
    while waiting:
        for each in step(waiting.pop()):
            if each not in found:
                found.add(each)
                waiting.append(each)
    return found
