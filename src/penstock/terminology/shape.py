"""Whether a definition is written in the shape that R4 gives its elements: lists where there are lists, texts where there are texts.

What is stored was validated; what packages bring was not, and may have elements of later versions. Those are passed over: nobody here
reads them.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache
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
    type_ = resource.get("resourceType")
    if not isinstance(type_, str) or r4().type(type_) is None:
        return False
    waiting: list[tuple[Any, str]] = [(resource, type_)]
    for value, of in waiting:
        if not isinstance(value, dict):
            return False
        if of == "Resource":
            of = value.get("resourceType", "")
        shapes = _shapes(of) if isinstance(of, str) else {}
        for name, held in value.items():
            shape = shapes.get(name)
            if shape is not None and not _fits(shape, held, waiting):
                return False
    return True


def _fits(shape: _Shape, held: Any, waiting: list[tuple[Any, str]]) -> bool:
    """Whether a value has its shape; what is inside it waits to be looked at."""
    if shape.many != isinstance(held, list):
        return False
    values = held if shape.many else (held,)
    if shape.kinds:
        return all(type(each) in shape.kinds for each in values)
    waiting.extend((each, shape.type) for each in values)
    return True


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
