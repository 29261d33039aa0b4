"""Links between the entries of a transaction (http://hl7.org/fhir/R4/http.html#2.21.0.17.3): what a temporary name becomes.

Pure. What is replaced: references, elements of the types uri, url, oid and uuid that hold a temporary name (an absolute URL there may be
the name of a definition, which stays what it is), and the links of the narrative. Only what changes is copied.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from penstock.errors import Problem
from penstock.formats.fhir.definitions import TypeDef, r4

Resource = dict[str, Any]

#: Types whose values are links when they are temporary names; a canonical is not (http.html#2.21.0.17.3).
_URIS = frozenset({"uri", "url", "oid", "uuid"})
#: Names of elements that may hold a link whatever they begin with.
_LINKING = ("reference", "div")
_CONDITIONAL = re.compile(r"[A-Z][A-Za-z]+\?\S+")
_TEMPORARY = ("urn:uuid:", "urn:oid:")
_MARKED = re.compile("href|src")
_NARRATIVE = re.compile(r"""\b(href|src)\s*=\s*(["'])([^"']*)\2""")


def names_of(full_url: str, type_: str) -> Iterator[str]:
    """What other entries may call the entry of ``full_url``: that, and relatively where it is the URL of a resource."""
    yield full_url
    head, slash, last = full_url.rpartition("/")
    if slash and "://" in head and head.endswith("/" + type_):
        yield f"{type_}/{last}"


def conditional_references(value: Any) -> list[str]:
    """Every reference in ``value`` that is a search (``Patient?identifier=…``)."""
    found: list[str] = []
    _collect(value, found)
    return found


def _collect(value: Any, found: list[str]) -> None:
    if type(value) is dict:
        for name, each in value.items():
            if type(each) is str:
                if name == "reference" and "?" in each and _CONDITIONAL.fullmatch(each):
                    found.append(each)
            else:
                _collect(each, found)
    elif type(value) is list:
        for each in value:
            _collect(each, found)


def relink(resource: Resource, links: Mapping[str, str], at: str) -> Resource:
    """``resource`` with each link replaced; itself where it has none. A temporary reference that no entry has is ``invalid``.

    Nearly always only references are links: that needs no types, and is tried first.
    """
    try:
        return _plain(resource, links)
    except _Careful:
        pass
    try:
        return _object(resource, r4().type(resource["resourceType"]), links)
    except _Unknown as unknown:
        raise Problem("invalid", "a reference names an entry that this Bundle does not have", at=at + unknown.path) from None


class _Careful(Exception):
    """Something may be a link by its type, or leads nowhere."""


def _plain(value: Resource, links: Mapping[str, str]) -> Resource:
    changed: Resource | None = None
    for name, each in value.items():
        kind, new = type(each), each
        if kind is str:
            if name == "reference":
                new = links.get(each, each)
                if new is each and each.startswith(_TEMPORARY):
                    raise _Careful
            elif each in links or (name == "div" and _MARKED.search(each)):
                raise _Careful
        elif kind is dict:
            new = _plain(each, links)
        elif kind is list:
            new = _plain_list(each, links)
        if new is not each:
            changed = dict(value) if changed is None else changed
            changed[name] = new
    return value if changed is None else changed


def _plain_list(value: list[Any], links: Mapping[str, str]) -> list[Any]:
    changed: list[Any] | None = None
    for number, each in enumerate(value):
        new = each
        if type(each) is dict:
            new = _plain(each, links)
        elif type(each) is str and each in links:
            raise _Careful
        if new is not each:
            changed = list(value) if changed is None else changed
            changed[number] = new
    return value if changed is None else changed


class _Unknown(Exception):
    """A temporary reference that no entry has; the path grows on the way out."""

    path = ""

    def below(self, step: str) -> _Unknown:
        self.path = step + self.path
        return self


def _object(value: Resource, kind: TypeDef | None, links: Mapping[str, str]) -> Resource:
    changed: Resource | None = None
    for name, each in value.items():
        try:
            new = _member(name, each, kind, links)
        except _Unknown as unknown:
            raise unknown.below(f".{name}") from None
        if new is not each:
            changed = dict(value) if changed is None else changed
            changed[name] = new
    return value if changed is None else changed


def _member(name: str, value: Any, kind: TypeDef | None, links: Mapping[str, str]) -> Any:
    if type(value) is str:
        return _text(name, value, kind, links) if name in _LINKING or value.startswith(_TEMPORARY) else value
    if type(value) is dict:
        return _object(value, _kind_of(name, value, kind), links)
    if type(value) is list:
        return _list(name, value, kind, links)
    return value


def _list(name: str, value: list[Any], kind: TypeDef | None, links: Mapping[str, str]) -> list[Any]:
    changed: list[Any] | None = None
    for number, each in enumerate(value):
        try:
            new = _member(name, each, kind, links)
        except _Unknown as unknown:
            raise unknown.below(f"[{number}]") from None
        if new is not each:
            changed = list(value) if changed is None else changed
            changed[number] = new
    return value if changed is None else changed


def _kind_of(name: str, value: Resource, kind: TypeDef | None) -> TypeDef | None:
    """The type of an object; a resource inside a resource says its own."""
    own = value.get("resourceType")
    if isinstance(own, str):
        return r4().type(own)
    element = kind.elements.get(name) if kind else None
    return r4().type(element.type) if element else None


def _text(name: str, value: str, kind: TypeDef | None, links: Mapping[str, str]) -> str:
    if name == "div":
        return _NARRATIVE.sub(lambda found: f"{found[1]}={found[2]}{links.get(found[3], found[3])}{found[2]}", value)
    if name == "reference" and kind is not None and kind.name == "Reference":
        found = links.get(value)
        if found is None and value.startswith(_TEMPORARY):
            raise _Unknown
        return found or value
    element = kind.elements.get(name) if kind else None
    return links.get(value, value) if element and element.type in _URIS and value.startswith(_TEMPORARY) else value
