"""``_filter``: an expression over search parameters (http://hl7.org/fhir/R4/search_filter.html).

The text is parsed first; it is bound to resource types afterwards, because what stands in brackets is about the type that the reference
before it points at. *and* and *or* have no precedence: they are read from left to right.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from penstock.errors import Problem
from penstock.formats.fhir.searchparams import Parameters
from penstock.store.search.condition import And, Compared, Condition, Not, Or
from penstock.store.search.parameter import criterion, parameter
from penstock.store.search.read import Reader
from penstock.store.search.types import KINDS

#: Parentheses and brackets within each other.
DEPTH = 20
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_\-]*")
_WORD = re.compile(r"[^\s)\]]+")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


@dataclass(frozen=True, slots=True)
class Step:
    """A name of a path, and the filter in brackets behind it."""

    name: str
    filter: Expression | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """``path operator value``"""

    path: tuple[Step, ...]
    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class Logic:
    """``left and right`` or ``left or right``"""

    word: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Negation:
    """``not (…)``"""

    of: Expression


Expression = Comparison | Logic | Negation


def parse(text: str) -> Expression:
    """The expression that ``text`` is; ``value`` where it is none."""
    parser = _Parser(text)
    found = parser.filter(0)
    if parser.at < len(text):
        raise _malformed()
    return found


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


OPERATORS = frozenset(("eq", "ne", "co", "sw", "ew", "pr", "po", "re", *_PREFIXES, *_CODED))


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self.at = 0

    def filter(self, depth: int) -> Expression:
        if depth > DEPTH:
            raise Problem("too-costly", "this filter has too many parentheses within each other", at="_filter")
        left = self._single(depth)
        while (word := self._ahead("and", "or")) is not None:
            left = Logic(word, left, self._single(depth))
        return left

    def _single(self, depth: int) -> Expression:
        self._space()
        start = self.at
        if self._name_is("not") and self._symbol("("):
            return Negation(self._closed(depth, ")"))
        self.at = start
        if self._symbol("("):
            return self._closed(depth, ")")
        path = self._path(depth)
        operator = self._match(_NAME)
        if operator not in OPERATORS:
            raise Problem("value", "this is no comparison of _filter", at="_filter")
        return Comparison(path, operator, self._value())

    def _closed(self, depth: int, end: str) -> Expression:
        inner = self.filter(depth + 1)
        if not self._symbol(end):
            raise _malformed()
        return inner

    def _path(self, depth: int) -> tuple[Step, ...]:
        steps = []
        while True:
            name = self._match(_NAME)
            inner = self._closed(depth, "]") if self._next("[") else None
            steps.append(Step(name, inner))
            if not self._next("."):
                if inner is not None:
                    raise _malformed()
                return tuple(steps)

    def _value(self) -> str:
        self._space()
        if self._text.startswith('"', self.at):
            return _decoded(self._match(_STRING))
        return self._match(_WORD)

    def _ahead(self, *words: str) -> str | None:
        start = self.at
        self._space()
        for word in words:
            if self.at > start and self._name_is(word):
                return word
        self.at = start if self.at < len(self._text) else self.at
        return None

    def _name_is(self, word: str) -> bool:
        found = _NAME.match(self._text, self.at)
        if found is None or found[0] != word:
            return False
        self.at = found.end()
        return True

    def _symbol(self, symbol: str) -> bool:
        self._space()
        return self._next(symbol)

    def _next(self, symbol: str) -> bool:
        if not self._text.startswith(symbol, self.at):
            return False
        self.at += 1
        return True

    def _match(self, pattern: re.Pattern[str]) -> str:
        self._space()
        found = pattern.match(self._text, self.at)
        if found is None:
            raise _malformed()
        self.at = found.end()
        return found[0]

    def _space(self) -> None:
        while self.at < len(self._text) and self._text[self.at].isspace():
            self.at += 1


def _decoded(literal: str) -> str:
    try:
        return str(msgspec.json.decode(literal.encode()))
    except (ValueError, UnicodeEncodeError):
        raise _malformed() from None


def _malformed() -> Problem:
    return Problem("value", "this is not written as a _filter is", at="_filter")
