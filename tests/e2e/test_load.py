"""Bulk loading beside a running program, and without one."""

from __future__ import annotations

import gzip
import json
import lzma
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.e2e.conftest import BIN, Program


def patient(number: int, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": f"p{number}", "identifier": [{"system": "urn:mrn", "value": f"mrn-{number}"}], **more}


def lines(*resources: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in resources)


def loaded(program: Program, *arguments: str) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    done = program.cli("load", "--json", *arguments)
    return done, json.loads(done.stdout) if done.stdout else {}


def test_what_is_loaded_is_as_if_it_had_been_written_one_by_one(program: Program, tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_bytes(lines(*map(patient, range(1500))))
    (tmp_path / "b.ndjson.gz").write_bytes(gzip.compress(lines(*map(patient, range(1500, 1600)))))
    (tmp_path / "c.ndjson.xz").write_bytes(lzma.compress(lines(*map(patient, range(1600, 1700)))))
    files = [str(tmp_path / name) for name in ("a.ndjson", "b.ndjson.gz", "c.ndjson.xz")]
    done, told = loaded(program, *files)
    assert done.returncode == 0, done.stderr
    assert (told["resources"], told["create"], told["refused"]) == (1700, 1700, 0)
    with program.client() as client:
        found = client.get("/fhir/Patient?identifier=urn:mrn|mrn-1650&_total=accurate").json()
        assert found["total"] == 1 and found["entry"][0]["resource"]["id"] == "p1650"
        assert client.get("/fhir/Patient?_total=accurate&_count=1").json()["total"] == 1700
        assert client.get("/fhir/Patient/p7/_history/1").json()["meta"]["versionId"] == "1"
        told_of, cursor = 0, "0"
        while page := client.get("/events", params={"cursor": cursor, "limit": 1000}, headers={"Accept": "application/json"}):
            told_of += sum(event["type"] == "penstock.resource.created" for event in page.json())
            if not page.json():
                break
            cursor = page.headers["x-next-cursor"]
        assert told_of == 1700
        changed = patient(7, active=True)
        (tmp_path / "a.ndjson").write_bytes(lines(*map(patient, range(6)), changed, *map(patient, range(8, 1500))))
        done, told = loaded(program, *files)
        assert (told["same"], told["update"], "create" in told) == (1698, 1, False)
        assert client.get("/fhir/Patient/p7").json()["meta"]["versionId"] == "2"
        assert client.get("/fhir/Patient/p8").json()["meta"]["versionId"] == "1"


def test_what_cannot_be_loaded_is_told_by_line_and_stops_nothing(program: Program, tmp_path: Path) -> None:
    bad = [
        b"{",
        b'{"resourceType":"Patient"}',
        b'{"resourceType":"Patient","id":"x","birthDate":"yesterday"}',
        b'{"resourceType":"Nonsense","id":"x"}',
        b'{"resourceType":"Subscription","id":"x","status":"off","reason":"r","criteria":"Patient","channel":{"type":"rest-hook"}}',
        b'{"resourceType":"Patient","id":"bad id"}',
        b"[]",
    ]
    (tmp_path / "mixed.ndjson").write_bytes(b"\n".join([lines(patient(9001)).strip(), *bad, b"", lines(patient(9002))]))
    done, told = loaded(program, str(tmp_path / "mixed.ndjson"), "--errors", str(tmp_path / "errors"))
    assert done.returncode == 1 and told["refused"] == len(bad) and told["create"] == 2
    errors = [json.loads(line) for line in (tmp_path / "errors").read_text().splitlines()]
    assert sorted(each["line"] for each in errors) == list(range(2, 2 + len(bad)))
    assert {each["at"] for each in errors} >= {"Patient.birthDate"}
    assert "yesterday" not in done.stderr + (tmp_path / "errors").read_text()
    for arguments in (("nothing.ndjson",), (str(tmp_path),)):
        assert loaded(program, *arguments)[0].returncode == 1


def entry(resource: dict[str, Any], url: str = "", method: str = "POST", **request: Any) -> dict[str, Any]:
    return {"fullUrl": url, "resource": resource, "request": {"method": method, "url": resource["resourceType"], **request}}


def test_bundles_are_taken_apart_and_their_links_resolved(program: Program, tmp_path: Path) -> None:
    mother, observed = "urn:uuid:0c4a4a56-8f5b-4d5e-9d8e-1a2b3c4d5e6f", "urn:uuid:1c4a4a56-8f5b-4d5e-9d8e-1a2b3c4d5e6f"
    doctor = {"resourceType": "Practitioner", "id": "doc", "identifier": [{"system": "urn:gmc", "value": "1"}]}
    (tmp_path / "doctor.json").write_text(json.dumps(doctor))
    subject, performer = {"reference": mother}, {"reference": "Practitioner?identifier=urn:gmc|1"}
    observation = {"resourceType": "Observation", "status": "final", "code": {"text": "c"}, "subject": subject, "performer": [performer]}
    nobody = {**observation, "performer": [{"reference": "Practitioner?identifier=urn:gmc|2"}]}
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            entry(observation, observed),
            entry({"resourceType": "Patient"}, mother),
            entry(nobody, "urn:uuid:2c4a4a56-8f5b-4d5e-9d8e-1a2b3c4d5e6f"),
            entry({"resourceType": "Patient"}, "urn:uuid:3c4a4a56-8f5b-4d5e-9d8e-1a2b3c4d5e6f", ifNoneExist="identifier=1"),
        ],
    }
    (tmp_path / "bundle.json").write_text(json.dumps(bundle))
    assert loaded(program, str(tmp_path / "doctor.json"))[0].returncode == 0
    done, told = loaded(program, str(tmp_path / "bundle.json"))
    assert (told["create"], told["refused"]) == (2, 2), done.stderr
    assert "entry 2" in done.stderr and "entry 3" in done.stderr
    with program.client() as client:
        found = client.get(f"/fhir/Observation/{observed.removeprefix('urn:uuid:')}").json()
        assert found["subject"]["reference"] == "Patient/" + mother.removeprefix("urn:uuid:")
        assert found["performer"][0]["reference"] == "Practitioner/doc"


