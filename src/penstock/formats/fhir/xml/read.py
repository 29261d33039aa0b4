"""XML to a resource, in one pass over the events of the parser.

The parser never sees a document type declaration (it is refused where it begins), so there are no entities, no external files and
nothing that grows. A stack of frames, one for each open element, builds the resource; a narrative is cut out of the text as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from penstock.errors import Problem
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.json import MAX_DEPTH, MAX_EXPONENT, MAX_NUMBER
from penstock.formats.fhir.xml.names import FHIR, Kind, Member, tags
from penstock.formats.fhir.xml.narrative import Prefixes, cut_out
from penstock.formats.fhir.xml.safe import BOM, reader, run

Resource = dict[str, Any]

_IN_FHIR = FHIR + " "
_IGNORED = "http://www.w3.org/2001/XMLSchema-instance "
#: What may be an attribute beside ``value``; only an Extension has a url.
_ATTRIBUTES: dict[Kind, tuple[str, ...]] = {"primitive": ("id",), "complex": ("id", "url"), "resource": (), "xhtml": ()}
_ELEMENT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}", re.ASCII)


def decode(data: bytes | bytearray | memoryview, *, ordered: bool = True) -> Resource:
    """One resource. What is not well-formed, or has no place in JSON, is Problem("structure"), or "value" for a value.

    ``ordered`` insists on the order of the elements, which the standard does.
    """
    return _Reader(bytes(data).removeprefix(BOM), ordered).read()


class _Frame:
    """An open element: the value that it becomes, and what it may contain.

    ``members`` is None where a resource is expected. Of a primitive, ``value`` is the sibling object and ``text`` its value.
    """

    __slots__ = ("depth", "member", "members", "order", "text", "value")

    def __init__(self, member: Member | None, members: dict[str, Member] | None, value: Resource, depth: int) -> None:
        self.member = member
        self.members = members
        self.value = value
        self.depth = depth
        self.order = -1
        self.text: Any = None


class _Reader:
    def __init__(self, data: bytes, ordered: bool) -> None:
        self._data = data
        self._ordered = ordered
        self._root = _Frame(None, None, {}, 0)
        self._stack = [self._root]
        self._prefixes = Prefixes()
        self._div_from = self._div_depth = 0
        self._div_filled = False
        self._div_prefixes: dict[str | None, str] = {}
        parser = reader()
        parser.StartNamespaceDeclHandler, parser.EndNamespaceDeclHandler = self._prefixes.begin, self._prefixes.end
        self._parser = parser
        self._outside_div()

    def read(self) -> Resource:
        run(self._parser, self._data)
        return self._root.value

    def _outside_div(self) -> None:
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text

    # the elements of FHIR

    def _start(self, tag: str, given: dict[str, str]) -> None:
        frame = self._stack[-1]
        if frame.members is None:
            self._start_resource(frame, tag, given)
            return
        member = frame.members.get(tag)
        if member is None:
            name = tag.removeprefix(_IN_FHIR)
            raise self._problem("R4 has no such element here", name if _ELEMENT_NAME.fullmatch(name) else None)
        if member.order < frame.order and self._ordered:
            raise self._problem("an element stands before those that it comes after in its definition", member.name)
        frame.order = member.order
        depth = frame.depth + 1
        if member.many:
            depth += 1
        elif member.name in frame.value or member.sibling in frame.value:
            raise self._problem("an element that stands once is repeated", member.name)
        if depth > MAX_DEPTH:
            raise Problem("structure", f"elements are nested deeper than {MAX_DEPTH} levels of JSON")
        if member.kind == "xhtml":
            self._start_div()
        else:
            self._open(member, given, depth)

    def _open(self, member: Member, given: dict[str, str], depth: int) -> None:
        new = _Frame(member, tags(member.inside) if member.inside else None, {}, depth)
        self._stack.append(new)
        for name, text in given.items():
            if name == "value" and member.kind == "primitive":
                new.text = text if member.type not in _CONVERT else self._converted(_CONVERT[member.type], text)
            elif name in _ATTRIBUTES[member.kind] and (name == "id" or member.type == "Extension"):
                new.value[name] = text
            elif not name.startswith(_IGNORED):
                raise self._problem("an element has an attribute that R4 does not know")

    def _start_resource(self, frame: _Frame, tag: str, given: dict[str, str]) -> None:
        name = tag.removeprefix(_IN_FHIR)
        if tag == name or name not in r4().resource_types:
            raise self._problem("a resource is an element of the FHIR namespace that is named like a type of R4")
        if frame.value:
            raise self._problem("one resource is expected here")
        frame.value = {"resourceType": name}
        self._stack.append(_Frame(None, tags(name), frame.value, frame.depth))
        self._refuse_attributes(given)

    def _refuse_attributes(self, given: dict[str, str]) -> None:
        if given and not all(name.startswith(_IGNORED) for name in given):
            raise self._problem("an element has an attribute that R4 does not know")

    def _converted(self, convert: Callable[[str], Any], text: str) -> Any:
        value = convert(text)
        if value is None:
            raise self._problem("this is not written as its type asks", code="value")
        return value

    def _end(self, _: str) -> None:
        frame = self._stack.pop()
        member = frame.member
        if member is None:  # a resource: its frame holds the dict of the one around it
            _complete(frame.value)
            return
        parent = self._stack[-1].value
        if member.kind == "primitive":
            self._end_primitive(frame, member, parent)
            return
        if not frame.value:
            self._stack.append(frame)
            raise self._problem("an element is never empty: leave it out")
        if member.kind == "complex":
            _complete(frame.value)
        if member.many:
            parent.setdefault(member.name, []).append(frame.value)
        else:
            parent[member.name] = frame.value

    def _end_primitive(self, frame: _Frame, member: Member, parent: Resource) -> None:
        name, value, sibling = member.name, frame.text, frame.value
        if sibling:
            _complete(sibling)
        elif value is None:
            self._stack.append(frame)
            raise self._problem("an element is never empty: leave it out")
        if not member.many:
            if value is not None:
                parent[name] = value
            if sibling:
                parent[member.sibling] = sibling
            return
        parent.setdefault(name, []).append(value)
        if sibling:
            siblings = parent.setdefault(member.sibling, [])
            siblings += [None] * (len(parent[name]) - 1 - len(siblings))
            siblings.append(sibling)

    def _text(self, text: str) -> None:
        if not text.isspace():
            raise self._problem("there is text between elements: FHIR has values in attributes")

    # a narrative

    def _start_div(self) -> None:
        self._div_from, self._div_depth, self._div_filled = self._parser.CurrentByteIndex, 1, False
        self._div_prefixes = self._prefixes.now()
        self._parser.StartElementHandler = self._start_in_div
        self._parser.EndElementHandler = self._end_in_div
        self._parser.CharacterDataHandler = self._text_in_div

    def _start_in_div(self, _: str, __: dict[str, str]) -> None:
        self._div_filled = True
        self._div_depth += 1
        if self._div_depth > MAX_DEPTH:
            raise Problem("structure", f"the elements of a narrative are nested deeper than {MAX_DEPTH} levels")

    def _text_in_div(self, _: str) -> None:
        self._div_filled = True

    def _end_in_div(self, _: str) -> None:
        self._div_depth -= 1
        if self._div_depth:
            return
        start, end = self._div_from, self._parser.CurrentByteIndex
        closed = not self._div_filled and self._data[end - 2 : end] == b"/>"
        raw = self._data[start : end if closed else self._data.index(b">", end) + 1]
        self._stack[-1].value["div"] = cut_out(raw.decode(), self._div_prefixes)
        self._outside_div()

    # where and what is wrong

    def _problem(self, text: str, name: str | None = None, *, code: str = "structure") -> Problem:
        return Problem(code, text, at=self._at(name))

    def _at(self, name: str | None) -> str:
        steps: list[str] = []
        around: Resource = {}
        for frame in self._stack[1:]:
            if frame.member is None:
                if not steps:
                    steps.append(frame.value["resourceType"])
            elif frame.member.many:
                steps.append(f"{frame.member.name}[{len(around.get(frame.member.name, ()))}]")
            else:
                steps.append(frame.member.name)
            around = frame.value
        return ".".join((*steps, name) if name else steps)


def _complete(value: Resource) -> None:
    """Fill arrays of primitives and of their extensions to one length; leave out an array that has only nulls (json.html#primitive)."""
    for sibling in [name for name, each in value.items() if name[0] == "_" and each.__class__ is list]:
        values, siblings = value[sibling[1:]], value[sibling]
        siblings += [None] * (len(values) - len(siblings))
        if all(each is None for each in values):
            del value[sibling[1:]]


def _boolean(text: str) -> bool | None:
    return _BOOLEANS.get(text)


def _whole(text: str) -> int | None:
    return int(text) if _WHOLE(text) and len(text) <= MAX_NUMBER else None


def _decimal(text: str) -> Decimal | int | None:
    """As the JSON reader has it: a number without fraction and exponent is an int."""
    if not _DECIMAL(text) or len(text) > MAX_NUMBER:
        return None
    if _WHOLE(text) and text != "-0":
        return int(text)
    try:
        number = Decimal(text)
    except InvalidOperation:  # an exponent that no decimal has
        return None
    return number if abs(number.adjusted()) <= MAX_EXPONENT else None


_BOOLEANS = {"true": True, "false": False}
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]*)").fullmatch
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?").fullmatch

#: Primitive types whose JSON is no string.
_CONVERT: dict[str, Callable[[str], Any]] = {
    "boolean": _boolean,
    "integer": _whole,
    "unsignedInt": _whole,
    "positiveInt": _whole,
    "decimal": _decimal,
}
