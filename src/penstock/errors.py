"""Every way things go wrong, said once and heard three ways.

A :class:`Problem` carries a ``code`` (a FHIR R4 issue type), a constant ``text`` of ours and a path ``at``. One table,
:data:`MEANINGS`, says what each code means to an HTTP client, to an HL7 v2 sender and to the flow (try again or not).
Neither ``text`` nor ``at`` ever holds a value: values are patient data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Meaning(NamedTuple):
    """What a code means to each listener: HTTP status, HL7 table 0357 condition code, and whether trying again can help."""

    http: int
    ack: str
    retry: bool


#: FHIR issue type (http://hl7.org/fhir/R4/valueset-issue-type.html) to its meaning.
MEANINGS: dict[str, Meaning] = {
    # the content is wrong
    "invalid": Meaning(http=400, ack="102", retry=False),
    "structure": Meaning(http=400, ack="100", retry=False),
    "required": Meaning(http=422, ack="101", retry=False),
    "value": Meaning(http=422, ack="102", retry=False),
    "code-invalid": Meaning(http=422, ack="103", retry=False),
    "invariant": Meaning(http=422, ack="102", retry=False),
    "business-rule": Meaning(http=422, ack="207", retry=False),
    "too-long": Meaning(http=413, ack="102", retry=False),
    "url-too-long": Meaning(http=414, ack="102", retry=False),
    "too-costly": Meaning(http=403, ack="207", retry=False),
    # we do not do that
    "not-supported": Meaning(http=400, ack="200", retry=False),
    "not-acceptable": Meaning(http=406, ack="200", retry=False),
    "media-type": Meaning(http=415, ack="200", retry=False),
    "method": Meaning(http=405, ack="200", retry=False),
    # it is not there, or no longer
    "not-found": Meaning(http=404, ack="204", retry=False),
    "deleted": Meaning(http=410, ack="204", retry=False),
    # somebody else was there first
    "duplicate": Meaning(http=409, ack="205", retry=False),
    "multiple-matches": Meaning(http=412, ack="205", retry=False),
    "precondition": Meaning(http=412, ack="207", retry=False),
    "conflict": Meaning(http=409, ack="206", retry=True),
    # who are you
    "login": Meaning(http=401, ack="207", retry=False),
    "forbidden": Meaning(http=403, ack="207", retry=False),
    # not now
    "throttled": Meaning(http=429, ack="207", retry=True),
    "lock-error": Meaning(http=503, ack="206", retry=True),
    "transient": Meaning(http=503, ack="207", retry=True),
    "timeout": Meaning(http=503, ack="207", retry=True),
    "no-store": Meaning(http=503, ack="207", retry=True),
    # a defect of ours
    "exception": Meaning(http=500, ack="207", retry=True),
}

#: Our own codes that FHIR spells differently in an OperationOutcome.
FHIR_CODES: dict[str, str] = {
    "url-too-long": "too-long",
    "media-type": "not-supported",
    "not-acceptable": "not-supported",
    "method": "not-supported",
    "precondition": "conflict",
}


class Problem(Exception):
    """Something a caller must be told: ``code`` from :data:`MEANINGS`, our constant ``text``, and the path ``at``.

    ``at`` is a FHIRPath (``Patient.name[0].given``) or an HL7 v2 position (``PID-7``), never a value. ``detail`` is a coding (system and
    code) that says more exactly what it is, where a standard has codes for that.
    """

    def __init__(self, code: str, text: str, *, at: str = "", detail: tuple[str, str] | None = None) -> None:
        if code not in MEANINGS:
            raise KeyError(f"unknown problem code {code}")
        super().__init__(text)
        self.code = code
        self.text = text
        self.at = at
        self.detail = detail

    @property
    def meaning(self) -> Meaning:
        return MEANINGS[self.code]

    def __str__(self) -> str:
        return f"{self.text} (at {self.at})" if self.at else self.text


class Problems(Problem):
    """Several problems of one input, reported together; it means what its first one means."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        first = problems[0]
        super().__init__(first.code, first.text, at=first.at, detail=first.detail)
        self.problems = tuple(problems)


def explain(error: BaseException) -> Problem:
    """The Problem that an exception is. A bug becomes ``exception`` and keeps only its type name: its words may hold values."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, TimeoutError):
        return Problem("timeout", "this took longer than it may")
    return Problem("exception", f"unexpected {type(error).__name__}")
