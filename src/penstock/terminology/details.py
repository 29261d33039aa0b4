"""The kinds of issues that terminology operations tell apart (http://hl7.org/fhir/tools/CodeSystem/tx-issue-type).

Clients of terminology servers look at these codes, in ``OperationOutcome.issue.details``, rather than at words.
"""

from __future__ import annotations

TX_ISSUE_TYPE = "http://hl7.org/fhir/tools/CodeSystem/tx-issue-type"

NOT_FOUND = "not-found"
INVALID_SET = "vs-invalid"
INVALID_DATA = "invalid-data"
INVALID_CODE = "invalid-code"
INVALID_DISPLAY = "invalid-display"
NOT_IN_SET = "not-in-vs"
THIS_NOT_IN_SET = "this-code-not-in-vs"
CANNOT_INFER = "cannot-infer"
CODE_RULE = "code-rule"
CODE_COMMENT = "code-comment"
DISPLAY_COMMENT = "display-comment"


def at(code: str) -> tuple[str, str]:
    """The coding of a kind, as a Problem carries it."""
    return TX_ISSUE_TYPE, code
