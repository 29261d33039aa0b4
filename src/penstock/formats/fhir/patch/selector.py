"""The XPath of an XML Patch (RFC 5261, section 4.1), as far as it goes: a path of child steps with simple predicates.

Selectors come from clients, so they are read by this small grammar and walked once a step; no XPath engine sees them. ``f:`` is FHIR
and ``h:`` is XHTML, without a declaration (http://hl7.org/fhir/R4/http.html#patch)::

    f:Patient/f:identifier[f:system/@value='urn:x'][1]/f:value/@value
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from lxml import etree

from penstock.errors import Problem
from penstock.formats.fhir.xml.names import FHIR, XHTML

Element = etree._Element

PREFIXES: Mapping[str, str] = {"f": FHIR, "h": XHTML}
MOST_STEPS = 64

_TOKEN = re.compile(
    r"\s*(?:(?P<literal>'[^']*'|\"[^\"]*\")|(?P<kind>(?:text|comment)\(\))|(?P<name>@?(?:[A-Za-z_][\w.-]*:)?(?:[A-Za-z_][\w.-]*|\*))"
    r"|(?P<number>[1-9][0-9]{0,8})|(?P<sign>[/\[\]=.]))",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step: an element name (``{namespace}local`` or ``*``), ``@name``, ``text()``, ``comment()`` or ``.``."""

    test: str
    predicates: tuple[Predicate, ...]


class Predicate(NamedTuple):
    """``[3]`` has a position; ``[path='text']`` a path and a text; ``[path]`` a path alone."""

    position: int | None
    path: tuple[Step, ...]
    text: str | None


class Node(NamedTuple):
    """What a step finds: ``element`` itself, or one of its attributes or texts.

    ``slot`` is None for the element, ``@name`` for an attribute, ``text`` for the text at its start, ``tail`` for the one behind it.
    """

    element: Element
    slot: str | None = None

    def value(self) -> str:
        """The string value (https://www.w3.org/TR/xpath-10/#data-model)."""
        if self.slot is None:
            return "".join(self.element.itertext(with_tail=False))
        if self.slot[0] == "@":
            return str(self.element.get(self.slot[1:]))
        return (self.element.text if self.slot == "text" else self.element.tail) or ""


def select(document: Element, selector: str, prefixes: Mapping[str, str], at: str) -> Node:
    """The one node below ``document`` that a selector finds; none and several are errors (RFC 5261, section 4.1)."""
    found = _walk(document, read(selector, prefixes, at))
    if len(found) != 1:
        text = "a selector finds several nodes, and must find one" if found else "a selector finds nothing in the resource"
        raise Problem("value", text, at=at)
    return found[0]


def read(selector: str, prefixes: Mapping[str, str], at: str) -> tuple[Step, ...]:
    """The steps of a selector."""
    tokens = _Tokens(selector, {**PREFIXES, **prefixes}, at)
    if tokens.peek == "/":
        tokens.take()
    steps = tokens.path()
    if tokens.peek is not None:
        raise tokens.problem()
    return steps


class _Tokens:
    def __init__(self, text: str, prefixes: Mapping[str, str], at: str) -> None:
        self._at, self._prefixes = at, prefixes
        self._tokens: list[str] = []
        text, place = text.strip(), 0
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None or match.end() == place:
                raise self.problem()
            self._tokens.append(match[0].strip())
            place = match.end()
        self._place = self._steps = 0

    @property
    def peek(self) -> str | None:
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    def take(self) -> str:
        token = self.peek
        if token is None:
            raise self.problem()
        self._place += 1
        return token

    def problem(self) -> Problem:
        return Problem("structure", "this is not a selector as RFC 5261 has them, with steps, names and simple predicates", at=self._at)

    def path(self) -> tuple[Step, ...]:
        steps = [self._step()]
        while self.peek == "/":
            self.take()
            steps.append(self._step())
        return tuple(steps)

    def _step(self) -> Step:
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise self.problem()
        test = self._test(self.take())
        predicates: list[Predicate] = []
        while self.peek == "[":
            predicates.append(self._predicate())
        return Step(test, tuple(predicates))

    def _test(self, token: str) -> str:
        if token in (".", "*", "text()", "comment()"):
            return token
        mark, name = ("@", token[1:]) if token[0] == "@" else ("", token)
        prefix, colon, local = name.rpartition(":")
        if (not name[:1].isalpha() and name[:1] != "_") or (colon and prefix not in self._prefixes):
            raise self.problem()
        return mark + (f"{{{self._prefixes[prefix]}}}{local}" if colon else local)

    def _predicate(self) -> Predicate:
        self.take()
        position = text = None
        path: tuple[Step, ...] = ()
        if (self.peek or "").isdigit():
            position = int(self.take())
        else:
            path = self.path()
            if self.peek == "=":
                self.take()
                literal = self.take()
                if literal[0] not in "'\"":
                    raise self.problem()
                text = literal[1:-1]
        if self.take() != "]":
            raise self.problem()
        return Predicate(position, path, text)


def _walk(start: Element, steps: tuple[Step, ...]) -> list[Node]:
    nodes = [Node(start)]
    for step in steps:
        nodes = [found for node in nodes if node.slot is None for found in _filtered(list(_children(node.element, step.test)), step)]
    return nodes


def _filtered(nodes: list[Node], step: Step) -> list[Node]:
    for predicate in step.predicates:
        if predicate.position is not None:
            nodes = nodes[predicate.position - 1 : predicate.position]
        else:
            nodes = [node for node in nodes if _holds(node, predicate)]
    return nodes


def _holds(node: Node, predicate: Predicate) -> bool:
    found = [node] if predicate.path[0].test == "." else _walk(node.element, predicate.path) if node.slot is None else []
    return bool(found) if predicate.text is None else any(each.value() == predicate.text for each in found)


def _children(element: Element, test: str) -> Iterator[Node]:
    if test[0] == "@":
        if element.get(test[1:]) is not None:
            yield Node(element, test)
    elif test == "text()":
        if element.text:
            yield Node(element, "text")
        yield from (Node(child, "tail") for child in element if child.tail)
    elif test == "comment()":
        yield from (Node(child) for child in element if isinstance(child, etree._Comment))
    elif test == ".":
        yield Node(element)
    else:
        yield from (Node(child) for child in element if isinstance(child.tag, str) and test in ("*", child.tag))
