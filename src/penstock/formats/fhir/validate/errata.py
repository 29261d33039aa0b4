"""Invariants whose published R4 expression does not say what their words say: the expression that does, and why.

Where the words and the expression differ, the words stand (http://hl7.org/fhir/R4/conformance-rules.html#constraints).
"""

from __future__ import annotations

from penstock.formats.fhir.definitions import Invariant

#: Key to the corrected expression.
CORRECTED: dict[str, str] = {}


def expression_of(rule: Invariant) -> str:
    return CORRECTED.get(rule.key, rule.expression)
