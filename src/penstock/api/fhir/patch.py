"""patch (http://hl7.org/fhir/R4/http.html#patch): JSON Patch, XML Patch and FHIRPath Patch, also conditional.

The patch is read first; it is applied to the current version while that is locked, so that nobody's change is lost and no patch has to be
tried again. What it makes is validated before it is stored.
"""

from __future__ import annotations

from typing import Any

from penstock.api.fhir.accept import valid
from penstock.api.fhir.idempotency import refuse_key
from penstock.api.fhir.subject import id_of, type_of
from penstock.api.fhir.write import conditions, criteria, write_one, written
from penstock.api.negotiate import content_type
from penstock.api.parts import Parts
from penstock.api.problems import render
from penstock.api.reply import Reply
from penstock.api.request import Request
from penstock.errors import Problem
from penstock.formats.fhir.patch import FORMATS, read
from penstock.store import Change

#: What a client is told that it may send (RFC 5789, section 3.1).
_ACCEPT_PATCH = (b"accept-patch", ", ".join(name for name in FORMATS if name.startswith("application/")).encode())


async def patch(parts: Parts, request: Request) -> Reply:
    """``PATCH /fhir/{type}/{id}``"""
    return await _patch(parts, request, Change("patch", type_of(request), id_of(request)))


async def conditional_patch(parts: Parts, request: Request) -> Reply:
    """``PATCH /fhir/{type}?query``: the one that the query finds; 404 when it finds none, 412 when it finds several."""
    return await _patch(parts, request, Change("patch", type_of(request), criteria=criteria(request)))


async def _patch(parts: Parts, request: Request, change: Change) -> Reply:
    refuse_key(request)
    try:
        apply = read(await request.body(), content_type(request.header(b"content-type") or ""))
    except Problem as problem:
        if problem.code != "media-type":
            raise
        return render(problem, fhir=True, headers=(_ACCEPT_PATCH,))

    def edit(resource: dict[str, Any]) -> dict[str, Any]:
        return valid(apply(resource), change.type)

    return written(request, await write_one(parts, request, conditions(parts, request, change, edit=edit)))
