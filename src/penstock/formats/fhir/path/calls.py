"""Functions: what each takes, and the code that calls it. Those that take an expression for each item are in ``loops``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.formats.fhir.path import arithmetic, bags, conversions, logic, loops, texts, tree
from penstock.formats.fhir.path import items as runtime
from penstock.formats.fhir.path.needs import NEEDS
from penstock.formats.fhir.path.nodes import Call
from penstock.formats.fhir.path.operators import as_type, type_is, union
from penstock.formats.fhir.path.paths import member, of_type, pick, type_name
from penstock.formats.fhir.path.types import info
from penstock.formats.fhir.path.values import (
    BOOLEAN,
    DECIMAL,
    EMPTY,
    INTEGER,
    NOTHING,
    STRING,
    TYPE_INFO,
    Scope,
    Value,
    Want,
    is_primitive,
)

if TYPE_CHECKING:
    from penstock.formats.fhir.path.build import Builder

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
        function: _Scalar | _Function = SCALARS[node.name]
    elif node.name in FUNCTIONS:
        function = FUNCTIONS[node.name]
    else:
        raise b.problem("the expression uses a function that FHIRPath does not have, or that is not supported")
    if not function.least <= len(node.arguments) <= function.most:
        raise b.problem("a function has too many or too few arguments")
    wants = "some" if node.name == "exists" and not node.arguments else function.wants
    source, inner = b.chained(node.source, scope, wants)
    if isinstance(function, _Scalar):
        return _scalar(b, function, source, node, inner), inner
    return function.build(b, source, node, inner), inner


class _Scalar(NamedTuple):
    """A function of one value: ``takes`` and ``arguments`` are the needs of :data:`~penstock.formats.fhir.path.needs.NEEDS`."""

    function: Callable[..., Any]
    takes: str
    gives: str | None
    arguments: tuple[str, ...] = ()
    least: int = 0
    test: bool = False
    many: bool = False
    wants: Want = "value"

    @property
    def most(self) -> int:
        return len(self.arguments)


def _scalar(b: Builder, function: _Scalar, source: Value, node: Call, scope: Scope) -> Value:
    """Nothing in, nothing out; and so for every argument."""
    value = _needed(b, source, function.takes)
    arguments = []
    for need, argument in zip(function.arguments, node.arguments, strict=False):
        arguments.append(_needed(b, b.build(argument, scope, "value"), need))
    if any(each.type == NOTHING for each in (value, *arguments)):
        return EMPTY
    missing = " or ".join(f"{each.code} is None" for each in (value, *arguments) if not each.sure)
    made = b.call(function.function, value.code, *(each.code for each in arguments))
    if function.test:
        made = f"{made} is not None"
    nothing = "()" if function.many else "None"
    gives = value.type if function.gives == "same" else function.gives
    sure = not missing and (function.test or function.many or gives == BOOLEAN)
    return b.counted(Value(b.writer.let(f"{nothing} if {missing} else {made}" if missing else made), gives, many=function.many, sure=sure))


def _needed(b: Builder, value: Value, need: str) -> Value:
    """One value of the kind that a function takes; what is known to be another kind is refused before it runs."""
    one = b.one(b.system(value))
    kinds, check = NEEDS[need]
    if one.kind in kinds or one.type == NOTHING or not kinds:
        return one
    if one.kind != "mixed":
        raise b.problem("a function does not take values of this type")
    b.writer.line(f"{b.call(check, one.code)}")
    return one


_STRING = ("string",)


def _tests(function: Callable[[Any], Any]) -> _Scalar:
    return _Scalar(function, "any", BOOLEAN, test=True)


SCALARS: dict[str, _Scalar] = {
    "indexOf": _Scalar(str.find, "string", INTEGER, _STRING, 1),
    "lastIndexOf": _Scalar(str.rfind, "string", INTEGER, _STRING, 1),
    "substring": _Scalar(texts.substring, "string", STRING, ("integer", "integer"), 1),
    "startsWith": _Scalar(str.startswith, "string", BOOLEAN, _STRING, 1),
    "endsWith": _Scalar(str.endswith, "string", BOOLEAN, _STRING, 1),
    "contains": _Scalar(str.__contains__, "string", BOOLEAN, _STRING, 1),
    "upper": _Scalar(str.upper, "string", STRING),
    "lower": _Scalar(str.lower, "string", STRING),
    "replace": _Scalar(texts.replace, "string", STRING, ("string", "string"), 2),
    "matches": _Scalar(texts.matches, "string", BOOLEAN, _STRING, 1),
    "matchesFull": _Scalar(texts.matches_full, "string", BOOLEAN, _STRING, 1),
    "replaceMatches": _Scalar(texts.replace_matches, "string", STRING, ("string", "string"), 2),
    "length": _Scalar(len, "string", INTEGER),
    "toChars": _Scalar(list, "string", STRING, many=True),
    "trim": _Scalar(str.strip, "string", STRING),
    "split": _Scalar(texts.split, "string", STRING, _STRING, 1, many=True),
    "encode": _Scalar(texts.encode, "string", STRING, _STRING, 1),
    "decode": _Scalar(texts.decode, "string", STRING, _STRING, 1),
    "escape": _Scalar(texts.escape, "string", STRING, _STRING, 1),
    "unescape": _Scalar(texts.unescape, "string", STRING, _STRING, 1),
    "abs": _Scalar(arithmetic.magnitude, "measure", "same"),
    "ceiling": _Scalar(arithmetic.ceiling, "number", INTEGER),
    "floor": _Scalar(arithmetic.floor, "number", INTEGER),
    "truncate": _Scalar(arithmetic.truncate, "number", INTEGER),
    "round": _Scalar(arithmetic.rounded, "number", DECIMAL, ("integer",)),
    "exp": _Scalar(arithmetic.exp, "number", DECIMAL),
    "ln": _Scalar(arithmetic.ln, "number", DECIMAL),
    "log": _Scalar(arithmetic.log, "number", DECIMAL, ("number",), 1),
    "sqrt": _Scalar(arithmetic.sqrt, "number", DECIMAL),
    "power": _Scalar(arithmetic.power, "number", None, ("number",), 1),
    "toBoolean": _Scalar(conversions.to_boolean, "any", BOOLEAN)._replace(gives=None),
    "toInteger": _Scalar(conversions.to_integer, "any", INTEGER),
    "toDecimal": _Scalar(conversions.to_decimal, "any", DECIMAL),
    "toString": _Scalar(conversions.to_string, "any", STRING),
    "toDate": _Scalar(conversions.to_date, "any", "System.Date"),
    "toDateTime": _Scalar(conversions.to_datetime, "any", "System.DateTime"),
    "toTime": _Scalar(conversions.to_time, "any", "System.Time"),
    "toQuantity": _Scalar(conversions.to_quantity, "any", "System.Quantity", _STRING),
    "convertsToBoolean": _tests(conversions.to_boolean),
    "convertsToInteger": _tests(conversions.to_integer),
    "convertsToDecimal": _tests(conversions.to_decimal),
    "convertsToString": _tests(conversions.to_string),
    "convertsToDate": _tests(conversions.to_date),
    "convertsToDateTime": _tests(conversions.to_datetime),
    "convertsToTime": _tests(conversions.to_time),
    "convertsToQuantity": _tests(conversions.to_quantity)._replace(arguments=_STRING),
    "precision": _Scalar(conversions.precision, "any", INTEGER),
    "lowBoundary": _Scalar(conversions.low_boundary, "any", None, ("integer",)),
    "highBoundary": _Scalar(conversions.high_boundary, "any", None, ("integer",)),
    "comparable": _Scalar(conversions.comparable, "quantity", BOOLEAN, ("quantity",), 1),
}


# functions of collections


def _exists(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    if node.arguments:
        source = loops.where(b, source, node, scope)
    if source.type == NOTHING:
        return Value("False", BOOLEAN, sure=True)
    return Value(b.writer.let(f"bool({source.code})" if source.many else f"{source.code} is not None"), BOOLEAN, sure=True)


def _is_empty(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    if source.type == NOTHING:
        return Value("True", BOOLEAN, sure=True)
    return Value(b.writer.let(f"not {source.code}" if source.many else f"{source.code} is None"), BOOLEAN, sure=True)


def _not(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    value = b.truth(source)
    if value.sure:
        return value.as_(code=b.writer.let(f"not {value.code}"))
    return value.as_(code=b.writer.let(b.call(logic.negated, value.code)))


def _count(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    return Value(b.writer.let(f"len({b.sequence(source)})"), INTEGER, sure=True)


def _picks(place: int) -> Callable[[Builder, Value, Call, Scope], Value]:
    def build(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
        return pick(b, _in_order(b, source), place)

    return build


def _in_order(b: Builder, source: Value) -> Value:
    if b.strict and not source.ordered:
        raise b.problem("the order of these items means nothing, so none can be picked by its place")
    return source


def _single(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    if not source.many:
        return source
    return source.as_(code=b.writer.let(b.call(bags.single, source.code)), many=False, sure=False)


def _tail(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    source = _in_order(b, source)
    return source.as_(code=b.writer.let(f"{source.code}[1:]")) if source.many else EMPTY


def _slices(function: Callable[..., Any]) -> Callable[[Builder, Value, Call, Scope], Value]:
    def build(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
        several = b.several(_in_order(b, source))
        count = _needed(b, b.build(node.arguments[0], scope, "value"), "integer")
        return several.as_(code=b.writer.let(b.call(function, several.code, count.code)))

    return build


def _distinct(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    several = b.several(source)
    return several.as_(code=b.writer.let(b.call(bags.distinct, b.run(), several.code)))


def _is_distinct(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    return Value(b.writer.let(b.call(bags.is_distinct, b.run(), b.sequence(source))), BOOLEAN, sure=True)


def _pairs(function: Callable[..., Any], *, test: bool = False) -> Callable[[Builder, Value, Call, Scope], Value]:
    """Two collections to one, or to an answer about them."""

    def build(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
        left, right = b.same_form(source, b.build(node.arguments[0], scope))
        code = b.writer.let(b.call(function, b.run(), left.code, right.code))
        if test:
            return Value(code, BOOLEAN, sure=True)
        chosen = right if left.type == NOTHING else left
        return chosen.as_(code=code, many=True, sure=True, boxes=left.boxes or right.boxes)

    return build


def _union(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    return union(b, [source, b.build(node.arguments[0], scope)])


def _booleans(code: str) -> Callable[[Builder, Value, Call, Scope], Value]:
    def build(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
        if source.kind not in ("boolean", "mixed", "nothing"):
            raise b.problem("only truth values are expected here")
        found = b.writer.let(b.call(bags.booleans, b.sequence(source)))
        return Value(b.writer.let(code.format(found)), BOOLEAN, sure=True)

    return build


def _join(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    several = b.several(b.system(source))
    separator = _needed(b, b.build(node.arguments[0], scope, "value"), "string").code if node.arguments else b.writer.constant("")
    made = b.call(texts.join, several.code, separator)
    return b.counted(Value(b.writer.let(f"{made} if {several.code} and {separator} is not None else None"), STRING))


# functions of elements


def _children(function: Callable[..., Any]) -> Callable[[Builder, Value, Call, Scope], Value]:
    def build(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
        items = b.sequence(b.mixed(source))
        return Value(b.writer.let(b.call(function, b.run(), items)), None, many=True, sure=True, ordered=False)

    return build


def _extension(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    if source.type == NOTHING:
        return EMPTY
    url = _needed(b, b.build(node.arguments[0], scope, "value"), "string").code
    if source.type is None or is_primitive(source.type):
        items = b.sequence(b.mixed(source))
        return Value(b.writer.let(b.call(tree.extensions, b.run(), items, url)), None, many=True, sure=True)
    found = member(b, source, "extension", "item")
    return found.as_(code=b.writer.let(f"[x for x in {found.code} if x.get('url') == {url}]"))


def _has_extension(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    found = _extension(b, source, node, scope)
    return Value(b.writer.let(f"bool({found.code})"), BOOLEAN, sure=True)


def _has_value(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    """Of one primitive: whether it has more than an id and extensions."""
    if source.many:
        code = b.writer.let(f"len({source.code}) == 1 and {b.call(bags.has_value, f'{source.code}[0]')}")
        return Value(code, BOOLEAN, sure=True)
    if source.type is None:
        return Value(b.writer.let(b.call(bags.has_value, source.code)), BOOLEAN, sure=True)
    if source.boxes:
        b.writer.use(runtime.Item)
        boxed = f"{source.code}.__class__ is not Item or {b.call(bags.has_value, source.code)}"
        return Value(b.writer.let(f"{source.code} is not None and ({boxed})"), BOOLEAN, sure=True)
    known = source.kind not in ("data", "quantity data", "nothing")
    return Value(b.writer.let(f"{source.code} is not None" if known else "False"), BOOLEAN, sure=True)


def _get_value(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    return b.one(b.system(source))


def _type(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    if source.type == NOTHING:
        return EMPTY
    type = b.writer.constant(source.type)
    made = b.call(info, "x", type)
    if source.many:
        return Value(b.writer.let(f"[{made} for x in {source.code}]"), TYPE_INFO, many=True, sure=True)
    made = b.call(info, source.code, type)
    return Value(b.writer.let(made if source.sure else f"None if {source.code} is None else {made}"), TYPE_INFO, sure=source.sure)


def _resolve(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    return Value(b.writer.let(b.call(tree.resolve, b.run(), b.sequence(source))), None, many=True, sure=True)


def _conforms_to(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    one, profile = b.one(source), _needed(b, b.build(node.arguments[0], scope, "value"), "string")
    if NOTHING in (one.type, profile.type):
        return EMPTY
    made = f"{b.run()}.conforms({one.code}, {b.writer.constant(one.type)}, {profile.code})"
    return Value(b.writer.let(f"None if {one.code} is None or {profile.code} is None else {made}"), BOOLEAN)


def _member_of(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    one, url = b.one(source), _needed(b, b.build(node.arguments[0], scope, "value"), "string")
    if NOTHING in (one.type, url.type):
        return EMPTY
    made = f"env.member_of({b.call(runtime.bare, one.code)}, {url.code})"
    return Value(b.writer.let(f"None if {one.code} is None or {url.code} is None else {made}"), BOOLEAN)


def _html_checks(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    """A narrative as a whole, or a text as a part of one."""
    one = b.one(b.system(source))
    made = b.call(texts.is_narrative, one.code, repr(source.type == "xhtml"))
    return Value(b.writer.let(made), BOOLEAN)


def _moment(attribute: str, type: str) -> Callable[[Builder, Value, Call, Scope], Value]:
    def build(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
        return Value(b.writer.let(f"{b.run()}.{attribute}()"), type, sure=True)

    return build


class _Function(NamedTuple):
    build: Callable[[Any, Value, Call, Scope], Value]
    least: int = 0
    most: int = 0
    wants: Want = "item"


FUNCTIONS: dict[str, _Function] = {
    "exists": _Function(_exists, 0, 1),
    "empty": _Function(_is_empty, wants="some"),
    "not": _Function(_not, wants="value"),
    "count": _Function(_count),
    "first": _Function(_picks(0)),
    "last": _Function(_picks(-1)),
    "tail": _Function(_tail),
    "single": _Function(_single),
    "skip": _Function(_slices(bags.skip), 1, 1),
    "take": _Function(_slices(bags.take), 1, 1),
    "distinct": _Function(_distinct),
    "isDistinct": _Function(_is_distinct),
    "union": _Function(_union, 1, 1),
    "combine": _Function(_pairs(bags.combine), 1, 2),
    "intersect": _Function(_pairs(bags.intersect), 1, 1),
    "exclude": _Function(_pairs(bags.exclude), 1, 1),
    "subsetOf": _Function(_pairs(bags.subset, test=True), 1, 1),
    "supersetOf": _Function(_pairs(bags.superset, test=True), 1, 1),
    "allTrue": _Function(_booleans("False not in {}")),
    "anyTrue": _Function(_booleans("True in {}")),
    "allFalse": _Function(_booleans("True not in {}")),
    "anyFalse": _Function(_booleans("False in {}")),
    "join": _Function(_join, 0, 1, "value"),
    "where": _Function(loops.where, 1, 1),
    "select": _Function(loops.select, 1, 1),
    "all": _Function(loops.every, 1, 1),
    "repeat": _Function(loops.repeat, 1, 1),
    "aggregate": _Function(loops.aggregate, 1, 2),
    "sort": _Function(loops.sort, 0, 8),
    "iif": _Function(loops.iif, 2, 3),
    "trace": _Function(loops.trace, 1, 2),
    "children": _Function(_children(tree.children)),
    "descendants": _Function(_children(tree.descendants)),
    "extension": _Function(_extension, 1, 1),
    "hasExtension": _Function(_has_extension, 1, 1),
    "hasValue": _Function(_has_value),
    "getValue": _Function(_get_value),
    "type": _Function(_type),
    "resolve": _Function(_resolve),
    "conformsTo": _Function(_conforms_to, 1, 1),
    "memberOf": _Function(_member_of, 1, 1),
    "htmlChecks": _Function(_html_checks, wants="value"),
    "now": _Function(_moment("now", "System.DateTime")),
    "today": _Function(_moment("today", "System.Date")),
    "timeOfDay": _Function(_moment("time_of_day", "System.Time")),
}
