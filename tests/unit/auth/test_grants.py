"""The token endpoint: who gets a token, and the attacks of the list of RFC 9700 that touch client credentials."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from penstock.auth.assertions import TYPE
from penstock.auth.clients import Client, hash_secret, read_client
from penstock.auth.grants import Grants, Refused
from penstock.auth.keys import open_keys
from penstock.auth.tokens import realm, verify
from penstock.db import Database
from penstock.errors import Problem

from .forge import hmac_signed

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
URL = "https://penstock.example/auth/token"
HERE = realm("https://penstock.example")
KEY = ECKey.generate_key("P-384", parameters={"kid": "k1"})
RSA = RSAKey.generate_key(2048, parameters={"kid": "r1"})
SCOPE = "system/Patient.rs system/Observation.rs"


def jwks(*keys: Any) -> dict[str, Any]:
    return {"keys": [key.as_dict(private=False) for key in keys]}


SIGNER = read_client({"id": "signer", "scope": SCOPE, "jwks": jwks(KEY, RSA)})
OTHER = read_client({"id": "other", "scope": SCOPE, "jwks": jwks(ECKey.generate_key("P-384", parameters={"kid": "k2"}))})
LEGACY = read_client(
    {"id": "legacy", "scope": SCOPE, "methods": ["client_secret_post", "client_secret_basic"], "secret_hash": hash_secret("s3cret")}
)
POSTING = replace(LEGACY, id="posting", methods=("client_secret_post",))


@pytest.fixture
def grants(database: Database, tmp_path: Path) -> Grants:
    clients = {client.id: client for client in (SIGNER, OTHER, LEGACY, POSTING)}
    return Grants(clients, open_keys(tmp_path), HERE, database)


def claims(**changed: Any) -> dict[str, Any]:
    at = int(NOW.timestamp())
    all_claims = {"iss": "signer", "sub": "signer", "aud": URL, "exp": at + 300, "iat": at, "jti": "j1"} | changed
    return {name: value for name, value in all_claims.items() if value is not None}


def assertion(key: Any = KEY, alg: str = "ES384", header: dict[str, Any] | None = None, **changed: Any) -> str:
    return jwt.encode({"alg": alg, "kid": "k1", "typ": "JWT"} | (header or {}), claims(**changed), key, algorithms=[alg])


def form(text: str, **more: str) -> dict[str, str]:
    return {"grant_type": "client_credentials", "scope": SCOPE, "client_assertion_type": TYPE, "client_assertion": text} | more


async def ask(grants: Grants, form: dict[str, str], basic: str | None = None) -> dict[str, Any]:
    return await grants.grant(form, basic, token_url=URL, now=NOW)


async def refused(grants: Grants, form: dict[str, str], basic: str | None = None) -> str:
    with pytest.raises(Refused) as caught:
        await ask(grants, form, basic)
    return caught.value.error


async def test_a_signed_assertion_buys_a_token_with_the_scope_that_was_asked(grants: Grants) -> None:
    answer = await ask(grants, form(assertion(), scope="system/Patient.r"))
    assert answer["token_type"] == "bearer" and answer["expires_in"] == 300 and answer["scope"] == "system/Patient.r"
    access = verify(grants.keys, HERE, answer["access_token"], now=NOW).access
    assert access.client == "signer" and access.permits("read", "Patient") and not access.permits("search", "Patient")


async def test_an_rsa_key_works_too(grants: Grants) -> None:
    assert await ask(grants, form(assertion(RSA, "RS384", {"kid": "r1"})))


@pytest.mark.req("ID-06")
async def test_an_assertion_buys_one_token_also_over_a_restart_and_a_secret_works_only_where_it_is_allowed(
    grants: Grants, tmp_path: Path
) -> None:
    assert await ask(grants, form(assertion()))
    assert await refused(grants, form(assertion())) == "invalid_client"
    restarted = Grants(grants.clients, open_keys(tmp_path), HERE, grants.database)
    assert await refused(restarted, form(assertion())) == "invalid_client"
    assert await ask(grants, form(assertion(jti="j2")))
    secret = {"grant_type": "client_credentials", "scope": SCOPE, "client_secret": "s3cret"}
    assert await ask(grants, secret | {"client_id": "legacy"})
    assert await refused(grants, secret | {"client_id": "signer"}) == "invalid_client"


async def test_of_many_at_once_one_assertion_buys_one_token(grants: Grants) -> None:
    text = assertion()
    answers = await asyncio.gather(*(ask(grants, form(text)) for _ in range(10)), return_exceptions=True)
    assert sum(isinstance(answer, dict) for answer in answers) == 1


AT = int(NOW.timestamp())
HOSTILE: dict[str, Callable[[], str]] = {
    "no signature": lambda: assertion().rsplit(".", 1)[0] + ".",
    "alg none": lambda: base64.urlsafe_b64encode(b'{"alg":"none","kid":"k1"}').decode().rstrip("=") + "." + assertion().split(".")[1] + ".",
    "HMAC with the public key": lambda: hmac_signed({"alg": "HS256", "kid": "k1"}, claims(), KEY),
    "RS256": lambda: assertion(RSA, "RS256", {"kid": "r1"}),
    "another key under the registered id": lambda: assertion(ECKey.generate_key("P-384")),
    "key id of an RSA key with ES384": lambda: assertion(header={"kid": "r1"}),
    "no key id": lambda: assertion(header={"kid": ""}),
    "a key id that is a path": lambda: assertion(header={"kid": "../k1"}),
    "a critical header": lambda: assertion(header={"crit": ["b64"], "b64": True}),
    "aud is the FHIR base": lambda: assertion(aud="https://penstock.example/fhir"),
    "aud has a slash more": lambda: assertion(aud=URL + "/"),
    "iss is somebody else": lambda: assertion(iss="other"),
    "sub is somebody else": lambda: assertion(sub="other"),
    "both are somebody else": lambda: assertion(iss="other", sub="other"),
    "both are somebody with a secret": lambda: assertion(iss="legacy", sub="legacy"),
    "nobody": lambda: assertion(iss="nobody", sub="nobody"),
    "expired": lambda: assertion(exp=AT - 60),
    "longer than five minutes": lambda: assertion(exp=AT + 3600),
    "exp is text": lambda: assertion(exp=str(AT + 300)),
    "no exp": lambda: assertion(exp=None),
    "not before an hour": lambda: assertion(nbf=AT + 3600),
    "no jti": lambda: assertion(jti=None),
    "empty jti": lambda: assertion(jti=""),
    "jti with NUL": lambda: assertion(jti="a\0b"),
    "jti of a megabyte": lambda: assertion(jti="j" * 1_000_000),
    "not a token": lambda: "hello",
    "empty": lambda: "",
}


@pytest.mark.parametrize("attack", HOSTILE)
async def test_a_hostile_assertion_is_refused_in_the_same_words(grants: Grants, attack: str) -> None:
    with pytest.raises(Refused) as caught:
        await ask(grants, form(HOSTILE[attack]()))
    assert (caught.value.error, caught.value.status) == ("invalid_client", 401)
    assert caught.value.text == "the client did not prove itself"


async def test_a_refused_assertion_is_not_used_up(grants: Grants) -> None:
    await refused(grants, form(assertion(aud="https://elsewhere.example")))
    assert await ask(grants, form(assertion()))


SECRET = {"grant_type": "client_credentials", "scope": SCOPE, "client_id": "legacy", "client_secret": "s3cret"}


async def test_a_basic_header_works_for_a_client_that_may_use_it(grants: Grants) -> None:
    plain = {"grant_type": "client_credentials", "scope": SCOPE}
    assert await ask(grants, plain, "Basic " + base64.b64encode(b"legacy:s3cret").decode())
    assert await refused(grants, plain, "Basic " + base64.b64encode(b"posting:s3cret").decode()) == "invalid_client"
    assert await refused(grants, plain, "Basic %%%") == "invalid_client"
    assert await refused(grants, plain, "Bearer abc") == "invalid_client"


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"client_secret": "wrong"}, "invalid_client"), ({"client_secret": ""}, "invalid_client"),
        ({"client_id": "nobody"}, "invalid_client"),
        ({"client_id": ""}, "invalid_client"), ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, "unsupported_grant_type"), ({"scope": ""}, "invalid_scope"),
        ({"scope": "system/*.rs"}, "invalid_scope"), ({"scope": "system/Patient.cruds"}, "invalid_scope"),
        ({"scope": "admin/trace.r"}, "invalid_scope"), ({"scope": "patient/Patient.rs"}, "invalid_scope"),
        ({"scope": "hello"}, "invalid_scope"),
        ({"client_assertion": "x"}, "invalid_request"),
    ],
)  # fmt: skip
async def test_a_wrong_request_gets_the_word_of_the_standard(grants: Grants, changed: dict[str, str], error: str) -> None:
    assert await refused(grants, SECRET | changed) == error


async def test_a_request_that_proves_nothing_is_refused(grants: Grants) -> None:
    assert await refused(grants, {}) == "invalid_request"
    assert await refused(grants, {"grant_type": "client_credentials", "client_id": "legacy", "scope": SCOPE}) == "invalid_client"


@pytest.mark.parametrize(
    "given",
    [
        {}, {"id": "a"}, {"id": "a", "scope": "x"}, {"id": "a", "scope": SCOPE}, {"id": "a", "scope": SCOPE, "jwks": {"keys": []}},
        {"id": "a", "scope": SCOPE, "jwks": {"keys": [KEY.as_dict(private=True)]}}, {"id": "a", "scope": "patient/*.rs", "jwks": jwks(KEY)},
        {"id": "a", "scope": SCOPE, "jwks": {"keys": [{"kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}]}},
        {"id": "a", "scope": SCOPE, "jwks": "https://x"},
        {"id": "a", "scope": SCOPE, "methods": ["client_secret_post"]}, {"id": "a", "scope": SCOPE, "methods": ["none"]},
        {"id": "a", "scope": SCOPE, "methods": ["client_secret_post"], "secret_hash": "plain"},
        {"id": "a", "scope": SCOPE, "jwks": jwks(KEY), "secret_hash": hash_secret("x")},
        {"id": "a", "scope": SCOPE, "jwks": jwks(KEY), "password": "x"},
        {"id": "a", "scope": SCOPE, "jwks": jwks(KEY), "token_lifetime_s": 10**9},
    ],
)  # fmt: skip
def test_an_unclear_client_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(Problem) as caught:
        read_client(given)
    assert caught.value.code in ("invalid", "not-supported")


def test_a_client_never_shows_its_hash() -> None:
    assert isinstance(LEGACY, Client)
    assert "scrypt" not in repr(LEGACY)
