"""Arguments of fields and of directives: which items of a list are chosen, and how a slice is named."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from penstock.errors import Problem
from penstock.formats.fhir.definitions import Element, r4
from penstock.formats.fhir.graphql.query import Field
from penstock.formats.fhir.path import Env, Program, program

_INDEX = "$index"
#: Steps of an expression on one item: there may be many items, and the expressions are the caller's.
_STEPS = 20_000


@lru_cache(maxsize=256)
def _compiled(expression: str, type: str) -> Program:
    return program(expression, type)


def chosen(items: Sequence[Any], field: Field, element: Element, within: dict[str, Any]) -> Sequence[Any]:
    """The items that the arguments of a field choose (graphql.html#list): by FHIRPath, by an element's value, by place; then ``@first``."""
    for name, wanted in field.arguments.items():
        if name == "fhirpath":
            condition = _compiled(text(wanted), element.type)
            items = [item for item in items if condition.true(item, Env(resource=within, root=within, steps=_STEPS))]
        elif name not in ("_count", "_offset"):
            items = _with_value(items, name, wanted, element)
    offset, count = _number(field, "_offset", 0), _number(field, "_count", len(items))
    items = items[offset : offset + count]
    return items[:1] if field.first else items


def sliced(path: str, item: Any, index: int, element: Element, within: dict[str, Any]) -> str:
    """The name of an item among the slices that ``@slice`` makes."""
    if path == _INDEX:
        return str(index)
    found = _compiled(path, element.type)(item, Env(resource=within, root=within, steps=_STEPS))
    if len(found) != 1 or isinstance(found[0], dict | list):
        raise Problem("business-rule", "the path of a slice has one simple value in each item", at=element.name)
    return text(found[0])


def text(value: Any) -> str:
    """An argument as a text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list) or value is None:
        raise Problem("invalid", "an argument is a text, a number or a truth value here", at="query")
    found = str(value)
    if "\0" in found:
        raise Problem("invalid", "an argument contains the character U+0000", at="query")
    return found


def _with_value(items: Sequence[Any], name: str, wanted: Any, element: Element) -> Sequence[Any]:
    definition = None if element.primitive else r4().type(element.type)
    child = definition.elements.get(name) if definition else None
    if child is None or not child.primitive:
        raise Problem("invalid", "items are chosen by a simple element that they have", at=element.name)
    return [item for item in items if text(wanted) in _texts(item.get(name))]


def _texts(held: Any) -> list[str]:
    return [] if held is None else [text(each) for each in held if each is not None] if isinstance(held, list) else [text(held)]


def _number(field: Field, name: str, default: int) -> int:
    value = field.arguments.get(name, default)
    if type(value) is not int or value < 0:
        raise Problem("value", "a count or an offset is a number that is not negative", at=field.name)
    return value
