"""The token endpoint's decisions (RFC 6749, section 4.4): which client is this, and may it have that token?

Refusals carry an ``error`` of RFC 6749, section 5.2, and nothing that helps to guess: an unknown client, a wrong secret and a
bad assertion are all ``invalid_client``.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus

from penstock.auth import assertions
from penstock.auth.access import parse_scope
from penstock.auth.clients import Client, hash_secret, secret_matches
from penstock.auth.keys import Keys
from penstock.auth.tokens import Realm, mint
from penstock.db import Database
from penstock.errors import Problem

_NOBODY = hash_secret("")


class Refused(Exception):
    """A token is not given; ``error`` is a word of RFC 6749, section 5.2."""

    def __init__(self, error: str, text: str) -> None:
        super().__init__(text)
        self.error = error
        self.text = text

    @property
    def status(self) -> int:
        """401 says that the client did not prove itself, 400 everything else."""
        return 401 if self.error == "invalid_client" else 400


@dataclass(frozen=True)
class Grants:
    """What the token endpoint decides with."""

    clients: Mapping[str, Client]
    keys: Keys
    realm: Realm
    database: Database

    async def grant(self, form: Mapping[str, str], basic: str | None, *, token_url: str, now: datetime) -> dict[str, Any]:
        """The token response for a form, or :class:`Refused`. ``basic`` is the value of an Authorization header, if there was one."""
        kind = form.get("grant_type")
        if kind is None:
            raise Refused("invalid_request", "grant_type is missing")
        if kind != "client_credentials":
            raise Refused("unsupported_grant_type", "only client_credentials is served here")
        client = await self._client(form, basic, token_url, now)
        scope = _granted(client, form.get("scope", ""))
        token = mint(self.keys, self.realm, client=client.id, scope=scope, now=now, lifetime=client.lifetime)
        return {"access_token": token, "token_type": "bearer", "expires_in": int(client.lifetime.total_seconds()), "scope": scope}

    async def _client(self, form: Mapping[str, str], basic: str | None, token_url: str, now: datetime) -> Client:
        ways = [basic is not None, "client_secret" in form, "client_assertion" in form]
        if sum(ways) > 1:
            raise Refused("invalid_request", "a client proves itself in one way, not in several")
        if basic is not None:
            name, secret = _basic(basic)
            return await self._by_secret(name, secret, "client_secret_basic")
        if "client_secret" in form:
            return await self._by_secret(form.get("client_id", ""), form["client_secret"], "client_secret_post")
        if "client_assertion" in form:
            return await self._by_assertion(form, token_url, now)
        raise Refused("invalid_client", "the client did not prove itself")

    async def _by_secret(self, name: str, secret: str, method: str) -> Client:
        client = self.clients.get(name)
        allowed = client is not None and method in client.methods and client.secret_hash is not None
        kept = client.secret_hash if client is not None and allowed and client.secret_hash else _NOBODY
        # The hash is computed for nobody as well: how long it takes does not tell who exists.
        matches = await asyncio.to_thread(secret_matches, secret, kept)
        if client is None or not allowed or not matches:
            raise Refused("invalid_client", "the client did not prove itself")
        return client

    async def _by_assertion(self, form: Mapping[str, str], token_url: str, now: datetime) -> Client:
        if form.get("client_assertion_type") != assertions.TYPE:
            raise Refused("invalid_client", "the client assertion is not of the type jwt-bearer")
        text = form["client_assertion"]
        try:
            client = self.clients.get(assertions.claimed_client(text))
            if client is None or client.keys is None or form.get("client_id", client.id) != client.id:
                raise Problem("login", "the client assertion is not from a client with a key")
            assertion = assertions.check(text, client.keys, client=client.id, audience=token_url, now=now)
        except Problem as problem:
            raise Refused("invalid_client", "the client did not prove itself") from problem
        async with self.database.transaction() as tx:
            if not await assertions.first_use(tx, assertion, now):
                raise Refused("invalid_client", "the client did not prove itself")
        return client


def _granted(client: Client, scope: str) -> str:
    try:
        wanted = parse_scope(scope)
    except Problem as problem:
        raise Refused("invalid_scope", problem.text) from problem
    if not scope.split() or not client.may_have(wanted):
        raise Refused("invalid_scope", "the scope is missing or more than this client may have")
    return " ".join(scope.split())


def _basic(header: str) -> tuple[str, str]:
    # RFC 6749, section 2.3.1: both halves are form-encoded inside the Basic scheme.
    kind, _, value = header.partition(" ")
    try:
        name, colon, secret = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Refused("invalid_client", "the client did not prove itself") from error
    if kind.lower() != "basic" or not colon:
        raise Refused("invalid_client", "the client did not prove itself")
    return unquote_plus(name), unquote_plus(secret)
