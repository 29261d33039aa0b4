"""Access tokens: short-lived ES256 JSON Web Tokens in the shape of RFC 9068, made and read only by us.

Verbs: ``mint`` and ``verify``. What a token may do is its ``scope``; nothing else in it grants anything.
"""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from joserfc import jwt
from joserfc.errors import JoseError

from penstock.auth.access import Access, parse_scope
from penstock.auth.keys import Keys
from penstock.errors import Problem

#: How long a token lives where nobody says otherwise. SMART Backend Services recommends five minutes at most.
LIFETIME = timedelta(minutes=5)
#: The longest life that anybody can ask for.
LONGEST = timedelta(hours=12)
_MAX_LENGTH = 8192
_HEADER = {"alg", "kid", "typ"}
_CLAIMS: dict[str, type] = {"iss": str, "aud": str, "client_id": str, "scope": str, "jti": str, "exp": int, "nbf": int, "iat": int}


class Verified(NamedTuple):
    """What a good token says: who it is, and until when (seconds since 1970)."""

    access: Access
    expires: int


@dataclass(frozen=True)
class Realm:
    """Who issues tokens and for whom: both are this program, under the name by which clients know it."""

    name: str

    @property
    def audience(self) -> str:
        """The ``aud`` of an access token, which no assertion and no token of another purpose has."""
        return f"{self.name}/fhir" if "://" in self.name else f"{self.name}:fhir"


def realm(base_url: str | None) -> Realm:
    """The realm of a program that clients see under ``base_url``, or under nothing but its own address."""
    return Realm((base_url or "urn:penstock").rstrip("/"))


def mint(keys: Keys, realm: Realm, *, client: str, scope: str, now: datetime, lifetime: timedelta = LIFETIME) -> str:
    """A signed token for ``client``; a ``scope`` must be understood and at system level, ``lifetime`` at most :data:`LONGEST`."""
    only_system(parse_scope(scope))
    if not timedelta() < lifetime <= LONGEST:
        raise Problem("invalid", "a token lives between a second and twelve hours")
    kid, key = keys.signing
    at = int(now.timestamp())
    claims = {
        "iss": realm.name,
        "aud": realm.audience,
        "sub": client,
        "client_id": client,
        "scope": scope,
        "jti": secrets.token_urlsafe(16),
        "iat": at,
        "nbf": at,
        "exp": at + int(lifetime.total_seconds()),
    }
    return jwt.encode({"alg": "ES256", "kid": kid, "typ": "at+jwt"}, claims, key, algorithms=["ES256"])


def verify(keys: Keys, realm: Realm, token: str, *, now: datetime) -> Verified:
    """Who presents ``token``; anything wrong with it is the same ``login`` Problem, so that nobody learns what to try next."""
    try:
        return _verified(keys, realm, token, int(now.timestamp()))
    except (JoseError, Problem, ValueError, TypeError, KeyError, RecursionError) as error:
        raise Problem("login", "the bearer token is not valid here, or no longer") from error


def only_system(access: Access) -> None:
    """Refuse scopes of a launch context (``patient/``, ``user/``): nobody can be given them yet, so nobody may hold them."""
    if any(scope.level != "system" for scope in access.scopes):
        raise Problem("not-supported", "only scopes at system level can be granted")


def _verified(keys: Keys, realm: Realm, token: str, now: int) -> Verified:
    if len(token) > _MAX_LENGTH:
        raise Problem("login", "the token is too long")
    header = _header(token)
    key = keys.find(header["kid"])
    if key is None or header.keys() != _HEADER or header["alg"] != "ES256" or header["typ"] != "at+jwt":
        raise Problem("login", "the token is not signed by a key of ours")
    claims = jwt.decode(token, key, algorithms=["ES256"]).claims
    for name, kind in _CLAIMS.items():
        if type(claims.get(name)) is not kind:
            raise Problem("login", "a claim is missing or of another type")
    if claims["iss"] != realm.name or claims["aud"] != realm.audience or not claims["nbf"] <= now < claims["exp"]:
        raise Problem("login", "the token is for another place or another time")
    access = parse_scope(claims["scope"])
    only_system(access)
    return Verified(replace(access, client=claims["client_id"]), claims["exp"])


def _header(token: str) -> dict[str, Any]:
    first, _, rest = token.partition(".")
    if rest.count(".") != 1:
        raise Problem("login", "the token is not a signed token")
    header = json.loads(base64.urlsafe_b64decode(first + "=" * (-len(first) % 4)))
    if not isinstance(header, dict) or not isinstance(header.get("kid"), str):
        raise Problem("login", "the token names no key")
    return header
