"""How far a request came: the way beside what it wrote, or the record of a write request that wrote nothing (see ``audit.way``)."""

from __future__ import annotations

from penstock.api.request import Request
from penstock.audit.unwritten import Unwritten
from penstock.audit.way import FHIR, Way, encode, microseconds
from penstock.errors import Problem, Problems
from penstock.formats.fhir.definitions import r4

#: What takes something in, by the policy of its route.
_TAKES_IN = {f"fhir:{interaction}": interaction for interaction in ("create", "update", "patch", "delete")}
#: What every client may call, and what is in it decides: a batch or a transaction.
BUNDLE = "fhir:bundle"
_READS = frozenset(("GET", "HEAD", "OPTIONS"))
#: The stage that is told by what went wrong; of everything else it is told by how far the request came.
_STAGES = {
    **dict.fromkeys(("throttled", "media-type", "too-long", "url-too-long"), "received"),
    **dict.fromkeys(("login", "forbidden"), "authorised"),
    **dict.fromkeys(("required", "value", "code-invalid", "invariant", "business-rule"), "validated"),
}


def door_of(policy: str, method: str, path: str, *, inside: bool = False) -> str:
    """The door that a request came to, "" when it does not take anything in. ``policy`` is "" where there is no route; ``inside``
    is an entry of a batch."""
    if policy in _TAKES_IN:
        return f"fhir:batch:{_TAKES_IN[policy]}" if inside else policy
    if policy.startswith("ingest/"):
        return policy
    if policy == "token":
        return BUNDLE if path.rstrip("/") == "/fhir" and method == "POST" else ""
    return "" if policy or method in _READS or not path.startswith("/fhir/") else "fhir:unknown"


def way_of(request: Request, rule: str) -> str:
    """The way of a request that is handed to the store now, let in by ``rule``."""
    request.handed = request.clock.monotonic()
    return encode(_way(request, rule))


def refused(request: Request, problem: Problem) -> Unwritten:
    """The record of a request that ended in a problem."""
    count = len(problem.problems) if isinstance(problem, Problems) else 1
    stage = _STAGES.get(problem.code) or _reached(request)
    return _record(request, stage, problem, count)


def unchanged(request: Request) -> Unwritten:
    """The record of a request that had nothing to change."""
    return _record(request, "stored", None, 0)


def _record(request: Request, stage: str, problem: Problem | None, count: int) -> Unwritten:
    type_ = request.params.get("type", "")
    code, text, at = (problem.code, problem.text, problem.at) if problem else ("", "", "")
    known = type_ if type_ in r4().resource_types else ""
    access = getattr(request, "access", None)  # nobody, before the door
    client = access.client if access else ""
    return Unwritten(request.now, request.trace_id, encode(_way(request, "")), client, known, stage, code, text, at, count)


def _way(request: Request, rule: str) -> Way:
    schema = "HL7 v2" if request.door.startswith("ingest/") else FHIR
    authorised, validated = _after(request, request.admitted), _after(request, request.handed)
    return Way(request.door, "", rule, schema, microseconds(request.now), authorised, validated)


def _after(request: Request, moment: float) -> int:
    return int((moment - request.started) * 1_000_000) if moment else -1


def _reached(request: Request) -> str:
    if request.handed:
        return "stored"
    return "validated" if request.admitted else "authorised"
