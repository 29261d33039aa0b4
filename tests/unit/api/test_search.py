"""search over HTTP: the queries of the requirements, links, and what is refused."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

Resource = dict[str, Any]
NHS = "https://fhir.nhs.uk/Id/nhs-number"


def observation(number: int, patient: str) -> Resource:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": f"2026-01-{number + 1:02}T08:00:00Z",
        "valueQuantity": {"value": 60 + number, "unit": "/min", "system": "http://unitsofmeasure.org", "code": "/min"},
    }


async def fill(client: httpx.AsyncClient, patient: Resource) -> None:
    assert (await client.put("/fhir/Patient/p", json=patient | {"id": "p"})).status_code == 201
    for number in range(7):
        assert (await client.post("/fhir/Observation", json=observation(number, "p"))).status_code == 201
    await client.post("/fhir/Observation", json=observation(9, "other"))


async def test_the_queries_of_the_reference_are_answered_in_order_with_links(client: httpx.AsyncClient, patient: Resource) -> None:
    await fill(client, patient)
    found = (await client.get(f"/fhir/Patient?identifier={NHS}|9000000009")).json()
    assert found["type"] == "searchset" and [each["resource"]["id"] for each in found["entry"]] == ["p"]
    assert found["entry"][0]["fullUrl"] == "http://penstock.test/fhir/Patient/p"
    assert found["entry"][0]["search"] == {"mode": "match"}
    assert (await client.get("/fhir/Patient?family=Smith")).json()["entry"]
    assert "entry" not in (await client.get("/fhir/Patient?family=Nobody")).json()
    seen, following = [], "/fhir/Observation?patient=p&_sort=-date&_count=3"
    while following:
        page = (await client.get(following)).json()
        links = {link["relation"]: link["url"] for link in page["link"]}
        assert "patient=p" in links["self"]
        seen += [each["resource"]["effectiveDateTime"][8:10] for each in page["entry"]]
        following = links.get("next", "")
    assert seen == ["07", "06", "05", "04", "03", "02", "01"]


async def test_a_page_link_of_somebody_else_is_refused(client: httpx.AsyncClient, token: Any, patient: Resource) -> None:
    await fill(client, patient)
    page = (await client.get("/fhir/Observation?patient=p&_sort=-date&_count=3")).json()
    following = next(link["url"] for link in page["link"] if link["relation"] == "next")
    assert (await client.get(following)).status_code == 200
    assert (await client.get(following.replace("patient=p", "patient=other"))).status_code == 400
    assert (await client.get(following[:-3] + "AAA")).status_code == 400
    theirs = {"authorization": f"Bearer {token('system/*.cruds', client='somebody-else')}"}
    assert (await client.get(following, headers=theirs)).status_code == 400


async def test_a_search_by_form_finds_what_a_search_by_url_finds(client: httpx.AsyncClient, patient: Resource) -> None:
    await fill(client, patient)
    by_url = (await client.get("/fhir/Observation?patient=p&date=ge2026-01-03&_sort=date")).json()
    by_form = (await client.post("/fhir/Observation/_search?_sort=date", data={"patient": "p", "date": "ge2026-01-03"})).json()
    assert [each["resource"] for each in by_form["entry"]] == [each["resource"] for each in by_url["entry"]]
    assert len(by_form["entry"]) == 5


async def test_includes_come_with_their_mode_and_counts_without_entries(client: httpx.AsyncClient, patient: Resource) -> None:
    await fill(client, patient)
    included = (await client.get("/fhir/Observation?patient=p&_include=Observation:subject&_count=2")).json()
    assert [each["search"]["mode"] for each in included["entry"]] == ["match", "match", "include"]
    counted = (await client.get("/fhir/Observation?patient=p&_summary=count")).json()
    assert counted["total"] == 7 and "entry" not in counted


async def test_an_unknown_parameter_is_refused_or_told(client: httpx.AsyncClient, patient: Resource) -> None:
    await fill(client, patient)
    refused = await client.get("/fhir/Patient?nonsense=Zzyzx")
    assert refused.status_code == 400 and "Zzyzx" not in refused.text
    told = await client.get("/fhir/Patient?nonsense=Zzyzx&family=Smith", headers={"prefer": "handling=lenient"})
    assert told.status_code == 200 and "nonsense" not in next(link["url"] for link in told.json()["link"])
    assert [each["search"]["mode"] for each in told.json()["entry"]] == ["match", "outcome"]
    assert told.json()["entry"][1]["resource"]["issue"][0]["severity"] == "warning"


@pytest.mark.parametrize(
    "query",
    [
        "date=Zzyzx", "date=ge", "_count=Zzyzx", "_count=-1", "_sort=Zzyzx", "_include=Zzyzx", "_include=Observation:Zzyzx",
        "value-quantity=Zzyzx",
        "code:Zzyzx=1", "_total=Zzyzx", "_summary=Zzyzx", "_filter=Zzyzx", "subject:Zzyzx=1",
        "_lastUpdated=Zzyzx", "code=%FF", "code=%00", "subject.Zzyzx=1", "code.name=Zzyzx", "_has:Observation:patient:code=Zzyzx",
        "code=" + ",".join(["Zzyzx"] * 1200), "&".join(["code=Zzyzx"] * 60),
    ],
)  # fmt: skip
async def test_a_bad_search_has_one_fate(client: httpx.AsyncClient, query: str) -> None:
    response = await client.get(f"/fhir/Observation?{query}")
    assert 400 <= response.status_code < 500, response.text
    assert response.json()["resourceType"] == "OperationOutcome"
    assert "Zzyzx" not in response.text


async def test_a_search_with_the_wrong_form_is_refused(client: httpx.AsyncClient) -> None:
    assert (await client.post("/fhir/Patient/_search", json={"family": "x"})).status_code == 415
    assert (
        await client.post("/fhir/Patient/_search", content=b"\xff", headers={"content-type": "application/x-www-form-urlencoded"})
    ).status_code == 400


@pytest.mark.req("FH-08")
async def test_fifty_upserts_of_one_number_make_one_patient(client: httpx.AsyncClient, patient: Resource) -> None:
    url = f"/fhir/Patient?identifier={NHS}|9000000009"
    updates = [client.put(url, json=patient | {"multipleBirthInteger": number}) for number in range(50)]
    responses = await asyncio.gather(*updates)
    assert {response.status_code for response in responses} <= {200, 201}
    assert len({response.json()["id"] for response in responses}) == 1
    condition = {"if-none-exist": f"identifier={NHS}|9000000009"}
    creates = await asyncio.gather(*(client.post("/fhir/Patient", json=patient, headers=condition) for _ in range(50)))
    assert {response.status_code for response in creates} == {200}
    assert (await client.get("/fhir/Patient?_summary=count")).json()["total"] == 1


@pytest.mark.req("FH-08")
async def test_fifty_conditional_creates_make_one_patient(client: httpx.AsyncClient, patient: Resource) -> None:
    condition = {"if-none-exist": f"identifier={NHS}|9000000009"}
    responses = await asyncio.gather(*(client.post("/fhir/Patient", json=patient, headers=condition) for _ in range(50)))
    assert sorted(response.status_code for response in responses) == [200] * 49 + [201]
    assert len({response.headers["location"] for response in responses}) == 1


async def test_a_condition_that_finds_several_is_412(client: httpx.AsyncClient, patient: Resource) -> None:
    for _ in range(2):
        await client.post("/fhir/Patient", json=patient)
    url = f"/fhir/Patient?identifier={NHS}|9000000009"
    assert (await client.put(url, json=patient)).status_code == 412
    assert (await client.delete(url)).status_code == 412
    assert (await client.post("/fhir/Patient", json=patient, headers={"if-none-exist": url.partition("?")[2]})).status_code == 412


@pytest.mark.parametrize("condition", ["", "_count=1", "foo=bar", "_sort=name", "identifier=", "birthdate=Zzyzx"])
async def test_a_condition_that_is_none_is_refused(client: httpx.AsyncClient, patient: Resource, condition: str) -> None:
    for response in (
        await client.put(f"/fhir/Patient?{condition}", json=patient),
        await client.delete(f"/fhir/Patient?{condition}"),
        await client.post("/fhir/Patient", json=patient, headers={"if-none-exist": condition}),
    ):
        assert response.status_code in (400, 422), response.text
    assert (await client.get("/fhir/Patient?_summary=count")).json()["total"] == 0
