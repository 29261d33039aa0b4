"""Rows, read and checked: what emission needs of each row, and where its repetitions multiply."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from penstock.convert import conditions, paths, shape, sources
from penstock.convert.conditions import Ref
from penstock.convert.paths import Step
from penstock.convert.rows import Row
from penstock.errors import Problem

NUMBER = re.compile(r"[-.]([0-9]+)$")


class Using(NamedTuple):
    """A resolved data type map: the function that generated code calls, and what it fills: a value, an element or a resource (its type)."""

    function: str
    kind: str
    type: str = ""


class Links(NamedTuple):
    """How a row's names are resolved: data type maps and code tables to names in the generated module."""

    using: Callable[[str], Using | None]
    vocabulary: Callable[[str], str | None]


class Rule(NamedTuple):
    """A row, read: everything that emission needs, checked."""

    row: Row
    number: int
    test: conditions.Condition | None
    steps: tuple[Step, ...]
    shape: shape.Shape | None
    using: Using | None
    table: str
    assign: tuple[str | Ref, ...] | None

    @property
    def constant(self) -> bool:
        return self.assign is not None and not any(isinstance(part, Ref) for part in self.assign)


def position(source: str) -> int:
    found = NUMBER.search(source)
    return int(found[1]) if found else 0


def read_rule(row: Row, owner: str, links: Links) -> Rule | None:
    """Check one row against R4 and the other tables. None for a row that maps nothing; a Problem for one that cannot be classified."""
    if not row.target or row.target == "?extension" or row.condition.upper().removeprefix("IF ").strip() == "NEVER":
        return None
    if "?" in (row.target, row.condition, row.assign):
        raise Problem("structure", "this row is left to people and no decision answers it")
    steps = tuple(step for step in paths.parse(row.target) if not (step.kind == "resource" and not shape.is_resource(step.name)))
    if steps and steps[0].kind == "sibling":
        if steps[0].label != "1":
            raise Problem("structure", "this row fills another instance than its map does")
        steps = steps[1:]
    if row.assign == "NULL":
        return Rule(row, position(row.source), conditions.parse(row.condition), steps, shape.leaf(owner, steps), None, "", ())
    assign = tuple(sources.expression(row.assign)) if row.assign else None
    found = shape.leaf(owner, steps)
    using = resolve(row, steps, found, owner, links, assign is not None)
    if using is not None and using.kind == "resource" and found is not None and found.type == "Reference":
        steps = (*steps, Step("resource", using.type))
        found = shape.leaf(owner, steps)
    if using is not None and using.kind in ("element", "text", "resource") and steps:
        fitting(using, found.type if found is not None else steps[-1].name)
    table = links.vocabulary(row.vocabulary) if row.vocabulary else ""
    if table is None:
        raise Problem("structure", "this row names a code table that is not there")
    if using is not None and using.kind not in ("value", "lines") and found is not None and found.primitive:
        raise Problem("structure", "this data type map fills an element, and the target is a value")
    if using is not None and not steps and using.kind != "value" and using.type != owner:
        raise Problem("structure", "this row fills its own map with another type")
    if using is None and (found is None or not found.primitive) and steps:
        raise Problem("structure", "no data type map leads from this source to this target")
    if assign is not None and found is not None and not found.primitive:
        raise Problem("structure", "an assignment needs a primitive target")
    return Rule(row, position(row.source), conditions.parse(row.condition), steps, found, using, table, assign)


#: R4 types that a map for another type fills as well
FITTING = {"Duration": "Quantity", "SimpleQuantity": "Quantity", "Age": "Quantity"}


def fitting(using: Using, wanted: str) -> None:
    """A map must fill the type of its target; a function for a backbone element says so."""
    if using.type not in (wanted, FITTING.get(wanted), "BackboneElement"):
        raise Problem("structure", "this data type map fills another type than its target has")


def resolve(row: Row, steps: tuple[Step, ...], found: shape.Shape | None, owner: str, links: Links, assigned: bool) -> Using | None:
    """The data type map of a row: the one it names, else the one that fits its v2 type and the type of its target."""
    if row.using and (not assigned or row.using.startswith("@")):
        using = links.using(row.using)
        if using is None:
            raise Problem("structure", "this row names a data type map that is not there")
        if assigned and using.kind != "value":
            raise Problem("structure", "only a function for a value takes the text of an assignment")
        return using
    if assigned or (found is not None and found.primitive):
        return None
    wanted = found.type if found is not None else steps[-1].name if steps else owner
    return links.using(f"{row.type}[{wanted}]")


def null_path(rule: Rule, rules: Sequence[Rule], all_rules: Sequence[Rule], owner: str) -> str:
    """What a null deletes: what does not repeat; of what repeats, all when no other field fills it, or the entries of one use."""
    if rule.shape is None or any(step.kind != "element" for step in rule.steps) or rule.steps[0].name in ("extension", "identifier"):
        return ""
    names = ".".join(step.name for step in rule.steps)
    many = repeating(rule.steps, owner)
    if not many:
        return names
    if many[0] != "".join(map(spell, rule.steps)):
        return ""
    use = next(
        (
            "".join(map(str, one.assign or ()))
            for one in rules
            if one.constant and one.steps[:-1] == rule.steps and one.steps[-1].name == "use"
        ),
        "",
    )
    if use:
        return f"{names}[use={use}]"
    others = any(one.number not in (0, rule.number) and [step.name for step in one.steps] == names.split(".") for one in all_rules)
    return "" if others else names


def pivot(steps: tuple[Step, ...], owner: str) -> str:
    """The step at which repetitions multiply: the repeating element nearest to the value, spelled with its labels.

    Of an extension in an extension the outer one multiplies: two nationalities are two extensions with one code each.
    """
    found = repeating(outer(steps), owner)
    return found[-1] if found else ""


def outer(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps before an extension in an extension."""
    inner = (place for place, step in enumerate(steps[1:], 1) if step.name == steps[place - 1].name == "extension")
    return steps[: next(inner, len(steps))]


def repeating(steps: tuple[Step, ...], owner: str) -> list[str]:
    """The paths down to each repeating element on the way."""
    found, text, kind, primitive = [], "", owner, False
    for step in steps:
        text += spell(step)
        if step.kind == "resource":
            kind, primitive = step.name, False
            continue
        one = shape.element(kind, step.name, primitive)
        kind, primitive = one.type, one.primitive
        if one.many:
            found.append(text)
    return found


def spell(step: Step) -> str:
    label = f"[{step.label}]" if step.label not in ("", "1") else ""
    return f"({step.name}{label})" if step.kind == "resource" else f".{step.name}{label}"
