"""``$validate-code`` of a value set and of a code system: the verdict over a code, a coding or a concept of several codings.

https://hl7.org/fhir/R4/valueset-operation-validate-code.html, https://hl7.org/fhir/R4/codesystem-operation-validate-code.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.formats.fhir.outcome import Finding, of_findings
from penstock.terminology import findings
from penstock.terminology.codesystem import CodeSystem
from penstock.terminology.concept import Json, value_of
from penstock.terminology.findings import Kind
from penstock.terminology.languages import Languages, parse
from penstock.terminology.library import Library
from penstock.terminology.valueset import ValueSet
from penstock.terminology.verdict import Asked, Rules, Verdict, judge

Value = tuple[str, str, Any]
"""A parameter of the answer: its name, its FHIR type, its value."""

_PARAMETER = "http://hl7.org/fhir/StructureDefinition/valueset-expansion-parameter"


def of_code(code: str, system: str | None, version: str | None, display: str | None) -> Asked:
    return Asked(code, system, version, display, "")


def of_coding(coding: Json, at: str = "Coding") -> Asked:
    return Asked(coding.get("code", ""), coding.get("system"), coding.get("version"), coding.get("display"), at)


def validate(asked: Asked, value_set: ValueSet | None, library: Library, rules: Rules, *, infer: bool = False) -> list[Value]:
    """The answer for one code or coding."""
    if infer and asked.system is None and value_set is not None:
        return _inferred(asked, value_set, library, rules)
    verdict = judge(asked, value_set, library, rules)
    said = list(verdict.findings)
    if value_set is not None and not verdict.member and verdict.decides:
        said.insert(0, _say(findings.NOT_IN_SET, asked.place("code")))
    return _answer(verdict.right, said, verdict)


def validate_concept(concept: Json, value_set: ValueSet | None, library: Library, rules: Rules) -> list[Value]:
    """The answer for a CodeableConcept: right when one of its codings is, and none is wrong."""
    codings = concept.get("coding", [])
    verdicts = [judge(of_coding(each, f"CodeableConcept.coding[{place}]"), value_set, library, rules) for place, each in enumerate(codings)]
    member = next((each for each in verdicts if each.member), None)
    said: list[tuple[Kind, Finding]] = []
    if member is None and value_set is not None and all(each.decides for each in verdicts):
        said.append(_say(findings.NO_CODING_IN_SET))
    for each in verdicts:
        said += [found for found in each.findings if found not in said]
        if value_set is not None and not each.member and each.decides:
            said.append(_say(findings.THIS_NOT_IN_SET, each.asked.place("code")))
    right = member is not None and not any(found.severity == "error" for _, found in said)
    unknown = [("x-unknown-system", "canonical", each.unknown_system) for each in verdicts if each.unknown_system]
    return [*_answer(right, said, member), ("codeableConcept", "CodeableConcept", concept), *(unknown if member is None else ())]


def languages(asked: str | None, accepted: str | None, value_set: ValueSet | None) -> Languages:
    """In which languages displays are wanted: as the request says, else its header, else as the value set says."""
    if asked or accepted or value_set is None:
        return parse(asked or accepted)
    for each in value_set.resource.get("compose", {}).get("extension", ()):
        if each.get("url") == _PARAMETER:
            parts = {part.get("url"): value_of(part) for part in each.get("extension", ())}
            if parts.get("name") == "displayLanguage":
                return parse(str(parts.get("value", "")))
    return parse(value_set.resource.get("language"))


def _inferred(asked: Asked, value_set: ValueSet, library: Library, rules: Rules) -> list[Value]:
    """A code of which the system is to be found among those of the value set."""
    urls = list(dict.fromkeys(each.url for each in value_set.clauses() if each.url))
    having = [url for url in urls if value_set.has(url, asked.code)]
    if len(having) == 1:
        return validate(asked._replace(system=having[0]), value_set, library, rules)
    kind = findings.SYSTEM_AMBIGUOUS if having else findings.SYSTEM_NOT_INFERRED
    place = asked.place("code")
    return [*_answer(False, [_say(findings.NOT_IN_SET, place), _say(kind, place)], None), ("code", "code", asked.code)]


def _say(kind: Kind, at: str = "") -> tuple[Kind, Finding]:
    return kind, kind.finding(at)


def _answer(right: bool, said: Sequence[tuple[Kind, Finding]], verdict: Verdict | None) -> list[Value]:
    """The parameters that every answer has, and those of the coding that it is about."""
    found: list[Value] = [("result", "boolean", right)]
    if verdict is not None:
        found += _about(verdict)
    told = list(dict.fromkeys(finding.text for kind, finding in said if kind.told))
    if told:
        found.append(("message", "string", "; ".join(told)))
    if said:
        found.append(("issues", "Resource", of_findings(finding for _, finding in said)))
    return found


def _about(verdict: Verdict) -> list[Value]:
    asked, concept = verdict.asked, verdict.concept
    found: list[Value] = []
    if asked.code:
        found.append(("code", "code", asked.code))
    if asked.system is not None:
        found.append(("system", "uri", asked.system))
    if verdict.system is not None and verdict.system.version is not None:
        found.append(("version", "string", verdict.system.version))
    if verdict.display is not None:
        found.append(("display", "string", verdict.display))
    if concept is not None and concept.code != asked.code:
        found.append(("normalized-code", "code", concept.code))
    if verdict.inactive:
        found.append(("inactive", "boolean", True))
    if verdict.status is not None and isinstance(verdict.system, CodeSystem):
        found.append(("status", "code", verdict.status))
    if verdict.unknown_system is not None:
        name = "x-unknown-system" if verdict.decides else "x-caused-by-unknown-system"
        found.append((name, "canonical", verdict.unknown_system))
    return found
