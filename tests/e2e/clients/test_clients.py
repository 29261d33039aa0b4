"""FHIR clients that others wrote work with the program as it is: fhirclient and fhir.resources (Python), fhir-kit-client (Node).

(fhirpy is in test_scene_fhirpy.)
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests

from penstock.settings import Settings
from penstock.workbench import mint_token
from tests.e2e.conftest import Program

NODE = Path(__file__).parent / "node"


def token(program: Program, name: str) -> str:
    return mint_token(Settings(data=program.data), client=name, scope="system/*.cruds", lifetime=timedelta(minutes=10))


@pytest.fixture(scope="module")
def smart(program: Program) -> Iterator[Any]:
    """The server of fhirclient, with a token that it need not ask for."""
    client = pytest.importorskip("fhirclient.client")
    server = client.FHIRClient(settings={"app_id": "penstock-test", "api_base": f"{program.http}/fhir"}).server
    server.session.headers["Authorization"] = f"Bearer {token(program, 'fhirclient')}"
    yield server
    server.session.close()


def test_fhirclient_reads_the_capabilities_and_where_tokens_are(smart: Any, program: Program) -> None:
    statement = smart.capabilityStatement
    assert statement.fhirVersion == "4.0.1"
    assert {each.type for each in statement.rest[0].resource} >= {"Patient", "Observation"}
    assert smart.auth._token_uri == f"{program.http}/auth/token"


def test_fhirclient_creates_reads_updates_searches_and_deletes(smart: Any) -> None:
    Patient = pytest.importorskip("fhirclient.models.patient").Patient
    patient = Patient({"name": [{"family": "Ashgrove", "given": ["Linnea"]}], "gender": "female", "birthDate": "1971-05-09"})
    made = Patient(patient.create(smart))
    assert made.id and made.meta.versionId == "1"
    read = Patient.read(made.id, smart)
    assert read.as_json() == made.as_json()
    read.birthDate = pytest.importorskip("fhirclient.models.fhirdate").FHIRDate("1972-05-09")
    read.name[0].given.append("Maud")
    read.update(smart)
    assert Patient.read(made.id, smart).as_json()["meta"]["versionId"] == "2"
    found = Patient.where({"family": "Ashgrove", "birthdate": "ge1972"}).perform_resources_iter(smart)
    assert made.id in {each.id for each in found}
    read.delete()
    with pytest.raises(requests.HTTPError, match="410"):
        Patient.read(made.id, smart)


def test_fhirclient_goes_through_pages(smart: Any) -> None:
    Basic = pytest.importorskip("fhirclient.models.basic").Basic
    for number in range(5):
        Basic({"code": {"text": f"n{number}"}, "language": "x-pages"}).create(smart)
    pages = list(Basic.where({"_count": "2"}).perform_iter(smart))
    texts = [entry.resource.code.text for page in pages for entry in page.entry]
    assert len(pages) == 3 and sorted(texts) == [f"n{number}" for number in range(5)]


def test_fhir_resources_builds_what_is_stored_and_reads_what_is_answered(program: Program) -> None:
    model = pytest.importorskip("fhir.resources.R4B").get_fhir_model_class
    built = model("Observation").model_validate(
        {
            "resourceType": "Observation",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
            "effectiveDateTime": "2026-05-01T10:00:00+01:00",
            "valueQuantity": {"value": 71.50, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
        },
    )
    with program.client() as client:
        created = client.post("/fhir/Observation", content=built.model_dump_json(), headers={"content-type": "application/fhir+json"})
        assert created.status_code == 201, created.text
        for url in (f"/fhir/Observation/{created.json()['id']}", "/fhir/Observation?code=29463-7", "/fhir/Observation/_history"):
            answer = client.get(url)
            parsed = model(answer.json()["resourceType"]).model_validate(answer.json())
            assert json.loads(parsed.model_dump_json())["resourceType"] == answer.json()["resourceType"]
        refused = client.post("/fhir/Observation", json={"resourceType": "Observation"})
        assert model("OperationOutcome").model_validate(refused.json()).issue[0].code == "required"


@pytest.fixture(scope="module")
def seen(program: Program) -> dict[str, Any]:
    """What fhir-kit-client saw, scene by scene."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node.js and npm are not installed")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.lstrip("v").partition(".")[0]) < 20:
        pytest.skip("fhir-kit-client needs Node.js 20")
    if not (NODE / "node_modules").is_dir():
        installed = subprocess.run(["npm", "ci", "--silent"], cwd=NODE, capture_output=True, text=True, check=False, timeout=120)
        if installed.returncode != 0:
            pytest.skip("npm cannot install fhir-kit-client here")
    command = ["node", "scenes.mjs", f"{program.http}/fhir", token(program, "fhir-kit-client")]
    played = subprocess.run(command, cwd=NODE, capture_output=True, text=True, check=False, timeout=60)
    assert played.returncode == 0, played.stderr
    found: dict[str, Any] = json.loads(played.stdout)
    return found


#: What each scene of node/scenes.mjs must have seen.
SCENES: dict[str, Any] = {
    "capabilities": {"type": "CapabilityStatement", "version": "4.0.1"},
    "interactions": {
        "same": True,
        "versions": ["1", "2", "3", "1"],
        "birthDates": ["1972-05-09", "1971-05-09"],
        "history": ["PUT", "PUT", "POST"],
        "gone": {"status": 410, "issue": "deleted"},
    },
    "conditional": {"same": True, "version": "2"},
    "search": {"pages": ["n0", "n1", "n2", "n3", "n4"], "posted": 5, "compartment": 5, "system": [True]},
    "bundles": {"linked": True, "batch": ["200", "404"]},
    "operations": {"tag": "a"},
    "refusals": {
        "invalid": {"status": 422, "issue": "code-invalid"},
        "unknown": {"status": 400, "issue": "not-supported"},
        "stranger": {"status": 401, "issue": "login"},
    },
}


@pytest.mark.parametrize("scene", SCENES)
def test_fhir_kit_client(seen: dict[str, Any], scene: str) -> None:
    assert seen[scene] == SCENES[scene]


def test_fhir_kit_client_finds_where_tokens_are(seen: dict[str, Any], program: Program) -> None:
    assert seen["smart"]["tokenUrl"] == f"{program.http}/auth/token"
    assert httpx.get(f"{program.http}/fhir/.well-known/smart-configuration").json()["token_endpoint"] == seen["smart"]["tokenUrl"]
