"""PATCH (http://hl7.org/fhir/R4/http.html#patch): what a client sends becomes a function from a resource to the next one.

``read`` takes the bytes of a JSON Patch, an XML Patch or a FHIRPath Patch by their media type; ``of_resource`` takes what stands in a
Bundle for it. A patch is read, and refused, before anything is locked; applied, it changes everything that it says or nothing. The
result is not validated here.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable
from typing import Any

from penstock.errors import Problem
from penstock.formats.fhir import json, xml
from penstock.formats.fhir.patch import fhirpath_patch, json_patch, xml_patch

Resource = dict[str, Any]
Patch = Callable[[Resource], Resource]

JSON_PATCH = "application/json-patch+json"
XML_PATCH = "application/xml-patch+xml"


def _parameters_in_json(data: bytes) -> Patch:
    return fhirpath_patch.read(json.decode(data))


def _parameters_in_xml(data: bytes) -> Patch:
    return fhirpath_patch.read(xml.decode(data))


#: Media type to the reader of its patches. All that a PATCH may be sent as.
FORMATS: dict[str, Callable[[bytes], Patch]] = {
    JSON_PATCH: json_patch.read,
    XML_PATCH: xml_patch.read,
    "application/fhir+json": _parameters_in_json,
    "application/fhir+xml": _parameters_in_xml,
    "application/json": _parameters_in_json,
    "application/xml": _parameters_in_xml,
    "text/json": _parameters_in_json,
    "text/xml": _parameters_in_xml,
}


def read(data: bytes, media: str) -> Patch:
    """The patch that ``data`` is; what is wrong with it is raised now, what does not fit a resource when it is applied."""
    reader = FORMATS.get(media)
    if reader is None:
        raise Problem("media-type", "a patch is a JSON Patch, an XML Patch or a Parameters resource with a FHIRPath Patch")
    return _keeping_identity(reader(data))


def of_resource(resource: Resource) -> Patch:
    """The patch that an entry of a Bundle holds: Parameters, or a Binary with a JSON or XML Patch (http.html#patch)."""
    if resource.get("resourceType") == "Parameters":
        return _keeping_identity(fhirpath_patch.read(resource))
    if resource.get("resourceType") != "Binary":
        raise Problem("invalid", "a patch in a Bundle is a Parameters resource, or a Binary with a JSON or XML Patch")
    try:
        data = binascii.a2b_base64(resource.get("data", ""))
    except (binascii.Error, TypeError, ValueError):
        raise Problem("value", "the data of a Binary are not base64", at="Binary.data") from None
    return read(data, str(resource.get("contentType", "")).partition(";")[0].strip().lower())


def apply(resource: Resource, patch: bytes, media: str) -> Resource:
    """Read and apply at once. ``resource`` stays as it is."""
    return read(patch, media)(resource)


def _keeping_identity(patch: Patch) -> Patch:
    """Type and id are no business of a patch: they are the URL's."""

    def patched(resource: Resource) -> Resource:
        result = patch(resource)
        for name in ("resourceType", "id"):
            if result.get(name) != resource.get(name):
                raise Problem("invalid", "a patch does not change the type or the id of a resource", at=f"Resource.{name}")
        return result

    return patched
