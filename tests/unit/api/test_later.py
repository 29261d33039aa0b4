"""``Prefer: respond-async``: a bundle is answered at once with a place, and there with what came of it (async.html)."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from penstock.api.parts import Parts

Resource = dict[str, Any]
LATER = {"prefer": "respond-async"}


def bundle(kind: str, *entries: Resource) -> Resource:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def create(resource: Resource) -> Resource:
    return {"resource": resource, "request": {"method": "POST", "url": resource["resourceType"]}}


async def begun(client: httpx.AsyncClient, body: Resource) -> str:
    response = await client.post("/fhir", json=body, headers=LATER)
    assert response.status_code == 202 and response.content == b""
    return response.headers["content-location"]


async def answer(client: httpx.AsyncClient, place: str) -> httpx.Response:
    async with asyncio.timeout(20):
        while (response := await client.get(place)).status_code == 202:
            assert response.headers["x-progress"] and response.headers["retry-after"]
            await asyncio.sleep(0.01)
    return response


@pytest.mark.parametrize("kind", ["batch", "transaction"])
async def test_a_bundle_is_answered_later_as_it_would_have_been_at_once(client: httpx.AsyncClient, patient: Resource, kind: str) -> None:
    place = await begun(client, bundle(kind, create(patient), create(patient)))
    later, now = await answer(client, place), await client.post("/fhir", json=bundle(kind, create(patient), create(patient)))
    assert later.status_code == now.status_code == 200
    assert later.json()["type"] == f"{kind}-response"
    assert [entry["response"]["status"] for entry in later.json()["entry"]] == ["201", "201"]
    assert (await client.get("/fhir/Patient?_summary=count")).json()["total"] == 4
    as_xml = await client.get(place, headers={"accept": "application/fhir+xml"})
    assert b"<Bundle xmlns=" in as_xml.content


async def test_what_goes_wrong_is_told_later_too(client: httpx.AsyncClient, patient: Resource) -> None:
    later = await answer(client, await begun(client, bundle("transaction", create(patient), create(patient | {"gender": "F"}))))
    assert later.status_code == 422
    assert later.json()["issue"][0]["expression"] == ["Bundle.entry[1].resource.gender"]
    assert (await client.get("/fhir/Patient?_summary=count")).json()["total"] == 0
    refused = await client.post("/fhir", json=patient, headers=LATER)
    assert refused.status_code == 400, "what is no Bundle is told at once"


async def test_an_answer_is_for_who_asked_and_can_be_forgotten(client: httpx.AsyncClient, token: Any, patient: Resource) -> None:
    place = await begun(client, bundle("batch", create(patient)))
    await answer(client, place)
    other = {"authorization": f"Bearer {token('system/*.cruds', 'another')}"}
    assert (await client.get(place, headers=other)).status_code == 404
    assert (await client.delete(place, headers=other)).status_code == 404
    assert (await client.delete(place)).status_code == 202
    assert (await client.get(place)).status_code == 404
    assert (await client.get("/fhir/_async/nothing")).status_code == 404


async def test_work_whose_process_is_gone_is_told_as_lost(client: httpx.AsyncClient, parts: Parts, patient: Resource) -> None:
    place = await begun(client, bundle("batch", create(patient)))
    await answer(client, place)
    async with parts.database.transaction() as tx:
        await tx.execute("update later set status = null, alive = now() - interval '5 minutes'")
    lost = await client.get(place)
    assert lost.status_code == 503 and lost.json()["issue"][0]["code"] == "transient"


async def test_a_process_takes_so_much_and_no_more(client: httpx.AsyncClient, patient: Resource) -> None:
    body = bundle("batch", create(patient))
    responses = await asyncio.gather(*(client.post("/fhir", json=body, headers=LATER) for _ in range(40)))
    statuses = {response.status_code for response in responses}
    assert statuses <= {202, 429}
    for response in responses:
        if response.status_code == 202:
            assert (await answer(client, response.headers["content-location"])).status_code == 200
