"""How a Problem is told over HTTP: an OperationOutcome under ``/fhir``, RFC 9457 elsewhere, with the status of one table."""

from __future__ import annotations

from http import HTTPStatus

import orjson

from penstock.api.reply import FHIR_JSON, Header, Reply
from penstock.errors import Problem, Problems
from penstock.formats.fhir.json import encode
from penstock.formats.fhir.outcome import outcome

_PROBLEM_JSON = b"application/problem+json"
_TRY_AGAIN = (429, 503)


def render(problem: Problem, *, fhir: bool, headers: tuple[Header, ...] = ()) -> Reply:
    """The answer that a problem is. It holds our constant words and a path, never a value."""
    status = problem.meaning.http
    headers = (*headers, *_headers(problem, status))
    if fhir:
        return Reply(status, encode(outcome(problem)), FHIR_JSON, headers, problem)
    return Reply(status, orjson.dumps(_details(problem, status)), _PROBLEM_JSON, headers, problem)


def _headers(problem: Problem, status: int) -> tuple[Header, ...]:
    if status == 401:
        return ((b"www-authenticate", b'Bearer realm="penstock"'),)
    if status in _TRY_AGAIN:
        return ((b"retry-after", b"1"),)
    return ()


def _details(problem: Problem, status: int) -> dict[str, object]:
    details: dict[str, object] = {"type": f"urn:penstock:problem:{problem.code}", "title": HTTPStatus(status).phrase, "status": status}
    details["detail"] = problem.text
    if problem.at:
        details["at"] = problem.at
    if isinstance(problem, Problems):
        details["problems"] = [told(each) for each in problem.problems]
    return details


def told(problem: Problem | None) -> dict[str, str] | None:
    """A problem as a member of plain JSON."""
    return {"code": problem.code, "text": problem.text, "at": problem.at} if problem else None
