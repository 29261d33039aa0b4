"""What a site demands of resources, with a profile of a loaded package: over the API, by source, and for what arrives as HL7 v2."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from penstock.samples import sample_messages
from tests.e2e.conftest import Program, Start

US_CORE_PATIENT = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"
DEMANDS = {
    "us-core": f"name: us-core\ntype: Patient\nprofiles: ['{US_CORE_PATIENT}']\nsources: [http]\n",
    "known": "name: known\ntype: Patient\nidentifier_systems: ['https://fhir.nhs.uk/Id/nhs-number']\n",
    "born": "name: born\ntype: Patient\nelements: [birthDate]\nsources: [mllp]\n",
}
ADMISSION = dict(sample_messages())["01_admission.hl7"]
PATIENT = {"resourceType": "Patient", "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9000000009"}]}


@pytest.fixture(scope="module")
def demanding(start: Start, data_sets: Path, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """A program of a site with demands, one of them on a profile whose package is loaded."""
    site = tmp_path_factory.mktemp("site")
    (site / "demands").mkdir()
    for name, text in DEMANDS.items():
        (site / "demands" / f"{name}.yaml").write_text(text, encoding="utf-8")
    program = start("--site", str(site))
    loaded = program.cli("package", "add", str(data_sets / "fhir-packages" / "04-us-core-610.tgz"), "--yes")
    assert loaded.returncode == 0, loaded.stderr
    return program


@pytest.fixture(scope="module")
def client(demanding: Program) -> Iterator[httpx.Client]:
    with demanding.client() as client:
        yield client


@pytest.mark.req("FH-16")
def test_a_patient_without_an_allowed_identifier_system_is_refused_with_the_rule(client: httpx.Client) -> None:
    refused = client.post("/fhir/Patient", json={"resourceType": "Patient", "identifier": [{"system": "urn:other", "value": "1"}]})
    assert refused.status_code == 422 and "rule known" in refused.json()["issue"][0]["details"]["text"]
    assert client.post("/fhir/Patient", json=PATIENT).status_code == 201


@pytest.mark.req("FH-10")
def test_a_profile_of_a_loaded_package_is_asked_about_by_validate(client: httpx.Client) -> None:
    outcome = client.post("/fhir/Patient/$validate", params={"profile": US_CORE_PATIENT}, json=PATIENT).json()
    missing = [issue["diagnostics"] for issue in outcome["issue"] if issue["severity"] == "error"]
    assert missing == [f"profile {US_CORE_PATIENT}, element Patient.{element}, rule min" for element in ("name", "gender")]


@pytest.mark.req("FH-10")
def test_a_message_that_breaks_what_its_interface_must_keep_is_kept_and_not_stored(demanding: Program, client: httpx.Client) -> None:
    unborn = ADMISSION.replace(b"|19850315|", b"||").replace(b"MSG001", b"NOBIRTH").replace(b"9000000009^^^NHS", b"9000000017^^^NHS")
    assert demanding.send(unborn)[0].code == "AA", "it is durable before it is judged"
    deadline = time.monotonic() + 20
    while not (held := client.get("/admin/v1/inbox", params={"state": "quarantined"}).json()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "rule born" in str(held)
    found = client.get("/fhir/Patient", params={"identifier": "https://fhir.nhs.uk/Id/nhs-number|9000000017"}).json()
    assert found["total"] == 0


@pytest.mark.req("FH-10")
def test_another_source_is_held_to_another_profile(client: httpx.Client) -> None:
    """``us-core`` is about what comes in by the http interface: what a client writes need not follow it."""
    assert client.put("/fhir/Patient/free", json=PATIENT | {"id": "free"}).status_code == 201
    message = ADMISSION.replace(b"MSG001", b"NOGENDER").replace(b"|M|", b"||", 1).replace(b"9000000009^^^NHS", b"9000000025^^^NHS")
    answer = client.post("/ingest/v2", content=message, headers={"content-type": "x-application/hl7-v2+er7", "accept": "*/*"})
    assert answer.status_code == 200, answer.text
    deadline = time.monotonic() + 20
    while "us-core" not in (held := client.get("/admin/v1/inbox", params={"interface": "http"}).text) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "element Patient.gender, rule min" in held
