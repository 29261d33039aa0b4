"""batch and transaction over HTTP: all or nothing, links between entries, conditions, order."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import httpx
import pytest

from penstock.api.parts import Parts

Resource = dict[str, Any]
NHS = "https://fhir.nhs.uk/Id/nhs-number"


def entry(method: str, url: str, resource: Resource | None = None, full_url: str | None = None, **conditions: str) -> Resource:
    made: Resource = {"request": {"method": method, "url": url, **conditions}}
    if resource is not None:
        made["resource"] = resource
    if full_url is not None:
        made["fullUrl"] = full_url
    return made


def bundle(*entries: Resource, kind: str = "transaction") -> Resource:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def observation(subject: str, **more: Any) -> Resource:
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": {"reference": subject}, **more}


async def events(parts: Parts) -> int:
    async with parts.database.connection() as tx:
        return int(await tx.fetchval("select count(*) from event"))


async def post(client: httpx.AsyncClient, *entries: Resource, kind: str = "transaction", prefer: str = "") -> httpx.Response:
    return await client.post("/fhir", json=bundle(*entries, kind=kind), headers={"prefer": prefer})


def locations(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    return ["/".join(each["response"]["location"].split("/fhir/")[1].split("/")[:2]) for each in response.json()["entry"]]


@pytest.mark.req("FH-06")
async def test_temporary_names_become_ids_and_a_bad_third_entry_undoes_everything(
    client: httpx.AsyncClient, parts: Parts, patient: Resource
) -> None:
    good = (entry("POST", "Patient", patient, "urn:uuid:p1"), entry("POST", "Observation", observation("urn:uuid:p1"), "urn:uuid:o1"))
    for bad in (
        entry("POST", "Observation", {"resourceType": "Observation", "code": {"text": "no status"}}),
        entry("POST", "Observation", observation("urn:uuid:nobody")),
        entry("PUT", "Patient/one", patient | {"id": "two"}),
        entry("PUT", "Patient/one", patient | {"id": "one"}, ifMatch='W/"7"'),
        entry("GET", "Patient/nobody"),
    ):
        response = await post(client, *good, bad)
        assert 400 <= response.status_code < 500
        issues = response.json()["issue"]
        assert issues[0]["expression"][0].startswith("Bundle.entry[2]"), issues
        assert await events(parts) == 0
        for type_ in ("Patient", "Observation"):
            assert (await client.get(f"/fhir/{type_}?_summary=count")).json()["total"] == 0
    made = locations(await post(client, *good))
    assert made[0].startswith("Patient/") and made[1].startswith("Observation/")
    assert (await client.get(f"/fhir/{made[1]}")).json()["subject"]["reference"] == made[0]
    assert await events(parts) == 2


async def test_links_are_replaced_wherever_they_stand_and_nowhere_else(client: httpx.AsyncClient, patient: Resource) -> None:
    div = '<div xmlns="http://www.w3.org/1999/xhtml"><a href="urn:uuid:p1">him</a></div>'
    resource = observation(
        "urn:uuid:p1",
        text={"status": "generated", "div": div},
        identifier=[{"system": "urn:ietf:rfc:3986", "value": "urn:uuid:p1"}],
        extension=[{"url": "http://x.example/e", "valueUri": "urn:uuid:p1"}, {"url": "http://x.example/s", "valueString": "urn:uuid:p1"}],
        performer=[{"reference": "http://elsewhere.example/fhir/Patient/9"}, {"reference": "Patient/77"}],
    )
    old = "http://old.example/fhir/Patient/77"
    made = locations(
        await post(
            client,
            entry("POST", "Patient", patient, "urn:uuid:p1"),
            entry("POST", "Observation", resource),
            entry("POST", "Patient", patient, old),
        )
    )
    stored = (await client.get(f"/fhir/{made[1]}")).json()
    assert stored["subject"]["reference"] == made[0]
    assert f'href="{made[0]}"' in stored["text"]["div"]
    assert stored["identifier"][0]["value"] == "urn:uuid:p1", "an identifier is no link"
    assert stored["extension"][0]["valueUri"] == made[0] and stored["extension"][1]["valueString"] == "urn:uuid:p1"
    assert stored["performer"] == [{"reference": "http://elsewhere.example/fhir/Patient/9"}, {"reference": made[2]}]


async def test_entries_are_done_in_the_order_of_the_standard(client: httpx.AsyncClient, patient: Resource) -> None:
    assert (await client.put("/fhir/Patient/old", json=patient | {"id": "old"})).status_code == 201
    response = await post(
        client,
        entry("GET", "Patient/new"),
        entry("PUT", "Patient/new", patient | {"id": "new"}),
        entry("GET", "Patient?identifier=" + NHS + "|9000000009&_summary=count"),
        entry("DELETE", "Patient/old"),
        entry("DELETE", "Patient/never"),
    )
    assert response.status_code == 200, response.text
    first, put, found, gone, never = response.json()["entry"]
    assert first["resource"]["id"] == "new" and put["response"]["status"] == "201"
    assert found["resource"]["total"] == 1, "the old one is deleted and the new one is there before the search"
    assert gone["response"]["status"] == never["response"]["status"] == "204"
    assert response.json()["type"] == "transaction-response"


async def test_a_condition_finds_what_is_there_and_makes_what_is_not(client: httpx.AsyncClient, patient: Resource) -> None:
    condition = f"identifier={NHS}|9000000009"
    create = entry("POST", "Patient", patient, "urn:uuid:p1", ifNoneExist=condition)
    first = await post(client, create, entry("POST", "Observation", observation("urn:uuid:p1")))
    second = await post(client, create, entry("POST", "Observation", observation("urn:uuid:p1")))
    assert locations(first)[0] == locations(second)[0], "the second one found the patient of the first"
    assert [each["response"]["status"] for each in second.json()["entry"]] == ["200", "201"]
    assert (await client.get(f"/fhir/{locations(second)[1]}")).json()["subject"]["reference"] == locations(first)[0]
    third = await post(client, entry("POST", "Observation", observation(f"Patient?{condition}")))
    assert (await client.get(f"/fhir/{locations(third)[0]}")).json()["subject"]["reference"] == locations(first)[0]
    update = await post(client, entry("PUT", f"Patient?{condition}", patient | {"active": True}))
    assert locations(update) == locations(first)[:1] and update.json()["entry"][0]["response"]["status"] == "200"
    deleted = await post(client, entry("DELETE", f"Patient?{condition}"), entry("DELETE", "Patient?identifier=nobody"))
    assert [each["response"]["status"] for each in deleted.json()["entry"]] == ["204", "204"]
    assert (await client.get(f"/fhir/{locations(first)[0]}")).status_code == 410


async def test_a_conditional_reference_must_find_exactly_one(client: httpx.AsyncClient, parts: Parts, patient: Resource) -> None:
    response = await post(client, entry("POST", "Observation", observation("Patient?identifier=nobody")))
    assert response.status_code == 412
    await post(client, entry("POST", "Patient", patient), entry("POST", "Patient", patient))
    before = await events(parts)
    response = await post(client, entry("POST", "Observation", observation(f"Patient?identifier={NHS}|9000000009")))
    assert response.status_code == 412
    assert await events(parts) == before


async def test_fifty_transactions_with_one_condition_make_one_patient(client: httpx.AsyncClient, patient: Resource) -> None:
    create = entry("POST", "Patient", patient, "urn:uuid:p1", ifNoneExist=f"identifier={NHS}|9000000009")
    responses = await asyncio.gather(*(post(client, create, entry("POST", "Observation", observation("urn:uuid:p1"))) for _ in range(20)))
    made = [locations(response) for response in responses]
    assert len({patient for patient, _ in made}) == 1 and len({one for _, one in made}) == 20
    assert (await client.get("/fhir/Patient?_summary=count")).json()["total"] == 1
    for _, one in made[:3]:
        assert (await client.get(f"/fhir/{one}")).json()["subject"]["reference"] == made[0][0]


@pytest.mark.req("FH-06")
async def test_the_entries_of_a_batch_stand_for_themselves(client: httpx.AsyncClient, patient: Resource) -> None:
    response = await post(
        client,
        entry("POST", "Patient", patient),
        entry("POST", "Patient", {"resourceType": "Patient", "gender": "wrong"}),
        entry("GET", "Patient/nobody"),
        {"request": {"method": "POST"}},
        entry("PUT", "Patient"),
        entry("GET", "metadata"),
        kind="batch",
    )
    assert response.status_code == 200, response.text
    answers = response.json()["entry"]
    assert [each["response"]["status"] for each in answers] == ["201", "422", "404", "422", "422", "200"]
    assert all(each["response"]["outcome"]["resourceType"] == "OperationOutcome" for each in answers[1:5])
    assert answers[5]["resource"]["resourceType"] == "CapabilityStatement"
    assert response.json()["type"] == "batch-response"


async def test_a_bundle_grants_no_more_than_its_token(
    stranger: httpx.AsyncClient, client: httpx.AsyncClient, token: Any, patient: Resource
) -> None:
    made = locations(await post(client, entry("POST", "Patient", patient)))[0]
    client.headers["authorization"] = f"Bearer {token('system/Observation.cruds')}"
    for one in (
        entry("GET", made), entry("POST", "Patient", patient), entry("PUT", "Patient/x", patient | {"id": "x"}), entry("DELETE", made),
        entry("GET", "Patient?name=Smith"), entry("GET", f"{made}/_history"),
        entry("POST", "Observation", observation(f"Patient?identifier={NHS}|9000000009")),
    ):  # fmt: skip
        alone = await post(client, one)
        assert alone.status_code in (400, 403), alone.text
        assert "Smith" not in alone.text
    batch = await post(client, entry("GET", made), entry("DELETE", made), entry("GET", "Patient"), kind="batch")
    assert [each["response"]["status"] for each in batch.json()["entry"]] == ["403", "403", "403"]
    admin = await post(client, {"request": {"method": "GET", "url": "../admin/v1/inbox"}}, kind="batch")
    assert admin.json()["entry"][0]["response"]["status"] == "400"


@pytest.mark.parametrize("prefer", ["return=representation", "return=minimal", ""])
async def test_a_bundle_answers_with_resources_when_they_are_preferred(client: httpx.AsyncClient, patient: Resource, prefer: str) -> None:
    for kind in ("batch", "transaction"):
        answer = (await post(client, entry("POST", "Patient", patient), kind=kind, prefer=prefer)).json()["entry"][0]
        assert ("resource" in answer) == (prefer == "return=representation")
        assert answer["response"]["etag"] == 'W/"1"' and answer["response"]["lastModified"].endswith("Z")


BAD: dict[str, tuple[Any, int]] = {
    "no Bundle": ({"resourceType": "Patient"}, 400),
    "no type": ({"resourceType": "Bundle"}, 400),
    "a searchset": ({"resourceType": "Bundle", "type": "searchset"}, 400),
    "entries that are no list": ({"resourceType": "Bundle", "type": "transaction", "entry": {}}, 400),
    "an entry that is no object": (bundle("x"), 400),  # type: ignore[arg-type] # that is the point
    "no request": (bundle({"resource": {"resourceType": "Patient"}}), 422),
    "no resource": (bundle(entry("POST", "Patient")), 422),
    "a resource to delete": (bundle(entry("DELETE", "Patient/1", {"resourceType": "Patient"})), 422),
    "another type": (bundle(entry("POST", "Observation", {"resourceType": "Patient"})), 400),
    "an unknown type": (bundle(entry("POST", "Nothing", {"resourceType": "Nothing"})), 400),
    "a URL elsewhere": (bundle(entry("GET", "http://elsewhere.example/fhir/Patient/1")), 400),
    "a URL that climbs": (bundle(entry("GET", "../../etc/passwd")), 400),
    "a URL that is a number": (bundle({"request": {"method": "GET", "url": 7}}), 422),
    "a POST to an id": (bundle(entry("POST", "Patient/1", {"resourceType": "Patient"})), 400),
    "a PUT to nothing": (bundle(entry("PUT", "Patient", {"resourceType": "Patient"})), 422),
    "a DELETE of everything": (bundle(entry("DELETE", "Patient")), 422),
    "the same twice": (bundle(*[entry("PUT", "Patient/1", {"resourceType": "Patient", "id": "1"})] * 2), 400),
    "a name twice": (bundle(*[entry("POST", "Patient", {"resourceType": "Patient"}, "urn:uuid:a")] * 2), 400),
    "a condition that is a number": (bundle(entry("POST", "Patient", {"resourceType": "Patient"}, ifNoneExist=7)), 400),  # type: ignore[arg-type]
    "a condition of controls": (bundle(entry("POST", "Patient", {"resourceType": "Patient"}, ifNoneExist="_summary=count")), 400),
    "a condition that is unknown": (bundle(entry("POST", "Patient", {"resourceType": "Patient"}, ifNoneExist="foo=bar")), 400),
    "a bundle in a bundle": (bundle(entry("POST", "", {"resourceType": "Bundle", "type": "batch"})), 400),
    "ten thousand and one": (bundle(*[entry("GET", "Patient/1")] * 10_001), 413),
}


@pytest.mark.parametrize("kind", BAD)
async def test_a_bad_transaction_has_one_fate(client: httpx.AsyncClient, parts: Parts, kind: str) -> None:
    body, status = BAD[kind]
    response = await client.post("/fhir", json=body)
    assert response.status_code == status, response.text
    assert response.json()["resourceType"] == "OperationOutcome"
    assert await events(parts) == 0


async def test_an_empty_transaction_does_nothing(client: httpx.AsyncClient) -> None:
    assert (await post(client)).json() == {"resourceType": "Bundle", "type": "transaction-response"}


@pytest.mark.req("FH-06")
async def test_a_conditional_reference_finds_what_the_same_transaction_writes(client: httpx.AsyncClient, patient: Resource) -> None:
    condition = f"Patient?identifier={NHS}|9000000009"
    made = locations(await post(client, entry("POST", "Observation", observation(condition)), entry("POST", "Patient", patient)))
    assert (await client.get(f"/fhir/{made[0]}")).json()["subject"]["reference"] == made[1]
    gone = await post(client, entry("DELETE", made[1]), entry("POST", "Observation", observation(condition)))
    assert gone.status_code == 412, "what is deleted is not found"
    other = {**patient, "id": made[1].split("/")[1], "identifier": [{"system": NHS, "value": "9000000017"}]}
    moved = await post(client, entry("PUT", made[1], other), entry("POST", "Observation", observation(condition)))
    assert moved.status_code == 412, "what has another identifier now is not found by the old one"


async def test_a_canonical_and_a_definition_s_own_url_are_no_links(client: httpx.AsyncClient) -> None:
    url = "http://definitions.example/Questionnaire/1"
    questionnaire = {"resourceType": "Questionnaire", "status": "draft", "url": url, "derivedFrom": ["urn:uuid:q"]}
    answer = {"resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": "urn:uuid:q"}
    held = {"contained": [observation("urn:uuid:q") | {"id": "c"}], "partOf": [{"reference": "#c"}]}
    made = locations(
        await post(
            client,
            entry("POST", "Questionnaire", questionnaire, url),
            entry("POST", "QuestionnaireResponse", answer | held, "urn:uuid:q"),
        )
    )
    stored = (await client.get(f"/fhir/{made[0]}")).json()
    assert (stored["url"], stored["derivedFrom"]) == (url, ["urn:uuid:q"])
    stored = (await client.get(f"/fhir/{made[1]}")).json()
    assert stored["questionnaire"] == "urn:uuid:q"
    assert stored["contained"][0]["subject"]["reference"] == made[1], "a reference in what is contained is one"


@pytest.mark.req("FH-06")
async def test_entries_whose_conditions_find_the_same_resource_are_refused(
    client: httpx.AsyncClient, parts: Parts, patient: Resource
) -> None:
    await client.put("/fhir/Patient/one", json=patient | {"id": "one"})
    before = await events(parts)
    for overlapping in (
        (entry("PUT", "Patient/one", patient | {"id": "one"}), entry("DELETE", f"Patient?identifier={NHS}|9000000009")),
        (entry("PUT", "Patient?family=Smith", patient), entry("PUT", f"Patient?identifier={NHS}|9000000009", patient)),
    ):
        refused = await post(client, *overlapping)
        assert refused.status_code == 400 and "about the same resource" in refused.text
        assert await events(parts) == before
    elsewhere = await post(client, entry("PUT", f"Patient?identifier={NHS}|9000000009", patient | {"id": "another"}))
    assert elsewhere.status_code == 400 and "another id" in elsewhere.text


async def test_operations_that_look_are_entries_and_those_that_change_are_not(client: httpx.AsyncClient, patient: Resource) -> None:
    label: Resource = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": [{"code": "t"}]}}]}
    looks = (entry("PUT", "Patient/one", patient | {"id": "one"}), entry("POST", "$convert", patient), entry("GET", "Patient/one/$meta"))
    for kind in ("transaction", "batch"):
        answers = (await post(client, *looks, kind=kind)).json()["entry"]
        assert answers[1]["resource"] == patient
        assert answers[2]["resource"]["parameter"][0]["valueMeta"]["versionId"] == "1"
    changes = entry("POST", "Patient/one/$meta-add", label)
    assert (await post(client, changes)).status_code == 400
    assert (await post(client, changes, kind="batch")).json()["entry"][0]["response"]["status"] == "200"
    assert (await client.get("/fhir/Patient/one")).json()["meta"]["tag"] == [{"code": "t"}]


async def test_an_entry_of_a_batch_does_not_refer_to_another(client: httpx.AsyncClient, patient: Resource) -> None:
    response = await post(
        client, entry("POST", "Patient", patient, "urn:uuid:p"), entry("POST", "Observation", observation("urn:uuid:p")), kind="batch"
    )
    assert [each["response"]["status"] for each in response.json()["entry"]] == ["201", "400"]


@pytest.mark.req("FH-19")
async def test_five_hundred_entries_are_routine(client: httpx.AsyncClient, parts: Parts, patient: Resource) -> None:
    """Thirty seconds are allowed; on two cores it takes about one. Every reference leads to the patient."""
    many = [entry("POST", "Observation", observation("urn:uuid:p"), f"urn:uuid:{number}") for number in range(499)]
    async with asyncio.timeout(30):
        made = locations(await post(client, entry("POST", "Patient", patient, "urn:uuid:p"), *many))
    assert len(set(made)) == 500 and await events(parts) == 500
    counted = await client.get(f"/fhir/Observation?subject={made[0]}&_summary=count")
    assert counted.json()["total"] == 499


async def test_many_conditional_references_to_many_entries_cost_a_bounded_time(client: httpx.AsyncClient, patient: Resource) -> None:
    people = [entry("POST", "Patient", patient) for _ in range(600)]
    seen = [entry("POST", "Observation", observation(f"Patient?identifier=a|{number}")) for number in range(400)]
    async with asyncio.timeout(20):
        response = await post(client, *people, *seen)
    assert response.status_code in (403, 412)


def json_patch(*steps: Resource) -> Resource:
    data = base64.b64encode(json.dumps(steps).encode()).decode()
    return {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data}


def fhirpath_patch(path: str, value: Resource) -> Resource:
    parts = [{"name": "type", "valueCode": "replace"}, {"name": "path", "valueString": path}, {"name": "value", **value}]
    return {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}


@pytest.mark.req("FH-06")
async def test_patches_are_entries_by_id_and_by_condition(client: httpx.AsyncClient, parts: Parts, patient: Resource) -> None:
    await client.put("/fhir/Patient/one", json=patient | {"id": "one"})
    await client.put("/fhir/Observation/seen", json=observation("Patient/nobody") | {"id": "seen"})
    response = await post(
        client,
        entry("PATCH", f"Patient?identifier={NHS}|9000000009", json_patch({"op": "replace", "path": "/gender", "value": "other"})),
        entry("PATCH", "Observation/seen", fhirpath_patch("Observation.subject", {"valueReference": {"reference": "urn:uuid:new"}})),
        entry("POST", "Patient", {"resourceType": "Patient"}, "urn:uuid:new"),
    )
    made = locations(response)
    assert made[:2] == ["Patient/one", "Observation/seen"]
    assert (await client.get("/fhir/Patient/one")).json()["gender"] == "other"
    assert (await client.get("/fhir/Observation/seen")).json()["subject"]["reference"] == made[2]
    before = await events(parts)
    for bad, status in (
        (entry("PATCH", "Patient/one", json_patch({"op": "replace", "path": "/gender", "value": "F"})), 422),
        (entry("PATCH", "Patient/one", json_patch({"op": "test", "path": "/gender", "value": "male"})), (409, 412, 422)),
        (entry("PATCH", "Patient/nobody", json_patch({"op": "remove", "path": "/gender"})), 404),
        (entry("PATCH", "Patient?identifier=nobody", json_patch({"op": "remove", "path": "/gender"})), 404),
        (entry("PATCH", "Patient/one", patient), 400),
        (entry("PATCH", "Patient/one", json_patch({"op": "remove", "path": "/gender"}), ifMatch='W/"1"'), 412),
    ):
        refused = await post(client, entry("POST", "Patient", patient), bad)
        assert refused.status_code in (status if isinstance(status, tuple) else (status,)), refused.text
        assert refused.json()["issue"][0]["expression"][0].startswith("Bundle.entry[1]")
        assert await events(parts) == before


async def test_an_outcome_that_is_preferred_is_the_outcome_of_the_response(client: httpx.AsyncClient, patient: Resource) -> None:
    for kind in ("batch", "transaction"):
        answer = (await post(client, entry("POST", "Patient", patient), kind=kind, prefer="return=OperationOutcome")).json()["entry"][0]
        assert "resource" not in answer and answer["response"]["outcome"]["resourceType"] == "OperationOutcome"
        assert answer["response"]["location"]


async def test_a_binary_in_a_bundle_is_a_resource(client: httpx.AsyncClient) -> None:
    binary = {"resourceType": "Binary", "id": "b", "contentType": "image/png", "data": "iVBORw0KGgo="}
    await post(client, entry("PUT", "Binary/b", binary))
    for kind in ("batch", "transaction"):
        for url in ("Binary/b", "Binary/b?_format=xml", "Binary/b/_history/1"):
            found = (await post(client, entry("GET", url), kind=kind)).json()["entry"][0]["resource"]
            assert (found["contentType"], found["data"]) == ("image/png", "iVBORw0KGgo="), (kind, url)
    search = (await post(client, entry("GET", "Binary?_id=b&_format=xml&_summary=true"), kind="batch")).json()["entry"][0]["resource"]
    assert search["entry"][0]["resource"]["contentType"] == "image/png"
