"""A FHIR client that we did not write: fhirpy (https://github.com/beda-software/fhir-py) works with the program as it is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from penstock.settings import Settings
from penstock.workbench import mint_token
from tests.e2e.conftest import Program

fhirpy = pytest.importorskip("fhirpy", exc_type=ImportError)


@pytest.fixture(scope="module")
def client(program: Program) -> Iterator[Any]:
    token = mint_token(Settings(data=program.data), client="fhirpy", scope="system/*.cruds", lifetime=timedelta(minutes=10))
    yield fhirpy.SyncFHIRClient(f"{program.http}/fhir", authorization=f"Bearer {token}")


@pytest.fixture
def patient(client: Any) -> Any:
    made = client.resource("Patient", name=[{"family": "Ashgrove", "given": ["Linnea"]}], birthDate="1971-05-09", gender="female")
    made.save()
    return made


def test_create_and_read(client: Any, patient: Any) -> None:
    read = client.reference("Patient", patient.id).to_resource()
    assert read == patient
    assert (read["birthDate"], read["meta"]["versionId"]) == ("1971-05-09", "1")


def test_update_makes_a_version_and_patches_are_refused_plainly(client: Any, patient: Any) -> None:
    patient["active"] = True
    patient.save()
    assert client.reference("Patient", patient.id).to_resource()["meta"]["versionId"] == "2"
    with pytest.raises(fhirpy.base.exceptions.OperationOutcome):
        patient.patch(active=False)


def test_search_count_sort_and_pages(client: Any, patient: Any) -> None:
    for number in range(5):
        client.resource("Observation", status="final", code={"text": f"n{number}"}, subject=patient.to_reference()).save()
    found = client.resources("Observation").search(subject=patient.to_reference().reference).limit(2)
    assert len(found.fetch()) == 2
    assert len(found.fetch_all()) == 5
    ashgroves = client.resources("Patient").search(family="Ashgrove", birthdate__ge="1971-01-01")
    assert ashgroves.search(_summary="count").fetch_raw()["total"] >= 1
    assert client.resources("Patient").search(family="Nobody").first() is None
    included = client.resources("Observation").search(subject=f"Patient/{patient.id}").include("Observation", "subject").fetch_raw()
    assert {entry["resource"]["resourceType"] for entry in included["entry"]} == {"Observation", "Patient"}


def test_conditional_update_creates_and_then_updates_the_same(client: Any) -> None:
    known = client.resources("Patient").search(identifier="urn:id:fhirpy|one")
    identifier = [{"system": "urn:id:fhirpy", "value": "one"}]
    first, made = known.update(client.resource("Patient", identifier=identifier))
    again, made_again = known.update(client.resource("Patient", identifier=identifier, active=True))
    assert (made, made_again) == (True, False)
    assert (again.id, again["meta"]["versionId"]) == (first.id, "2")


def test_delete_and_what_is_gone(client: Any, patient: Any) -> None:
    patient.delete()
    with pytest.raises(fhirpy.base.exceptions.ResourceNotFound):
        client.reference("Patient", patient.id).to_resource()


def test_an_operation_outcome_is_understood(client: Any) -> None:
    with pytest.raises(fhirpy.base.exceptions.OperationOutcome) as refused:
        client.resource("Patient", gender="F").save()
    assert refused.value.resource["issue"][0]["code"] == "code-invalid"


def test_a_stranger_is_refused(program: Program) -> None:
    stranger = fhirpy.SyncFHIRClient(f"{program.http}/fhir", authorization="Bearer nobody")
    with pytest.raises(fhirpy.base.exceptions.AuthorizationError, match="bearer token"):
        stranger.resources("Patient").fetch()


async def test_the_asynchronous_client_works_too(program: Program) -> None:
    token = mint_token(Settings(data=program.data), client="fhirpy", scope="system/*.cruds", lifetime=timedelta(minutes=10))
    client = fhirpy.AsyncFHIRClient(f"{program.http}/fhir", authorization=f"Bearer {token}")
    made = client.resource("Patient", name=[{"family": "Ashgrove"}])
    await made.save()
    assert (await client.reference("Patient", made.id).to_resource())["name"] == [{"family": "Ashgrove"}]
    await made.delete()
