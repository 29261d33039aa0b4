"""The test of a type, compiled from its definition.

Objects of one type mostly have one of few *shapes*: the same set of properties. What a shape alone says (unknown, missing or competing
properties) and which tests its values need is worked out once a shape; an object then costs one look-up and the tests of its values.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import chain, repeat
from typing import Any

from penstock.formats.fhir.definitions import Element, TypeDef, r4
from penstock.formats.fhir.validate import rules
from penstock.formats.fhir.validate.found import Found, Test, under, wrong
from penstock.formats.fhir.validate.narrative import xhtml
from penstock.formats.fhir.validate.primitives import TESTS

PRIMITIVES = {**TESTS, "xhtml": xhtml}

Names = tuple[str, ...]
#: Name of a property, its step in a FHIRPath, its test.
_Member = tuple[str, str, Test]
_Plan = tuple[tuple[_Member, ...], tuple[_Member, ...], list[Found] | None]

#: Shapes remembered for a type, flawless ones only: property names come from outside.
_MOST_SHAPES = 500

OBJECT = wrong("structure", "a JSON object is expected here")
NO_MEMBER = wrong("structure", "an object is never empty: leave the element out")
LIST = wrong("structure", "a JSON array is expected here")
NO_ITEM = wrong("structure", "an array is never empty: leave the element out")
UNALIGNED = wrong("structure", "null stands in an array of primitives only where its extensions have an entry")
RESOURCE = wrong("structure", "resourceType names no resource type of R4")

_ELEMENT_NAME = re.compile(r"_?[a-z][A-Za-z0-9]{0,63}", re.ASCII)


@cache
def of_type(name: str) -> Test:
    """The test of a complex type, a backbone element, or a resource type."""
    definition = r4().type(name)
    assert definition is not None, "the definitions refer to types that they define"
    shapes: dict[Names, _Plan] = {}

    def test(value: Any) -> list[Found] | None:
        if value.__class__ is not dict:
            return OBJECT
        names = tuple(value)
        try:
            values, siblings, found = shapes[names]
        except KeyError:
            values, siblings, found = plan = _plan(definition, names)
            if found is None:
                if len(shapes) >= _MOST_SHAPES:
                    shapes.clear()
                shapes[names] = plan
        for name, step, inner in values:
            if (more := inner(value[name])) is not None:
                found = under(found, step, more)
        for name, step, inner in siblings:
            if (more := inner((value[name], value["_" + name]))) is not None:
                found = under(found, step, more)
        return found

    return test


def resource(value: Any) -> list[Found] | None:
    """The test of a resource inside another: contained, in a Bundle entry, in Parameters."""
    if value.__class__ is not dict:
        return OBJECT
    name = value.get("resourceType")
    if name.__class__ is not str or name not in r4().resource_types:
        return RESOURCE
    return of_type(name)(value)


def _plan(definition: TypeDef, names: Names) -> _Plan:
    """The tests of the values; those of arrays that stand beside their sibling array; and what is wrong with the shape itself."""
    known = definition.elements
    together = {name for name in names if name in known and known[name].primitive and known[name].many and "_" + name in names}
    alone = [name for name in names if name in known and name not in together and name.removeprefix("_") not in together]
    return (
        tuple((name, _step(known[name]), _of_element(known[name])) for name in alone),
        tuple((name, _step(known[name]), _aligned(known[name])) for name in sorted(together)),
        _misshapen(definition, names) or None,
    )


def _step(element: Element) -> str:
    """``.value`` for ``valueQuantity`` and ``_valueString``: FHIRPath knows elements, not properties of JSON."""
    return f".{element.choice or element.name.removeprefix('_')}"


def _misshapen(definition: TypeDef, names: Names) -> list[Found]:
    if not names:
        return NO_MEMBER
    found = [_unknown(name) for name in names if name not in definition.elements and not _is_type_name(definition, name)]
    present = {name.removeprefix("_") for name in names}
    for element in definition.elements.values():
        if element.least and element.choice is None and element.name not in present:
            found.append(Found(f".{element.name}", "required", "a required element is missing"))
    for stem, choice in definition.choices.items():
        chosen = present.intersection(each.name for each in definition.variants(stem))
        if len(chosen) > 1:
            found.append(Found(f".{stem}", "structure", "an element that may have one of several types is given twice"))
        elif choice.least and not chosen:
            found.append(Found(f".{stem}", "required", "a required element is missing"))
    if definition.name == "Extension":
        found += _extension_shape(present)
    return found


def _is_type_name(definition: TypeDef, name: str) -> bool:
    return name == "resourceType" and definition.kind == "resource"


def _unknown(name: str) -> Found:
    """A name that could not be an element's is not repeated: it may hold anything."""
    return Found(f".{name}" if _ELEMENT_NAME.fullmatch(name) else "", "structure", "R4 has no such element here")


def _extension_shape(present: set[str]) -> list[Found]:
    """ext-1: an extension has a value or extensions, not both (extensibility.html#Extension)."""
    has_value = any(name.startswith("value") for name in present)
    return [] if has_value != ("extension" in present) else [Found("", "invariant", "an extension has either a value or extensions")]


def _of_element(element: Element) -> Test:
    if element.many:
        each = _or_null(_of_one(element)) if element.sibling else _of_one(element)
        return _many(each)
    return _of_one(element)


@cache
def _of_one(element: Element) -> Test:
    """The test of one value: its type's, with what this element adds (binding, targets of a reference)."""
    if element.type == "Resource":
        return resource
    test = PRIMITIVES[element.type] if element.primitive else of_type(element.type)
    return rules.of_element(element, test)


def _many(test: Test) -> Test:
    """A list of any length: no element of R4 has another limit than 1."""

    def each(values: Any) -> list[Found] | None:
        if values.__class__ is not list:
            return LIST
        if not values:
            return NO_ITEM
        found = None
        for place, value in enumerate(values):
            if (more := test(value)) is not None:
                found = under(found, f"[{place}]", more)
        return found

    return each


def _or_null(test: Test) -> Test:
    return lambda value: None if value is None else test(value)


def _aligned(element: Element) -> Test:
    """``given`` beside ``_given``: null in one where only the other has something (json.html#primitive). A shorter array ends in nulls."""
    inner = _many(_or_null(_of_one(element)))
    sibling = _many(_or_null(of_type("Element")))

    def test(pair: tuple[Any, Any]) -> list[Found] | None:
        values, siblings = pair
        if found := [*(inner(values) or ()), *(sibling(siblings) or ())]:
            return found
        pairs = zip(values, chain(siblings, repeat(None)), strict=False)
        return UNALIGNED if any(one is None and other is None for one, other in pairs) else None

    return test
