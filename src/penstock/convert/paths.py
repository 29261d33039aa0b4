"""Target paths of the mapping tables: `performer[2](PractitionerRole[1].organization(Organization.address))` into steps.

A step names an element, with an optional label: `[n]` means the same instance for the same n, never a position. A bracketed type is a
reference into another resource. `[2].family` starts at another instance of what the map fills. `$this` is what the map fills itself.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from penstock.errors import Problem

STEP = re.compile(r"([A-Za-z$][A-Za-z0-9]*)?(?:\[([A-Za-z0-9]+|[A-Z][A-Z0-9]{2}-[0-9]+)\])?$")


class Step(NamedTuple):
    """kind: element (of the current type), resource (through a reference), sibling (another instance of what the map fills)."""

    kind: str
    name: str
    label: str = ""


def parse(text: str) -> tuple[Step, ...]:
    """The steps of a path; none for `$this` and `$value`, which mean what the map fills."""
    text = re.sub(r"\s", "", text)
    if text in ("$this", "$value"):
        return ()
    steps: list[Step] = []
    inside = False
    for part in split(text):
        if part == "(":
            inside = True
            continue
        found = STEP.match(part)
        if found is None or not (found[1] or found[2]):
            raise Problem("structure", "this target path is not readable")
        if found[1] is None:
            steps.append(Step("sibling", "", found[2]))
        elif inside and found[1][0].isupper():
            steps.append(Step("resource", found[1], found[2] or ""))
        else:
            steps.append(Step("element", found[1], found[2] or ""))
        inside = False
    return tuple(steps)


def split(text: str) -> list[str]:
    """Parts between dots and brackets; brackets must balance."""
    if text.count("(") != text.count(")") or not text.endswith(")" * text.count("(")):
        raise Problem("structure", "this target path has unbalanced brackets")
    parts: list[str] = []
    for piece in re.split(r"(\()|\.", text.rstrip(")")):
        if piece:
            parts.append(piece)
    return parts


class Target(NamedTuple):
    """A message map's target: resource type, label, and the path inside it that the segment map fills."""

    type: str
    label: str
    path: tuple[Step, ...]


def target(text: str) -> Target:
    """`Observation[2].note` → Observation, 2, note."""
    head, _, rest = re.sub(r"\s", "", text).partition(".")
    found = STEP.match(head)
    if found is None or not found[1]:
        raise Problem("structure", "this target is not a resource")
    return Target(found[1], found[2] or "", parse(rest) if rest else ())
