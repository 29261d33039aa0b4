"""Functions that take an expression for each item, or for later: where, select, all, repeat, aggregate, sort, iif, trace, variables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from penstock.formats.fhir.path.compiler.values import BOOLEAN, EMPTY, INTEGER, NOTHING, RESERVED, Scope, Value
from penstock.formats.fhir.path.nodes import Call, Literal, Node, Unary, Variable
from penstock.formats.fhir.path.runtime import bags

if TYPE_CHECKING:
    from penstock.formats.fhir.path.compiler.builder import Builder


@contextmanager
def each(b: Builder, source: Value, scope: Scope) -> Iterator[Scope]:
    """The block that runs for every item, with what ``$this`` and ``$index`` are in it."""
    if not source.many:
        index = Value(b.writer.let("0"), INTEGER, sure=True)
        with b.writer.block("if True:" if source.sure else f"if {source.code} is not None:"):
            yield replace(scope, this=source.as_(sure=True), index=index)
        return
    b.spend(source.code)
    item, place = b.writer.fresh("i"), b.writer.fresh("n")
    with b.writer.block(f"for {place}, {item} in enumerate({source.code}):"):
        this = source.as_(code=item, many=False, sure=True)
        yield replace(scope, this=this, index=Value(place, INTEGER, sure=True))


def where(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    """The items for which the criterion is true."""
    if source.type == NOTHING:
        return EMPTY
    found = b.writer.let("[]" if source.many else "None")
    with each(b, source, scope) as inner:
        answer = b.truth(b.build(node.arguments[0], inner, "value"))
        kept = f"{found}.append({inner.this.code})" if source.many else f"{found} = {source.code}"
        b.writer.line(f"if {answer.code}{'' if answer.sure else ' is True'}: {kept}")
    return source.as_(code=found, sure=source.many)


def select(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    """What the projection gives for every item, in one collection."""
    if source.type == NOTHING:
        return EMPTY
    found = b.writer.let("[]" if source.many else "None")
    with each(b, source, scope) as inner:
        value = b.build(node.arguments[0], inner)
        if not source.many:
            b.writer.line(f"{found} = {value.code}")
        elif value.many:
            b.writer.line(f"{found} += {value.code}")
            b.writer.line(f"if len({found}) > {bags.MAX_ITEMS}: {b.call(bags.too_large)}")
        else:
            b.writer.line(f"if {value.code} is not None: {found}.append({value.code})")
    if not source.many and value.many and not source.sure:
        found = b.writer.let(f"{found} or ()")
    return value.as_(code=found, many=source.many or value.many, sure=source.many, ordered=source.ordered and value.ordered)


def every(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    """Whether the criterion is true for every item; so it is for none."""
    result = b.writer.let("True")
    if source.type == NOTHING:
        return Value(result, BOOLEAN, sure=True)
    with each(b, source, scope) as inner:
        answer = b.truth(b.build(node.arguments[0], inner, "value"))
        with b.writer.block(f"if {answer.code} is not True:"):
            b.writer.line(f"{result} = False")
            if source.many:
                b.writer.line("break")
    return Value(result, BOOLEAN, sure=True)


def repeat(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    """The projection of every item, of what that gave, and so on."""
    items = b.sequence(b.mixed(source))
    step, item = b.writer.fresh("step"), b.writer.fresh("i")
    with b.step(f"def {step}({item}):"):
        inner = replace(scope, this=Value(item, None, sure=True), index=None)
        b.writer.line(f"return {b.sequence(b.mixed(b.build(node.arguments[0], inner)))}")
    return Value(b.writer.let(b.call(bags.repeat, b.run(), items, step)), None, many=True, sure=True)


def aggregate(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    """``$total`` is what the expression gave for the item before."""
    first = b.sequence(b.mixed(b.build(node.arguments[1], scope))) if len(node.arguments) > 1 else "()"
    total = b.writer.let(first)
    with each(b, source, scope) as inner:
        inner = replace(inner, total=Value(total, None, many=True))
        value = b.build(node.arguments[0], inner)
        b.writer.line(f"{total} = {b.sequence(b.mixed(value))}")
    return Value(total, None, many=True)


def sort(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    """By the items themselves or by keys; a key with a minus sorts downwards, which texts understand too."""
    if source.type == NOTHING:
        return EMPTY
    several = b.several(source)
    keys: list[Node] = [key.operand if _downwards(key) else key for key in node.arguments] or [Variable("$this")]  # type: ignore[union-attr] # asked
    rows = b.writer.let("[]")
    with each(b, several, scope) as inner:
        found = [b.one(b.system(b.build(key, inner, "value"))).code for key in keys]
        b.writer.line(f"{rows}.append(([{', '.join(found)}], {inner.this.code}))")
    downwards = b.writer.constant(tuple(map(_downwards, node.arguments)) or (False,))
    return several.as_(code=b.writer.let(b.call(bags.ordered, b.run(), rows, downwards)), ordered=True)


def _downwards(key: Node) -> bool:
    return isinstance(key, Unary) and key.operator == "-"


def iif(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    """One of two values; only the one that is chosen is computed."""
    if node.source is not None:
        scope = replace(scope, this=b.one(source))
    test = b.build(node.arguments[0], scope, "value")
    if b.strict and test.kind not in ("boolean", "mixed", "nothing"):
        raise b.problem("iif() takes one truth value")
    answer = b.truth(test).code
    chosen, other = b.writer.fresh("t"), b.writer.fresh("e")
    b.writer.line(f"{chosen} = {other} = None")
    with b.writer.block(f"if {answer} is True:"):
        yes = b.build(node.arguments[1], scope)
        b.writer.line(f"{chosen} = {yes.code}")
    with b.writer.block("else:"):
        no = b.build(node.arguments[2], scope) if len(node.arguments) > 2 else EMPTY
        b.writer.line(f"{other} = {no.code}")
    return _either(b, answer, yes.as_(code=chosen), no.as_(code=other))


def _either(b: Builder, answer: str, yes: Value, no: Value) -> Value:
    """One value out of two, of which the answer says which one was computed."""
    known = no if yes.type == NOTHING else yes
    if yes.type != no.type and NOTHING not in (yes.type, no.type):
        known = Value("", None)
    many = yes.many or no.many
    found = b.writer.fresh("v")
    for head, value in ((f"if {answer} is True:", yes), ("else:", no)):
        with b.writer.block(head):
            made = b.mixed(value.as_(sure=False)) if known.type is None and not value.many else value
            if known.type is None and value.many:
                made = b.mixed(value)
            b.writer.line(f"{found} = {b.sequence(made.as_(sure=False)) if many else made.code}")
    return known.as_(code=found, many=many, sure=many, boxes=yes.boxes or no.boxes)


def trace(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    """What it is called on, unchanged; whoever listens hears the items, or what a projection makes of them."""
    name = b.one(b.system(b.build(node.arguments[0], scope, "value")))
    if name.kind not in ("string", "mixed"):
        raise b.problem("trace() takes a name")
    with b.writer.block(f"if {b.run()}.listens:"):
        told = select(b, source, Call(None, "select", (node.arguments[1],)), scope) if len(node.arguments) > 1 else source
        b.writer.line(f"{b.run()}.tell({name.code}, {b.sequence(told)})")
    return source


def define_variable(b: Builder, node: Call, scope: Scope) -> tuple[Value, Scope]:
    """A name for what it is called on, or for an expression about it, in the rest of the chain."""
    source, inner = b.chained(node.source, scope)
    if not 1 <= len(node.arguments) <= 2:
        raise b.problem("a function has too many or too few arguments")
    name = node.arguments[0]
    if not isinstance(name, Literal) or not isinstance(name.value, str):
        raise b.problem("defineVariable() takes a name in quotes", "not-supported")
    if name.value in inner.variables or name.value in RESERVED:
        raise b.problem("the expression defines a variable that is already defined")
    value = b.build(node.arguments[1], replace(inner, this=source)) if len(node.arguments) > 1 else source
    return source, replace(inner, variables={**inner.variables, name.value: value})
