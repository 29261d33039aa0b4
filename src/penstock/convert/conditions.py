"""The conditions of the mapping tables: a tolerant parser for all the spellings they use, into a small tree.

Accepted, besides the published grammar: EQUALS / EQUAL TO / = / IS, IS NOT / NOT EQUALS / NOT, IS IN, LST.COUNT / COUNT with words or
signs, LENGTH, NUMERIC, VALUE / VALUED / IS EMPTY / EXISTS / DOES NOT EXIST, a repeated IF, an implicit subject (`IF NOT VALUED`), and
predicates shared by several subjects (`PID-33 AND PID-34 VALUED`). Ours, for decisions: `NEVER` and `ALWAYS`; `FIRST`, for the first
segment of its name in its group; `ENCODING.RXR`, in message maps, for a segment inside a group.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from penstock.errors import Problem

TOKEN = re.compile(
    r"""\s*(?:(?P<string>"[^"]*")|(?P<ref>[A-Z][A-Z0-9]{1,2}[-.][0-9]+(?:\.[0-9]+)*)|(?P<number>[0-9]+)|(?P<sign><=|>=|!=|<>|[()=<>,])"""
    r"""|(?P<word>[A-Za-z][A-Za-z0-9]*(?:\.[A-Za-z][A-Za-z0-9]*)?))"""
)
REF = re.compile(r"([A-Z][A-Z0-9]{1,2})([-.])([0-9]+(?:\.[0-9]+)*)$")
#: a segment, and a segment inside a group of the structure: `RXR`, `ENCODING.RXR`
SEGMENT = re.compile(r"(?:(?!LST\.)[A-Z][A-Z0-9]*\.)?[A-Z][A-Z0-9]{2}")
NOISE = {"IF", "TO", "THAN", "OR EQUAL"}
COMPARE = {"=": "==", "!=": "!=", "<>": "!=", "<": "<", ">": ">", "<=": "<=", ">=": ">="}


class Ref(NamedTuple):
    """A place in the message: `PID-11.9`, `CX.4`; no numbers for a whole segment; no name for the row's own source."""

    name: str
    numbers: tuple[int, ...] = ()


class Test(NamedTuple):
    """A leaf: kind is valued, equals, in, count, length, first or constant."""

    kind: str
    ref: Ref
    sign: str = "=="
    values: tuple[str | Ref, ...] = ()


class Junction(NamedTuple):
    """kind is and, or, not."""

    kind: str
    parts: tuple[Condition, ...]


Condition = Test | Junction
OWN = Ref("")


def ref(text: str) -> Ref:
    found = REF.match(text)
    if found is None:
        return Ref(text)
    return Ref(found[1], tuple(int(n) for n in found[3].split(".")))


def parse(text: str) -> Condition | None:
    """The tree of a condition; None for no condition. An unreadable one is a Problem."""
    if not text:
        return None
    tokens = tokenize(text)
    if not tokens:
        raise Problem("structure", "this condition says nothing")
    reader = Reader(tokens)
    tree = reader.either()
    if reader.peek() != ("", ""):
        raise Problem("structure", "this condition goes on after its end")
    return tree


def tokenize(text: str) -> list[tuple[str, str]]:
    tokens, at = [], 0
    text = text.strip()
    while at < len(text):
        found = TOKEN.match(text, at)
        if found is None:
            raise Problem("structure", "this condition has a part that is not readable")
        kind = found.lastgroup or ""
        value = found[kind]
        if kind == "word":
            value = value.upper()
        if not (kind == "word" and value in NOISE):
            tokens.append((kind, value))
        at = found.end()
    return tokens


