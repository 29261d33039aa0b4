"""Client assertions: how a client proves itself with a key (RFC 7523; SMART Backend Services, "Authenticating to the token endpoint").

Pure: whether the assertion was used before is asked of the database by :func:`first_use`, after everything else is right.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, NamedTuple

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from penstock.db import Tx
from penstock.errors import Problem

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#: What SMART requires of a server, and nothing else; each only with a key of its own kind.
ALGORITHMS = {"RS384": "RSA", "ES384": "EC"}
_LONGEST_S = 300
_SKEW_S = 5
_MAX_LENGTH = 8192


class Assertion(NamedTuple):
    """What an assertion says: the client, its id, and when it ends."""

    client: str
    jti: str
    expires_at: datetime


def claimed_client(assertion: str) -> str:
    """The client that an assertion says it is from; nothing is proven yet."""
    return str(_claims_unproven(assertion).get("sub", ""))


def check(assertion: str, keys: KeySet, *, client: str, audience: str, now: datetime) -> Assertion:
    """The assertion, proven to be signed by ``client`` for ``audience`` and of this time; else ``login``."""
    try:
        return _checked(assertion, keys, client, audience, int(now.timestamp()))
    except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise Problem("login", "the client assertion is not valid") from error


async def first_use(tx: Tx, assertion: Assertion, now: datetime) -> bool:
    """Remember an assertion for as long as it is valid; False when it was used before."""
    await tx.execute("delete from assertion where expires_at < $1", now)
    done = await tx.execute(
        "insert into assertion (client, jti, expires_at) values ($1, $2, $3) on conflict do nothing",
        assertion.client,
        assertion.jti,
        assertion.expires_at,
    )
    return done.endswith(" 1")


def _checked(assertion: str, keys: KeySet, client: str, audience: str, now: int) -> Assertion:
    if len(assertion) > _MAX_LENGTH or assertion.count(".") != 2:
        raise Problem("login", "the client assertion is not a signed token")
    header = jws.extract_compact(assertion.encode()).headers()
    kind = ALGORITHMS.get(str(header.get("alg")))
    # A key is found among the registered ones by its id, never through the header (jku, jwk, x5u are not read).
    key = next((key for key in keys.keys if key.kid == header.get("kid") and key.key_type == kind), None)
    if kind is None or key is None or "crit" in header:
        raise Problem("login", "the client assertion is not signed by a registered key")
    claims = jwt.decode(assertion, key, algorithms=[header["alg"]]).claims
    if claims["iss"] != client or claims["sub"] != client or claims["aud"] != audience:
        raise Problem("login", "the client assertion is by or for somebody else")
    expires = claims["exp"]
    if type(expires) is not int or not now - _SKEW_S < expires <= now + _LONGEST_S + _SKEW_S or not _begun(claims, now):
        raise Problem("login", "the client assertion is of another time, or lives longer than five minutes")
    if not isinstance(claims["jti"], str) or not 0 < len(claims["jti"]) <= 255 or "\0" in claims["jti"]:
        raise Problem("login", "the client assertion has no usable id")
    return Assertion(client, claims["jti"], datetime.fromtimestamp(expires + _SKEW_S, UTC))


def _begun(claims: dict[str, Any], now: int) -> bool:
    return all(type(claims.get(name, now)) is int and claims.get(name, now) <= now + _SKEW_S for name in ("nbf", "iat"))


def _claims_unproven(assertion: str) -> dict[str, Any]:
    try:
        claims = json.loads(jws.extract_compact(assertion[:_MAX_LENGTH].encode()).payload or b"")
    except (JoseError, ValueError, RecursionError) as error:
        raise Problem("login", "the client assertion is not a signed token") from error
    return claims if isinstance(claims, dict) else {}
