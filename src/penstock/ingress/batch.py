"""What arrived as one piece but holds several messages: each is taken by itself, in order, and the answers go back in order.

The answer to a batch is a batch of acknowledgements (HL7 v2.5 section 2.10.3), within the envelope segments that it had.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from penstock.formats.hl7v2 import Batch, split_batch
from penstock.ingress.arrival import Sender
from penstock.ingress.intake import Intake, Taken

#: So many messages of one batch wait for the inbox at once.
AT_ONCE = 200

_MARKS = (b"\rMSH", b"\nMSH", b"\rBHS", b"\nBHS")


def is_batch(data: bytes) -> bool:
    """Whether ``data`` looks like more than one message, or like one in an envelope. Cheap, for it is asked of every frame."""
    return data[:3] in (b"FHS", b"BHS") or any(mark in data for mark in _MARKS)


async def take_batch(intake: Intake, data: bytes, *, sender: Sender) -> tuple[Batch, list[Taken]]:
    """Every message of ``data``, taken in order; what does not agree stands in the Batch."""
    batch = split_batch(data)
    taken: list[Taken] = []
    for start in range(0, len(batch.messages), AT_ONCE):
        pieces = batch.messages[start : start + AT_ONCE]
        taken += await asyncio.gather(*(intake.take(piece, sender=sender) for piece in pieces))
    return batch, taken


def answers(batch: Batch, taken: Sequence[Taken]) -> bytes | None:
    """The acknowledgements of a batch as one piece; None where no message wants one."""
    acks = [each.ack for each in taken if each.ack is not None]
    if not acks:
        return None
    names = {line[:3] for line in batch.envelopes}
    head, foot = b"", b""
    if b"BHS" in names or b"FHS" in names:
        head, foot = b"BHS|^~\\&\r", b"BTS|%d\r" % len(acks)
    if b"FHS" in names:
        head, foot = b"FHS|^~\\&\r" + head, foot + b"FTS|1\r"
    return head + b"".join(acks) + foot
