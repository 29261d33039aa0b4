"""Which R4 element a target path names, step by step: name, type, repeating or not."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from penstock.convert.paths import Step
from penstock.errors import Problem
from penstock.formats.fhir.definitions import r4


class Shape(NamedTuple):
    """One element: its name in JSON, its type, whether it repeats, whether it is a primitive, the codes it is bound to."""

    name: str
    type: str
    many: bool
    primitive: bool
    binding: str = ""
    targets: tuple[str, ...] = ()


@cache
def element(owner: str, name: str, owner_primitive: bool = False) -> Shape:
    """Element `name` of type `owner`. A primitive has extensions only."""
    if owner_primitive:
        if name != "extension":
            raise Problem("structure", "this target goes below a primitive")
        return Shape("extension", "Extension", True, False)
    found = r4().type_at(f"{owner}.{name}")
    if found is None or found.name != name or found.choice == name:
        raise Problem("structure", "this target path is not in R4")
    return Shape(name, found.type, found.many, found.primitive, found.binding.value_set if found.binding else "", found.targets)


def is_resource(name: str) -> bool:
    return name in r4().resource_types


def leaf(owner: str, steps: tuple[Step, ...]) -> Shape | None:
    """The element at the end of a path; None when the path ends at a resource, or has no steps."""
    shape: Shape | None = None
    for step in steps:
        if step.kind == "resource":
            if shape is not None and shape.targets and step.name not in shape.targets and "Resource" not in shape.targets:
                raise Problem("structure", "R4 does not allow a reference to that type here")
            owner, shape = step.name, None
        else:
            shape = element(owner, step.name, shape.primitive if shape else False)
            owner = shape.type
    return shape
