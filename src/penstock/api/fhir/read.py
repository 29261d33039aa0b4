"""read and vread (http://hl7.org/fhir/R4/http.html#read, #vread), with their conditional forms (#cread)."""

from __future__ import annotations

from penstock.api.conditions import unchanged, version_headers
from penstock.api.fhir.subject import fhir_reply, id_of, type_of, version_of
from penstock.api.parts import Parts
from penstock.api.reply import Reply
from penstock.api.request import Request
from penstock.errors import Problem
from penstock.store import Stored


async def read(parts: Parts, request: Request) -> Reply:
    """``GET /fhir/{type}/{id}``: the current version; 410 when it was deleted, 404 when it was never there."""
    async with parts.database.connection() as tx:
        stored = await parts.store.read(tx, request.access, type_of(request), id_of(request))
    return answer(request, stored)


async def vread(parts: Parts, request: Request) -> Reply:
    """``GET /fhir/{type}/{id}/_history/{version}``: one version, current or not."""
    async with parts.database.connection() as tx:
        stored = await parts.store.vread(tx, request.access, type_of(request), id_of(request), version_of(request))
    return answer(request, stored)


def answer(request: Request, stored: Stored | None) -> Reply:
    """The answer that a version is: itself, 304 where the client has it already, 404 or 410."""
    stored = present(stored)
    headers = version_headers(stored.ver, stored.last_updated)
    if unchanged(request.header(b"if-none-match"), request.header(b"if-modified-since"), stored.ver, stored.last_updated):
        return Reply(304, headers=headers)
    return fhir_reply(200, stored.body, headers)


def present(stored: Stored | None) -> Stored:
    """A version that is there; ``not-found`` for what never was, ``deleted`` for what is no longer."""
    if stored is None:
        raise Problem("not-found", "there is no such resource")
    if stored.op == "delete":
        raise Problem("deleted", "this resource was deleted")
    return stored
