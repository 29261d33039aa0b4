"""Public TestScripts against the server: the R4 base scripts of mock.health and the scripts of the Crucible TestScript engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from penstock.formats.fhir import json
from tests.conformance.testscript import Run
from tests.http_door import client, parts, recorded, stranger, token

__all__ = ["client", "parts", "recorded", "stranger", "token"]

#: What a tester enters.
GIVEN = {"PatientSearchFamilyName": "Chalmers", "PatientSearchGivenName": "Peter"}
_FIXTURE = "the resource that is sent has another id than its URL (http.html#update: 400) and a birthDate that is no date"
#: Assertions that do not hold, by (script, place): why not.
EXCLUDED: dict[tuple[str, str], str] = {
    ("MAY/bulk-data-export", "may-support-export: responseCode is 202 Accepted"): "bulk export is another guide, and is optional here",
    ("read_testscript", "R004: 01-Response400"): "since STU3 an id may have capitals (datatypes.html#id): there is no such resource, 404",
    ("general_testscript", "setup: 01-ConfirmResponse201"): "its own description says 201, and http.html#update: it was created",
    ("history_testscript", "setup: 01-Response200"): _FIXTURE,
    ("update_testscript", "01-UpdatePatient: 01-Response200"): _FIXTURE,
    ("update_testscript", "01-UpdatePatient: 03-ResponseHTTPheader"): _FIXTURE,
    ("history_testscript", "01-HistoryPatient: 03-ResponseProfile"): "it asks that the Bundle conforms to the profile of Patient",
}
#: Assertions that hold; this number may only rise.
HOLD = 69


def scripts(data_sets: Path) -> list[tuple[str, Path, dict[str, Any]]]:
    """(name, folder of its fixtures, script)"""
    suite = data_sets / "suites" / "testscripts"
    base, crucible = suite / "mock-health" / "fhir-r4-base", suite / "crucible-engine"
    files = [(f"{file.parent.name}/{file.stem}", file) for file in sorted(base.glob("*/*.json"))]
    files += [(file.stem, file) for file in sorted(crucible.glob("*.json"))]
    return [(name, file.parent, json.decode(file.read_bytes())) for name, file in files]


@pytest.mark.req("FH-03")
async def test_every_assertion_holds_or_is_argued(client: httpx.AsyncClient, data_sets: Path) -> None:
    example = json.decode((data_sets / "suites/testscripts/crucible-engine/fixtures/Patient/example.json").read_bytes())
    await client.put(
        "/fhir/Patient/example", content=json.encode(example | {"id": "example"}), headers={"content-type": "application/fhir+json"}
    )
    held, failed = 0, {}
    for name, folder, script in scripts(data_sets):
        for place, reason in await Run(client, folder, script, GIVEN).verdicts():
            held += not reason
            if reason:
                failed[name, place] = reason
    assert sorted(f"{name}, {place}: {reason}" for (name, place), reason in failed.items() if (name, place) not in EXCLUDED) == []
    assert set(EXCLUDED) <= set(failed), "what holds is no longer excluded"
    assert held >= HOLD
