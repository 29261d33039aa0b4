"""What R4 asks of single elements beyond structure and invariants, planned once a shape: what nobody asks about is not looked at."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from penstock.formats.fhir.definitions import Binding, Element, r4
from penstock.formats.fhir.validate.errata import UNKEPT
from penstock.formats.fhir.validate.issue import Issue
from penstock.formats.fhir.validate.items import Item, Reader, plan
from penstock.formats.fhir.validate.profile.apply import World, bound
from penstock.formats.fhir.validate.special import SPECIAL

Ask = Callable[[Item, World], list[Issue]]


class Point(NamedTuple):
    """One element of an object that is looked at. ``deeper`` says that it may have elements of its own."""

    element: Element
    step: str
    read: Reader
    asks: tuple[Ask, ...]
    deeper: bool


Shape = tuple[str, ...]
_POINTS: dict[tuple[str, bool], dict[Shape, tuple[Point, ...]]] = {}
#: Shapes remembered for a type: property names come from outside.
_MOST_SHAPES = 500


def points(type: str, names: Shape, markup: bool) -> tuple[Point, ...]:
    """What is looked at in an object of a type with these properties; ``markup`` asks about all texts too."""
    known = _POINTS.setdefault((type, markup), {})
    found = known.get(names)
    if found is None:
        if len(known) >= _MOST_SHAPES:
            known.clear()
        every = (_point(element, stem, read, names, markup) for element, stem, read in plan(type, names))
        found = known[names] = tuple(point for point in every if point.asks or point.deeper)
    return found


def _point(element: Element, stem: str, read: Reader, names: Shape, markup: bool) -> Point:
    return Point(element, stem, read, tuple(_asks(element, markup)), not element.primitive or "_" + element.name in names)


def _asks(element: Element, markup: bool) -> list[Ask]:
    found: list[Ask] = []
    if element.binding is not None and _is_open(element.binding):
        found.append(partial(_bound, element.binding))
    if element.type == "canonical" and element.targets:
        found.append(partial(_names, frozenset(element.targets)))
    if element.type == "string" and markup:
        found.append(_plain)
    if element.type in SPECIAL:
        found.append(SPECIAL[element.type])
    return found


def _is_open(binding: Binding) -> bool:
    """Whether a binding asks anything that the check of structure has not answered: it knows all closed sets of required codes."""
    if binding.value_set in UNKEPT:
        return False
    if binding.strength == "required":
        return r4().required_codes(binding.value_set) is None
    return binding.strength == "extensible" or bool(binding.largest)


def _bound(binding: Binding, item: Item, world: World) -> list[Issue]:
    return bound(binding, item, world)


def _names(targets: frozenset[str], item: Item, world: World) -> list[Issue]:
    """A canonical that is known here is of a type that may stand there."""
    kinds = world.kinds_of(item.value)
    if not kinds or not kinds.isdisjoint(targets):
        return []
    text = "a canonical names a definition of a type that the specification does not allow here"
    return [Issue("error", "structure", text, item.at, "target")]


_MARKUP = re.compile(r"</?[A-Za-z!]")


def _plain(item: Item, world: World) -> list[Issue]:
    """A text that is no narrative looks like none."""
    if not isinstance(item.value, str) or not _MARKUP.search(item.value):
        return []
    return [Issue(world.policy.markup, "value", "a text looks like HTML, which is not allowed here", item.at, "markup")]
