"""All 805 official R4 examples, and those of US Core: read, written, validated, indexed."""

import json
import lzma
from decimal import Decimal, DecimalTuple
from pathlib import Path
from typing import Any

import pytest

from penstock.formats.fhir import json as fhir_json
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.searchparams import extract
from penstock.formats.fhir.validate import check

Resource = dict[str, Any]

#: Examples that break the specification they illustrate, and how. Everything else must pass.
WRONG = {
    "DeviceMetric-example.json": "DeviceMetric.parent refers to a DeviceDefinition; R4 allows a Device",
    "DeviceUseStatement-example.json": "reasonReference refers to a Procedure, which R4 does not list there",
    "MedicationRequest-medrx0301.json": "dispenseRequest.performer refers to a Practitioner; R4 allows an Organization",
    "Observation-clinical-gender.json": "performer refers to an Encounter",
    "Questionnaire-qs1.json": "items without the required linkId",
}
#: May only rise.
PASSING = 800


def examples(file: Path) -> list[tuple[str, bytes]]:
    """Each example with the very text that was published, so that numbers keep their digits."""
    with lzma.open(file, "rt", encoding="utf-8") as lines:
        return [_row(line.rstrip()) for line in lines]


def _row(line: str) -> tuple[str, bytes]:
    head, _, body = line.partition(',"resource":')
    return json.loads(head + "}")["file"], body[:-1].encode()


def data(text: bytes) -> Any:
    """What a JSON text says, each number as its digits and exponent: 1.10 is not 1.1, while 1e2 is 1E+2."""
    return json.loads(text, parse_float=_digits, parse_int=_digits)


def _digits(text: str) -> DecimalTuple:
    return Decimal(text).as_tuple()


@pytest.fixture(scope="module")
def official(data_sets: Path) -> list[tuple[str, bytes]]:
    return examples(data_sets / "fhir-examples" / "r4-4.0.1-examples.ndjson.xz")


@pytest.fixture(scope="module")
def us_core(data_sets: Path) -> list[tuple[str, bytes]]:
    return examples(data_sets / "fhir-examples" / "us-core-9.0.0-examples.ndjson.xz")


def test_every_official_example_passes_unless_it_is_wrong_itself(official: list[tuple[str, bytes]]) -> None:
    failing = {name: issues[0] for name, text in official if (issues := check(fhir_json.decode(text)))}
    assert failing.keys() == WRONG.keys()
    assert len(official) - len(failing) >= PASSING


def test_what_is_written_is_what_was_read(official: list[tuple[str, bytes]], us_core: list[tuple[str, bytes]]) -> None:
    for name, text in official + us_core:
        assert data(fhir_json.encode(fhir_json.decode(text))) == data(text), name


def test_writing_twice_gives_the_same_bytes(official: list[tuple[str, bytes]]) -> None:
    for name, text in official:
        once = fhir_json.encode(fhir_json.decode(text))
        assert fhir_json.encode(fhir_json.decode(once)) == once, name


def test_every_example_of_us_core_is_valid_but_for_one_without_its_narrative(us_core: list[tuple[str, bytes]]) -> None:
    failing = [issue.at for _, text in us_core for issue in check(fhir_json.decode(text))]
    assert failing == ["DiagnosticReport.text.div"]


def test_every_example_can_be_indexed(official: list[tuple[str, bytes]], us_core: list[tuple[str, bytes]]) -> None:
    found = 0
    for _, text in official + us_core:
        indexed = extract(fhir_json.decode(text))
        found += len(indexed.tokens) + len(indexed.strings) + len(indexed.refs)
    assert found > 10_000


def test_the_examples_show_nearly_every_resource_type(official: list[tuple[str, bytes]]) -> None:
    seen = {fhir_json.decode(text)["resourceType"] for _, text in official}
    assert seen <= r4().resource_types
    assert len(seen) >= 140


def test_a_damaged_example_does_not_pass(official: list[tuple[str, bytes]]) -> None:
    """Take the first required element from each example: validation must say that it is missing."""
    judged = 0
    for name, text in official:
        if name in WRONG:
            continue
        resource = fhir_json.decode(text)
        definition = r4().type(resource["resourceType"])
        assert definition is not None
        needed = [each.name for each in definition.elements.values() if each.least and not each.choice and each.name in resource]
        if needed and "_" + needed[0] not in resource:
            del resource[needed[0]]
            assert [(issue.code, issue.at) for issue in check(resource)] == [("required", f"{definition.name}.{needed[0]}")], name
            judged += 1
    assert judged > 500
