"""FHIRPath tokens to a syntax tree: the whole grammar (http://hl7.org/fhirpath/N1/grammar.html), by precedence climbing."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

from penstock.errors import Problem
from penstock.formats.fhir.path.lexer import END, Token, tokens, unquote, where
from penstock.formats.fhir.path.nodes import (
    Binary,
    Call,
    Constant,
    Empty,
    Index,
    Literal,
    Member,
    Node,
    Quantity,
    TypeTest,
    Unary,
    Variable,
)

#: Binary operators and how tightly they bind (http://hl7.org/fhirpath/N1/#operator-precedence).
BINDING = {
    "implies": 1,
    "or": 2,
    "xor": 2,
    "and": 3,
    "in": 4,
    "contains": 4,
    **dict.fromkeys(("=", "~", "!=", "!~"), 5),
    **dict.fromkeys(("<", ">", "<=", ">="), 6),
    "|": 7,
    "is": 8,
    "as": 8,
    **dict.fromkeys(("+", "-", "&"), 9),
    **dict.fromkeys(("*", "/", "div", "mod"), 10),
}
#: Calendar words that may stand for a quantity's unit.
UNITS = {f"{unit}{plural}" for unit in ("year", "month", "week", "day", "hour", "minute", "second", "millisecond") for plural in ("", "s")}
#: Words that are operators, yet may also name an element or function.
ALSO_NAMES = {"as", "is", "contains", "in", "div", "mod", "and", "or", "xor", "implies"}

MAX_LENGTH = 20_000
MAX_DEPTH = 60
#: Digits of a number.
MAX_DIGITS = 64
#: The largest Integer (http://hl7.org/fhirpath/N1/#integer).
MAX_INTEGER = 2**31 - 1


@lru_cache(maxsize=256)
def parse(text: str) -> Node:
    """The tree of an expression. Problem("invalid") names the line and column of what does not fit."""
    if len(text) > MAX_LENGTH:
        raise Problem("too-long", "the expression is too long")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Problem("invalid", "the expression has a character that FHIRPath does not know", at=where(text, error.start)) from None
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokens(text)
        self._next = 0
        self._depth = 0

    def whole(self) -> Node:
        node = self._expression(0)
        if self._peek.kind != END:
            raise self._unexpected()
        return node

    @property
    def _peek(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._tokens[self._next]
        self._next += token.kind != END
        return token

    def _accept(self, symbol: str) -> bool:
        if self._peek.text != symbol or self._peek.kind not in ("symbol", "word"):
            return False
        self._next += 1
        return True

    def _expect(self, symbol: str) -> None:
        if not self._accept(symbol):
            raise self._unexpected()

    def _unexpected(self) -> Problem:
        place = where(self._text, self._peek.place)
        return Problem("invalid", "the expression does not follow the grammar of FHIRPath", at=place)

    def _expression(self, least: int) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Problem("too-costly", "the expression is nested too deep", at=where(self._text, self._peek.place))
        left = self._unary()
        while self._peek.kind in ("symbol", "word") and BINDING.get(self._peek.text, -1) > least:
            token = self._take()
            if token.text in ("is", "as"):
                left = TypeTest(token.text, left, self._type(), token.place)
            else:
                left = Binary(token.text, left, self._expression(BINDING[token.text]), token.place)
        self._depth -= 1
        return left

    def _unary(self) -> Node:
        token, signs = self._peek, []
        while self._peek.kind == "symbol" and self._peek.text in ("+", "-"):
            signs.append(self._take())
        if len(signs) > MAX_DEPTH:
            raise Problem("too-costly", "the expression is nested too deep", at=where(self._text, token.place))
        node = self._postfix(self._term())
        for sign in reversed(signs):
            node = Unary(sign.text, node, sign.place)
        return node

    def _postfix(self, node: Node) -> Node:
        while True:
            place = self._peek.place
            if self._accept("."):
                node = self._invocation(node)
            elif self._accept("["):
                node = Index(node, self._expression(0), place)
                self._expect("]")
            else:
                return node

    def _term(self) -> Node:
        token = self._peek
        if self._accept("("):
            node = self._expression(0)
            self._expect(")")
            return node
        if self._accept("{"):
            self._expect("}")
            return Empty(token.place)
        if self._accept("%"):
            name = self._take()
            return Constant(unquote(name.text) if name.kind in ("string", "quoted") else self._word(name), token.place)
        if token.kind in _LITERALS or token.text in ("true", "false"):
            return self._literal(self._take())
        return self._invocation(None)

    def _word(self, token: Token) -> str:
        if token.kind != "word":
            self._next -= token.kind != END
            raise self._unexpected()
        return token.text

    def _literal(self, token: Token) -> Node:
        if token.kind == "number":
            return self._number(token)
        if token.kind == "string":
            return Literal("String", unquote(token.text), token.place)
        if token.kind == "word":
            return Literal("Boolean", token.text == "true", token.place)
        return Literal(_LITERALS[token.kind], token.text.removeprefix("@"), token.place)

    def _number(self, token: Token) -> Node:
        unit = self._peek
        if len(token.text) > MAX_DIGITS:
            raise Problem("invalid", "a number of the expression has too many digits", at=where(self._text, token.place))
        if unit.kind == "string":
            return Quantity(Decimal(token.text), unquote(self._take().text), token.place)
        if unit.kind == "word" and unit.text in UNITS:
            return Quantity(Decimal(token.text), self._take().text, token.place)
        if "." in token.text:
            return Literal("Decimal", Decimal(token.text), token.place)
        if int(token.text) > MAX_INTEGER:
            raise Problem("invalid", "an integer of the expression is larger than FHIRPath allows", at=where(self._text, token.place))
        return Literal("Integer", int(token.text), token.place)

    def _invocation(self, source: Node | None) -> Node:
        token = self._take()
        if token.kind == "variable":
            if source is not None:
                self._next -= 1
                raise self._unexpected()
            return Variable(token.text, token.place)
        if token.kind == "quoted":
            name = unquote(token.text)
        elif token.kind == "word" and (token.text not in BINDING or token.text in ALSO_NAMES):
            name = token.text
        else:
            self._next -= token.kind != END
            raise self._unexpected()
        if self._accept("("):
            return Call(source, name, self._arguments(directed=name == "sort"), token.place)
        return Member(source, name, token.place)

    def _arguments(self, *, directed: bool) -> tuple[Node, ...]:
        """``directed``: each may be followed by its direction; downwards is the same as a minus before it."""
        if self._accept(")"):
            return ()
        found: list[Node] = []
        while not found or self._accept(","):
            node, place = self._expression(0), self._peek.place
            if directed and self._accept("desc"):
                node = Unary("-", node, place)
            elif directed:
                self._accept("asc")
            found.append(node)
        self._expect(")")
        return tuple(found)

    def _type(self) -> str:
        names = [self._name()]
        while self._accept("."):
            names.append(self._name())
        return ".".join(names).removeprefix("FHIR.")

    def _name(self) -> str:
        token = self._take()
        return unquote(token.text) if token.kind == "quoted" else self._word(token)


_LITERALS = {"number": "Decimal", "string": "String", "date": "Date", "datetime": "DateTime", "time": "Time"}
