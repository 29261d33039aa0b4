"""What every XML parser of ours refuses, wherever a document comes from.

A document type declaration is refused where it begins: without one there are no entities to expand, no files or addresses to read.
Elements nest so deep and no deeper, and the text is UTF-8 (http://hl7.org/fhir/R4/xml.html).
"""

from __future__ import annotations

from xml.parsers import expat

from lxml import etree

from penstock.errors import Problem
from penstock.formats.fhir.json import MAX_DEPTH

BOM = b"\xef\xbb\xbf"
_ENCODINGS = (None, "utf-8", "utf8", "us-ascii")


def reader() -> expat.XMLParserType:
    """A parser that raises a Problem at a document type declaration or another encoding; names are ``namespace name``."""
    parser = expat.ParserCreate("utf-8", " ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.XmlDeclHandler = _require_utf8
    return parser


def run(parser: expat.XMLParserType, data: bytes) -> None:
    """Parse all of ``data``; what is not well-formed is Problem("structure") with its place."""
    text = data.removeprefix(BOM)
    if not text.strip():
        raise Problem("structure", "the text is empty")
    if b"\0" in text:  # UTF-16, which the parser knows by its first bytes whatever it is told
        raise _not_utf8()
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise Problem("structure", "this is not well-formed XML", at=f"line {error.lineno}, column {error.offset}") from None


def parse(data: bytes) -> etree._Element:
    """The root of a document as a tree, for those who change it; looked at by the strict reader first."""
    run(_measuring(), data)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True, remove_pis=True)
    try:
        return etree.fromstring(data, parser)
    except etree.XMLSyntaxError:  # it asks more of names of namespaces than the strict reader
        raise Problem("structure", "this is not well-formed XML") from None


def _measuring() -> expat.XMLParserType:
    depth = 0

    def start(_: str, __: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > 2 * MAX_DEPTH:
            raise Problem("structure", f"elements are nested deeper than {2 * MAX_DEPTH} levels")

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1

    parser = reader()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    return parser


def _refuse_doctype(*_: object) -> None:
    raise Problem("structure", "a document type declaration is not accepted")


def _require_utf8(_: str, encoding: str | None, __: int) -> None:
    if (encoding.lower() if encoding else None) not in _ENCODINGS:
        raise _not_utf8()


def _not_utf8() -> Problem:
    return Problem("structure", "a resource in XML is encoded in UTF-8")
