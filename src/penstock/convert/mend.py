"""What R4 does not allow is taken out of a resource, part by part, and told: one bad part costs a message nothing else.

The tables see to it that what they make is right. What a sender can still do (a code where the specification fixes the codes, two things
that exclude each other, an unfinished part) is found by the validation that what clients send is held to, and mended here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from penstock.convert.rows import table
from penstock.errors import Problem, Problems

if TYPE_CHECKING:
    from penstock.convert.engine import Converted
    from penstock.convert.run import Resource

REASON = "R4 does not allow it here"
ROUNDS = 100
_STEP = re.compile(r"([A-Za-z]+)(?:\[(\d+)\])?")
_RULE = re.compile(r"\(([a-z]+-[0-9A-Za-z]+)\)$")
#: by rule of R4: the element, inside of what breaks it, that is to go
REMEDIES = {row["broken"]: row["element"] for row in table("decisions", "remedies")}


def mended(resource: Resource, check: Callable[[Resource], None]) -> tuple[Resource, list[str]]:
    """The resource without what ``check`` complains of, and the paths of what was taken out. Its Problem where nothing helps."""
    out: Resource = copied(resource)
    removed: list[str] = []
    for _ in range(ROUNDS):
        try:
            check(out)
            return out, removed
        except Problem as problem:
            gone = next((path for each in told(problem) if (path := remove(out, each))), "")
            if not gone:
                raise
            removed.append(gone)  # one at a time: what is behind it in a list has moved
    raise Problem("invariant", "what this message makes cannot be mended", at=resource["resourceType"])


def without(converted: Converted, place: int, removed: Sequence[str]) -> Converted:
    """The conversion whose resource at ``place`` lacks these paths: what they came from is left over, with the reason."""
    lineage, rest = [], list(converted.remainder)
    known = {source for source, _ in rest}
    for entry in converted.lineage:
        index, path, _, source = entry
        if index != place or not any(path == one or path.startswith((one + ".", one + "[")) for one in removed):
            lineage.append(entry)
        elif source not in known:
            known.add(source)
            rest.append((source, REASON))
    return converted._replace(lineage=lineage, remainder=rest)


def told(problem: Problem) -> Sequence[Problem]:
    return problem.problems if isinstance(problem, Problems) else (problem,)


def remove(resource: Resource, problem: Problem) -> str:
    """Take out what a problem is about, or the nearest thing around it that is there; its path, "" where that is the whole resource."""
    rule = _RULE.search(problem.text)
    wanted = REMEDIES.get(rule[1], "") if rule else ""
    steps = _STEP.findall(problem.at.partition(".")[2]) + ([(wanted, "")] if wanted else [])
    for count in range(len(steps), 0, -1):
        path = cut(resource, steps[:count])
        if path:
            return path
    return ""


def cut(node: Any, steps: Sequence[tuple[str, str]]) -> str:
    """Remove the element at the end of the steps; its path as lineage spells it, "" where it is not there."""
    path = ""
    for place, (step, index) in enumerate(steps):
        name = named(node, step)
        if not name:
            return ""
        last, child = place == len(steps) - 1, node[name]
        path += ("." if path else "") + name
        if isinstance(child, list) and index and int(index) < len(child):
            path += f"[{index}]"
            if last:
                child.pop(int(index))
                if not child:
                    del node[name]
                return path
            node = child[int(index)]
        elif last:
            del node[name]
            node.pop(f"_{name}", None)
            return path
        elif isinstance(child, dict):
            node = child
        else:
            return ""
    return ""


def named(node: Any, step: str) -> str:
    """The property that a step of a FHIRPath means: itself, or the variant of a choice that is there, the last one of several."""
    if not isinstance(node, dict):
        return ""
    if step in node:
        return step
    return next((name for name in reversed(node) if name.startswith(step) and name[len(step) :][:1].isupper()), "")


def copied(node: Any) -> Any:
    if isinstance(node, dict):
        return {name: copied(one) for name, one in node.items()}
    return [copied(one) for one in node] if isinstance(node, list) else node
