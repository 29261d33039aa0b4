"""The list of constraints as a tree, before it is compiled: elements below elements, slices beside them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(slots=True)
class Raw:
    """``element`` is what the definition says of it; empty where only something below is constrained."""

    id: str
    path: str
    stem: str
    slice: str = ""
    element: Json = field(default_factory=dict)
    children: dict[str, Raw] = field(default_factory=dict)
    slices: dict[str, Raw] = field(default_factory=dict)

    @property
    def types(self) -> list[Json]:
        return [each for each in self.element.get("type", ()) if isinstance(each.get("code"), str)]

    def profiles(self) -> list[str]:
        return [url for each in self.types for url in each.get("profile", ())]

    def target_profiles(self) -> list[str]:
        return [url for each in self.types for url in each.get("targetProfile", ())]

    def given(self, kind: str) -> tuple[str, Any] | None:
        """The ``fixed…``, ``pattern…``, ``minValue…`` or ``maxValue…`` of this element: its name and its value."""
        return next(((name, value) for name, value in self.element.items() if name.startswith(kind)), None)


def nest(elements: dict[str, Json]) -> Raw:
    """The tree of all elements, with those above them that nobody spoke of."""
    root: Raw | None = None
    for id, element in elements.items():
        first, *steps = id.split(".")
        root = root or Raw(first, first, first)
        place = root
        for step in steps:
            place = _below(place, step)
        place.element = element
        place.id = str(element.get("id", id))
    return root or Raw("", "", "")


def _below(above: Raw, step: str) -> Raw:
    name, _, slice = step.partition(":")
    stem = name.removesuffix("[x]")
    child = above.children.setdefault(stem, Raw(f"{above.id}.{name}", f"{above.path}.{name}", stem))
    if not slice:
        return child
    return child.slices.setdefault(slice, Raw(f"{above.id}.{step}", child.path, stem, slice))
