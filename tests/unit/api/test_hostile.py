"""Bad input over HTTP: each has its one status, an OperationOutcome without values, and never a 5xx."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from penstock.api.app import build
from penstock.api.parts import Parts
from penstock.settings import Settings

FHIR = {"content-type": "application/fhir+json"}
#: A value that must never be told to anybody.
CANARY = "Zzyzxfield"

BODIES: dict[str, tuple[bytes, int]] = {
    "empty": (b"", 400),
    "not JSON": (b"{", 400),
    "a list": (b"[]", 400),
    "a text": (b'"Patient"', 400),
    "null": (b"null", 400),
    "two values": (b'{"resourceType":"Patient"}{"resourceType":"Patient"}', 400),
    "a duplicate key": (b'{"resourceType":"Patient","gender":"male","gender":"female"}', 400),
    "a duplicate key that is escaped": (b'{"resourceType":"Patient","gender":"male","\\u0067ender":"female"}', 400),
    "NaN": (b'{"resourceType":"Patient","multipleBirthInteger":NaN}', 400),
    "Infinity": (b'{"resourceType":"Patient","multipleBirthInteger":1e999}', 400),
    "a number of 5000 digits": (b'{"resourceType":"Patient","multipleBirthInteger":' + b"9" * 5000 + b"}", 400),
    "a byte order mark": (b'\xef\xbb\xbf{"resourceType":"Patient"}', 400),
    "UTF-16": ('{"resourceType":"Patient"}'.encode("utf-16"), 400),
    "not UTF-8": (b'{"resourceType":"Patient","id":"\xff"}', 400),
    "a lone surrogate": (b'{"resourceType":"Patient","id":"\\ud800"}', 400),
    "NUL": (b'{"resourceType":"Patient","name":[{"family":"a\\u0000b"}]}', 400),
    "deep": (b'{"resourceType":"Patient","contact":' + b'[{"contact":' * 5000 + b"1" + b"}]" * 5000 + b"}", 400),
    "deep lists": (b"[" * 100_000 + b"]" * 100_000, 400),
    "no type": (b"{}", 400),
    "another type": (b'{"resourceType":"Observation","status":"final","code":{"text":"x"}}', 400),
    "an unknown type": (b'{"resourceType":"Zzyzxfield"}', 400),
    "a type that is a number": (b'{"resourceType":7}', 400),
    "an unknown element": (b'{"resourceType":"Patient","Zzyzxfield":1}', 400),
    "a text where a list is": (b'{"resourceType":"Patient","name":"Zzyzxfield"}', 400),
    "a list where a text is": (b'{"resourceType":"Patient","gender":["male"]}', 400),
    "an empty list": (b'{"resourceType":"Patient","name":[]}', 400),
    "an empty text": (b'{"resourceType":"Patient","name":[{"family":""}]}', 422),
    "a wrong code": (b'{"resourceType":"Patient","gender":"Zzyzxfield"}', 422),
    "a wrong date": (b'{"resourceType":"Patient","birthDate":"Zzyzxfield"}', 422),
    "two of a choice": (b'{"resourceType":"Patient","deceasedBoolean":true,"deceasedDateTime":"2020"}', 400),
    "a number where a text is": (b'{"resourceType":"Patient","birthDate":1985}', 400),
    "an id of another kind": (b'{"resourceType":"Patient","id":{"a":1}}', 400),
    "a meta of another kind": (b'{"resourceType":"Patient","meta":[1]}', 400),
    "a missing element": (b'{"resourceType":"Patient","link":[{"type":"refer"}]}', 422),
}


def assert_told(response: httpx.Response) -> dict[str, Any]:
    """A FHIR problem in our words: an OperationOutcome that holds no value."""
    assert response.headers["content-type"].startswith("application/fhir+json")
    outcome: dict[str, Any] = response.json()
    assert outcome["resourceType"] == "OperationOutcome"
    assert all(issue["severity"] == "error" and issue["details"]["text"] for issue in outcome["issue"])
    assert CANARY not in response.text and CANARY not in str(response.headers)
    return outcome


@pytest.mark.req("GW-07")
@pytest.mark.parametrize("kind", BODIES)
async def test_a_bad_body_has_one_fate(client: httpx.AsyncClient, parts: Parts, kind: str) -> None:
    body, status = BODIES[kind]
    for method, url in (("POST", "/fhir/Patient"), ("PUT", "/fhir/Patient/1")):
        response = await client.request(method, url, content=body, headers=FHIR)
        assert response.status_code in ({400, 422} if status == 422 else {status}), response.text
        assert_told(response)
    async with parts.database.connection() as tx:
        assert await tx.fetchval("select count(*) from event") == 0, "nothing was stored, nothing is told"


async def test_a_problem_points_at_the_element(client: httpx.AsyncClient) -> None:
    body = {"resourceType": "Patient", "name": [{"family": "A"}, {"famly": "B"}], "gender": CANARY}
    outcome = assert_told(await client.post("/fhir/Patient", json=body))
    assert {issue["expression"][0] for issue in outcome["issue"]} >= {"Patient.name[1].famly", "Patient.gender"} or {
        issue["expression"][0] for issue in outcome["issue"]
    } >= {"Patient.name[1]", "Patient.gender"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/fhir+turtle"}, 415),
        ({"content-type": "multipart/form-data"}, 415),
        ({"content-type": ""}, 415),
        ({"content-type": "application/fhir+json; charset=latin-1"}, 415),
        ({"content-type": "application/fhir+json; fhirVersion=3.0"}, 415),
        (FHIR | {"content-encoding": "gzip"}, 415),
        (FHIR | {"accept": "application/fhir+turtle"}, 406),
        (FHIR | {"accept": "text/html"}, 406),
        (FHIR | {"accept": "application/fhir+json; q=0"}, 406),
        (FHIR | {"accept": "application/fhir+json; fhirVersion=5.0"}, 406),
        (FHIR | {"host": "evil.example/<script>"}, 400),
        (FHIR | {"content-length": "99999999999"}, 413),
    ],
)
async def test_a_form_that_is_not_ours_is_refused(
    client: httpx.AsyncClient, patient: dict[str, Any], headers: dict[str, str], status: int
) -> None:
    response = await client.post("/fhir/Patient", content=json.dumps(patient).encode(), headers=headers)
    assert response.status_code == status, response.text
    assert_told(response)


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/json; charset=UTF-8"},
        {"content-type": 'application/fhir+json; fhirVersion="4.0"'},
        FHIR | {"accept": "text/html, */*;q=0.1"},
        FHIR | {"accept": "application/fhir+xml, application/fhir+json;q=0.5"},
        FHIR | {"accept": "application/json"},
    ],
)
async def test_a_form_that_is_ours_is_taken(client: httpx.AsyncClient, patient: dict[str, Any], headers: dict[str, str]) -> None:
    response = await client.post("/fhir/Patient", content=json.dumps(patient).encode(), headers=headers)
    assert response.status_code == 201, response.text


@pytest.mark.parametrize(
    "url", ["/fhir/Patient/1?_format=ttl", "/fhir/Patient/1?_format=application/fhir%2Bturtle", "/fhir/Patient/1?_format=html"]
)
async def test_what_is_not_served_is_refused_in_json(client: httpx.AsyncClient, url: str) -> None:
    response = await client.get(url)
    assert response.status_code == 406
    assert_told(response)


@pytest.mark.parametrize(
    ("method", "url", "status"),
    [
        ("GET", "/fhir/Patient/" + "a" * 65, 404),
        ("GET", "/fhir/Patient/a%2Fb", 404),
        ("GET", "/fhir/Patient/%00", 404),
        ("GET", "/fhir/Patient/..%2F..%2Fetc", 404),
        ("GET", f"/fhir/{CANARY}/1", 404),
        ("GET", "/fhir/Patient/1/_history/0", 404),
        ("GET", "/fhir/Patient/1/_history/9999999999", 404),
        ("GET", "/fhir/Patient/1/_history/x", 404),
        ("GET", f"/fhir/Patient/1?_elements={CANARY}", 404),
        ("PATCH", "/fhir/Patient/1", 415),
        ("POST", "/fhir/Patient/1", 405),
        ("GET", "/fhir/Patient/1/$everything", 404),
        ("GET", "/fhir/Patient/1?" + "a" * 9000, 414),
        ("GET", "/fhir/Patient/" + "a" * 9000, 414),
        ("DELETE", "/fhir/Patient", 422),
        ("PUT", "/fhir/metadata", 405),
    ],
)
async def test_a_bad_url_has_one_fate(client: httpx.AsyncClient, method: str, url: str, status: int) -> None:
    response = await client.request(method, url)
    assert response.status_code == status, response.text
    assert_told(response)


async def test_a_body_is_counted_while_it_arrives(parts: Parts, token: Any) -> None:
    small = Parts(**{**vars(parts), "settings": Settings(data=parts.settings.data, http_max_bytes=1000)})
    transport = httpx.ASGITransport(app=build(small), raise_app_exceptions=False)

    async def endless() -> Any:
        for _ in range(100):
            yield b" " * 100

    async with httpx.AsyncClient(transport=transport, base_url="http://penstock.test") as client:
        headers = FHIR | {"authorization": f"Bearer {token('system/*.cruds')}"}
        response = await client.post("/fhir/Patient", content=endless(), headers=headers)
    assert response.status_code == 413
    assert_told(response)


async def test_an_update_under_another_id_is_refused(client: httpx.AsyncClient, patient: dict[str, Any]) -> None:
    for body in (patient, patient | {"id": "other"}):
        response = await client.put("/fhir/Patient/one", json=body)
        assert response.status_code == 400
        assert assert_told(response)["issue"][0]["expression"] == ["Resource.id"]


async def test_a_defect_of_ours_keeps_its_words_to_itself(parts: Parts, token: Any) -> None:
    async def broken() -> Any:
        raise RuntimeError(f"no such patient {CANARY}")

    transport = httpx.ASGITransport(app=build(Parts(**{**vars(parts), "ready": broken})), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://penstock.test") as client:
        response = await client.get("/health/ready")
    assert response.status_code == 500 and CANARY not in response.text
    assert response.headers["content-type"] == "application/problem+json"


async def test_every_answer_carries_the_headers_of_the_house(stranger: httpx.AsyncClient) -> None:
    for url in ("/health/live", "/fhir/Patient/1", "/fhir/metadata", "/nothing"):
        headers = (await stranger.get(url)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert len(headers["x-trace-id"]) == 32
        assert "server" not in headers


async def test_a_trace_goes_on_where_the_client_began_it(client: httpx.AsyncClient, parts: Parts, patient: dict[str, Any]) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    response = await client.post(
        "/fhir/Patient", json=patient, headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01", "x-request-id": "my-7"}
    )
    assert response.headers["x-trace-id"] == trace
    assert response.headers["x-correlation-id"] == "my-7"
    async with parts.database.connection() as tx:
        assert await tx.fetchval("select trace_id from event") == trace


@pytest.mark.parametrize(
    "given", ["", "00-0-0-0", f"00-{'0' * 32}-00f067aa0ba902b7-01", f"ff-{'a' * 32}-{'b' * 16}-01", f"00-{'A' * 32}-{'b' * 16}-01", CANARY]
)
async def test_a_trace_that_is_none_is_replaced(stranger: httpx.AsyncClient, given: str) -> None:
    trace = (await stranger.get("/health/live", headers={"traceparent": given, "x-request-id": "<script>"})).headers
    assert len(trace["x-trace-id"]) == 32 and trace["x-trace-id"] not in given
    assert "x-correlation-id" not in trace
