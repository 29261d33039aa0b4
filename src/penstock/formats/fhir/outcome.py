"""OperationOutcome, and nobody else builds one (http://hl7.org/fhir/R4/operationoutcome.html)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from penstock.errors import FHIR_CODES, Problem, Problems
from penstock.formats.fhir.validate import Issue

Resource = dict[str, Any]


def outcome(problem: Problem) -> Resource:
    """The outcome of a Problem; of Problems, one issue each."""
    each = problem.problems if isinstance(problem, Problems) else (problem,)
    return _outcome([_issue("error", one.code, one.text, one.at) for one in each])


def of_issues(issues: Iterable[Issue]) -> Resource:
    """The outcome of a validation; "all is well" when there is no issue (an OperationOutcome has at least one)."""
    return _outcome([_issue(*issue) for issue in issues] or [_issue("information", "informational", "no issues were found", "")])


def success(text: str) -> Resource:
    """What a client gets that prefers an outcome to the resource (``Prefer: return=OperationOutcome``). ``text`` is a constant."""
    return _outcome([_issue("information", "informational", text, "")])


def _outcome(issues: list[Resource]) -> Resource:
    return {"resourceType": "OperationOutcome", "issue": issues}


def _issue(severity: str, code: str, text: str, at: str) -> Resource:
    issue: Resource = {"severity": severity, "code": FHIR_CODES.get(code, code), "details": {"text": text}}
    if at:
        issue["expression"] = [at]
    return issue
