"""Who may ask for tokens: the clients of the site, each with the scopes it may have and the ways it may prove itself.

``private_key_jwt`` is the way; a shared secret works only where the site says so in as many words (``methods``).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from penstock.auth.access import Access, parse_scope
from penstock.auth.tokens import LIFETIME, LONGEST, only_system
from penstock.errors import Problem

METHODS = ("private_key_jwt", "client_secret_basic", "client_secret_post")
_KEYS = {"id", "name", "scope", "methods", "jwks", "secret_hash", "token_lifetime_s"}
_COST = {"n": 2**14, "r": 8, "p": 1}


@dataclass(frozen=True)
class Client:
    """One registered client. ``grants`` is all it may ever be given; a token carries what it asked for, never more."""

    id: str
    scope: str
    grants: Access
    methods: tuple[str, ...] = ("private_key_jwt",)
    keys: KeySet | None = None
    secret_hash: str | None = field(default=None, repr=False)
    lifetime: timedelta = LIFETIME

    def may_have(self, wanted: Access) -> bool:
        """Whether every right in ``wanted`` is one of ours, interaction by interaction."""
        fhir = all(
            any(letter in own.letters and own.type in ("*", scope.type) and own.level == scope.level for own in self.grants.scopes)
            for scope in wanted.scopes
            for letter in scope.letters
        )
        return fhir and all(self.grants.operates(word) for word in wanted.admin)


def read_client(given: Mapping[str, Any]) -> Client:
    """The Client that a file of the site describes; anything unclear raises ``invalid`` with the name of the key."""
    strangers = sorted(set(given) - _KEYS)
    if strangers:
        raise Problem("invalid", "a client has a key that is not known", at="clients")
    for name in ("id", "scope"):
        if not isinstance(given.get(name), str) or not given[name]:
            raise Problem("invalid", "a client needs a text here", at=f"clients.{name}")
    methods = tuple(given.get("methods", ("private_key_jwt",)))
    if not methods or not set(methods) <= set(METHODS):
        raise Problem("invalid", "a client proves itself by methods of the list", at="clients.methods")
    grants = parse_scope(given["scope"])
    only_system(grants)
    return Client(
        id=given["id"],
        scope=given["scope"],
        grants=grants,
        methods=methods,
        keys=_keys(given.get("jwks"), methods),
        secret_hash=_secret(given.get("secret_hash"), methods),
        lifetime=_lifetime(given.get("token_lifetime_s")),
    )


def hash_secret(secret: str) -> str:
    """What the site keeps instead of a secret: salted scrypt, in one line of text."""
    salt = secrets.token_bytes(16)
    return f"scrypt${_b64(salt)}${_b64(_scrypt(secret, salt))}"


def secret_matches(secret: str, kept: str) -> bool:
    """Whether ``secret`` is the one whose hash is ``kept``, in a time that does not depend on where they differ."""
    _, salt, digest = kept.split("$")
    return hmac.compare_digest(_scrypt(secret, base64.b64decode(salt)), base64.b64decode(digest))


def _keys(jwks: Any, methods: tuple[str, ...]) -> KeySet | None:
    if "private_key_jwt" not in methods:
        return None
    try:
        keys = KeySet.import_key_set(jwks)
    except (JoseError, TypeError, KeyError, ValueError, AttributeError) as error:
        raise Problem("invalid", "a client with private_key_jwt needs its public keys", at="clients.jwks") from error
    if not keys.keys or any(key.key_type not in ("RSA", "EC") or key.is_private for key in keys.keys):
        raise Problem("invalid", "a client registers public RSA or EC keys, nothing else", at="clients.jwks")
    return keys


def _secret(kept: Any, methods: tuple[str, ...]) -> str | None:
    if not any(method.startswith("client_secret") for method in methods):
        if kept is not None:
            raise Problem("invalid", "a client has a secret that its methods do not allow", at="clients.methods")
        return None
    if not isinstance(kept, str) or kept.count("$") != 2 or not kept.startswith("scrypt$"):
        raise Problem("invalid", "a secret is kept as a hash of ours, never as itself", at="clients.secret_hash")
    return kept


def _lifetime(seconds: Any) -> timedelta:
    if seconds is None:
        return LIFETIME
    if not isinstance(seconds, int) or not 0 < seconds <= LONGEST.total_seconds():
        raise Problem("invalid", "a token lives between a second and twelve hours", at="clients.token_lifetime_s")
    return timedelta(seconds=seconds)


def _scrypt(secret: str, salt: bytes) -> bytes:
    return hashlib.scrypt(secret.encode(), salt=salt, **_COST)


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
