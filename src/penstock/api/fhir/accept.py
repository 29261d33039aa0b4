"""What a client sends becomes a resource that may be stored, or a Problem that says where it is wrong."""

from __future__ import annotations

from typing import Any

from penstock.errors import Problem
from penstock.formats.fhir import json
from penstock.formats.fhir.validate import require


def decode_resource(data: bytes, type_: str) -> dict[str, Any]:
    """The valid resource in ``data``, which is of ``type_``; everything that is wrong with it is raised at once."""
    return valid(json.decode(data), type_)


def valid(resource: dict[str, Any], type_: str) -> dict[str, Any]:
    """``resource``, when it is a valid one of ``type_``."""
    if resource.get("resourceType") != type_:
        raise Problem("invalid", "the resource is of another type than the URL, or of none", at="resourceType")
    require(resource)
    return resource
