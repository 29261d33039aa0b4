"""Functions: the tables of them, and the link of a chain that calls one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.formats.fhir.path.compiler import collections, elements, loops
from penstock.formats.fhir.path.compiler.operators import as_type, type_is
from penstock.formats.fhir.path.compiler.paths import of_type, type_name
from penstock.formats.fhir.path.compiler.scalars import SCALARS, Scalar, apply
from penstock.formats.fhir.path.compiler.values import Scope, Value, Want
from penstock.formats.fhir.path.nodes import Call
from penstock.formats.fhir.path.runtime import bags, tree

if TYPE_CHECKING:
    from penstock.formats.fhir.path.compiler.builder import Builder


#: Functions whose arguments are about each item of what they are called on.
LAMBDAS = ("where", "select", "exists", "all", "repeat", "aggregate", "sort", "iif", "trace")


def call(b: Builder, node: Call, scope: Scope, want: Want) -> tuple[Value, Scope]:
    """One function of a chain."""
    if node.name == "defineVariable":
        return loops.define_variable(b, node, scope)
    if node.name in ("ofType", "as", "is") and len(node.arguments) == 1:
        name = type_name(b, node.arguments[0])
        if node.name == "is":
            return type_is(b, node.source, name, scope), scope
        return (of_type if node.name == "ofType" else as_type)(b, node.source, name, scope, want)
    if node.name in SCALARS:
        function: Scalar | Function = SCALARS[node.name]
    elif node.name in FUNCTIONS:
        function = FUNCTIONS[node.name]
    else:
        raise b.problem("the expression uses a function that FHIRPath does not have, or that is not supported")
    if not function.least <= len(node.arguments) <= function.most:
        raise b.problem("a function has too many or too few arguments")
    wants = "some" if node.name == "exists" and not node.arguments else function.wants
    source, inner = b.chained(node.source, scope, wants)
    if isinstance(function, Scalar):
        return apply(b, function, source, node, inner), inner
    return function.build(b, source, node, inner), inner


class Function(NamedTuple):
    build: Callable[[Any, Value, Call, Scope], Value]
    least: int = 0
    most: int = 0
    wants: Want = "item"


FUNCTIONS: dict[str, Function] = {
    "exists": Function(collections.exists, 0, 1),
    "empty": Function(collections.is_empty, wants="some"),
    "not": Function(collections.negation, wants="value"),
    "count": Function(collections.count),
    "first": Function(collections.picks(0)),
    "last": Function(collections.picks(-1)),
    "tail": Function(collections.tail),
    "single": Function(collections.single),
    "skip": Function(collections.slices(bags.skip), 1, 1),
    "take": Function(collections.slices(bags.take), 1, 1),
    "distinct": Function(collections.distinct),
    "isDistinct": Function(collections.is_distinct),
    "union": Function(collections.union_with, 1, 1),
    "combine": Function(collections.pairs(bags.combine), 1, 2),
    "intersect": Function(collections.pairs(bags.intersect), 1, 1),
    "exclude": Function(collections.pairs(bags.exclude), 1, 1),
    "subsetOf": Function(collections.pairs(bags.subset, test=True), 1, 1),
    "supersetOf": Function(collections.pairs(bags.superset, test=True), 1, 1),
    "allTrue": Function(collections.booleans("False not in {}")),
    "anyTrue": Function(collections.booleans("True in {}")),
    "allFalse": Function(collections.booleans("True not in {}")),
    "anyFalse": Function(collections.booleans("False in {}")),
    "join": Function(collections.join, 0, 1, "value"),
    "where": Function(loops.where, 1, 1),
    "select": Function(loops.select, 1, 1),
    "all": Function(loops.every, 1, 1),
    "repeat": Function(loops.repeat, 1, 1),
    "aggregate": Function(loops.aggregate, 1, 2),
    "sort": Function(loops.sort, 0, 8),
    "iif": Function(loops.iif, 2, 3),
    "trace": Function(loops.trace, 1, 2),
    "children": Function(elements.children(tree.children)),
    "descendants": Function(elements.children(tree.descendants)),
    "extension": Function(elements.extension, 1, 1),
    "hasExtension": Function(elements.has_extension, 1, 1),
    "hasValue": Function(elements.has_value),
    "getValue": Function(elements.get_value),
    "type": Function(elements.type_info),
    "resolve": Function(elements.resolve),
    "conformsTo": Function(elements.conforms_to, 1, 1),
    "subsumes": Function(elements.subsumes, 1, 1),
    "subsumedBy": Function(elements.subsumed_by, 1, 1),
    "checkModifiers": Function(elements.check_modifiers, 0, 20),
    "memberOf": Function(elements.member_of, 1, 1),
    "htmlChecks": Function(elements.html_checks, wants="value"),
    "now": Function(elements.moment("now", "System.DateTime")),
    "today": Function(elements.moment("today", "System.Date")),
    "timeOfDay": Function(elements.moment("time_of_day", "System.Time")),
}
