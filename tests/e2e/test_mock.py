"""``penstock mock``: a partner's CapabilityStatement, served, so that its clients can be written before the partner is there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import BIN

fhirpy = pytest.importorskip("fhirpy", exc_type=ImportError)

CONTRACT: dict[str, Any] = {
    "resourceType": "CapabilityStatement",
    "status": "active",
    "date": "2026-01-01",
    "kind": "requirements",
    "fhirVersion": "4.0.1",
    "format": ["json"],
    "rest": [
        {
            "mode": "server",
            "resource": [
                {
                    "type": "Patient",
                    "interaction": [{"code": code} for code in ("read", "search-type", "create", "update")],
                    "searchParam": [{"name": "family", "type": "string"}, {"name": "_id", "type": "token"}],
                },
                {"type": "Practitioner", "interaction": [{"code": "read"}]},
            ],
        }
    ],
}
EXAMPLES = [
    {"resourceType": "Patient", "id": "one", "name": [{"family": "Ashgrove"}]},
    {"resourceType": "Practitioner", "id": "two", "name": [{"family": "Moss"}]},
    {"resourceType": "Location", "id": "not-declared", "name": "Ward"},
]


@pytest.fixture(scope="module")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a mock of CONTRACT, with its examples, at which each third read of a Practitioner fails."""
    folder = tmp_path_factory.mktemp("contract")
    folder.chmod(0o755)
    (folder / "contract.json").write_text(json.dumps(CONTRACT))
    (folder / "examples.ndjson").write_text("\n".join(map(json.dumps, EXAMPLES)))
    options = ["--examples", folder / "examples.ndjson", "--fault", "Practitioner/read=503@3", "--http", "127.0.0.1:0"]
    process = subprocess.Popen([BIN, "mock", folder / "contract.json", *options], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "examples=2" in line
    yield line.split("http=")[1].split()[0] + "/fhir"
    process.terminate()
    assert process.wait(timeout=30) == 0
    process.stdout.close()


@pytest.mark.req("FH-13")
def test_a_client_written_for_the_contract_works_against_the_mock(mock: str) -> None:
    client = fhirpy.SyncFHIRClient(mock)
    assert client.reference("Patient", "one").to_resource()["name"][0]["family"] == "Ashgrove"
    made = client.resource("Patient", name=[{"family": "Thornbury"}])
    made.save()
    made["active"] = True
    made.save()
    assert [one.id for one in client.resources("Patient").search(family="Thorn").fetch()] == [made.id]
    assert client.reference("Patient", made.id).to_resource()["meta"]["versionId"] == "2"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("DELETE", "/Patient/one", 405),
        ("GET", "/Patient/one/_history", 405),
        ("GET", "/Practitioner?_id=two", 405),
        ("GET", "/Location/not-declared", 404),
        ("GET", "/Patient?birthdate=2000", 400),
        ("POST", "/", 405),
        ("GET", "/Patient/$everything", 405),
    ],
)
def test_what_the_contract_does_not_declare_is_refused(mock: str, method: str, path: str, status: int) -> None:
    answer = httpx.request(method, mock + path)
    assert answer.status_code == status
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_metadata_is_the_contract_as_an_instance(mock: str) -> None:
    told = httpx.get(f"{mock}/metadata").json()
    assert (told["kind"], told["implementation"]["url"], told["rest"]) == ("instance", mock, CONTRACT["rest"])


@pytest.mark.req("FH-13")
def test_faults_come_by_rule_and_by_order(mock: str) -> None:
    reads = [httpx.get(f"{mock}/Practitioner/two").status_code for _ in range(6)]
    assert reads == [200, 200, 503, 200, 200, 503]
    ordered = httpx.get(f"{mock}/Patient/one", headers={"Penstock-Mock": "status=429; delay=50"})
    assert ordered.status_code == 429
    assert ordered.elapsed.total_seconds() > 0.05
    assert httpx.get(f"{mock}/Patient/one").status_code == 200


@pytest.mark.parametrize("options", [["--fault", "Patient"], ["--fault", "Patient/read=700"], ["--examples", "nowhere.json"]])
def test_a_mock_that_is_asked_wrongly_says_so_and_does_not_start(tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "contract.json").write_text(json.dumps(CONTRACT))
    done = subprocess.run([BIN, "mock", tmp_path / "contract.json", *options], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
