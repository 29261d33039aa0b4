"""A row of the element table to a :class:`TypeDef`: choices spread to one property a type, primitives given their sibling."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from penstock.formats.fhir.definitions.model import Binding, Element, Invariant, TypeDef

MODIFIER, SUMMARY = 1, 2


class _Row(NamedTuple):
    name: str
    types: list[str]
    least: int
    most: int
    flags: int
    targets: list[str]
    binding: list[str] | None
    invariants: list[list[str]]


def build(name: str, rows: dict[str, list[Any]]) -> TypeDef:
    kind, base, abstract, members, invariants = rows[name]
    elements: dict[str, Element] = {}
    choices: dict[str, Element] = {}
    for order, member in enumerate(members):
        row = _Row(*member)
        if row.name.endswith("[x]"):
            stem = row.name.removesuffix("[x]")
            choices[stem] = _element(name, row, row.name, row.types[0], stem, order, rows)
        elements.update((element.name, element) for element in _properties(name, row, order, rows))
    return TypeDef(name, kind, base, bool(abstract), elements, choices, _invariants(invariants))


def _properties(owner: str, row: _Row, order: int, rows: dict[str, list[Any]]) -> Iterator[Element]:
    """The JSON properties of one element: for ``value[x]`` one a type, for a primitive also ``_name``."""
    choice = row.name.removesuffix("[x]") if row.name.endswith("[x]") else None
    for type in row.types:
        name = f"{choice}{type[0].upper()}{type[1:]}" if choice else row.name
        element = _element(owner, row, name, type, choice, order, rows)
        yield element
        if element.primitive:
            yield _sibling(element)


def _element(owner: str, row: _Row, name: str, type: str, choice: str | None, order: int, rows: dict[str, list[Any]]) -> Element:
    return Element(
        name=name,
        path=f"{owner}.{row.name}",
        type=type,
        types=tuple(row.types),
        least=row.least,
        most=None if row.most < 0 else row.most,
        choice=choice,
        primitive=rows[type][0] == "primitive",
        sibling=False,
        targets=tuple(row.targets),
        binding=Binding(*row.binding) if row.binding else None,
        modifier=bool(row.flags & MODIFIER),
        summary=bool(row.flags & SUMMARY),
        order=order,
        invariants=_invariants(row.invariants),
    )


def _sibling(of: Element) -> Element:
    return Element(
        name="_" + of.name,
        path=of.path,
        type="Element",
        types=("Element",),
        least=0,
        most=of.most,
        choice=of.choice,
        primitive=False,
        sibling=True,
        targets=(),
        binding=None,
        modifier=False,
        summary=of.summary,
        order=of.order,
    )


def _invariants(rows: list[list[str]]) -> tuple[Invariant, ...]:
    return tuple(Invariant(*row) for row in rows)
