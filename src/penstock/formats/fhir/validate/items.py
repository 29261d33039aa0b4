"""A resource as elements: what JSON spreads over ``value`` and ``_value``, or names by its type, becomes one :class:`Item`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import zip_longest
from typing import Any, NamedTuple

from penstock.formats.fhir.definitions import Element, r4

#: Gives the items of one element at its parent.
Reader = Callable[["Item"], "list[Item]"]


class Item(NamedTuple):
    """One element. ``value`` is its JSON (None for a primitive that has extensions only), ``beside`` a primitive's id and extensions.

    ``type`` names its type in the definitions (``Patient.contact`` for a backbone element); ``at`` is its FHIRPath from the root.
    """

    value: Any
    beside: Any
    type: str
    at: str


def whole(resource: dict[str, Any], at: str = "") -> Item:
    """A resource as the item to begin with."""
    name = str(resource.get("resourceType", ""))
    return Item(resource, None, name, at or name)


@cache
def reader(type: str, stem: str) -> Reader:
    """Reads the element ``stem`` (``value`` for ``value[x]``) of a type; one that the type does not have is never there."""
    definition = r4().type(type)
    if definition is None:
        return _nothing
    if stem in definition.choices:
        return _choice(stem, definition.variants(stem))
    if definition.kind == "primitive":
        return _beside(stem) if stem in ("extension", "id") else _nothing
    element = definition.elements.get(stem)
    return _nothing if element is None or element.sibling else _plain(stem, element)


def members(item: Item, stem: str) -> list[Item]:
    return reader(item.type, stem)(item)


def _nothing(item: Item) -> list[Item]:
    return []


def _choice(stem: str, variants: tuple[Element, ...]) -> Reader:
    names = tuple((each.name, "_" + each.name, each.type) for each in variants)

    def read(item: Item) -> list[Item]:
        holder = item.value
        for name, sibling, type in names:
            if name in holder or sibling in holder:
                return [Item(holder.get(name), holder.get(sibling), type, f"{item.at}.{stem}")]
        return []

    return read


def _plain(stem: str, element: Element) -> Reader:
    type, sibling = element.type, "_" + element.name

    def one(item: Item) -> list[Item]:
        value = item.value.get(stem)
        beside = item.value.get(sibling) if element.primitive else None
        return [] if value is None and beside is None else [Item(value, beside, _type(type, value), f"{item.at}.{stem}")]

    def many(item: Item) -> list[Item]:
        values = item.value.get(stem) or ()
        if not element.primitive or sibling not in item.value:
            return [Item(value, None, _type(type, value), f"{item.at}.{stem}[{place}]") for place, value in enumerate(values)]
        both = zip_longest(values, item.value[sibling] or ())
        return [Item(value, beside, type, f"{item.at}.{stem}[{place}]") for place, (value, beside) in enumerate(both)]

    return many if element.many else one


def _type(type: str, value: Any) -> str:
    return str(value.get("resourceType", type)) if type == "Resource" and value.__class__ is dict else type


def _beside(stem: str) -> Reader:
    """The extensions, or the id, of a primitive."""

    def extensions(item: Item) -> list[Item]:
        found = (item.beside or {}).get("extension", ())
        return [Item(each, None, "Extension", f"{item.at}.extension[{place}]") for place, each in enumerate(found)]

    def identity(item: Item) -> list[Item]:
        found = (item.beside or {}).get("id")
        return [] if found is None else [Item(found, None, "string", f"{item.at}.id")]

    return extensions if stem == "extension" else identity


Plan = tuple[tuple[Element, str, Reader], ...]
_PLANS: dict[str, dict[tuple[str, ...], Plan]] = {}
#: Shapes remembered for a type: property names come from outside.
_MOST_SHAPES = 500


def plan(type: str, names: tuple[str, ...]) -> Plan:
    """The elements that an object of a type with these properties has: the element, its stem, how it is read."""
    known = _PLANS.setdefault(type, {})
    found = known.get(names)
    if found is None:
        if len(known) >= _MOST_SHAPES:
            known.clear()
        found = known[names] = _plan(type, names)
    return found


def _plan(type: str, names: tuple[str, ...]) -> Plan:
    definition = r4().type(type)
    if definition is None:
        return ()
    chosen: dict[str, Element] = {}
    for name in names:
        element = definition.elements.get(name.removeprefix("_"))
        if element is not None:
            chosen.setdefault(element.choice or element.name, element)
    return tuple((element, stem, reader(type, stem)) for stem, element in chosen.items())
