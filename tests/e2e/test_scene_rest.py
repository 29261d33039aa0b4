"""Every interaction on the resources that a hospital starts with, one by one, against the running program (http.html)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Program, Start, bundle_resources

Resource = dict[str, Any]
CODE = {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]}
SUBJECT = {"reference": "Patient/someone"}
#: The least that each needs.
RESOURCES: dict[str, Resource] = {
    "AllergyIntolerance": {
        "patient": SUBJECT,
        "clinicalStatus": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}],
        },
    },
    "Appointment": {
        "status": "proposed",
        "participant": [{"actor": SUBJECT, "status": "needs-action"}],
    },
    "AuditEvent": {
        "type": {"code": "rest"},
        "recorded": "2026-01-01T00:00:00Z",
        "agent": [{"requestor": True}],
        "source": {"observer": {"display": "x"}},
    },
    "Condition": {"subject": SUBJECT, "code": CODE},
    "Consent": {
        "status": "active",
        "scope": {"text": "x"},
        "category": [{"text": "x"}],
        "policyRule": {"text": "x"},
    },
    "DiagnosticReport": {"status": "final", "code": CODE},
    "DocumentReference": {"status": "current", "content": [{"attachment": {"title": "x"}}]},
    "Encounter": {"status": "planned", "class": {"code": "AMB"}},
    "Immunization": {
        "status": "completed",
        "vaccineCode": CODE,
        "patient": SUBJECT,
        "occurrenceDateTime": "2026-01-01",
    },
    "Location": {"name": "Ward 7"},
    "MedicationRequest": {
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": CODE,
        "subject": SUBJECT,
    },
    "Observation": {"status": "final", "code": CODE},
    "Organization": {"name": "Ashgrove Hospital"},
    "Patient": {"name": [{"family": "Ashgrove"}]},
    "Practitioner": {"name": [{"family": "Ashgrove"}]},
    "PractitionerRole": {"active": True},
    "Procedure": {"status": "completed", "subject": SUBJECT},
    "Provenance": {
        "target": [SUBJECT],
        "recorded": "2026-01-01T00:00:00Z",
        "agent": [{"who": {"display": "x"}}],
    },
    "ServiceRequest": {"status": "active", "intent": "order", "subject": SUBJECT},
    "Specimen": {"subject": SUBJECT},
    "Subscription": {
        "status": "off",
        "reason": "x",
        "criteria": "Observation?code=x",
        "channel": {"type": "rest-hook", "endpoint": "https://subscriber.example/hook"},
    },
}
LANGUAGE = [{"op": "add", "path": "/language", "value": "en-GB"}]


@pytest.fixture(scope="module")
def client(program: Program) -> Iterator[httpx.Client]:
    with program.client() as client:
        yield client


def made(client: httpx.Client, type_: str) -> Resource:
    response = client.post(f"/fhir/{type_}", json={"resourceType": type_, **RESOURCES[type_]})
    assert response.status_code == 201, response.text
    resource: Resource = response.json()
    return resource


def create(client: httpx.Client, type_: str) -> None:
    response = client.post(f"/fhir/{type_}", json={"resourceType": type_, **RESOURCES[type_]})
    assert (response.status_code, response.headers["etag"]) == (201, 'W/"1"')
    assert response.headers["location"].endswith(f"/fhir/{type_}/{response.json()['id']}/_history/1")
    assert response.json() | RESOURCES[type_] == response.json()


def read(client: httpx.Client, type_: str) -> None:
    resource = made(client, type_)
    response = client.get(f"/fhir/{type_}/{resource['id']}")
    assert response.json() == resource and response.headers["last-modified"]
    known = client.get(f"/fhir/{type_}/{resource['id']}", headers={"if-none-match": response.headers["etag"]})
    assert known.status_code == 304


def update(client: httpx.Client, type_: str) -> None:
    resource = made(client, type_)
    url = f"/fhir/{type_}/{resource['id']}"
    response = client.put(url, json=resource | {"language": "en"}, headers={"if-match": 'W/"1"'})
    assert (response.status_code, response.headers["etag"], response.json()["language"]) == (200, 'W/"2"', "en")
    assert client.put(url, json=resource, headers={"if-match": 'W/"1"'}).status_code == 412
    assert client.get(f"{url}/_history/1").json() == resource


def patch(client: httpx.Client, type_: str) -> None:
    resource = made(client, type_)
    url = f"/fhir/{type_}/{resource['id']}"
    response = client.patch(url, json=LANGUAGE, headers={"content-type": "application/json-patch+json"})
    assert (response.status_code, response.json()["language"]) == (200, "en-GB")
    part = [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": f"{type_}.language"},
        {"name": "value", "valueCode": "de"},
    ]
    response = client.patch(
        url,
        json={"resourceType": "Parameters", "parameter": [{"name": "operation", "part": part}]},
        headers={"content-type": "application/fhir+json"},
    )
    assert (response.status_code, response.json()["language"], response.headers["etag"]) == (200, "de", 'W/"3"')


def delete(client: httpx.Client, type_: str) -> None:
    resource = made(client, type_)
    url = f"/fhir/{type_}/{resource['id']}"
    assert client.delete(url).status_code == 204
    assert client.get(url).status_code == 410
    assert client.get(f"{url}/_history/1").json() == resource
    assert client.get(f"/fhir/{type_}?_id={resource['id']}").json().get("entry") is None
    again = client.put(url, json=resource)
    assert (again.status_code, again.headers["etag"]) == (201, 'W/"3"')


def search(client: httpx.Client, type_: str) -> None:
    resource = made(client, type_)
    assert bundle_resources(client.get(f"/fhir/{type_}?_id={resource['id']}")) == [resource]
    form = client.post(f"/fhir/{type_}/_search", data={"_id": resource["id"], "_lastUpdated": "gt2001"})
    assert bundle_resources(form) == [resource]
    assert bundle_resources(client.get(f"/fhir/{type_}?_id={resource['id']}&_lastUpdated=lt2001")) == []


def history(client: httpx.Client, type_: str) -> None:
    resource = made(client, type_)
    url = f"/fhir/{type_}/{resource['id']}"
    client.put(url, json=resource | {"language": "en"})
    client.delete(url)
    entries = client.get(f"{url}/_history").json()["entry"]
    assert [entry["request"]["method"] for entry in entries] == ["DELETE", "PUT", "POST"]
    assert entries[2]["resource"] == resource
    of_type = client.get(f"/fhir/{type_}/_history?_count=3").json()["entry"]
    assert of_type == entries


INTERACTIONS: tuple[Callable[[httpx.Client, str], None], ...] = (create, read, update, patch, delete, search, history)


@pytest.mark.req("FH-01")
@pytest.mark.parametrize("interaction", INTERACTIONS, ids=lambda each: each.__name__)
@pytest.mark.parametrize("type_", RESOURCES)
def test_every_interaction_works_on_every_starter_resource(
    client: httpx.Client, type_: str, interaction: Callable[[httpx.Client, str], None]
) -> None:
    interaction(client, type_)


@pytest.mark.req("FH-05")
def test_what_is_deleted_is_gone_for_readers_and_there_for_those_who_may_look_back(program: Program, client: httpx.Client) -> None:
    resource = made(client, "Patient")
    url = f"/fhir/Patient/{resource['id']}"
    assert client.delete(url).status_code == 204
    gone = client.get(url)
    assert gone.status_code == 410 and gone.json()["issue"][0]["code"] == "deleted"
    with program.client("system/Patient.r") as auditor, program.client("system/Observation.r") as other:
        assert auditor.get(f"{url}/_history/1").json() == resource
        assert [entry["request"]["method"] for entry in auditor.get(f"{url}/_history").json()["entry"]] == ["DELETE", "POST"]
        assert auditor.get(f"{url}/_history/2").status_code == 410
        assert {other.get(f"{url}{more}").status_code for more in ("", "/_history", "/_history/1")} == {403}


@pytest.mark.req("FH-08")
def test_writers_at_several_processes_make_one_patient(start: Start) -> None:
    """Fifty upserts, conditional creates and transactions for one number, answered by several processes over one database."""
    program = start(PENSTOCK_WORKERS="3")
    number = {"resourceType": "Patient", "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9000000009"}]}
    condition = "identifier=https://fhir.nhs.uk/Id/nhs-number|9000000009"
    entry = {"resource": number, "request": {"method": "POST", "url": "Patient", "ifNoneExist": condition}}
    calls: tuple[Callable[[httpx.Client], httpx.Response], ...] = (
        lambda client: client.put(f"/fhir/Patient?{condition}", json=number),
        lambda client: client.post("/fhir/Patient", json=number, headers={"if-none-exist": condition}),
        lambda client: client.post("/fhir", json={"resourceType": "Bundle", "type": "transaction", "entry": [entry]}),
    )

    def write(turn: int) -> int:
        with program.client() as client:  # a connection of its own, so that every process is reached
            return calls[turn % len(calls)](client).status_code

    with ThreadPoolExecutor(50) as pool:
        statuses = list(pool.map(write, range(50)))
    assert set(statuses) <= {200, 201}, statuses
    with program.client() as client:
        assert client.get("/fhir/Patient?_summary=count").json()["total"] == 1
