"""A value set, compiled: what it includes and excludes, and whether a code is one of it (http://hl7.org/fhir/R4/valueset.html#compose).

Answers have three values: None where a definition that decides is not here, so that nobody guesses. What a value set says wrong is a
Problem when it is compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from penstock.errors import Problem
from penstock.terminology.codesystem import CodeSystem, canonical
from penstock.terminology.concept import Json
from penstock.terminology.filters import Test
from penstock.terminology.grammar import Grammar
from penstock.terminology.lists import may_be

System = CodeSystem | Grammar
Has = Callable[[str, str], bool | None]


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
        return self.judged(system, code, (each.has for each in self.imports))

    def judged(self, system: str, code: str, imports: Iterable[Has]) -> bool | None:
        """The same, where ``imports`` say whether a code is one of the value sets that it names."""
        own = True if not self.url else self._own(code) if self.url == system else False
        if own is False:
            return False
        return every([own, *(has(system, code) for has in imports), *((None,) if self.lacks is not None else ())])

    def _own(self, code: str) -> bool | None:
        concept = self.system.find(code) if self.system is not None else None
        if self.listed is not None and (concept.code if concept else code) not in self.listed:
            return False
        if concept is None:
            return self._own_unknown(code)
        return all(test(concept) for test in self.tests)

    def _own_unknown(self, code: str) -> bool | None:
        """About a code that its system does not have: there is none, or we do not hold the whole system."""
        if not (may_be(self.url, code) if self.system is None else self.system.may_have(code)):
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
            self._keep(key, self._has(system, code))
        return self._asked[key]

    def has_code(self, code: str) -> bool | None:
        """Whether a code, of which nobody said the system, is one of it: when some system of the set has it."""
        key = ("", code)
        if key not in self._asked:
            self._keep(key, some(self.has(url, code) for url in dict.fromkeys(each.url for each in self.clauses() if each.url)))
        return self._asked[key]

    def _keep(self, key: tuple[str, str], answer: bool | None) -> None:
        if len(self._asked) >= _ANSWERS:
            self._asked.clear()
        self._asked[key] = answer

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
