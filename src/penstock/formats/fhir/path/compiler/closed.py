"""Which parts of an expression mean the same wherever they stand, and so are computed once."""

from __future__ import annotations

from penstock.formats.fhir.path.compiler.calls import LAMBDAS
from penstock.formats.fhir.path.compiler.values import Scope
from penstock.formats.fhir.path.nodes import Binary, Call, Constant, Index, Member, Node, Variable

#: What is worth being computed once.
_KEPT = (Member, Call, Index, Binary)


def rooted(node: Node) -> frozenset[int]:
    """The ids of the parts of a tree that are worth being computed once and have a ``%variable`` below them."""
    order, waiting = [], [node]
    while waiting:
        part = waiting.pop()
        order.append(part)
        waiting += _below(part)
    found: set[int] = set()
    for part in reversed(order):
        if isinstance(part, Constant) or any(id(below) in found for below in _below(part)):
            found.add(id(part))
    return frozenset(id(part) for part in order if id(part) in found and isinstance(part, _KEPT))


def free(node: Node | None, scope: Scope, depth: int = 0) -> bool:
    """Whether a node depends on ``$this`` (where ``depth`` is 0), or on a variable of the chain."""
    match node:
        case None | Variable():
            return depth == 0
        case Constant(name):
            return name in scope.variables
        case Member(source):
            return free(source, scope, depth)
        case Call(source, name, arguments):
            if name == "defineVariable" or (source is None and depth == 0 and name not in ("now", "today", "timeOfDay")):
                return True
            if source is not None and free(source, scope, depth):
                return True
            inner = depth + 1 if name in LAMBDAS else depth
            return name not in ("ofType", "as", "is") and any(free(argument, scope, inner) for argument in arguments)
    return any(free(part, scope, depth) for part in _below(node))


def _below(node: Node) -> tuple[Node, ...]:
    found = [getattr(node, name, None) for name in ("source", "at", "operand", "left", "right")]
    return (*(part for part in found if isinstance(part, Node)), *getattr(node, "arguments", ()))
