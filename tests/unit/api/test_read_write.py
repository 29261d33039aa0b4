"""create, read, vread, update, delete and history over HTTP, with their conditions."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

FHIR = "application/fhir+json"
Resource = dict[str, Any]


async def create(client: httpx.AsyncClient, resource: Resource) -> Resource:
    response = await client.post(f"/fhir/{resource['resourceType']}", json=resource)
    assert response.status_code == 201, response.text
    created: Resource = response.json()
    return created


def content(resource: Resource) -> Resource:
    return {name: value for name, value in resource.items() if name not in ("id", "meta")}


async def test_what_is_created_is_read_back_with_its_version(client: httpx.AsyncClient, patient: Resource) -> None:
    response = await client.post("/fhir/Patient", json=patient)
    assert response.status_code == 201
    assert response.headers["content-type"].startswith(FHIR)
    assert response.headers["etag"] == 'W/"1"'
    assert "last-modified" in response.headers
    created = response.json()
    assert response.headers["location"] == f"http://penstock.test/fhir/Patient/{created['id']}/_history/1"
    read = await client.get(f"/fhir/Patient/{created['id']}")
    assert read.status_code == 200 and read.json() == created
    assert read.headers["etag"] == 'W/"1"'
    assert content(created) == patient


async def test_an_id_that_a_create_brings_is_not_used(client: httpx.AsyncClient, patient: Resource) -> None:
    created = await create(client, patient | {"id": "mine", "meta": {"versionId": "77", "lastUpdated": "1999-01-01T00:00:00Z"}})
    assert created["id"] != "mine"
    assert created["meta"]["versionId"] == "1" and not created["meta"]["lastUpdated"].startswith("1999")


async def test_decimals_keep_their_precision_through_http(client: httpx.AsyncClient) -> None:
    body = b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.10,"unit":"mg"}}'
    response = await client.post("/fhir/Observation", content=body, headers={"content-type": FHIR})
    assert response.status_code == 201, response.text
    assert b'"value":1.10' in (await client.get(f"/fhir/Observation/{response.json()['id']}")).content


async def test_head_says_what_get_says_without_the_body(client: httpx.AsyncClient, patient: Resource) -> None:
    url = f"/fhir/Patient/{(await create(client, patient))['id']}"
    get, head = await client.get(url), await client.head(url)
    assert head.status_code == 200 and head.content == b""
    for name in ("etag", "last-modified", "content-length", "content-type"):
        assert head.headers[name] == get.headers[name]


async def test_an_update_makes_a_version_and_the_old_one_stays(client: httpx.AsyncClient, patient: Resource) -> None:
    created = await create(client, patient)
    url = f"/fhir/Patient/{created['id']}"
    updated = await client.put(url, json=created | {"gender": "female"})
    assert updated.status_code == 200 and updated.json()["meta"]["versionId"] == "2"
    assert updated.headers["etag"] == 'W/"2"'
    assert (await client.get(f"{url}/_history/1")).json()["gender"] == "male"
    assert (await client.get(f"{url}/_history/2")).json() == updated.json()
    again = await client.put(url, json=created | {"gender": "female"})
    assert again.status_code == 200 and again.json() == updated.json(), "the same content is no new version"


async def test_an_update_of_what_was_never_there_creates_it(client: httpx.AsyncClient, patient: Resource) -> None:
    response = await client.put("/fhir/Patient/abc", json=patient | {"id": "abc"})
    assert response.status_code == 201
    assert (await client.get("/fhir/Patient/abc")).status_code == 200


@pytest.mark.req("FH-05")
async def test_a_deleted_resource_is_gone_but_its_history_is_not(client: httpx.AsyncClient, patient: Resource) -> None:
    url = f"/fhir/Patient/{(await create(client, patient))['id']}"
    assert (await client.delete(url)).status_code == 204
    gone = await client.get(url)
    assert gone.status_code == 410 and gone.json()["issue"][0]["code"] == "deleted"
    assert (await client.delete(url)).status_code == 204
    assert (await client.get(f"{url}/_history/1")).json()["gender"] == "male"
    assert (await client.get(f"{url}/_history/2")).status_code == 410
    entries = (await client.get(f"{url}/_history")).json()["entry"]
    assert [entry["request"]["method"] for entry in entries] == ["DELETE", "POST"]
    assert "resource" not in entries[0]
    back = await client.put(url, json=patient | {"id": url.rsplit("/", 1)[1]})
    assert back.status_code == 201 and back.json()["meta"]["versionId"] == "3"


async def test_what_was_never_there_is_404(client: httpx.AsyncClient) -> None:
    for url in (
        "/fhir/Patient/nobody",
        "/fhir/Patient/nobody/_history/1",
        "/fhir/Patient/nobody/_history",
        "/fhir/Nothing/1",
        "/fhir/Nothing",
    ):
        response = await client.get(url)
        assert response.status_code == 404, url
        assert response.json()["resourceType"] == "OperationOutcome"


async def test_deleting_what_was_never_there_is_fine(client: httpx.AsyncClient) -> None:
    assert (await client.delete("/fhir/Patient/nobody")).status_code == 204
    assert (await client.delete("/fhir/Patient?identifier=a|b")).status_code == 204
    assert (await client.get("/fhir/Patient/nobody")).status_code == 404


@pytest.mark.parametrize("match", ['W/"1"', '"1"', "1"])
async def test_an_update_of_the_current_version_passes(client: httpx.AsyncClient, patient: Resource, match: str) -> None:
    created = await create(client, patient)
    response = await client.put(f"/fhir/Patient/{created['id']}", json=created | {"active": True}, headers={"if-match": match})
    assert response.status_code == 200


@pytest.mark.parametrize("match", ['W/"2"', 'W/"0"', 'W/"x"', "*", 'W/"99999999999"', 'W/"1", W/"2"', ""])
async def test_an_update_of_another_version_is_412_and_changes_nothing(client: httpx.AsyncClient, patient: Resource, match: str) -> None:
    created = await create(client, patient)
    url = f"/fhir/Patient/{created['id']}"
    response = await client.put(url, json=created | {"active": True}, headers={"if-match": match})
    assert response.status_code == 412, response.text
    assert (await client.delete(url, headers={"if-match": match})).status_code == 412
    assert (await client.get(url)).json() == created


async def test_if_none_match_any_creates_only_what_is_new(client: httpx.AsyncClient, patient: Resource) -> None:
    resource, only_new = patient | {"id": "one"}, {"if-none-match": "*"}
    assert (await client.put("/fhir/Patient/one", json=resource, headers=only_new)).status_code == 201
    assert (await client.put("/fhir/Patient/one", json=resource | {"active": True}, headers=only_new)).status_code == 412


async def test_what_the_client_has_already_is_304(client: httpx.AsyncClient, patient: Resource) -> None:
    created = await create(client, patient)
    url = f"/fhir/Patient/{created['id']}"
    first = await client.get(url)
    for header in ({"if-none-match": 'W/"1"'}, {"if-modified-since": first.headers["last-modified"]}, {"if-none-match": 'W/"7", W/"1"'}):
        response = await client.get(url, headers=header)
        assert response.status_code == 304 and response.content == b""
        assert response.headers["etag"] == 'W/"1"'
    stale = {"if-none-match": 'W/"7"', "if-modified-since": first.headers["last-modified"]}
    for header in (stale, {"if-modified-since": "Sun, 01 Jan 1995 00:00:00 GMT"}, {"if-modified-since": "whenever"}):
        assert (await client.get(url, headers=header)).status_code == 200


@pytest.mark.parametrize(
    ("prefer", "type_"), [("return=minimal", None), ("return=OperationOutcome", "OperationOutcome"), ("x=y", "Patient")]
)
async def test_the_client_says_what_it_prefers_back(client: httpx.AsyncClient, patient: Resource, prefer: str, type_: str | None) -> None:
    response = await client.post("/fhir/Patient", json=patient, headers={"prefer": prefer})
    assert response.status_code == 201 and "location" in response.headers
    assert (response.json()["resourceType"] if type_ else response.content) == (type_ or b"")


@pytest.mark.parametrize("format_", ["json", "application/json", "application/fhir%2Bjson", "application/fhir+json", "text/json"])
async def test_json_is_answered_by_any_of_its_names(client: httpx.AsyncClient, patient: Resource, format_: str) -> None:
    url = f"/fhir/Patient/{(await create(client, patient))['id']}?_format={format_}"
    response = await client.get(url, headers={"accept": "application/fhir+xml"})
    assert response.status_code == 200 and response.headers["content-type"].startswith(FHIR)


async def test_pretty_is_the_same_resource_on_more_lines(client: httpx.AsyncClient, patient: Resource) -> None:
    created = await create(client, patient)
    response = await client.get(f"/fhir/Patient/{created['id']}?_pretty=true")
    assert response.json() == created and response.text.count("\n") > 5


async def test_history_goes_page_by_page_without_gap_or_repeat(client: httpx.AsyncClient, patient: Resource) -> None:
    created = await create(client, patient)
    url = f"/fhir/Patient/{created['id']}"
    for number in range(6):
        await client.put(url, json=created | {"multipleBirthInteger": number})
    for start in (f"{url}/_history?_count=3", "/fhir/Patient/_history?_count=3", "/fhir/_history?_count=3"):
        seen, following = [], start
        while following:
            page = (await client.get(following)).json()
            assert page["type"] == "history" and len(page["entry"]) <= 3
            seen += [int(entry["resource"]["meta"]["versionId"]) for entry in page["entry"]]
            following = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
        assert seen == [7, 6, 5, 4, 3, 2, 1], start
    future = await client.get(f"{url}/_history?_since=2999-01-01T00:00:00Z")
    assert future.status_code == 200 and "entry" not in future.json()


@pytest.mark.parametrize(
    "query", ["_since=yesterday", "_since=2020-01-01", "_count=0", "_count=many", "_page=x", "_page=-1", "name=x", "_at=soon", "_at=ge2020"]
)
async def test_a_history_refuses_what_it_does_not_know(client: httpx.AsyncClient, query: str) -> None:
    for url in ("/fhir/Patient/1/_history", "/fhir/Patient/_history", "/fhir/_history"):
        assert (await client.get(f"{url}?{query}")).status_code in (400, 422)
