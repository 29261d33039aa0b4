"""The canonical order of properties: ``resourceType``, then the order of the definitions, then what they do not know.

Objects of one type mostly have one of few *shapes*: the same properties in the same order. What is to be done with a shape is worked
out once. An object that is in order already is returned as it is, not copied.
"""

from __future__ import annotations

from typing import Any

from penstock.formats.fhir.definitions import r4

Resource = dict[str, Any]


#: How the properties should stand (None when they do), and those that hold objects, with their type.
_Shape = tuple[tuple[str, ...] | None, tuple[tuple[str, str], ...]]

#: By type and properties. Only shapes of known properties are kept, and so many: names come from outside.
_shapes: dict[str, dict[tuple[str, ...], _Shape]] = {}
_MOST_SHAPES = 500


def arrange(resource: Resource) -> Resource:
    """The resource with its properties in canonical order, at every level."""
    return _arranged(resource, "Resource")


def _arranged(value: Resource, type: str) -> Resource:
    if type == "Resource":
        type = str(value.get("resourceType"))
    try:
        order, inner = _shapes[type][tuple(value)]
    except KeyError:
        order, inner = _learn(type, tuple(value))
    changed: Resource | None = None
    for name, held in inner:
        child = value[name]
        new = _arranged(child, held) if child.__class__ is dict else _each(child, held) if child.__class__ is list else child
        if new is not child:
            changed = changed or {}
            changed[name] = new
    if changed:
        value = value | changed
    return {name: value[name] for name in order} if order else value


def _each(children: list[Any], type: str) -> list[Any]:
    arranged: list[Any] | None = None
    for place, child in enumerate(children):
        if child.__class__ is dict and (new := _arranged(child, type)) is not child:
            arranged = arranged or children.copy()
            arranged[place] = new
    return arranged or children


def _learn(type: str, names: tuple[str, ...]) -> _Shape:
    """The shape of a type's object; properties of a type that R4 does not have stay as they are."""
    found = r4().type(type)
    elements = found.elements if found else {}
    rank = {name: place for place, name in enumerate(("resourceType", *elements))}
    ordered = tuple(sorted(names, key=lambda name: rank.get(name, len(rank)))) if found else names
    inner = tuple((name, elements[name].type) for name in names if name in elements and not elements[name].primitive)
    shape: _Shape = (None if ordered == names else ordered, inner)
    if found and rank.keys() >= set(names):
        known = _shapes.setdefault(type, {})
        if len(known) >= _MOST_SHAPES:
            known.clear()
        known[names] = shape
    return shape
