"""create, read, vread, update, delete and history over HTTP."""

from __future__ import annotations

from typing import Any

import httpx

FHIR = "application/fhir+json"


async def create(client: httpx.AsyncClient, resource: dict[str, Any]) -> dict[str, Any]:
    response = await client.post(f"/fhir/{resource['resourceType']}", json=resource)
    assert response.status_code == 201, response.text
    created: dict[str, Any] = response.json()
    return created


async def test_what_is_created_is_read_back_with_its_version(client: httpx.AsyncClient, patient: dict[str, Any]) -> None:
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
    assert {name: value for name, value in created.items() if name not in ("id", "meta")} == patient
