"""The XHTML of a narrative: the same text in XML and in the string that JSON has (http://hl7.org/fhir/R4/json.html#xhtml)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html.entities import name2codepoint
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from lxml import etree

from penstock.errors import Problem
from penstock.formats.fhir.json import MAX_DEPTH
from penstock.formats.fhir.xml.names import XHTML

_STANDS_ALONE = re.compile(rf"""<div(?:\s[^<>]*)?\sxmlns\s*=\s*(["']){re.escape(XHTML)}\1""")
_UNDECLARED = re.compile(r"\s*<div(?=[\s/>])(?![^>]*\sxmlns\s*=)")
_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")
_XML_ENTITIES = frozenset(("lt", "gt", "amp", "quot", "apos"))
_PREFIXED = re.compile(r"</?[^\s/>:]+:|\s[^\s=:]+:[^\s=:]+\s*=")
_HARMLESS = frozenset((None, "xsi"))


class Prefixes:
    """The namespaces that are declared where the parser stands."""

    def __init__(self) -> None:
        self._declared: dict[str | None, list[str]] = {}

    def begin(self, prefix: str | None, uri: str | None) -> None:
        """A declaration begins to hold; no URI takes the default namespace away."""
        self._declared.setdefault(prefix, []).append(uri or "")

    def end(self, prefix: str | None) -> None:
        """It ends to hold."""
        self._declared[prefix].pop()

    def now(self) -> dict[str | None, str]:
        """What holds at this moment, the default namespace under None."""
        return {prefix: uris[-1] for prefix, uris in self._declared.items() if uris}


def cut_out(raw: str, prefixes: Mapping[str | None, str]) -> str:
    """The text of a narrative that stands by itself. One that needs namespaces from around it is written anew."""
    if _STANDS_ALONE.match(raw) and (_HARMLESS.issuperset(prefixes) or not _PREFIXED.search(raw)):
        return raw
    return _standing_alone(raw, prefixes)


def _standing_alone(raw: str, prefixes: Mapping[str | None, str]) -> str:
    """Put the declarations around it into a wrapper, and let the div be serialised with XHTML as its default namespace."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    declared = "".join(f" xmlns{':' + name if name else ''}={quoteattr(uri)}" for name, uri in prefixes.items())
    wrapped = f"<wrapper{declared}>{raw}</wrapper>"
    try:
        div = etree.fromstring(wrapped.encode(), parser)[0]
    except etree.XMLSyntaxError:
        raise Problem("structure", "a narrative is not well-formed XHTML", at="div") from None
    alone = etree.Element(f"{{{XHTML}}}div", dict(div.attrib), nsmap={None: XHTML})
    alone.text = div.text
    alone.extend(list(div))
    etree.cleanup_namespaces(alone, top_nsmap={None: XHTML})
    return str(etree.tostring(alone, encoding="unicode", with_tail=False))


def embed(text: str) -> str:
    """The text of a narrative as a part of an XML document: well-formed, in the namespace of XHTML, without entities of HTML."""
    text = _ENTITY.sub(_character, text) if "&" in text else text
    if _UNDECLARED.match(text):
        text = text.replace("<div", f'<div xmlns="{XHTML}"', 1)
    _require_well_formed(text)
    return text


def _character(found: re.Match[str]) -> str:
    code = None if found[1] in _XML_ENTITIES else name2codepoint.get(found[1])
    return found[0] if code is None else f"&#{code};"


def _require_well_formed(text: str) -> None:
    """One div in the namespace of XHTML, and nothing that could end or change the document around it."""
    depth = deepest = 0
    roots: list[str] = []

    def start(name: str, _: dict[str, str]) -> None:
        nonlocal depth, deepest
        if not depth:
            roots.append(name)
        depth += 1
        deepest = max(deepest, depth)

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1

    parser = expat.ParserCreate("utf-8", " ")
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.StartDoctypeDeclHandler = parser.XmlDeclHandler = _refuse
    try:
        parser.Parse(text, True)
    except (expat.ExpatError, UnicodeEncodeError):
        raise _malformed() from None
    if roots != [XHTML + " div"] or deepest > MAX_DEPTH:
        raise _malformed()


def _refuse(*_: object) -> None:
    raise _malformed()


def _malformed() -> Problem:
    return Problem("not-acceptable", "a narrative is not well-formed XHTML: this resource can be had as JSON only", at="text.div")
