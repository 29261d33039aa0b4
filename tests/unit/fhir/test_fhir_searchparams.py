from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import Problem
from penstock.formats.fhir.dates import EARLIEST, LATEST
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.searchparams import Indexed, Parameters, extract, number_span

DAY = (datetime(2020, 1, 2, tzinfo=UTC), datetime(2020, 1, 3, tzinfo=UTC))


def patient(**more: Any) -> Indexed:
    return extract({"resourceType": "Patient", **more})


def observation(**more: Any) -> Indexed:
    return extract({"resourceType": "Observation", **more})


def test_a_patient_is_found_by_what_it_says() -> None:
    found = patient(
        id="p1",
        active=True,
        gender="female",
        birthDate="2020-01-02",
        identifier=[{"system": "urn:mrn", "value": "7"}, {"value": "8"}, {"system": "urn:mrn"}],
        name=[{"family": "Ng", "given": ["An", None], "_given": [None, {"id": "x"}]}],
        address=[{"line": ["1 High St"], "city": "Ely", "use": "home"}],
        telecom=[{"system": "email", "value": "a@b"}],
        managingOrganization={"reference": "Organization/o1/_history/3"},
    )
    assert ("_id", None, "p1") in found.tokens
    assert ("active", None, "true") in found.tokens
    assert ("gender", "http://hl7.org/fhir/administrative-gender", "female") in found.tokens
    assert ("deceased", None, "false") in found.tokens
    assert ("email", None, "a@b") in found.tokens
    assert not [token for token in found.tokens if token[0] == "phone"]
    assert found.identifiers == [("identifier", "urn:mrn", "7"), ("identifier", None, "8")]
    assert found.dates == [("birthdate", *DAY)]
    assert {text for code, text in found.strings if code == "name"} == {"Ng", "An"}
    assert {text for code, text in found.strings if code == "given"} == {"An"}
    assert {text for code, text in found.strings if code == "address"} == {"1 High St", "Ely"}
    assert found.refs == [("organization", "Organization", "o1")]


def test_a_coded_value_gives_each_coding_and_its_words() -> None:
    found = observation(code={"coding": [{"system": "http://loinc.org", "code": "1-8", "display": "D"}, {"code": "L"}], "text": "T"})
    assert [token[1:] for token in found.tokens if token[0] == "code"] == [("http://loinc.org", "1-8"), (None, "L")]
    assert [text for code, text in found.texts if code == "code"] == ["D", "T"]


def test_a_reference_is_indexed_by_the_types_a_parameter_means() -> None:
    found = observation(
        subject={"reference": "Patient/1"},
        focus=[{"reference": "#x"}, {"reference": "#a:b/c"}],
        performer=[{"identifier": {"system": "s", "value": "v"}}],
    )
    assert found.refs == [("subject", "Patient", "1"), ("patient", "Patient", "1")]
    assert found.ref_urls == []
    assert found.ref_identifiers == [("performer", "s", "v")]
    group = observation(subject={"reference": "Group/1"})
    assert group.refs == [("subject", "Group", "1")]


def test_an_absolute_reference_is_ours_when_it_begins_as_ours_do() -> None:
    resource = {
        "resourceType": "Observation",
        "encounter": {"reference": "http://x/fhir/Encounter/9"},
        "device": {"reference": "urn:uuid:1"},
    }
    found = extract(resource)
    assert found.refs == []
    assert sorted(found.ref_urls) == [("device", "urn:uuid:1"), ("encounter", "http://x/fhir/Encounter/9")]
    found = Parameters(base="http://x/fhir").extract(resource)
    assert (found.refs, found.ref_urls) == ([("encounter", "Encounter", "9")], [("device", "urn:uuid:1")])


def test_a_reference_to_a_version_is_found_with_and_without_it() -> None:
    found = observation(encounter={"reference": "Encounter/9/_history/2"}, device={"reference": "http://y/Device/1/_history/3"})
    assert found.refs == [("encounter", "Encounter", "9")]
    urls = ["Encounter/9/_history/2", "http://y/Device/1", "http://y/Device/1/_history/3"]
    assert sorted(url for _, url in found.ref_urls) == urls


@pytest.mark.parametrize(
    ("effective", "low", "high"),
    [
        ({"effectiveDateTime": "2020-01-02"}, *DAY),
        ({"effectivePeriod": {"start": "2020-01-02"}}, DAY[0], LATEST),
        ({"effectivePeriod": {"end": "2020-01-02"}}, EARLIEST, DAY[1]),
        ({"effectiveTiming": {"event": ["2020-01-02"]}}, *DAY),
    ],
)
def test_a_choice_of_dates_gives_one_span(effective: dict[str, Any], low: datetime, high: datetime) -> None:
    assert observation(**effective).dates == [("date", low, high)]


