"""The compiled form of a profile: a tree of what it adds to R4."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from penstock.formats.fhir.definitions import Binding
from penstock.formats.fhir.validate.items import Item

#: Whether a value is as it must be.
Test = Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class ValueRule:
    """A constraint on the value itself: fixed, pattern, minimum, maximum, length."""

    kind: str
    text: str
    holds: Test


@dataclass(frozen=True, slots=True)
class PathRule:
    """An invariant of a profile. It is compiled for the type of the item that it is asked about."""

    key: str
    severity: str
    expression: str
    words: str = ""


@dataclass(slots=True)
class Node:
    """One element, or one slice of it. Empty fields ask nothing."""

    id: str
    stem: str
    least: int = 0
    most: int | None = None
    types: frozenset[str] = frozenset()
    profiles: dict[str, tuple[str, ...]] = field(default_factory=dict)
    targets: tuple[str, ...] = ()
    aggregation: frozenset[str] = frozenset()
    values: tuple[ValueRule, ...] = ()
    relative: tuple[tuple[str, dict[str, Any]], ...] = ()
    binding: Binding | None = None
    more_bindings: tuple[Binding, ...] = ()
    rules: tuple[PathRule, ...] = ()
    children: tuple[Node, ...] = ()
    sliced: str = ""
    ordered: bool = False
    slices: tuple[Slice, ...] = ()
    refers: Node | None = None
    asks: bool = True


#: Whether an item belongs to a slice. ``run`` is what the walk knows (an ``apply.World``).
Belongs = Callable[[Item, Any], bool]


@dataclass(frozen=True, slots=True)
class Slice:
    """A slice: its node, the name that its reslices begin with, and who belongs to it."""

    name: str
    node: Node
    belongs: Belongs


@dataclass(frozen=True, slots=True)
class Profile:
    """A compiled StructureDefinition. ``type`` is what it constrains; ``url`` carries no version.

    Of an extension ``contexts`` are where it may stand (kind and expression), ``context_rules`` what must hold there; ``modifier`` says
    that it changes the meaning of its element.
    """

    url: str
    type: str
    root: Node
    contexts: tuple[tuple[str, str], ...] = ()
    context_rules: tuple[str, ...] = ()
    modifier: bool = False
