"""The CapabilityStatement against the running server, both ways: what it declares works, and what works it declares."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from penstock.api.operations import OPERATIONS
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.validate import check

Resource = dict[str, Any]
Call = Callable[[httpx.AsyncClient, str], Awaitable[httpx.Response]]
#: A type that asks for nothing, and one of each of the requirement's others: what is declared for one is served by the same routes.
TYPES = ("Basic", "Patient", "Observation", "Encounter", "Binary")
SMALLEST: dict[str, Resource] = {
    "Basic": {"code": {"text": "x"}},
    "Patient": {},
    "Observation": {"status": "final", "code": {"text": "x"}},
    "Encounter": {"status": "planned", "class": {"code": "AMB"}},
    "Binary": {"contentType": "text/plain", "data": "eA=="},
}
JSON_PATCH = {"content-type": "application/json-patch+json"}
#: An interaction to the call that proves it, at a resource ``one`` that exists.
PROOFS: dict[str, Call] = {
    "read": lambda client, type_: client.get(f"/fhir/{type_}/one"),
    "vread": lambda client, type_: client.get(f"/fhir/{type_}/one/_history/1"),
    "update": lambda client, type_: client.put(f"/fhir/{type_}/one", json=smallest(type_) | {"id": "one"}),
    "patch": lambda client, type_: client.patch(f"/fhir/{type_}/one", content=b"[]", headers=JSON_PATCH),
    "delete": lambda client, type_: client.delete(f"/fhir/{type_}/one"),
    "history-instance": lambda client, type_: client.get(f"/fhir/{type_}/one/_history"),
    "history-type": lambda client, type_: client.get(f"/fhir/{type_}/_history"),
    "create": lambda client, type_: client.post(f"/fhir/{type_}", json=smallest(type_)),
    "search-type": lambda client, type_: client.get(f"/fhir/{type_}?_id=one"),
}
EMPTY: Resource = {"resourceType": "Parameters"}
SYSTEM_PROOFS: dict[str, Call] = {
    "transaction": lambda client, _: client.post("/fhir", json={"resourceType": "Bundle", "type": "transaction"}),
    "batch": lambda client, _: client.post("/fhir", json={"resourceType": "Bundle", "type": "batch"}),
    "search-system": lambda client, _: client.get("/fhir?_id=one"),
    "history-system": lambda client, _: client.get("/fhir/_history"),
}
#: A well-formed value for each type of search parameter.
VALUES = {"token": "a", "string": "a", "date": "2026", "number": "1", "quantity": "1", "reference": "Patient/1", "uri": "http://a.example"}
VALUES |= {"composite": "a$a", "special": "a"}


def smallest(type_: str) -> Resource:
    return {"resourceType": type_, **SMALLEST[type_]}


async def statement(client: httpx.AsyncClient) -> Resource:
    response = await client.get("/fhir/metadata")
    assert response.status_code == 200
    found: Resource = response.json()
    return found


def is_known(response: httpx.Response) -> bool:
    """Whether a search knows its parameter, even where it refuses the value."""
    return is_served(response) or response.json()["issue"][0]["code"] == "value"


def is_served(response: httpx.Response) -> bool:
    return response.status_code < 400


@pytest.mark.req("FH-12")
async def test_what_is_declared_works_and_what_works_is_declared(client: httpx.AsyncClient) -> None:
    rest = (await statement(client))["rest"][0]
    declared = {each["type"]: {one["code"] for one in each["interaction"]} for each in rest["resource"]}
    assert declared.keys() == r4().resource_types
    for type_ in TYPES:
        for code, call in PROOFS.items():
            await client.put(f"/fhir/{type_}/one", json=smallest(type_) | {"id": "one"})
            response = await call(client, type_)
            assert is_served(response) == (code in declared[type_]), f"{code} of {type_}: {response.status_code}"
    assert all(codes == declared["Basic"] for codes in declared.values()), "one set of routes serves every type"
    system = {each["code"] for each in rest["interaction"]}
    for code, call in SYSTEM_PROOFS.items():
        assert is_served(await call(client, "")) == (code in system), code


@pytest.mark.req("FH-12")
async def test_every_declared_search_parameter_is_searched_by_and_no_other(client: httpx.AsyncClient) -> None:
    for resource in (await statement(client))["rest"][0]["resource"]:
        declared = {each["name"]: each["type"] for each in resource.get("searchParam", ())}
        for name, param in r4().search_params(resource["type"]).items():
            if resource["type"] not in TYPES and name.startswith("_"):
                continue  # the same for every type
            response = await client.get(f"/fhir/{resource['type']}", params={name: VALUES[param.type]})
            assert is_known(response) == (name in declared), f"{resource['type']}?{name}: {response.text}"


@pytest.mark.req("FH-12")
async def test_declared_includes_work(client: httpx.AsyncClient) -> None:
    for resource in (await statement(client))["rest"][0]["resource"]:
        if resource["type"] in TYPES:
            for include in resource["searchInclude"]:
                assert is_served(await client.get(f"/fhir/{resource['type']}?_include={include}")), include
            for include in resource.get("searchRevInclude", [])[:: 1 if resource["type"] == "Encounter" else 20]:
                assert is_served(await client.get(f"/fhir/{resource['type']}?_revinclude={include}")), include


@pytest.mark.req("FH-12")
async def test_declared_operations_are_served_and_no_other(client: httpx.AsyncClient) -> None:
    """An operation that is not there is 404 with the words of ``app``; one that is there says what it misses, or answers."""
    found = await statement(client)
    rest = found["rest"][0]
    declared = {("", each["name"]) for each in rest["operation"]}
    declared |= {(each["type"], one["name"]) for each in rest["resource"] for one in each.get("operation", ())}
    served = {(type_, each.code) for each in OPERATIONS for type_ in (each.types or TYPES) if each.levels != ("system",)}
    served |= {("", each.code) for each in OPERATIONS if "system" in each.levels}
    assert served <= declared
    for type_, code in {pair for pair in declared if pair[0] in ("", *TYPES, "ValueSet", "CodeSystem")} | {("", "nothing")}:
        paths = (f"/fhir/{type_}/${code}", f"/fhir/{type_}/one/${code}") if type_ else (f"/fhir/${code}",)
        answers = [await client.post(path, json=EMPTY) for path in paths]
        known = [each for each in answers if "no such operation" not in each.text and "no such resource type" not in each.text]
        assert bool(known) == (code != "nothing"), (type_, code)
        assert all(response.status_code < 500 for response in answers), (type_, code)


@pytest.mark.req("FH-12")
async def test_declared_compartments_are_searched_and_no_other(client: httpx.AsyncClient) -> None:
    declared = {url.rpartition("/")[2] for url in (await statement(client))["rest"][0]["compartment"]}
    for type_ in r4().resource_types:
        await client.put(f"/fhir/{type_}/one", json={"resourceType": type_, "id": "one"})
        response = await client.get(f"/fhir/{type_}/one/Observation")
        assert is_served(response) == (type_.lower() in declared), (type_, response.text)


async def test_declared_conditions_work(client: httpx.AsyncClient) -> None:
    basic = next(each for each in (await statement(client))["rest"][0]["resource"] if each["type"] == "Basic")
    resource = smallest("Basic") | {"identifier": [{"system": "urn:x", "value": "1"}]}
    created = await client.post("/fhir/Basic", json=resource, headers={"if-none-exist": "identifier=urn:x|1"})
    again = await client.post("/fhir/Basic", json=resource, headers={"if-none-exist": "identifier=urn:x|1"})
    assert basic["conditionalCreate"] and (created.status_code, again.status_code) == (201, 200)
    updated = await client.put("/fhir/Basic?identifier=urn:x|1", json=resource | {"language": "en"})
    assert basic["conditionalUpdate"] and updated.json()["id"] == created.json()["id"]
    url = f"/fhir/Basic/{created.json()['id']}"
    assert basic["conditionalRead"] == "full-support" and (await client.get(url, headers={"if-none-match": 'W/"2"'})).status_code == 304
    assert basic["updateCreate"] and (await client.put("/fhir/Basic/new", json=smallest("Basic") | {"id": "new"})).status_code == 201
    assert basic["readHistory"] and (await client.get(f"{url}/_history/1")).status_code == 200
    assert basic["conditionalDelete"] == "single" and (await client.delete("/fhir/Basic?identifier=urn:x|1")).status_code == 204
    assert (await client.get(url)).status_code == 410


async def test_the_statement_is_valid_and_says_where_it_is(client: httpx.AsyncClient) -> None:
    found = await statement(client)
    assert check(found) == []
    assert found["implementation"]["url"] == "http://penstock.test/fhir"
    assert (await client.get("/fhir/metadata", headers={"host": "other.example"})).json()["implementation"][
        "url"
    ] == "http://other.example/fhir"
