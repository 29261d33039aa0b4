"""Python expressions for what rows read: references, conditions and assignments, seen from the place where the generated code stands."""

from __future__ import annotations

import re
from typing import NamedTuple

from penstock.convert.conditions import Condition, Junction, Ref, ref
from penstock.errors import Problem

PIECE = re.compile(r"""\s*\+?\s*(?:"(?P<text>[^"]*)"|(?P<ref>[A-Z][A-Z0-9]{1,2}[-.][0-9]+(?:\.[0-9]+)*))\s*""")


#: data types that conditions of segment maps name when they mean a component of the field at hand (`XAD.7`)
TYPES = frozenset({"CE", "CWE", "CX", "EI", "PL", "XAD", "XCN", "XON", "XPN", "XTN"})


class Here(NamedTuple):
    """Where code is generated: in a segment map (`segment` names it) or a data type map; `own` is the position of the row's source."""

    segment: str
    own: int


def reads(ref: Ref, here: Here) -> str:
    """An expression for the unescaped text at a reference."""
    if not ref.name:
        return own(here)
    if not here.segment:
        return component(ref, here)
    if ref.name in TYPES and ref.numbers:
        return f"run.text(piece(raw, run.C, {ref.numbers[0]}))"
    if not ref.numbers:
        return f"run.other(at_segment, {ref.name!r})"
    numbers = ", ".join(map(str, ref.numbers))
    if ref.name != here.segment:
        return f"run.other(at_segment, {ref.name!r}, {numbers})"
    if ref.numbers[0] == here.own and len(ref.numbers) > 1:
        part = f"piece(raw, run.C, {ref.numbers[1]})"
        return f"run.text(piece({part}, run.T, {ref.numbers[2]}))" if len(ref.numbers) > 2 else f"run.text({part})"
    return f"run.get(fields, {numbers})"


def own(here: Here) -> str:
    return "run.text(raw)" if here.own else "''"


def component(ref: Ref, here: Here) -> str:
    """In a data type map each name means the type itself (`HD-3`, `XPN.12`), but for the fields of segments."""
    if ref.name in ("MSH", "PID", "OBX", "OBR", "ORC"):
        raise Problem("structure", "a data type map looks at a segment")
    if not ref.numbers:
        raise Problem("structure", "this condition names neither field nor component")
    return f"run.text(pick(parts, {ref.numbers[0]}))"


def valued(ref: Ref, here: Here) -> str:
    """An expression for whether a place is valued; an HL7 null is not."""
    if here.segment and ref.name == here.segment and len(ref.numbers) == 1:
        number = ref.numbers[0]
        return f"(len(fields) > {number} and fields[{number}] not in EMPTY)"
    if here.segment and ref.name == here.segment and len(ref.numbers) == 2:  # all of the component, and not only its first part
        own_field = ref.numbers[0] == here.own
        return (
            f"(piece(raw, run.C, {ref.numbers[1]}) not in EMPTY)" if own_field else f"run.has(fields, {ref.numbers[0]}, {ref.numbers[1]})"
        )
    if here.segment and ref.name and len(ref.numbers) == 1:
        return f"run.other_has(at_segment, {ref.name!r}, {ref.numbers[0]})"
    if not here.segment and ref.name and ref.numbers:
        return f"(pick(parts, {ref.numbers[0]}) not in EMPTY)"
    return f"({reads(ref, here)} != '')"


def condition(tree: Condition | None, here: Here) -> str:
    """A Python expression for a condition; "" for none."""
    if tree is None:
        return ""
    if isinstance(tree, Junction):
        parts = [condition(part, here) for part in tree.parts]
        return f"(not {parts[0]})" if tree.kind == "not" else "(" + f" {tree.kind} ".join(parts) + ")"
    if tree.kind == "valued":
        return valued(tree.ref, here)
    if tree.kind == "constant":
        return str(bool(tree.values))
    if tree.kind == "first" and here.segment:
        return "run.first(at_segment)"
    if tree.kind == "equals":
        value = tree.values[0]
        return f"({reads(tree.ref, here)} == {reads(value, here) if isinstance(value, Ref) else repr(value)})"
    if tree.kind == "in":
        return f"({reads(tree.ref, here)} in {tuple(str(value) for value in tree.values)!r})"
    if tree.kind == "numeric":
        return f"numeric({reads(tree.ref, here)})"
    if tree.kind == "count":
        return counted(tree.ref, tree.sign, str(tree.values[0]), here)
    if tree.kind == "length":
        return f"(len({reads(tree.ref, here)}) {tree.sign} {tree.values[0]})"
    raise Problem("structure", "this condition is not finished")


def counted(ref: Ref, sign: str, number: str, here: Here) -> str:
    if not here.segment or ref.name != here.segment:
        raise Problem("structure", "only repetitions of the own segment can be counted")
    return f"(run.count(fields, {ref.numbers[0]}) {sign} {number})"


def expression(text: str) -> list[str | Ref]:
    """An assignment as constants and references: `"urn:oid:"+HD.2`."""
    parts: list[str | Ref] = []
    at = 0
    while at < len(text):
        found = PIECE.match(text, at)
        if found is None or found.end() == at:
            raise Problem("structure", "this assignment is not readable")
        parts.append(ref(found["ref"]) if found["ref"] else found["text"])
        at = found.end()
    return parts


def source(ref: Ref, here: Here) -> str:
    """An expression for the source path of a reference, for lineage."""
    rest = ".".join(map(str, ref.numbers))
    if not here.segment:
        return f'f"{{{"base" if here.own else "src"}}}.{rest}"'
    if ref.name == here.segment and ref.numbers[0] == here.own and len(ref.numbers) > 1:
        return f'f"{{src}}.{rest.partition(".")[2]}"'
    if ref.name == here.segment:
        return f'f"{{sid}}-{rest}"'
    return f"run.other_source(at_segment, {ref.name!r}, {rest!r})"