@pytest.mark.parametrize(
    "effective", [{"effectivePeriod": {}}, {"effectiveTiming": {"repeat": {"count": 1}}}, {"effectiveDateTime": "soon"}]
)
def test_what_tells_no_time_gives_no_date(effective: dict[str, Any]) -> None:
    assert observation(**effective).dates == []


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        ({"value": Decimal("5.4")}, "5.4", "5.4"),
        ({"value": 100}, "100", "100"),
        ({"value": 5, "comparator": "<"}, None, "5"),
        ({"value": 5, "comparator": ">="}, "5", None),
    ],
)
def test_a_quantity_is_its_value_or_open_to_one_side(value: dict[str, Any], low: str | None, high: str | None) -> None:
    found = observation(valueQuantity={**value, "system": "http://unitsofmeasure.org", "code": "mg", "unit": "milligram"})
    span = tuple(None if limit is None else Decimal(limit) for limit in (low, high))
    assert ("value-quantity", *span, "http://unitsofmeasure.org", "mg", "milligram") in found.quantities


def test_numbers_uris_and_ranges_are_indexed() -> None:
    risk = extract(
        {
            "resourceType": "RiskAssessment",
            "prediction": [{"probabilityDecimal": Decimal("0.7")}, {"probabilityRange": {"low": {"value": 1}}}],
        }
    )
    assert risk.numbers == [("probability", Decimal("0.7"), Decimal("0.7")), ("probability", Decimal(1), None)]
    system = extract({"resourceType": "CodeSystem", "url": "http://x"})
    assert ("url", "http://x") in system.uris
    invoice = extract({"resourceType": "Invoice", "totalGross": {"value": 3, "currency": "EUR"}})
    assert invoice.quantities == [("totalgross", Decimal(3), Decimal(3), "urn:iso:std:iso:4217", "EUR", None)]


def test_a_parameter_that_ends_at_an_extension_means_its_value() -> None:
    url = "http://hl7.org/fhir/StructureDefinition/observation-geneticsDnaVariant"
    found = observation(extension=[{"url": url, "valueString": "v1"}, {"url": "http://other", "valueString": "v2"}])
    assert ("dna-variant", "v1") in found.strings
    assert "v2" not in repr(found)


def test_a_bundle_is_found_by_its_first_entry() -> None:
    entries = [{"resource": {"resourceType": "Composition", "id": "c"}}, {"resource": {"resourceType": "Composition", "id": "d"}}]
    assert ("composition", "Composition", "c") in extract({"resourceType": "Bundle", "entry": entries}).refs
    assert ("composition", "Composition", "d") not in extract({"resourceType": "Bundle", "entry": entries}).refs


def test_meta_is_searchable_on_every_type() -> None:
    meta = {
        "profile": ["http://p"],
        "tag": [{"system": "s", "code": "t"}],
        "security": [{"code": "R"}],
        "lastUpdated": "2020-01-02T00:00:00Z",
    }
    found = extract({"resourceType": "Basic", "meta": meta})
    assert ("_profile", "http://p") in found.uris
    assert ("_tag", "s", "t") in found.tokens
    assert ("_security", None, "R") in found.tokens
    assert found.dates[0][:2] == ("_lastUpdated", DAY[0])


def test_sampled_data_is_found_by_its_bounds() -> None:
    sampled = {"origin": {"value": 100, "code": "mV"}, "factor": Decimal("0.5"), "data": "2 E -4 10 L"}
    found = observation(valueSampledData=sampled).quantities
    assert ("value-quantity", Decimal(98), Decimal(105), None, "mV", None) in found
    assert observation(valueSampledData={"origin": {"value": 1}, "data": "E U"}).quantities == []


def test_what_is_found_together_is_kept_together() -> None:
    coded = [{"coding": [{"system": "s", "code": code}]} for code in ("a", "b")]
    parts = [{"code": code, "valueQuantity": {"value": number}} for number, code in enumerate(coded)]
    found = observation(component=[*parts, {"code": coded[0]}])
    pairs = [(code, first.tokens[0][1:], second.quantities[0][1]) for code, (first, second) in found.composites]
    assert pairs == [
        ("component-code-value-quantity", ("s", "a"), Decimal(0)),
        ("component-code-value-quantity", ("s", "b"), Decimal(1)),
    ]


def test_every_resource_type_has_its_extractor() -> None:
    for type in r4().resource_types:
        assert "_id" in extract({"resourceType": type, "id": "x"}).params()


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(Problem):
        extract({"resourceType": "Nope"})


@pytest.mark.parametrize("text", ["x", "", "NaN", "Infinity", "1,5"])
def test_what_is_no_number_has_no_span(text: str) -> None:
    with pytest.raises(Problem):
        number_span(text)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=4))
def test_a_number_lies_in_the_middle_of_its_span(number: Decimal) -> None:
    low, high = number_span(number)
    assert low + high == 2 * number
    assert high - low == Decimal("0.0001")
