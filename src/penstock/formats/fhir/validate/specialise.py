"""A rule, specialised to the shape of an object: what is known from the names of its properties alone is worked out once.

Most invariants ask which elements are there (``value.empty() or dataAbsentReason.empty()``). For all objects with the same properties
the answer is the same, so it is found when such an object is first seen. What is left of a rule after that is what its values decide.
A literal ``true`` left means that no object of this shape can break it.
"""

from __future__ import annotations

from penstock.formats.fhir.path.nodes import Binary, Call, Empty, Index, Literal, Member, Node, TypeTest, Unary

TRUE, FALSE, EMPTY = Literal("Boolean", True), Literal("Boolean", False), Empty()

#: What a function gives for an empty collection, whatever its arguments; functions that are not here are left to be evaluated.
_OF_EMPTY: dict[str, Node] = {
    **dict.fromkeys(("empty", "all", "allTrue", "allFalse", "isDistinct"), TRUE),
    **dict.fromkeys(("exists", "hasValue", "anyTrue", "anyFalse"), FALSE),
    **dict.fromkeys(
        "not where select repeat ofType as is first last tail skip take single resolve descendants children extension trace distinct"
        " toString toInteger toDecimal toDate toDateTime length startsWith endsWith contains matches replace replaceMatches substring"
        " indexOf upper lower lowBoundary highBoundary memberOf conformsTo htmlChecks".split(),
        EMPTY,
    ),
}
#: Operators that give nothing when either side is nothing.
_STRICT = frozenset(("=", "!=", "<", ">", "<=", ">=", "+", "-", "*", "/", "div", "mod"))
_NEGATED: dict[Node, Node] = {TRUE: FALSE, FALSE: TRUE}


def specialise(node: Node, elements: frozenset[str], present: frozenset[str]) -> Node:
    """The rule for an object that has ``present`` of the ``elements`` of its type (choices by their stem)."""

    def walk(node: Node) -> Node:
        match node:
            case Member(None, name):
                return EMPTY if name in elements and name not in present else node
            case Member(source, name) if source is not None:
                inner = walk(source)
                return EMPTY if inner == EMPTY else Member(inner, name)
            case Call(source, name, arguments) if source is not None:
                return _call(walk(source), name, arguments, present)
            case Index(source, place):
                inner = walk(source)
                return EMPTY if inner == EMPTY else Index(inner, place)
            case TypeTest(operator, operand, type):
                inner = walk(operand)
                return EMPTY if inner == EMPTY else TypeTest(operator, inner, type)
            case Unary(operator, operand):
                inner = walk(operand)
                return EMPTY if inner == EMPTY else Unary(operator, inner)
            case Binary(operator, left, right):
                return _binary(operator, walk(left), walk(right))
        return node

    return walk(node)


def _call(source: Node, name: str, arguments: tuple[Node, ...], present: frozenset[str]) -> Node:
    if source == EMPTY and name in _OF_EMPTY:
        return _OF_EMPTY[name]
    if name == "not" and source in _NEGATED:
        return _NEGATED[source]
    if isinstance(source, Member) and source.source is None and source.name in present and not arguments:
        if name == "exists":
            return TRUE
        if name == "empty":
            return FALSE
    return Call(source, name, arguments)


def _binary(operator: str, left: Node, right: Node) -> Node:
    folded = _FOLDS[operator](left, right) if operator in _FOLDS else None
    if folded is not None:
        return folded
    if operator in _STRICT and EMPTY in (left, right):
        return EMPTY
    return Binary(operator, left, right)


def _and(left: Node, right: Node) -> Node | None:
    if FALSE in (left, right):
        return FALSE
    return right if left == TRUE else left if right == TRUE else None


def _or(left: Node, right: Node) -> Node | None:
    if TRUE in (left, right):
        return TRUE
    return right if left == FALSE else left if right == FALSE else None


def _implies(left: Node, right: Node) -> Node | None:
    if left == FALSE or right == TRUE:
        return TRUE
    return right if left == TRUE else None


def _union(left: Node, right: Node) -> Node | None:
    return EMPTY if left == EMPTY and right == EMPTY else None


_FOLDS = {"and": _and, "or": _or, "implies": _implies, "|": _union}
