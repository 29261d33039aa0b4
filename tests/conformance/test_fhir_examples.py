"""All 805 official R4 examples, and those of US Core: read, written, validated, indexed."""

import json
import lzma
import tarfile
from decimal import Decimal, DecimalTuple
from pathlib import Path
from typing import Any

import pytest

from penstock.formats.fhir import json as fhir_json
from penstock.formats.fhir.canonical import Shelf
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.searchparams import extract
from penstock.formats.fhir.validate import Issue, check
from penstock.formats.fhir.validate.validator import Validator
from penstock.terminology import Terminology

Resource = dict[str, Any]

#: Examples that break the specification they illustrate, and how. Everything else must pass.
WRONG = {
    "DeviceMetric-example.json": "DeviceMetric.parent refers to a DeviceDefinition; R4 allows a Device",
    "DeviceUseStatement-example.json": "reasonReference refers to a Procedure, which R4 does not list there",
    "MedicationRequest-medrx0301.json": "dispenseRequest.performer refers to a Practitioner; R4 allows an Organization",
    "Observation-clinical-gender.json": "performer refers to an Encounter",
    "Questionnaire-qs1.json": "items without the required linkId",
}
#: What a write refuses: structure, and what R4 itself calls an error.
REFUSED = WRONG | {
    "ActivityDefinition-blood-tubes-supply.json": "a narrative without content (txt-2)",
    "ActivityDefinition-heart-valve-replacement.json": "a narrative without content (txt-2)",
    "EventDefinition-example.json": "a narrative without content (txt-2)",
    "Questionnaire-zika-virus-exposure-assessment.json": "a narrative without content (txt-2)",
}
#: What only the whole validation finds wrong.
WRONG_WHOLE = REFUSED | {
    "Bundle-10bb101f-a121-4264-a920-67be9cb82c74.json": "the fullUrl of an entry has another id than its resource",
    "Bundle-3a0707d3-549e-4467-b8b8-5a2ab3800efe.json": "the fullUrl of an entry has another id than its resource",
    "Bundle-lri-example.json": "fullUrls with other ids than their resources",
    "Observation-f202.json": "a body temperature without the time that every vital sign has",
    "Bundle-hla-1.json": "a part of an extension, uri, that its definition calls url",
}
US_CORE_PATIENT = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"
#: May only rise.
PASSING = 800
PASSING_WHOLE = 791
#: Examples in the packages of US Core that break what they illustrate: fullUrls with other ids than their resources, a hash that is no
#: base64, a unit outside of the value set that the profile requires.
WRONG_US_CORE = {
    "01-us-core-v400.tgz": {"Bundle-66c8856b-ba11-4876-8aa8-467aad8c11a2.json", "Bundle-uscore-mo3.json"},
    "03-us-core-v311.tgz": {
        "Bundle-66c8856b-ba11-4876-8aa8-467aad8c11a2.json",
        "Bundle-uscore-mo3.json",
        "DiagnosticReport-cardiology-report.json",
        "Observation-satO2-fiO2.json",
    },
    "04-us-core-610.tgz": {"Bundle-66c8856b-ba11-4876-8aa8-467aad8c11a2.json", "Bundle-docref-example-2.json"},
}


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


def errors(validator: Validator, text: bytes) -> list[Issue]:
    return [issue for issue in validator.check(fhir_json.decode(text)) if issue.severity == "error"]


@pytest.mark.req("FH-03")
def test_every_official_example_is_valid_in_every_respect_unless_it_is_wrong_itself(official: list[tuple[str, bytes]]) -> None:
    validator = Validator(Shelf(), Terminology(Shelf()))
    failing = {name for name, text in official if errors(validator, text)}
    assert failing == WRONG_WHOLE.keys()
    assert len(official) - len(failing) >= PASSING_WHOLE


@pytest.mark.req("FH-10")
@pytest.mark.parametrize("package", WRONG_US_CORE)
def test_every_example_of_a_us_core_package_follows_the_profiles_of_the_package(data_sets: Path, package: str) -> None:
    definitions, examples = us_core_package(data_sets / "fhir-packages" / package)
    shelf = Shelf(definitions)
    validator = Validator(shelf, Terminology(shelf))
    failing = {name for name, text in examples if errors(validator, text)}
    assert failing == WRONG_US_CORE[package]
    assert len(examples) >= 80


def us_core_package(file: Path) -> tuple[list[Resource], list[tuple[str, bytes]]]:
    """The definitions of a package, and its examples."""
    with tarfile.open(file) as archive:
        content = {member.name: found.read() for member in archive.getmembers() if (found := archive.extractfile(member)) is not None}
    files = {Path(name): text for name, text in content.items() if name.endswith(".json") and not Path(name).name.startswith(".")}
    definitions = [fhir_json.decode(text) for path, text in files.items() if str(path.parent) == "package" and path.name != "package.json"]
    return definitions, [(path.name, text) for path, text in files.items() if path.parent.name == "example"]


def test_an_example_that_breaks_its_profile_is_found(data_sets: Path) -> None:
    """Take from each patient of US Core what the profile requires: each time the validator names profile, element and rule."""
    definitions, examples = us_core_package(data_sets / "fhir-packages" / "04-us-core-610.tgz")
    shelf = Shelf(definitions)
    validator = Validator(shelf, Terminology(shelf))
    judged = 0
    for name, text in examples:
        patient = fhir_json.decode(text)
        if patient["resourceType"] != "Patient":
            continue
        for element in ("identifier", "name", "gender"):
            found = validator.check({key: value for key, value in patient.items() if key.removeprefix("_") != element})
            assert [(issue.at, issue.rule, issue.element) for issue in found if issue.severity == "error"] == [
                (f"Patient.{element}", "min", f"Patient.{element}")
            ], name
            assert all(issue.profile == US_CORE_PATIENT for issue in found if issue.rule == "min")
            judged += 1
    assert judged >= 12


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
