"""The codes of a value set, listed, with a bound on the work (http://hl7.org/fhir/R4/valueset.html#expansion)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from penstock.errors import Problem
from penstock.terminology.codesystem import CodeSystem
from penstock.terminology.concept import Concept, Json
from penstock.terminology.filters import Filter, Test
from penstock.terminology.valueset import Clause, Has, System, ValueSet, every

_TOO_MUCH = "this value set takes more work than one request may"


class Entry(NamedTuple):
    """A code of an expansion. ``written`` is what the value set says of it; ``placed`` whether the system's hierarchy is kept."""

    url: str
    system: System | None
    concept: Concept
    written: Json
    placed: bool

    @property
    def inactive(self) -> bool:
        return isinstance(self.system, CodeSystem) and self.system.inactive(self.concept)


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
            raise Problem("too-costly", _TOO_MUCH)

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
        listing.known[id(value_set)] = _without(value_set, found, listing)
    return listing.known[id(value_set)]


def _size(clause: Clause) -> int:
    """The codes that must be looked at to list those of a clause, beside those of value sets."""
    if clause.listed is not None:
        return len(clause.listed)
    return len(clause.system) if isinstance(clause.system, CodeSystem) else 0


def _without(value_set: ValueSet, found: dict[tuple[str, str], Entry], listing: Listing) -> dict[tuple[str, str], Entry]:
    """What is left when inactive codes, where they do not count, and all that is excluded are gone."""
    if value_set.inactive is False:
        found = {key: each for key, each in found.items() if not each.inactive}
    listing.spend(len(found) * len(value_set.excludes))
    for clause in value_set.excludes:
        outside = _excluding(clause, listing)
        answers = {key: outside(*key) for key in found}
        if None in answers.values():
            raise clause.lacks or _incomplete()
        found = {key: entry for key, entry in found.items() if not answers[key]}
    return found


def _excluding(clause: Clause, listing: Listing) -> Has:
    """Whether a clause has a code: looked up, where its codes are listed or come from filters alone."""
    url, codes = clause.url, _chosen(clause, listing)
    if codes is not None:
        return lambda system, code: code in codes and system == url
    imports = [_has(each, listing) for each in clause.imports]
    return lambda system, code: clause.judged(system, code, imports)


def _chosen(clause: Clause, listing: Listing) -> Collection[str] | None:
    if clause.imports or clause.lacks is not None:
        return None
    if clause.listed is not None and not clause.tests:
        return clause.listed
    if clause.listed is not None or not isinstance(clause.system, CodeSystem):
        return None
    listing.spend(len(clause.system))
    return {each.code for each in _passing(clause.tests, clause.system)}


def _has(value_set: ValueSet, listing: Listing) -> Has:
    """Whether a code is one of a value set: looked up in the list of its codes, where they can be listed."""
    try:
        held = entries(value_set, listing)
    except Problem as problem:
        if problem.text == _TOO_MUCH:
            raise
        return _asking(value_set, listing)
    return lambda system, code: (system, code) in held


def _asking(value_set: ValueSet, listing: Listing) -> Has:
    """The same where each clause has to be asked."""
    weight = sum(1 for _ in value_set.clauses())

    def has(system: str, code: str) -> bool | None:
        listing.spend(weight)
        return value_set.has(system, code)

    return has


def _of_clause(clause: Clause, listing: Listing) -> Iterator[Entry]:
    if clause.lacks is not None and clause.listed is None:
        raise clause.lacks
    if clause.url:
        found = _of_system(clause, listing)
        rest = clause.imports
    else:
        found = iter(entries(clause.imports[0], listing).values())
        rest = clause.imports[1:]
    tests = [_has(each, listing) for each in rest]
    for entry in found:
        listing.spend(1 + len(tests))
        within = every([has(entry.url, entry.concept.code) for has in tests])
        if within is None:
            raise _incomplete()
        if within:
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
