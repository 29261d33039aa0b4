"""``_text`` and ``_content``: words of the narrative, and of the whole resource (http://hl7.org/fhir/R4/search.html#content).

    expression = all {"OR" all}        all = word {["AND"] word}        word = "NOT" word | "(" expression ")" | letters | "…"

Words are compared folded. A phrase in quotes asks for its words; they are not required to follow each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Set
from typing import Any

from penstock.errors import Problem
from penstock.formats.fhir.searchparams import Indexed
from penstock.store.change import Resource
from penstock.store.keys import word
from penstock.store.search.criterion import Criterion, plain
from penstock.store.search.fragment import Fragment, Target, either
from penstock.store.words import split_words, text_of

#: Words that one expression may have, and parentheses within each other.
MOST, DEEPEST = 50, 10

_TOKEN = re.compile(r'\s*(?:(?P<quoted>"[^"]*")|(?P<sign>[()])|(?P<word>[^\s()"]+))')

Node = tuple[str, tuple[Any, ...]]
"""("word", (folded,)), ("and" | "or", nodes), ("not", (node,))"""


def compile_text(target: Target, criterion: Criterion) -> Fragment:
    """The narrative has the words."""
    return either([_narrative(target, parse(plain(value), criterion.param)) for value in criterion.values])


def _narrative(target: Target, node: Node) -> Fragment:
    return target.in_side_table(_condition(target, node), "narrative", narrow=_is_positive(node))


def _condition(target: Target, node: Node) -> str:
    kind, parts = node
    match kind:
        case "word":
            return f"(s.words @> {target.add([word(target.prefix('_text'), parts[0])], 'int8[]')})"
        case "not":
            return f"not {_condition(target, parts[0])}"
    return "(" + f" {kind} ".join(_condition(target, part) for part in parts) + ")"


def matches_text(criterion: Criterion, indexed: Indexed) -> bool:
    """The same, decided in memory."""
    return bool(indexed.narrative) and _any(criterion, split_words(text_of(indexed.narrative or "")).keys())


def compile_content(target: Target, criterion: Criterion) -> Fragment:
    """No index holds every word of every resource: what the other criteria leave is looked at."""
    for value in criterion.values:
        parse(plain(value), criterion.param)
    return Fragment("true", exact=False)


def matches_content(criterion: Criterion, resource: Resource) -> bool:
    """The resource has the words somewhere in its values."""
    return _any(criterion, split_words(" ".join(_texts(resource))).keys())


def _any(criterion: Criterion, words: Set[str]) -> bool:
    return any(_holds(parse(plain(value), criterion.param), words) for value in criterion.values)


def _holds(node: Node, words: Set[str]) -> bool:
    kind, parts = node
    return _TESTS[kind](parts, words)


_TESTS: dict[str, Callable[[tuple[Any, ...], Set[str]], bool]] = {
    "word": lambda parts, words: parts[0] in words,
    "not": lambda parts, words: not _holds(parts[0], words),
    "and": lambda parts, words: all(_holds(part, words) for part in parts),
    "or": lambda parts, words: any(_holds(part, words) for part in parts),
}


def _texts(value: Any, name: str = "") -> Iterator[str]:
    match value:
        case dict():
            for key, held in value.items():
                yield from _texts(held, key)
        case list():
            for held in value:
                yield from _texts(held, name)
        case str():
            yield text_of(value) if name == "div" else value


def _is_positive(node: Node) -> bool:
    """Whether what it finds has at least one of its words, so that the index of words finds it."""
    kind, parts = node
    match kind:
        case "word":
            return True
        case "not":
            return False
    return (any if kind == "and" else all)(_is_positive(part) for part in parts)


def parse(text: str, at: str) -> Node:
    """The tree of an expression; Problem("value") where it is none."""
    tokens = list(_TOKEN.finditer(text.strip()))
    if len(tokens) > MOST:
        raise Problem("too-costly", "a text search has at most 50 words", at=at)
    node, end = _alternatives(tokens, 0, 0, at)
    if end != len(tokens):
        raise _malformed(at)
    return node


def _alternatives(tokens: list[re.Match[str]], start: int, depth: int, at: str) -> tuple[Node, int]:
    parts, end = [], start
    while True:
        node, end = _all(tokens, end, depth, at)
        parts.append(node)
        if end == len(tokens) or (tokens[end]["word"] or "").upper() != "OR":
            return (parts[0] if len(parts) == 1 else ("or", tuple(parts))), end
        end += 1


def _all(tokens: list[re.Match[str]], start: int, depth: int, at: str) -> tuple[Node, int]:
    parts: list[Node] = []
    end = start
    while end < len(tokens) and tokens[end]["sign"] != ")" and (tokens[end]["word"] or "").upper() != "OR":
        if (tokens[end]["word"] or "").upper() == "AND" and parts:
            end += 1
        node, end = _one(tokens, end, depth, at)
        parts.append(node)
    if not parts:
        raise _malformed(at)
    return (parts[0] if len(parts) == 1 else ("and", tuple(parts))), end


def _one(tokens: list[re.Match[str]], start: int, depth: int, at: str) -> tuple[Node, int]:
    if start >= len(tokens) or depth > DEEPEST:
        raise _malformed(at)
    token = tokens[start]
    if (token["word"] or "").upper() == "NOT":
        node, end = _one(tokens, start + 1, depth + 1, at)
        return ("not", (node,)), end
    if token["sign"] == "(":
        node, end = _alternatives(tokens, start + 1, depth + 1, at)
        if end >= len(tokens) or tokens[end]["sign"] != ")":
            raise _malformed(at)
        return node, end + 1
    words = split_words(token["quoted"] or token["word"] or "")
    if not words:
        raise _malformed(at)
    found: list[Node] = [("word", (each,)) for each in words]
    return (found[0] if len(found) == 1 else ("and", tuple(found))), start + 1


def _malformed(at: str) -> Problem:
    return Problem("value", "a text search is words, put together by AND, OR, NOT and parentheses", at=at)