class Reader:
    """Recursive descent: either → both → unit → test."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens
        self.at = 0

    def peek(self, ahead: int = 0) -> tuple[str, str]:
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else ("", "")

    def take(self, *words: str) -> bool:
        if self.peek()[1] in words and self.peek()[0] in ("word", "sign"):
            self.at += 1
            return True
        return False

    def either(self) -> Condition:
        parts = [self.both()]
        while self.take("OR"):
            parts.append(self.both())
        return shared("or", parts)

    def both(self) -> Condition:
        parts = [self.unit()]
        while self.take("AND"):
            parts.append(self.unit())
        return shared("and", parts)

    def unit(self) -> Condition:
        if self.take("("):
            inner = self.either()
            if not self.take(")"):
                raise Problem("structure", "this condition has an open bracket")
            return inner
        if self.take("NEVER", "ALWAYS"):
            return Test("constant", OWN, values=("yes",) if self.tokens[self.at - 1][1] == "ALWAYS" else ())
        if self.take("FIRST"):
            return Test("first", OWN)
        return self.test(self.subject())

    def subject(self) -> Ref:
        kind, value = self.peek()
        if kind == "ref" or (kind == "word" and SEGMENT.fullmatch(value) and value not in ("NOT", "AND", "LST")):
            self.at += 1
            return ref(value)
        return OWN

    def test(self, subject: Ref) -> Condition:
        self.take("LST.COUNT") or self.take("LST")
        if self.tokens[self.at - 1][1] in ("LST.COUNT", "LST") or self.take("COUNT"):
            return self.number("count", subject)
        if self.take("LENGTH"):
            return self.number("length", subject)
        negative = False
        while self.take("NOT", "IS", "DOES", "DO"):
            negative ^= self.tokens[self.at - 1][1] == "NOT"
        return self.predicate(subject, negative)

    def predicate(self, subject: Ref, negative: bool) -> Condition:
        if self.take("VALUED", "VALUE", "EXIST", "EXISTS", "POPULATED"):
            found = negated(Test("valued", subject), negative)
            if self.peek()[1] in ("NOT", "EQUALS", "EQUAL"):  # "IS VALUED NOT EQUAL PID-12": one subject, two predicates
                return Junction("and", (found, self.test(subject)))
            return found
        if self.take("NUMERIC"):
            return negated(Test("numeric", subject), negative)
        if self.take("EMPTY"):
            return negated(Test("valued", subject), not negative)
        if self.take("IN"):
            return negated(Test("in", subject, values=self.list()), negative)
        if self.take("NOT"):
            negative = not negative
        self.take("EQUALS", "EQUAL", "=", "!=", "<>")
        negative ^= self.tokens[self.at - 1][1] in ("!=", "<>")
        kind, value = self.peek()
        if kind in ("string", "ref", "number"):
            self.at += 1
            return negated(Test("equals", subject, values=(value.strip('"') if kind != "ref" else ref(value),)), negative)
        if subject is OWN:
            raise Problem("structure", "this condition has no predicate")
        return Test("bare", subject)

    def list(self) -> tuple[str | Ref, ...]:
        if not self.take("("):
            raise Problem("structure", "this condition has a list without brackets")
        values: list[str | Ref] = []
        while not self.take(")"):
            kind, value = self.peek()
            if kind == "":
                raise Problem("structure", "this condition has an open list")
            if kind in ("string", "number"):
                values.append(value.strip('"'))
            self.at += 1
        return tuple(values)

    def number(self, kind: str, subject: Ref) -> Condition:
        sign = ""
        while self.peek()[0] in ("word", "sign"):
            word = self.peek()[1]
            sign = (
                COMPARE.get(word) or {"GREATER": ">", "LESS": "<", "EQUALS": "==", "EQUAL": "=="}.get(word, sign)
                if not sign
                else sign + "="
            )
            if word == "OR":
                sign = sign.rstrip("=")
            self.at += 1
        token, value = self.peek()
        if token != "number" or sign.rstrip("=") not in ("", "<", ">", "!"):
            raise Problem("structure", "this condition compares with no number")
        self.at += 1
        return Test(kind, subject, sign={"<==": "<=", ">==": ">="}.get(sign, sign), values=(value,))


def references(tree: Condition | None) -> list[Ref]:
    """Every place that a condition reads."""
    if tree is None:
        return []
    if isinstance(tree, Junction):
        return [found for part in tree.parts for found in references(part)]
    return [tree.ref, *(value for value in tree.values if isinstance(value, Ref))]


def negated(test: Condition, negative: bool) -> Condition:
    return Junction("not", (test,)) if negative else test


def shared(kind: str, parts: list[Condition]) -> Condition:
    """Give subjects without a predicate the next one (`PID-33 AND PID-34 VALUED`); the last one is simply valued."""
    done: list[Condition] = []
    follower: Condition | None = None
    for part in reversed(parts):
        if isinstance(part, Test) and part.kind == "bare":
            part = readdressed(follower, part.ref) if follower is not None else Test("valued", part.ref)
        follower = part
        done.insert(0, part)
    return done[0] if len(done) == 1 else Junction(kind, tuple(done))


def readdressed(condition: Condition, subject: Ref) -> Condition:
    if isinstance(condition, Test):
        return condition._replace(ref=subject)
    if condition.kind == "not":
        return Junction("not", tuple(readdressed(part, subject) for part in condition.parts))
    return Test("valued", subject)
