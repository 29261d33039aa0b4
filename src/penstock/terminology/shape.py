"""Whether a definition is written in the shape that R4 gives its elements: lists where there are lists, texts where there are texts.

What is stored was validated; what packages bring was not, and may have elements of later versions. Those are passed over: nobody here
reads them.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from itertools import repeat
from typing import Any, NamedTuple

from penstock.formats.fhir.definitions import r4

_NUMBERS = frozenset(("decimal", "integer", "positiveInt", "unsignedInt"))


class _Shape(NamedTuple):
    """What an element's values are: Python types of a primitive, else the type that describes them; ``many`` are in a list."""

    many: bool
    kinds: tuple[type, ...]
    type: str


def is_sound(resource: dict[str, Any]) -> bool:
    """Whether every element that R4 knows has values of its shape."""
    waiting: list[tuple[Any, str]] = [(resource, "Resource")]
    return all(_has_shape(value, type_, waiting) for value, type_ in waiting)


def _has_shape(value: Any, type_: str, waiting: list[tuple[Any, str]]) -> bool:
    """Whether an object has the shape of its type; the objects in it wait to be looked at. It is called for each concept of a system."""
    if type(value) is not dict:
        return False
    shapes = _shapes(_named(value) if type_ == "Resource" else type_)
    for name, held in value.items():
        shape = shapes.get(name)
        if shape is None:
            continue
        many, kinds, inner = shape
        if many:
            if type(held) is not list or (kinds and not all(type(each) in kinds for each in held)):
                return False
            if not kinds:
                waiting.extend(zip(held, repeat(inner)))
        elif not kinds:
            waiting.append((held, inner))
        elif type(held) not in kinds:
            return False
    return bool(shapes)


def _named(resource: dict[str, Any]) -> str:
    name = resource.get("resourceType")
    return name if isinstance(name, str) and name in r4().resource_types else ""


@cache
def _shapes(name: str) -> dict[str, _Shape]:
    """The elements of a type by their JSON names."""
    found = r4().type(name)
    if found is None:
        return {}
    elements = [each for each in found.elements.values() if not each.sibling]
    return {each.name: _Shape(each.many, _kinds(each.type) if each.primitive else (), each.type) for each in elements}


def _kinds(name: str) -> tuple[type, ...]:
    if name == "boolean":
        return (bool,)
    return (int, float, Decimal) if name in _NUMBERS else (str,)
