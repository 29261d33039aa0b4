"""The admission that a widely read tutorial acknowledges and loses: here it becomes a Patient, an Encounter, events and a way back."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import pytest

from penstock.samples import sample_messages
from tests.e2e.conftest import Program, bundle_resources

ADMISSION = dict(sample_messages())["01_admission.hl7"]
NHS = "https://fhir.nhs.uk/Id/nhs-number|9000000009"


@pytest.fixture(scope="module")
def admitted(program: Program) -> Program:
    """The program after the admission was sent and processed."""
    (answer,) = program.send(ADMISSION)
    assert (answer.code, answer.control_id) == ("AA", "MSG001")
    with program.client() as client:
        for _ in range(100):
            if client.get("/fhir/Patient", params={"identifier": NHS}).json().get("entry"):
                return program
            time.sleep(0.05)
    raise AssertionError("the admission was not stored within five seconds")


def _patient(program: Program) -> dict[str, Any]:
    with program.client() as client:
        (patient,) = bundle_resources(client.get("/fhir/Patient", params={"identifier": NHS}))
    return patient


@pytest.mark.req("V2-04", "V2-13")
def test_it_becomes_the_patient(admitted: Program) -> None:
    patient = _patient(admitted)
    assert patient["name"][0] | {"use": "official"} == {"use": "official", "family": "Smith", "given": ["John", "Paul"]}
    assert (patient["gender"], patient["birthDate"]) == ("male", "1985-03-15")
    address = patient["address"][0]
    assert (address["line"], address["city"], address["postalCode"]) == (["42 High Street"], "Manchester", "M1 1AA")
    assert patient["identifier"][0]["system"] == "https://fhir.nhs.uk/Id/nhs-number"


@pytest.mark.req("V2-04")
def test_it_becomes_an_inpatient_encounter_whose_start_falls_back_to_the_event(admitted: Program) -> None:
    with admitted.client() as client:
        (encounter,) = bundle_resources(client.get("/fhir/Encounter", params={"subject": f"Patient/{_patient(admitted)['id']}"}))
        assert (encounter["class"]["code"], encounter["status"]) == ("IMP", "in-progress")
        assert encounter["period"]["start"].startswith("2025-04-13T09:30:00")
        practitioner = client.get(f"/fhir/{encounter['participant'][0]['individual']['reference']}").json()
        assert practitioner["name"][0]["family"] == "Jones"
        location = client.get(f"/fhir/{encounter['location'][0]['location']['reference']}").json()
        assert location["name"] == "Room2"


@pytest.mark.req("V2-13", "OB-09")
def test_one_trace_shows_each_hop(admitted: Program) -> None:
    shown = admitted.cli("trace", "MSG001", "--json")
    assert shown.returncode == 0, shown.stderr
    hops = json.loads(shown.stdout)
    assert len({hop["trace_id"] for hop in hops}) == 1
    stages = ["received", "authorised", "parsed", "mapped", "validated", "stored", "published"]
    assert list(dict.fromkeys(hop["stage"] for hop in hops)) == stages
    assert admitted.cli("trace", f"Patient/{_patient(admitted)['id']}").stdout.count("received") == 1


@pytest.mark.req("AU-07")
def test_each_value_has_a_way_back_to_its_field(admitted: Program) -> None:
    with admitted.client() as client:
        answer = client.get(f"/admin/v1/lineage/Patient/{_patient(admitted)['id']}").json()
    sources = {origin["element"]: origin["source"] for origin in answer["elements"]}
    assert sources["name[0].family"].startswith("PID-5")
    assert sources["birthDate"] == "PID-7"
    inbox_id = answer["elements"][0]["inbox_id"]
    with admitted.client() as client:
        assert client.get(f"/admin/v1/inbox/{inbox_id}/raw").content == ADMISSION


@pytest.mark.req("EV-06")
def test_the_same_message_again_gets_the_same_answer_and_changes_nothing(admitted: Program) -> None:
    before = _patient(admitted)
    (answer,) = admitted.send(ADMISSION)
    assert answer.code == "AA"
    time.sleep(0.3)
    assert _patient(admitted) == before
    with admitted.client() as client:
        counts = client.get("/admin/v1/conservation").json()["interfaces"]["mllp"]
    assert counts["accepted"] == counts["stored"] == 1


@pytest.mark.req("ID-01")
def test_without_a_token_there_is_no_data(admitted: Program) -> None:
    refused = httpx.get(f"{admitted.http}/fhir/Patient")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Bearer")
