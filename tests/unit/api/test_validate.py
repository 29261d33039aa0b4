"""$validate over HTTP, and what a site demands of what is written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from penstock.api.app import build
from penstock.api.parts import Parts
from penstock.formats.fhir.canonical import Shelf
from penstock.formats.fhir.validate.demands import Demand, Demands
from penstock.formats.fhir.validate.validator import Validator
from penstock.store import Store, Writer
from tests.http_door import BASE, EVERYTHING, announce

Resource = dict[str, Any]

VITALS = "http://hl7.org/fhir/StructureDefinition/vitalsigns"
NHS = "https://fhir.nhs.uk/Id/nhs-number"
PROFILE: Resource = {
    "resourceType": "StructureDefinition",
    "url": "http://site.example/StructureDefinition/born",
    "name": "Born",
    "status": "active",
    "kind": "resource",
    "abstract": False,
    "type": "Patient",
    "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
    "derivation": "constraint",
    "differential": {"element": [{"id": "Patient.birthDate", "path": "Patient.birthDate", "min": 1}]},
}
OF_THE_BORN: Resource = PROFILE | {
    "url": "http://site.example/StructureDefinition/of-the-born",
    "type": "Observation",
    "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Observation",
    "differential": {
        "element": [{"path": "Observation.subject", "type": [{"code": "Reference", "targetProfile": [PROFILE["url"]]}]}],
    },
}


def found(response: httpx.Response, severity: str = "error") -> list[tuple[str, str]]:
    """Code and expression of each issue of a severity; the outcome is an answer, not a refusal."""
    assert response.status_code == 200, response.text
    outcome = response.json()
    assert outcome["resourceType"] == "OperationOutcome"
    return [(issue["code"], issue.get("expression", [""])[0]) for issue in outcome["issue"] if issue["severity"] == severity]


@pytest.mark.parametrize("body", ["bare", "parameters"])
async def test_what_is_wrong_is_told_by_place_and_nothing_is_stored(client: httpx.AsyncClient, patient: Resource, body: str) -> None:
    wrong = patient | {"contact": [{"gender": "male"}], "gender": "m"}
    sent = wrong if body == "bare" else {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": wrong}]}
    response = await client.post("/fhir/Patient/$validate", json=sent)
    assert found(response) == [("code-invalid", "Patient.gender"), ("invariant", "Patient.contact[0]")]
    assert "rule pat-1" in response.text and "Smith" not in response.text
    assert (await client.get("/fhir/Patient")).json()["total"] == 0


async def test_what_is_right_says_so(client: httpx.AsyncClient, patient: Resource) -> None:
    text = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">John</div>'}
    response = await client.post("/fhir/Patient/$validate", json=patient | {"text": text})
    assert [issue["severity"] for issue in response.json()["issue"]] == ["information"]


async def test_a_profile_that_is_asked_for_is_named_with_element_and_rule(client: httpx.AsyncClient) -> None:
    observation = {"resourceType": "Observation", "status": "final", "code": {"text": "pulse"}}
    response = await client.post("/fhir/Observation/$validate", params={"profile": VITALS}, json=observation)
    assert ("required", "Observation.subject") in found(response)
    assert f"profile {VITALS}, element Observation.subject, rule min" in response.text
    unknown = await client.post("/fhir/Observation/$validate", params={"profile": "http://nobody.example/x"}, json=observation)
    assert found(unknown) == [("not-found", "Observation")]


async def test_an_instance_is_validated_as_it_is_stored(client: httpx.AsyncClient, patient: Resource) -> None:
    id = (await client.post("/fhir/Patient", json=patient)).json()["id"]
    assert found(await client.get(f"/fhir/Patient/{id}/$validate")) == []
    assert found(await client.post(f"/fhir/Patient/{id}/$validate", params={"mode": "update"}, json=patient)) == [("invalid", "Patient.id")]
    assert found(await client.post(f"/fhir/Patient/{id}/$validate", params={"mode": "delete"})) == []
    assert (await client.post("/fhir/Patient/none/$validate", params={"mode": "delete"})).status_code == 404


async def test_a_mode_needs_the_right_that_it_asks_about(stranger: httpx.AsyncClient, token: Any, patient: Resource) -> None:
    headers = {"authorization": f"Bearer {token('system/Patient.r')}"}
    assert (await stranger.post("/fhir/Patient/$validate", json=patient, headers=headers)).status_code == 200
    refused = await stranger.post("/fhir/Patient/$validate", params={"mode": "create"}, json=patient, headers=headers)
    assert refused.status_code == 403


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/fhir/Patient/$validate", {}, 422),
        ("/fhir/Patient/$validate", {"mode": "borrow"}, 422),
        ("/fhir/Patient/$validate", {"mode": "delete"}, 400),
    ],
)
async def test_a_call_that_asks_nothing_is_refused(client: httpx.AsyncClient, path: str, query: dict[str, str], status: int) -> None:
    assert (await client.post(path, params=query)).status_code == status


async def test_a_resource_of_another_type_is_an_issue(client: httpx.AsyncClient, patient: Resource) -> None:
    assert found(await client.post("/fhir/Observation/$validate", json=patient)) == [("invalid", "resourceType")]


async def test_a_write_that_breaks_an_invariant_is_refused(client: httpx.AsyncClient, patient: Resource) -> None:
    response = await client.post("/fhir/Patient", json=patient | {"contact": [{"gender": "male"}]})
    assert response.status_code == 422
    (issue,) = response.json()["issue"]
    assert (issue["code"], issue["expression"]) == ("invariant", ["Patient.contact[0]"]) and "pat-1" in issue["details"]["text"]


DEMANDS = (
    Demand("nhs-number", "Patient", identifier_systems=frozenset((NHS,))),
    Demand("born", "Patient", sources=frozenset(("lab",)), profiles=(PROFILE["url"],)),
    Demand("known-source", "Patient", sources=frozenset(("ward",)), provenance=True),
    Demand("named", "Patient", rejects=False, elements=("name.where(use = 'official').family",)),
)


@pytest.fixture
async def demanding(parts: Parts) -> AsyncIterator[Parts]:
    """A site with demands: the store asks about every version that is written."""
    validator = Validator(Shelf([PROFILE, OF_THE_BORN]))
    demands = Demands(validator, DEMANDS)
    store = Store(announce, uphold=lambda resource, cause: demands.require(resource, cause.client))
    async with Writer(parts.database, store) as writer:
        yield replace(parts, store=store, writer=writer, validator=validator, demands=demands)


@pytest.fixture
async def caller(demanding: Parts, token: Any) -> AsyncIterator[Any]:
    transport = httpx.ASGITransport(app=build(demanding), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:

        async def call(method: str, url: str, resource: Resource, source: str = "tester", prefer: str = "") -> httpx.Response:
            headers = {"authorization": f"Bearer {token(EVERYTHING, source)}", "prefer": prefer}
            return await client.request(method, url, json=resource, headers=headers)

        yield call


def _texts(response: httpx.Response) -> str:
    return " ".join(issue["details"]["text"] for issue in response.json()["issue"])


@pytest.mark.req("FH-16")
async def test_a_patient_without_an_allowed_identifier_system_is_rejected_with_the_rule(caller: Any, patient: Resource) -> None:
    stranger = patient | {"identifier": [{"system": "http://elsewhere.example", "value": "1"}]}
    response = await caller("POST", "/fhir/Patient", stranger)
    assert response.status_code == 422 and "rule nhs-number" in _texts(response)
    assert response.json()["issue"][0]["expression"] == ["Patient.identifier"]
    assert (await caller("POST", "/fhir/Patient", patient)).status_code == 201


@pytest.mark.req("FH-16")
async def test_where_the_source_must_be_known_meta_source_says_it(caller: Any, patient: Resource) -> None:
    response = await caller("POST", "/fhir/Patient", patient, "ward")
    assert response.status_code == 422 and "rule known-source" in _texts(response)
    assert (await caller("POST", "/fhir/Patient", patient | {"meta": {"source": "urn:ward:7"}}, "ward")).status_code == 201


@pytest.mark.req("FH-10")
async def test_a_source_that_must_follow_a_profile_is_rejected_naming_profile_element_and_rule(caller: Any, patient: Resource) -> None:
    unborn = {name: value for name, value in patient.items() if name != "birthDate"}
    response = await caller("POST", "/fhir/Patient", unborn, "lab")
    assert response.status_code == 422
    assert f"(profile {PROFILE['url']}, element Patient.birthDate, rule min)" in _texts(response)
    assert (await caller("POST", "/fhir/Patient", unborn)).status_code == 201, "another source is not asked"


@pytest.mark.req("FH-10")
async def test_a_demand_that_warns_lets_pass_and_validate_tells_it(caller: Any, patient: Resource) -> None:
    nameless = {name: value for name, value in patient.items() if name != "name"}
    assert (await caller("POST", "/fhir/Patient", nameless)).status_code == 201
    stored = await caller("POST", "/fhir/Patient", nameless, prefer="return=OperationOutcome")
    assert stored.status_code == 201 and "rule named" in stored.json()["issue"][0]["diagnostics"]
    response = await caller("POST", "/fhir/Patient/$validate", nameless)
    assert found(response) == [] and ("required", "Patient.name.where(use = 'official').family") in found(response, "warning")


async def test_a_transaction_and_a_patch_are_held_to_the_same_demands(caller: Any, patient: Resource) -> None:
    stranger = {name: value for name, value in patient.items() if name != "identifier"}
    entry = {"resource": stranger, "request": {"method": "POST", "url": "Patient"}}
    response = await caller("POST", "/fhir", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
    assert response.status_code == 422 and "rule nhs-number" in _texts(response)
    id = (await caller("POST", "/fhir/Patient", patient)).json()["id"]
    response = await caller("PUT", f"/fhir/Patient/{id}", stranger | {"id": id})
    assert response.status_code == 422 and "rule nhs-number" in _texts(response)


async def test_what_is_stored_is_looked_at_where_a_profile_asks_what_a_reference_leads_to(caller: Any, patient: Resource) -> None:
    born = (await caller("POST", "/fhir/Patient", patient)).json()["id"]
    unborn = (await caller("POST", "/fhir/Patient", {k: v for k, v in patient.items() if k != "birthDate"})).json()["id"]
    answers = []
    for id in (born, unborn, "nobody"):
        observation = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": {"reference": f"Patient/{id}"}}
        answers.append(found(await caller("POST", f"/fhir/Observation/$validate?profile={OF_THE_BORN['url']}", observation)))
    assert answers == [[], [("structure", "Observation.subject")], []]


@pytest.mark.req("FH-15")
async def test_an_unknown_extension_comes_back_as_it_was_and_an_unknown_element_is_refused(
    client: httpx.AsyncClient, patient: Resource
) -> None:
    own = {"url": "http://source.example/fields/17", "extension": [{"url": "part", "valueDecimal": 1}]}
    beside = {"_birthDate": {"extension": [{"url": "http://source.example/precision", "valueCode": "day"}]}}
    created = (await client.post("/fhir/Patient", json=patient | beside | {"extension": [own]})).json()
    read = (await client.get(f"/fhir/Patient/{created['id']}")).json()
    assert (read["extension"], read["_birthDate"]) == ([own], beside["_birthDate"])
    refused = await client.post("/fhir/Patient", json=patient | {"field17": "x"})
    assert refused.status_code == 400 and refused.json()["issue"][0]["expression"] == ["Patient.field17"]
