"""The text of a ``_filter`` as an expression (http://hl7.org/fhir/R4/search_filter.html). *and* and *or* are read from left to right."""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from penstock.errors import Problem

#: What stands between a path and a value (search_filter.html, table of operations).
OPERATORS = frozenset("eq ne co sw ew gt lt ge le ap sa eb pr po ss sb in ni re".split())

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
