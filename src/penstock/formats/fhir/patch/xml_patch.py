"""XML Patch (RFC 5261) on the XML of a resource: ``add``, ``replace`` and ``remove``, each with one selector.

There is no ``test`` in RFC 5261; a selector that must find something serves for one. Namespace declarations and processing instructions
cannot be patched: they are no part of a resource.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from typing import Any, NamedTuple

from lxml import etree

from penstock.errors import Problem
from penstock.formats.fhir.patch.cost import require_affordable, require_few
from penstock.formats.fhir.patch.selector import Element, Node, select
from penstock.formats.fhir.xml import decode, encode
from penstock.formats.fhir.xml.names import FHIR
from penstock.formats.fhir.xml.safe import parse

Resource = dict[str, Any]

_NAMESPACES = ("", FHIR, "urn:ietf:rfc:7351", "urn:ietf:params:xml:schema:patch-ops")
_ROOTS = ("diff", "patch")
_POSITIONS = (None, "prepend", "before", "after")


class _Operation(NamedTuple):
    verb: Callable[[Node, _Operation], None]
    selector: str
    given: Element
    prefixes: Mapping[str, str]
    at: str


def read(data: bytes) -> Callable[[Resource], Resource]:
    """The patch in ``data``: a ``diff`` or ``patch`` with operations in it."""
    operations = _operations(parse(data))

    def patch(resource: Resource) -> Resource:
        require_affordable(operations, resource)
        root = apply(parse(encode(resource)), operations)
        return decode(etree.tostring(root, encoding="UTF-8"), ordered=False)

    return patch


def patched(document: bytes, patch: bytes) -> bytes:
    """Any document with a patch applied."""
    return etree.tostring(apply(parse(document), _operations(parse(patch))), encoding="UTF-8")


def apply(root: Element, operations: Iterable[_Operation]) -> Element:
    """The root of the document with each operation done in turn. The tree is changed."""
    document: Element = etree.Element("document")  # a path begins above the root, and the root too has a place in something
    document.append(root)
    for operation in operations:
        operation.verb(select(document, operation.selector, operation.prefixes, operation.at), operation)
    return document[0]


def _operations(root: Element) -> list[_Operation]:
    name = etree.QName(root)
    if name.localname not in _ROOTS or (name.namespace or "") not in _NAMESPACES:
        raise Problem("structure", "an XML Patch is a diff or patch element with operations in it")
    given = [each for each in root if isinstance(each.tag, str)]
    if not given:
        raise Problem("structure", "an XML Patch has operations in it")
    require_few(given)
    return [_operation(each, f"{name.localname}/*[{number}]") for number, each in enumerate(given, start=1)]


def _operation(given: Element, at: str) -> _Operation:
    name = etree.QName(given)
    verb = _VERBS.get(name.localname)
    selector = given.get("sel")
    if verb is None or (name.namespace or "") not in _NAMESPACES or selector is None:
        raise Problem("structure", "an operation is add, replace or remove, and has a selector (sel)", at=at)
    if given.get("pos") not in _POSITIONS:
        raise Problem("structure", "pos is prepend, before or after", at=f"{at}/@pos")
    return _Operation(verb, selector, given, {prefix: uri for prefix, uri in given.nsmap.items() if prefix}, at)


def _add(node: Node, operation: _Operation) -> None:
    if node.slot is not None:
        raise Problem("structure", "content is added to an element, or beside one", at=operation.at)
    kind = operation.given.get("type", "")
    if kind.startswith("@"):
        _add_attribute(node.element, kind[1:], operation)
    elif kind.startswith("namespace::"):
        _declare(node.element, kind.removeprefix("namespace::"), operation)
    elif kind:
        raise Problem("structure", "type is @name or namespace::prefix", at=f"{operation.at}/@type")
    else:
        _add_content(node.element, operation)


def _add_attribute(element: Element, name: str, operation: _Operation) -> None:
    if not name.isidentifier() or element.get(name) is not None:
        raise Problem("value", "an attribute is added once, by its name", at=operation.at)
    element.set(name, operation.given.text or "")


def _declare(element: Element, prefix: str, operation: _Operation) -> None:
    """An element cannot be given a declaration later: a copy with it takes its place."""
    uri = operation.given.text or ""
    if not prefix.isidentifier() or not uri or prefix in element.nsmap:
        raise Problem("value", "a namespace is declared once, by a prefix", at=operation.at)
    copy = etree.Element(element.tag, dict(element.attrib), nsmap={**element.nsmap, prefix: uri})
    copy.text, copy.tail = element.text, element.tail
    copy.extend(list(element))
    _parent(element, operation).replace(element, copy)


def _add_content(element: Element, operation: _Operation) -> None:
    position = operation.given.get("pos")
    if position in ("before", "after"):
        parent = _parent(element, operation)
        if parent.getparent() is None:
            raise Problem("structure", "nothing stands beside the root of a resource", at=operation.at)
        place = parent.index(element)
        if position == "before":
            _insert(parent, place, operation.given, "")
        else:
            text, element.tail = element.tail, None
            _insert(parent, place + 1, operation.given, text)
    elif position == "prepend":
        text, element.text = element.text, None
        _insert(element, 0, operation.given, text)
    else:
        _insert(element, len(element), operation.given, "")


def _insert(parent: Element, place: int, content: Element, rest: str | None) -> None:
    """Put text and children of ``content`` before the child at ``place``, and the text ``rest`` behind them."""
    _append_text(parent, place, _unless_blank(content.text))
    for child in map(deepcopy, content):  # a patch is applied again when somebody else was faster
        child.tail = _unless_blank(child.tail)
        parent.insert(place, child)
        place += 1
    _append_text(parent, place, rest)


def _append_text(parent: Element, place: int, text: str | None) -> None:
    """Add to the text that stands before the child at ``place``."""
    if not text:
        return
    if place == 0:
        parent.text = (parent.text or "") + text
    else:
        parent[place - 1].tail = (parent[place - 1].tail or "") + text


def _unless_blank(text: str | None) -> str | None:
    return text if text and text.strip() else None


def _replace(node: Node, operation: _Operation) -> None:
    given = operation.given
    if node.slot is not None:
        _set(node, given.text or "")
        return
    if len(given) != 1 or isinstance(given[0].tag, str) != isinstance(node.element.tag, str):
        raise Problem("structure", "a node is replaced by one node of its kind", at=operation.at)
    new = deepcopy(given[0])
    new.tail = node.element.tail
    _parent(node.element, operation).replace(node.element, new)


def _remove(node: Node, operation: _Operation) -> None:
    if node.slot is not None:
        _set(node, None)
        return
    parent = _parent(node.element, operation)
    if parent.getparent() is None:
        raise Problem("structure", "a patch does not remove the resource itself", at=operation.at)
    text, node.element.tail = node.element.tail, None
    _append_text(parent, parent.index(node.element), text)
    parent.remove(node.element)


def _parent(element: Element, operation: _Operation) -> Element:
    parent = element.getparent()
    if parent is None:
        raise Problem("structure", "a patch is about the resource, and what is in it", at=operation.at)
    return parent


def _set(node: Node, text: str | None) -> None:
    """Give an attribute or a text another value; None takes it away."""
    assert node.slot is not None
    if node.slot == "text":
        node.element.text = text
    elif node.slot == "tail":
        node.element.tail = text
    elif text is None:
        del node.element.attrib[node.slot[1:]]
    else:
        node.element.set(node.slot[1:], text)


_VERBS: dict[str, Callable[[Node, _Operation], None]] = {"add": _add, "replace": _replace, "remove": _remove}
