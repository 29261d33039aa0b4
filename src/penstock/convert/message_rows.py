"""What the rows of a message map say besides their segment map: which part of a resource they fill, and the references they make."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from penstock.convert import conditions, paths, shape
from penstock.convert.compiled import EVERY, Part, Reference, Step
from penstock.convert.grammar import Label, Node, walk
from penstock.convert.paths import Target
from penstock.errors import Problem

REFERENCE = re.compile(
    r"(?P<left>[^=]+?)\s*=\s*(?:\"(?P<text>[^\"]*)\"|(?P<right>[A-Za-z]+)(?:\[(?P<label>\w+)\])?(?:\.(?:id|reference))?)\s*$"
)


def pointed(target: Target) -> tuple[Target, str]:
    """A target that ends in another resource (`ServiceRequest[1].reasonReference(Condition)`) is that resource, and a reference to it."""
    last = target.path[-1] if target.path else None
    if last is None or last.kind != "resource":
        return target, ""
    label = f"[{last.label}]" if last.label else ""
    names = ".".join(step.name for step in target.path[:-1])
    start = f"{target.type}[{target.label}]" if target.label else target.type
    return Target(last.name, last.label, ()), f"{start}.{names}.reference={last.name}{label}.id"


def part_of(target: Target, filled: str) -> Part | None:
    """The part of a resource that a map fills; None where it fills the resource itself, which then need not be said by the path."""
    if filled == target.type:
        return None
    if len(target.path) != 1 or target.path[0].kind != "element":
        raise Problem("structure", "this row's segment map fills another resource type")
    found = shape.element(target.type, target.path[0].name)
    if found.type != filled:
        raise Problem("structure", "this row's segment map fills another type than its target has")
    if target.path[0].label == EVERY and not found.many:
        raise Problem("structure", "all of an element that does not repeat")
    return Part(found.many, target.path[0].label)


def reference(text: str, own: Label, rule: str, labels: Mapping[str, str], excluded: Collection[str]) -> Reference | None:
    """One reference of a row that fills `own`; None for one from or to a resource that is not stored."""
    found = REFERENCE.match(text)
    if found is None:
        raise Problem("structure", "this reference is not readable")
    left = re.sub(r"\.(reference|id)$", "", found["left"].strip()) if found["text"] is None else found["left"].strip()
    target = paths.target(left)
    if target.type in excluded or found["right"] in excluded:
        return None
    many, last_type = elements(target)
    if found["text"] is None and last_type != "Reference":
        raise Problem("structure", "this reference stands in an element that is none")
    path = [step.name for step in target.path]
    names, last = (tuple(path[:-1]), path[-1]) if found["text"] is not None else (tuple(path), "reference")
    start = target.type, target.label or labels.get(target.type, "")
    end = (found["right"], found["label"] or labels.get(found["right"], "")) if found["right"] else ("", "")
    many_ = tuple(many[: len(names)])
    plain = names[0] if many_ == (False,) else ""
    return Reference(
        rule,
        start,
        names,
        many_,
        last,
        left,
        end,
        found["text"] or "",
        start == own,
        end == own,
        plain,
        f"{plain}.{last}" if plain else "",
    )


def elements(target: Target) -> tuple[list[bool], str]:
    """Which elements on the way repeat, and the type of the last one."""
    many, owner, primitive = [], target.type, False
    for step in target.path:
        if step.kind != "element":
            raise Problem("structure", "a reference stands in one resource")
        one = shape.element(owner, step.name, primitive)
        many.append(one.many)
        owner, primitive = one.type, one.primitive
    return many, owner


def grouped(root: Node, steps: Mapping[int, Sequence[Step]]) -> dict[int, tuple[str, ...]]:
    """For each segment's node the names by which some condition looks for it inside a group: `ENCODING.RXR`."""
    asked = {
        ref.name
        for made in steps.values()
        for step in made
        for ref in conditions.references(conditions.parse(step.condition))
        if "." in ref.name and not ref.numbers
    }
    known = {node.number: {f"{group.name}.{node.name}" for group in node.groups} for node in walk(root) if not node.group}
    if lost := asked.difference(*known.values()):
        raise Problem("structure", "a condition looks for a segment in a group that does not hold it", at=min(lost))
    return {number: tuple(sorted(names & asked)) for number, names in known.items() if names & asked}


def astray(steps: Sequence[Step]) -> Iterator[str]:
    """The rules of rows with a reference from or to a resource that no row makes under that label, though others do under other labels."""
    made = {step.target for step in steps}
    types = {type for type, _ in made}
    for step in steps:
        for one in step.references:
            ends = (one.target,) if one.text else (one.target, one.to)
            if any(end not in made and end[0] in types for end in ends):
                yield step.rule


def first_labels(root: Node) -> dict[str, str]:
    """The label that a reference without one means: the first that the structure gives to that type."""
    labels: dict[str, str] = {}
    for node in walk(root):
        for row in node.rows:
            if row.target and row.condition != "NEVER":
                try:
                    target = paths.target(row.target)
                except Problem:
                    continue
                labels.setdefault(target.type, target.label)
    return labels
