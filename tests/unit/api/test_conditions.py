"""Conditions over HTTP: of creates, updates, patches and deletes, by many writers at once (http.html#ccreate, #cond-update, #cdelete)."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import httpx
import pytest

from penstock.api.app import build
from penstock.api.parts import Parts
from penstock.settings import Settings

Resource = dict[str, Any]
NHS = "https://fhir.nhs.uk/Id/nhs-number"
CONDITION = f"identifier={NHS}|9000000009"
PATCH = {"content-type": "application/json-patch+json"}


def door(parts: Parts, client: httpx.AsyncClient, **settings: Any) -> httpx.AsyncClient:
    """The same server with other settings."""
    other = replace(parts, settings=Settings(data=parts.settings.data, **settings))
    transport = httpx.ASGITransport(app=build(other), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=client.base_url, headers=client.headers)


async def count(client: httpx.AsyncClient, query: str = "") -> int:
    return int((await client.get(f"/fhir/Patient?_summary=count{query}")).json()["total"])


@pytest.mark.req("FH-08")
@pytest.mark.parametrize("writers", [8, 50])
async def test_many_writers_of_one_identifier_make_one_patient(client: httpx.AsyncClient, patient: Resource, writers: int) -> None:
    upserts = (client.put(f"/fhir/Patient?{CONDITION}", json=patient | {"language": f"x-{number}"}) for number in range(writers))
    responses = await asyncio.gather(*upserts)
    statuses = Counter(response.status_code for response in responses)
    assert statuses == {201: 1, 200: writers - 1}, [response.text for response in responses if response.status_code > 201]
    assert len({response.json()["id"] for response in responses}) == 1
    assert {response.json()["meta"]["versionId"] for response in responses} == {str(number + 1) for number in range(writers)}
    assert await count(client) == 1


@pytest.mark.req("FH-08")
@pytest.mark.parametrize("writers", [8, 50])
async def test_many_creates_under_one_condition_make_one_patient(client: httpx.AsyncClient, patient: Resource, writers: int) -> None:
    creates = (client.post("/fhir/Patient", json=patient, headers={"if-none-exist": CONDITION}) for _ in range(writers))
    responses = await asyncio.gather(*creates)
    assert Counter(response.status_code for response in responses) == {201: 1, 200: writers - 1}
    assert len({response.headers["location"] for response in responses}) == 1
    assert await count(client) == 1


@pytest.mark.req("FH-08")
async def test_creates_updates_and_bundles_under_one_condition_make_one_patient(client: httpx.AsyncClient, patient: Resource) -> None:
    entry = {"resource": patient, "request": {"method": "POST", "url": "Patient", "ifNoneExist": CONDITION}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    responses = await asyncio.gather(
        *(client.post("/fhir/Patient", json=patient, headers={"if-none-exist": CONDITION}) for _ in range(8)),
        *(client.put(f"/fhir/Patient?{CONDITION}", json=patient) for _ in range(8)),
        *(client.post("/fhir", json=bundle) for _ in range(8)),
    )
    assert {response.status_code for response in responses} <= {200, 201}, [response.text for response in responses]
    assert await count(client) == 1


async def test_a_conditional_update_does_not_overwrite_what_its_condition_does_not_find(
    client: httpx.AsyncClient, patient: Resource
) -> None:
    other = {"resourceType": "Patient", "id": "taken", "name": [{"family": "Jones"}]}
    await client.put("/fhir/Patient/taken", json=other)
    put = {"request": {"method": "PUT", "url": f"Patient?{CONDITION}"}, "resource": patient | {"id": "taken"}}
    for refused in (
        await client.put(f"/fhir/Patient?{CONDITION}", json=patient | {"id": "taken"}),
        await client.post("/fhir", json={"resourceType": "Bundle", "type": "transaction", "entry": [put]}),
    ):
        assert refused.status_code == 409 and refused.json()["issue"][0]["code"] == "duplicate", refused.text
    assert (await client.get("/fhir/Patient/taken")).json()["name"] == other["name"]
    made = await client.put(f"/fhir/Patient?{CONDITION}", json=patient | {"id": "free"})
    assert (made.status_code, made.json()["id"]) == (201, "free")


async def test_patches_at_once_are_all_there_at_the_end(client: httpx.AsyncClient, patient: Resource) -> None:
    await client.put("/fhir/Patient/p", json=patient | {"id": "p"})
    steps = [[{"op": "add", "path": "/name/-", "value": {"text": f"n{number}"}}] for number in range(20)]
    responses = await asyncio.gather(*(client.patch("/fhir/Patient/p", json=each, headers=PATCH) for each in steps))
    assert {response.status_code for response in responses} == {200}
    stored = (await client.get("/fhir/Patient/p")).json()
    assert stored["meta"]["versionId"] == "21"
    assert {name["text"] for name in stored["name"][1:]} == {f"n{number}" for number in range(20)}


async def test_a_conditional_delete_deletes_what_it_finds_up_to_a_limit(client: httpx.AsyncClient, parts: Parts, patient: Resource) -> None:
    for number in range(4):
        await client.put(f"/fhir/Patient/{number}", json=patient | {"id": str(number), "active": number < 3})
    async with door(parts, client, delete_matches=2) as careful:
        refused = await careful.delete("/fhir/Patient?active=true")
        assert refused.status_code == 412 and refused.json()["issue"][0]["code"] == "multiple-matches"
        assert await count(client) == 4
        assert (await careful.get("/fhir/metadata")).json()["rest"][0]["resource"][0]["conditionalDelete"] == "multiple"
    client = door(parts, client, delete_matches=3)
    assert (await client.delete("/fhir/Patient?active=true")).status_code == 204
    assert await count(client) == 1
    assert [(await client.get(f"/fhir/Patient/{number}")).status_code for number in range(4)] == [410, 410, 410, 200]
    assert (await client.delete("/fhir/Patient?active=true")).status_code == 204, "nothing is left to delete"
    told = await client.delete("/fhir/Patient/3", headers={"prefer": "return=OperationOutcome"})
    assert (told.status_code, told.json()["resourceType"], told.headers["etag"]) == (200, "OperationOutcome", 'W/"2"')
    for query in ("", "?_count=1", "?_format=json", "?nothing=x"):
        assert (await client.delete(f"/fhir/Patient{query}")).status_code in (400, 422), query


async def test_where_one_delete_may_delete_one_several_are_412(client: httpx.AsyncClient, patient: Resource) -> None:
    for id_ in ("a", "b"):
        await client.put(f"/fhir/Patient/{id_}", json=patient | {"id": id_})
    assert (await client.get("/fhir/metadata")).json()["rest"][0]["resource"][0]["conditionalDelete"] == "single"
    assert (await client.delete(f"/fhir/Patient?{CONDITION}")).status_code == 412
    assert (await client.delete("/fhir/Patient?_id=a")).status_code == 204
    assert (await client.delete(f"/fhir/Patient?{CONDITION}", headers={"if-match": 'W/"2"'})).status_code == 412
    assert (await client.delete(f"/fhir/Patient?{CONDITION}", headers={"if-match": 'W/"1"'})).status_code == 204


async def test_a_site_can_ask_for_the_version_that_is_changed(client: httpx.AsyncClient, parts: Parts, patient: Resource) -> None:
    async with door(parts, client, if_match_types=("Patient",)) as strict:
        declared = {each["type"]: each["versioning"] for each in (await strict.get("/fhir/metadata")).json()["rest"][0]["resource"]}
        assert (declared["Patient"], declared["Basic"]) == ("versioned-update", "versioned")
        new = await strict.put("/fhir/Patient/p", json=patient | {"id": "p"}, headers={"if-none-match": "*"})
        assert new.status_code == 201
        put = {"request": {"method": "PUT", "url": "Patient/p"}, "resource": patient | {"id": "p"}}
        for refused in (
            await strict.put("/fhir/Patient/p", json=patient | {"id": "p"}),
            await strict.put(f"/fhir/Patient?{CONDITION}", json=patient),
            await strict.patch("/fhir/Patient/p", json=[{"op": "remove", "path": "/gender"}], headers=PATCH),
            await strict.delete("/fhir/Patient/p"),
            await strict.delete(f"/fhir/Patient?{CONDITION}"),
            await strict.post("/fhir", json={"resourceType": "Bundle", "type": "transaction", "entry": [put]}),
        ):
            assert refused.status_code == 412 and "only with If-Match" in refused.text
        assert (await strict.put("/fhir/Patient/p", json=patient | {"id": "p", "active": True}, headers={"if-match": 'W/"1"'})).is_success
        assert (await strict.put("/fhir/Basic/b", json={"resourceType": "Basic", "id": "b", "code": {"text": "x"}})).status_code == 201


async def test_head_is_get_without_the_body(client: httpx.AsyncClient, patient: Resource) -> None:
    await client.put("/fhir/Patient/p", json=patient | {"id": "p"})
    for path in (
        "/fhir/metadata", "/fhir/Patient/p", "/fhir/Patient/p/_history/1", "/fhir/Patient/p/_history", "/fhir/Patient/_history",
        "/fhir/_history", "/fhir/Patient?name=Smith", "/fhir?_type=Patient", "/fhir/Patient/p/Observation", "/fhir/Patient/p/$meta",
        "/fhir/Patient/nobody", "/openapi.json", "/fhir/.well-known/smart-configuration", "/admin/v1/lanes", "/events",
    ):  # fmt: skip
        get, head = await client.get(path), await client.head(path)
        assert head.status_code == get.status_code and head.content == b"", path
        same = ("content-type", "etag", "last-modified")
        assert {name: head.headers.get(name) for name in same} == {name: get.headers.get(name) for name in same}, path
    assert (await client.head("/events", headers={"accept": "text/event-stream"})).headers["content-type"] == "text/event-stream"
