"""Narrative: the part of XHTML that a resource's text may use (http://hl7.org/fhir/R4/narrative.html#xhtml).

Tag names are checked against the specification's list; attributes only for what runs code. This is no XML parser.
"""

from __future__ import annotations

import re
from typing import Any

from penstock.formats.fhir.validate.found import Found, wrong
from penstock.formats.fhir.validate.primitives import EMPTY, STRING, has_control

LIMITED = wrong("value", "the narrative is not the limited XHTML that FHIR allows")

ALLOWED = frozenset(
    "a abbr acronym b big blockquote br caption cite code col colgroup dd dfn div dl dt em h1 h2 h3 h4 h5 h6 hr i img li ol p pre q samp "
    "small span strong sub sup table tbody td tfoot th thead tr tt ul var".split()
) | {""}  # the name of an end tag, as found below

_DIV = re.compile(r"\s*<div\b[^<>]*>.*</div\s*>\s*|\s*<div\b[^<>]*/>\s*", re.DOTALL | re.IGNORECASE)
_tags = re.compile(r"<([^\s/>]*)").findall
_maybe_runs = re.compile(r"(?<![a-z])on[a-z]+\s*=|script\s*:").search
_runs = re.compile(r"<[^<>]*(?:[\s/\"']on[a-z]+\s*=|script\s*:)").search


def xhtml(value: Any) -> list[Found] | None:
    if value.__class__ is not str:
        return STRING
    if not value:
        return EMPTY
    return None if _DIV.fullmatch(value) and _only_allowed(value) and not has_control(value) else LIMITED


def _only_allowed(text: str) -> bool:
    names = set(_tags(text))
    if not names <= ALLOWED and any(name.lower() not in ALLOWED and not name.startswith("!--") for name in names):
        return False
    lowered = text.lower()
    return not (_maybe_runs(lowered) and _runs(lowered))
