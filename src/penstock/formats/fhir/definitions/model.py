"""What a definition is, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Binding(NamedTuple):
    """Which codes an element takes: ``strength`` is required, extensible, preferred or example. Codes outside ``largest`` are wrong."""

    strength: str
    value_set: str
    largest: str = ""


class Invariant(NamedTuple):
    """A rule that the specification states as FHIRPath."""

    key: str
    severity: str
    expression: str


@dataclass(frozen=True, slots=True)
class Element:
    """One JSON property of a type.

    ``name`` is the JSON name (``valueQuantity``), ``path`` the definition's (``Observation.value[x]``), ``type`` the type of this
    property (a backbone element's is its path), ``types`` all types that the definition allows. ``most`` is None for ``*``.
    ``choice`` is the stem (``value``) when the element is one of several types. ``sibling`` marks ``_birthDate``, which holds the id and
    extensions of a primitive; its type is Element. ``order`` is the place among the type's properties in the specification.
    """

    name: str
    path: str
    type: str
    types: tuple[str, ...]
    least: int
    most: int | None
    choice: str | None
    primitive: bool
    sibling: bool
    targets: tuple[str, ...]
    binding: Binding | None
    modifier: bool
    summary: bool
    order: int
    invariants: tuple[Invariant, ...] = ()

    @property
    def many(self) -> bool:
        """Whether JSON holds a list here."""
        return self.most is None or self.most > 1


@dataclass(frozen=True, slots=True)
class TypeDef:
    """A resource type, data type or backbone element.

    ``elements`` holds every JSON property that an instance may have, choice variants and ``_siblings`` included, in the order of the
    specification. ``choices`` holds the choice elements by stem, under their definition (name ``value[x]``).
    """

    name: str
    kind: str
    base: str | None
    abstract: bool
    elements: dict[str, Element]
    choices: dict[str, Element] = field(default_factory=dict)
    invariants: tuple[Invariant, ...] = ()

    def find(self, name: str) -> Element | None:
        """The element of a JSON property, or of a choice written ``value[x]`` or ``value``."""
        return self.elements.get(name) or self.choices.get(name.removesuffix("[x]"))

    def variants(self, choice: str) -> tuple[Element, ...]:
        """The properties of which one at most may be present: ``valueQuantity``, ``valueString``, …"""
        return tuple(each for each in self.elements.values() if each.choice == choice and not each.sibling)


class SearchParam(NamedTuple):
    """A search parameter. ``components`` of a composite are (definition URL, expression) pairs."""

    code: str
    type: str
    expression: str
    targets: tuple[str, ...]
    comparators: tuple[str, ...]
    components: tuple[tuple[str, str], ...]
    url: str
    bases: tuple[str, ...]

    @classmethod
    def of(cls, row: list[Any]) -> SearchParam:
        code, type, expression, targets, comparators, components, url, bases = row
        pairs = tuple((definition, part) for definition, part in components)
        return cls(code, type, expression, tuple(targets), tuple(comparators), pairs, url, tuple(bases))


class Concept(NamedTuple):
    """A code of a code system; ``parent`` is the code above it, or None."""

    code: str
    display: str
    parent: str | None


@dataclass(frozen=True, slots=True)
class CodeSystem:
    url: str
    name: str
    content: str
    case_sensitive: bool
    concepts: dict[str, Concept]

    @classmethod
    def of(cls, url: str, row: list[Any]) -> CodeSystem:
        name, content, case_sensitive, rows = row
        concepts = {code: Concept(code, display, rows[parent][0] if parent >= 0 else None) for code, display, parent in rows}
        return cls(url, name, content, bool(case_sensitive), concepts)


class Rule(NamedTuple):
    """One include or exclude of a value set; ``filters`` are (property, operator, value)."""

    system: str
    codes: tuple[str, ...]
    filters: tuple[tuple[str, str, str], ...]
    value_sets: tuple[str, ...]

    @classmethod
    def of(cls, row: list[Any]) -> Rule:
        system, codes, filters, value_sets = row
        triples = tuple((name, operator, value) for name, operator, value in filters)
        return cls(system, tuple(codes), triples, tuple(value_sets))


@dataclass(frozen=True, slots=True)
class ValueSet:
    url: str
    name: str
    include: tuple[Rule, ...]
    exclude: tuple[Rule, ...]

    @classmethod
    def of(cls, url: str, row: list[Any]) -> ValueSet:
        name, include, exclude = row
        return cls(url, name, tuple(map(Rule.of, include)), tuple(map(Rule.of, exclude)))
