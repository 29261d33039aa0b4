"""Walking where only the data tells the type: members, children and descendants of items, their extensions, what they refer to."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from penstock.errors import Problem
from penstock.formats.fhir.definitions import Element, r4
from penstock.formats.fhir.path.runtime.env import Run
from penstock.formats.fhir.path.runtime.items import Item, Many, bare, boxes, line, resource


class Property(NamedTuple):
    """Where JSON keeps an element: its name, that of what lies beside it, the type of its values."""

    name: str
    sibling: str
    type: str


def _property(element: Element) -> Property:
    return Property(element.name, f"_{element.name}" if element.primitive else "", element.type)


@cache
def properties(type: str, name: str) -> tuple[Property, ...]:
    """The JSON properties that an element of a type may be in: several for a choice; none where R4 has no such element."""
    definition = r4().type(type)
    if definition is None:
        return ()
    if definition.kind == "primitive":
        return _OF_PRIMITIVES.get(name, ())
    if name in definition.choices:
        return tuple(map(_property, definition.variants(name)))
    element = definition.elements.get(name)
    return (_property(element),) if element and element.choice is None and not element.sibling else ()


_OF_PRIMITIVES = {"id": (Property("id", "", "string"),), "extension": (Property("extension", "", "Extension"),)}


@cache
def _all(type: str) -> dict[str, Property]:
    """Every JSON property of a type, siblings under their own name too."""
    definition = r4().type(type)
    if definition is None:
        return {}
    if definition.kind == "primitive":
        return {name: found[0] for name, found in _OF_PRIMITIVES.items()}
    found = {name: _property(element) for name, element in definition.elements.items() if not element.sibling}
    return found | {each.sibling: each for each in found.values() if each.sibling}


def _holder(item: Item) -> dict[str, Any]:
    """The object that an item's own elements are in: of a primitive, what lies beside it."""
    holder = item.value if isinstance(item.value, dict) else item.extra
    return holder if isinstance(holder, dict) else {}


def _values(item: Item, holder: dict[str, Any], where: Property) -> Iterator[Item]:
    value, extra = holder.get(where.name), holder.get(where.sibling) if where.sibling else None
    if isinstance(value, list) or isinstance(extra, list):
        values, extras = value if isinstance(value, list) else [], extra if isinstance(extra, list) else []
        for place in range(max(len(values), len(extras))):
            one = values[place] if place < len(values) else None
            beside = extras[place] if place < len(extras) else None
            if one is not None or beside is not None:
                yield _made(item, one, beside, where, (where.name, place))
    elif value is not None or extra is not None:
        yield _made(item, value, extra, where, (where.name,))


def _made(parent: Item, value: Any, extra: Any, where: Property, key: tuple[str | int, ...]) -> Item:
    if where.type == "Resource":
        return resource(value, parent, key)
    return Item(value, where.type, extra, parent, key)


def members(run: Run, items: Many, name: str) -> list[Any]:
    """``items.name``. The values of System have no members."""
    found: list[Any] = []
    for item in items:
        if type(item) is Item:
            holder = _holder(item)
            for where in properties(item.type, name):
                found.extend(_values(item, holder, where))
    run.spend(len(items) + len(found))
    return found


def children(run: Run, items: Many) -> list[Any]:
    found: list[Any] = []
    for item in items:
        if type(item) is not Item:
            continue
        known, holder = _all(item.type), _holder(item)
        for name in holder:
            where = known.get(name)
            if where is not None and (name == where.name or where.name not in holder):
                found.extend(_values(item, holder, where))
    run.spend(len(found) + 1)
    return found


def descendants(run: Run, items: Many) -> list[Any]:
    """Breadth first: all children, then all of theirs."""
    found: list[Any] = []
    level = children(run, items)
    while level:
        found += level
        level = children(run, level)
    return found


def choice(holder: dict[str, Any], table: dict[str, Property]) -> Item | None:
    """The value of a choice, whichever of its properties is there. JSON never holds a list of them."""
    for name in table.keys() & holder.keys():
        where = table[name]
        return Item(holder.get(where.name), where.type, holder.get(where.sibling) if where.sibling else None, None, (where.name,))
    return None


def beside(value: Any, extra: Any, type: str) -> Any:
    """A primitive with what lies beside it."""
    return Item(value, type, extra) if value is not None or extra is not None else None


