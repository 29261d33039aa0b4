"""Functions of collections: whether there is anything, picking, combining, truth values, joining."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from penstock.formats.fhir.path.compiler import loops
from penstock.formats.fhir.path.compiler.computing import union
from penstock.formats.fhir.path.compiler.paths import pick
from penstock.formats.fhir.path.compiler.scalars import needed
from penstock.formats.fhir.path.compiler.values import BOOLEAN, EMPTY, INTEGER, NOTHING, STRING, Scope, Value
from penstock.formats.fhir.path.nodes import Call
from penstock.formats.fhir.path.runtime import bags, logic, texts

if TYPE_CHECKING:
    from penstock.formats.fhir.path.compiler.builder import Builder


def exists(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    if node.arguments:
        source = loops.where(b, source, node, scope)
    if source.type == NOTHING:
        return Value("False", BOOLEAN, sure=True)
    return Value(b.writer.let(f"bool({source.code})" if source.many else f"{source.code} is not None"), BOOLEAN, sure=True)


def is_empty(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    if source.type == NOTHING:
        return Value("True", BOOLEAN, sure=True)
    return Value(b.writer.let(f"not {source.code}" if source.many else f"{source.code} is None"), BOOLEAN, sure=True)


def negation(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    value = b.truth(source)
    if value.sure:
        return value.as_(code=b.writer.let(f"not {value.code}"))
    return value.as_(code=b.writer.let(b.call(logic.negated, value.code)))


def count(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    return Value(b.writer.let(f"len({b.sequence(source)})"), INTEGER, sure=True)


def picks(place: int) -> Callable[[Builder, Value, Call, Scope], Value]:
    def build(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
        return pick(b, in_order(b, source), place)

    return build


def in_order(b: Builder, source: Value) -> Value:
    if b.strict and not source.ordered:
        raise b.problem("the order of these items means nothing, so none can be picked by its place")
    return source


def single(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    if not source.many:
        return source
    return source.as_(code=b.writer.let(b.call(bags.single, source.code)), many=False, sure=False)


def tail(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    source = in_order(b, source)
    return source.as_(code=b.writer.let(f"{source.code}[1:]")) if source.many else EMPTY


def slices(function: Callable[..., Any]) -> Callable[[Builder, Value, Call, Scope], Value]:
    def build(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
        several = b.several(in_order(b, source))
        count = needed(b, b.build(node.arguments[0], scope, "value"), "integer")
        return several.as_(code=b.writer.let(b.call(function, several.code, count.code)))

    return build


def distinct(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    several = b.several(source)
    return several.as_(code=b.writer.let(b.call(bags.distinct, b.run(), several.code)))


def is_distinct(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    return Value(b.writer.let(b.call(bags.is_distinct, b.run(), b.sequence(source))), BOOLEAN, sure=True)


def pairs(function: Callable[..., Any], *, test: bool = False) -> Callable[[Builder, Value, Call, Scope], Value]:
    """Two collections to one, or to an answer about them."""

    def build(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
        left, right = b.same_form(source, b.build(node.arguments[0], scope))
        code = b.writer.let(b.call(function, b.run(), left.code, right.code))
        if test:
            return Value(code, BOOLEAN, sure=True)
        chosen = right if left.type == NOTHING else left
        return chosen.as_(code=code, many=True, sure=True, boxes=left.boxes or right.boxes)

    return build


def union_with(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    return union(b, [source, b.build(node.arguments[0], scope)])


def booleans(code: str) -> Callable[[Builder, Value, Call, Scope], Value]:
    def build(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
        if source.kind not in ("boolean", "mixed", "nothing"):
            raise b.problem("only truth values are expected here")
        found = b.writer.let(b.call(bags.booleans, b.sequence(source)))
        return Value(b.writer.let(code.format(found)), BOOLEAN, sure=True)

    return build


def join(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    several = b.several(b.system(source))
    separator = needed(b, b.build(node.arguments[0], scope, "value"), "string").code if node.arguments else b.writer.constant("")
    made = b.call(texts.join, several.code, separator)
    return b.counted(Value(b.writer.let(f"{made} if {several.code} and {separator} is not None else None"), STRING))
