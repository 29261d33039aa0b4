"""Functions of one value: what each takes and gives, and the code that calls it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.formats.fhir.path.compiler.needs import NEEDS
from penstock.formats.fhir.path.compiler.values import BOOLEAN, DECIMAL, EMPTY, INTEGER, NOTHING, STRING, Scope, Value, Want
from penstock.formats.fhir.path.nodes import Call
from penstock.formats.fhir.path.runtime import arithmetic, conversions, texts

if TYPE_CHECKING:
    from penstock.formats.fhir.path.compiler.builder import Builder


class Scalar(NamedTuple):
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


def apply(b: Builder, function: Scalar, source: Value, node: Call, scope: Scope) -> Value:
    """Nothing in, nothing out; and so for every argument."""
    value = needed(b, source, function.takes)
    arguments = []
    for need, argument in zip(function.arguments, node.arguments, strict=False):
        arguments.append(needed(b, b.build(argument, scope, "value"), need))
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


def needed(b: Builder, value: Value, need: str) -> Value:
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


def _tests(function: Callable[[Any], Any]) -> Scalar:
    return Scalar(function, "any", BOOLEAN, test=True)


SCALARS: dict[str, Scalar] = {
    "indexOf": Scalar(str.find, "string", INTEGER, _STRING, 1),
    "lastIndexOf": Scalar(str.rfind, "string", INTEGER, _STRING, 1),
    "substring": Scalar(texts.substring, "string", STRING, ("integer", "integer"), 1),
    "startsWith": Scalar(str.startswith, "string", BOOLEAN, _STRING, 1),
    "endsWith": Scalar(str.endswith, "string", BOOLEAN, _STRING, 1),
    "contains": Scalar(str.__contains__, "string", BOOLEAN, _STRING, 1),
    "upper": Scalar(str.upper, "string", STRING),
    "lower": Scalar(str.lower, "string", STRING),
    "replace": Scalar(texts.replace, "string", STRING, ("string", "string"), 2),
    "matches": Scalar(texts.matches, "string", BOOLEAN, _STRING, 1),
    "matchesFull": Scalar(texts.matches_full, "string", BOOLEAN, _STRING, 1),
    "replaceMatches": Scalar(texts.replace_matches, "string", STRING, ("string", "string"), 2),
    "length": Scalar(len, "string", INTEGER),
    "toChars": Scalar(list, "string", STRING, many=True),
    "trim": Scalar(str.strip, "string", STRING),
    "split": Scalar(texts.split, "string", STRING, _STRING, 1, many=True),
    "encode": Scalar(texts.encode, "string", STRING, _STRING, 1),
    "decode": Scalar(texts.decode, "string", STRING, _STRING, 1),
    "escape": Scalar(texts.escape, "string", STRING, _STRING, 1),
    "unescape": Scalar(texts.unescape, "string", STRING, _STRING, 1),
    "abs": Scalar(arithmetic.magnitude, "measure", "same"),
    "ceiling": Scalar(arithmetic.ceiling, "number", INTEGER),
    "floor": Scalar(arithmetic.floor, "number", INTEGER),
    "truncate": Scalar(arithmetic.truncate, "number", INTEGER),
    "round": Scalar(arithmetic.rounded, "number", DECIMAL, ("integer",)),
    "exp": Scalar(arithmetic.exp, "number", DECIMAL),
    "ln": Scalar(arithmetic.ln, "number", DECIMAL),
    "log": Scalar(arithmetic.log, "number", DECIMAL, ("number",), 1),
    "sqrt": Scalar(arithmetic.sqrt, "number", DECIMAL),
    "power": Scalar(arithmetic.power, "number", None, ("number",), 1),
    "toBoolean": Scalar(conversions.to_boolean, "any", BOOLEAN)._replace(gives=None),
    "toInteger": Scalar(conversions.to_integer, "any", INTEGER),
    "toDecimal": Scalar(conversions.to_decimal, "any", DECIMAL),
    "toString": Scalar(conversions.to_string, "any", STRING),
    "toDate": Scalar(conversions.to_date, "any", "System.Date"),
    "toDateTime": Scalar(conversions.to_datetime, "any", "System.DateTime"),
    "toTime": Scalar(conversions.to_time, "any", "System.Time"),
    "toQuantity": Scalar(conversions.to_quantity, "any", "System.Quantity", _STRING),
    "convertsToBoolean": _tests(conversions.to_boolean),
    "convertsToInteger": _tests(conversions.to_integer),
    "convertsToDecimal": _tests(conversions.to_decimal),
    "convertsToString": _tests(conversions.to_string),
    "convertsToDate": _tests(conversions.to_date),
    "convertsToDateTime": _tests(conversions.to_datetime),
    "convertsToTime": _tests(conversions.to_time),
    "convertsToQuantity": _tests(conversions.to_quantity)._replace(arguments=_STRING),
    "precision": Scalar(conversions.precision, "any", INTEGER),
    "lowBoundary": Scalar(conversions.low_boundary, "any", None, ("integer",)),
    "highBoundary": Scalar(conversions.high_boundary, "any", None, ("integer",)),
    "comparable": Scalar(conversions.comparable, "quantity", BOOLEAN, ("quantity",), 1),
}
