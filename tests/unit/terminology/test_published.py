"""R4's own definitions, as they ship with the program."""

import sys
from pathlib import Path

import pytest

from penstock.terminology.published import published
from tests.unit.terminology.given import terminology

ROOT = Path(__file__).resolve().parents[3]


def test_the_file_holds_what_the_tool_makes_of_the_published_definitions(data_sets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    from fhir_definitions import rows
    from fhir_terminology import TYPES, stripped

    for type in TYPES:
        expected = [stripped(row) for row in rows(data_sets / "fhir-definitions" / "r4-4.0.1", type)]
        assert list(published().all(type)) == expected
    for name in ("fhir_definitions", "fhir_terminology"):
        sys.modules.pop(name)


def test_a_definition_is_found_by_its_url_and_version() -> None:
    url = "http://hl7.org/fhir/administrative-gender"
    found = published().find("CodeSystem", url)
    assert found is not None and found["url"] == url
    assert published().find("CodeSystem", f"{url}|4.0.1") == found
    assert published().find("CodeSystem", f"{url}|9") is None
    assert published().find("ValueSet", url) is None


@pytest.mark.parametrize(("type", "count"), [("CodeSystem", 1062), ("ValueSet", 1316), ("ConceptMap", 80)])
def test_every_definition_is_there(type: str, count: int) -> None:
    assert sum(each["resourceType"] == type for each in published().all(type)) == count


#: Value sets of R4 that cannot be listed whole: others publish their codes (SNOMED CT, LOINC, …), or R4 has only examples of them.
UNTOLD = 106


def test_the_value_sets_of_r4_can_be_listed_unless_others_publish_their_codes() -> None:
    known = terminology()
    untold = {each["url"] for each in published().all("ValueSet") if known.codes(each["url"]) is None}
    assert {"http://hl7.org/fhir/ValueSet/service-type", "http://hl7.org/fhir/ValueSet/body-site"} < untold
    assert len(untold) <= UNTOLD


@pytest.mark.parametrize(
    ("value_set", "system", "code", "answer"),
    [
        ("http://hl7.org/fhir/ValueSet/administrative-gender", "http://hl7.org/fhir/administrative-gender", "male", True),
        ("http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1", "http://hl7.org/fhir/administrative-gender", "MALE", False),
        ("http://hl7.org/fhir/ValueSet/languages", "urn:ietf:bcp:47", "en", True),
        ("http://hl7.org/fhir/ValueSet/currencies", "urn:iso:std:iso:4217", "GBP", True),
        ("http://hl7.org/fhir/ValueSet/ucum-units", "http://unitsofmeasure.org", "mg/dL", True),
        ("http://terminology.hl7.org/ValueSet/v3-ActMoodPredicate", "http://terminology.hl7.org/CodeSystem/v3-ActMood", "GOL", True),
        ("http://terminology.hl7.org/ValueSet/v3-ActMoodPredicate", "http://terminology.hl7.org/CodeSystem/v3-ActMood", "EVN", False),
        ("http://hl7.org/fhir/ValueSet/condition-code", "http://snomed.info/sct", "22298006", None),
        ("http://hl7.org/fhir/ValueSet/body-site", "http://snomed.info/sct", "22298006", None),
    ],
)
def test_the_codes_of_r4_are_known(value_set: str, system: str, code: str, answer: bool | None) -> None:
    assert terminology().member(value_set, system, code) is answer


@pytest.mark.parametrize(
    ("system", "code", "member"),
    [
        (None, "AU", True),
        (None, "Australia", False),
        ("urn:iso:std:iso:3166:-2", "AU-NSW", None),
        ("urn:iso:std:iso:3166:-2", "NSW", False),
        ("http://unstats.un.org/unsd/methods/m49/m49.htm", "009", None),
        ("http://unstats.un.org/unsd/methods/m49/m49.htm", "Oceania", False),
    ],
)
def test_a_code_that_is_not_written_as_its_system_writes_codes_is_none_though_the_system_is_not_here(
    system: str | None, code: str, member: bool | None
) -> None:
    assert terminology().member("http://hl7.org/fhir/ValueSet/jurisdiction", system, code) is member
