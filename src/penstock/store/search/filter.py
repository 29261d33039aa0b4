"""``_filter``: an expression over search parameters, bound to resource types (http://hl7.org/fhir/R4/search_filter.html).

What stands in brackets is about the type that the reference before it points at: the same text may mean another thing on each.
"""

from __future__ import annotations

from penstock.errors import Problem
from penstock.formats.fhir.searchparams import Parameters
from penstock.store.search.condition import And, Compared, Condition, Not, Or
from penstock.store.search.expression import Comparison, Expression, Logic, Negation, Step
from penstock.store.search.parameter import criterion, parameter
from penstock.store.search.read import Reader
from penstock.store.search.types import KINDS


def bind(reader: Reader, type: str, expression: Expression, depth: int = 0) -> Condition:
    """What an expression asks of a resource of ``type``."""
    match expression:
        case Logic("and", left, right):
            return And((bind(reader, type, left, depth), bind(reader, type, right, depth)))
        case Logic(_, left, right):
            return Or((bind(reader, type, left, depth), bind(reader, type, right, depth)))
        case Negation(of):
            return Not(bind(reader, type, of, depth))
        case Comparison(path, operator, value):
            return _path(reader, type, path, operator, value, depth)


def _path(reader: Reader, type: str, path: tuple[Step, ...], operator: str, value: str, depth: int) -> Condition:
    reader.count(depth)
    first, rest = path[0], path[1:]
    if not rest:
        return compared(reader.parameters, type, first.name, operator, value)

    def read(target: str) -> Condition:
        inner = _path(reader, target, rest, operator, value, depth + 1)
        return inner if first.filter is None else And((bind(reader, target, first.filter, depth + 1), inner))

    return reader.chain(type, first.name, read)


_ORDERED = frozenset(("number", "date", "quantity", "updated"))
_SPANS = frozenset(("date", "updated"))
_PREFIXES = frozenset(("gt", "lt", "ge", "le", "ap", "sa", "eb"))
#: Operators that are a modifier of tokens (search_filter.html: ss, sb, in, ni).
_CODED = {"ss": "below", "sb": "above", "in": "in", "ni": "not-in"}
#: Operators on text to the modifier that finds at least as much in a string.
_TEXTS = {"eq": "", "co": "contains", "sw": "", "ew": "contains"}
_LITERAL = frozenset(("token", "uri", "reference", "id"))


def compared(parameters: Parameters, type: str, code: str, operator: str, value: str) -> Condition:
    """One comparison."""
    kind = KINDS.get(code, parameter(parameters, type, code).type)
    escaped = value.replace("\\", "\\\\").replace(",", "\\,")
    if operator == "pr":
        return _present(parameters, type, code, value)
    if operator in _CODED and kind == "token":
        return criterion(parameters, type, f"{code}:{_CODED[operator]}", value if operator in ("in", "ni") else escaped)
    if operator == "re" and kind == "reference":
        return criterion(parameters, type, code, escaped)
    if kind == "string" and operator in _TEXTS:
        modifier = _TEXTS[operator]
        wider = criterion(parameters, type, f"{code}:{modifier}" if modifier else code, escaped)
        return wider if operator in ("co", "sw") else Compared(code, kind, operator, value, wider)
    if kind in _ORDERED and operator in _PREFIXES | {"eq", "ne"}:
        return criterion(parameters, type, code, operator + escaped)
    if kind in _SPANS and operator == "po":
        return Compared(code, kind, operator, value, None)
    if operator == "eq":
        return criterion(parameters, type, code, escaped)
    if operator == "ne":
        return Compared(code, kind, operator, value, criterion(parameters, type, code, escaped))
    if operator in _TEXTS and kind in _LITERAL:
        return Compared(code, kind, operator, value, None)
    raise Problem("not-supported", "this comparison does not fit this type of parameter", at="_filter")


def _present(parameters: Parameters, type: str, code: str, value: str) -> Condition:
    if value not in ("true", "false"):
        raise Problem("value", "pr is followed by true or false", at="_filter")
    return criterion(parameters, type, f"{code}:missing", "false" if value == "true" else "true")
