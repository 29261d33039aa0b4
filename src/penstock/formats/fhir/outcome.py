"""OperationOutcome, and nobody else builds one (http://hl7.org/fhir/R4/operationoutcome.html)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from penstock.errors import FHIR_CODES, Problem, Problems
from penstock.formats.fhir.validate import Issue

Resource = dict[str, Any]

MESSAGE_ID = "http://hl7.org/fhir/StructureDefinition/operationoutcome-message-id"


def outcome(problem: Problem) -> Resource:
    """The outcome of a Problem; of Problems, one issue each."""
    each = problem.problems if isinstance(problem, Problems) else (problem,)
    return _outcome([_issue("error", one.code, one.text, one.at, one.detail) for one in each])


def of_issues(issues: Iterable[Issue]) -> Resource:
    """The outcome of a validation; "all is well" when there is no issue (an OperationOutcome has at least one)."""
    return _outcome([_of(issue) for issue in issues] or [_issue("information", "informational", "no issues were found", "")])


class Finding(NamedTuple):
    """Something to say that a standard has codes for: ``detail`` is a coding (system and code), ``message_id`` the id of the message."""

    severity: str
    code: str
    text: str
    at: str = ""
    detail: tuple[str, str] | None = None
    message_id: str = ""


def of_findings(findings: Iterable[Finding]) -> Resource:
    """The outcome that an operation gives as a part of its answer; there is at least one finding."""
    return _outcome([_found(each) for each in findings])


def success(text: str) -> Resource:
    """What a client gets that prefers an outcome to the resource (``Prefer: return=OperationOutcome``). ``text`` is a constant."""
    return _outcome([_issue("information", "informational", text, "")])


def _outcome(issues: list[Resource]) -> Resource:
    return {"resourceType": "OperationOutcome", "issue": issues}


def _found(finding: Finding) -> Resource:
    issue = _issue(finding.severity, finding.code, finding.text, finding.at, finding.detail)
    return {"extension": [{"url": MESSAGE_ID, "valueString": finding.message_id}], **issue} if finding.message_id else issue


def _of(issue: Issue) -> Resource:
    """Of a rule that was broken, ``diagnostics`` name it with its profile and element: names of definitions, not data."""
    named = {"profile": issue.profile, "element": issue.element, "rule": issue.rule}
    told = ", ".join(f"{what} {name}" for what, name in named.items() if name)
    found = _issue(issue.severity, issue.code, issue.text, issue.at)
    return {**found, "diagnostics": told} if told else found


def _issue(severity: str, code: str, text: str, at: str, detail: tuple[str, str] | None = None) -> Resource:
    details: Resource = {"text": text}
    if detail is not None:
        details = {"coding": [{"system": detail[0], "code": detail[1]}], "text": text}
    issue: Resource = {"severity": severity, "code": FHIR_CODES.get(code, code), "details": details}
    if at:
        issue["expression"] = [at]
    return issue
