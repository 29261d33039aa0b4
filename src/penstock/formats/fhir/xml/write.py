"""A resource to XML. What is to be written of a set of properties is worked out once for each set, as ``arrange`` does for JSON."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from itertools import zip_longest
from typing import Any, NamedTuple

from penstock.errors import Problem
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.xml.names import FHIR, Member, attributes, members
from penstock.formats.fhir.xml.narrative import embed

Resource = dict[str, Any]

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_MOST_SHAPES = 500
#: What an attribute escapes, and what XML 1.0 cannot hold at all (https://www.w3.org/TR/xml/#charsets).
_SPECIAL = re.compile('[&<>"\t\n\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]')
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}


class _Shape(NamedTuple):
    """What is written of an object: its attributes, then its elements in their order, each with whether ``_name`` is there too."""

    attributes: tuple[str, ...]
    elements: tuple[tuple[Member, bool], ...]


_shapes: dict[str, dict[tuple[str, ...], _Shape]] = {}


def encode(resource: Resource, *, pretty: bool = False) -> bytes:
    """One document in UTF-8. Problem("not-acceptable") for what XML cannot hold, such as the character U+FFFF."""
    out: list[str] = []
    try:
        _resource(out, resource, f' xmlns="{FHIR}"')
    except RecursionError:
        raise Problem("structure", "elements are nested too deep") from None
    return (_HEAD + (_indented(out) if pretty else "".join(out))).encode()


def _resource(out: list[str], value: Any, namespace: str = "") -> None:
    type = value.get("resourceType") if value.__class__ is dict else None
    if type.__class__ is not str or type not in r4().resource_types:
        raise Problem("structure", "a resource has a type of R4")
    if len(value) == 1:
        out.append(f"<{type}{namespace}/>")
        return
    out.append(f"<{type}{namespace}>")
    _inside(out, value, _shape(type, value))
    out.append(f"</{type}>")


def _shape(type: str, value: Any) -> _Shape:
    if value.__class__ is not dict:
        raise Problem("structure", "an object is expected here", at=type)
    names = tuple(value)
    try:
        return _shapes[type][names]
    except KeyError:
        shape = _learn(type, names)
    known = _shapes.setdefault(type, {})
    if len(known) >= _MOST_SHAPES:
        known.clear()
    known[names] = shape
    return shape


def _learn(type: str, names: tuple[str, ...]) -> _Shape:
    aside, known = attributes(type), members(type)
    given = set(names) - aside
    written = [(member, "_" + name in given) for name, member in known.items() if name in given or "_" + name in given]
    places = {name for member, _ in written for name in (member.name, "_" + member.name) if _has_sibling(member) or name == member.name}
    if type in r4().resource_types:
        places.add("resourceType")
    if given - places:
        raise Problem("not-acceptable", "a property has no place in XML: R4 does not know it", at=type)
    return _Shape(tuple(name for name in ("id", "url") if name in aside and name in names), tuple(written))


def _has_sibling(member: Member) -> bool:
    return member.kind == "primitive"


def _inside(out: list[str], value: Resource, shape: _Shape) -> None:
    for member, extended in shape.elements:
        name = member.name
        if member.kind == "primitive":
            if extended:
                _extended(out, member, value.get(name), value["_" + name])
            elif member.many:
                out += [f'<{name} value="{_text(each)}"/>' for each in _each(value[name], name)]
            else:
                out.append(f'<{name} value="{_text(value[name])}"/>')
        elif member.kind == "xhtml":
            out.append(embed(_string(value[name], name)))
        else:
            write = _complex if member.kind == "complex" else _contained
            for each in _each(value[name], name) if member.many else (value[name],):
                write(out, member, each)


def _complex(out: list[str], member: Member, value: Any) -> None:
    shape = _shape(member.type, value)
    start = member.name + "".join(f' {each}="{_text(value[each])}"' for each in shape.attributes)
    if not shape.elements:
        out.append(f"<{start}/>")
        return
    out.append(f"<{start}>")
    _inside(out, value, shape)
    out.append(f"</{member.name}>")


def _contained(out: list[str], member: Member, value: Any) -> None:
    out.append(f"<{member.name}>")
    _resource(out, value)
    out.append(f"</{member.name}>")


def _extended(out: list[str], member: Member, values: Any, siblings: Any) -> None:
    """A primitive with id or extensions; arrays of both are read side by side (json.html#primitive)."""
    if not member.many:
        _primitive(out, member.name, values, siblings)
        return
    given = () if values is None else _each(values, member.name)
    for value, sibling in zip_longest(given, _each(siblings, member.name)):
        _primitive(out, member.name, value, sibling)


def _primitive(out: list[str], name: str, value: Any, sibling: Any) -> None:
    start = name if value is None else f'{name} value="{_text(value)}"'
    if sibling is None:
        out.append(f"<{start}/>")
        return
    shape = _shape("Element", sibling)
    if shape.attributes:
        start = f'{name} id="{_text(sibling["id"])}"{start[len(name) :]}'
    if not shape.elements:
        out.append(f"<{start}/>")
        return
    out.append(f"<{start}>")
    _inside(out, sibling, shape)
    out.append(f"</{name}>")


def _each(values: Any, name: str) -> Iterable[Any]:
    if values.__class__ is not list:
        raise Problem("structure", "an array is expected here", at=name)
    found: list[Any] = values
    return found


def _string(value: Any, name: str) -> str:
    if value.__class__ is not str:
        raise Problem("structure", "a string is expected here", at=name)
    text: str = value
    return text


def _text(value: Any) -> str:
    """A value as an attribute holds it."""
    if value.__class__ is str:
        return _SPECIAL.sub(_escape, value) if _SPECIAL.search(value) else value
    if value.__class__ is bool:
        return "true" if value else "false"
    if value.__class__ is int or value.__class__ is Decimal:
        return str(value)
    raise Problem("structure", "a value is a string, a number, true or false")


def _escape(found: re.Match[str]) -> str:
    escaped = _ESCAPES.get(found[0])
    if escaped is None:
        raise Problem("not-acceptable", "a text holds a character that XML cannot have: this resource can be had as JSON only")
    return escaped


def _indented(pieces: Iterable[str]) -> str:
    """Each tag on its own line; a narrative, which is one piece, as it is."""
    lines: list[str] = []
    depth = 0
    for piece in pieces:
        if piece.startswith("</"):
            depth -= 1
        lines.append("  " * depth + piece)
        if not piece.lstrip().startswith(("</", "<div")) and not piece.endswith("/>"):
            depth += 1
    return "\n".join(lines) + "\n"
