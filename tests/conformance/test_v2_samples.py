"""Every public sample message: no failure but a Problem, valid R4, and no valued leaf without a way back or a reason."""

from __future__ import annotations

import random
import tarfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from penstock import convert
from penstock.convert import Context, Converted, Plan
from penstock.convert.run import names
from penstock.errors import Problem, Problems
from penstock.formats.fhir import validate
from penstock.formats.hl7v2 import Message, parse, split_batch

RECEIVED = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def samples(data_sets: Path) -> list[bytes]:
    """Each message of the corpus once, cut out of its file."""
    with tarfile.open(data_sets / "v2-samples.tar.xz") as archive:
        members = (member for member in archive if member.isfile() and member.name.lower().endswith((".hl7", ".txt", ".er7")))
        files = [file.read() for member in members if (file := archive.extractfile(member)) is not None]
    return list(dict.fromkeys(message.strip() for data in files for message in split_batch(data).messages))


def conversions(samples: list[bytes], plan: Plan) -> Iterator[tuple[Message, Converted]]:
    for data in samples:
        try:
            message = parse(data)
            yield message, convert.convert(message, plan, Context(interface="samples", received_at=RECEIVED))
        except Problem:
            continue


@pytest.fixture(scope="module")
def converted(samples: list[bytes]) -> list[tuple[Message, Converted]]:
    return list(conversions(samples, convert.plan()))


@pytest.fixture(scope="module")
def told(samples: list[bytes]) -> list[tuple[Message, Converted]]:
    """With what tells of the message itself: all that is stored is in it too."""
    return list(conversions(samples, convert.plan(message=True)))


def test_enough_samples_have_a_map(samples: list[bytes], converted: list[tuple[Message, Converted]]) -> None:
    assert len(samples) > 1150
    assert len(converted) > 950


def test_every_message_becomes_a_bundle_that_is_valid_r4_with_its_invariants(told: list[tuple[Message, Converted]]) -> None:
    wrong: Counter[tuple[str, str]] = Counter()
    for _, result in told:
        try:
            validate.require_sound(convert.to_bundle(result))
        except Problems as found:
            wrong.update((one.text, one.at or "") for one in found.problems)
    assert wrong == Counter()


def test_what_is_stored_is_told_under_the_same_id(
    converted: list[tuple[Message, Converted]], told: list[tuple[Message, Converted]]
) -> None:
    for (_, stored), (_, whole) in zip(converted, told, strict=True):
        assert named(stored) <= named(whole)


def named(result: Converted) -> set[tuple[str, str]]:
    return {(one["resourceType"], one["id"]) for one in result.resources}


def test_references_stay_inside_the_message(converted: list[tuple[Message, Converted]]) -> None:
    for _, result in converted:
        ids = {f"{one['resourceType']}/{one['id']}" for one in result.resources}
        assert len(ids) == len(result.resources)
        assert set(references(result.resources)) <= ids


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("reference"), str):
            yield node["reference"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_no_valued_leaf_is_dropped_in_silence(converted: list[tuple[Message, Converted]]) -> None:
    lost = [place for message, result in converted for place in unaccounted(message, result)]
    assert lost == []


def unaccounted(message: Message, result: Converted) -> Iterator[str]:
    """Leaves that neither the lineage nor the remainder knows, by themselves or by the field, repetition or component around them."""
    known = {entry[3] for entry in result.lineage} | {
        source for source, reason in result.remainder if not reason.startswith("out of order")
    }
    whole = {source for source, reason in result.remainder if reason in UNPLACED}
    for segment, sid in zip(message.segments, names(message), strict=True):
        if sid in whole or not segment.name:
            continue
        for number in range(3 if segment.name == "MSH" else 1, len(segment.fields)):
            for around in leaves(message, segment.fields[number], f"{sid}-{number}"):
                if not known & set(around):
                    yield around[-1]


UNPLACED = ("undeclared Z segment", "the structure does not know this segment")


def leaves(message: Message, raw: str, field: str) -> Iterator[tuple[str, ...]]:
    cuts = message.delimiters
    repetitions = raw.split(cuts.repetition) if cuts.repetition else [raw]
    for r, repetition in enumerate(repetitions, 1):
        at = f"{field}[{r}]" if len(repetitions) > 1 else field
        for c, component in enumerate(repetition.split(cuts.component) if cuts.component else [repetition], 1):
            for s, part in enumerate(component.split(cuts.subcomponent) if cuts.subcomponent else [component], 1):
                if part:
                    yield field, at, f"{at}.{c}", f"{at}.{c}.{s}"


def test_explaining_never_fails(converted: list[tuple[Message, Converted]]) -> None:
    for message, result in converted[::25]:
        steps = convert.explain(message, convert.plan(), Context(interface="samples"))
        assert sum(step.outcome == "fired" for step in steps) == len(result.lineage)


MUTATIONS = ("|", "^", "~", "\\", "&", '""', "\r", "\\X00\\", "\\.br\\", "9" * 30, "é", "OBX|", "\rZZZ|1", "^^^^", "20259999", "")


def test_a_broken_message_is_a_problem_or_a_conversion(samples: list[bytes]) -> None:
    chance = random.Random(20250413)
    for data in samples[::4]:
        text = data.decode("utf-8", "replace")
        for _ in range(3):
            at = chance.randrange(9, max(10, len(text)))
            broken = text[:at] + chance.choice(MUTATIONS) + text[at + chance.randrange(0, 12) :]
            try:
                result = convert.convert(parse(broken), convert.plan(), Context())
            except Problem:
                continue
            bad = [
                (one["resourceType"], issue.text, issue.at)
                for one in result.resources
                for issue in validate.check(one)
                if issue.severity == "error"
            ]
            assert bad == []
