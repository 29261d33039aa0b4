"""``POST /ingest/v2``: one HL7 v2 message or a batch, acknowledged after its commit."""

from __future__ import annotations

from penstock.api.negotiate import want
from penstock.api.parts import Ingested, Json, Parts, Taken
from penstock.api.passage import unchanged
from penstock.api.problems import told
from penstock.api.reply import Reply, json_reply
from penstock.api.request import Request

_HL7 = ("application/hl7-v2", "x-application/hl7-v2+er7", "text/plain")


async def ingest_v2(parts: Parts, request: Request) -> Reply:
    """Acknowledgements as HL7 v2, or as a JSON list where the client accepts only that; the status is of the worst message."""
    form = want(request, *_HL7, "application/json")
    content_type = request.header(b"content-type") or ""
    ingested = await parts.ingest(
        await request.body(), content_type, peer=request.access.client, rule=request.door, trace_id=request.trace_id
    )
    status = status_of(ingested)
    if len(ingested.messages) == 1 and (accepted := ingested.messages[0].accepted) and accepted.fate == "repeated":
        parts.note(unchanged(request))
    if form == "application/json":
        answer = {"messages": [_message(taken) for taken in ingested.messages], "problems": [told(each) for each in ingested.problems]}
        return json_reply(answer, status)
    return Reply(status, ingested.answer or b"", form.encode())


def status_of(ingested: Ingested) -> int:
    """200: every message is durable and taken. 422: all are durable, one at least is quarantined. Else (mostly 503): send again."""
    lost = [taken.problem for taken in ingested.messages if taken.accepted is None]
    if lost:
        return max(problem.meaning.http if problem else 503 for problem in lost)
    return 422 if any(taken.problem for taken in ingested.messages) else 200


def _message(taken: Taken) -> Json:
    answer: Json = {"code": taken.code, "trace_id": taken.trace_id, "inbox_id": None, "fate": "refused", "problem": told(taken.problem)}
    if taken.accepted is not None:
        answer |= {"inbox_id": taken.accepted.inbox_id, "fate": taken.accepted.fate}
    return answer
