"""``$closure``: how concepts that a client uses are related (http://hl7.org/fhir/R4/conceptmap-operation-closure.html).

A client gives concepts as it meets them and is told which of them lie below which others, so that it can search by subsumption in its
own database. Pure: what was given before is an argument.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from penstock.terminology.codesystem import CodeSystem
from penstock.terminology.concept import Json
from penstock.terminology.library import Library
from penstock.terminology.lookup import known_concept, known_system

Named = tuple[str, str]
Relation = tuple[str, str, str]


def related(given: Iterable[Named], held: Collection[Named], library: Library) -> tuple[list[Named], list[Relation]]:
    """The concepts that are new, and the relations (system, below, above) that they bring. An unknown code or system is a Problem."""
    every = set(held)
    fresh: dict[Named, None] = {}
    for url, code in given:
        concept = known_concept(known_system(library, url, None), code)
        if (url, concept.code) not in every:
            fresh[(url, concept.code)] = None
    every |= fresh.keys()
    relations = dict.fromkeys(one for each in fresh for one in _of(each, every, library))
    return list(fresh), list(relations)


def concept_map(name: str, version: int, relations: Iterable[Relation], date: str) -> Json:
    """The answer: each concept with those that subsume it."""
    groups: dict[str, dict[str, list[str]]] = {}
    for system, below, above in relations:
        groups.setdefault(system, {}).setdefault(below, []).append(above)
    found: Json = {
        "resourceType": "ConceptMap",
        "version": str(version),
        "name": name,
        "status": "active",
        "experimental": True,
        "date": date,
    }
    if groups:
        found["group"] = [_group(system, elements) for system, elements in groups.items()]
    return found


def _of(one: Named, every: Collection[Named], library: Library) -> Iterable[Relation]:
    url, code = one
    system = library.system(url)
    if not isinstance(system, CodeSystem):
        return
    for above in sorted(system.above(code) - {code}):
        if (url, above) in every:
            yield url, code, above
    for below in sorted(system.below(code) - {code}):
        if (url, below) in every:
            yield url, below, code


def _group(system: str, elements: dict[str, list[str]]) -> Json:
    rows = [{"code": below, "target": [_target(above) for above in targets]} for below, targets in elements.items()]
    return {"source": system, "target": system, "element": rows}


def _target(above: str) -> Json:
    """The target subsumes the source (http://hl7.org/fhir/R4/valueset-concept-map-equivalence.html)."""
    return {"code": above, "equivalence": "subsumes"}
