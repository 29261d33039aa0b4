"""The codes of a value set, listed, with a bound on the work (http://hl7.org/fhir/R4/valueset.html#expansion)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from penstock.errors import Problem
from penstock.terminology.codesystem import CodeSystem
from penstock.terminology.concept import Concept, Json
from penstock.terminology.filters import Filter, Test
from penstock.terminology.valueset import Clause, System, ValueSet, every


class Entry(NamedTuple):
    """A code of an expansion. ``written`` is what the value set says of it; ``placed`` whether the system's hierarchy is kept."""

    url: str
    system: System | None
    concept: Concept
    written: Json
    placed: bool


class Listing:
    """The work of listing codes. ``most`` codes may be looked at: hostile value sets are large products of small texts.

    A system of which only a part is here is a Problem, unless ``partly``; ``parts`` then says which ones that were. ``known`` are the
    codes of value sets that were listed already, by their identity.
    """

    def __init__(self, most: int, *, partly: bool) -> None:
        self._left = most
        self._partly = partly
        self.parts: list[str] = []
        self.known: dict[int, dict[tuple[str, str], Entry]] = {}

    def spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise Problem("too-costly", "this value set takes more work than one request may")

    def take_part(self, system: CodeSystem) -> None:
        if not self._partly:
            raise _incomplete()
        if system.canonical not in self.parts:
            self.parts.append(system.canonical)


def entries(value_set: ValueSet, listing: Listing) -> dict[tuple[str, str], Entry]:
    """Every code of a value set, in the order of its definition; Problem where it cannot be told or listed."""
    if id(value_set) not in listing.known:
        listing.spend(sum(map(_size, value_set.includes)))
        found: dict[tuple[str, str], Entry] = {}
        for clause in value_set.includes:
            for entry in _of_clause(clause, listing):
                found.setdefault((entry.url, entry.concept.code), entry)
        listing.known[id(value_set)] = {key: entry for key, entry in found.items() if _stays(value_set, key, entry)}
    return listing.known[id(value_set)]


def _size(clause: Clause) -> int:
    """The codes that must be looked at to list those of a clause, beside those of value sets."""
    if clause.listed is not None:
        return len(clause.listed)
    return len(clause.system) if isinstance(clause.system, CodeSystem) else 0


def _stays(value_set: ValueSet, key: tuple[str, str], entry: Entry) -> bool:
    if value_set.inactive is False and isinstance(entry.system, CodeSystem) and entry.system.inactive(entry.concept):
        return False
    for clause in value_set.excludes:
        outside = clause.has(*key)
        if outside is None:
            raise clause.lacks or _incomplete()
        if outside:
            return False
    return True


def _of_clause(clause: Clause, listing: Listing) -> Iterator[Entry]:
    if clause.lacks is not None and clause.listed is None:
        raise clause.lacks
    if clause.url:
        found = _of_system(clause, listing)
        rest = clause.imports
    else:
        imported = entries(clause.imports[0], listing)
        listing.spend(len(imported))
        found = iter(imported.values())
        rest = clause.imports[1:]
    for entry in found:
        answers = [each.has(entry.url, entry.concept.code) for each in rest]
        if every(answers) is None:
            raise _incomplete()
        if all(answers):
            yield entry


def _of_system(clause: Clause, listing: Listing) -> Iterator[Entry]:
    """The codes of a clause's own system: those that it lists, or those that pass its filters."""
    system = clause.system
    if clause.listed is not None:
        for code, written in clause.listed.items():
            concept = _listed(clause, code, written)
            if concept is not None:
                yield Entry(clause.url, system, concept, written, placed=False)
        return
    if not isinstance(system, CodeSystem):
        raise Problem("too-costly", "the codes of a system that is a grammar cannot be listed")
    if not system.complete:
        listing.take_part(system)
    for concept in _passing(clause.tests, system):
        yield Entry(clause.url, system, concept, {}, placed=True)


def _passing(tests: Iterable[Test], system: CodeSystem) -> Iterable[Concept]:
    found: Iterable[Concept] = system
    for test in tests:
        if isinstance(test, Filter):
            codes = test.codes()
            found = [each for each in found if each.code in codes]
        else:
            found = filter(test, found)
    return found


def _listed(clause: Clause, code: str, written: Json) -> Concept | None:
    concept = clause.system.find(code) if clause.system is not None else None
    if concept is not None:
        return concept if all(test(concept) for test in clause.tests) else None
    if clause.system is not None and clause.system.complete:
        return None
    return Concept(code, written)


def _incomplete() -> Problem:
    return Problem("not-found", "this value set has codes of a system, or of a value set, that is not wholly known here")
