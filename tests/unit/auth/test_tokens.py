"""Access tokens: each way of forging one is a row of a table, and each row is refused in the same words."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from penstock.auth.keys import Keys, open_keys
from penstock.auth.tokens import mint, realm, verify
from penstock.errors import Problem

from .forge import hmac_signed, part

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HERE = realm("https://penstock.example")


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return open_keys(tmp_path)


def good_claims() -> dict[str, Any]:
    at = int(NOW.timestamp())
    return {
        "iss": HERE.name, "aud": HERE.audience, "sub": "lab", "client_id": "lab", "scope": "system/*.cruds",
        "jti": "a", "iat": at, "nbf": at, "exp": at + 300,
    }  # fmt: skip


def signed(keys: Keys, claims: dict[str, Any], **header: Any) -> str:
    kid, key = keys.signing
    return jwt.encode({"alg": "ES256", "kid": kid, "typ": "at+jwt"} | header, claims, key, algorithms=["ES256"])


def test_a_minted_token_says_who_and_what(keys: Keys) -> None:
    token = mint(keys, HERE, client="lab", scope="system/Patient.rs admin/trace.r", now=NOW)
    access, expires = verify(keys, HERE, token, now=NOW)
    assert access.client == "lab"
    assert access.permits("read", "Patient") and access.permits("search", "Patient")
    assert not access.permits("update", "Patient") and not access.permits("read", "Observation")
    assert access.operates("admin/trace.r") and not access.operates("admin/raw.r")
    assert expires == int(NOW.timestamp()) + 300


def test_the_good_token_of_this_table_is_good(keys: Keys) -> None:
    assert verify(keys, HERE, signed(keys, good_claims()), now=NOW).access.client == "lab"


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("iss", "https://elsewhere.example"), ("aud", "https://penstock.example"), ("aud", [HERE.audience]), ("exp", 1), ("exp", 1e99),
        ("exp", "9999999999"), ("exp", True), ("nbf", int(NOW.timestamp()) + 60), ("nbf", None), ("jti", None), ("client_id", None),
        ("client_id", 7), ("scope", "everything"), ("scope", ["system/*.*"]), ("scope", "patient/*.rs"), ("scope", None), ("iat", None),
    ],
)  # fmt: skip
def test_a_wrong_claim_is_refused(keys: Keys, claim: str, value: object) -> None:
    claims = {name: given for name, given in (good_claims() | {claim: value}).items() if given is not None}
    with pytest.raises(Problem) as caught:
        verify(keys, HERE, signed(keys, claims), now=NOW)
    assert caught.value.code == "login"
    assert "lab" not in str(caught.value)


def unsigned(keys: Keys) -> str:
    return f"{part({'alg': 'none', 'kid': keys.signing[0], 'typ': 'at+jwt'})}.{part(good_claims())}."


def hmac_with_the_public_key(keys: Keys) -> str:
    return hmac_signed({"alg": "HS256", "kid": keys.signing[0], "typ": "at+jwt"}, good_claims(), keys.signing[1])


def by_a_key_of_their_own(keys: Keys) -> str:
    other = ECKey.generate_key("P-256")
    return jwt.encode({"alg": "ES256", "kid": keys.signing[0], "typ": "at+jwt"}, good_claims(), other)


def by_a_key_in_the_header(keys: Keys) -> str:
    other = ECKey.generate_key("P-256")
    return jwt.encode({"alg": "ES256", "kid": "theirs", "typ": "at+jwt", "jwk": other.as_dict(private=False)}, good_claims(), other)


def more_scope_than_was_signed(keys: Keys) -> str:
    first, _, last = signed(keys, good_claims() | {"scope": "system/Patient.r"}).split(".")
    return f"{first}.{part(good_claims())}.{last}"


FORGERIES: dict[str, Callable[[Keys], str]] = {
    "no signature": unsigned,
    "an HMAC with our public key": hmac_with_the_public_key,
    "another key under our key id": by_a_key_of_their_own,
    "a key in the header": by_a_key_in_the_header,
    "claims that were not signed": more_scope_than_was_signed,
    "an identity token": lambda keys: signed(keys, good_claims(), typ="JWT"),
    "a critical header": lambda keys: signed(keys, good_claims(), crit=["b64"], b64=True),
    "a key address in the header": lambda keys: signed(keys, good_claims(), jku="https://evil.example/jwks"),
    "empty": lambda keys: "",
    "two dots": lambda keys: "..",
    "five parts": lambda keys: signed(keys, good_claims()) + ".a.b",
    "not base64": lambda keys: "%%%.%%%.%%%",
    "not ASCII": lambda keys: "é.é.é",
    "a list as header": lambda keys: f"{part([])}.e30.e30",
    "deep header": lambda keys: base64.urlsafe_b64encode(b"[" * 5000).decode() + ".e30.e30",
    "ten megabytes": lambda keys: signed(keys, good_claims()) + "a" * 10_000_000,
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_token_is_refused(keys: Keys, forgery: str) -> None:
    with pytest.raises(Problem) as caught:
        verify(keys, HERE, FORGERIES[forgery](keys), now=NOW)
    assert caught.value.text == "the bearer token is not valid here, or no longer"


def test_a_token_dies_with_the_second_in_which_it_ends(keys: Keys) -> None:
    token = mint(keys, HERE, client="lab", scope="system/*.r", now=NOW, lifetime=timedelta(seconds=60))
    assert verify(keys, HERE, token, now=NOW + timedelta(seconds=59))
    with pytest.raises(Problem):
        verify(keys, HERE, token, now=NOW + timedelta(seconds=60))


@pytest.mark.parametrize("lifetime", [timedelta(), timedelta(seconds=-1), timedelta(days=1)])
def test_no_token_lives_longer_than_half_a_day(keys: Keys, lifetime: timedelta) -> None:
    with pytest.raises(Problem, match="twelve hours"):
        mint(keys, HERE, client="lab", scope="system/*.r", now=NOW, lifetime=lifetime)


@pytest.mark.parametrize("scope", ["patient/*.rs", "user/Patient.r", "system/Patient.", "system/Patient.xyz", "admin/trace.", "launch"])
def test_a_scope_that_nobody_can_hold_is_not_minted(keys: Keys, scope: str) -> None:
    with pytest.raises(Problem):
        mint(keys, HERE, client="lab", scope=scope, now=NOW)
