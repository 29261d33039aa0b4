"""Two partners with different contracts are written to and read from by configuration only."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import BIN, Program, Start

NORTH_MRN = "https://northside.example.org/id/mrn"


def _contract(*interactions: str) -> dict[str, Any]:
    resource = {
        "type": "Patient",
        "interaction": [{"code": code} for code in interactions],
        "searchParam": [{"name": name, "type": "token"} for name in ("identifier", "_id")],
    }
    return {"resourceType": "CapabilityStatement", "rest": [{"mode": "server", "resource": [resource]}]}


@pytest.fixture(scope="module")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """Starts the mock of a partner; its base URL."""
    processes: list[subprocess.Popen[str]] = []

    def begin(*interactions: str) -> str:
        folder = tmp_path_factory.mktemp("contract")
        folder.chmod(0o755)
        (folder / "contract.json").write_text(json.dumps(_contract(*interactions)))
        process = subprocess.Popen([BIN, "mock", folder / "contract.json", "--http", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout is not None
        return process.stdout.readline().split("http=")[1].split()[0] + "/fhir"

    yield begin
    for process in processes:
        process.terminate()
        process.wait(timeout=30)
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture(scope="module")
def north(mock: Callable[..., str]) -> str:
    return mock("read", "search-type", "update", "create")  # its own ids; no deletions


@pytest.fixture(scope="module")
def south(mock: Callable[..., str]) -> str:
    return mock("read", "search-type", "update", "delete")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, north: str, south: str) -> Path:
    folder = tmp_path_factory.mktemp("site")
    (folder / "partners").mkdir()
    (folder / "partners" / "north.yaml").write_text(
        f"name: north\nendpoint: {north}\ntypes: [Patient]\nwrite: conditional\nidentifier: {NORTH_MRN}\nformat: xml\nwithout: [text]\n"
        "profiles:\n  Patient: https://northside.example.org/StructureDefinition/patient\n"
    )
    (folder / "partners" / "south.yaml").write_text(f"name: south\nendpoint: {south}\ntypes: [Patient]\n")
    return folder


@pytest.fixture(scope="module")
def program(start: Start, site: Path) -> Program:
    return start("--site", str(site), PENSTOCK_DELIVERY_ALLOW="127.0.0.0/8", PENSTOCK_DELIVERY_RETRY_S="0.1")


def _eventually(look: Callable[[], Any], seconds: float = 15) -> Any:
    until = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < until
        time.sleep(0.1)
    return found


def _search(base: str, **query: str) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in httpx.get(f"{base}/Patient", params=query).json().get("entry", [])]


@pytest.mark.req("FH-11")
def test_each_partner_gets_what_it_takes(program: Program, north: str, south: str) -> None:
    text = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Moss</div>'}
    patient = {"resourceType": "Patient", "text": text, "identifier": [{"system": NORTH_MRN, "value": "n|1"}], "name": [{"family": "Moss"}]}
    with program.client() as client:
        patient["id"] = client.post("/fhir/Patient", json=patient).json()["id"]
        assert client.put(f"/fhir/Patient/{patient['id']}", json=patient | {"active": True}).status_code == 200
    theirs = _eventually(lambda: [one for one in _search(north, identifier=f"{NORTH_MRN}|n\\|1") if one.get("active")])[0]
    assert theirs["id"] != patient["id"]
    assert "text" not in theirs
    assert theirs["meta"]["profile"] == ["https://northside.example.org/StructureDefinition/patient"]
    assert len(_search(north)) == 1
    ours = _eventually(lambda: [one for one in _search(south, _id=patient["id"]) if one.get("active")])[0]
    assert (ours["text"], ours["name"]) == (text, patient["name"])
    with program.client() as client:
        assert client.delete(f"/fhir/Patient/{patient['id']}").status_code == 204
    _eventually(lambda: not _search(south, _id=patient["id"]))
    assert len(_search(north)) == 1


@pytest.mark.req("FH-11")
def test_a_resource_that_a_partner_cannot_find_is_a_dead_letter_with_the_reason(program: Program) -> None:
    with program.client() as client:
        client.post("/fhir/Patient", json={"resourceType": "Patient", "name": [{"family": "Nameless"}]})
        [dead] = _eventually(lambda: client.get("/admin/v1/dead").json(), 30)
    assert (dead["subscription"], dead["reason"]) == (
        "partner/north",
        "this partner finds resources by an identifier that this resource does not have",
    )


@pytest.mark.req("FH-11")
def test_partners_are_searched_as_they_page(program: Program, site: Path, south: str) -> None:
    with program.client() as client:
        for number in range(5):
            client.post("/fhir/Patient", json={"resourceType": "Patient", "name": [{"family": f"Many{number}"}]})
    _eventually(lambda: len(_search(south)) >= 6)
    command = [BIN, "fetch", "south", "Patient?_count=2", "--site", site]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ, timeout=60)
    families = {json.loads(line)["name"][0]["family"] for line in done.stdout.splitlines()}
    assert families >= {f"Many{number}" for number in range(5)}
    unknown = subprocess.run([BIN, "fetch", "west", "Patient", "--site", site], capture_output=True, text=True, check=False, timeout=60)
    assert (unknown.returncode, "no partner of this name" in unknown.stderr) == (1, True)
