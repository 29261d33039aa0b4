"""A StructureDefinition as one sparse list of constraints by element id.

With a snapshot that is the snapshot. Without one, the differentials of the line of profiles are laid over one another, nearest last;
R4's own types end the line and add nothing, since every resource is checked against them anyway. Nothing needs a generated snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from penstock.errors import Problem
from penstock.formats.fhir.definitions import r4

Json = dict[str, Any]
#: Finds a StructureDefinition by its canonical URL.
Find = Callable[[str], Json | None]

CORE = "http://hl7.org/fhir/StructureDefinition/"
#: The longest line of profiles on profiles.
MOST_GENERATIONS = 30
#: The deepest path of an element.
DEEPEST = 60


def constraints(definition: Json, find: Find) -> dict[str, Json]:
    """All elements of a profile by id; ids are written with the name of the constrained type first."""
    line = _line(definition, find)
    found: dict[str, Json] = {}
    for one in reversed(line):
        snapshot = (one.get("snapshot") or {}).get("element")
        if snapshot:
            found = dict(_identified(snapshot))
        else:
            for id, element in _identified((one.get("differential") or {}).get("element", ())):
                found[id] = _merged(found[id], element) if id in found else element
    return found


def _line(definition: Json, find: Find) -> list[Json]:
    """The profile and what it is based on, up to one with a snapshot or a type of R4."""
    line = [definition]
    while not (line[-1].get("snapshot") or {}).get("element"):
        base = line[-1].get("baseDefinition")
        if not isinstance(base, str) or is_type(base):
            return line
        above = find(base)
        if above is None:
            raise Problem("not-found", "a profile is based on a definition that is not known here")
        if len(line) >= MOST_GENERATIONS or any(above is one for one in line):
            raise Problem("invalid", "a profile is based on itself")
        line.append(above)
    return line


def is_type(url: str) -> bool:
    """Whether a canonical URL names a type of R4 itself."""
    bare = url.partition("|")[0]
    return bare.startswith(CORE) and r4().type(bare.removeprefix(CORE)) is not None


def _merged(old: Json, new: Json) -> Json:
    """A later profile's word on an element stands; rules add up."""
    both = {**{name: value for name, value in old.items() if not _replaced(name, new)}, **new}
    if "constraint" in old and "constraint" in new:
        both["constraint"] = [*old["constraint"], *new["constraint"]]
    if "slicing" in old and "slicing" in new:
        both["slicing"] = {**old["slicing"], **new["slicing"]}
    return both


def _replaced(name: str, new: Json) -> bool:
    """A fixed value or pattern is replaced by another, whatever its type."""
    return any(name.startswith(kind) and any(other.startswith(kind) for other in new) for kind in ("fixed", "pattern"))


def _identified(elements: list[Json]) -> Iterator[tuple[str, Json]]:
    """Elements with their ids, made of path and slice names, since ids may be missing or say anything.

    An element is below the last one before it that its path continues: that tells in which slice it is. ``Patient.deceasedBoolean`` is
    short for the slice ``deceasedBoolean`` of ``Patient.deceased[x]`` (profiling.html#snapshot).
    """
    line: list[tuple[str, str]] = []
    for element in elements:
        path = element.get("path")
        if not isinstance(path, str) or not path or path.count(".") > DEEPEST:
            raise Problem("invalid", "an element of a profile has no path, or one that is too deep")
        while line and not path.startswith(line[-1][0] + "."):
            line.pop()
        above, id = line[-1] if line else ("", "")
        for step in path.removeprefix(above + ".").split("."):
            above = f"{above}.{step}" if above else step
            id = _below(id, step, above, element.get("sliceName") if above == path else None)
        line.append((path, id))
        yield id, element


def _below(parent: str, last: str, path: str, slice: str | None) -> str:
    """The id of one step, with the slice that the element or its short name says."""
    if not parent:
        return last
    stem = _choice_of(path)
    step = f"{stem}[x]" if stem else last
    name = slice or (last if stem else None)
    return f"{parent}.{step}:{name.replace('.', '·')}" if name else f"{parent}.{step}"


def _choice_of(path: str) -> str | None:
    """The stem of a choice of which the last step names one type."""
    element = None if path.endswith("[x]") else r4().type_at(path)
    return element.choice if element else None
