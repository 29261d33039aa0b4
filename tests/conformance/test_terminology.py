"""The HL7 terminology ecosystem tests, over HTTP: the definitions of each suite are in force, and every request is sent as it is given."""

import dataclasses
from pathlib import Path
from typing import Any

import httpx
import pytest

from penstock.api.app import build
from penstock.api.parts import Parts
from penstock.formats.fhir.canonical import Shelf
from penstock.formats.fhir.validate import check
from penstock.terminology import Terminology
from tests.conformance.terminology_cases import Case, as_r4, as_r5, differences, read
from tests.http_door import BASE, EVERYTHING, parts, recorded, token

__all__ = ["parts", "recorded", "token"]

PATHS = {"expand": "ValueSet/$expand", "validate-code": "ValueSet/$validate-code", "cs-validate-code": "CodeSystem/$validate-code"}
PATHS |= {"lookup": "CodeSystem/$lookup"}
#: Cases that are not run, and why.
EXCLUDED = {
    "metadata": "it wants the version of this suite that a server was tested with, and a server for terminology alone;"
    " what our CapabilityStatement says is tested by calling all of it"
}
#: Cases that are answered as expected. May only rise.
RIGHT = 158
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


async def test_the_terminology_capabilities_have_what_every_server_has(suite: Any, parts: Parts) -> None:
    """The suite gives the least: what else is there does not matter."""
    case = next(each for each in suite[0] if each.operation == "term-caps")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=build(parts)), base_url=BASE) as client:
        found = (await client.get("/fhir/metadata", params={"mode": "terminology"})).json()
    assert check(found) == []
    assert [each for each in differences(case.response, found) if "not expected" not in each] == []


async def test_every_given_case_is_answered_as_expected(suite: Any, parts: Parts, token: Any) -> None:
    cases, definitions = suite
    failed: dict[str, list[str]] = {}
    asked = [case for case in cases if case.operation in PATHS and case.name not in EXCLUDED]
    for name, resources in definitions.items():
        shelf = Shelf(resources)
        app = build(dataclasses.replace(parts, canonicals=shelf, terminology=Terminology(shelf)))
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        headers = {"authorization": f"Bearer {token(EVERYTHING)}", "content-type": "application/fhir+json"}
        async with httpx.AsyncClient(transport=transport, base_url=BASE, headers=headers) as client:
            for case in asked:
                if case.suite == name:
                    found = await _ask(client, case)
                    failed |= {case.name: found} if found else {}
    assert not failed, "\n".join(f"{name}: {found}" for name, found in failed.items())
    assert (len(cases), len(asked) + 1) == (RIGHT + len(EXCLUDED), RIGHT)
