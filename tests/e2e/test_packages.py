"""An implementation guide is loaded into the running program: shown first, then loaded, in force at once, and unloaded."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conformance.test_fhir_examples import WRONG_US_CORE, us_core_package
from tests.e2e.conftest import Program

MEDIA = {"Content-Type": "application/gzip"}
FHIR = {"Content-Type": "application/fhir+json"}
PATIENT = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"


@pytest.fixture(scope="module")
def guides(data_sets: Path) -> dict[str, Path]:
    """US Core by version."""
    folder = data_sets / "fhir-packages"
    return {"3.1.1": folder / "03-us-core-v311.tgz", "4.0.0": folder / "01-us-core-v400.tgz", "6.1.0": folder / "04-us-core-610.tgz"}


def package(*resources: dict[str, Any], **manifest: Any) -> bytes:
    out = io.BytesIO()
    said = {"name": "example.guide", "version": "1.0.0", "fhirVersions": ["4.0.1"], **manifest}
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in [("package.json", said)] + [(f"r{n}.json", each) for n, each in enumerate(resources)]:
            data = json.dumps(content).encode()
            info = tarfile.TarInfo("package/" + name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def value_set(url: str = "http://example.org/ValueSet/a", **more: Any) -> dict[str, Any]:
    return {"resourceType": "ValueSet", "url": url, "status": "active", **more}


def test_the_command_line_shows_what_a_package_changes_then_loads_lists_and_removes_it(program: Program, guides: dict[str, Path]) -> None:
    shown = program.cli("package", "add", str(guides["3.1.1"]))
    assert shown.returncode == 0, shown.stderr
    assert "hl7.fhir.us.core@3.1.1" in shown.stdout and "nothing is changed yet" in shown.stdout
    assert "26 profiles" in shown.stdout and "4 extensions" in shown.stdout and "74 search parameters" in shown.stdout
    assert "hl7.fhir.r4.core 4.0.1: built-in" in shown.stdout
    assert program.cli("package", "list").stdout.strip() == ""
    assert "loaded" in program.cli("package", "add", str(guides["3.1.1"]), "--yes").stdout
    assert program.cli("package", "list").stdout.startswith("hl7.fhir.us.core@3.1.1 143 definitions")
    assert "it is loaded already" in program.cli("package", "add", str(guides["3.1.1"]), "--yes").stdout
    assert PATIENT + "|3.1.1" in program.cli("package", "show", "hl7.fhir.us.core").stdout
    assert "removed hl7.fhir.us.core@3.1.1: 143 definitions" in program.cli("package", "remove", "hl7.fhir.us.core").stdout
    gone = program.cli("package", "remove", "hl7.fhir.us.core")
    assert gone.returncode == 1 and "no package of this name" in gone.stderr


def test_three_versions_of_us_core_live_beside_each_other(program: Program, guides: dict[str, Path]) -> None:
    with program.client() as client:
        for version, file in guides.items():
            report = client.post("/admin/v1/packages", content=file.read_bytes(), headers=MEDIA)
            assert report.status_code == 201, report.text
            assert report.json()["version"] == version and report.json()["left_out"] == []
        listed = client.get("/admin/v1/packages").json()
        assert [each["version"] for each in listed] == ["3.1.1", "4.0.0", "6.1.0"]
        missing = {each["name"] for each in listed[2]["dependencies"] if each["state"] == "missing"}
        assert "us.nlm.vsac" in missing and "hl7.fhir.r4.core" not in missing
        again = client.post("/admin/v1/packages?preview=true", content=guides["6.1.0"].read_bytes(), headers=MEDIA).json()
        assert again["already"] and set(again["changes"]) == {"same"}
        for version in guides:
            assert client.delete(f"/admin/v1/packages/hl7.fhir.us.core/{version}").status_code == 200


def test_a_package_that_is_in_use_stays_unless_forced(program: Program) -> None:
    profile = {
        "resourceType": "StructureDefinition", "url": "http://example.org/StructureDefinition/p", "name": "P", "status": "active",
        "kind": "resource", "abstract": False, "type": "Patient", "derivation": "constraint", "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "differential": {"element": [{"id": "Patient", "path": "Patient"}]},
    }  # fmt: skip
    with program.client() as client:
        assert client.post("/admin/v1/packages", content=package(profile), headers=MEDIA).status_code == 201
        patient = {"resourceType": "Patient", "id": "claims", "meta": {"profile": [profile["url"]]}}
        assert client.put("/fhir/Patient/claims", json=patient).status_code == 201
        refused = client.delete("/admin/v1/packages/example.guide/1.0.0")
        assert refused.status_code == 422 and "in use" in refused.text
        assert client.get("/admin/v1/packages/example.guide/1.0.0").json()["claimed"] == [profile["url"]]
        needs = package(value_set(), name="example.other", dependencies={"example.guide": "1.0.x"})
        assert client.post("/admin/v1/packages", content=needs, headers=MEDIA).json()["dependencies"][0]["state"] == "present"
        forced = client.delete("/admin/v1/packages/example.guide/1.0.0?force=true").json()
        assert forced["needed_by"] == ["example.other|1.0.0"] and forced["claimed"] == [profile["url"]]
        assert client.get("/admin/v1/packages").json()[0]["dependencies"][0]["state"] == "missing"
        assert client.delete("/admin/v1/packages/example.other/1.0.0").status_code == 200


BROKEN = {
    "resourceType": "SearchParameter", "url": "http://example.org/SearchParameter/broken", "name": "Broken", "status": "active",
    "description": "d", "code": "broken", "base": ["Patient"], "type": "string",
}  # fmt: skip


def test_conflicts_are_named_before_anything_is_loaded(program: Program) -> None:
    with program.client() as client:
        assert client.put(
            "/fhir/ValueSet/site", json={**value_set("http://example.org/ValueSet/site"), "id": "site", "version": "1"}
        ).is_success
        first = package(value_set(version="1"), name="example.first")
        assert client.post("/admin/v1/packages", content=first, headers=MEDIA).status_code == 201
        second = package(
            value_set(version="1", title="other"),
            value_set(version="2"),
            value_set("http://example.org/ValueSet/site", version="1", title="other"),
            value_set("http://example.org/ValueSet/new"),
            value_set("http://hl7.org/fhir/ValueSet/administrative-gender", version="4.0.1"),
            {"resourceType": "ValueSet", "status": "active"},
            {**BROKEN, "expression": "Patient.name.("},
            name="example.second",
        )
        report = client.post("/admin/v1/packages?preview=true", content=second, headers=MEDIA).json()
        assert report["changes"] == {
            "added": {"search parameter": 1, "value set": 1},
            "new-version": {"value set": 1}, "replaced": {"value set": 1}, "hidden": {"value set": 2},
        }  # fmt: skip
        assert {each["by"] for each in report["conflicts"]} == {"example.first|1.0.0", "site", "r4"}
        assert [each["canonical"] for each in report["unusable"]] == [BROKEN["url"]]
        assert len(report["left_out"]) == 1 and "no URL" in report["left_out"][0]["reason"]
        assert len(client.get("/admin/v1/packages").json()) == 1
        other = package(value_set(version="9"), name="example.first")
        assert client.post("/admin/v1/packages", content=other, headers=MEDIA).status_code == 409
        assert client.delete("/admin/v1/packages/example.first/1.0.0").status_code == 200


def test_what_is_no_package_is_refused_and_changes_nothing(program: Program) -> None:
    hostile = {
        b"": 400, b"{}": 400, gzip.compress(b"no tar"): 400, package(name="../x"): 422, package(fhirVersions=["5.0.0"]): 400,
        package(dependencies={"a": 1}): 400, package(version=5): 422,
    }  # fmt: skip
    with program.client() as client:
        for body, status in hostile.items():
            answer = client.post("/admin/v1/packages", content=body, headers=MEDIA)
            assert answer.status_code == status, answer.text
        assert client.post("/admin/v1/packages", content=package(), headers={"Content-Type": "application/json"}).status_code == 415
        assert client.post("/admin/v1/packages?preview=yes", content=package(), headers=MEDIA).status_code == 400
        assert client.get("/admin/v1/packages/none/1").status_code == 404
        assert client.delete("/admin/v1/packages/none/1").status_code == 404
        assert client.get("/admin/v1/packages").json() == []
    with program.client("admin/packages.r") as client:
        assert client.post("/admin/v1/packages", content=package(), headers=MEDIA).status_code == 403


def elsewhere(program: Program) -> httpx.Client:
    """A client on a connection of its own, which may be another process's."""
    return program.client()


