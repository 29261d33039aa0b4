"""Every public sample message is read and written back, or refused with a Problem: nothing else ever happens."""

from __future__ import annotations

import tarfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from penstock.errors import Problem
from penstock.formats.hl7v2 import NO_HEADER, acknowledge, encode, header, parse, split_batch

NOT_MESSAGES = (".json", ".fhir", ".csv", ".md", ".xml")


@pytest.mark.req("V2-18")
def test_all_sample_messages_are_read_and_written_back_byte_for_byte(data_sets: Path) -> None:
    fates: Counter[str] = Counter()
    with tarfile.open(data_sets / "v2-samples.tar.xz") as samples:
        for member in samples:
            content = samples.extractfile(member) if member.isfile() and not member.name.endswith(NOT_MESSAGES) else None
            if content is not None:
                fates.update(map(fate, split_batch(content.read()).messages))
    assert fates["read"] > 1250
    assert fates["refused"] < 80


def fate(data: bytes) -> str:
    """Whether a message was read; its acknowledgement is built in any case."""
    head, problem = NO_HEADER, None
    try:
        head = header(data)
        assert encode(parse(data)) == data
    except Problem as found:
        problem = found
    acknowledge(head, "AE" if problem else "AA", problem=problem, now=datetime.now(UTC), control_id="1")
    return "refused" if problem else "read"
