"""$everything, $lastn and $document against the running program, and that none of them shows more than a plain read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Program


def observation(id: str, patient: str, code: str, at: str, **more: Any) -> dict[str, Any]:
    codings = [{"system": "http://loinc.org", "code": each} for each in code.split(",")]
    return {
        "resourceType": "Observation", "id": id, "status": "final", "subject": {"reference": f"Patient/{patient}"},
        "code": {"text": code} if " " in code else {"coding": codings},
        "effectiveDateTime": at, "category": [{"coding": [{"system": "http://example.org", "code": "vital-signs"}]}], **more,
    }  # fmt: skip


LETTER = {"resourceType": "Composition", "status": "final", "type": {"text": "letter"}, "date": "2024-03-04", "title": "Letter"}
SCENE: list[dict[str, Any]] = [
    {"resourceType": "Organization", "id": "clinic", "name": "Clinic"},
    {"resourceType": "Practitioner", "id": "doctor", "name": [{"family": "Doctor"}]},
    {"resourceType": "Practitioner", "id": "stranger", "name": [{"family": "Stranger"}]},
    {"resourceType": "Patient", "id": "one", "birthDate": "1950-01-01", "managingOrganization": {"reference": "Organization/clinic"}},
    {"resourceType": "Patient", "id": "two"},
    {
        "resourceType": "Encounter", "id": "visit", "status": "finished", "class": {"code": "AMB"}, "subject": {"reference": "Patient/one"},
        "participant": [{"individual": {"reference": "Practitioner/doctor"}}], "period": {"start": "2024-03-01", "end": "2024-03-01"},
        "diagnosis": [{"condition": {"reference": "Condition/earlier"}}],
    },
    {"resourceType": "Condition", "id": "earlier", "subject": {"reference": "Patient/one"}, "onsetDateTime": "2020-01-01"},
    observation("o1", "one", "8867-4", "2024-03-01T10:00:00Z", encounter={"reference": "Encounter/visit"}),
    observation("o2", "one", "8867-4", "2024-03-02T10:00:00Z", focus=[{"reference": "Patient/two"}]),
    observation("o3", "one", "8867-4", "2024-03-02T12:00:00+02:00"),
    observation("o4", "one", "29463-7", "2024-02-01"),
    observation("o5", "one", "29463-7,3141-9", "2024-01-01"),
    observation("o6", "one", "3141-9", "2023-01-01"),
    observation("o7", "one", "free text", "2022-01-01"),
    observation("p1", "two", "8867-4", "2024-03-03", performer=[{"reference": "Practitioner/stranger"}]),
    {
        **LETTER, "id": "letter", "subject": {"reference": "Patient/one"}, "encounter": {"reference": "Encounter/visit"},
        "author": [{"reference": "Practitioner/doctor"}],
        "section": [{"title": "a", "section": [{"title": "b", "entry": [{"reference": "Observation/o1"}]}]}],
    },
    {**LETTER, "id": "broken", "author": [{"reference": "Practitioner/nobody"}]},
]  # fmt: skip


@pytest.fixture(scope="module")
def client(program: Program) -> Iterator[httpx.Client]:
    with program.client() as client:
        entries = [{"resource": each, "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"}} for each in SCENE]
        answer = client.post("/fhir", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
        assert answer.status_code == 200, answer.text
        yield client


def names(answer: httpx.Response, mode: str | None = None) -> list[str]:
    assert answer.status_code == 200, answer.text
    entries = answer.json().get("entry", [])
    return [f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in entries if mode in (None, e.get("search", {}).get("mode"))]


RECORD = {"Patient/one", "Encounter/visit", "Condition/earlier", "Composition/letter"} | {f"Observation/o{n}" for n in range(1, 8)}


def test_everything_of_a_patient_is_the_compartment_and_what_it_refers_to(client: httpx.Client) -> None:
    answer = client.get("/fhir/Patient/one/$everything")
    assert set(names(answer, "match")) == RECORD
    assert set(names(answer, "include")) == {"Organization/clinic", "Practitioner/doctor"}
    assert len(names(answer)) == len(RECORD) + 2
    assert names(client.post("/fhir/Patient/one/$everything", json={"resourceType": "Parameters"})) == names(answer)


def test_everything_in_pages_is_everything_once(client: httpx.Client) -> None:
    for count in (1, 2, 3, 5, 20):
        found: list[str] = []
        url = f"/fhir/Patient/one/$everything?_count={count}"
        while url:
            page = client.get(url)
            matches = names(page, "match")
            url = next((link["url"] for link in page.json()["link"] if link["relation"] == "next"), "")
            assert len(matches) <= count and (matches or not url)
            found += matches
        assert len(found) == len(RECORD) and set(found) == RECORD


def test_everything_is_limited_by_type_by_care_and_by_what_is_new(client: httpx.Client) -> None:
    assert set(names(client.get("/fhir/Patient/one/$everything?_type=Observation,Condition"))) == {
        each for each in RECORD if each.startswith(("Obs", "Cond"))
    }
    assert names(client.get("/fhir/Patient/one/$everything?_type=Practitioner")) == ["Practitioner/doctor"]
    care = set(names(client.get("/fhir/Patient/one/$everything?start=2024-03-01&end=2024-03-01"), "match"))
    assert care == {"Patient/one", "Encounter/visit", "Observation/o1"}
    bundle = client.get("/fhir/Patient/one/$everything").json()
    newest = max(entry["resource"]["meta"]["lastUpdated"] for entry in bundle["entry"])
    changed = observation("o7", "one", "free text", "2022-01-01", note=[{"text": "new"}])
    assert client.put("/fhir/Observation/o7", json=changed).is_success
    assert "Observation/o7" in names(client.get("/fhir/Patient/one/$everything", params={"_since": newest}))
    late = names(client.get("/fhir/Patient/one/$everything?_since=2999-01-01T00:00:00Z"))
    assert late == []


def test_everything_of_an_encounter_brings_what_the_encounter_needs(client: httpx.Client) -> None:
    answer = client.get("/fhir/Encounter/visit/$everything")
    assert set(names(answer, "match")) == {"Encounter/visit", "Observation/o1", "Composition/letter"}
    assert set(names(answer, "include")) == {"Patient/one", "Practitioner/doctor", "Condition/earlier"}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("Patient/nobody/$everything", 404),
        ("Patient/$everything", 422),
        ("Patient/one/$everything?_type=Nonsense", 422),
        ("Patient/one/$everything?_count=0", 422),
        ("Patient/one/$everything?_count=x", 422),
        ("Patient/one/$everything?start=yesterday", 422),
        ("Patient/one/$everything?_since=yesterday", 422),
        ("Patient/one/$everything?_cursor=0.2.abc", 400),
        ("Patient/one/$everything?_cursor=%00", 400),
        ("Patient/one/$everything?colour=red", 400),
        ("Observation/o1/$everything", 404),
        ("Encounter/visit/$everything?start=2024-01-01", 400),
        ("Observation/$lastn?category=vital-signs", 422),
        ("Observation/$lastn?patient=Patient/one", 422),
        ("Observation/$lastn?patient=Patient/one&code=8867-4&max=0", 422),
        ("Observation/$lastn?patient=Patient/one&code=8867-4&_count=3", 400),
        ("Observation/$lastn?patient=Patient/one&code=8867-4&colour=red", 400),
        ("Composition/$document", 422),
        ("Composition/letter/$document?id=letter", 400),
        ("Composition/letter/$document?graph=http://example.org/g", 400),
        ("Composition/letter/$document?persist=true", 405),
        ("Composition/broken/$document", 422),
        ("Composition/$document?id=http://elsewhere.example/Composition/1", 400),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_told(client: httpx.Client, query: str, status: int) -> None:
    answer = client.get("/fhir/" + query)
    assert answer.status_code == status, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_the_last_of_each_code_with_ties(client: httpx.Client) -> None:
    """o2 and o3 are the same moment; 29463-7 and 3141-9 are one group, because o5 has both."""
    asked = "/fhir/Observation/$lastn?patient=Patient/one&category=vital-signs"
    assert names(client.get(asked)) in (
        ["Observation/o2", "Observation/o3", "Observation/o4", "Observation/o7"],
        ["Observation/o3", "Observation/o2", "Observation/o4", "Observation/o7"],
    )
    assert names(client.get(asked + "&max=2"))[2:] == ["Observation/o4", "Observation/o5", "Observation/o7"]
    assert len(names(client.get(asked + "&max=3"))) == 7
    assert names(client.get("/fhir/Observation/$lastn?subject=Patient/one&code=http://loinc.org|3141-9&max=1")) == ["Observation/o5"]
    assert names(client.get("/fhir/Observation/$lastn?patient=Patient/nobody&category=vital-signs")) == []
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "patient", "valueString": "Patient/one"},
            {"name": "code", "valueString": "8867-4"},
            {"name": "max", "valuePositiveInt": 9},
        ],
    }  # fmt: skip
    assert len(names(client.post("/fhir/Observation/$lastn", json=body))) == 3


def test_a_document_is_the_composition_and_what_it_refers_to(client: httpx.Client) -> None:
    document = client.get("/fhir/Composition/letter/$document").json()
    assert document["type"] == "document" and document["identifier"]["value"].startswith("urn:uuid:")
    found = [entry["resource"]["resourceType"] + "/" + entry["resource"]["id"] for entry in document["entry"]]
    assert found == ["Composition/letter", "Patient/one", "Encounter/visit", "Practitioner/doctor", "Observation/o1"]
    assert all(entry["fullUrl"].endswith(name) for entry, name in zip(document["entry"], found, strict=True))
    by_id = client.get("/fhir/Composition/$document?id=letter").json()
    assert [entry["fullUrl"] for entry in by_id["entry"]] == [entry["fullUrl"] for entry in document["entry"]]
    body = {"resourceType": "Parameters", "parameter": [{"name": "persist", "valueBoolean": True}]}
    kept = client.post("/fhir/Composition/letter/$document", json=body)
    assert kept.status_code == 201 and f"Bundle/{kept.json()['id']}/_history/1" in kept.headers["location"]
    assert client.get(f"/fhir/Bundle/{kept.json()['id']}").json() == kept.json()


def test_no_operation_shows_more_than_a_plain_read(client: httpx.Client, program: Program) -> None:
    with program.client("system/Patient.rs system/Observation.rs") as narrow:
        found = names(narrow.get("/fhir/Patient/one/$everything"))
        assert set(found) == {"Patient/one"} | {f"Observation/o{n}" for n in range(1, 8)}
        assert narrow.get("/fhir/Patient/one/$everything?_type=Condition").status_code == 403
        assert narrow.get("/fhir/Encounter/visit/$everything").status_code == 403
        assert narrow.get("/fhir/Composition/letter/$document").status_code == 403
    with program.client("system/Patient.r") as reader:
        assert names(reader.get("/fhir/Patient/one/$everything")) == []
        assert reader.get("/fhir/Observation/$lastn?patient=Patient/one&code=8867-4").status_code == 403
    with program.client("system/Composition.r") as author:
        assert author.get("/fhir/Composition/letter/$document").status_code == 403
    with program.client("system/*.rs") as reader:
        body = {"resourceType": "Parameters", "parameter": [{"name": "persist", "valueBoolean": True}]}
        assert reader.post("/fhir/Composition/letter/$document", json=body).status_code == 403


def test_answers_have_the_form_that_is_asked_for(client: httpx.Client) -> None:
    for path in ("Patient/one/$everything", "Observation/$lastn?patient=Patient/one&code=8867-4", "Composition/letter/$document"):
        answer = client.get(f"/fhir/{path}", headers={"Accept": "application/fhir+xml"})
        assert answer.status_code == 200 and answer.headers["content-type"].startswith("application/fhir+xml"), answer.text
        assert answer.text.lstrip().startswith(("<?xml", "<Bundle"))
    data = client.get('/fhir/$graphql?query={Patient(id:"one"){id}}', headers={"Accept": "application/json"})
    assert data.json() == {"data": {"Patient": {"id": "one"}}} and data.headers["content-type"].startswith("application/json")
