"""Operators and literals (http://hl7.org/fhirpath/N1/#operations)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from penstock.formats.fhir.path import arithmetic, bags, compare, logic, tree
from penstock.formats.fhir.path.nodes import Binary, Call, Constant, Empty, Literal, Node, Quantity, TypeTest, Unary, Variable
from penstock.formats.fhir.path.paths import is_type, narrowed, of_type
from penstock.formats.fhir.path.quantity import quantity
from penstock.formats.fhir.path.temporal import read
from penstock.formats.fhir.path.types import resolve
from penstock.formats.fhir.path.values import BOOLEAN, DECIMAL, EMPTY, INTEGER, NOTHING, SIMPLE, STRING, Scope, Value, Want

if TYPE_CHECKING:
    from penstock.formats.fhir.path.build import Builder

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


# comparison


def _sides(b: Builder, node: Binary, scope: Scope) -> tuple[Value, Value]:
    """Both operands as values of System."""
    left = b.system(b.build(node.left, scope, "value"))
    return left, b.system(b.build(node.right, scope, "value"))


def _alike(left: Value, right: Value) -> bool:
    """Whether Python compares both as FHIRPath does."""
    numbers = ("integer", "decimal")
    return (left.kind == right.kind and left.kind in SIMPLE) or (left.kind in numbers and right.kind in numbers)


def _unless_missing(b: Builder, left: Value, right: Value, code: str, type: str) -> Value:
    """``code`` where both sides are there."""
    missing = " or ".join(f"{side.code} is None" for side in (left, right) if not side.sure)
    return Value(b.writer.let(f"None if {missing} else {code}" if missing else code), type, sure=not missing)


def _equality(positive: bool) -> Callable[[Builder, Binary, Scope], Value]:
    def build(b: Builder, node: Binary, scope: Scope) -> Value:
        left, right = _sides(b, node, scope)
        if NOTHING in (left.type, right.type):
            return EMPTY
        if not left.many and not right.many and _alike(left, right):
            return _unless_missing(b, left, right, f"{left.code} {'==' if positive else '!='} {right.code}", BOOLEAN)
        sides = b.sequence(left), b.sequence(right)
        heavy = b.looping and (left.kind in ("data", "mixed") or left.many)
        found = b.writer.let(b.call(compare.equal_counted, b.run(), *sides) if heavy else b.call(compare.equal, *sides))
        return Value(found if positive else b.writer.let(b.call(logic.negated, found)), BOOLEAN)

    return build


def _equivalence(positive: bool) -> Callable[[Builder, Binary, Scope], Value]:
    def build(b: Builder, node: Binary, scope: Scope) -> Value:
        left, right = _sides(b, node, scope)
        mine, other = b.sequence(left), b.sequence(right)
        found = b.call(compare.equivalent, b.run(), mine, other)
        return Value(b.writer.let(found if positive else f"not {found}"), BOOLEAN, sure=True)

    return build


def _inequality(sign: str, function: Callable[..., Any]) -> Callable[[Builder, Binary, Scope], Value]:
    def build(b: Builder, node: Binary, scope: Scope) -> Value:
        left, right = (b.one(b.build(side, scope, "value")) for side in (node.left, node.right))
        if left.kind == right.kind == "temporal text" and not (left.boxes or right.boxes) and "time" not in (left.type, right.type):
            return Value(b.writer.let(b.call(compare.texts_ranked, left.code, right.code, b.writer.constant(function))), BOOLEAN)
        left, right = b.system(left), b.system(right)
        if NOTHING in (left.type, right.type):
            return EMPTY
        if _alike(left, right) and left.kind != "boolean":
            return _unless_missing(b, left, right, f"{left.code} {sign} {right.code}", BOOLEAN)
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


def _in(b: Builder, node: Binary, scope: Scope) -> Value:
    return membership(b, node.left, node.right, scope)


def _contains(b: Builder, node: Binary, scope: Scope) -> Value:
    return membership(b, node.right, node.left, scope)


# collections


def _union(b: Builder, node: Binary, scope: Scope) -> Value:
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


def _arithmetic(function: Callable[..., Any]) -> Callable[[Builder, Binary, Scope], Value]:
    def build(b: Builder, node: Binary, scope: Scope) -> Value:
        left, right = (b.one(side) for side in _sides(b, node, scope))
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


def _concatenation(b: Builder, node: Binary, scope: Scope) -> Value:
    left, right = (b.one(side) for side in _sides(b, node, scope))
    for side in (left, right):
        if side.kind not in ("string", "mixed", "nothing"):
            raise b.problem("the operator does not take values of these types")
    return b.counted(Value(b.writer.let(b.call(arithmetic.joined, left.code, right.code)), STRING, sure=True))


def _unary(b: Builder, node: Unary, scope: Scope, want: Want) -> Value:
    operand = b.one(b.system(b.build(node.operand, scope, "value")))
    if operand.type == NOTHING:
        return EMPTY
    if operand.kind not in (*_NUMBERS, "quantity", "quantity data", "mixed"):
        raise b.problem("the operator does not take values of these types")
    function = arithmetic.negative if node.operator == "-" else arithmetic.positive
    return operand.as_(code=b.writer.let(b.call(function, operand.code)))


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
    "=": _equality(True),
    "!=": _equality(False),
    "~": _equivalence(True),
    "!~": _equivalence(False),
    "<": _inequality("<", compare.less),
    "<=": _inequality("<=", compare.less_or_same),
    ">": _inequality(">", compare.greater),
    ">=": _inequality(">=", compare.greater_or_same),
    "in": _in,
    "contains": _contains,
    "|": _union,
    "+": _arithmetic(arithmetic.plus),
    "-": _arithmetic(arithmetic.minus),
    "*": _arithmetic(arithmetic.times),
    "/": _arithmetic(arithmetic.over),
    "div": _arithmetic(arithmetic.div),
    "mod": _arithmetic(arithmetic.mod),
    "&": _concatenation,
}

OPERATORS: dict[type, Build] = {
    Literal: _literal,
    Quantity: _quantity,
    Empty: _empty,
    Variable: _variable,
    Constant: _constant,
    Binary: _binary,
    Unary: _unary,
    TypeTest: _type_test,
}
