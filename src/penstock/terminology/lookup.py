"""``$lookup``, ``$subsumes`` and ``$find-matches`` of code systems: what a code means, how two are related, which codes have a property.

https://hl7.org/fhir/R4/codesystem-operations.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from penstock.errors import Problem
from penstock.terminology.codesystem import CodeSystem
from penstock.terminology.concept import VALUES, Concept, Designation, Property
from penstock.terminology.details import INVALID_CODE, NOT_FOUND, at
from penstock.terminology.languages import Languages, choose, names
from penstock.terminology.library import Library
from penstock.terminology.valueset import System

Value = tuple[str, str, Any]


def known_system(library: Library, url: str, version: str | None) -> System:
    """The code system; Problem where it is not here."""
    found = library.system(url, version)
    if found is None:
        raise Problem("not-found", "this code system, or this version of it, is not known here", detail=at(NOT_FOUND))
    return found


def known_concept(system: System, code: str) -> Concept:
    """The concept of a code; Problem where the system does not have it."""
    found = system.find(code)
    if found is None:
        raise Problem("not-found", "the code system does not have this code", detail=at(INVALID_CODE))
    return found


def lookup(system: System, concept: Concept, languages: Languages, properties: Sequence[str]) -> list[Value]:
    """All that is known of a concept, or the properties that are named."""
    every = names(concept, system if isinstance(system, CodeSystem) else None)
    best = choose(every, languages) or (every[0] if every else None)
    found: list[Value] = [("name", "string", system.name)]
    if system.version is not None:
        found.append(("version", "string", system.version))
    found.append(("display", "string", best.value if best else concept.code))
    found += [("code", "code", concept.code), ("system", "uri", system.url)]
    asked = set(properties) or {"*"}
    if concept.definition and asked & {"*", "definition"}:
        found.append(("definition", "string", concept.definition))
    if isinstance(system, CodeSystem):
        found.append(("abstract", "boolean", system.abstract(concept)))
        found += [("used-supplement", "canonical", each) for each in system.supplement_names]
    found += [("designation", "part", list(_designation(each))) for each in every if _is_asked(each, asked)]
    if isinstance(system, CodeSystem):
        found += [("property", "part", each) for each in _properties(system, concept, asked)]
    return found


def subsumes(system: System, one: Concept, other: Concept) -> str:
    """How two concepts are related (http://hl7.org/fhir/concept-subsumption-outcome)."""
    if one.code == other.code:
        return "equivalent"
    if not isinstance(system, CodeSystem):
        raise Problem("not-supported", "the codes of this system are not above or below each other")
    if one.code in system.above(other.code):
        return "subsumes"
    return "subsumed-by" if other.code in system.above(one.code) else "not-subsumed"


def find_matches(system: System, wanted: Mapping[str, str], *, exact: bool, most: int) -> list[Value]:
    """The concepts that have all the properties; where not ``exact``, also those that have some of them, as incomplete matches."""
    if not isinstance(system, CodeSystem):
        raise Problem("not-supported", "the codes of this system have no properties")
    matched: list[Value] = []
    for concept in system:
        has = {(each.code, _plain(each.value)) for each in _all_properties(system, concept)}
        missing = [name for name, value in wanted.items() if (name, value) not in has]
        if missing and (exact or len(missing) == len(wanted)):
            continue
        if len(matched) >= most:
            raise Problem("too-costly", "more codes match than one answer holds: name more properties")
        matched.append(("match", "part", _match(system, concept, {name: wanted[name] for name in missing})))
    return matched


def _match(system: CodeSystem, concept: Concept, missing: Mapping[str, str]) -> list[Value]:
    coding = {"system": system.url, "code": concept.code} | ({"display": concept.display} if concept.display else {})
    unmatched: list[Value] = [
        ("unmatched", "part", [("property", "part", [("code", "code", name), ("value", "string", value)])])
        for name, value in missing.items()
    ]
    return [("code", "Coding", coding), *unmatched]


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value.get("code", "")) if isinstance(value, dict) else str(value)


def _is_asked(name: Designation, asked: set[str]) -> bool:
    """Whether a name is told: the display without a language is told already."""
    if f"lang.{name.language}" in asked:
        return True
    return bool(asked & {"*", "designation"}) and (name.language is not None or bool(name.raw))


def _designation(name: Designation) -> Iterator[Value]:
    if name.language is not None:
        yield "language", "code", name.language
    if name.use is not None:
        yield "use", "Coding", name.use
    yield "value", "string", name.value
    if name.source is not None:
        yield "source", "canonical", name.source


def _properties(system: CodeSystem, concept: Concept, asked: set[str]) -> Iterator[list[Value]]:
    if "definition" in asked and concept.definition:
        yield [("code", "code", "definition"), ("value", "string", concept.definition)]
    for each in _all_properties(system, concept):
        if "*" not in asked and each.code not in asked:
            continue
        parts: list[Value] = [("code", "code", each.code), ("value", VALUES[each.key], each.value)]
        neighbour = system.find(each.value) if each.code in ("parent", "child") else None
        if neighbour is not None and neighbour.display:
            parts.append(("description", "string", neighbour.display))
        yield parts


def _all_properties(system: CodeSystem, concept: Concept) -> Iterator[Property]:
    """What a concept has, and what follows from its place: its parents, its children, whether it is inactive."""
    yield Property("inactive", "valueBoolean", system.inactive(concept))
    yield from (Property("parent", "valueCode", code) for code in concept.parents)
    yield from (Property("child", "valueCode", code) for code in system.children(concept.code))
    for each in concept.properties:
        if each.code not in ("inactive", "parent", "child"):
            yield each
