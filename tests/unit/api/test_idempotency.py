"""Idempotency-Key: a create is done once, however often it is sent."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from penstock.api.parts import Parts

Resource = dict[str, Any]
KEY = {"idempotency-key": '"8e03978e-40d5-43dd-bc93-6894a57f9324"'}


async def count(client: httpx.AsyncClient) -> int:
    return int((await client.get("/fhir/Patient?_summary=count")).json()["total"])


def told(response: httpx.Response) -> tuple[Any, ...]:
    return response.status_code, response.content, *(response.headers[name] for name in ("etag", "location", "last-modified"))


async def test_the_same_key_again_gets_the_first_answer_again(client: httpx.AsyncClient, patient: Resource) -> None:
    first = await client.post("/fhir/Patient", json=patient, headers=KEY)
    assert first.status_code == 201, first.text
    again = await client.post("/fhir/Patient", json=patient, headers={"idempotency-key": KEY["idempotency-key"].strip('"')})
    assert told(again) == told(first)
    await client.put(f"/fhir/Patient/{first.json()['id']}", json=first.json() | {"active": True})
    await client.delete(f"/fhir/Patient/{first.json()['id']}")
    assert told(await client.post("/fhir/Patient", json=patient, headers=KEY)) == told(first), "whatever became of it since"
    assert await count(client) == 0
    minimal = await client.post("/fhir/Patient", json=patient, headers=KEY | {"prefer": "return=minimal"})
    assert (minimal.status_code, minimal.content) == (201, b"")


async def test_of_many_at_once_one_creates(client: httpx.AsyncClient, patient: Resource) -> None:
    answers = await asyncio.gather(*(client.post("/fhir/Patient", json=patient, headers=KEY) for _ in range(20)))
    assert len({told(answer) for answer in answers}) == 1 and answers[0].status_code == 201
    assert await count(client) == 1


async def test_the_same_key_with_another_request_is_refused(client: httpx.AsyncClient, patient: Resource) -> None:
    assert (await client.post("/fhir/Patient", json=patient, headers=KEY)).status_code == 201
    for send in (
        client.post("/fhir/Patient", json=patient | {"active": False}, headers=KEY),
        client.post("/fhir/Patient", json=patient, headers=KEY | {"if-none-exist": "identifier=x"}),
        client.post("/fhir/Organization", json={"resourceType": "Organization", "name": "x"}, headers=KEY),
    ):
        answer = await send
        assert (answer.status_code, answer.json()["issue"][0]["expression"]) == (422, ["http.idempotency-key"])
    assert await count(client) == 1


async def test_a_key_is_its_clients_own(client: httpx.AsyncClient, token: Any, patient: Resource) -> None:
    first = await client.post("/fhir/Patient", json=patient, headers=KEY)
    other = {"authorization": f"Bearer {token('system/*.c', client='other')}"}
    theirs = await client.post("/fhir/Patient", json=patient, headers=KEY | other)
    assert theirs.status_code == 201 and theirs.json()["id"] != first.json()["id"]
    again = await client.post("/fhir/Patient", json=patient, headers=KEY | other)
    assert told(again) == told(theirs), "also for a client that may only create"


async def test_what_was_refused_has_used_up_no_key(client: httpx.AsyncClient, patient: Resource) -> None:
    assert (await client.post("/fhir/Patient", json=patient | {"gender": "x"}, headers=KEY)).status_code == 422
    assert (await client.post("/fhir/Patient", json=patient, headers=KEY | {"if-none-exist": "x=y"})).status_code == 400
    assert (await client.post("/fhir/Patient", json=patient, headers=KEY)).status_code == 201


async def test_a_conditional_create_that_found_something_answers_so_again(client: httpx.AsyncClient, patient: Resource) -> None:
    there = (await client.post("/fhir/Patient", json=patient)).json()
    condition = KEY | {"if-none-exist": "identifier=https://fhir.nhs.uk/Id/nhs-number|9000000009"}
    first = await client.post("/fhir/Patient", json=patient, headers=condition)
    assert (first.status_code, first.json()["id"]) == (200, there["id"])
    await client.delete(f"/fhir/Patient/{there['id']}")
    assert told(await client.post("/fhir/Patient", json=patient, headers=condition)) == told(first)


async def test_a_key_is_forgotten_after_its_time(parts: Parts, client: httpx.AsyncClient, patient: Resource) -> None:
    first = await client.post("/fhir/Patient", json=patient, headers=KEY)
    async with parts.database.connection() as tx:
        await tx.execute("update idempotency_key set moment = $1", datetime.now(UTC) - timedelta(hours=23))
    assert told(await client.post("/fhir/Patient", json=patient, headers=KEY)) == told(first)
    async with parts.database.connection() as tx:
        await tx.execute("update idempotency_key set moment = $1", datetime.now(UTC) - timedelta(hours=25))
    new = await client.post("/fhir/Patient", json=patient, headers=KEY)
    assert new.status_code == 201 and new.json()["id"] != first.json()["id"]
    assert told(await client.post("/fhir/Patient", json=patient, headers=KEY)) == told(new)


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", '"', "é"])
async def test_what_is_no_key_is_refused(client: httpx.AsyncClient, patient: Resource, key: str) -> None:
    answer = await client.post("/fhir/Patient", json=patient, headers={"idempotency-key": key.encode()})  # type: ignore[dict-item]
    assert answer.status_code == 422, answer.text


async def test_where_no_key_is_served_it_is_refused(client: httpx.AsyncClient) -> None:
    bundle = {"resourceType": "Bundle", "type": "batch"}
    assert (await client.post("/fhir", json=bundle, headers=KEY)).status_code == 400
    patch = {"content-type": "application/json-patch+json"}
    assert (await client.patch("/fhir/Patient/x", json=[], headers=KEY | patch)).status_code == 400
