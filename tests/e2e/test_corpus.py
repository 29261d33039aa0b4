"""About 1,150 public HL7 v2 messages and 100 Synthea people through the running program: nothing unhandled, nothing lost, all valid."""

from __future__ import annotations

import lzma
import tarfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from penstock.formats.fhir import json
from penstock.formats.fhir.validate import check
from penstock.formats.hl7v2 import split_batch
from penstock.sending import send
from tests.e2e.conftest import Program, Start

pytestmark = pytest.mark.timeout(400)


def messages(data_sets: Path) -> Iterator[bytes]:
    """Every message of the public samples, cut out of its file."""
    with tarfile.open(data_sets / "v2-samples.tar.xz") as archive:
        for member in archive:
            if member.isfile() and member.name.endswith((".hl7", ".txt", ".er7", ".HL7")):
                file = archive.extractfile(member)
                assert file is not None
                yield from split_batch(file.read()).messages


class Line(msgspec.Struct):
    """One line of the Synthea file: the bundle, as bytes."""

    bundle: msgspec.Raw


@pytest.fixture(scope="module")
def fed(start: Start, data_sets: Path) -> tuple[Program, int, Counter[str]]:
    """A program after all messages were sent and processed; how many were sent, and what was answered."""
    program = start(PENSTOCK_LOG_LEVEL="warning")
    sent = [message for message in messages(data_sets) if message.strip()]
    codes = Counter(answer.code for answer in send(sent, program.mllp))
    with program.client() as client:
        for _ in range(600):
            counts = client.get("/admin/v1/conservation").json()["interfaces"]["mllp"]
            if not any(counts["in_flight"].values()):
                break
            time.sleep(0.2)
    return program, len(sent), codes


@pytest.mark.req("OB-10", "V2-03")
def test_each_message_is_stored_filtered_or_quarantined_with_a_reason(fed: tuple[Program, int, Counter[str]]) -> None:
    program, sent, codes = fed
    assert sent > 1000
    assert sum(codes.values()) == sent
    with program.client() as client:
        answer = client.get("/admin/v1/conservation").json()
        counts = answer["interfaces"]["mllp"]
        assert answer["conserved"]
        assert not any(counts["in_flight"].values())
        assert "exception" not in counts["quarantined"], counts
        quarantined = client.get("/admin/v1/inbox", params={"state": "quarantined", "limit": 1000}).json()
        assert all(row["code"] and row["text"] for row in quarantined)


def test_every_resource_they_became_is_valid(fed: tuple[Program, int, Counter[str]]) -> None:
    program, _, _ = fed
    faults: Counter[str] = Counter()
    with program.client() as client:
        for type_ in (
            "Patient",
            "Encounter",
            "Observation",
            "DiagnosticReport",
            "Practitioner",
            "Location",
            "Organization",
            "ServiceRequest",
            "MedicationRequest",
            "Medication",
            "MedicationDispense",
            "MedicationAdministration",
            "ChargeItem",
            "Account",
            "Coverage",
            "Procedure",
            "Condition",
            "DocumentReference",
        ):
            url: str | None = f"/fhir/{type_}?_count=500"
            while url:
                page = json.decode(client.get(url).content)
                for entry in page.get("entry", []):
                    faults.update(f"{type_}: {issue.text} at {issue.at}" for issue in check(entry["resource"]) if issue.severity == "error")
                url = next((link["url"] for link in page["link"] if link["relation"] == "next"), None)
    assert not faults


@pytest.mark.req("FH-06", "FH-19")
def test_synthea_bundles_load_and_read_back_equal(program: Program, data_sets: Path) -> None:
    with lzma.open(data_sets / "synthea" / "smart-r4-100.bundles.ndjson.xz") as lines:
        bundles = [msgspec.json.decode(line, type=Line).bundle for line in lines if line.strip()]
    expected: Counter[str] = Counter()
    with program.client() as client:
        client.timeout = 120
        for raw in bundles:
            bundle = json.decode(bytes(raw))
            answer = client.post("/fhir", content=bytes(raw), headers={"Content-Type": "application/fhir+json"})
            assert answer.status_code == 200, answer.text[:500]
            expected.update(entry["resource"]["resourceType"] for entry in bundle["entry"])
            stored = _stored(bundle, answer.json())
            read = {
                "resourceType": "Bundle",
                "type": "batch",
                "entry": [{"request": {"method": "GET", "url": path}} for path, *_ in stored],
            }
            back = json.decode(client.post("/fhir", content=json.encode(read), headers={"Content-Type": "application/fhir+json"}).content)
            for (path, resource, names), entry in zip(stored, back["entry"], strict=True):
                assert _without_meta(entry["resource"]) == _without_meta(_renamed(resource, names)), path
        for type_, count in expected.items():
            total = client.get(f"/fhir/{type_}", params={"_summary": "count"}).json()["total"]
            assert total == count, type_


def _stored(bundle: dict[str, Any], answer: dict[str, Any]) -> list[tuple[str, dict[str, Any], dict[str, str]]]:
    """(Type/id, resource as sent, what each urn became) for each entry of a bundle that was stored."""
    paths = ["/".join(entry["response"]["location"].split("/_history")[0].split("/")[-2:]) for entry in answer["entry"]]
    names = {entry["fullUrl"]: path for entry, path in zip(bundle["entry"], paths, strict=True)}
    return [(path, entry["resource"], names) for entry, path in zip(bundle["entry"], paths, strict=True)]


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: names.get(inner, inner) if name == "reference" else _renamed(inner, names) for name, inner in value.items()}
    return [_renamed(inner, names) for inner in value] if isinstance(value, list) else value


def _without_meta(resource: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in resource.items() if name not in ("id", "meta")}
