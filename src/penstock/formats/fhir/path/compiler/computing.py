"""Computing operators: unions, arithmetic, texts put together."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from penstock.formats.fhir.path.compiler.comparing import as_system
from penstock.formats.fhir.path.compiler.values import DECIMAL, EMPTY, INTEGER, NOTHING, STRING, Scope, Value, Want
from penstock.formats.fhir.path.nodes import Binary, Literal, Node, Unary
from penstock.formats.fhir.path.runtime import arithmetic, bags

if TYPE_CHECKING:
    from penstock.formats.fhir.path.compiler.builder import Builder


# collections


def union_of(b: Builder, node: Binary, scope: Scope) -> Value:
    if constants := _constants(node):
        kind, values = constants
        return Value(b.writer.constant(values), f"System.{kind}", many=True, sure=True)
    return union(b, [b.build(each, scope) for each in _united(node)])


def _united(node: Node) -> list[Node]:
    """All operands of a row of unions."""
    rest, found = [node], []
    while rest:
        match rest.pop():
            case Binary("|", left, right):
                rest += (left, right)
            case other:
                found.append(other)
    return found[::-1]


def _constants(node: Node) -> tuple[str, tuple[Any, ...]] | None:
    """A list of literals of one simple kind, as in ``status in ('a' | 'b')``."""
    if isinstance(node, Literal) and node.kind in ("String", "Integer"):
        return node.kind, (node.value,)
    if not isinstance(node, Binary) or node.operator != "|":
        return None
    left, right = _constants(node.left), _constants(node.right)
    if left is None or right is None or left[0] != right[0]:
        return None
    return left[0], tuple(dict.fromkeys(left[1] + right[1]))


def union(b: Builder, values: list[Value]) -> Value:
    """Each item once. What can never give anything costs nothing, and a union that is left with one path is that path."""
    values = [value for value in values if value.type != NOTHING]
    if not values:
        return EMPTY
    if len(values) == 1 and not values[0].many:
        return values[0]
    if len({value.type for value in values}) > 1:
        values = [b.mixed(value) for value in values]
    code = values[0].code
    if len(values) > 1:
        parts = (f"*{value.code}" if value.many else f"*(({value.code},) if {value.code} is not None else ())" for value in values)
        code = b.writer.let(f"[{', '.join(parts)}]")
    code = b.writer.let(f"{code} if len({code}) < 2 else {b.call(bags.distinct, b.run(), code)}")
    return values[0].as_(code=code, many=True, sure=True, boxes=any(value.boxes for value in values))


# arithmetic

_NUMBERS = ("integer", "decimal")
#: What an operand is to arithmetic: a number, a quantity, a text, a time.
_GROUPS = {
    **dict.fromkeys(_NUMBERS, "n"), "quantity": "q", "quantity data": "q", "string": "s", "temporal": "t", "temporal text": "t",
}  # fmt: skip
_TAKES = {
    "+": ("nn", "qq", "tq", "ss"), "-": ("nn", "qq", "tq"), "*": ("nn", "qq", "nq", "qn"), "/": ("nn", "qq", "nq", "qn"),
    "div": ("nn",), "mod": ("nn",),
}  # fmt: skip


def arithmetic_of(function: Callable[..., Any]) -> Callable[[Builder, Binary, Scope], Value]:
    def build(b: Builder, node: Binary, scope: Scope) -> Value:
        left, right = (b.one(side) for side in as_system(b, node, scope))
        if NOTHING in (left.type, right.type):
            return EMPTY
        groups = _GROUPS.get(left.kind, "") + _GROUPS.get(right.kind, "")
        if "mixed" not in (left.kind, right.kind) and groups not in _TAKES[node.operator]:
            raise b.problem("the operator does not take values of these types")
        result = Value(b.writer.let(b.call(function, left.code, right.code)), _result(node.operator, left, right))
        return b.counted(result) if node.operator == "+" else result

    return build


def _result(operator: str, left: Value, right: Value) -> str | None:
    if left.kind == right.kind == "integer":
        return DECIMAL if operator == "/" else INTEGER
    if left.kind in _NUMBERS and right.kind in _NUMBERS:
        return INTEGER if operator == "div" else DECIMAL
    if left.kind == right.kind == "string":
        return STRING
    return left.type if left.type and left.type.startswith("System.") and left.kind == "temporal" else None


def concatenation(b: Builder, node: Binary, scope: Scope) -> Value:
    left, right = (b.one(side) for side in as_system(b, node, scope))
    for side in (left, right):
        if side.kind not in ("string", "mixed", "nothing"):
            raise b.problem("the operator does not take values of these types")
    return b.counted(Value(b.writer.let(b.call(arithmetic.joined, left.code, right.code)), STRING, sure=True))


def unary(b: Builder, node: Unary, scope: Scope, want: Want) -> Value:
    operand = b.one(b.system(b.build(node.operand, scope, "value")))
    if operand.type == NOTHING:
        return EMPTY
    if operand.kind not in (*_NUMBERS, "quantity", "quantity data", "mixed"):
        raise b.problem("the operator does not take values of these types")
    function = arithmetic.negative if node.operator == "-" else arithmetic.positive
    return operand.as_(code=b.writer.let(b.call(function, operand.code)))
