"""The paths of a FHIRPath Patch (http://hl7.org/fhir/R4/fhirpatch.html): where they lead in JSON, and the list that one names."""

from __future__ import annotations

from typing import Any

from penstock.errors import Problem
from penstock.formats.fhir.definitions import TypeDef, r4
from penstock.formats.fhir.path import parse, places
from penstock.formats.fhir.path.nodes import Member

Resource = dict[str, Any]
#: Property names and indexes from the resource on.
Place = tuple[str | int, ...]

#: The longest path that is read.
MOST = 2000


def container(path: str, at: str) -> tuple[str | None, str]:
    """The path to what holds a list (None: the resource), and the name of the list: ``Patient.name`` is ``name`` in ``Patient``."""
    tree = parse(path)
    if not isinstance(tree, Member):
        raise Problem("value", "the path of a list ends in the name of the list", at=at)
    return (path[: _end_of_source(path)] if tree.source is not None else None), tree.name


def _end_of_source(path: str) -> int:
    """Where the last step begins: names have no dots, unless they are in backquotes."""
    text = path.rstrip()
    start = text.rindex("`", 0, len(text) - 1) if text.endswith("`") else len(text)
    return text.rindex(".", 0, start)


def require_path(path: str, at: str) -> None:
    """Refuse what is no FHIRPath, before anything is locked."""
    if len(path) > MOST:
        raise Problem("too-long", "a path of a patch is longer than this server reads", at=at)
    parse(path)


def find(path: str, resource: Resource, at: str) -> list[Place]:
    """Where the elements are that a path selects; what is inside of a primitive (``birthDate.extension``) is in its ``_sibling``."""
    type = resource["resourceType"]
    try:
        found = places(path, type)(resource)
    except Problem as problem:
        raise Problem(problem.code, problem.text, at=at) from None
    return [_in_json(place, resource, r4().type(type)) for place in found]


def _in_json(place: Place, value: Any, definition: TypeDef | None) -> Place:
    steps: list[str | int] = []
    for number, step in enumerate(place):
        if isinstance(step, str):
            element = definition.find(step) if definition else None
            if element is not None and element.primitive and any(isinstance(each, str) for each in place[number + 1 :]):
                step = f"_{step}"
            definition = r4().type("Element" if step[0] == "_" else element.type) if element else None
        steps.append(step)
        value = value[step]
        if definition and definition.name == "Resource" and isinstance(value, dict):
            definition = r4().type(str(value.get("resourceType")))
    return tuple(steps)