def test_without_a_running_program_the_embedded_database_is_started_for_the_load(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "a.ndjson").write_bytes(lines(patient(1), patient(2)))
    for deed in ("create", "same"):
        done = subprocess.run(
            [BIN, "load", str(tmp_path / "a.ndjson"), "--data", str(tmp_path / "data"), "--json"],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)[deed] == 2


def test_a_load_that_was_killed_is_started_again_and_nothing_is_there_twice(program: Program, tmp_path: Path) -> None:
    goals = [{"resourceType": "Basic", "id": f"k{number}", "code": {"text": "killed"}} for number in range(3000)]
    (tmp_path / "basics.ndjson").write_bytes(lines(*goals))
    command = [BIN, "load", str(tmp_path / "basics.ndjson"), "--data", str(program.data)]
    with program.client() as client:
        killed = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        while client.get("/fhir/Basic?_total=accurate&_count=1").json()["total"] == 0 and killed.poll() is None:
            time.sleep(0.01)
        os.killpg(killed.pid, signal.SIGKILL)
        killed.wait()
        before = client.get("/fhir/Basic?_total=accurate&_count=1").json()["total"]
        done, told = loaded(program, str(tmp_path / "basics.ndjson"))
        assert done.returncode == 0, done.stderr
        assert told["resources"] == 3000 and told.get("same", 0) >= before
        assert client.get("/fhir/Basic?_total=accurate&_count=1").json()["total"] == 3000
        history = client.get("/fhir/Basic/_history?_count=1000").json()
        assert {entry["resource"]["meta"]["versionId"] for entry in history["entry"]} == {"1"}
