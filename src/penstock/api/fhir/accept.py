"""What a client sends becomes a resource that may be stored, or a Problem that says where it is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from penstock.api.fhir import binary
from penstock.api.form import FORMATS
from penstock.api.negotiate import content_type, require_fhir
from penstock.api.request import Request
from penstock.errors import Problem
from penstock.formats.fhir import json, xml
from penstock.formats.fhir.summary import TAG
from penstock.formats.fhir.validate import require_sound

Resource = dict[str, Any]

_DECODE: Mapping[str, Callable[[bytes], Resource]] = {"json": json.decode, "xml": xml.decode}


async def sent(request: Request) -> Resource:
    """The resource in the body, from whatever format it was sent in; not validated."""
    require_fhir(request)
    return decoded(request, await request.body())


def decoded(request: Request, body: bytes) -> Resource:
    """The same of a body that was read already."""
    return _DECODE[require_fhir(request)](body)


async def sent_resource(request: Request, type_: str) -> Resource:
    """The valid resource of a type in the body; everything that is wrong with it is raised at once."""
    if type_ == "Binary":
        return valid(await _binary(request), type_)
    resource = valid(await sent(request), type_)
    if request.method == "PUT":
        require_whole(resource)
    return resource


async def _binary(request: Request) -> Resource:
    """A Binary, or the Binary of what was sent: only what says that it is one is taken as one (binary.html#rest)."""
    header = request.header(b"content-type") or ""
    format = FORMATS.get(header.partition(";")[0].strip().lower())
    body = await request.body()
    if format is not None:
        content_type(header)
        try:
            resource = _DECODE[format](body)
        except Problem:
            resource = {}
        if resource.get("resourceType") == "Binary":
            return resource
    return binary.of_content(body, header, request.header(b"x-security-context"), request.params.get("id"))


def valid(resource: Resource, type_: str) -> Resource:
    """``resource``, when it is a valid one of ``type_``."""
    if resource.get("resourceType") != type_:
        raise Problem("invalid", "the resource is of another type than the URL, or of none", at="resourceType")
    require_sound(resource)
    return resource


def require_whole(resource: Resource) -> None:
    """Refuse to overwrite a resource by a part of one, as ``_summary`` and ``_elements`` answer it (search.html#summary)."""
    if TAG in ({"system": each.get("system"), "code": each.get("code")} for each in resource.get("meta", {}).get("tag", ())):
        raise Problem("business-rule", "this is a part of a resource (SUBSETTED): it cannot stand for the whole", at="Resource.meta.tag")
