"""What FHIRPath Patch puts in: a typed value of a Parameters part, as the JSON properties that it becomes in its new place."""

from __future__ import annotations

from typing import Any, NamedTuple

from penstock.errors import Problem
from penstock.formats.fhir.definitions import Element, TypeDef, r4

Resource = dict[str, Any]

_ELEMENT = frozenset(("resourceType", "id", "extension", "modifierExtension", "name", "part"))


class Value(NamedTuple):
    """A value for one place: what JSON holds under the name, and under ``_name`` where it is a primitive with extensions."""

    name: str
    value: Any
    sibling: Any


def value(part: Resource, element: Element, owner: TypeDef, at: str) -> Value:
    """The value of a part for ``element``; one of another type is Problem("value") (fhirpatch.html)."""
    if "part" in part:
        return _built(part["part"], element, at)
    if "resource" in part:
        if element.type != "Resource":
            raise _wrong_type(at)
        return Value(element.name, part["resource"], None)
    given = _typed(part)
    if given is None:
        raise Problem("required", "this operation has a value, of one type", at=at)
    type, content, sibling = given
    target = _of_type(element, owner, type)
    if target is None:
        raise _wrong_type(at)
    return Value(target.name, content, sibling)


def _typed(part: Resource) -> tuple[str, Any, Any] | None:
    """Type, value and sibling of ``value[x]``."""
    definition = r4().type("Parameters.parameter")
    assert definition is not None
    found = [each for each in definition.variants("value") if each.name in part or "_" + each.name in part]
    if len(found) != 1:
        return None
    name = found[0].name
    return found[0].type, part.get(name), part.get("_" + name)


def _of_type(element: Element, owner: TypeDef, type: str) -> Element | None:
    """The property for a value of ``type``: of a choice the variant of that type, else the element where the types agree."""
    if element.choice is not None:
        return next((each for each in owner.variants(element.choice) if each.type == type), None)
    agree = type in r4().ancestors(element.type) or element.type in r4().ancestors(type)
    text = element.type == "xhtml" and type == "string"
    return element if text or (agree and type not in ("Element", "BackboneElement")) else None


def _built(parts: Any, element: Element, at: str) -> Value:
    """An object made of parts, each named like a property: backbone elements have no type that a value could have."""
    definition = None if element.primitive or element.type == "Resource" else r4().type(element.type)
    if definition is None or not isinstance(parts, list) or not parts:
        raise _wrong_type(at)
    made: Resource = {}
    for number, part in enumerate(parts):
        where = f"{at}.part[{number}]"
        name = part.get("name") if isinstance(part, dict) else None
        target = definition.find(name) if isinstance(name, str) else None
        if target is None or target.sibling:
            raise Problem("value", "a part is not named like an element of what it is put into", at=where)
        _add(made, value(part, target, definition, where), target, where)
    return Value(element.name, made, None)


def _add(made: Resource, new: Value, element: Element, at: str) -> None:
    if not element.many:
        if new.name in made or "_" + new.name in made:
            raise Problem("value", "an element that stands once is given twice", at=at)
        made.update({name: each for name, each in ((new.name, new.value), ("_" + new.name, new.sibling)) if each is not None})
        return
    insert(made, new, None)


def insert(holder: Resource, new: Value, index: int | None) -> None:
    """Put a value into the array ``new.name`` of a holder, at its end or at ``index``, extensions beside it. New arrays are made."""
    name = new.name
    values = list(holder.get(name) or ())
    siblings = list(holder.get("_" + name) or ())
    place = max(len(values), len(siblings)) if index is None else index
    if siblings or new.sibling is not None:
        siblings += [None] * (max(len(values), place) - len(siblings))
        values += [None] * (len(siblings) - len(values))
        siblings.insert(place, new.sibling)
        holder["_" + name] = siblings
    values.insert(place, new.value)
    if all(each is None for each in values):
        holder.pop(name, None)
    else:
        holder[name] = values


def _wrong_type(at: str) -> Problem:
    return Problem("value", "a value is of another type than the element that it is for", at=at)
