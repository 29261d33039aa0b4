"""Where the items of a FHIRPath expression are in a resource, for the paths that a patch has (http://hl7.org/fhir/R4/fhirpatch.html)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from penstock.errors import Problem
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.path import parse
from penstock.formats.fhir.path.nodes import Binary, Call, Index, Literal, Member, Node

Resource = dict[str, Any]
#: Property names and indexes from the resource on.
Place = tuple[str | int, ...]


@lru_cache(maxsize=1024)
def places(path: str, type: str) -> Callable[[Resource], list[Place]]:
    """The function from a resource of a type to the places of the items that a path selects."""
    tree = parse(path)
    return lambda resource: [place for place, _ in _walk(tree, [((), resource)], type)]


def container(path: str, type: str) -> tuple[str, str]:
    """A path that ends in a name, as the path before that name and the name."""
    tree = parse(path)
    if not isinstance(tree, Member):
        return path, ""
    head, _, name = path.rpartition(".")
    return head or type, name.strip().strip("`")


_Items = list[tuple[Place, Any]]


def _walk(node: Node, items: _Items, type: str) -> _Items:
    if isinstance(node, Member):
        if node.source is None:
            return items if node.name in r4().ancestors(type) else _children(items, node.name)
        return _children(_walk(node.source, items, type), node.name)
    if isinstance(node, Index) and isinstance(node.at, Literal) and isinstance(node.at.value, int):
        found = _walk(node.source, items, type)
        return found[node.at.value : node.at.value + 1] if node.at.value >= 0 else []
    if isinstance(node, Call) and node.source is not None:
        found = _walk(node.source, items, type)
        if node.name == "first" and not node.arguments:
            return found[:1]
        if node.name == "last" and not node.arguments:
            return found[-1:]
        if node.name == "where" and len(node.arguments) == 1:
            return [item for item in found if _holds(node.arguments[0], [item], type)]
    raise Problem("not-supported", "this is not a path that a patch may have")


def _holds(node: Node, item: _Items, type: str) -> bool:
    if isinstance(node, Binary):
        if node.operator == "and":
            return _holds(node.left, item, type) and _holds(node.right, item, type)
        if node.operator == "or":
            return _holds(node.left, item, type) or _holds(node.right, item, type)
        if node.operator == "=" and isinstance(node.right, Literal):
            return [value for _, value in _walk(node.left, item, "")] == [node.right.value]
    raise Problem("not-supported", "this is not a path that a patch may have")


def _children(items: _Items, name: str) -> _Items:
    found: _Items = []
    for place, value in items:
        if not isinstance(value, dict):
            continue
        for each in _properties(value, name):
            child = value[each]
            if isinstance(child, list):
                found += [((*place, each, number), one) for number, one in enumerate(child) if one is not None]
            else:
                found.append(((*place, each), child))
    return found


def _properties(value: Resource, name: str) -> list[str]:
    """The property of that name, or the variant of the choice of that name."""
    if name in value:
        return [name]
    return [each for each in value if each.startswith(name) and each[len(name) :][:1].isupper() and _is_type(each[len(name) :])]


def _is_type(name: str) -> bool:
    return not r4().data_types.isdisjoint((name, name[0].lower() + name[1:]))