def test_a_definition_that_was_stored_is_in_force_in_every_process_when_its_client_is_answered(program: Program) -> None:
    url = "http://example.org/ValueSet/fresh"
    for number in range(8):
        compose = {"include": [{"system": "urn:colours", "concept": [{"code": f"c{number}"}]}]}
        with elsewhere(program) as client:
            assert client.put("/fhir/ValueSet/fresh", json=value_set(url, id="fresh", compose=compose)).is_success
        for _ in range(6):
            with elsewhere(program) as client:
                found = client.get("/fhir/ValueSet/$expand", params={"url": url}).json()
                assert [each["code"] for each in found["expansion"]["contains"]] == [f"c{number}"]


def test_a_loaded_guide_is_validated_against_and_searched_by(program: Program, guides: dict[str, Path]) -> None:
    race = {
        "url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race",
        "extension": [{"url": "ombCategory", "valueCoding": {"system": "urn:oid:2.16.840.1.113883.6.238", "code": "2106-3"}}],
    }
    patient = {"resourceType": "Patient", "id": "raced", "extension": [race]}
    with elsewhere(program) as client:
        assert client.put("/fhir/Patient/raced", json=patient).is_success
        assert client.get("/fhir/Patient?race=2106-3").status_code == 400
        assert client.post("/admin/v1/packages", content=guides["6.1.0"].read_bytes(), headers=MEDIA).status_code == 201
    for _ in range(4):
        with elsewhere(program) as client:
            outcome = client.post("/fhir/Patient/$validate", params={"profile": PATIENT}, json=patient).json()
            said = json.dumps(outcome["issue"])
            assert "error" in said and "us-core-patient" in said
    with elsewhere(program) as client:
        deadline = time.monotonic() + 60
        while (found := client.get("/fhir/Patient?race=2106-3")).status_code != 200 or not found.json().get("entry"):
            assert time.monotonic() < deadline, found.text
            time.sleep(0.2)
        assert [entry["resource"]["id"] for entry in found.json()["entry"]] == ["raced"]
        assert client.delete("/admin/v1/packages/hl7.fhir.us.core/6.1.0").status_code == 200
        assert client.get("/fhir/Patient?race=2106-3").status_code == 400


@pytest.mark.req("FH-10")
def test_the_examples_of_a_loaded_guide_are_right_by_its_own_profiles(program: Program, guides: dict[str, Path]) -> None:
    """All but those that break what they illustrate (``WRONG_US_CORE``), asked of the running program."""
    _, examples = us_core_package(guides["6.1.0"])
    with program.client() as client:
        assert client.post("/admin/v1/packages", content=guides["6.1.0"].read_bytes(), headers=MEDIA).status_code == 201
        outcomes = {
            name: client.post(f"/fhir/{json.loads(text)['resourceType']}/$validate", content=text, headers=FHIR) for name, text in examples
        }
        assert client.delete("/admin/v1/packages/hl7.fhir.us.core/6.1.0").status_code == 200
    assert {outcome.status_code for outcome in outcomes.values()} == {200}
    wrong = {name for name, outcome in outcomes.items() if any(each["severity"] == "error" for each in outcome.json()["issue"])}
    assert wrong == WRONG_US_CORE[guides["6.1.0"].name]
    assert len(examples) >= 180
