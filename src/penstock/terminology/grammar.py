"""Code systems that are a grammar and not a list: a code is known by how it is written.

Languages (BCP 47, RFC 5646), media types (BCP 13, RFC 6838) and units (UCUM). Their codes have no displays here and cannot be enumerated.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from penstock.errors import Problem
from penstock.formats.fhir.ucum import commensurable, is_unit
from penstock.terminology.concept import Concept
from penstock.terminology.patterns import pattern

LANGUAGES = "urn:ietf:bcp:47"
MEDIA_TYPES = "urn:ietf:bcp:13"
UNITS = "http://unitsofmeasure.org"

#: RFC 5646, section 2.1: language, script, region, variants, extensions, private use.
_LANGUAGE = re.compile(
    r"(?:[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4}|[a-z]{5,8})"
    r"(?:-[a-z]{4})?(?:-(?:[a-z]{2}|\d{3}))?"
    r"(?:-(?:[a-z0-9]{5,8}|\d[a-z0-9]{3}))*"
    r"(?:-[a-wyz0-9](?:-[a-z0-9]{2,8})+)*"
    r"(?:-x(?:-[a-z0-9]{1,8})+)?"
    r"|x(?:-[a-z0-9]{1,8})+",
    re.IGNORECASE,
)
#: RFC 5646, section 2.1: tags that were registered before the grammar and do not follow it.
_IRREGULAR = frozenset(
    (
        "en-gb-oed i-ami i-bnn i-default i-enochian i-hak i-klingon i-lux i-mingo i-navajo i-pwn i-tao i-tay i-tsu"
        " sgn-be-fr sgn-be-nl sgn-ch-de"
    ).split()
)
_NAME = r"[A-Za-z0-9][A-Za-z0-9!#$&\-^_.+]{0,126}"
#: RFC 6838, section 4.2, and the parameters of RFC 2045.
_MEDIA_TYPE = re.compile(rf"{_NAME}/{_NAME}(?:\s*;\s*{_NAME}=(?:{_NAME}|\"[^\"\\\r\n]{{0,200}}\"))*")
#: No code of these is longer.
_MOST = 200


class Grammar:
    """A code system by rule. It is complete: what does not follow the rule is no code."""

    enumerable: Final = False
    complete: Final = True
    version: Final = None

    def __init__(self, url: str, name: str, follows: Callable[[str], bool], case_sensitive: bool) -> None:
        self.url = url
        self.name = name
        self.case_sensitive = case_sensitive
        self._follows = lru_cache(maxsize=4096)(follows)

    @property
    def canonical(self) -> str:
        return self.url

    def compile_filter(self, property: str, operator: str, value: str) -> Callable[[Concept], bool]:
        """The test of a filter: by the canonical unit (http://hl7.org/fhir/R4/ucum.html) or by a pattern of the code."""
        if (property, operator) == ("canonical", "=") and self.url == UNITS:
            return lambda concept: commensurable(concept.code, value)
        if (property, operator) == ("code", "regex"):
            expression = pattern(value)
            return lambda concept: expression.fullmatch(concept.code) is not None
        raise Problem("not-supported", "a filter of a value set is one that its code system, which is a grammar, does not have")

    def may_have(self, code: str) -> bool:
        return False

    def find(self, code: str) -> Concept | None:
        return Concept(code, {"code": code}) if len(code) <= _MOST and self._follows(code) else None


def is_language(code: str) -> bool:
    """Whether a tag is well-formed (RFC 5646, section 2.2.9)."""
    return _LANGUAGE.fullmatch(code) is not None or code.lower() in _IRREGULAR


def is_media_type(code: str) -> bool:
    """Whether it is a media type, with or without parameters."""
    return _MEDIA_TYPE.fullmatch(code) is not None


#: The systems that are known by rule.
GRAMMARS: dict[str, Grammar] = {
    each.url: each
    for each in (
        Grammar(LANGUAGES, "IETF language tags", is_language, case_sensitive=False),
        Grammar(MEDIA_TYPES, "Media types", is_media_type, case_sensitive=False),
        Grammar(UNITS, "UCUM", is_unit, case_sensitive=True),
    )
}
