"""``Idempotency-Key`` on a create (the IETF's draft "The Idempotency-Key HTTP Header Field"): done once, however often it is sent.

The key is claimed in the transaction that creates: either both are there or none is. The same key of the same client with the same request
gets the first answer again; with another request it is refused. What was refused has used up no key.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from penstock.api.fhir.write import cause, concealed, noted
from penstock.api.parts import Parts
from penstock.api.request import Request
from penstock.auth.access import SYSTEM
from penstock.db import Tx, named_sql
from penstock.errors import Problem
from penstock.store import Change, Written

_SQL = named_sql(__package__, "idempotency.sql")

HEADER = b"idempotency-key"
_AT = "http.idempotency-key"
#: A string of RFC 9651, or the bare key that most clients send.
_KEY = re.compile(r'"[ -~]{1,255}"|[!#-~]{1,255}')


async def create_once(parts: Parts, request: Request, change: Change) -> Written:
    """Do a create with a key; what it did before, when the key has come before."""
    hash, now = _hash(request), request.now
    fingerprint, kept_since = await _fingerprint(request), now - timedelta(hours=parts.settings.idempotency_hours)
    await parts.store.ensure(parts.database, [change.type])
    async with parts.database.transaction() as tx:
        if not await tx.fetchval(_SQL["claim"], hash, fingerprint, now, change.type, kept_since):
            outcome = await _again(parts, tx, request, hash, fingerprint)
        else:
            outcome = await _first(parts, tx, request, change)
            await tx.execute(_SQL["keep"], hash, outcome.id, outcome.ver, outcome.op)
            return noted(parts, request, outcome)
    noted(parts, request, outcome._replace(op="same"))  # nothing was written this time
    return outcome


def refuse_key(request: Request) -> None:
    """Where no key is served, a client that sends one must not believe that it is."""
    if HEADER in request.headers:
        raise Problem("not-supported", "an Idempotency-Key is served with a create, and nowhere else", at=_AT)


async def drop(tx: Tx, before: datetime) -> None:
    """Forget older keys."""
    await tx.execute(_SQL["drop"], before)


async def _first(parts: Parts, tx: Tx, request: Request, change: Change) -> Written:
    hidden = await concealed(parts, tx, request, change)
    (outcome,) = await parts.store.write(tx, request.access, [hidden], cause(request, hidden))
    if isinstance(outcome, Problem):
        raise outcome
    return outcome


async def _again(parts: Parts, tx: Tx, request: Request, hash: UUID, fingerprint: bytes) -> Written:
    """What the first request did: the version that it made, whatever became of the resource since."""
    kept: Any = await tx.fetchrow(_SQL["kept"], hash)
    if kept["fingerprint"] != fingerprint:
        raise Problem("business-rule", "this Idempotency-Key came before, with another request", at=_AT)
    theirs = replace(SYSTEM, tenant=request.access.tenant)  # a client that may create need not be one that may read
    stored = await parts.store.vread(tx, theirs, kept["type"], kept["id"], kept["ver"])
    if stored is None:
        raise Problem("deleted", "what was created with this Idempotency-Key is no longer kept", at=_AT)
    return Written(stored.type, stored.id, stored.ver, stored.rid, kept["op"], stored.last_updated, stored.body)


def _hash(request: Request) -> UUID:
    """A key is its client's: nobody else's key is the same one."""
    key = request.header(HEADER) or ""
    if not _KEY.fullmatch(key):
        raise Problem("value", "an Idempotency-Key has 1 to 255 printable characters", at=_AT)
    whose = "\0".join((request.access.tenant, request.access.client, key.strip('"')))
    return UUID(bytes=hashlib.sha256(whose.encode()).digest()[:16])


async def _fingerprint(request: Request) -> bytes:
    names = (b"content-type", b"if-none-exist")
    parts = (request.path.encode(), request.query.encode(), *(request.headers.get(name, b"") for name in names), await request.body())
    return hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts)).digest()
