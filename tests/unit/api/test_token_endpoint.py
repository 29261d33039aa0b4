"""Getting a token over HTTP, as a client does that knows only the base URL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from penstock.api.app import build
from penstock.api.parts import Parts
from penstock.auth.clients import hash_secret, read_client

SCOPE = "system/Patient.read system/Observation.read"
KEY = ECKey.generate_key("P-384", parameters={"kid": "k1"})
CLIENTS = [
    {"id": "legacy", "scope": SCOPE, "methods": ["client_secret_post", "client_secret_basic"], "secret_hash": hash_secret("s3cret")},
    {"id": "signer", "scope": SCOPE, "jwks": {"keys": [KEY.as_dict(private=False)]}},
]


@pytest.fixture
async def outside(parts: Parts) -> AsyncIterator[httpx.AsyncClient]:
    clients = {client.id: client for client in map(read_client, CLIENTS)}
    transport = httpx.ASGITransport(app=build(replace(parts, clients=clients)))
    async with httpx.AsyncClient(transport=transport, base_url="http://penstock.test") as client:
        yield client


def token_url(statement: dict[str, Any]) -> str:
    """The token URL out of the security extension, found the way that clients find it."""
    (security,) = [
        extension
        for rest in statement["rest"]
        for extension in rest["security"]["extension"]
        if extension["url"] == "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
    ]
    return next(str(each["valueUri"]) for each in security["extension"] if each["url"] == "token")


@pytest.mark.req("ID-07")
async def test_a_client_that_reads_metadata_connects_unchanged(outside: httpx.AsyncClient) -> None:
    url = token_url((await outside.get("/fhir/metadata")).json())
    assert (await outside.get("/fhir/.well-known/smart-configuration")).json()["token_endpoint"] == url
    form = {"grant_type": "client_credentials", "client_id": "legacy", "client_secret": "s3cret", "scope": SCOPE}
    answer = await outside.post(url, data=form)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store" and answer.headers["pragma"] == "no-cache"
    bearer = {"authorization": f"Bearer {answer.json()['access_token']}"}
    assert (await outside.get("/fhir/Patient/nobody", headers=bearer)).status_code == 404
    assert (await outside.get("/fhir/Patient?family=Smith", headers=bearer)).status_code == 200
    assert (await outside.get("/fhir/Encounter/nobody", headers=bearer)).status_code == 403
    assert (await outside.post("/fhir/Patient", json={"resourceType": "Patient"}, headers=bearer)).status_code == 403


async def test_a_signed_assertion_is_for_the_token_url_that_was_read(outside: httpx.AsyncClient, parts: Parts) -> None:
    url = (await outside.get("/fhir/.well-known/smart-configuration")).json()["token_endpoint"]
    at = int(parts.clock.now().timestamp())
    claims = {"iss": "signer", "sub": "signer", "aud": url, "exp": at + 240, "jti": "1"}
    form = {
        "grant_type": "client_credentials",
        "scope": "system/Patient.rs",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jwt.encode({"alg": "ES384", "kid": "k1"}, claims, KEY, algorithms=["ES384"]),
    }
    assert (await outside.post(url, data=form)).status_code == 200
    replayed = await outside.post(url, data=form)
    assert (replayed.status_code, replayed.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("content", "media", "status", "error"),
    [
        (b"grant_type=client_credentials&grant_type=password", "application/x-www-form-urlencoded", 400, "invalid_request"),
        (b"grant_type=%FF", "application/x-www-form-urlencoded", 400, "invalid_request"),
        (b"grant_type=\xff", "application/x-www-form-urlencoded", 400, "invalid_request"),
        (b"", "application/x-www-form-urlencoded", 400, "invalid_request"),
        (b"client_id=legacy&client_secret=wrong&grant_type=client_credentials", "application/x-www-form-urlencoded", 401, "invalid_client"),
        (b"grant_type=password", "application/x-www-form-urlencoded", 400, "unsupported_grant_type"),
        (b"{}", "application/json", 415, None),
        (b"a=" + b"a" * 70_000, "application/x-www-form-urlencoded", 413, None),
    ],
)
async def test_a_bad_token_request_has_one_fate(
    outside: httpx.AsyncClient, content: bytes, media: str, status: int, error: str | None
) -> None:
    response = await outside.post("/auth/token", content=content, headers={"content-type": media})
    assert response.status_code == status, response.text
    assert response.json().get("error") == error
    assert "wrong" not in response.text


async def test_a_basic_header_gets_a_challenge_when_it_is_wrong(outside: httpx.AsyncClient) -> None:
    response = await outside.post("/auth/token", data={"grant_type": "client_credentials"}, auth=("legacy", "wrong"))
    assert response.status_code == 401 and response.headers["www-authenticate"].startswith("Basic")


async def test_a_token_in_the_url_is_not_looked_at(outside: httpx.AsyncClient, token: Any) -> None:
    assert (await outside.get(f"/fhir/Patient/1?access_token={token('system/*.cruds')}")).status_code == 401


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic abc", "bearer nonsense", "Bearer a.b.c", "Token x", "Bearer " + "a" * 9000]
)
async def test_what_is_no_token_is_401_in_the_same_words(outside: httpx.AsyncClient, header: str) -> None:
    response = await outside.get("/fhir/Patient/1", headers={"authorization": header})
    assert response.status_code == 401 and response.headers["www-authenticate"].startswith("Bearer")


async def test_two_authorization_headers_are_refused(outside: httpx.AsyncClient, token: Any) -> None:
    good = f"Bearer {token('system/*.cruds')}"
    response = await outside.get("/fhir/Patient/1", headers=[("authorization", good), ("authorization", "Bearer x")])
    assert response.status_code == 400
