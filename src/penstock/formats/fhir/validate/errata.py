"""Where R4's published definitions contradict their own words or the specification's own resources: what is read instead, and why."""

from __future__ import annotations

from typing import Any

from penstock.formats.fhir.definitions import Invariant

#: Extensions whose context is too narrow: where R4's own definitions have them.
CONTEXTS: dict[str, tuple[str, ...]] = {
    "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type": ("ElementDefinition.type",),
    "http://hl7.org/fhir/StructureDefinition/structuredefinition-normative-version": ("ElementDefinition", "OperationDefinition"),
}

#: Value sets whose required bindings R4's own resources do not keep: its CapabilityStatements and TestScripts write ``xml`` and ``json``
#: where media types must be.
UNKEPT = frozenset(("http://hl7.org/fhir/ValueSet/mimetypes",))

#: Units of vital signs: the profiles require them, their words call the binding extensible (observation-vitalsigns.html), and so does R4B.
#: An oxygen flow in L/min is none of them.
_EXTENSIBLE = "http://hl7.org/fhir/ValueSet/ucum-vitals-common"

#: Key to the expression that says what the words of the invariant say.
CORRECTED: dict[str, str] = {
    # an answer is of FHIR's type boolean; FHIRPath's own Boolean is another type
    "que-7": "operator = 'exists' implies (answer is boolean)",
    # the words say "more than one", the expression "more than two"
    "que-12": "enableWhen.count() > 1 implies enableBehavior.exists()",
    # a ChargeItemDefinition has no name
    "cid-0": "true",
}


def expression_of(rule: Invariant) -> str:
    return CORRECTED.get(rule.key, rule.expression)


def context_of(extension: dict[str, Any]) -> list[dict[str, Any]]:
    stated: list[dict[str, Any]] = extension.get("context", [])
    return [*stated, *({"type": "element", "expression": each} for each in CONTEXTS.get(extension.get("url", ""), ()))]


def eased(profile: dict[str, Any]) -> dict[str, Any]:
    """A profile of R4 with its bindings as strong as its words say."""
    elements = profile["differential"]["element"]
    if not any(_is_too_strong(each) for each in elements):
        return profile
    return profile | {"differential": {"element": [_eased(each) if _is_too_strong(each) else each for each in elements]}}


def _is_too_strong(element: dict[str, Any]) -> bool:
    return str(element.get("binding", {}).get("valueSet", "")).partition("|")[0] == _EXTENSIBLE


def _eased(element: dict[str, Any]) -> dict[str, Any]:
    return element | {"binding": element["binding"] | {"strength": "extensible"}}
