"""Operations over HTTP: what comes in is checked against the declaration, and what is declared is served (operations.html)."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from penstock.api.operations import OPERATIONS, Call, Operation, Parameter, answer_parameters, definition, operation_routes
from penstock.api.operations.parameters import decode, encode, from_query, require_declared
from penstock.api.parts import Parts
from penstock.api.reply import Reply
from penstock.api.request import Request
from penstock.errors import Problem
from penstock.formats.fhir.validate import check

Resource = dict[str, Any]
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
TAG = {"system": "urn:tags", "code": "a"}
LABEL = {"system": "urn:labels", "code": "R"}
DECLARED = (
    Parameter("url", "uri"),
    Parameter("count", "integer"),
    Parameter("active", "boolean"),
    Parameter("coding", "Coding"),
    Parameter("resource", "Resource"),
    Parameter("each", "string", 0, None),
    Parameter("property", parts=(Parameter("code", "code", 1), Parameter("value", "*"))),
)


async def nothing(parts: Parts, request: Request, call: Call) -> Reply:
    return answer_parameters(request, ("result", "boolean", True))


def parameters(*members: Resource) -> Resource:
    return {"resourceType": "Parameters", "parameter": list(members)}


def test_parameters_are_read_by_name_with_their_parts_and_resources() -> None:
    given = decode(
        parameters(
            {"name": "url", "valueUri": "urn:x"},
            {"name": "count", "valueInteger": 3},
            {"name": "active", "valueBoolean": False},
            {"name": "coding", "valueCoding": TAG},
            {"name": "resource", "resource": {"resourceType": "Patient", "gender": "no check here"}},
            {"name": "each", "valueString": "1"},
            {"name": "each", "valueString": "2"},
            {"name": "property", "part": [{"name": "code", "valueCode": "c"}, {"name": "value", "valueDecimal": 1}]},
        ),
        DECLARED,
    )
    assert (given.one("url"), given.one("count"), given.one("active"), given.one("coding")) == ("urn:x", 3, False, TAG)
    assert given["each"] == ("1", "2")
    assert given.one("resource")["gender"] == "no check here"
    assert given.one("property").one("code") == "c" and given.one("property").one("value") == 1
    assert given.one("nothing", "default") == "default"


@pytest.mark.parametrize(
    ("member", "code"),
    [
        ({"name": "unknown", "valueString": "x"}, "not-supported"),
        ({"name": "url"}, "required"),
        ({"name": "url", "valueBoolean": True}, "invalid"),
        ({"name": "count", "valueString": "3"}, "invalid"),
        ({"name": "coding", "valueCode": "a"}, "invalid"),
        ({"name": "coding", "valueCoding": {"unknown": 1}}, "structure"),
        ({"name": "url", "resource": {"resourceType": "Patient"}}, "invalid"),
        ({"name": "resource", "resource": {"resourceType": "Nothing"}}, "invalid"),
        ({"name": "property", "part": []}, "structure"),
        ({"name": "property", "part": [{"name": "value", "valueString": "x"}]}, "required"),
        ({"valueString": "x"}, "required"),
        ("not an object", "structure"),
    ],
)
def test_a_parameter_that_is_not_as_declared_is_refused(member: Any, code: str) -> None:
    with pytest.raises(Problem) as refused:
        require_declared(decode(parameters(member), DECLARED), DECLARED)
    assert refused.value.code == code


def test_what_is_not_declared_is_left_out_where_the_client_is_lenient() -> None:
    given = decode(parameters({"name": "unknown", "valueString": "x"}, {"name": "url", "valueUrl": "urn:x"}), DECLARED, lenient=True)
    assert dict(given) == {"url": ("urn:x",)}
    assert dict(from_query([("unknown", "x"), ("url", "y")], DECLARED, lenient=True)) == {"url": ("y",)}


def test_a_url_holds_parameters_of_primitive_types() -> None:
    given = from_query([("url", "urn:x"), ("count", "-3"), ("active", "true"), ("each", "1"), ("each", "2")], DECLARED)
    assert dict(given) == {"url": ("urn:x",), "count": (-3,), "active": (True,), "each": ("1", "2")}
    for name, value, code in [("count", "x", "value"), ("active", "1", "value"), ("coding", "s|c", "not-supported")]:
        with pytest.raises(Problem) as refused:
            from_query([(name, value)], DECLARED)
        assert refused.value.code == code
    with pytest.raises(Problem, match="more often"):
        require_declared(from_query([("url", "1"), ("url", "2")], DECLARED), DECLARED)


def test_what_is_written_is_valid() -> None:
    written = encode(
        [("result", "boolean", True), ("match", "part", [("concept", "Coding", TAG)]), ("r", "Resource", {"resourceType": "Patient"})]
    )
    assert check(written) == []
    assert [next(iter(each.keys() - {"name"})) for each in written["parameter"]] == ["valueBoolean", "part", "resource"]


def test_operations_of_one_code_need_one_policy() -> None:
    one = Operation("both", nothing, "fhir:read", ("type",), "One", types=("Patient",))
    other = Operation("both", nothing, "fhir:update", ("type",), "Other", types=("Group",))
    with pytest.raises(ValueError, match="different policies"):
        operation_routes((one, other))


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.id)
def test_every_operation_has_a_valid_definition(operation: Operation) -> None:
    assert check(definition(operation, "http://x.example/fhir")) == []
    assert operation.text


async def test_a_definition_is_read_like_any_resource(client: httpx.AsyncClient) -> None:
    rest = (await client.get("/fhir/metadata")).json()["rest"][0]
    declared = {each["definition"] for resource in rest["resource"] for each in resource.get("operation", ())}
    declared |= {each["definition"] for each in rest["operation"]}
    assert {url.rpartition("/")[2] for url in declared} == {each.id for each in OPERATIONS}
    for url in declared:
        response = await client.get("/fhir/OperationDefinition/" + url.rpartition("/")[2])
        assert response.status_code == 200, url
        assert response.json()["url"].startswith("http://penstock.test/fhir/OperationDefinition/")
    assert (await client.get("/fhir/OperationDefinition/nothing")).status_code == 404


async def test_meta_of_a_resource_and_of_a_version(client: httpx.AsyncClient, patient: Resource) -> None:
    await client.put("/fhir/Patient/m", json=patient | {"id": "m", "meta": {"tag": [TAG]}})
    await client.put("/fhir/Patient/m", json=patient | {"id": "m", "active": True})
    now, before = await client.get("/fhir/Patient/m/$meta"), await client.post("/fhir/Patient/m/_history/1/$meta")
    assert now.json()["parameter"][0]["valueMeta"] == (await client.get("/fhir/Patient/m")).json()["meta"]
    assert before.json()["parameter"][0]["valueMeta"]["tag"] == [TAG]
    assert (await client.get("/fhir/Patient/nobody/$meta")).status_code == 404


async def test_labels_are_sets_that_are_added_to_and_taken_from(client: httpx.AsyncClient, patient: Resource) -> None:
    await client.put("/fhir/Patient/m", json=patient | {"id": "m", "meta": {"tag": [TAG | {"display": "first"}]}})
    more = parameters({"name": "meta", "valueMeta": {"tag": [TAG, LABEL], "security": [LABEL], "profile": ["urn:p"]}})
    added = (await client.post("/fhir/Patient/m/$meta-add", json=more)).json()["parameter"][0]["valueMeta"]
    assert (added["versionId"], added["profile"], added["security"]) == ("2", ["urn:p"], [LABEL])
    assert added["tag"] == [TAG | {"display": "first"}, LABEL]
    again = (await client.post("/fhir/Patient/m/$meta-add", json=more)).json()["parameter"][0]["valueMeta"]
    assert again["versionId"] == "2", "nothing changed"
    fewer = parameters({"name": "meta", "valueMeta": {"tag": [TAG], "profile": ["urn:p", "urn:none"]}})
    left = (await client.post("/fhir/Patient/m/$meta-delete", json=fewer)).json()["parameter"][0]["valueMeta"]
    assert "profile" not in left and left["tag"] == [LABEL] and left["security"] == [LABEL]
    assert (await client.get("/fhir/Patient/m")).json()["name"] == patient["name"], "only the labels changed"


async def _labels(client: httpx.AsyncClient, where: str) -> Resource:
    response = await client.get(f"/fhir{where}/$meta")
    assert response.status_code == 200, response.text
    found: Resource = response.json()["parameter"][0]["valueMeta"]
    return found


async def test_meta_of_a_type_and_of_everything_are_the_labels_in_use(client: httpx.AsyncClient, patient: Resource) -> None:
    odd = {"system": "urn:odd,|$\\", "code": "a|b,c"}
    profiles = ["urn:p|1.0", "urn:p", "http://example.org/a,b"]
    labels = {"tag": [TAG, {"code": "bare"}, odd], "security": [LABEL], "profile": profiles}
    await client.put("/fhir/Patient/m", json=patient | {"id": "m", "meta": labels})
    await client.put("/fhir/Patient/n", json=patient | {"id": "n", "meta": {"tag": [TAG]}})
    await client.put("/fhir/Organization/o", json={"resourceType": "Organization", "id": "o", "name": "x", "meta": {"tag": [LABEL]}})
    of_type = await _labels(client, "/Patient")
    assert sorted(of_type["tag"], key=str) == sorted([TAG, {"code": "bare"}, odd], key=str)
    assert (of_type["security"], sorted(of_type["profile"])) == ([LABEL], sorted(profiles))
    assert LABEL in (await _labels(client, ""))["tag"]
    await client.put("/fhir/Patient/m", json=patient | {"id": "m"})
    assert await _labels(client, "/Patient") == {"tag": [TAG]}, "what nobody has any more is not in use"
    await client.delete("/fhir/Patient/n")
    assert await _labels(client, "/Patient") == {"extension": [{"url": ABSENT, "valueCode": "not-applicable"}]}


async def test_a_label_on_what_a_caller_may_not_see_is_not_told(
    stranger: httpx.AsyncClient, token: Any, client: httpx.AsyncClient, patient: Resource
) -> None:
    await client.put("/fhir/Patient/m", json=patient | {"id": "m", "meta": {"tag": [TAG]}})
    other = {"authorization": f"Bearer {token('system/Observation.rs')}"}
    assert (await stranger.get("/fhir/Patient/$meta", headers=other)).status_code == 403
    assert (await stranger.get("/fhir/$meta", headers=other)).status_code == 403


async def test_more_labels_than_are_looked_at_are_refused(
    client: httpx.AsyncClient, patient: Resource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.store.labels.MOST", 2)
    await client.put("/fhir/Patient/m", json=patient | {"id": "m", "meta": {"tag": [{"code": each} for each in "abc"]}})
    assert (await client.get("/fhir/Patient/$meta")).status_code == 403


async def test_labels_of_what_is_not_there_are_not_changed(client: httpx.AsyncClient, patient: Resource) -> None:
    body = parameters({"name": "meta", "valueMeta": {"tag": [TAG]}})
    assert (await client.post("/fhir/Patient/nobody/$meta-add", json=body)).status_code == 404
    await client.put("/fhir/Patient/m", json=patient | {"id": "m"})
    await client.delete("/fhir/Patient/m")
    assert (await client.post("/fhir/Patient/m/$meta-add", json=body)).status_code == 410


async def test_an_operation_that_changes_something_is_not_called_by_get(client: httpx.AsyncClient) -> None:
    for path, status in [
        ("/fhir/Patient/m/$meta-add", 405),
        ("/fhir/Patient/m/$nothing", 404),
        ("/fhir/$nothing", 404),
        ("/fhir/Nothing/m/$meta", 404),
    ]:
        response = await client.get(path)
        assert response.status_code == status, path
        assert response.json()["resourceType"] == "OperationOutcome"
    for path in ("/fhir/Patient/m/$nothing", "/fhir/Patient/$nothing", "/fhir/$nothing"):
        assert (await client.post(path, json=parameters())).status_code == 404, path


async def test_an_operation_needs_its_right(stranger: httpx.AsyncClient, token: Any) -> None:
    stranger.headers["authorization"] = f"Bearer {token('system/Patient.r')}"
    body = parameters({"name": "meta", "valueMeta": {"tag": [TAG]}})
    assert (await stranger.post("/fhir/Patient/m/$meta-add", json=body)).status_code == 403
    assert (await stranger.get("/fhir/Observation/m/$meta")).status_code == 403
    assert (await stranger.get("/fhir/Patient/m/$meta")).status_code == 404


async def test_convert_answers_what_it_was_given(client: httpx.AsyncClient, patient: Resource) -> None:
    assert (await client.post("/fhir/$convert", json=patient)).json() == patient
    wrapped = await client.post("/fhir/$convert", json=parameters({"name": "input", "resource": patient}))
    assert wrapped.json() == patient
    assert (await client.post("/fhir/$convert", json=parameters())).status_code in (400, 422)
    assert (await client.post("/fhir/$convert", json=patient | {"gender": "F"})).status_code == 422
