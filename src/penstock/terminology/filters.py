"""The filters of a value set: which codes of a code system a property selects (http://hl7.org/fhir/R4/valueset-filter-operator.html).

Each operator is a function that is given the system, the property and the value once, and returns the test of a concept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from penstock.errors import Problem
from penstock.terminology.codesystem import CodeSystem
from penstock.terminology.concept import Concept
from penstock.terminology.patterns import pattern

Test = Callable[[Concept], bool]

#: What a filter may call the code itself.
_CODE = ("code", "concept")
#: What is not told by a property of the concept.
_PLACED = (*_CODE, "parent", "child", "display", "definition")


class Filter:
    """The test of one concept; ``codes`` are all that pass it, found once, for who lists the whole system."""

    __slots__ = ("_codes", "_every", "_test")

    def __init__(self, test: Test, every: Callable[[], set[str]]) -> None:
        self._test = test
        self._every = every
        self._codes: set[str] | None = None

    def __call__(self, concept: Concept) -> bool:
        return self._test(concept)

    def codes(self) -> set[str]:
        if self._codes is None:
            self._codes = self._every()
        return self._codes


def compile_filter(system: CodeSystem, property: str, operator: str, value: str) -> Filter:
    """The test of one filter; Problem where the system does not have the property or nobody knows the operator."""
    make = OPERATORS.get(operator)
    if make is None:
        raise Problem("not-supported", "a filter of a value set has an operator that R4 does not know")
    if not system.has_property(property):
        raise Problem("not-supported", "a filter of a value set names a property that its code system does not have")
    made = make(system, property, value)
    return made if isinstance(made, Filter) else Filter(made, lambda: {each.code for each in system if made(each)})


def _equal(system: CodeSystem, property: str, value: str) -> Test:
    if property not in _PLACED:
        return lambda concept: any(each.code == property and as_text(each.value) == value for each in concept.properties)
    return lambda concept: value in _values(system, concept, property)


def _in(system: CodeSystem, property: str, value: str) -> Test:
    wanted = {each.strip() for each in value.split(",")}
    return lambda concept: any(each in wanted for each in _values(system, concept, property))


def _not_in(system: CodeSystem, property: str, value: str) -> Test:
    within = _in(system, property, value)
    return lambda concept: not within(concept)


def _exists(system: CodeSystem, property: str, value: str) -> Test:
    wanted = value == "true"
    return lambda concept: any(True for _ in _values(system, concept, property)) is wanted


def _regex(system: CodeSystem, property: str, value: str) -> Test:
    """The whole value must match. The engine is linear: no pattern takes long."""
    expression = pattern(value)
    return lambda concept: any(expression.fullmatch(each) is not None for each in _values(system, concept, property))


def _is_a(system: CodeSystem, property: str, value: str) -> Test:
    code = _known(system, value)
    return Filter(lambda concept: code in system.above(concept.code), lambda: system.below(code))


def _descendent_of(system: CodeSystem, property: str, value: str) -> Test:
    code = _known(system, value)
    return Filter(lambda concept: concept.code != code and code in system.above(concept.code), lambda: system.below(code) - {code})


def _child_of(system: CodeSystem, property: str, value: str) -> Test:
    code = _known(system, value)
    return lambda concept: code in concept.parents


def _is_not_a(system: CodeSystem, property: str, value: str) -> Test:
    code = _known(system, value)
    return Filter(lambda concept: code not in system.above(concept.code), lambda: system.concepts.keys() - system.below(code))


def _generalizes(system: CodeSystem, property: str, value: str) -> Test:
    above = system.above(_known(system, value))
    return lambda concept: concept.code in above


def _leaf(system: CodeSystem, property: str, value: str) -> Test:
    below = _is_a(system, property, value)
    return lambda concept: not system.children(concept.code) and below(concept)


#: R4's operators, and two of R5 (child-of, descendent-leaf).
OPERATORS: dict[str, Callable[[CodeSystem, str, str], Test]] = {
    "=": _equal,
    "is-a": _is_a,
    "descendent-of": _descendent_of,
    "is-not-a": _is_not_a,
    "regex": _regex,
    "in": _in,
    "not-in": _not_in,
    "generalizes": _generalizes,
    "exists": _exists,
    "child-of": _child_of,
    "descendent-leaf": _leaf,
}


def _known(system: CodeSystem, code: str) -> str:
    """The code as the system writes it; one that it does not have has nothing above or below."""
    found = system.find(code)
    if found is None:
        raise Problem("not-found", "a filter of a value set names a code that its code system does not have")
    return found.code


def _values(system: CodeSystem, concept: Concept, property: str) -> Iterator[str]:
    """What a concept has for a property, as text."""
    if property in _CODE:
        yield concept.code
    elif property == "parent":
        yield from concept.parents
    elif property == "child":
        yield from system.children(concept.code)
    elif property in ("display", "definition"):
        if concept.raw.get(property) is not None:
            yield concept.raw[property]
    else:
        for each in concept.properties:
            if each.code == property:
                yield as_text(each.value)


def as_text(value: Any) -> str:
    """A property's value as a filter writes it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return str(value.get("code", ""))
    return str(value)
