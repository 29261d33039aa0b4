"""Comparing operators: equal, equivalent, less, and membership."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from penstock.formats.fhir.path.compiler.values import BOOLEAN, EMPTY, NOTHING, SIMPLE, Scope, Value
from penstock.formats.fhir.path.nodes import Binary, Node
from penstock.formats.fhir.path.runtime import bags, compare, logic

if TYPE_CHECKING:
    from penstock.formats.fhir.path.compiler.builder import Builder


def as_system(b: Builder, node: Binary, scope: Scope) -> tuple[Value, Value]:
    """Both operands as values of System."""
    left = b.system(b.build(node.left, scope, "value"))
    return left, b.system(b.build(node.right, scope, "value"))


def alike(left: Value, right: Value) -> bool:
    """Whether Python compares both as FHIRPath does."""
    numbers = ("integer", "decimal")
    return (left.kind == right.kind and left.kind in SIMPLE) or (left.kind in numbers and right.kind in numbers)


def unless_missing(b: Builder, left: Value, right: Value, code: str, type: str) -> Value:
    """``code`` where both sides are there."""
    missing = " or ".join(f"{side.code} is None" for side in (left, right) if not side.sure)
    return Value(b.writer.let(f"None if {missing} else {code}" if missing else code), type, sure=not missing)


def equality(positive: bool) -> Callable[[Builder, Binary, Scope], Value]:
    def build(b: Builder, node: Binary, scope: Scope) -> Value:
        left, right = as_system(b, node, scope)
        if NOTHING in (left.type, right.type):
            return EMPTY
        if not left.many and not right.many and alike(left, right):
            return unless_missing(b, left, right, f"{left.code} {'==' if positive else '!='} {right.code}", BOOLEAN)
        sides = b.sequence(left), b.sequence(right)
        heavy = b.looping and (left.kind in ("data", "mixed") or left.many)
        found = b.writer.let(b.call(compare.equal_counted, b.run(), *sides) if heavy else b.call(compare.equal, *sides))
        return Value(found if positive else b.writer.let(b.call(logic.negated, found)), BOOLEAN)

    return build


def equivalence(positive: bool) -> Callable[[Builder, Binary, Scope], Value]:
    def build(b: Builder, node: Binary, scope: Scope) -> Value:
        left, right = as_system(b, node, scope)
        mine, other = b.sequence(left), b.sequence(right)
        found = b.call(compare.equivalent, b.run(), mine, other)
        return Value(b.writer.let(found if positive else f"not {found}"), BOOLEAN, sure=True)

    return build


def inequality(sign: str, function: Callable[..., Any]) -> Callable[[Builder, Binary, Scope], Value]:
    def build(b: Builder, node: Binary, scope: Scope) -> Value:
        left, right = (b.one(b.build(side, scope, "value")) for side in (node.left, node.right))
        if left.kind == right.kind == "temporal text" and not (left.boxes or right.boxes) and "time" not in (left.type, right.type):
            return Value(b.writer.let(b.call(compare.texts_ranked, left.code, right.code, b.writer.constant(function))), BOOLEAN)
        left, right = b.system(left), b.system(right)
        if NOTHING in (left.type, right.type):
            return EMPTY
        if alike(left, right) and left.kind != "boolean":
            return unless_missing(b, left, right, f"{left.code} {sign} {right.code}", BOOLEAN)
        for side in (left, right):
            if side.kind in ("boolean", "data"):
                raise b.problem("values of these types cannot be compared")
        return Value(b.writer.let(b.call(function, left.code, right.code)), BOOLEAN)

    return build


def membership(b: Builder, item: Node, items: Node, scope: Scope) -> Value:
    """Whether a collection has an item."""
    wanted = b.one(b.system(b.build(item, scope, "value")))
    several = b.several(b.system(b.build(items, scope, "value")))
    if wanted.type == NOTHING:
        return EMPTY
    b.spend(several.code)
    if wanted.kind == several.kind and wanted.kind in SIMPLE:
        code = f"{wanted.code} in {several.code}"
        return Value(b.writer.let(code if wanted.sure else f"None if {wanted.code} is None else {code}"), BOOLEAN, sure=wanted.sure)
    return Value(b.writer.let(b.call(bags.within, b.run(), wanted.code, several.code)), BOOLEAN)


def in_(b: Builder, node: Binary, scope: Scope) -> Value:
    return membership(b, node.left, node.right, scope)


def contains(b: Builder, node: Binary, scope: Scope) -> Value:
    return membership(b, node.right, node.left, scope)
