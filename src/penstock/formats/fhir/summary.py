"""Part of a resource: ``_summary`` and ``_elements`` (http://hl7.org/fhir/R4/search.html#summary, #elements).

``asked`` reads the parameters, ``subset`` cuts a resource, ``subset_of_reply`` what the API answers. Required elements and modifiers
always stay, and what was cut says so with the tag SUBSETTED, lest it be written back as if it were whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from penstock.errors import Problem
from penstock.formats.fhir.definitions import Element, TypeDef, r4

Resource = dict[str, Any]

TAG = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}

_ALWAYS = frozenset(("resourceType", "id", "meta"))
_MODES = ("true", "text", "data", "count", "false")
#: Bundles that the API makes: what is asked for is about their entries.
_MADE = frozenset(("searchset", "history", "batch-response", "transaction-response"))


class Cut(NamedTuple):
    """What is to be left: ``mode`` is true, text, data or elements; ``names`` are the elements, as ``name`` or ``Type.name``."""

    mode: str
    names: frozenset[str] = frozenset()


def asked(pairs: Iterable[tuple[str, str]]) -> Cut | None:
    """What the parameters of a request ask to be left; None for whole resources. (A ``count`` has no resources at all.)"""
    mode = names = None
    for name, value in pairs:
        if name == "_summary":
            if value not in _MODES:
                raise Problem("value", "_summary is true, text, data, count or false", at="http._summary")
            mode = value
        elif name == "_elements" and value:
            names = (names or frozenset()) | {each.strip() for each in value.split(",")} - {""}
    if mode in ("true", "text", "data"):
        if names:
            raise Problem("invalid", "either _summary or _elements says what is left of a resource", at="http._elements")
        return Cut(mode)
    return Cut("elements", names) if names else None


def subset(resource: Resource, cut: Cut) -> Resource:
    """What is left of a resource. The one that is given stays as it is."""
    definition = r4().type(resource.get("resourceType", ""))
    if definition is None:
        return resource
    left = _KEEP[cut.mode](resource, definition, cut)
    meta = left.get("meta", {})
    if TAG not in meta.get("tag", ()):
        left["meta"] = {**meta, "tag": [*meta.get("tag", ()), TAG]}
    return left


def subset_of_reply(resource: Resource, cut: Cut) -> Resource:
    """What is left of an answer: of a Bundle that the API made, of its entries. Outcomes and Parameters stay whole."""
    type = resource.get("resourceType")
    if type in ("OperationOutcome", "Parameters"):
        return resource
    if type != "Bundle" or resource.get("type") not in _MADE:
        return subset(resource, cut)
    return {**resource, "entry": [_entry(entry, cut) for entry in resource["entry"]]} if "entry" in resource else resource


def elements(resource: Resource, names: Iterable[str]) -> Resource:
    """The resource with the elements of ``names``, and those that must be there."""
    return subset(resource, Cut("elements", frozenset(names)))


def _entry(entry: Resource, cut: Cut) -> Resource:
    """An included resource is only cut when its type is named: plain names are about what was searched for."""
    held = entry.get("resource")
    mode = entry.get("search", {}).get("mode")
    if held is None or held.get("resourceType") == "OperationOutcome":
        return entry
    if cut.mode == "elements" and not _concerns(cut, held["resourceType"], included=mode == "include"):
        return entry
    return {**entry, "resource": subset(held, cut)}


def _concerns(cut: Cut, type: str, *, included: bool) -> bool:
    return any(name.startswith(type + ".") or ("." not in name and not included) for name in cut.names)


# what each mode keeps


def _summary(resource: Resource, definition: TypeDef, _: Cut) -> Resource:
    return _summarised(resource, definition.name)


def _summarised(value: Resource, type: str) -> Resource:
    """The elements that are marked as a summary, in what they hold too (http://hl7.org/fhir/R4/elementdefinition.html, isSummary)."""
    kept: Resource = {}
    for name, inner in _summary_names(type, tuple(value)):
        held = value[name]
        if inner is None:
            kept[name] = held
        elif held.__class__ is list:
            kept[name] = [_summarised(each, inner) if each.__class__ is dict else each for each in held]
        else:
            kept[name] = _summarised(held, inner) if held.__class__ is dict else held
    return kept


@lru_cache(maxsize=4096)
def _summary_names(type: str, names: tuple[str, ...]) -> tuple[tuple[str, str | None], ...]:
    """The properties to keep of an object of a type, each with the type to summarise it by (None: as it is)."""
    definition = r4().type(type)
    if definition is None:
        return tuple((name, None) for name in names)
    kept = []
    for name in names:
        element = definition.elements.get(name)
        if name in _ALWAYS or (element is not None and (element.summary or _must_stay(definition, element))):
            kept.append((name, _inner(element)))
    return tuple(kept)


def _inner(element: Element | None) -> str | None:
    """Primitives, extensions and resources in resources stay as they are; a type without any mark in it too."""
    if element is None or element.primitive or element.sibling or element.type in ("Extension", "Resource", "Meta"):
        return None
    definition = r4().type(element.type)
    return element.type if definition and any(each.summary for each in definition.elements.values()) else None


def _text(resource: Resource, definition: TypeDef, _: Cut) -> Resource:
    return _kept(resource, definition, lambda name, element: name == "text" or _required(definition, element))


def _data(resource: Resource, _: TypeDef, __: Cut) -> Resource:
    return {name: value for name, value in resource.items() if name != "text"}


def _elements(resource: Resource, definition: TypeDef, cut: Cut) -> Resource:
    type = definition.name
    wanted = {name.removeprefix(type + ".") for name in cut.names if "." not in name or name.startswith(type + ".")}

    def keep(name: str, element: Element) -> bool:
        return not wanted.isdisjoint((name, name.removeprefix("_"), element.choice or name)) or _must_stay(definition, element)

    return _kept(resource, definition, keep)


def _kept(resource: Resource, definition: TypeDef, keep: Callable[[str, Element], bool]) -> Resource:
    known = definition.elements
    return {name: value for name, value in resource.items() if name in _ALWAYS or (name in known and keep(name, known[name]))}


def _must_stay(definition: TypeDef, element: Element) -> bool:
    """Required elements, and those without which others would be misunderstood."""
    return _own(definition, element).modifier or _required(definition, element)


def _required(definition: TypeDef, element: Element) -> bool:
    return _own(definition, element).least > 0


def _own(definition: TypeDef, element: Element) -> Element:
    """Of a ``_sibling`` the element itself."""
    return definition.elements[element.name[1:]] if element.sibling else element


_KEEP: dict[str, Callable[[Resource, TypeDef, Cut], Resource]] = {
    "true": _summary,
    "text": _text,
    "data": _data,
    "elements": _elements,
}
