"""What an element adds to the test of its type: required codes, and where a reference may point."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from penstock.formats.fhir.definitions import Element, r4
from penstock.formats.fhir.validate.found import Found, Test, wrong
from penstock.formats.fhir.validate.primitives import CODE, one_of

Codes = dict[str, frozenset[str]]

FORM = [Found(".reference", "value", "a reference is Type/id, a URL, or # and the id of a contained resource")]
TARGET = wrong("structure", "a reference points to a type that the specification does not allow here")

#: ``Type/id`` with an optional version; or a conditional reference of a transaction (references.html#literal, http.html#trules).
_LITERAL = re.compile(r"([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?|([A-Z][A-Za-z]+)\?\S+")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+")
_REST = re.compile(r"https?://\S+/([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?")


def of_element(element: Element, test: Test) -> Test:
    """The test of an element, from the test of its type."""
    if element.type == "Reference":
        return _reference(test, frozenset(element.targets))
    if element.binding is None or element.binding.strength != "required":
        return test
    codes = r4().required_codes(element.binding.value_set)
    bind = _BINDINGS.get(element.type)
    return bind(test, codes) if codes and bind else test


def _code(test: Test, codes: Codes) -> Test:
    return one_of(frozenset().union(*codes.values()))


def _concept(test: Test, codes: Codes) -> Test:
    return lambda value: test(value) or _one_holds(codes, value)


def _one_holds(codes: Codes, concept: dict[str, Any]) -> list[Found] | None:
    """One coding of the set is enough; an extension may say why there is none (data absent reason)."""
    codings = concept.get("coding", ())
    return None if "extension" in concept or any(_holds(codes, coding) for coding in codings) else CODE


def _holds(codes: Codes, coding: dict[str, Any]) -> bool:
    return coding.get("code") in codes.get(coding.get("system", ""), ()) or "_code" in coding


#: R4 requires codes of no element of type Coding.
_BINDINGS: dict[str, Callable[[Test, Codes], Test]] = {"code": _code, "CodeableConcept": _concept}


def _reference(test: Test, targets: frozenset[str]) -> Test:
    allowed = targets if targets and "Resource" not in targets else r4().resource_types

    def reference(value: Any) -> list[Found] | None:
        if found := test(value):
            return found
        text = value.get("reference")
        if text is None or text[0] == "#":
            return None
        if match := _LITERAL.fullmatch(text):
            return None if (match[1] or match[2]) in allowed else TARGET
        if not _ABSOLUTE.fullmatch(text):
            return FORM
        rest = _REST.fullmatch(text)
        return TARGET if rest and rest[1] in r4().resource_types and rest[1] not in allowed else None

    return reference
