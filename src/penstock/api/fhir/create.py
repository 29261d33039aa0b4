"""create, also conditional (http://hl7.org/fhir/R4/http.html#create), and once for each ``Idempotency-Key``."""

from __future__ import annotations

from penstock.api.fhir import idempotency
from penstock.api.fhir.accept import sent_resource
from penstock.api.fhir.subject import FORM, type_of
from penstock.api.fhir.write import told, write_one
from penstock.api.parts import Parts
from penstock.api.reply import Reply
from penstock.api.request import Request
from penstock.errors import Problem
from penstock.store import Change


async def create(parts: Parts, request: Request) -> Reply:
    """``POST /fhir/{type}``; with ``If-None-Exist`` it creates nothing where the query finds one already."""
    resource = await sent_resource(request, type_of(request))
    if {name for name, _ in request.arguments()} - {*FORM}:
        raise Problem("not-supported", "a create takes no query: a conditional one has it in If-None-Exist", at="http.query")
    criteria = request.header(b"if-none-exist")
    if criteria is not None:
        request.access.require("search", type_of(request))
    change = Change("create", type_of(request), resource=resource, if_none_exist=criteria)
    once = idempotency.HEADER in request.headers
    return told(parts, request, await (idempotency.create_once if once else write_one)(parts, request, change))
