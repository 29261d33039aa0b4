"""Operators and literals (http://hl7.org/fhirpath/N1/#operations)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from penstock.formats.fhir.path.compiler import comparing, computing
from penstock.formats.fhir.path.compiler.paths import is_type, narrowed, of_type
from penstock.formats.fhir.path.compiler.types import resolve
from penstock.formats.fhir.path.compiler.values import BOOLEAN, EMPTY, Scope, Value, Want
from penstock.formats.fhir.path.nodes import Binary, Call, Constant, Empty, Literal, Node, Quantity, TypeTest, Unary, Variable
from penstock.formats.fhir.path.runtime import arithmetic, compare, logic, tree
from penstock.formats.fhir.path.runtime.quantity import quantity
from penstock.formats.fhir.path.runtime.temporal import read

if TYPE_CHECKING:
    from penstock.formats.fhir.path.compiler.builder import Builder

Build = Callable[["Builder", Any, Scope, Want], Value]


def _literal(b: Builder, node: Literal, scope: Scope, want: Want) -> Value:
    value: Any = node.value
    if node.kind in ("Date", "DateTime", "Time"):
        value = read(node.kind, str(value).removeprefix("T").removesuffix("T"))
        if value is None:
            raise b.problem("a date or time of the expression does not exist")
    code = repr(value) if node.kind == "Boolean" else b.writer.constant(value)
    return Value(code, f"System.{node.kind}", sure=True)


def _quantity(b: Builder, node: Quantity, scope: Scope, want: Want) -> Value:
    return Value(b.writer.constant(quantity(node.value, node.unit)), "System.Quantity", sure=True)


def _empty(b: Builder, node: Empty, scope: Scope, want: Want) -> Value:
    return EMPTY


def _variable(b: Builder, node: Variable, scope: Scope, want: Want) -> Value:
    found = {"$this": scope.this, "$index": scope.index, "$total": scope.total}[node.name]
    if found is None:
        raise b.problem("$index and $total are only known inside of a function that goes through items")
    return found


def _constant(b: Builder, node: Constant, scope: Scope, want: Want) -> Value:
    return b.constant(node, scope)


def _binary(b: Builder, node: Binary, scope: Scope, want: Want) -> Value:
    return _BINARY[node.operator](b, node, scope)


# logic: three-valued, and the right side is only computed where it matters


def _both(b: Builder, node: Binary, scope: Scope) -> Value:
    return _lazily(b, node, scope, "False", logic.both)


def _either(b: Builder, node: Binary, scope: Scope) -> Value:
    return _lazily(b, node, scope, "True", logic.either)


def _lazily(b: Builder, node: Binary, scope: Scope, decided: str, join: Callable[..., Any]) -> Value:
    left = b.truth(b.build(node.left, scope, "value"))
    result = b.writer.let(left.code)
    opposite = {"True": f"not {result}", "False": result}[decided]
    with b.writer.block(f"if {opposite if left.sure else f'{result} is not {decided}'}:"):
        right = b.truth(b.build(node.right, scope, "value"))
        b.writer.line(f"{result} = {right.code if left.sure else b.call(join, result, right.code)}")
    return Value(result, BOOLEAN, sure=left.sure and right.sure)


def _implies(b: Builder, node: Binary, scope: Scope) -> Value:
    left = b.truth(b.build(node.left, scope, "value"))
    result = b.writer.let("True")
    with b.writer.block(f"if {left.code if left.sure else f'{left.code} is not False'}:"):
        right = b.truth(b.build(node.right, scope, "value"))
        b.writer.line(f"{result} = {right.code if left.sure else b.call(logic.implies, left.code, right.code)}")
    return Value(result, BOOLEAN, sure=left.sure and right.sure)


def _xor(b: Builder, node: Binary, scope: Scope) -> Value:
    left, right = (b.truth(b.build(side, scope, "value")) for side in (node.left, node.right))
    if left.sure and right.sure:
        return Value(b.writer.let(f"{left.code} is not {right.code}"), BOOLEAN, sure=True)
    return Value(b.writer.let(b.call(logic.one_only, left.code, right.code)), BOOLEAN)


# types


def _type_test(b: Builder, node: TypeTest, scope: Scope, want: Want) -> Value:
    if node.operator == "is":
        return type_is(b, node.operand, node.type, scope)
    return as_type(b, node.operand, node.type, scope, want)[0]


def type_is(b: Builder, operand: Node | None, name: str, scope: Scope) -> Value:
    """``resolve() is Patient`` is also answered where the reference leads nowhere: by what it says."""
    if isinstance(operand, Call) and operand.name == "resolve":
        _, wanted = resolve(b, name)
        source = b.sequence(b.chained(operand.source, scope)[0])
        return Value(b.writer.let(b.call(tree.resolves_to, b.run(), source, b.writer.constant(wanted))), BOOLEAN)
    return is_type(b, b.build(operand, scope) if operand else scope.this, name)


def as_type(b: Builder, operand: Node | None, name: str, scope: Scope, want: Want) -> tuple[Value, Scope]:
    """``as`` takes one item; expressions that were written for R4 also filter with it, so that is only refused where one is strict."""
    if not b.strict:
        return of_type(b, operand, name, scope, want)
    source, inner = b.chained(operand, scope)
    return narrowed(b, b.one(source), resolve(b, name)), inner


_BINARY: dict[str, Callable[[Any, Binary, Scope], Value]] = {
    "and": _both,
    "or": _either,
    "xor": _xor,
    "implies": _implies,
    "=": comparing.equality(True),
    "!=": comparing.equality(False),
    "~": comparing.equivalence(True),
    "!~": comparing.equivalence(False),
    "<": comparing.inequality("<", compare.less),
    "<=": comparing.inequality("<=", compare.less_or_same),
    ">": comparing.inequality(">", compare.greater),
    ">=": comparing.inequality(">=", compare.greater_or_same),
    "in": comparing.in_,
    "contains": comparing.contains,
    "|": computing.union_of,
    "+": computing.arithmetic_of(arithmetic.plus),
    "-": computing.arithmetic_of(arithmetic.minus),
    "*": computing.arithmetic_of(arithmetic.times),
    "/": computing.arithmetic_of(arithmetic.over),
    "div": computing.arithmetic_of(arithmetic.div),
    "mod": computing.arithmetic_of(arithmetic.mod),
    "&": computing.concatenation,
}

OPERATORS: dict[type, Build] = {
    Literal: _literal,
    Quantity: _quantity,
    Empty: _empty,
    Variable: _variable,
    Constant: _constant,
    Binary: _binary,
    Unary: computing.unary,
    TypeTest: _type_test,
}
