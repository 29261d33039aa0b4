"""history over HTTP: every version with who made it, and those that were current at a time (http.html#history)."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from penstock.api.parts import Parts
from penstock.formats.fhir.validate import check

Resource = dict[str, Any]


async def versions(client: httpx.AsyncClient, url: str) -> list[str]:
    """The versions in a history, as "id/version", newest first."""
    response = await client.get(url)
    assert response.status_code == 200, response.text
    bundle = response.json()
    assert check(bundle) == []
    found = []
    for entry in bundle.get("entry", ()):
        found.append(entry["fullUrl"].rpartition("/")[2] + "/" + entry["response"]["etag"][3:-1])
    return found


def agent(entry: Resource) -> dict[str, str]:
    return {each["url"].rpartition(":")[2]: each["valueString"] for each in entry["request"]["extension"]}


@pytest.mark.req("FH-04")
async def test_a_history_shows_all_versions_with_who_made_them(client: httpx.AsyncClient, token: Any, patient: Resource) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    await client.put("/fhir/Patient/p", json=patient | {"id": "p"})
    client.headers["authorization"] = f"Bearer {token('system/*.cruds', 'the-ward')}"
    headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    await client.put("/fhir/Patient/p", json=patient | {"id": "p", "active": True}, headers=headers)
    client.headers["authorization"] = f"Bearer {token('system/*.cruds', 'the-archive')}"
    await client.delete("/fhir/Patient/p")
    for url in ("/fhir/Patient/p/_history", "/fhir/Patient/_history", "/fhir/_history"):
        bundle = (await client.get(url)).json()
        assert check(bundle) == []
        deleted, updated, created = bundle["entry"]
        assert [agent(each)["agent"] for each in (created, updated, deleted)] == ["tester", "the-ward", "the-archive"]
        assert agent(updated)["trace"] == trace
        assert [each["request"]["method"] for each in (created, updated, deleted)] == ["POST", "PUT", "DELETE"]
        assert "resource" not in deleted and updated["resource"]["active"] is True


async def test_a_history_at_a_time_has_what_was_current_then(client: httpx.AsyncClient, parts: Parts, patient: Resource) -> None:
    for id_, times in (("a", 3), ("b", 1), ("c", 2)):
        for number in range(times):
            await client.put(f"/fhir/Patient/{id_}", json=patient | {"id": id_, "language": f"x-{number}"})
    await client.delete("/fhir/Patient/c")
    await client.put("/fhir/Patient/d", json=patient | {"id": "d"})
    made = {}
    for entry in (await client.get("/fhir/Patient/_history")).json()["entry"]:
        key = entry["fullUrl"].rpartition("/")[2] + "/" + entry["response"]["etag"][3:-1]
        made[key] = entry["response"]["lastModified"]
    order = list(made)[::-1]
    assert order == ["a/1", "a/2", "a/3", "b/1", "c/1", "c/2", "c/3", "d/1"]
    current: dict[str, set[str]] = {}
    alive: dict[str, str] = {}
    for key in order:
        id_ = key.partition("/")[0]
        current[key] = set(alive.values()) | {key}
        alive[id_] = key
        if key == "c/3":
            del alive[id_]
    for key in order:
        same_moment = {other for other in order if made[other] == made[key]}
        for url in ("/fhir/Patient/_history", "/fhir/_history"):
            found = set(await versions(client, f"{url}?_at={made[key]}"))
            assert found >= current[key] - same_moment and found - current[key] <= same_moment, (key, found)
        one = key.partition("/")[0]
        assert key in await versions(client, f"/fhir/Patient/{one}/_history?_at={made[key]}")
    today = made["a/1"][:10]
    assert set(await versions(client, f"/fhir/Patient/_history?_at={today}")) == set(order)
    assert await versions(client, "/fhir/Patient/_history?_at=2001") == []
    assert set(await versions(client, "/fhir/Patient/_history?_at=2200-01-01")) == {"a/3", "b/1", "d/1"}
    assert await versions(client, f"/fhir/Patient/_history?_at=2200-01-01&_since={made['d/1']}") == ["d/1"]


async def test_a_history_at_a_time_goes_page_by_page(client: httpx.AsyncClient, patient: Resource) -> None:
    for number in range(7):
        await client.put("/fhir/Patient/p", json=patient | {"id": "p", "language": f"x-{number}"})
    url: str | None = "/fhir/Patient/_history?_count=3&_at=2000-01-01T00:00:00Z"
    assert await versions(client, url or "") == []
    url, found = "/fhir/Patient/_history?_count=3&_at=2026", []
    while url:
        bundle = (await client.get(url)).json()
        found += [entry["resource"]["meta"]["versionId"] for entry in bundle.get("entry", ())]
        url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
    assert found == ["7", "6", "5", "4", "3", "2", "1"]
