"""From a ValueSet resource to a compiled :class:`~penstock.terminology.valueset.ValueSet`.

What is written wrong is a Problem at its place; what is merely not here is remembered in the clause that lacks it.
"""

from __future__ import annotations

from typing import Protocol

from penstock.errors import Problem
from penstock.terminology.codesystem import CodeSystem
from penstock.terminology.concept import Concept, Json, extension, value_of
from penstock.terminology.details import INVALID_SET, NOT_FOUND, at
from penstock.terminology.filters import Test, compile_filter
from penstock.terminology.grammar import Grammar
from penstock.terminology.valueset import Clause, System, ValueSet

SUPPLEMENT = "http://hl7.org/fhir/StructureDefinition/valueset-supplement"
#: R4 has no code for ``child-of``: the later operators come in the extension for their element.
_OPERATOR = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ValueSet.compose.include.filter.op"


class Known(Protocol):
    """Where a value set finds what it is made of."""

    def system(self, url: str, version: str | None, supplements: tuple[str, ...]) -> System | None:
        """The code system, with what supplements add; None where it is not here."""
        ...

    def value_set(self, url: str) -> ValueSet:
        """The compiled value set; Problem where it is not here or wrong."""
        ...

    def compiled(self, resource: Json) -> ValueSet:
        """A value set that is not found by its URL."""
        ...


def compile_value_set(resource: Json, known: Known) -> ValueSet:
    """Every clause of a value set; one that has only an expansion is the list of its codes."""
    definition = resource.get("compose")
    if definition is None:
        return ValueSet(resource, tuple(_expanded(resource, known)), (), None)
    return ValueSet(
        resource,
        tuple(_clauses(resource, known, "include")),
        tuple(_clauses(resource, known, "exclude")),
        definition.get("inactive"),
    )


def supplements_of(resource: Json) -> tuple[str, ...]:
    """The supplements that a value set needs (http://hl7.org/fhir/StructureDefinition/valueset-supplement)."""
    named = [value_of(each) for each in resource.get("extension", ()) if each.get("url") == SUPPLEMENT]
    return tuple(each for each in named if isinstance(each, str))


def _clauses(resource: Json, known: Known, kind: str) -> list[Clause]:
    rows = resource["compose"].get(kind, ())
    return [_clause(row, resource, known, f"ValueSet.compose.{kind}[{place}]") for place, row in enumerate(rows)]


def _clause(row: Json, resource: Json, known: Known, place: str) -> Clause:
    url, version = row.get("system", ""), row.get("version")
    listed = {each["code"]: each for each in row["concept"] if "code" in each} if "concept" in row else None
    if not url and not row.get("valueSet"):
        raise Problem("invalid", "a value set includes neither a code system nor a value set", at=place, detail=at(INVALID_SET))
    system = known.system(url, version, supplements_of(resource)) if url else None
    imports, lacks = _imports(row, resource, known)
    if url and system is None and listed is None:
        lacks = Problem("not-found", "a value set includes a code system that is not known here", at=place, detail=at(NOT_FOUND))
    tests = tuple(_tests(row, system, place))
    if isinstance(system, CodeSystem) and listed is not None and not system.case_sensitive:
        listed = {(found.code if (found := system.find(code)) else code): each for code, each in listed.items()}
    return Clause(url, version, system, listed, tests, imports, lacks)


def _imports(row: Json, resource: Json, known: Known) -> tuple[tuple[ValueSet, ...], Problem | None]:
    """The value sets of a clause that are here, and what is said of one that is not."""
    found, lacks = [], None
    for url in row.get("valueSet", ()):
        try:
            found.append(_import(url, resource, known))
        except Problem as problem:
            if problem.code != "not-found":
                raise
            lacks = problem
    return tuple(found), lacks


def _import(url: str, resource: Json, known: Known) -> ValueSet:
    if not url.startswith("#"):
        return known.value_set(url)
    for each in resource.get("contained", ()):
        if each.get("id") == url[1:] and each.get("resourceType") == "ValueSet":
            return known.compiled(each)
    raise Problem("not-found", "a value set includes a contained value set that it does not contain", detail=at(NOT_FOUND))


def _tests(row: Json, system: System | None, place: str) -> list[Test]:
    return [_test(each, system, f"{place}.filter[{index}]") for index, each in enumerate(row.get("filter", ()))]


def _test(row: Json, system: System | None, place: str) -> Test:
    property, operator, value = (
        each if isinstance(each, str) else ""
        for each in (row.get("property"), row.get("op") or extension(row.get("_op", {}), _OPERATOR), row.get("value"))
    )
    if not (property and operator and value):
        raise Problem("invalid", "a filter of a value set has no property, no operator or no value", at=place, detail=at(INVALID_SET))
    if system is None:
        return _undecided
    try:
        if isinstance(system, Grammar):
            return system.compile_filter(property, operator, value)
        return compile_filter(system, property, operator, value)
    except Problem as problem:
        raise Problem(problem.code, problem.text, at=place, detail=at(INVALID_SET)) from None


def _undecided(concept: Concept) -> bool:
    """The filter of a system that is not here: nobody gets as far as asking it."""
    raise AssertionError("a clause without its system has no concept to test")


def _expanded(resource: Json, known: Known) -> list[Clause]:
    """The codes of an expansion, by system. One that holds only a part of them is no definition."""
    expansion = resource.get("expansion")
    listed: dict[str, dict[str, Json]] = {}
    waiting = list(reversed((expansion or {}).get("contains", ())))
    count = 0
    while waiting:
        row = waiting.pop()
        count += 1
        if not row.get("abstract") and "code" in row:
            listed.setdefault(row.get("system", ""), {})[row["code"]] = {
                name: row[name] for name in ("code", "display", "designation") if name in row
            }
        waiting.extend(reversed(row.get("contains", ())))
    if expansion is None or expansion.get("total", count) > count:
        raise Problem("not-found", "this value set has neither a definition nor a whole expansion", detail=at(NOT_FOUND))
    return [Clause(url, None, known.system(url, None, ()), codes, (), ()) for url, codes in listed.items() if url]
