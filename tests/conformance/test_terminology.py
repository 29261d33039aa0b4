"""The HL7 terminology ecosystem tests, over HTTP: the definitions of each suite are in force, and every request is sent as it is given."""

import dataclasses
from pathlib import Path
from typing import Any

import httpx
import pytest

from penstock.api.app import build
from penstock.api.parts import Parts
from penstock.formats.fhir.canonical import Shelf
from penstock.terminology import Terminology
from tests.conformance.terminology_cases import Case, as_r4, as_r5, differences, read
from tests.http_door import BASE, EVERYTHING, parts, recorded, token

__all__ = ["parts", "recorded", "token"]

PATHS = {"expand": "ValueSet/$expand", "validate-code": "ValueSet/$validate-code", "cs-validate-code": "CodeSystem/$validate-code"}
PATHS |= {"lookup": "CodeSystem/$lookup"}
#: Cases that are not run, and why.
EXCLUDED: dict[str, str] = {}
#: Cases whose flat answer is ours, which the suite allows: what is searched for by its words comes as a list.
FLAT = {"search-filter-yes"}


@pytest.fixture(scope="module")
def suite(data_sets: Path) -> tuple[list[Case], dict[str, list[dict[str, Any]]]]:
    return read(data_sets / "suites" / "terminology-tx")


async def _ask(client: httpx.AsyncClient, case: Case) -> list[str]:
    answer = await client.post(f"/fhir/{PATHS[case.operation]}", json=as_r4(case.request), headers=case.headers)
    if (400 <= answer.status_code < 500) is not case.refused or answer.status_code >= 500:
        return [f"status {answer.status_code}: {answer.text[:300]}"]
    expected = case.flat if case.name in FLAT else case.response
    return list(differences(expected, as_r5(answer.json())))


async def test_every_given_case_is_answered_as_expected(suite: Any, parts: Parts, token: Any) -> None:
    cases, definitions = suite
    failed: dict[str, list[str]] = {}
    for name, resources in definitions.items():
        shelf = Shelf(resources)
        app = build(dataclasses.replace(parts, canonicals=shelf, terminology=Terminology(shelf)))
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        headers = {"authorization": f"Bearer {token(EVERYTHING)}", "content-type": "application/fhir+json"}
        async with httpx.AsyncClient(transport=transport, base_url=BASE, headers=headers) as client:
            for case in cases:
                if case.suite == name and case.name not in EXCLUDED and case.operation in PATHS:
                    found = await _ask(client, case)
                    failed |= {case.name: found} if found else {}
    assert not failed, "\n".join(f"{name}: {found}" for name, found in failed.items())
