"""FHIRPath Patch (http://hl7.org/fhir/R4/fhirpatch.html): a Parameters resource with one ``operation`` parameter for each change."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from penstock.errors import Problem
from penstock.formats.fhir.definitions import Element, TypeDef, r4
from penstock.formats.fhir.patch import typed
from penstock.formats.fhir.patch.cost import require_affordable, require_few
from penstock.formats.fhir.patch.paths import Place, container, find, require_path
from penstock.formats.fhir.patch.remove import remove, remove_at

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Operation:
    """One change; ``at`` is its place in the Parameters. ``numbers`` are index, source and destination, as far as they are given."""

    verb: str
    path: str
    name: str | None
    value: Resource | None
    numbers: dict[str, int]
    at: str

    def number(self, name: str) -> int:
        return self.numbers[name]


def read(parameters: Resource) -> Callable[[Resource], Resource]:
    """The patch in a Parameters resource."""
    if parameters.get("resourceType") != "Parameters":
        raise Problem("invalid", "a FHIRPath Patch is a Parameters resource", at="resourceType")
    given = parameters.get("parameter", [])
    if not isinstance(given, list):
        raise Problem("structure", "a JSON array is expected here", at="Parameters.parameter")
    require_few(given)
    operations = [_operation(each, f"Parameters.parameter[{number}]") for number, each in enumerate(given)]

    def patch(resource: Resource) -> Resource:
        require_affordable(operations, resource)
        changed = deepcopy(resource)
        for operation in operations:
            _VERBS[operation.verb](changed, operation)
        return changed

    return patch


#: What an operation must have beside its path.
_NEEDED: dict[str, tuple[str, ...]] = {
    "add": ("name", "value"),
    "insert": ("index", "value"),
    "delete": (),
    "replace": ("value",),
    "move": ("source", "destination"),
}
_TEXTS = {"type": ("valueCode", "valueString"), "path": ("valueString",), "name": ("valueString",)}
_NUMBERS = ("index", "source", "destination")


def _operation(given: Any, at: str) -> _Operation:
    parts = given.get("part") if isinstance(given, dict) else None
    if not isinstance(given, dict) or given.get("name") != "operation" or not isinstance(parts, list):
        raise Problem("structure", "a FHIRPath Patch has parameters that are named operation, with parts", at=at)
    found: dict[str, Resource] = {}
    for number, part in enumerate(parts):
        name = part.get("name") if isinstance(part, dict) else None
        if name in found or (name not in _TEXTS and name not in _NUMBERS and name != "value"):
            raise Problem("structure", "a part is type, path, name, value, index, source or destination", at=f"{at}.part[{number}]")
        found[str(name)] = part
    texts = {name: _text(found[name], keys, at) for name, keys in _TEXTS.items() if name in found}
    numbers = {name: _number(found[name], at) for name in _NUMBERS if name in found}
    verb = texts.get("type", "")
    if verb not in _NEEDED:
        raise Problem("value", "the type of an operation is add, insert, delete, replace or move", at=at)
    for name in ("path", *_NEEDED[verb]):
        if name not in found:
            raise Problem("required", f"an operation of this type has a {name}", at=at)
    require_path(texts["path"], at)
    return _Operation(verb, texts["path"], texts.get("name"), found.get("value"), numbers, at)


def _text(part: Resource, keys: tuple[str, ...], at: str) -> str:
    found = next((part[key] for key in keys if key in part), None)
    if not isinstance(found, str):
        raise Problem("structure", "type is a code, path and name are strings", at=at)
    return found


def _number(part: Resource, at: str) -> int:
    found = next((part[key] for key in ("valueInteger", "valueUnsignedInt", "valuePositiveInt") if key in part), None)
    if not isinstance(found, int) or isinstance(found, bool) or found < 0:
        raise Problem("structure", "index, source and destination are integers from 0", at=at)
    return found


# the five verbs


def _add(resource: Resource, operation: _Operation) -> None:
    place = _one(resource, operation)
    holder, definition = _object(resource, place, operation)
    assert operation.name is not None
    element = _element(definition, operation.name, operation)
    new = _value(operation, element, definition)
    if element.many:
        typed.insert(holder, new, None)
    elif any(name in holder for name in _names(definition, element)):
        raise Problem("value", "an element that stands once is there already: replace it", at=operation.at)
    else:
        _put(holder, new)


def _insert(resource: Resource, operation: _Operation) -> None:
    holder, definition, element, length = _list(resource, operation)
    index = operation.number("index")
    if index > length:
        raise Problem("value", "the index is beyond the end of the list", at=operation.at)
    typed.insert(holder, _value(operation, element, definition), index)


def _delete(resource: Resource, operation: _Operation) -> None:
    found = find(operation.path, resource, operation.at)
    if len(found) > 1:
        raise _several(operation)
    if found:
        remove(resource, _not_root(found[0], operation))


def _replace(resource: Resource, operation: _Operation) -> None:
    place = _not_root(_one(resource, operation), operation)
    *above, last = place
    above, name, index = (above[:-1], above[-1], last) if isinstance(last, int) else (above, last, None)
    holder, definition = _object(resource, tuple(above), operation)
    element = _element(definition, str(name), operation)
    new = _value(operation, element, definition)
    if isinstance(index, int):
        remove_at(holder, element.name, index)
        typed.insert(holder, new, index)
    else:
        for each in _names(definition, element):
            holder.pop(each, None)
        _put(holder, new)


def _move(resource: Resource, operation: _Operation) -> None:
    holder, _, element, length = _list(resource, operation)
    source, destination = operation.number("source"), operation.number("destination")
    if source >= length or destination >= length:
        raise Problem("value", "source and destination are places in the list", at=operation.at)
    for name in (element.name, "_" + element.name):
        if name in holder:
            holder[name] += [None] * (length - len(holder[name]))
            holder[name].insert(destination, holder[name].pop(source))


_VERBS: dict[str, Callable[[Resource, _Operation], None]] = {
    "add": _add,
    "insert": _insert,
    "delete": _delete,
    "replace": _replace,
    "move": _move,
}


# finding places


def _one(resource: Resource, operation: _Operation) -> Place:
    found = find(operation.path, resource, operation.at)
    if len(found) > 1:
        raise _several(operation)
    if not found:
        raise Problem("value", "the path finds nothing in the resource", at=operation.at)
    return found[0]


def _several(operation: _Operation) -> Problem:
    return Problem("value", "the path finds several elements, and must find one", at=operation.at)


def _not_root(place: Place, operation: _Operation) -> Place:
    if not place:
        raise Problem("value", "the path is that of an element in the resource", at=operation.at)
    return place


def _object(resource: Resource, place: Place, operation: _Operation) -> tuple[Resource, TypeDef]:
    """The object at a place, with its type. A primitive is the object of its id and extensions, made where there is none."""
    value: Any = resource
    definition = r4().type(resource["resourceType"])
    for number, step in enumerate(place):
        if isinstance(step, str):
            element = definition.find(step) if definition else None
            if element is not None and element.primitive:
                return _sibling(value, place[number:]), _element_type()
            definition = r4().type(element.type) if element else None
        value = value[step]
        if definition and definition.name == "Resource" and isinstance(value, dict):
            definition = r4().type(str(value.get("resourceType")))
    if not isinstance(value, dict) or definition is None:
        raise Problem("value", "the path is not that of an element with elements in it", at=operation.at)
    return value, definition


def _sibling(holder: Resource, rest: Place) -> Resource:
    name = f"_{rest[0]}"
    if len(rest) == 1:
        found: Resource = holder.setdefault(name, {})
        return found
    siblings, index = holder.setdefault(name, []), int(rest[1])
    siblings += [None] * (max(index + 1, len(holder[str(rest[0])])) - len(siblings))
    siblings[index] = siblings[index] or {}
    made: Resource = siblings[index]
    return made


def _element_type() -> TypeDef:
    definition = r4().type("Element")
    assert definition is not None
    return definition


def _element(definition: TypeDef, name: str, operation: _Operation) -> Element:
    element = definition.find(name)
    if element is None or element.sibling:
        raise Problem("value", "R4 has no element of that name there", at=operation.at)
    return element


def _list(resource: Resource, operation: _Operation) -> tuple[Resource, TypeDef, Element, int]:
    """The object that holds the list of a path, its type, the element that the list is, and how long it is."""
    path, name = container(operation.path, operation.at)
    found = find(path, resource, operation.at) if path else [()]
    if len(found) != 1:
        raise Problem("value", "the path is that of one list in the resource", at=operation.at)
    holder, definition = _object(resource, found[0], operation)
    element = _element(definition, name, operation)
    if not element.many:
        raise Problem("value", "the path is not that of a list", at=operation.at)
    return holder, definition, element, max(len(holder.get(each, ())) for each in (element.name, "_" + element.name))


def _value(operation: _Operation, element: Element, owner: TypeDef) -> typed.Value:
    assert operation.value is not None
    new = typed.value(operation.value, element, owner, operation.at)
    return new._replace(value=deepcopy(new.value), sibling=deepcopy(new.sibling))


def _names(definition: TypeDef, element: Element) -> list[str]:
    """Every property that stands for an element: all variants of a choice, and siblings."""
    names = [each.name for each in definition.variants(element.choice)] if element.choice else [element.name]
    return [*names, *("_" + name for name in names)]


def _put(holder: Resource, new: typed.Value) -> None:
    holder.update({name: each for name, each in ((new.name, new.value), ("_" + new.name, new.sibling)) if each is not None})