def all_beside(values: Any, extras: Any, type: str) -> list[Any]:
    """A list of primitives with what lies beside them; entries without either are not there."""
    values, extras = values or (), extras or ()
    found: list[Any] = []
    for place in range(max(len(values), len(extras))):
        value = values[place] if place < len(values) else None
        extra = extras[place] if place < len(extras) else None
        if extra is not None:
            found.append(Item(value, type, extra))
        elif value is not None:
            found.append(value)
    return found


def extensions(run: Run, items: Many, url: str) -> list[Any]:
    """``extension(url)`` of items of any type."""
    return [found for found in members(run, items, "extension") if isinstance(found.value, dict) and found.value.get("url") == url]


def check_modifiers(items: Many, allowed: tuple[str, ...]) -> None:
    """Refuses what a modifier extension changes that is not among those allowed."""
    for item in items:
        value = bare(item)
        for extension in (value.get("modifierExtension") or ()) if isinstance(value, dict) else ():
            if extension.get("url") not in allowed:
                raise Problem("business-rule", "an element has a modifier extension that the expression does not allow")


def resolve(run: Run, items: Many) -> list[Any]:
    """The resources that references, canonicals and texts name; those that are not found are left out."""
    found = []
    for item in items:
        text = item.value if type(item) is Item else item
        text = text.get("reference") if isinstance(text, dict) else text
        if isinstance(text, str) and (target := _named(run, text)) is not None:
            found.append(resource(target))
    run.spend(len(items))
    return found


def _named(run: Run, text: str) -> dict[str, Any] | None:
    """Contained in the root, an entry of it where it is a Bundle, or what somebody else knows."""
    root = bare(run.root)
    if not isinstance(root, dict):
        return run.env.resolve(text)
    if text == "#":
        return root
    if text.startswith("#"):
        return next((one for one in root.get("contained") or () if isinstance(one, dict) and one.get("id") == text[1:]), None)
    if root.get("resourceType") == "Bundle":
        if run.entries is None:
            run.entries = _entries(root)
        found = run.entries.get(text.partition("/_history/")[0])
        if found is not None:
            return found
    return run.env.resolve(text)


def _entries(bundle: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The resources of a Bundle by their full URL, and by the ``Type/id`` that it ends with."""
    found: dict[str, dict[str, Any]] = {}
    for entry in bundle.get("entry") or ():
        url, resource = (entry.get("fullUrl"), entry.get("resource")) if isinstance(entry, dict) else (None, None)
        if isinstance(url, str) and isinstance(resource, dict):
            found.setdefault(url, resource)
            found.setdefault("/".join(url.rsplit("/", 2)[-2:]), resource)
    return found


def refers(item: Any, wanted: str) -> bool:
    """``resolve() is Patient``, answered by what a reference says: its text ``…/Patient/1``, else its ``type``."""
    reference = item.value if type(item) is Item else item
    text = reference.get("reference") if isinstance(reference, dict) else reference
    if isinstance(text, str) and not text.startswith(("#", "urn:")):
        parts = text.partition("/_history/")[0].rsplit("/", 2)
        if len(parts) >= 2:
            return parts[-2] == wanted
    return isinstance(reference, dict) and reference.get("type") == wanted


def items(holder: Any, name: str) -> list[Any]:
    """The values of a property where only the data tells the type: choices by their stem, lists spread. What search walks by."""
    if not isinstance(holder, dict):
        return []
    value = holder.get(name)
    if value is None:
        stems = [key for key in holder if key.startswith(name) and key[len(name) : len(name) + 1].isupper()]
        value = holder[stems[0]] if len(stems) == 1 else None
    if isinstance(value, list):
        return [each for each in value if each is not None]
    return [] if value is None else [value]


def resolves_to(run: Run, items: Many, wanted: str) -> bool | None:
    """``resolve() is …`` of one reference: what it leads to, or, where it leads nowhere, what it says."""
    if len(items) != 1:
        return None
    found = resolve(run, items)
    return wanted in line(found[0].type) if found else refers(items[0], wanted)


def typed(values: Many, type: str | None) -> Many:
    """Items that tell their type."""
    return values if type is None else list(boxes(values, type))
