"""All public sample messages through the listener: each has one answer, each is in the inbox, and only what is ready was accepted."""

from __future__ import annotations

import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.db import Database
from penstock.errors import Problem
from penstock.formats.hl7v2 import header, parse, split_batch, wrap
from penstock.inbox import Receiver, counts
from tests.ingress_door import client, door

NOT_MESSAGES = (".json", ".fhir", ".csv", ".md", ".xml")


def samples(archive: Path) -> Iterator[bytes]:
    """The sample messages that can stand in a frame and may be answered."""
    with tarfile.open(archive) as files:
        for member in files:
            content = files.extractfile(member) if member.isfile() and not member.name.endswith(NOT_MESSAGES) else None
            for message in split_batch(content.read()).messages if content else []:
                if not {0x0B, 0x1C} & set(message) and is_answered(message):
                    yield message


def is_answered(message: bytes) -> bool:
    """Whether its header asks for an answer whatever the outcome is."""
    try:
        found = header(message)
    except Problem:
        return True
    wishes = {found.accept_ack, found.application_ack}
    return wishes == {""} or "AL" in wishes


@pytest.mark.req("V2-03", "V2-18")
async def test_every_sample_message_is_recorded_and_answered_by_what_became_of_it(database: Database, data_sets: Path) -> None:
    messages = list(samples(data_sets / "v2-samples.tar.xz"))
    async with Receiver(database) as receiver, door(receiver) as mllp, client(mllp) as sender:
        for message in messages:
            sender.send(wrap(message))
        answers = [await sender.answer() for _ in messages]
    assert len(messages) > 1000

    async with database.connection() as tx:
        rows = await tx.fetch("select state, raw from inbox join inbox_body using (id)")
        (count,) = (await counts(tx)).values()
    states = {row["raw"]: row["state"] for row in rows}
    codes = Counter()
    for message, answer in zip(messages, answers, strict=True):
        code = parse(answer or b"").get("MSA-1")
        codes[code] += 1
        assert (states[message] == "ready") == (code in ("AA", "CA"))
    assert count.conserved
    assert codes["AA"] > 900
