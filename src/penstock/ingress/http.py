"""HL7 v2 over HTTP, without the HTTP: what ``POST /ingest/v2`` does with a body. The api mounts it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from email.message import Message as MimeHeaders

from penstock.errors import Problem
from penstock.formats.hl7v2.charset import codec
from penstock.ingress.arrival import Sender
from penstock.ingress.batch import answers, is_batch, take_batch
from penstock.ingress.intake import Intake, Taken

#: Media types that hold HL7 v2 in its vertical bar encoding.
MEDIA_TYPES = frozenset(
    {
        "x-application/hl7-v2+er7",
        "application/hl7-v2",
        "application/hl7-v2+er7",
        "application/edi-hl7v2",
        "text/plain",
        "application/octet-stream",
    }
)


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of a body: each message in order, and the batch's own problems (counts that do not agree, say)."""

    messages: list[Taken]
    problems: list[Problem]
    answer: bytes | None

    @property
    def stored(self) -> bool:
        """Whether every message is durable, whatever its acknowledgement says."""
        return all(each.accepted is not None for each in self.messages)


async def ingest(body: bytes, content_type: str, intake: Intake, *, peer: str, rule: str = "", trace_id: str = "") -> Ingested:
    """Take the message or batch in ``body`` and acknowledge each message. Problem where the body as a whole is no such thing.

    The ``charset`` of the content type is read where MSH-18 is silent. ``peer`` was let in by ``rule``; one message belongs to the trace
    of its request, those of a batch have each their own and are found by that one too.
    """
    charset = _charset(content_type)
    if not body.strip():
        raise Problem("required", "the body is empty")
    intake = replace(intake, answers_all=True)
    if charset is not None and intake.interface.fallback is None:
        intake = replace(intake, interface=replace(intake.interface, fallback=charset))
    sender = Sender(peer, "http", rule, trace_id)
    if is_batch(body):
        batch, taken = await take_batch(intake, body, sender=sender)
        return Ingested(taken, batch.problems, answers(batch, taken))
    one = await intake.take(body, sender=sender, trace_id=trace_id)
    return Ingested([one], [], one.ack)


def _charset(content_type: str) -> str | None:
    """The charset parameter; Problem("media-type") where the type is none of ours or the charset unknown."""
    headers = MimeHeaders()
    headers["content-type"] = content_type or "application/hl7-v2"
    if headers.get_content_type() not in MEDIA_TYPES:
        raise Problem("media-type", "the body must be HL7 v2: application/hl7-v2, x-application/hl7-v2+er7 or text/plain")
    charset = headers.get_param("charset")
    if charset is None:
        return None
    try:
        codec(str(charset))
    except Problem:
        raise Problem("media-type", "this charset is not supported") from None
    return str(charset)
