"""What XML does with the properties of a type: which are attributes, which hold a resource, which hold XHTML (xml.html#xml)."""

from __future__ import annotations

from functools import cache
from typing import Literal, NamedTuple

from penstock.formats.fhir.definitions import Element, TypeDef, r4

FHIR = "http://hl7.org/fhir"
XHTML = "http://www.w3.org/1999/xhtml"

Kind = Literal["primitive", "complex", "resource", "xhtml"]


class Member(NamedTuple):
    """One element that a type may have. ``kind`` says how it is written, ``order`` where.

    ``sibling`` is JSON's name for id and extensions of a primitive; ``inside`` the type whose elements may stand in it, if any.
    """

    name: str
    kind: Kind
    type: str
    many: bool
    order: int
    sibling: str
    inside: str | None


@cache
def attributes(type: str) -> frozenset[str]:
    """The properties of a type that are attributes: the id of every element that is no resource, and the url of an Extension."""
    definition = r4().type(type)
    if definition is None or definition.kind == "resource":
        return frozenset()
    return frozenset({"id", "url"} if type == "Extension" else {"id"})


@cache
def members(type: str) -> dict[str, Member]:
    """The elements of a type by name, in their order; without attributes and without JSON's ``_siblings``."""
    definition = r4().type(type)
    assert definition is not None, "only types that the definitions name are asked for"
    return dict(_members(definition))


@cache
def tags(type: str) -> dict[str, Member]:
    """The same by the name that the parser gives: the namespace, a space, the name."""
    return {f"{XHTML if member.kind == 'xhtml' else FHIR} {name}": member for name, member in members(type).items()}


def _members(definition: TypeDef) -> list[tuple[str, Member]]:
    aside = attributes(definition.name)
    return [(each.name, _member(each)) for each in definition.elements.values() if not each.sibling and each.name not in aside]


def _member(element: Element) -> Member:
    kind = _kind(element.type, element.primitive)
    inside = {"primitive": "Element", "complex": element.type}.get(kind)
    return Member(element.name, kind, element.type, element.many, element.order, "_" + element.name, inside)


def _kind(type: str, primitive: bool) -> Kind:
    if type == "xhtml":
        return "xhtml"
    if type == "Resource":
        return "resource"
    return "primitive" if primitive else "complex"
