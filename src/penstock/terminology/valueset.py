"""A value set, compiled: what it includes and excludes, and whether a code is one of it (http://hl7.org/fhir/R4/valueset.html#compose).

Answers have three values: None where a definition that decides is not here, so that nobody guesses. What a value set says wrong is a
Problem when it is compiled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from penstock.errors import Problem
from penstock.terminology.codesystem import CodeSystem, canonical
from penstock.terminology.concept import Concept, Json
from penstock.terminology.filters import Filter, Test
from penstock.terminology.grammar import Grammar

System = CodeSystem | Grammar


@dataclass(frozen=True, slots=True)
class Clause:
    """One include or exclude.

    ``listed`` are the concepts that it names, as they were written. ``version`` is the version of the system that it asks for.
    ``lacks`` is what is not here and would be needed to tell all of its codes.
    """

    url: str
    version: str | None
    system: System | None
    listed: dict[str, Json] | None
    tests: tuple[Test, ...]
    imports: tuple[ValueSet, ...]
    lacks: Problem | None = None

    def has(self, system: str, code: str) -> bool | None:
        """Whether a code is one of it."""
        answers: list[bool | None] = []
        if self.url:
            if self.url != system:
                return False
            answers.append(self._own(code))
        if False in answers:
            return False
        answers.extend(each.has(system, code) for each in self.imports)
        if self.lacks is not None:
            answers.append(None)
        return every(answers)

    def _own(self, code: str) -> bool | None:
        concept = self.system.find(code) if self.system is not None else None
        if self.listed is not None and (concept.code if concept else code) not in self.listed:
            return False
        if concept is None:
            return self._own_unknown(code)
        return all(test(concept) for test in self.tests)

    def _own_unknown(self, code: str) -> bool | None:
        """About a code that its system does not have: there is none, or we do not hold the whole system."""
        if self.system is not None and not self.system.may_have(code):
            return False
        return True if self.listed is not None and not self.tests else None


@dataclass(frozen=True, slots=True)
class ValueSet:
    """What a value set is made of. ``inactive`` is None where it does not say whether inactive concepts are part of it."""

    resource: Json
    includes: tuple[Clause, ...]
    excludes: tuple[Clause, ...]
    inactive: bool | None
    _asked: dict[tuple[str, str], bool | None] = field(default_factory=dict, compare=False)

    @property
    def url(self) -> str:
        found: str = self.resource.get("url", "")
        return found

    @property
    def canonical(self) -> str:
        return canonical(self.resource)

    def has(self, system: str, code: str) -> bool | None:
        """Whether a code is one of it; an answer is kept, because sets include sets."""
        key = (system, code)
        if key not in self._asked:
            if len(self._asked) >= _ANSWERS:
                self._asked.clear()
            self._asked[key] = self._has(system, code)
        return self._asked[key]

    def defines(self, system: str, code: str) -> bool | None:
        """Whether its definition names a code, whatever it says about inactive ones."""
        within = some(each.has(system, code) for each in self.includes)
        if within is False:
            return False
        outside = some(each.has(system, code) for each in self.excludes)
        return every([within, None if outside is None else not outside])

    def written(self, system: str, code: str) -> Json:
        """What it says of a code that it lists."""
        rows = (each.listed[code] for each in self.clauses() if each.url == system and each.listed and code in each.listed)
        return next(rows, {})

    def _has(self, system: str, code: str) -> bool | None:
        if self.inactive is False and self._is_inactive(system, code):
            return False
        return self.defines(system, code)

    def _is_inactive(self, system: str, code: str) -> bool:
        for clause in self.includes:
            if clause.url == system and isinstance(clause.system, CodeSystem):
                concept = clause.system.find(code)
                return concept is not None and clause.system.inactive(concept)
        return False

    def clauses(self) -> Iterator[Clause]:
        """All clauses: its own and those of the sets that it is made of, each set once."""
        waiting, seen = [self], {id(self)}
        while waiting:
            one = waiting.pop()
            for clause in (*one.includes, *one.excludes):
                yield clause
                for each in clause.imports:
                    if id(each) not in seen:
                        seen.add(id(each))
                        waiting.append(each)

    def system(self, url: str) -> System | None:
        """The code system of a URL, in the version that this set asks for."""
        return next((each.system for each in self.clauses() if each.url == url and each.system is not None), None)


#: Answers that a value set keeps at most.
_ANSWERS = 1024


def every(answers: list[bool | None]) -> bool | None:
    """And, where None is unknown."""
    if False in answers:
        return False
    return None if None in answers else True


def some(answers: Iterable[bool | None]) -> bool | None:
    """Or, where None is unknown; no more is asked than is needed."""
    unknown = False
    for answer in answers:
        if answer:
            return True
        unknown = unknown or answer is None
    return None if unknown else False


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
