"""A site adds a search parameter to a running program: it says how far it is, and finds everything when it is done."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.conftest import Start

URL = "http://example.org/fhir/StructureDefinition/ward-colour"
PARAMETER: dict[str, object] = {
    "resourceType": "SearchParameter",
    "id": "ward-colour",
    "url": "http://example.org/fhir/SearchParameter/ward-colour",
    "name": "WardColour",
    "status": "active",
    "description": "Colour of the ward",
    "code": "ward-colour",
    "base": ["Encounter"],
    "type": "token",
    "expression": f"Encounter.extension.where(url = '{URL}').value.ofType(code)",
}


@pytest.fixture(scope="module")
def client(start: Start) -> Iterator[httpx.Client]:
    with start().client() as client:
        yield client


def encounter(id: str, colour: str) -> dict[str, object]:
    return {"resourceType": "Encounter", "id": id, "status": "planned", "class": {"code": "AMB"},
            "extension": [{"url": URL, "valueCode": colour}]}  # fmt: skip


def put(client: httpx.Client, resource: dict[str, object]) -> httpx.Response:
    return client.put(f"/fhir/{resource['resourceType']}/{resource['id']}", json=resource)


@pytest.mark.req("FH-15")
def test_an_extension_that_nobody_knows_is_kept_and_another_element_is_refused(client: httpx.Client) -> None:
    assert put(client, encounter("kept", "blue")).status_code == 201
    assert client.get("/fhir/Encounter/kept").json()["extension"] == [{"url": URL, "valueCode": "blue"}]
    refused = put(client, encounter("refused", "blue") | {"colour": "blue"})
    assert refused.status_code in (400, 422)
    assert client.get("/fhir/Encounter/refused").status_code == 404


@pytest.mark.req("FH-15")
def test_a_search_parameter_of_the_site_is_indexed_while_the_program_runs(client: httpx.Client) -> None:
    assert put(client, encounter("before", "green")).status_code == 201
    assert client.get("/fhir/Encounter?ward-colour=green").status_code == 400
    wrong = put(client, PARAMETER | {"expression": "Encounter.colour"})
    assert wrong.status_code in (400, 422)
    assert put(client, PARAMETER).status_code == 201
    assert put(client, encounter("after", "green")).status_code == 201
    early = client.get("/fhir/Encounter?ward-colour=green")
    assert early.status_code == 503, "an answer before all is indexed would be incomplete"
    until = time.monotonic() + 30
    while not (state := client.get("/admin/v1/search-index").json())["ready"] and time.monotonic() < until:
        time.sleep(0.2)
    encounters = next(each for each in state["types"] if each["type"] == "Encounter")
    assert (encounters["ready"], encounters["total"], encounters["problem"]) == (True, 3, None)
    found = client.get("/fhir/Encounter?ward-colour=green&_sort=_id").json()
    assert [entry["resource"]["id"] for entry in found["entry"]] == ["after", "before"]
    assert client.get("/fhir/Encounter?ward-colour=red").json().get("entry", []) == []
    statement = client.get("/fhir/metadata").json()
    named = [
        param["name"]
        for rest in statement["rest"]
        for each in rest["resource"]
        if each["type"] == "Encounter"
        for param in each["searchParam"]
    ]
    assert "ward-colour" in named
